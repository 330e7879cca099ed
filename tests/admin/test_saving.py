"""What only saving can refuse of a form did nothing, and is said in words above what was typed: no error 500."""

from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError
from django.urls import reverse
from django.utils.html import escape

from inventory import purchasing
from inventory.models import PurchaseOrder
from inventory.purchase_pages import PurchaseOrderForm
from logistics.carriers import following
from logistics.models import Carrier, CarrierAccount, CarrierCode, WaybillShare
from orders.models import ReviewList, ReviewListEntry
from tests import factories, steps

pytestmark = pytest.mark.django_db


def filled(client: Any, page: str, *new_rows: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """What the page's forms post unchanged, and new rows of its inlines, each with the prefix of its inline."""
    context = client.get(page).context
    formsets = [one.formset for one in context["inline_admin_formsets"]]
    forms = [context["adminform"].form, *(one for of in formsets for one in (of.management_form, *of.initial_forms))]
    data = {bound.html_name: bound.value() for form in forms for bound in form}
    for prefix, values in new_rows:
        number = data[f"{prefix}-TOTAL_FORMS"]
        data[f"{prefix}-TOTAL_FORMS"] = number + 1
        data |= {f"{prefix}-{number}-{name}": value for name, value in values.items()}
    return {name: value for name, value in data.items() if value is not None and value is not False}


def said(response: Any) -> list[str]:
    """What the page of a refused form says, of the whole, of each row and of each list of rows."""
    assert response.status_code == 200, response.headers
    formsets = [one.formset for one in response.context["inline_admin_formsets"]]
    forms = [response.context["adminform"].form, *(form for of in formsets for form in of.forms)]
    told = [error for form in forms for errors in form.errors.values() for error in errors]
    assert all(line in response.content.decode() for line in map(escape, told))
    return [*map(str, told), *(str(error) for of in formsets for error in of.non_form_errors())]


@pytest.fixture
def carriers() -> list[Carrier]:
    link = factories.ConnectionFactory(kind="carrier")
    return [Carrier.objects.create(code=code, name=code, connection=link) for code in ("ONE", "TWO")]


def test_a_code_of_a_carrier_is_not_given_twice(boss, carriers):
    page = reverse("admin:logistics_carrier_change", args=[carriers[0].pk])
    for carrier, code in zip(carriers, ("AA", "BB"), strict=True):
        CarrierCode.objects.create(carrier=carrier, protocol="kdniao", code=code)

    again = said(boss.post(page, filled(boss, page, ("codes", {"protocol": "kdniao", "code": "CC"}))))
    taken = said(boss.post(page, {**filled(boss, page), "codes-0-code": "BB"}))

    assert "Please correct the duplicate data for protocol." in again
    assert taken == ["Carrier's code in a protocol with this Protocol and Code already exists."]
    assert set(CarrierCode.objects.values_list("code", flat=True)) == {"AA", "BB"}


def test_users_of_an_account_are_not_entered_twice_nor_given_less_than_they_used(boss, carriers):
    merchant = factories.MerchantFactory()
    account = CarrierAccount.objects.create(carrier=carriers[0], connection=carriers[0].connection, name="x")
    # What was used on another day does not count today, but stands in the row until a waybill is asked for.
    used = {"used_in_total": 5, "used_that_day": 5, "used_on": "2020-01-01"}
    share = WaybillShare.objects.create(account=account, merchant=merchant, **used)
    page = reverse("admin:logistics_carrieraccount_change", args=[account.pk])

    twice = said(boss.post(page, filled(boss, page, ("shares", {"merchant": merchant.pk, "warn_at_percent": 80}))))
    less = said(boss.post(page, {**filled(boss, page), "name": "other", "shares-0-most_a_day": 3}))

    assert twice == ["User of a carrier's account with this Account, Merchant and Channel already exists."]
    assert less == [
        "User of a carrier's account: More waybills are used already than this: give at least as many, or leave it"
        " empty."
    ]
    assert (steps.fresh(share).most_a_day, steps.fresh(account).name) == (None, "x")


def test_an_address_is_not_listed_twice(boss, shop):
    listed = ReviewList.objects.create(code="x", name="X", kind="people")
    page = reverse("admin:orders_reviewlistentry_add")
    entry = {
        "review_list": listed.pk,
        "kind": "address",
        "region_code": "110101",
        "address": "科技园 1 号",
        "reason": "r",
    }
    data = {**filled(boss, page), **entry}
    assert boss.post(page, data).status_code == 302

    assert said(boss.post(page, data)) == ["The address is on this list already."]

    assert ReviewListEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("language", "words"), [("en", "There is another purchase order P1."), ("zh-hans", "已有另一张采购单 P1。")]
)
def test_what_a_service_refuses_under_its_locks_is_said_in_the_form(boss, shop, language, words):
    page = reverse("admin:inventory_purchaseorder_add")
    code = factories.SkuFactory(merchant=shop.merchant).code
    data = {"merchant": shop.merchant.pk, "number": "P1", "warehouse": shop.warehouse.pk, "rows": f"{code} 4"}
    purchasing.order(shop.merchant, "P1", shop.warehouse, [purchasing.Bought(code, 3)], actor="somebody quicker")

    # The form was right when it was looked at.
    with mock.patch.object(PurchaseOrderForm, "_get_validation_exclusions", return_value={"number", "merchant"}):
        told = said(boss.post(page, data, headers={"accept-language": language}))

    assert told == [words]
    assert PurchaseOrder.objects.get().lines.get().quantity == 3


def test_a_mistake_of_the_program_stays_one(boss, carriers):
    page = reverse("admin:logistics_carrier_change", args=[carriers[0].pk])
    data = filled(boss, page)

    with mock.patch.object(following, "begin_all_of", side_effect=IntegrityError("what is this")):
        assert boss.post(page, {**data, "name": "new"}).status_code == 302
        with pytest.raises(IntegrityError):
            boss.post(page, {**data, "connection": ""})
