"""Cancelling an order before it is packed: stock goes back, and payments finds that money must.

What a warehouse already has is only asked for: the warehouse answers (`logistics.warehouses.stopping`), the order is
held meanwhile, and `finish_requests` then ends it or lets the rest go on.
"""

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import reserving
from inventory.holding import FREE_STAGE
from inventory.models import CapacityDemand, MovementNote
from inventory.promising import capacity
from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.work import nudging
from orders import kinds, timeline, unseen
from orders.actors import Actor
from orders.changing import charging
from orders.fulfilling import derived as fulfilment
from orders.fulfilling import waiting
from orders.fulfilling.trouble import CANCELLATION_UNANSWERED, NOBODY_ELSE, RECEIPT_DENIED, RULE_HOLDS
from orders.locking import lock_order, lock_sub_orders
from orders.matching import waiting as matching
from orders.models import (
    ChargeCause,
    FulfilmentState,
    Hold,
    Order,
    OrderPaymentState,
    OrderState,
    SubOrder,
    SubOrderLine,
    SubOrderState,
)
from orders.models.order import OVER
from orders.models.sub_order import BEFORE_RELEASE, IN_WAREHOUSE
from orders.reviewing import words
from orders.reviewing.holds import close_hold, open_hold

_CANCELLABLE = (*BEFORE_RELEASE, *IN_WAREHOUSE, SubOrderState.CANCELLED)


class CannotCancel(OmsError):
    """The order is over, packed already, or being cancelled."""

    code = "cannot_cancel"


def obstacle(order: Order, sub_orders: Iterable[SubOrder] | None = None) -> str | None:
    """Why the order cannot be cancelled, or None."""
    if order.state in OVER:
        return _("The order is over: %(state)s.") % {"state": order.get_state_display()}
    if order.cancel_requested_at:
        return _("The cancellation is under way; the warehouse has not answered yet.")
    parts = list(order.sub_orders.all() if sub_orders is None else sub_orders)
    delivered = [part.pk for part in parts if part.is_virtual and part.state == SubOrderState.DELIVERED]
    not_seen = unseen.of(delivered)
    for sub_order in parts:
        if sub_order.state not in _CANCELLABLE and sub_order.pk not in not_seen:
            return _("Sub-order %(number)s cannot be stopped any more: %(state)s.") % {
                "number": sub_order.number,
                "state": sub_order.get_state_display(),
            }
    return None


@transaction.atomic
def cancel_order(order_id: int, *, reason: str, actor: Actor, version: int | None = None) -> Order:
    """Cancel the order, or ask the warehouses to, where they have parts of it already.

    Raises CannotCancel, ChangedMeanwhile, or OmsError for an empty reason.
    """
    reason = reason.strip()[:200]
    if not reason:
        raise OmsError(_("Give a reason for the cancellation."), attr="reason")
    order = lock_order(order_id, version=version)
    sub_orders = lock_sub_orders(order_id)
    blocked = obstacle(order, sub_orders)
    if blocked:
        raise CannotCancel(blocked)
    now = timezone.now()
    asked = [part for part in sub_orders if part.state in IN_WAREHOUSE]
    at_once = [part for part in sub_orders if part not in asked and part.state != SubOrderState.CANCELLED]
    cancel_sub_orders([part.pk for part in at_once], actor=actor)
    if asked:
        SubOrder.objects.filter(pk__in=[part.pk for part in asked]).update(
            cancel_requested_at=now, ready_at=now, attempts=0, needs_person_since=None
        )
        # What is cancelled already goes back whatever the warehouses answer.
        due = {"owed_changed_since": now} if at_once else {}
        Order.objects.filter(pk=order_id).update(cancel_requested_at=now, cancel_reason=reason, **due)
        open_hold(order_id, Hold.Kind.CANCELLATION, reason=reason, by=actor)
        timeline.record(order_id, kinds.CANCEL_REQUESTED, actor, reason=reason, numbers=[part.number for part in asked])
        nudging.nudge("cancel_at_warehouse", *(["owing"] if at_once else []))
    else:
        _end(order, reason=reason, actor=actor)
        nudging.nudge("owing", "wake", "settle_codes", *([FREE_STAGE] if order.stock_hold_id else []))
    return Order.objects.get(pk=order_id)


def _end(order: Order, *, reason: str, actor: Actor) -> None:
    for hold in Hold.objects.filter(order=order, released_at=None).order_by("id"):
        close_hold(hold, note=words.ORDER_CANCELLED, actor=actor)
        if hold.kind == Hold.Kind.UNMATCHED:
            matching.end([order.pk])
    # Money that the channel took and nobody booked yet is booked all the same, to go back.
    is_to_book = order.collected_at is not None and order.payment_state == OrderPaymentState.UNPAID
    Order.objects.filter(pk=order.pk).update(
        state=OrderState.CANCELLED,
        fulfilment_state=FulfilmentState.CANCELLED,
        cancelled_at=timezone.now(),
        cancel_reason=reason,
        ready_at=timezone.now() if is_to_book else None,
        needs_person_since=None,
        owed_changed_since=timezone.now(),
    )
    charging.take_back_unsplit(order.pk, actor=actor)
    timeline.record(
        order.pk, kinds.CANCELLED, actor, from_state=order.state, to_state=OrderState.CANCELLED, reason=reason
    )


def cancel_sub_orders(sub_order_ids: Sequence[int], *, actor: Actor) -> None:
    """Cancel locked sub-orders that do not leave, or virtual ones that nobody has looked at: their stock is given
    back."""
    if not sub_order_ids:
        return
    SubOrder.objects.filter(pk__in=sub_order_ids).update(
        state=SubOrderState.CANCELLED,
        cancelled_at=timezone.now(),
        cancel_requested_at=None,
        cancel_short_at=None,
        moving_since=None,
        ready_at=None,
        needs_person_since=None,
    )
    lines = SubOrderLine.objects.filter(sub_order_id__in=sub_order_ids).values_list("id", flat=True)
    reserving.release(list(lines), actor=actor.name, note=MovementNote.CANCELLED)
    capacity.give_back(sub_order_ids, kind=CapacityDemand.SUB_ORDER)
    waiting.end(sub_order_ids)
    tickets.close_tickets([NOBODY_ELSE, RULE_HOLDS, RECEIPT_DENIED], sub_order_ids)
    charging.take_back(sub_order_ids, ChargeCause.CANCELLED, actor=actor)
    timeline.record_of_sub_orders(sub_order_ids, kinds.SUB_ORDER_CANCELLED, actor)


def finish_requests(order_ids: Iterable[int], *, actor: Actor) -> None:
    """After the warehouses answered: end the orders of which nothing is left, let the others go on.

    The orders must be locked. An order of which a request is still open is left alone.
    """
    waiting = Q(cancel_requested_at__isnull=False)
    for order in Order.objects.filter(waiting, pk__in=list(order_ids)).order_by("id"):
        if order.sub_orders.filter(waiting).exists():
            continue
        if order.sub_orders.exclude(state=SubOrderState.CANCELLED).exists():
            for hold in Hold.objects.filter(order=order, kind=Hold.Kind.CANCELLATION, released_at=None):
                close_hold(hold, note=words.NOT_ALL_STOPPED, actor=actor)
            Order.objects.filter(pk=order.pk).update(cancel_requested_at=None, owed_changed_since=timezone.now())
            fulfilment.refresh([order.pk])
            left = order.sub_orders.exclude(state=SubOrderState.CANCELLED).order_by("id")
            numbers = list(left.values_list("number", flat=True))
            timeline.record(order.pk, kinds.CANCEL_NOT_GRANTED, actor, numbers=numbers)
        else:
            numbers = list(order.sub_orders.order_by("id").values_list("number", flat=True))
            _end(order, reason=order.cancel_reason, actor=actor)
            Order.objects.filter(pk=order.pk).update(cancel_requested_at=None)
            timeline.record(order.pk, kinds.CANCEL_GRANTED, actor, numbers=numbers)
        tickets.close_tickets([CANCELLATION_UNANSWERED], [order.pk])
    nudging.nudge("owing", "wake")
