"""Holds: stopping an order and letting it go on."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.work import nudging
from orders import kinds, timeline
from orders.actors import Actor
from orders.fulfilling import waiting
from orders.locking import lock_order, lock_sub_orders
from orders.models import Hold, Order, SubOrder, SubOrderState
from orders.models.order import OVER

# For queues of sub-orders (alias `q`): their order may not go on.
ORDER_IS_HELD = "q.is_held"


class CannotHold(OmsError):
    """The order is over; there is nothing to stop."""

    code = "cannot_hold"


class CannotRelease(OmsError):
    """The hold is not one that a person may release."""

    code = "cannot_release"


def hold_obstacle(order: Order) -> str | None:
    """Why the order cannot be held, or None."""
    if order.state in OVER:
        return _("The order is over: %(state)s.") % {"state": order.get_state_display()}
    return None


@transaction.atomic
def hold_order(order_id: int, *, reason: str, actor: Actor, version: int | None = None) -> Hold:
    """Stop the order until the hold is released. Work that a warehouse already has goes on.

    Raises CannotHold, ChangedMeanwhile, or OmsError for an empty reason.
    """
    reason = reason.strip()
    if not reason:
        raise OmsError(_("Give a reason for the hold."), attr="reason")
    order = lock_order(order_id, version=version)
    obstacle = hold_obstacle(order)
    if obstacle:
        raise CannotHold(obstacle)
    hold = open_hold(order_id, Hold.Kind.STAFF, reason=reason, by=actor)
    timeline.record(order_id, kinds.HELD, actor, reason=hold.reason)
    return hold


@transaction.atomic
def release_hold(hold_id: int, *, note: str, actor: Actor, version: int | None = None) -> Order:
    """Release one hold; the order goes on once none is open. A hold that is released already stays as it is.

    Raises CannotRelease for the hold of a cancellation under way and for an address that lacks something,
    ChangedMeanwhile.
    """
    order_id = Hold.objects.values_list("order_id", flat=True).get(pk=hold_id)
    order = lock_order(order_id, version=version)
    hold = Hold.objects.select_for_update(no_key=True, of=("self",)).get(pk=hold_id)
    if hold.kind == Hold.Kind.CANCELLATION:
        raise CannotRelease(_("This hold ends by itself once the warehouse has answered the cancellation."))
    gaps = address_gaps(order) if hold.kind == Hold.Kind.ADDRESS else []
    if gaps:
        raise CannotRelease(" ".join(gaps))
    if hold.released_at is None:
        close_hold(hold, note=note, actor=actor)
        nudging.nudge("review", "split", "allocate", "release", "dispatch")
    return Order.objects.get(pk=order.pk)


def address_gaps(order: Order) -> list[str]:
    """What a person must say before goods can go to the recipient, as sentences; empty where the address is whole."""
    gaps = []
    if order.region_id is None:
        gaps.append(_("Say which region it is: change the recipient."))
    if not order.recipient_phone:
        gaps.append(_("Give a phone number at which the carrier reaches the recipient: change the recipient."))
    if not order.recipient_address:
        gaps.append(_("Give the address: change the recipient."))
    return gaps


def ask_for_address(order_id: int, *, reason: str, actor: Actor) -> None:
    """Hold a locked order until a person says what its address lacks (`address_gaps`); changing the recipient ends
    the hold.
    """
    open_hold(order_id, Hold.Kind.ADDRESS, reason=reason, by=actor)
    timeline.record(order_id, kinds.HELD, actor, reason=reason[:300])


def question_about_address(order_id: int) -> str | None:
    """What a person is asked about the order's address now, or None."""
    open_ones = Hold.objects.filter(order=order_id, kind=Hold.Kind.ADDRESS, released_at=None)
    return open_ones.values_list("reason", flat=True).first()


def open_hold(order_id: int, kind: Hold.Kind, *, reason: str, by: Actor) -> Hold:
    """A new hold of a locked order, counted; what is told of it is the caller's business."""
    hold = Hold.objects.create(order_id=order_id, kind=kind, reason=reason[:300], opened_by=by.name)
    Order.objects.filter(pk=order_id).update(open_holds=F("open_holds") + 1)
    mark_sub_orders(order_id)
    return hold


def mark_sub_orders(order_id: int) -> None:
    """Let the sub-orders of a locked order know whether it is held; call it whenever its open holds changed.

    A held one waits for no stock: once nothing holds it, it is tried at once and takes its old place.
    """
    is_held = Order.objects.values_list("open_holds", flat=True).get(pk=order_id) > 0
    parts = [part for part in lock_sub_orders(order_id) if part.is_held != is_held]
    if not parts:
        return
    SubOrder.objects.filter(pk__in=[part.pk for part in parts]).update(is_held=is_held)
    waits = [part.pk for part in parts if part.state == SubOrderState.BACKORDERED]
    if is_held:
        waiting.end(waits)
    else:
        SubOrder.objects.filter(pk__in=waits, ready_at=None).update(ready_at=timezone.now())


def close_hold(hold: Hold, *, note: str, actor: Actor) -> None:
    """Mark an open hold of a locked order as released and count it off."""
    Hold.objects.filter(pk=hold.pk, released_at=None).update(
        released_at=timezone.now(), released_by=actor.name, release_note=note.strip()[:300]
    )
    Order.objects.filter(pk=hold.order_id).update(open_holds=F("open_holds") - 1)
    mark_sub_orders(hold.order_id)
    timeline.record(hold.order_id, kinds.HOLD_RELEASED, actor, reason=hold.reason, note=note.strip()[:300])
