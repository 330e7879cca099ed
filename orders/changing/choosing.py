"""What of an order is cancelled: the whole, all that has not left, whole sub-orders, or units of lines. One place for
the page, the API, many orders at once, and the preview."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from inventory import counting, reserving
from inventory.models import MovementNote, Reservation
from orders.actors import Actor
from orders.changing import cancelling
from orders.changing.cancelling import CannotCancel, cancel_order, cancel_parts
from orders.changing.reasons import Why
from orders.changing.stamping import check_stamp
from orders.changing.units import cancel_units
from orders.locking import lock_order, lock_sub_orders
from orders.models import Order, OrderState, SubOrder, SubOrderLine


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be cancelled: `units` of lines by their positions, `parts` as ids of sub-orders, or with `is_rest` all
    that can still be stopped. Nothing of these: the whole order."""

    units: Mapping[int, int] = field(default_factory=dict)
    parts: Collection[int] = ()
    is_rest: bool = False


WHOLE = Selection()


@transaction.atomic
def cancel(
    order_id: int,
    selection: Selection,
    *,
    reason: str | Why,
    actor: Actor,
    version: int | None = None,
    stamp: str | None = None,
    restocks: bool = True,
    tells_buyer: bool = False,
) -> Order:
    """Cancel what is selected; what a warehouse has is asked back. `stamp` is that of the preview that was looked at.
    Without `restocks` the units given back are frozen where they lie, so that nobody is promised them; what a warehouse
    still has to give up is always put back.

    Raises CannotCancel, ChangedMeanwhile where anything moved, and OmsError for what is wrong with the selection.
    """
    order = lock_order(order_id, version=version)
    sub_orders = lock_sub_orders(order_id)
    check_stamp(order, sub_orders, stamp)
    before = {} if restocks else _reserved(order_id)
    if selection.is_rest and order.state == OrderState.SPLIT:
        cancel_parts(order_id, _rest(sub_orders), reason=reason, actor=actor, tells_buyer=tells_buyer)
    elif not selection.units and not selection.parts:
        cancel_order(order_id, reason=reason, actor=actor, tells_buyer=tells_buyer)
    else:
        if selection.parts:
            order = cancel_parts(order_id, selection.parts, reason=reason, actor=actor, tells_buyer=tells_buyer)
        if selection.units:
            cancel_units(order_id, selection.units, reason=reason, actor=actor, tells_buyer=tells_buyer)
    if not restocks:
        after = _reserved(order_id)
        freed = {key: count - after.get(key, 0) for key, count in before.items() if count > after.get(key, 0)}
        counting.freeze_free(freed, actor=actor.name, note=MovementNote.CANCELLED)
    return Order.objects.get(pk=order_id)


def lock_all(order_ids: Iterable[int]) -> None:
    """Lock these orders with all that cancelling them locks, in the one order of locks, before the first is cancelled.
    Needs an open transaction."""
    ids = sorted(order_ids)
    list(Order.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True, of=("self",)).values_list("pk"))
    parts = SubOrder.objects.filter(order__in=ids).order_by("pk")
    list(parts.select_for_update(no_key=True, of=("self",)).values_list("pk"))
    lines = SubOrderLine.objects.filter(sub_order__order__in=ids).values("pk")
    reserving.lock_stock(set(Reservation.objects.active_for(lines).order_by().values_list("stock_id", flat=True)))


def _rest(sub_orders: Sequence[SubOrder]) -> list[int]:
    found = [part.pk for part in sub_orders if part.state in cancelling.STOPPABLE and part.cancel_requested_at is None]
    if not found:
        raise CannotCancel(_("Nothing of the order can be stopped any more."))
    return found


def _reserved(order_id: int) -> dict[int, int]:
    """Units promised to the order by now, by stock row (id)."""
    lines = SubOrderLine.objects.filter(sub_order__order_id=order_id).values("pk")
    rows = Reservation.objects.active_for(lines).order_by().values("stock_id").annotate(units=Sum("quantity"))
    return dict(rows.values_list("stock_id", "units"))
