"""Holds: stopping an order and letting it go on."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.work import nudging
from orders import kinds, timeline
from orders.actors import Actor
from orders.locking import lock_order
from orders.models import Hold, Order
from orders.models.order import OVER

# For queues of sub-orders (alias `q`): their order may not go on.
ORDER_IS_HELD = "EXISTS (SELECT FROM orders_order o WHERE o.id = q.order_id AND o.open_holds > 0)"


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
    hold = Hold.objects.create(order=order, kind=Hold.Kind.STAFF, reason=reason[:300], opened_by=actor.name)
    Order.objects.filter(pk=order_id).update(open_holds=F("open_holds") + 1)
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
    Hold.objects.create(order_id=order_id, kind=Hold.Kind.ADDRESS, reason=reason[:300], opened_by=actor.name)
    Order.objects.filter(pk=order_id).update(open_holds=F("open_holds") + 1)
    timeline.record(order_id, kinds.HELD, actor, reason=reason[:300])


def question_about_address(order_id: int) -> str | None:
    """What a person is asked about the order's address now, or None."""
    open_ones = Hold.objects.filter(order=order_id, kind=Hold.Kind.ADDRESS, released_at=None)
    return open_ones.values_list("reason", flat=True).first()


def close_hold(hold: Hold, *, note: str, actor: Actor) -> None:
    """Mark an open hold of a locked order as released and count it off."""
    Hold.objects.filter(pk=hold.pk, released_at=None).update(
        released_at=timezone.now(), released_by=actor.name, release_note=note.strip()[:300]
    )
    Order.objects.filter(pk=hold.order_id).update(open_holds=F("open_holds") - 1)
    timeline.record(hold.order_id, kinds.HOLD_RELEASED, actor, reason=hold.reason, note=note.strip()[:300])
