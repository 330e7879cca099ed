"""The page on which staff change a placed order."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orders import kinds
from orders.actors import Actor
from orders.changing import charging
from orders.changing.sets import drafting
from orders.models import ActorKind, ChangeSet, InvoiceRequest, Order
from payments.taking import links
from tests import steps
from tests.admin.conftest import client_of
from tests.change_sets.helpers import ask_for_balance, change, units
from tests.promising.conftest import sample  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
RIGHTS = ("view_order", "confirm_changeset", "price_changeset", "readdress_order", "view_personal_data")


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody who may change orders."""
    return client_of(*RIGHTS)


def paid(shop: Any) -> Order:
    order = shop.place_order((shop.sku, 2, "10.00"), freight_amount="0.00")
    steps.pay(order)
    return order


def address(order: Order) -> str:
    return reverse("admin:orders_order_changes", args=[order.pk])


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(stamp|last_event|set_version)" value="([^"]*)"', page))


def typed(**more: Any) -> dict[str, Any]:
    return {"reason": "the buyer called", "bearer": "merchant", "units_1": "2", **more}


def test_it_is_for_those_who_may(shop):
    order = paid(shop)
    assert client_of("view_order").get(address(order)).status_code == 403
    assert client_of("confirm_changeset").post(address(order), typed(units_1="1")).status_code == 403
    page = client_of("view_order", "confirm_changeset").get(address(order)).content.decode()
    assert 'name="adjustment"' not in page
    assert 'name="address"' not in page
    done = client_of("view_order", "confirm_changeset")
    answer = done.post(address(order), typed(units_1="1", adjustment="-5", adjust_1="-3", do="look")).content.decode()
    assert "¥20.00 → ¥10.00" in answer


def test_goods_are_looked_up_looked_at_and_asked_for(shop, clerk):
    order = paid(shop)
    page = clerk.post(address(order), typed(search=shop.other_sku.code, do="search")).content.decode()
    assert f'name="add-{shop.other_sku.pk}"' in page

    form = typed(**{f"add-{shop.other_sku.pk}": "2", "adjustment": "-1.00"})
    page = clerk.post(address(order), {**form, "do": "look"}).content.decode()

    assert "¥20.00 → ¥70.00" in page
    assert "Confirm and ask for the balance" in page
    form = typed(sku=str(shop.other_sku.pk), quantity="2", price="", adjustment="-1.00", **hidden(page))
    done = clerk.post(address(order), {**form, "do": "confirm"}, follow=True).content.decode()
    assert "The buyer is asked for ¥50.00" in done
    row = ChangeSet.objects.get()
    ask_for_balance(row)
    public = Client().get(links.path_of(order)).content.decode()
    assert "50.00" in public
    assert "waits for ¥50.00" in clerk.get(address(order)).content.decode()
    gone = clerk.post(address(order), {"do": "discard", "set_version": str(row.version)}, follow=True)
    assert "The change is discarded" not in gone.content.decode() or ChangeSet.objects.get().state == "discarded"


def test_a_draft_is_kept_and_taken_up_again(shop, clerk):
    order = paid(shop)
    wish = {
        "sku": str(shop.other_sku.pk),
        "quantity": "1",
        "price": "20.00",
        "adjust_1": "-2.00",
        "phone": "13912345678",
    }
    stamp = hidden(clerk.post(address(order), typed(units_1="1", do="look")).content.decode())["stamp"]
    assert clerk.post(address(order), typed(**wish, do="save")).status_code == 302
    page = clerk.get(address(order)).content.decode()
    assert 'value="20.00"' in page
    assert 'value="-2.00"' in page
    assert 'value="13912345678"' in page
    assert "¥20.00 → ¥38.00" in page
    draft = ChangeSet.objects.get()
    assert "13912345678" not in str(draft.actions)
    other = client_of(*RIGHTS)
    late = other.post(address(order), typed(units_1="1", do="confirm", stamp=stamp)).content.decode()
    assert "Somebody else is changing the order" in late
    assert 'name="units_1" value="1"' in late
    assert clerk.post(address(order), {"do": "discard", "set_version": str(draft.version)}).status_code == 302
    assert ChangeSet.objects.get().state == "discarded"


def test_the_second_of_two_sees_what_the_first_did_and_keeps_what_he_typed(shop, clerk):
    order = paid(shop)
    page = clerk.post(address(order), typed(units_1="1", do="look")).content.decode()
    change(order, units(1, 1))
    late = clerk.post(address(order), typed(units_1="1", reason="mine", do="confirm", **hidden(page))).content.decode()
    assert "The order was changed meanwhile" in late
    assert "The order was changed (the buyer called)" in late
    assert 'value="mine"' in late
    assert charging.owed(order.pk) == Decimal(10)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"units_1": "many"}, "Give a whole number of units"),
        ({"units_1": "0"}, "Nothing would be left"),
        ({"adjustment": "-100"}, "at most ¥20.00"),
        ({"units_1": "2"}, "Say what is to be changed"),
        ({"adjust_1": "x"}, "Give an amount in yuan"),
    ],
)
def test_what_is_wrong_is_said(shop, clerk, wrong, told):
    order = paid(shop)
    assert told in clerk.post(address(order), typed(**wrong, do="look")).content.decode()
    assert not ChangeSet.objects.exists()


def test_units_that_nobody_typed_follow_what_another_did_of_them(shop, clerk):
    order = shop.place_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"), freight_amount="0.00")
    steps.pay(order)
    page = clerk.get(address(order)).content.decode()
    shown = {**hidden(page), "was_1": "2", "was_2": "1"}
    assert all(f'name="{name}" value="{value}"' in page for name, value in shown.items() if name != "set_version")
    change(order, units(1, 1))
    form = typed(units_2="1", adjustment="-1.00", **shown, do="look")
    page = clerk.post(address(order), form).content.decode()
    # The unit that is gone does not come back because the page, which was opened before, had it.
    assert "¥35.50 → ¥34.50" in page
    assert 'name="was_1" value="1"' in page
    assert "What happened meanwhile" in page
    assert "2 → 1" in page[page.index('id="changed"') :]


def test_of_two_drafts_the_second_sees_what_the_first_wants(shop, clerk):
    order = paid(shop)
    want = [units(1, 1), {"do": "freight", "amount": "2.00"}, {"do": "recipient", "address": "长安街2号"}]
    actor = Actor(ActorKind.STAFF, "wang")
    drafting.save(order.pk, want, reason="one is enough", actor=actor)
    page = clerk.post(address(order), typed(adjustment="-1.00", do="save")).content.decode()
    assert "What wang wants" in page
    assert f"{shop.sku.code}: 1 units" in page
    assert "Freight ¥2.00" in page
    assert "Another address" in page
    assert "长安街2号" not in page
    assert 'value="-1.00"' in page
    assert ChangeSet.objects.get().reason == "one is enough"


def test_a_delivery_time_is_shown_before_and_told_afterwards(shop, clerk):
    order = paid(shop)
    window = {"delivery_from": "2027-01-02T09:00", "delivery_until": "2027-01-02T12:00"}
    page = clerk.post(address(order), typed(**window, do="look")).content.decode()
    assert "Delivery wished for" in page
    assert re.search("<del>–</del> → <ins>[^<]*09:00[^<]* – [^<]*12:00[^<]*</ins>", page)
    clerk.post(address(order), typed(**window, do="confirm", **hidden(page)))
    event = order.events.get(kind="changed")
    assert event.data["appointment"][:2] == [None, None]
    told = kinds.tell(event)
    assert "delivery – → " in told
    assert "09:00" in told or "9 a.m." in told


def test_the_promise_of_what_is_added_is_shown(shop, clerk, sample):  # noqa: F811
    order = paid(shop)
    form = typed(sku=str(shop.other_sku.pk), quantity="1", price="", do="look")
    page = clerk.post(address(order), form).content.decode()
    assert "Promised delivery" in page


def test_what_is_wrong_names_the_goods(shop, clerk):
    page = clerk.post(address(paid(shop)), typed(units_1="-3", do="look")).content.decode()
    assert f"{shop.sku.code}: Give a whole number of units" in page


def test_an_invoice_is_asked_for_with_the_change_by_who_may(shop, clerk):
    order = paid(shop)
    assert 'name="invoice_title"' not in clerk.get(address(order)).content.decode()
    biller = client_of(*RIGHTS, "issue_invoice", "retitle_invoice")
    form = typed(invoice_title_type="company", invoice_title="示例科技有限公司", adjustment="-1.00")
    missing = biller.post(address(order), {**form, "do": "look"}).content.decode()
    assert "tax number" in missing.lower()
    assert "An invoice is asked for" not in missing

    form["invoice_tax_number"] = "91110000600037341L"
    page = biller.post(address(order), {**form, "do": "look"}).content.decode()
    assert "An invoice is asked for" in page
    assert not InvoiceRequest.objects.exists()
    kept = biller.post(address(order), {**form, "do": "save"}, follow=True).content.decode()
    assert 'value="示例科技有限公司"' in kept

    form |= hidden(biller.post(address(order), {**form, "do": "look"}).content.decode())
    biller.post(address(order), {**form, "do": "confirm"})

    assert ChangeSet.objects.get().state == "confirmed"
    assert InvoiceRequest.objects.get().details["tax_number"] == "91110000600037341L"


def test_units_that_a_warehouse_has_have_no_fields(shop, clerk):
    order = shop.place_order((shop.sku, 2, "10.00"), payment_method="cod")
    assert 'name="units_1"' in clerk.get(address(order)).content.decode()
    steps.released(order)

    page = clerk.get(address(order)).content.decode()
    assert 'name="units_1"' not in page
    assert 'name="adjust_1"' not in page
    assert "a warehouse has them, or they left" in page
    # What was typed before stays, with the reason.
    late = clerk.post(address(order), typed(units_1="1", was_1="2", do="look")).content.decode()
    assert 'name="units_1" value="1"' in late
