"""Exchanges of goods of marketplace merchants and of orders paid on delivery: who bears what stays as it was."""

from decimal import Decimal

import pytest

from inventory.models import Sku
from oms.merchants.models import Channel
from orders.models import Order, OrderLine
from orders.returning import deciding as returning
from orders.returning import requesting
from orders.returning.exchanging import NewGoods
from payments.exchanging import beginning
from payments.models import Refund
from payments.owing import balancing
from tests import factories, steps
from tests.exchanging.world import exchange, new_order, pay_rest, returned, run, send, wanted
from tests.payments.grants import delivered
from tests.payments.test_promotions_lost import promotion
from tests.returns.world import arrived, came, found, install, many

OFFER = promotion("30.00", "200.00", platform_amount="10.00")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture(autouse=True)
def _installed(db: None) -> None:
    install()


def borne(line: OrderLine) -> tuple[str, ...]:
    """What the buyer pays of a line, its promotions, and what the merchant bears of these."""
    return tuple(map(str, (line.payable_amount, line.promotion_share, line.merchant_borne_share)))


def test_at_the_old_price_the_platform_bears_its_part_again(shop):
    """A had cost 85.00: of the 15.00 off it the platform bore 5.00."""
    order = arrived(
        shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00", platform_amount="10.00")]
    )
    before = OrderLine.objects.get(order=order, position=1)
    assert borne(before) == ("85.00", "15.00", "10.00")

    row = exchange(order, {1: 1})

    line = OrderLine.objects.get(order=new_order(row))
    # The merchant got 90.00 of the one, and gets them of the other.
    assert (line.unit_price, line.line_discount, *borne(line)) == (100, 10, "85.00", "5.00", "0.00")
    assert (row.credit, row.new_amount) == (85, 85)
    found(came(returned(row)), good=1)
    run()
    assert not Refund.objects.exists()
    assert steps.broken_invariants() == []


def test_so_it_does_of_other_goods_at_the_old_price(shop):
    order = arrived(
        shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00", platform_amount="10.00")]
    )
    Channel.objects.filter(pk=order.channel_id).update(exchange_other_price="old")

    row = exchange(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)])

    line = OrderLine.objects.get(order=new_order(row))
    assert (line.unit_price, line.line_discount, *borne(line)) == (90, 0, "85.00", "5.00", "0.00")
    assert steps.broken_invariants() == []


def test_units_one_after_the_other_bear_to_the_fen_what_they_had(shop):
    sku = shop.sku
    order = shop.place_order((sku, 3, "33.33"), promotions=[promotion("10.00", "50.00", platform_amount="3.34")])
    steps.pay(order)
    order = delivered(order)
    order.sub_orders.update(delivered_at=factories.timezone.now())

    row = exchange(order, {1: 3})

    lines = OrderLine.objects.filter(order=new_order(row))
    assert sum(line.payable_amount for line in lines) == row.new_amount == Decimal("89.99")
    platform = sum(line.promotion_share - line.merchant_borne_share for line in lines)
    assert platform == Decimal("3.34")
    assert steps.broken_invariants() == []


def test_a_unit_that_was_paid_at_the_door_pays_for_a_dearer_one_and_the_rest_is_asked_for(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("35.50"))
    order = many_on_delivery(shop)

    row = exchange(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)])
    new = new_order(row)

    assert (new.payment_method, new.state, new.paid_amount, new.payable_amount) == (
        "prepaid",
        "awaiting_payment",
        10,
        Decimal("35.50"),
    )
    assert steps.broken_invariants() == []
    pay_rest(row, "25.50")
    found(came(returned(row)), good=1)
    run()
    send(new_order(row))
    assert new_order(row).sub_orders.get().state in ("released", "accepted")
    assert not Refund.objects.exists()
    assert steps.broken_invariants() == []


def test_what_was_paid_at_the_door_goes_back_by_a_person_where_the_new_goods_cost_less(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("4.00"))
    order = many_on_delivery(shop)

    row = exchange(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)])
    found(came(returned(row)), good=1)
    run()

    assert (row.credit, returned(row).money_state) == (4, "to_grant")
    assert steps.broken_invariants() == []


def many_on_delivery(shop: factories.Shop) -> Order:
    """Two units that the buyer paid for at the door."""
    order = delivered(shop.place_order((shop.sku, 2, "10.00"), payment_method="cod"))
    order.sub_orders.update(delivered_at=factories.timezone.now())
    factories.run(balancing.run)
    assert order.payments.get().captured_amount == Decimal("26.00")
    return order


def test_goods_of_a_marketplace_merchant_are_exchanged_as_that_one_decides(shop):
    seller = factories.MerchantFactory(kind="marketplace")
    sku = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=sku)
    order = shop.place_order((sku, 1, "80.00"), promotions=[promotion("10.00", "50.00", platform_amount="6.00")])
    steps.pay(order)
    order = delivered(order)
    order.sub_orders.update(delivered_at=factories.timezone.now())
    asked = requesting.request(order.pk, wanted(order, {1: 1}), actor=steps.STAFF)
    assert asked.state == "requested"
    returning.decline(asked.pk, reason="worn", actor=steps.STAFF)
    row = beginning.approve(asked.pk, actor=steps.STAFF)

    part = new_order(row).lines.get()
    assert part.sku.merchant == seller
    assert (part.line_discount, *borne(part)) == (4, "70.00", "6.00", "0.00")
    found(came(returned(row)), good=1)
    run()
    assert steps.broken_invariants() == []


def test_several_units_of_one_line_are_exchanged_one_by_one(shop):
    order = many(shop, 2)
    rows = [exchange(order, {1: 1}) for _each in range(2)]
    assert [row.new_amount for row in rows] == [10, 10]
    assert steps.broken_invariants() == []
