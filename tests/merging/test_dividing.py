"""Splitting a sub-order by hand: ticked units go by themselves, with their money and their stock."""

from decimal import Decimal

import pytest

from inventory.models import Reservation
from logistics.warehouses import releasing
from oms.common.errors import ChangedMeanwhile
from orders.fulfilling import dividing
from orders.fulfilling.dividing import CannotDivide
from orders.models import SubOrder
from tests import factories, steps

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def part(shop):
    """Three units of one SKU and two of another, allocated."""
    lines = [(shop.sku, 3, "3.33"), (shop.other_sku, 2, "5.00")]
    return SubOrder.objects.get(order=factories.allocated_order(*lines, merchant=shop.merchant))


def line_of(part, sku):
    return part.lines.get(order_line__sku=sku)


def promised(part):
    held = Reservation.objects.active_for(list(part.lines.values_list("pk", flat=True)))
    return sum(held.values_list("quantity", flat=True))


def test_ticked_units_become_a_sub_order_of_their_own_and_keep_their_stock(shop, part):
    units = {line_of(part, shop.sku).pk: 2, line_of(part, shop.other_sku).pk: 2}
    reserved = {stock.pk: stock.reserved for stock in shop.warehouse.stock.all()}
    before = dividing.preview(part.pk, units)

    new = dividing.divide(part.pk, units, actor=steps.STAFF)

    kept = steps.fresh(part)
    assert (new.state, new.warehouse, new.number, new.parent_id) == (
        "allocated",
        shop.warehouse,
        f"{part.number}-1",
        part.pk,
    )
    assert (kept.total_quantity, new.total_quantity, promised(kept), promised(new)) == (1, 4, 1, 4)
    assert kept.payable_amount + new.payable_amount == part.payable_amount
    assert (before.kept.payable_fen, before.new.payable_fen) == (
        int(kept.payable_amount * 100),
        int(new.payable_amount * 100),
    )
    assert (before.kept.weight_g, before.new.weight_g) == (kept.weight_g, new.weight_g)
    assert {stock.pk: stock.reserved for stock in shop.warehouse.stock.all()} == reserved
    factories.run(releasing.run)
    assert {steps.state_of(kept), steps.state_of(new)} == {"released"}
    assert steps.broken_invariants() == []


def test_nobody_gets_the_units_in_between_even_where_none_is_free(shop, part):
    stock = shop.sku.stock.get()
    factories.run()
    free = stock.on_hand - stock.reserved
    factories.allocated_order((shop.sku, free, "10.00"), merchant=shop.merchant)
    assert shop.sku.stock.get().reserved == stock.on_hand

    new = dividing.divide(part.pk, {line_of(part, shop.sku).pk: 1}, actor=steps.STAFF)

    assert (new.state, promised(new)) == ("allocated", 1)
    assert steps.broken_invariants() == []


def test_what_waits_for_stock_is_split_and_each_part_looks_by_itself(shop):
    order = factories.split_order((shop.sku, 2, "10.00"), (shop.other_sku, 101, "1.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)

    new = dividing.divide(part.pk, {line_of(part, shop.sku).pk: 2}, actor=steps.STAFF)

    assert new.state == "awaiting_allocation"
    assert new.payable_amount + steps.fresh(part).payable_amount == Decimal(part.payable_amount)
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ({}, "how many units"),
        ({"sku": 4}, "from 0 to 3"),
        ({"sku": -1}, "from 0 to 3"),
        ({"sku": 3, "other": 2}, "must stay"),
        ({"unknown": 1}, "no such line"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(shop, part, units, words):
    ids = {"sku": line_of(part, shop.sku).pk, "other": line_of(part, shop.other_sku).pk, "unknown": 0}
    named = {ids[name]: count for name, count in units.items()}
    with pytest.raises(CannotDivide, match=words):
        dividing.preview(part.pk, named)
    with pytest.raises(CannotDivide, match=words):
        dividing.divide(part.pk, named, actor=steps.STAFF)
    assert SubOrder.objects.count() == 1


def test_what_a_warehouse_has_cannot_be_split(shop, part):
    factories.run(releasing.run)
    with pytest.raises(CannotDivide, match="any more"):
        dividing.divide(part.pk, {line_of(part, shop.sku).pk: 1}, actor=steps.STAFF)


def test_the_same_button_pressed_twice_splits_once(shop, part):
    seen, units = part.order.version, {line_of(part, shop.sku).pk: 1}
    dividing.divide(part.pk, units, actor=steps.STAFF, version=seen)

    with pytest.raises(ChangedMeanwhile):
        dividing.divide(part.pk, units, actor=steps.STAFF, version=seen)
    assert SubOrder.objects.count() == 2
