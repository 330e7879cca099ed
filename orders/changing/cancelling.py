"""Cancelling an order before it is packed: stock goes back, and payments finds that money must.

What a warehouse already has is only asked for: the warehouse answers (`logistics.warehouses.stopping`), the order is
held meanwhile, and `finish_requests` then ends it or lets the rest go on. Sub-orders can be cancelled by themselves:
the others go on meanwhile.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import reserving
from inventory.holding import FREE_STAGE
from inventory.models import CapacityDemand, MovementNote
from inventory.promising import capacity
from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.work import nudging
from orders import kinds
from orders.actors import Actor
from orders.asked import unseen
from orders.changing import cancellation, charging, reasons, telling
from orders.changing.reasons import Why
from orders.fulfilling import derived as fulfilment
from orders.fulfilling import waiting
from orders.fulfilling.trouble import (
    APPOINTMENT_FULL,
    CANCELLATION_UNANSWERED,
    NOBODY_ELSE,
    RECEIPT_DENIED,
    RULE_HOLDS,
)
from orders.locking import lock_order, lock_sub_orders
from orders.matching import waiting as matching
from orders.models import (
    ChargeCause,
    Exchange,
    FulfilmentState,
    GiftGrant,
    Hold,
    Order,
    OrderEvent,
    OrderPaymentState,
    OrderState,
    SubOrder,
    SubOrderLine,
    SubOrderState,
)
from orders.models.order import OVER
from orders.models.sub_order import BEFORE_RELEASE, IN_WAREHOUSE
from orders.returning.locking import EXCHANGES
from orders.reviewing import words
from orders.reviewing.holds import close_hold, open_hold
from orders.telling import timeline

STOPPABLE = (*BEFORE_RELEASE, *IN_WAREHOUSE)
_CANCELLABLE = (*STOPPABLE, SubOrderState.CANCELLED)


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
def cancel_order(
    order_id: int, *, reason: str | Why, actor: Actor, version: int | None = None, tells_buyer: bool = False
) -> Order:
    """Cancel the order, or ask the warehouses to, where they have parts of it already. `tells_buyer`: the buyer is
    told once it is done.

    Raises CannotCancel, ChangedMeanwhile, or OmsError for an empty reason.
    """
    why = reasons.understood(reason)
    order = lock_order(order_id, version=version)
    sub_orders = lock_sub_orders(order_id)
    blocked = obstacle(order, sub_orders)
    if blocked:
        raise CannotCancel(blocked)
    asked = [part for part in sub_orders if part.state in IN_WAREHOUSE]
    at_once = [part for part in sub_orders if part not in asked and part.state != SubOrderState.CANCELLED]
    cancel_sub_orders([part.pk for part in at_once], actor=actor)
    if asked:
        # What is cancelled already goes back whatever the warehouses answer.
        due = {"owed_changed_since": timezone.now()} if at_once else {}
        Order.objects.filter(pk=order_id).update(
            cancel_requested_at=timezone.now(), cancel_reason=why.text, cancel_reason_code=why.code, **due
        )
        open_hold(order_id, Hold.Kind.CANCELLATION, reason=why.text, by=actor)
        _ask(order_id, asked, why, actor, tells_buyer=tells_buyer)
        nudging.nudge(*(["owing"] if at_once else []))
    else:
        _end(order, why, actor=actor)
        if tells_buyer:
            telling.tell_cancelled([order_id])
        nudging.nudge("owing", "wake", "settle_codes", *([FREE_STAGE] if order.stock_hold_id else []))
    return Order.objects.get(pk=order_id)


def _ask(order_id: int, parts: Sequence[SubOrder], why: Why, actor: Actor, *, tells_buyer: bool) -> None:
    """Leave the wish on locked sub-orders that warehouses have. What was asked before and not answered is asked with
    them: the last request names all that is open."""
    SubOrder.objects.filter(pk__in=[part.pk for part in parts]).update(
        cancel_requested_at=timezone.now(), ready_at=timezone.now(), attempts=0, needs_person_since=None
    )
    still = SubOrder.objects.filter(order=order_id, cancel_requested_at__isnull=False).order_by("id")
    timeline.record(
        order_id,
        kinds.CANCEL_REQUESTED,
        actor,
        reason=why.text,
        cause=why.cause,
        numbers=list(still.values_list("number", flat=True)),
        tells_buyer=tells_buyer,
    )
    nudging.nudge("cancel_at_warehouse")


def part_obstacle(part: SubOrder, not_seen: Collection[int] = ()) -> str | None:
    """Why a sub-order cannot be cancelled by itself, or None; `not_seen` are delivered virtual ones (ids) that nobody
    has looked at."""
    if part.cancel_requested_at is not None:
        return _("Its warehouse was asked already and has not answered yet.")
    if part.state in STOPPABLE or part.pk in not_seen:
        return None
    if part.state == SubOrderState.PACKED:
        return _("It is packed: once it has left, ask the carrier to bring it back, or let the buyer refuse it.")
    if part.state == SubOrderState.SHIPPED:
        return _("It left: ask the carrier to bring it back (Stop or redirect parcels), or let the buyer refuse it.")
    return _("Sub-order %(number)s cannot be stopped any more: %(state)s.") % {
        "number": part.number,
        "state": part.get_state_display(),
    }


@transaction.atomic
def cancel_parts(
    order_id: int,
    sub_order_ids: Collection[int],
    *,
    reason: str | Why,
    actor: Actor,
    version: int | None = None,
    tells_buyer: bool = False,
) -> Order:
    """Cancel these sub-orders of an order; the others go on. What a warehouse has is asked back; naming all that is
    left of an order of which nothing left cancels the order.

    Raises CannotCancel for one that cannot be stopped, ChangedMeanwhile, or OmsError for an empty reason.
    """
    why = reasons.understood(reason)
    order = lock_order(order_id, version=version)
    sub_orders = lock_sub_orders(order_id)
    if order.state != OrderState.SPLIT or order.cancel_requested_at:
        raise CannotCancel(obstacle(order, []) or _("The order has no sub-orders yet. Cancel the whole order."))
    named = [part for part in sub_orders if part.pk in sub_order_ids and part.state != SubOrderState.CANCELLED]
    if not named:
        raise CannotCancel(_("Name at least one sub-order that is not cancelled yet."), attr="sub_orders")
    not_seen = unseen.of([part.pk for part in named if part.is_virtual and part.state == SubOrderState.DELIVERED])
    for part in named:
        blocked = part_obstacle(part, not_seen)
        if blocked:
            raise CannotCancel(f"{part.number}: {blocked}", attr="sub_orders")
    if len(named) == sum(part.state != SubOrderState.CANCELLED for part in sub_orders):
        return cancel_order(order_id, reason=why, actor=actor, tells_buyer=tells_buyer)
    at_once = [part for part in named if part.state not in IN_WAREHOUSE]
    if at_once:
        keys = [part.pk for part in at_once]
        timeline.record(
            order_id, kinds.UNITS_CANCELLED, actor, reason=why.text, cause=why.cause, units=_units_by_sku(keys)
        )
        cancel_sub_orders(keys, actor=actor)
        Order.objects.filter(pk=order_id).update(owed_changed_since=timezone.now())
        fulfilment.refresh([order_id])
        if tells_buyer:
            telling.tell_units_cancelled(order_id, keys)
    asked = [part for part in named if part.state in IN_WAREHOUSE]
    if asked:
        _ask(order_id, asked, why, actor, tells_buyer=tells_buyer)
    nudging.nudge("owing", "wake", "allocate", "settle_codes")
    return Order.objects.get(pk=order_id)


def _units_by_sku(sub_order_ids: Collection[int]) -> dict[str, int]:
    rows = SubOrderLine.objects.filter(sub_order_id__in=sub_order_ids).values("order_line__sku__code").order_by()
    return dict(rows.annotate(units=Sum("quantity")).values_list("order_line__sku__code", "units"))


def _end(order: Order, why: Why, *, actor: Actor) -> None:
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
        cancel_reason=why.text,
        cancel_reason_code=why.code,
        ready_at=timezone.now() if is_to_book else None,
        needs_person_since=None,
        owed_changed_since=timezone.now(),
    )
    charging.take_back_unsplit(order.pk, actor=actor)
    if order.split_at is not None:
        # A gift that was to follow is looked at now instead of some days after the completion that never comes.
        GiftGrant.objects.filter(order=order, line=None, dropped="").update(ready_at=Now())
    timeline.record(
        order.pk,
        kinds.CANCELLED,
        actor,
        from_state=order.state,
        to_state=OrderState.CANCELLED,
        reason=why.text,
        cause=why.cause,
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
    tickets.close_tickets([NOBODY_ELSE, RULE_HOLDS, RECEIPT_DENIED, APPOINTMENT_FULL], sub_order_ids)
    charging.take_back(sub_order_ids, ChargeCause.CANCELLED, actor=actor)
    timeline.record_of_sub_orders(sub_order_ids, kinds.SUB_ORDER_CANCELLED, actor)


def finish_requests(order_ids: Iterable[int], *, actor: Actor) -> None:
    """After the warehouses answered: end the orders of which nothing is left, let the others go on.

    The orders must be locked. An order of which a request is still open is left alone.
    """
    ids = list(order_ids)
    still = set(
        SubOrder.objects.filter(order_id__in=ids, cancel_requested_at__isnull=False).values_list("order_id", flat=True)
    )
    answered = [order_id for order_id in ids if order_id not in still]
    requests = _open_requests(answered)
    parts: dict[int, dict[str, str]] = {}
    rows = SubOrder.objects.filter(order_id__in=requests).order_by("id")
    for order_id, number, state in rows.values_list("order_id", "number", "state"):
        parts.setdefault(order_id, {})[number] = state
    for order in Order.objects.filter(pk__in=requests).order_by("id"):
        _finish(order, requests[order.pk], parts.get(order.pk, {}), actor)
    nudging.nudge("owing", "wake")


def _open_requests(order_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """By order what was asked of warehouses last, as far as nobody said yet how it ended."""
    events = OrderEvent.objects.filter(order_id__in=order_ids, kind__in=cancellation.OF_REQUESTS)
    last = events.order_by("order_id", "-id").distinct("order_id").values_list("order_id", "kind", "data")
    return {order_id: data or {} for order_id, kind, data in last if kind == kinds.CANCEL_REQUESTED.code}


def _finish(order: Order, request: Mapping[str, Any], parts: Mapping[str, str], actor: Actor) -> None:
    """Say how a request ended that every warehouse answered; `parts` are the states of all sub-orders by number."""
    is_whole = order.cancel_requested_at is not None
    numbers = list(parts) if is_whole else [number for number in request.get("numbers", ()) if number in parts]
    going_on = [number for number in numbers if parts[number] != SubOrderState.CANCELLED]
    tells_buyer = bool(request.get("tells_buyer"))
    if all(state == SubOrderState.CANCELLED for state in parts.values()):
        told = str(request.get("reason") or "")
        why = Why(order.cancel_reason or told, order.cancel_reason_code, str(request.get("cause") or ""))
        _end(order, why, actor=actor)
        if tells_buyer:
            telling.tell_cancelled([order.pk])
    else:
        for hold in Hold.objects.filter(order=order, kind=Hold.Kind.CANCELLATION, released_at=None):
            close_hold(hold, note=words.NOT_ALL_STOPPED, actor=actor)
        Order.objects.filter(pk=order.pk).update(owed_changed_since=timezone.now())
        fulfilment.refresh([order.pk])
        if tells_buyer and len(going_on) < len(numbers):
            gone = [number for number in numbers if parts[number] == SubOrderState.CANCELLED]
            keys = SubOrder.objects.filter(order=order, number__in=gone).values_list("pk", flat=True)
            telling.tell_units_cancelled(order.pk, list(keys))
    Order.objects.filter(pk=order.pk, cancel_requested_at__isnull=False).update(cancel_requested_at=None)
    if going_on:
        # Whether what it was exchanged for comes decides now what is missing of it.
        rows = Exchange.objects.filter(new_order=order, begun_at__isnull=False, ended_at=None)
        if rows.update(due_since=Coalesce("due_since", Now())):
            nudging.nudge(EXCHANGES)
        timeline.record(order.pk, kinds.CANCEL_NOT_GRANTED, actor, numbers=going_on)
    else:
        timeline.record(order.pk, kinds.CANCEL_GRANTED, actor, numbers=numbers)
    tickets.close_tickets([CANCELLATION_UNANSWERED], [order.pk])
