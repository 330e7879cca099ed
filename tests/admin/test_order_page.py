"""The order's page tells the whole story and explains every fen."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.test import Client
from django.utils import timezone

from inventory import purchasing
from inventory.models import PurchaseOrder
from oms.common.models import Ticket
from oms.common.zones import CHINA
from orders.actors import Actor
from orders.admin.order_page import load, money_table
from orders.changing import cancelling
from orders.models import ActorKind, Order, OrderEvent, SubOrder
from orders.reviewing import holds
from tests import factories, steps

STAFF = Actor(ActorKind.STAFF, "wang")


def page(client: Client, order: Order) -> str:
    """The page's HTML."""
    response = client.get(f"/admin/orders/order/{order.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()


def remarks(client: Client, order: Order) -> list[str]:
    """The sentences on where the order is."""
    return [remark.text for remark in client.get(f"/admin/orders/order/{order.pk}/change/").context["remarks"]]


def test_the_money_table_adds_up_to_the_order(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order(
        (shop.sku, 3, "10.00"),
        (shop.other_sku, 2, "25.50"),
        coupon_amount="7.77",
        freight_amount="6.01",
        points={"used": 333, "amount": "3.33"},
        gift_card_amount="5.00",
    )
    loaded = load(order.pk)
    assert loaded is not None
    table = money_table(loaded, list(loaded.lines.all()))

    assert table.adds_up
    assert table.goods == Decimal("81.00")
    assert table.payable == Decimal("81.00") + Decimal("6.01") - Decimal("7.77") - Decimal("3.33") - Decimal("5.00")
    assert table.goods + table.freight - table.coupon - table.points - table.gift_card == table.payable
    assert "The lines add up to the order" in page(boss, order)


def test_promotions_and_the_change_of_price_are_explained_by_line_and_bearer(
    shop: factories.Shop, boss: Client
) -> None:
    order = shop.place_order(
        (shop.sku, 1, "10.00"),
        (shop.other_sku, 1, "30.00"),
        promotions=[{"id": "M40-4", "name": "满40减4", "amount": "4.00", "merchant_amount": "1.00"}],
        adjustment_amount="-0.50",
        adjustment_reason="抹零",
        adjustment_bearer="merchant",
        collected={"paid_at": "2026-01-02T09:00:00+08:00", "amount": "41.50", "transaction": "4200001"},
    )
    loaded = load(order.pk)
    assert loaded is not None
    table = money_table(loaded, list(loaded.lines.all()))
    assert (table.adds_up, str(table.promotion), str(table.adjustment)) == (True, "4.00", "-0.50")
    (promotion,) = table.promotions
    assert [
        (share.line.position, str(share.amount), str(share.merchant_amount)) for share in promotion.shares.all()
    ] == [
        (1, "1.00", "0.25"),
        (2, "3.00", "0.75"),
    ]

    shown = page(boss, order)

    assert "goods 40.00 + freight 6.00 − promotions 4.00 − coupon 0.00 + adjustment -0.50" in shown
    assert "M40-4" in shown
    assert "adjustment -0.50: 抹零 (borne by: Merchant)" in shown
    assert "the merchants of the goods bear 1.50" in shown
    assert "the channel took 41.50" in shown
    assert "The lines add up to the order" in shown


def test_amounts_that_do_not_add_up_are_shown_as_such(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    Order.objects.filter(pk=order.pk).update(goods_amount=21, order_amount=27, payable_amount=27)
    assert "The lines do not add up to the order" in page(boss, order)


def test_the_page_takes_as_many_statements_however_much_an_order_has(
    shop: factories.Shop, boss: Client, statements: Callable[[Client, str], int]
) -> None:
    others = [factories.SkuFactory(merchant=factories.MerchantFactory()) for _ in range(6)]
    for sku in others:
        factories.StockFactory(sku=sku)
    small = factories.allocated_order((shop.sku, 1, "10.00"))
    lines = [(sku, 2, "3.00") for sku in (*others, shop.sku, shop.other_sku)]
    large = factories.allocated_order(*lines, merchant=shop.merchant, source=shop.channel.code)
    holds.hold_order(large.pk, reason="one", actor=STAFF)
    holds.hold_order(large.pk, reason="two", actor=STAFF)
    assert SubOrder.objects.filter(order=large).count() == 7

    path = "/admin/orders/order/%d/change/"
    assert statements(boss, path % large.pk) == statements(boss, path % small.pk) <= 46


def test_a_held_order_says_by_what_and_offers_the_release(shop: factories.Shop, boss: Client, reader: Client) -> None:
    order = shop.place_order()
    hold = holds.hold_order(order.pk, reason="address unclear", actor=STAFF)

    assert any("Held by wang" in text and "address unclear" in text for text in remarks(boss, order))
    assert f"/holds/{hold.pk}/release/" in page(boss, order)
    assert f"/holds/{hold.pk}/release/" not in page(reader, order)


def test_an_unpaid_order_says_until_when_it_waits(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    Order.objects.filter(pk=order.pk).update(pay_by=timezone.now() + timedelta(hours=1))
    assert any("Waits for the payment of 26.00 yuan until" in text for text in remarks(boss, order))


def test_an_order_in_its_grace_period_says_until_when(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order(payment_method="cod")
    soon = timezone.now() + timedelta(minutes=5)
    Order.objects.filter(pk=order.pk).update(reviewed_at=timezone.now(), ready_at=soon)
    assert any("waits out the grace period" in text for text in remarks(boss, order))


def test_a_shortage_is_explained_with_its_candidates(shop: factories.Shop, boss: Client) -> None:
    order = factories.allocated_order((shop.sku, 150, "1.00"))
    short = SubOrder.objects.get(order=order, state="backordered")
    assert any(
        f"{short.number} is backordered: {shop.sku.code} short by 50" in text
        and f"No warehouse of merchant {shop.merchant.code}" in text
        for text in remarks(boss, order)
    )
    html = page(boss, order)
    assert shop.warehouse.code in html
    assert "has sent all it had" in html


def test_a_shortage_tells_what_is_on_order_and_when_it_comes(
    shop: factories.Shop, boss: Client, statements: Callable[[Client, str], int]
) -> None:
    order = factories.allocated_order((shop.sku, 150, "1.00"))
    path = f"/admin/orders/order/{order.pk}/change/"
    before = statements(boss, path)
    today = timezone.now().astimezone(CHINA).date()
    for number, after in (("PO-LATE", -1), ("PO-2", 9), ("PO-1", 4), ("PO-OPEN", None), ("PO-3", 30)):
        day = today + timedelta(days=after) if after is not None else None
        bought = [purchasing.Bought(shop.sku.code, 40)]
        steps.buy(shop.merchant, number, shop.warehouse, bought, expected_on=day)

    told = [text for text in remarks(boss, order) if "PO-" in text]
    goods = f"40 of {shop.sku.code}"
    days = [(today + timedelta(days=after)).isoformat() for after in (-1, 4, 9)]
    assert told == [
        f"Late: {goods} should have come to warehouse {shop.warehouse} on {days[0]} (PO-LATE).",
        f"On order: {goods} come to warehouse {shop.warehouse} on {days[1]} (PO-1).",
        f"On order: {goods} come to warehouse {shop.warehouse} on {days[2]} (PO-2).",
    ]
    assert statements(boss, path) == before
    PurchaseOrder.objects.exclude(number="PO-OPEN").update(state="cancelled")
    assert f"On order: {goods} for warehouse {shop.warehouse}, nobody knows when (PO-OPEN)." in remarks(boss, order)


def test_a_failed_row_says_how_often_and_why(shop: factories.Shop, boss: Client) -> None:
    order = factories.allocated_order((shop.sku, 1, "10.00"))
    SubOrder.objects.filter(order=order).update(
        attempts=6, last_error="WMS: 503", needs_person_since=timezone.now(), ready_at=None
    )
    html = page(boss, order)
    assert "Failed 6 times, last with “WMS: 503”." in html
    assert "Try again" in html


def test_what_cannot_be_done_says_why(shop: factories.Shop, boss: Client, reader: Client) -> None:
    order = shop.place_order()
    cancelling.cancel_order(order.pk, reason="changed my mind", actor=STAFF)
    html = page(boss, order)
    assert "The order is over: Cancelled." in html
    assert 'data-dialog="dialog-cancel"' not in html
    assert any("changed my mind" in text for text in remarks(boss, order))
    assert "You do not have the right to do this." in page(reader, order)


def test_text_from_outside_is_shown_as_text(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order(remark="<script>alert(1)</script>")
    OrderEvent.objects.create(
        order=order, kind="note", actor_kind="staff", actor="<b>x</b>", data={"text": "<img src=x>"}
    )
    html = page(boss, order)
    for text in ("<script>alert", "<b>x</b>", "<img src=x>"):
        assert text not in html


def test_a_long_story_shows_its_newest_part(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    OrderEvent.objects.bulk_create(
        OrderEvent(order=order, kind="note", actor_kind="staff", actor="wang", data={"text": f"note {n}."})
        for n in range(600)
    )
    html = page(boss, order)
    assert "note 599." in html
    assert "note 99." not in html
    assert "Only the newest 500 events are shown." in html


def test_the_page_is_only_read(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    assert boss.post(f"/admin/orders/order/{order.pk}/change/", {"state": "completed"}).status_code == 405
    assert boss.get("/admin/orders/order/add/").status_code == 403
    assert boss.post(f"/admin/orders/order/{order.pk}/delete/").status_code == 403
    assert boss.get("/admin/orders/order/999999/change/").status_code == 404
    assert boss.get("/admin/orders/order/x/change/").status_code == 404


def test_parts_warehouse_orders_and_parcels_name_their_open_tickets(shop: factories.Shop, boss: Client) -> None:
    shipment = steps.dispatched(shop.place_order(payment_method="cod"))
    part, work = shipment.sub_order, steps.work_of(shipment.sub_order)
    for row in (part, work, shipment):
        type(row).objects.filter(pk=row.pk).update(needs_person_since=timezone.now())
    links = {
        ticket.subject_kind: f'<a href="/admin/common/ticket/{ticket.pk}/change/"><span class="oms-badge oms-danger">'
        for ticket in Ticket.objects.all()
    }

    shown = page(boss, Order.objects.get())

    assert set(links) == {"sub_order", "warehouse_order", "shipment"}
    assert [shown.count(link) for link in links.values()] == [1, 1, 1]
    assert "Needs a person" not in shown
