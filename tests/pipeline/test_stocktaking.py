"""A count is a fact, also where more was promised than is there."""

import pytest

from inventory.models import Stock, StockMovement
from logistics.warehouses import releasing, sending
from oms.common.errors import OmsError
from orders.fulfilling import allocating
from orders.models import SubOrder
from orders.stock.stocktaking import PromisedElsewhere, count_stock
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


def allocated(shop: factories.Shop, units: int) -> SubOrder:
    order = factories.allocated_order((shop.sku, units, "1.00"), merchant=shop.merchant)
    return SubOrder.objects.get(order=order)


def test_a_count_below_the_promises_backorders_the_youngest(shop):
    stock = shop.sku.stock.get()
    first, second, third = [allocated(shop, 3) for _ in range(3)]

    stock = count_stock(stock.pk, 7, actor=steps.STAFF, note="inventory")

    assert (stock.on_hand, stock.reserved, bool(stock.wakes_backorders_since)) == (7, 6, True)
    assert [steps.state_of(part) for part in (first, second, third)] == ["allocated", "allocated", "backordered"]
    movement = StockMovement.objects.get(kind="stock_take")
    assert (movement.on_hand_change, movement.note, movement.actor) == (-93, "inventory", "li")
    assert steps.broken_invariants() == []
    factories.run(allocating.run)
    third = SubOrder.objects.get(pk=third.pk)
    assert (third.state, third.total_quantity) == ("allocated", 1)
    assert SubOrder.objects.get(state="backordered").total_quantity == 2
    assert steps.broken_invariants() == []


def test_a_loser_gives_back_all_that_was_promised_to_it(shop):
    order = factories.allocated_order((shop.sku, 2, "1.00"), shop.other_sku, merchant=shop.merchant)

    count_stock(shop.sku.stock.get().pk, 1, actor=steps.STAFF)

    assert SubOrder.objects.get(order=order).state == "backordered"
    assert shop.other_sku.stock.get().reserved == 0
    assert steps.broken_invariants() == []


def test_goods_in_the_hands_of_the_warehouse_cannot_be_counted_away(shop):
    sub_order = steps.released(shop.place_order((shop.sku, 3, "1.00"), payment_method="cod"))

    with pytest.raises(PromisedElsewhere):
        count_stock(shop.sku.stock.get().pk, 2, actor=steps.STAFF)

    assert shop.sku.stock.get().on_hand == 100
    assert steps.state_of(sub_order) == "released"


def test_a_sub_order_that_may_have_reached_its_warehouse_keeps_its_goods(shop):
    sub_order = allocated(shop, 3)
    with fakes.warehouse(fakes.FakeWarehouse(fakes.lose)):
        factories.run(releasing.run)
        steps.once(sending.run)

    with pytest.raises(PromisedElsewhere):
        count_stock(shop.sku.stock.get().pk, 2, actor=steps.STAFF)

    assert steps.state_of(sub_order) == "released"


def test_a_count_upwards_wakes_who_waits(shop):
    stock = shop.sku.stock.get()

    assert count_stock(stock.pk, 130, actor=steps.STAFF).on_hand == 130

    assert Stock.objects.get(pk=stock.pk).wakes_backorders_since
    assert steps.broken_invariants() == []


def test_a_count_that_changes_nothing_leaves_no_trace_in_the_ledger(shop):
    count_stock(shop.sku.stock.get().pk, 100, actor=steps.STAFF)

    assert not StockMovement.objects.filter(kind="stock_take").exists()


def test_a_negative_count_is_refused(shop):
    with pytest.raises(OmsError):
        count_stock(shop.sku.stock.get().pk, -1, actor=steps.STAFF)
