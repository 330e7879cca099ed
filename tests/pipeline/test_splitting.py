"""Sub-orders: how an order is divided by merchant and storage class, by warehouse, and by what is short."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from inventory import receiving
from inventory.models import Sku, Stock, StockMovement, Warehouse
from orders.fulfilling import allocating, splitting, waking
from orders.models import Order, OrderEvent, SubOrder, SubOrderLine
from orders.reviewing import deciding
from tests import factories, steps
from tests.intake.test_apportionment import is_sound, shares_of_a_line

pytestmark = pytest.mark.django_db


def test_lines_of_one_merchant_and_storage_class_travel_together(shop):
    seller = factories.MerchantFactory()
    theirs = factories.SkuFactory(merchant=seller)
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = factories.split_order(
        (shop.sku, 2, "10.00"), (theirs, 1, "30.00"), shop.other_sku, (cold, 1, "14.50"), merchant=shop.merchant
    )

    parts = SubOrder.objects.filter(order=order).order_by("number")

    assert [(part.number, part.merchant, part.storage_class, part.state) for part in parts] == [
        (f"{order.number}-1", shop.merchant, "ambient", "awaiting_allocation"),
        (f"{order.number}-2", seller, "ambient", "awaiting_allocation"),
        (f"{order.number}-3", shop.merchant, "frozen", "awaiting_allocation"),
    ]
    assert [part.total_quantity for part in parts] == [3, 1, 1]
    assert [part.goods_amount for part in parts] == [Decimal("45.50"), Decimal("30.00"), Decimal("14.50")]
    assert [part.weight_g for part in parts] == [1500, 500, 500]
    assert sum(part.payable_amount for part in parts) == order.payable_amount
    assert steps.state_of(order) == "split"
    assert steps.broken_invariants() == []


def test_every_amount_goes_along_to_the_fen(shop):
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = factories.split_order(
        (shop.sku, 3, "3.33"),
        (cold, 7, "1.01"),
        merchant=shop.merchant,
        coupon_amount="1.00",
        freight_amount="0.05",
        points={"used": 7, "amount": "0.07"},
        gift_card_amount="0.13",
    )

    for column, total in [
        ("goods_amount", "17.06"),
        ("freight_share", "0.05"),
        ("coupon_share", "1.00"),
        ("points_share", "0.07"),
        ("gift_card_share", "0.13"),
        ("payable_amount", "15.91"),
    ]:
        assert sum(SubOrder.objects.filter(order=order).values_list(column, flat=True)) == Decimal(total)
    assert steps.broken_invariants() == []


def sell_out(sku: Sku) -> None:
    """Leave no trace of stock of the SKU."""
    with steps.without_guards():
        StockMovement.objects.filter(stock__sku=sku).delete()
    Stock.objects.filter(sku=sku).delete()


def stock_up(shop: factories.Shop, sku: Sku, **units: int) -> dict[str, Warehouse]:
    """Warehouses of these codes, farther and farther, with so many units; the shop's own has none."""
    sell_out(sku)
    warehouses = {}
    for i, (code, on_hand) in enumerate(units.items()):
        warehouses[code] = factories.WarehouseFactory(code=code, merchant=shop.merchant, longitude=116.5 + i)
        factories.StockFactory(sku=sku, warehouse=warehouses[code], on_hand=on_hand)
    return warehouses


def parts_of(order: Order) -> list[tuple[str, str, str | None, int]]:
    """Number's suffix, state, warehouse and units of each part."""
    parts = SubOrder.objects.filter(order=order).select_related("warehouse").order_by("number")
    return [
        (part.number[16:], part.state, part.warehouse.code if part.warehouse else None, part.total_quantity)
        for part in parts
    ]


def test_units_are_spread_over_warehouses_with_their_money(shop):
    stock_up(shop, shop.sku, A=1, B=1, C=1)

    order = factories.allocated_order((shop.sku, 3, "3.33"), merchant=shop.merchant, freight_amount="0.02")

    assert parts_of(order) == [
        ("-1", "allocated", "A", 1),
        ("-1-1", "allocated", "B", 1),
        ("-1-2", "allocated", "C", 1),
    ]
    parts = SubOrder.objects.filter(order=order).order_by("number")
    assert [part.payable_amount for part in parts] == [Decimal("3.33"), Decimal("3.34"), Decimal("3.34")]
    assert [part.parent_id for part in parts] == [None, parts[0].pk, parts[0].pk]
    assert [(code, verdict) for code, _km, verdict, *_figures in parts[0].sourcing["of"] if code in "ABC"] == [
        ("A", "chosen"),
        ("B", "chosen"),
        ("C", "chosen"),
    ]
    assert steps.broken_invariants() == []


def test_what_is_short_waits_in_a_part_of_its_own(shop):
    stock_up(shop, shop.sku, A=2)

    order = factories.allocated_order((shop.sku, 5, "2.00"), merchant=shop.merchant)

    assert parts_of(order) == [("-1", "allocated", "A", 2), ("-1-1", "backordered", None, 3)]
    waiting = SubOrder.objects.get(state="backordered")
    assert (waiting.shortage, waiting.ready_at) == ({shop.sku.code: 3}, None)
    assert Stock.objects.get(sku=shop.sku).reserved == 2
    event = OrderEvent.objects.get(kind="parted")
    assert event.data["parts"] == [f"{order.number}-1-1"]
    assert steps.broken_invariants() == []


def test_without_any_warehouse_an_order_waits_and_says_why(shop):
    nowhere = factories.SkuFactory(merchant=factories.MerchantFactory())

    order = factories.allocated_order((nowhere, 2, "1.00"), merchant=shop.merchant)

    sub_order = SubOrder.objects.get(order=order)
    assert (sub_order.state, sub_order.sourcing, sub_order.shortage) == (
        "backordered",
        {"set": 0, "rules": [2], "of": []},
        {nowhere.code: 2},
    )
    assert OrderEvent.objects.filter(order=order, kind="backordered").count() == 1


def test_two_lines_of_one_sku_share_the_stock(shop):
    stock_up(shop, shop.sku, A=3)

    order = factories.allocated_order((shop.sku, 2, "1.00"), (shop.sku, 2, "2.00"), merchant=shop.merchant)

    assert parts_of(order) == [("-1", "allocated", "A", 3), ("-1-1", "backordered", None, 1)]
    assert steps.broken_invariants() == []


def test_goods_received_wake_who_waits_for_them(shop):
    stock_up(shop, shop.sku, A=0)
    order = factories.allocated_order((shop.sku, 2, "1.00"), merchant=shop.merchant)
    other = factories.allocated_order((factories.SkuFactory(merchant=shop.merchant), 1, "1.00"), merchant=shop.merchant)
    assert [part[1] for part in parts_of(order)] == ["backordered"]

    receiving.receive(Warehouse.objects.get(code="A").pk, shop.sku.pk, 2, actor="test")
    factories.run(waking.run, allocating.run)

    assert parts_of(order) == [("-1", "allocated", "A", 2)]
    assert [part[1] for part in parts_of(other)] == ["backordered"]
    assert not Stock.objects.exclude(wakes_backorders_since=None).exists()
    assert steps.broken_invariants() == []


def test_who_sleeps_is_not_tried_again_and_a_repeated_shortage_is_not_told_again(shop):
    stock_up(shop, shop.sku, A=1)
    order = factories.allocated_order((shop.sku, 2, "1.00"), merchant=shop.merchant)
    with_skipped_waits = steps.once(allocating.run)

    waking.wake_all()
    factories.run(allocating.run)

    assert with_skipped_waits == 0
    assert OrderEvent.objects.filter(order=order, kind="backordered").count() == 1


def test_units_that_trickle_in_one_by_one_never_run_out_of_numbers(shop):
    """Each arrival splits the waiting part once more."""
    stock_up(shop, shop.sku, A=1)
    order = factories.allocated_order((shop.sku, 15, "1.00"), merchant=shop.merchant)

    for _ in range(14):
        receiving.receive(Warehouse.objects.get(code="A").pk, shop.sku.pk, 1, actor="test")
        factories.run(waking.run, allocating.run)

    parts = SubOrder.objects.filter(order=order)
    assert parts.count() == 15
    assert set(parts.values_list("state", "total_quantity", "needs_person_since")) == {("allocated", 1, None)}
    assert {number[16:] for number in parts.values_list("number", flat=True)} == {
        "-1",
        *(f"-1-{i}" for i in range(1, 15)),
    }
    assert max(len(f"{number}-S1") for number in parts.values_list("number", flat=True)) <= 32
    assert steps.broken_invariants() == []


def test_parts_of_one_sub_order_that_are_split_in_one_batch_get_different_numbers(shop):
    stock_up(shop, shop.sku, A=1)
    sell_out(shop.other_sku)
    order = factories.allocated_order((shop.sku, 3, "1.00"), (shop.other_sku, 3, "1.00"), merchant=shop.merchant)
    warehouse = Warehouse.objects.get(code="A")
    other = factories.WarehouseFactory(code="B", merchant=shop.merchant, longitude=117.0)
    receiving.receive(warehouse.pk, shop.sku.pk, 1, actor="test")
    receiving.receive(other.pk, shop.other_sku.pk, 1, actor="test")
    factories.run(waking.run, allocating.run)
    receiving.receive(warehouse.pk, shop.sku.pk, 1, actor="test")
    receiving.receive(other.pk, shop.other_sku.pk, 2, actor="test")

    factories.run(waking.run, allocating.run)

    assert {part[1] for part in parts_of(order)} == {"allocated"}
    assert sum(part[3] for part in parts_of(order)) == 6
    assert steps.broken_invariants() == []


@given(shares=shares_of_a_line(5000, 5000), parts=st.lists(st.integers(1, 9), min_size=1, max_size=8))
@hypothesis_settings(max_examples=500, deadline=None)
def test_parts_add_up_and_none_owes_less_than_nothing(shares, parts):
    left, units_left, taken = shares, sum(parts), []
    for units in parts[:-1]:
        part = left.take(units, units_left)
        left, units_left = left.less(part), units_left - units
        taken.append(part)
    taken.append(left)

    assert tuple(map(sum, zip(*taken, strict=True))) == tuple(shares)
    assert all(is_sound(part) for part in taken)


def test_a_sub_order_line_is_moved_whole_where_it_can_be(shop):
    """Two lines, two warehouses: no line is divided, so no new lines are made."""
    sell_out(shop.sku)
    sell_out(shop.other_sku)
    for sku, code in ((shop.sku, "A"), (shop.other_sku, "B")):
        factories.StockFactory(sku=sku, warehouse=factories.WarehouseFactory(code=code, merchant=shop.merchant))
    order = factories.allocated_order((shop.sku, 2, "1.00"), (shop.other_sku, 2, "1.00"), merchant=shop.merchant)

    assert [part[1:] for part in parts_of(order)] == [("allocated", "A", 2), ("allocated", "B", 2)]
    assert SubOrderLine.objects.filter(sub_order__order=order).count() == 2


def test_only_what_is_ready_is_claimed(shop):
    order = shop.place_order()

    factories.run(deciding.run, splitting.run, allocating.run)

    assert steps.state_of(order) == "awaiting_payment"
    assert not SubOrder.objects.exists()
