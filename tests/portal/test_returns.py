"""Returns and refunds on the merchants' pages: decided, received, inspected, asked for; by whom they concern alone."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from inventory.models import Stock
from logistics.by_merchant import shipping
from logistics.by_merchant.reported import Leaving
from oms.merchants.joining.roles import Role
from orders.models import Order, ReturnPhoto, ReturnRequest, ReturnRule
from payments.models import Refund, RefundGrant
from tests import steps
from tests.portal import world
from tests.returns import world as returns

pytestmark = pytest.mark.django_db
LIST = "/merchant/orders/returnrequest/"


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    returns.install()
    ReturnRule.objects.update(approves_at_once=False)
    return world.make_seller()


@pytest.fixture
def li(seller: world.Seller) -> Client:
    """Its administrator."""
    return world.person_of(seller.merchant)


def delivered(seller: world.Seller, units: int = 3) -> Order:
    """An order that was paid to the merchant, at the buyer's."""
    paid = {"paid_at": timezone.now().isoformat(), "amount": f"{units * 10}.00"}
    told = {"payment_method": "prepaid", "freight_amount": "0.00", "collected": paid}
    (work,) = seller.orders(1, (seller.sku, units, "10.00"), **told)
    shipping.ship(seller.merchant, [Leaving(work.number, "SF", f"SF1{work.pk:09}")], actor=steps.STAFF)
    steps.scan(work.shipments.get(), "collected", "signed")
    order = Order.objects.get(pk=work.sub_order.order_id)
    order.sub_orders.update(delivered_at=timezone.now())
    return order


def ask(li: Client, order: Order, units: int, **changed: Any) -> Any:
    """Ask for a return on the order's page."""
    line = returns.line_of(order)
    form = {"version": order.version, "kind": "return_and_refund", "reason": "no_reason", f"units_{line.pk}": units}
    return li.post(f"{LIST}of/{order.pk}/", {**form, **changed})


def act(li: Client, row: ReturnRequest, action: str, **data: Any) -> Any:
    """Do something to a return on its page."""
    version = ReturnRequest.objects.get(pk=row.pk).version
    return li.post(f"{LIST}{row.pk}/{action}/", {"version": version, **data}, follow=True)


def state_of(row: ReturnRequest) -> tuple[str, str]:
    """Where goods and money are."""
    row = ReturnRequest.objects.get(pk=row.pk)
    return row.state, row.money_state


def test_a_return_goes_from_the_request_to_the_money_on_the_merchants_pages(seller, li):
    order = delivered(seller)
    assert ask(li, order, 9).context["form"].errors
    assert ask(li, order, 2, files=[]).status_code == 302
    row = ReturnRequest.objects.get()
    page = li.get(f"{LIST}{row.pk}/change/").content.decode()
    assert order.number in page
    assert "You have no warehouse" in act(li, row, "approve", warehouse="X").content.decode()
    assert state_of(row) == ("requested", "not_due")
    act(li, row, "approve", warehouse="")
    assert state_of(row) == ("awaiting_goods", "not_due")
    act(li, row, "hand-over", carrier="顺丰", waybill="SF900000001")
    act(li, row, "receive")
    assert state_of(row) == ("received", "not_due")
    line = returns.line_of(order)
    page = li.get(f"{LIST}{row.pk}/change/").content.decode()
    assert f'name="found_{line.pk}_good"' in page
    before = Stock.objects.get(sku=seller.sku).on_hand
    wrong = act(li, row, "inspect", **{f"found_{line.pk}_good": "1"})
    assert "nothing is said of 1 unit" in wrong.content.decode()
    act(li, row, "inspect", **{f"found_{line.pk}_good": "1", f"found_{line.pk}_defective": "1"})
    assert state_of(row) == ("inspected", "to_grant")
    assert Stock.objects.get(sku=seller.sku).on_hand == before + 1
    shown = li.get(f"{LIST}{row.pk}/change/").context["calculation"]
    assert shown["amount"] == "20.00"
    seen = {name: shown[name] for name in ("cash", "gift_card", "points")}
    stale = act(li, row, "grant", **{**seen, "cash": "19.00"})
    assert "otherwise by now" in stale.content.decode()
    act(li, row, "grant", **seen)
    grant = RefundGrant.objects.get()
    assert (grant.state, grant.amount, state_of(row)[1]) == ("proposed", Decimal("20.00"), "proposed")
    assert grant.proposed_by == f"{seller.merchant.code} {li.session_name}"
    assert not Refund.objects.exists()
    assert grant.number in li.get("/merchant/payments/refundgrant/").content.decode()


def test_a_return_that_waits_for_a_decision_is_declined_with_a_reason_or_escalated(seller, li):
    order = delivered(seller)
    row = returns.ask(order, {1: 1}, returns.BUYER)
    assert "Reason" in act(li, row, "decline", reason="").content.decode()
    assert state_of(row)[0] == "requested"
    looked_at = ReturnRequest.objects.get(pk=row.pk).version
    act(li, row, "decline", reason="used")
    assert state_of(row)[0] == "declined"
    # A page from before the decision.
    act(li, row, "escalate", reason="the buyer insists", version=looked_at)
    assert not ReturnRequest.objects.get(pk=row.pk).is_escalated
    act(li, row, "escalate", reason="the buyer insists")
    assert ReturnRequest.objects.get(pk=row.pk).is_escalated
    page = li.get(f"{LIST}{row.pk}/change/").content.decode()
    assert f"{LIST}{row.pk}/approve/" not in page


def test_what_is_for_others_to_do_is_neither_offered_nor_done(seller, li):
    shop = world.make_seller()
    shop_li = world.person_of(shop.merchant)
    order = delivered(seller, 1)
    row = returns.ask(order, {1: 1})
    # A stranger finds nothing of it at any address.
    for action in ("approve", "decline", "receive", "hand-over", "send-repaired", "escalate", "inspect", "grant"):
        form = {"version": row.version, "reason": "x", "waybill": "SF1", "carrier": "", "cash": 1, "gift_card": 0}
        assert shop_li.post(f"{LIST}{row.pk}/{action}/", {**form, "points": 0}).status_code == 404, action
    assert shop_li.get(f"{LIST}{row.pk}/change/").status_code == 302
    assert shop_li.get(f"{LIST}of/{order.pk}/").status_code == 404
    assert shop_li.get(f"/merchant/payments/refundgrant/of/{order.pk}/").status_code == 404
    # Whoever's warehouse has the goods says what came.
    ReturnRequest.objects.filter(pk=row.pk).update(warehouse=shop.warehouse)
    page = li.get(f"{LIST}{row.pk}/change/").content.decode()
    assert f"{LIST}{row.pk}/receive/" not in page
    assert li.post(f"{LIST}{row.pk}/receive/", {"version": row.version}).status_code == 403
    line = returns.line_of(order)
    form = {"version": row.version, f"found_{line.pk}_good": 1}
    assert li.post(f"{LIST}{row.pk}/inspect/", form).status_code == 403


def test_photos_are_shown_to_whom_the_return_concerns(seller, li, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    row = returns.ask(delivered(seller), {1: 1}, files=[returns.photo()])
    photo = ReturnPhoto.objects.get()
    assert b"".join(li.get(f"{LIST}photo/{photo.pk}/").streaming_content) == returns.PNG
    assert f"{LIST}photo/{photo.pk}/" in li.get(f"{LIST}{row.pk}/change/").content.decode()
    stranger = world.person_of(world.make_seller().merchant)
    assert stranger.get(f"{LIST}photo/{photo.pk}/").status_code == 404


def test_a_refund_is_asked_for_with_a_preview_and_staff_decide(seller, li):
    order = delivered(seller)
    page = f"/merchant/payments/refundgrant/of/{order.pk}/"
    form = {"reason": "late", "amount": "5.00", "note": "came late"}
    assert 'name="bearer"' not in li.get(page).content.decode()
    looked = li.post(page, {**form, "preview": "1"})
    assert looked.context["calculation"]["amount"] == "5.00"
    assert not RefundGrant.objects.exists()
    too_much = li.post(page, {**form, "amount": "500.00", "preview": "1"})
    assert too_much.context["form"].non_field_errors()
    assert too_much.context["calculation"] is None
    seen = {name: looked.context["calculation"][name] for name in ("cash", "gift_card", "points")}
    assert li.post(page, {**form, **seen, "version": order.version, "confirm": "1"}).status_code == 302
    grant = RefundGrant.objects.get()
    assert (grant.state, grant.amount, grant.bearer) == ("proposed", Decimal("5.00"), "platform")
    reader = world.person_of(seller.merchant, Role.READ_ONLY)
    assert reader.get(page).status_code == 403
    assert reader.get(f"/merchant/payments/refundgrant/{grant.pk}/change/").status_code == 200
    assert "proposed_by" not in li.get(f"/merchant/payments/refundgrant/{grant.pk}/change/").content.decode()
