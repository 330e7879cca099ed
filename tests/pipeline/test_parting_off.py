"""Units leave a sub-order for one of their own beside it, with their money and their promises."""

from decimal import Decimal

import pytest
from django.utils.translation import override

from inventory.models import Reservation, StockMovement
from orders.fulfilling import allocating, derived
from orders.fulfilling.parting_off import part_off, part_off_all
from orders.kinds import tell
from orders.models import Order, OrderEvent, SubOrder, SubOrderState
from orders.reviewing.holds import hold_order
from tests import factories, steps
from tests.pipeline.test_statement_counts import counting

pytestmark = pytest.mark.django_db

AWAITING, CANCELLED = SubOrderState.AWAITING_ALLOCATION, SubOrderState.CANCELLED


def broken_here() -> list[str]:
    """What does not hold. Who parts off what a warehouse was asked for brings the warehouse order in step: not here."""
    return [broken for broken in steps.broken_invariants() if not broken.startswith("goods_in_hand_were_asked_for")]


def lines_of(sub_order: SubOrder) -> dict[str, tuple[int, int, Decimal]]:
    """Line id, units and payable amount by SKU code."""
    rows = sub_order.lines.select_related("order_line__sku")
    return {row.order_line.sku.code: (row.pk, row.quantity, row.payable_amount) for row in rows}


def test_the_rest_of_what_left_in_part_is_sourced_anew_with_the_money_that_is_left(shop):
    order = shop.place_order((shop.sku, 3, "3.33"), (shop.other_sku, 2, "5.00"), payment_method="cod")
    sub_order = steps.released(order)
    steps.warehouse_says(sub_order, "picking")
    line_id, _units, payable = lines_of(sub_order)[shop.sku.code]
    whole_id, _units, whole_payable = lines_of(sub_order)[shop.other_sku.code]

    rest_id = part_off(sub_order.pk, {line_id: 2, whole_id: 2}, state=AWAITING, actor=steps.STAFF, why="partly_shipped")

    rest = SubOrder.objects.get(pk=rest_id)
    assert (rest.number, rest.state, rest.warehouse_id, rest.parent_id, rest.total_quantity, rest.weight_g) == (
        f"{sub_order.number}-1",
        "awaiting_allocation",
        None,
        sub_order.pk,
        4,
        2000,
    )
    assert rest.ready_at is not None
    stays = lines_of(sub_order)
    gone = lines_of(rest)
    assert stays[shop.sku.code][:2] == (line_id, 1)
    assert gone[shop.sku.code][1] == 2
    assert stays[shop.sku.code][2] + gone[shop.sku.code][2] == payable
    assert gone[shop.other_sku.code] == (whole_id, 2, whole_payable)
    kept = steps.fresh(sub_order)
    assert (kept.state, kept.total_quantity, kept.weight_g, kept.part_count) == ("picking", 1, 500, 1)
    assert kept.payable_amount + rest.payable_amount == order.payable_amount
    assert (shop.sku.stock.get().reserved, shop.other_sku.stock.get().reserved) == (1, 0)
    assert dict(Reservation.objects.values_list("demand_id", "state")) == {line_id: "active", whole_id: "released"}
    assert set(StockMovement.objects.filter(kind="release").values_list("reserved_change", "note")) == {
        (-2, "partly_shipped")
    }
    assert broken_here() == []
    event = OrderEvent.objects.get(kind="parted")
    with override("en"):
        told = tell(event)
    assert told == f"Sub-order {sub_order.number} left only in part. The rest is sourced anew as {rest.number}."
    factories.run(allocating.run)
    assert steps.state_of(rest) == "allocated"
    assert broken_here() == []


def test_cancelled_units_stay_cancelled_and_one_that_waits_for_stock_is_tried_again(shop):
    order = factories.allocated_order((shop.sku, 130, "1.00"), merchant=shop.merchant)
    waiting = SubOrder.objects.get(order=order, state="backordered")
    ((line_id, units, _payable),) = lines_of(waiting).values()
    assert (units, waiting.ready_at) == (30, None)

    gone_id = part_off(waiting.pk, {line_id: 10}, state=CANCELLED, actor=steps.STAFF)

    gone, waiting = SubOrder.objects.get(pk=gone_id), steps.fresh(waiting)
    assert (gone.number, gone.state, gone.total_quantity, gone.ready_at) == (
        f"{order.number}-1-2",
        "cancelled",
        10,
        None,
    )
    assert gone.cancelled_at is not None
    assert (waiting.total_quantity, waiting.shortage) == (20, None)
    assert waiting.ready_at is not None
    assert OrderEvent.objects.get(kind="sub_order_cancelled").sub_order_id == gone_id
    derived.refresh([order.pk])
    assert broken_here() == []


def test_what_is_parted_off_while_the_order_is_held_is_held_too(shop):
    order = factories.split_order((shop.sku, 2, "1.00"), merchant=shop.merchant)
    hold_order(order.pk, reason="look", actor=steps.STAFF)
    sub_order = SubOrder.objects.get(order=order)

    rest_id = part_off(sub_order.pk, {sub_order.lines.get().pk: 1}, state=AWAITING, actor=steps.STAFF)

    rest = SubOrder.objects.get(pk=rest_id)
    assert (rest.is_held, rest.waiting_since) == (True, sub_order.waiting_since)
    assert steps.once(allocating.run) == 0
    assert steps.broken_invariants() == []


def test_many_sub_orders_take_as_many_statements_as_one(shop):
    orders = [factories.allocated_order((shop.sku, 2, "1.00"), merchant=shop.merchant) for _ in range(12)]
    parts = list(SubOrder.objects.filter(order__in=orders).order_by("id"))
    cuts = {part.pk: {part.lines.get().pk: 1} for part in parts}

    with counting() as few:
        part_off_all({parts[0].pk: cuts.pop(parts[0].pk)}, state=AWAITING, actor=steps.STAFF, why="partly_shipped")
    with counting() as many:
        new = part_off_all(cuts, state=AWAITING, actor=steps.STAFF, why="partly_shipped")

    assert len(new) == 11
    assert len(many) == len(few) <= 11
    assert SubOrder.objects.filter(order__in=orders, state=AWAITING, parent__isnull=False).count() == 12
    assert broken_here() == []


@pytest.mark.parametrize(
    ("units", "state"),
    [({0: 2}, AWAITING), ({0: 3}, CANCELLED), ({0: 0}, CANCELLED), ({7: 1}, CANCELLED), ({0: 1}, "packed")],
    ids=["all", "more than there are", "none", "of another line", "a state that holds stock"],
)
def test_what_cannot_be_parted_off_changes_nothing(shop, units, state):
    order = factories.allocated_order((shop.sku, 2, "1.00"), merchant=shop.merchant)
    sub_order = SubOrder.objects.get(order=order)
    line = sub_order.lines.get()

    with pytest.raises(ValueError, match=r"parted off|does not have|would stay"):
        part_off(sub_order.pk, {line.pk + off: count for off, count in units.items()}, state=state, actor=steps.STAFF)

    assert SubOrder.objects.filter(order=order).count() == 1
    assert Order.objects.get(pk=order.pk).version == order.version
    assert broken_here() == []
