"""Exchanges at their doors: the staff's pages, the merchants' API, the buyer's wish."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from inventory.models import Sku
from oms.merchants.models import Channel
from orders.models import Exchange, ReturnRequest
from orders.returning import requesting
from tests import factories, steps
from tests.exchanging.world import exchange, returned, run, wanted
from tests.returns.world import BUYER, install, line_of, many

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installed(db: None) -> None:
    install()


def staff(client, *rights):  # type: ignore[no-untyped-def]
    user = factories.UserFactory(is_staff=True, is_superuser=not rights)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights)) if rights else None
    client.force_login(user)
    return client


def test_the_page_previews_and_confirms_what_was_shown(client, shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("35.50"))
    order = many(shop, 2)
    staff(client)
    address = reverse("admin:orders_returnrequest_exchange", args=[order.pk])
    assert client.get(address).status_code == 200
    typed = {
        f"units_{line_of(order).pk}": "1",
        "sku": shop.other_sku.pk,
        "quantity": "1",
        "reason": "no_reason",
        "version": order.version,
    }
    looked = client.post(address, {**typed, "do": "look"})
    assert (looked.context["preview"].to_pay, looked.context["preview"].back) == (2550, 0)
    assert not Exchange.objects.exists()

    version = looked.context["version"]
    stale = client.post(address, {**typed, "version": version, "do": "confirm", "to_pay": "100", "back": "0"})
    assert stale.context["problems"]
    assert not Exchange.objects.exists()
    fresh = steps.fresh(order).version
    done = client.post(address, {**typed, "version": fresh, "do": "confirm", "to_pay": "2550", "back": "0"})
    assert done.status_code == 302
    page = client.get(reverse("admin:orders_returnrequest_change", args=[Exchange.objects.get().pk]))
    assert Exchange.objects.get().new_order.number in page.content.decode()
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("units", ["x", "-1", "999999999999", "3"])
def test_what_is_typed_wrongly_is_said(client, shop, units):
    order = many(shop, 2)
    staff(client)
    typed = {f"units_{line_of(order).pk}": units, "reason": "no_reason", "do": "look"}
    answer = client.post(reverse("admin:orders_returnrequest_exchange", args=[order.pk]), typed)
    assert answer.status_code == 200
    assert answer.context["problems"]
    assert answer.context["lines"][0].units == units


def test_the_page_is_for_those_who_work_on_returns(client, shop):
    order = many(shop, 2)
    staff(client, "view_order", "view_returnrequest")
    assert client.get(reverse("admin:orders_returnrequest_exchange", args=[order.pk])).status_code == 403


def test_a_buyers_wish_is_previewed_on_the_returns_page_and_begun_by_its_approval(client, shop):
    order = many(shop, 2)
    row = requesting.request(order.pk, wanted(order, {1: 1}), actor=BUYER)
    staff(client)
    page = reverse("admin:orders_returnrequest_change", args=[row.pk])
    assert client.get(page).context["shown_exchange"]["preview"].to_pay == 0
    approved = client.post(
        reverse("admin:orders_returnrequest_approve", args=[row.pk]), {"version": row.version, "warehouse": ""}
    )
    assert approved.status_code == 302
    assert Exchange.objects.get().is_open
    assert client.get(page).context["shown_exchange"]["preview"] is None


def test_what_is_missing_is_written_off_with_its_right(client, shop):
    order = many(shop, 2)
    Channel.objects.update(exchange_leaves="at_once")
    row = exchange(order, {1: 1})
    steps.shipped(row.new_order)
    requesting.deciding.expire(row.pk, actor=steps.STAFF)
    run()
    staff(client)
    data = {"version": returned(row).version, "reason": "lost"}
    assert client.post(reverse("admin:orders_returnrequest_write_off", args=[row.pk]), data).status_code == 302
    assert Exchange.objects.get().written_off == 10


def test_a_merchant_previews_asks_and_decides(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("4.00"))
    order = many(shop, 2)
    api = factories.client_of(shop.merchant)
    told = {
        "sub_order": order.sub_orders.get().number,
        "reason": "no_reason",
        "lines": [{"position": 1, "quantity": 1}],
        "goods": [{"sku": shop.other_sku.code, "quantity": 1}],
    }
    shown = api.post("/api/v1/exchanges/preview", told, format="json")
    assert shown.status_code == 200, shown.content
    assert {name: shown.json()[name] for name in ("gives", "costs", "credit", "to_pay", "goes_back")} == {
        "gives": "10.00",
        "costs": "4.00",
        "credit": "4.00",
        "to_pay": "0.00",
        "goes_back": "6.00",
    }
    made = api.post("/api/v1/returns", {**told, "kind": "exchange"}, format="json")
    assert (made.status_code, made.json()["exchange"]["order"]) == (201, None)
    address = f"/api/v1/returns/{made.json()['number']}"
    done = api.post(f"{address}/decision", {"decision": "approve"}, format="json", headers={"if-match": made["ETag"]})
    assert done.status_code == 200
    run()
    assert api.get(address).json()["exchange"]["order"] == Exchange.objects.get().new_order.number
    assert ReturnRequest.objects.get().kind == "exchange"
    wrong = api.post(
        "/api/v1/exchanges/preview", {**told, "goods": [{"sku": "nonsense", "quantity": 1}]}, format="json"
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (409, "goods")
    other = factories.client_of(factories.MerchantFactory())
    assert other.post("/api/v1/exchanges/preview", told, format="json").status_code == 404
    assert steps.broken_invariants() == []
