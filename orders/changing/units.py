"""Cancelling some units of an order before they are sent to a warehouse.

The money of the cancelled units is what the apportionment gave them: they leave their sub-order with their shares, as
a cancelled sub-order of their own, and nothing is apportioned anew. What was paid for them goes back through the
books, like the money of any cancelled sub-order. Before an order is split there is nothing to part: the money goes back
at once, the wish is kept on the order, and the split stage carries it out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import reserving
from inventory.models import Reservation
from oms.common.errors import OmsError
from oms.common.work import nudging
from orders import kinds
from orders.actors import Actor
from orders.changing import charging, reasons, telling
from orders.changing.cancelling import CannotCancel, cancel_order, cancel_sub_orders, obstacle
from orders.changing.reasons import Why
from orders.fulfilling import derived as fulfilment
from orders.fulfilling.parting_off import part_off_all
from orders.locking import lock_order, lock_sub_orders
from orders.models import Order, OrderLine, OrderState, SubOrder, SubOrderLine, SubOrderState
from orders.models.sub_order import BEFORE_RELEASE, IN_WAREHOUSE, UNDONE
from orders.telling import timeline

# What nobody has reserved yet is given up first.
_GIVEN_UP_FIRST = (SubOrderState.BACKORDERED, SubOrderState.AWAITING_ALLOCATION, SubOrderState.ALLOCATED)


@transaction.atomic
def cancel_units(
    order_id: int,
    units: Mapping[int, int],
    *,
    reason: str | Why,
    actor: Actor,
    version: int | None = None,
    tells_buyer: bool = False,
) -> Order:
    """Cancel units of lines, given by the line's position. Naming all that is left cancels the order.

    Raises CannotCancel where a line has fewer units that are not sent yet, or the order waits for its payment;
    ChangedMeanwhile; OmsError for an empty reason or an unknown line.
    """
    why = reasons.understood(reason)
    order = lock_order(order_id, version=version)
    sub_orders = lock_sub_orders(order_id)
    if order.state == OrderState.AWAITING_PAYMENT:
        raise CannotCancel(
            _("The buyer was asked for the whole amount. Cancel the whole order, or wait until it is paid.")
        )
    if order.state != OrderState.SPLIT or order.cancel_requested_at:
        blocked = obstacle(order, [])
        if blocked:
            raise CannotCancel(blocked)
    rows = OrderLine.objects.filter(order=order).select_related("sku")
    few = ("position", "quantity", "name", "caller_code", "sku__code")
    lines = {line.position: line for line in rows.only(*few)}
    _check(units, lines)
    if order.state != OrderState.SPLIT:
        return _keep_the_wish(order, units, lines, why=why, actor=actor, tells_buyer=tells_buyer)
    if _is_all_that_is_left(sub_orders, units):
        return cancel_order(order_id, reason=why, actor=actor, tells_buyer=tells_buyer)
    _tell(order_id, units, lines, why, actor, tells_buyer=tells_buyer)
    _take_out({order_id: units}, sub_orders, actor=actor)
    nudging.nudge("owing", "wake", "allocate")
    return Order.objects.get(pk=order_id)


def parts_of(order_id: int, ids: Iterable[str]) -> dict[str, dict[int, int]]:
    """Of the order's lines by the caller's ids of them, as far as they exist: the positions of the parts that its piece
    consists of, and the units of each in one piece."""
    named = OrderLine.objects.filter(order=order_id, external_id__in=ids).exclude(external_id="")
    heads = {position: line_id for line_id, position in named.values_list("external_id", "position")}
    lines = OrderLine.objects.filter(Q(position__in=heads) | Q(part_of__in=heads), order=order_id).order_by("position")
    parts: dict[str, dict[int, int]] = {}
    for position, part_of, units in lines.values_list("position", "part_of", "units_a_piece"):
        parts.setdefault(heads[part_of or position], {})[position] = units
    return parts


def left_to_cancel(order: Order, lines: Iterable[OrderLine], sub_orders: Iterable[SubOrder]) -> dict[int, int]:
    """By the line's position, how many of its units can be cancelled by themselves; `sub_orders` with their lines are
    all that the order has."""
    if order.state != OrderState.SPLIT:
        wanted = order.units_to_cancel or {}
        return {line.position: line.quantity - wanted.get(str(line.position), 0) for line in lines}
    positions = {line.pk: line.position for line in lines}
    left = dict.fromkeys(positions.values(), 0)
    for part in sub_orders:
        if part.state in BEFORE_RELEASE and part.cancel_requested_at is None:
            for line in part.lines.all():
                left[positions[line.order_line_id]] += line.quantity
    return left


def gone(order: Order, lines: Iterable[OrderLine], sub_orders: Iterable[SubOrder]) -> dict[int, int]:
    """By the line's position, how many of its units were cancelled or came back; `sub_orders` with their lines are all
    that the order has."""
    positions = {line.pk: line.position for line in lines}
    if order.split_at is None:
        wanted = order.units_to_cancel or {}
        return {position: int(wanted.get(str(position), 0)) for position in positions.values()}
    found = dict.fromkeys(positions.values(), 0)
    for part in sub_orders:
        for line in part.lines.all():
            units = line.quantity if part.state in UNDONE else line.returned_quantity
            found[positions[line.order_line_id]] += units
    return found


def carry_out(order_ids: Iterable[int], *, actor: Actor) -> None:
    """Take out the units whose cancellation was kept until the split. The orders are locked and were split just now, in
    this transaction: nobody else has their sub-orders. As many statements for many orders as for one."""
    wanted = {
        order_id: {int(position): count for position, count in (units or {}).items()}
        for order_id, units in Order.objects.filter(pk__in=list(order_ids)).values_list("pk", "units_to_cancel")
    }
    _take_out(wanted, list(SubOrder.objects.filter(order_id__in=wanted).order_by("id")), actor=actor)
    Order.objects.filter(pk__in=wanted).update(units_to_cancel=None)


def _check(units: Mapping[int, int], lines: Mapping[int, OrderLine]) -> None:
    if not units:
        raise OmsError(_("Name at least one line."), attr="lines")
    for position, count in units.items():
        if position not in lines:
            raise OmsError(_("The order has no line %(position)d.") % {"position": position}, attr="lines")
        if count < 1:
            raise OmsError(_("Give a quantity of at least 1."), attr="lines")


def _tell(
    order_id: int,
    units: Mapping[int, int],
    lines: Mapping[int, OrderLine],
    why: Why,
    actor: Actor,
    *,
    tells_buyer: bool,
) -> None:
    timeline.record(
        order_id, kinds.UNITS_CANCELLED, actor, reason=why.text, cause=why.cause, units=_by_sku(units, lines)
    )
    if tells_buyer:
        telling.tell_units(order_id, {lines[position].name: count for position, count in units.items()})


def _too_many(position: int, left: int, elsewhere: Sequence[str] = ()) -> CannotCancel:
    """`elsewhere` are the numbers of sub-orders that hold other units of the line, which warehouses have."""
    values = {"left": left, "position": position, "numbers": _(", ").join(elsewhere)}
    if not elsewhere and not left:
        text = _("No unit of line %(position)d can be cancelled any more; take back what has left instead.")
    elif not elsewhere:
        text = _("Only %(left)d units of line %(position)d can still be cancelled.")
    else:
        text = _(
            "Only %(left)d units of line %(position)d can still be cancelled; others are with a warehouse, which gives"
            " a sub-order up only as a whole: cancel %(numbers)s."
        )
    return CannotCancel(text % values, attr="lines")


def _by_sku(units: Mapping[int, int], lines: Mapping[int, OrderLine]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for position, count in units.items():
        code = lines[position].sku_code or lines[position].caller_code
        counted[code] = counted.get(code, 0) + count
    return counted


def _keep_the_wish(
    order: Order,
    units: Mapping[int, int],
    lines: Mapping[int, OrderLine],
    *,
    why: Why,
    actor: Actor,
    tells_buyer: bool,
) -> Order:
    wanted = {int(position): count for position, count in (order.units_to_cancel or {}).items()}
    for position, count in units.items():
        left = lines[position].quantity - wanted.get(position, 0)
        if count > left:
            raise _too_many(position, left)
        wanted[position] = wanted.get(position, 0) + count
    if all(wanted.get(position, 0) == line.quantity for position, line in lines.items()):
        return cancel_order(order.pk, reason=why, actor=actor, tells_buyer=tells_buyer)
    Order.objects.filter(pk=order.pk).update(units_to_cancel={str(key): count for key, count in wanted.items()})
    charging.take_back_unsent(order.pk, actor=actor)
    _tell(order.pk, units, lines, why, actor, tells_buyer=tells_buyer)
    nudging.nudge("owing")
    return Order.objects.get(pk=order.pk)


def _is_all_that_is_left(sub_orders: Sequence[SubOrder], units: Mapping[int, int]) -> bool:
    live = [part.pk for part in sub_orders if part.state != SubOrderState.CANCELLED]
    left = (
        SubOrderLine.objects.filter(sub_order_id__in=live)
        .values("order_line__position")
        .annotate(units=Sum("quantity"))
        .values_list("order_line__position", "units")
    )
    return dict(left) == dict(units)


def _take_out(units: Mapping[int, Mapping[int, int]], sub_orders: Sequence[SubOrder], *, actor: Actor) -> None:
    """Move the units (by order, then by line's position) with their shares into cancelled sub-orders; all rows above
    are locked, and the sub-orders are all that the orders have."""
    open_parts = {
        part.pk: part for part in sub_orders if part.state in BEFORE_RELEASE and part.cancel_requested_at is None
    }
    lines = list(SubOrderLine.objects.filter(sub_order_id__in=open_parts).select_related("order_line"))
    with_warehouses = [part.pk for part in sub_orders if part.state in IN_WAREHOUSE]
    taken = _choose(units, lines, open_parts, with_warehouses)
    left = dict.fromkeys(taken, 0)
    for line in lines:
        if line.sub_order_id in taken:
            left[line.sub_order_id] += line.quantity - taken[line.sub_order_id].get(line.pk, 0)
    whole = [key for key, count in left.items() if not count]
    touched = [line.pk for line in lines if line.sub_order_id in taken]
    # All stock at once, in the one order; what follows locks nothing new.
    reserving.lock_stock(set(Reservation.objects.active_for(touched).values_list("stock_id", flat=True)))
    cancel_sub_orders(whole, actor=actor)
    part_off_all({key: cut for key, cut in taken.items() if left[key]}, state=SubOrderState.CANCELLED, actor=actor)
    Order.objects.filter(pk__in=units).update(owed_changed_since=timezone.now())
    fulfilment.refresh(units)


def _choose(
    units: Mapping[int, Mapping[int, int]],
    lines: Iterable[SubOrderLine],
    open_parts: Mapping[int, SubOrder],
    with_warehouses: Collection[int],
) -> dict[int, dict[int, int]]:
    """Which lines (by sub-order, then by line) give up how many units. Raises CannotCancel where there are too few."""
    by_position: dict[tuple[int, int], list[SubOrderLine]] = {}
    for line in sorted(
        lines,
        key=lambda line: (_GIVEN_UP_FIRST.index(open_parts[line.sub_order_id].state), -line.sub_order_id, line.pk),
    ):
        by_position.setdefault((open_parts[line.sub_order_id].order_id, line.order_line.position), []).append(line)
    taken: dict[int, dict[int, int]] = {}
    for order_id, wanted in units.items():
        for position, count in wanted.items():
            left = count
            for line in by_position.get((order_id, position), ()):
                if left:
                    part_units = min(left, line.quantity)
                    taken.setdefault(line.sub_order_id, {})[line.pk] = part_units
                    left -= part_units
            if left:
                there = SubOrderLine.objects.filter(sub_order_id__in=with_warehouses, order_line__position=position)
                numbers = there.filter(sub_order__order_id=order_id).values_list("sub_order__number", flat=True)
                raise _too_many(position, count - left, list(numbers.order_by("sub_order_id")))
    return taken
