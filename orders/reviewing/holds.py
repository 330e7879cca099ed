"""Holds: stopping an order and letting it go on."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import OmsError
from oms.common.masking import is_masked
from oms.common.work import nudging
from orders import kinds
from orders.actors import Actor
from orders.fulfilling import waiting
from orders.intake.checking import Question, address_gaps
from orders.locking import lock_order, lock_sub_orders
from orders.models import Hold, Order, OrderState, OrderTerms, SubOrder, SubOrderState
from orders.models.hold import AddressGap
from orders.models.order import OVER
from orders.models.review import MOST_LEVEL
from orders.models.sub_order import AT_WAREHOUSE, BEFORE_RELEASE, IN_WAREHOUSE
from orders.reviewing import words
from orders.telling import timeline

# Holds that end by themselves; no person may release them.
ENDS_BY_ITSELF = (Hold.Kind.CANCELLATION, Hold.Kind.UNMATCHED, Hold.Kind.UNDO, Hold.Kind.CHANGE, Hold.Kind.EXCHANGE)
# For queues of sub-orders (alias `q`): their order may not go on.
ORDER_IS_HELD = "q.is_held"


class CannotHold(OmsError):
    """There is nothing that a hold would stop."""

    code = "cannot_hold"


class CannotRelease(OmsError):
    """The hold is not one that a person may release, or not this person."""

    code = "cannot_release"


HasRight = Callable[[str], bool]
FINANCE_RIGHT = "orders.review_as_finance"


def right_to_release(hold: Hold) -> str:
    """The right that releasing the hold takes, beside that to hold and release at all."""
    if hold.kind == Hold.Kind.FINANCE:
        return FINANCE_RIGHT
    return f"orders.approve_level_{hold.level}" if hold.level else "orders.hold_order"


def may_release(hold: Hold, has_right: HasRight) -> bool:
    """Whether somebody with these rights may; an approval is also for who may approve a higher level."""
    if hold.level:
        return any(has_right(f"orders.approve_level_{level}") for level in range(hold.level, MOST_LEVEL + 1))
    return has_right(right_to_release(hold))


Brake = Callable[[Collection[int]], Collection[int]]
_brakes: list[Brake] = []


def register_brake(brake: Brake) -> None:
    """Let an upper app say what a hold still stops of sub-orders that a warehouse has: `brake` is given their ids and
    returns those of which it stops something, such as the waybill."""
    _brakes.append(brake)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a hold does to the sub-orders of an order that are not over: it stops the work on some, of others only what
    comes after the warehouse's work, and others go on all the same."""

    stopped: list[SubOrder]
    slowed: list[SubOrder]
    beyond: list[SubOrder]


def reach(sub_orders: Iterable[SubOrder]) -> Reach:
    """How far a hold reaches now. One statement at most, and only where a warehouse has something."""
    parts = list(sub_orders)
    at_warehouse = [part for part in parts if part.state in AT_WAREHOUSE]
    ids = [part.pk for part in at_warehouse]
    braked = {key for brake in _brakes for key in brake(ids)} if ids else set()
    return Reach(
        stopped=[part for part in parts if part.state in BEFORE_RELEASE],
        slowed=[part for part in at_warehouse if part.pk in braked],
        beyond=[
            part
            for part in parts
            if part.state in (SubOrderState.SHIPPED, SubOrderState.REJECTED)
            or (part in at_warehouse and part.pk not in braked)
        ],
    )


def hold_obstacle(order: Order, sub_orders: Iterable[SubOrder]) -> str | None:
    """Why holding the order would stop nothing, and what can be done instead; None where it stops something."""
    if order.state in OVER:
        return _("The order is over: %(state)s.") % {"state": order.get_state_display()}
    if order.state != OrderState.SPLIT:
        return None
    now = reach(sub_orders)
    if now.stopped or now.slowed:
        return None
    in_hand = [part.number for part in now.beyond if part.state in IN_WAREHOUSE]
    if in_hand:
        text = _(
            "A hold stops nothing any more: a warehouse works on %(numbers)s. Cancel the order: it is asked to stop."
        )
        return text % {"numbers": _(", ").join(in_hand)}
    if now.beyond:
        text = _(
            "A hold stops nothing any more: %(numbers)s cannot be kept back. The carrier may still stop the parcel"
            " (interception), or the buyer refuse it."
        )
        return text % {"numbers": _(", ").join(part.number for part in now.beyond)}
    return _("A hold stops nothing any more: all of the order was delivered, cancelled or came back.")


@transaction.atomic
def hold_order(order_id: int, *, reason: str, actor: Actor, version: int | None = None) -> Hold:
    """Stop the order until the hold is released, as far as a hold reaches (`reach`).

    Raises CannotHold, ChangedMeanwhile, or OmsError for an empty reason.
    """
    reason = reason.strip()
    if not reason:
        raise OmsError(_("Give a reason for the hold."), attr="reason")
    order = lock_order(order_id, version=version)
    obstacle = hold_obstacle(order, lock_sub_orders(order_id))
    if obstacle:
        raise CannotHold(obstacle)
    hold = open_hold(order_id, Hold.Kind.STAFF, reason=reason, by=actor)
    timeline.record(order_id, kinds.HELD, actor, **words.data_of(hold))
    return hold


@transaction.atomic
def release_hold(
    hold_id: int, *, note: str, actor: Actor, version: int | None = None, has_right: HasRight | None = None
) -> Order:
    """Release one hold; the order goes on once none is open. A hold that is released already stays as it is.

    `has_right` tells of a person's rights; None: whoever calls has them all. Raises CannotRelease for the hold of a
    cancellation under way, for goods that nobody has matched, for an address that lacks something, and without the
    right; ChangedMeanwhile.
    """
    order_id = Hold.objects.values_list("order_id", flat=True).get(pk=hold_id)
    order = lock_order(order_id, version=version)
    hold = Hold.objects.select_for_update(no_key=True, of=("self",)).get(pk=hold_id)
    obstacle = release_obstacle(order, hold, has_right)
    if obstacle:
        raise CannotRelease(obstacle)
    if hold.released_at is None:
        close_hold(hold, note=note, actor=actor)
        nudging.nudge("review", "split", "allocate", "release", "dispatch")
    return Order.objects.get(pk=order.pk)


def release_obstacle(order: Order, hold: Hold, has_right: HasRight | None = None) -> str | None:
    """Why the hold cannot be released, or not by somebody with these rights; None where it can."""
    if hold.kind == Hold.Kind.CANCELLATION:
        return _("This hold ends by itself once the warehouse has answered the cancellation.")
    if hold.kind == Hold.Kind.UNMATCHED and hold.released_at is None:
        return _("Match the codes of the goods to SKUs: this hold ends by that.")
    if hold.kind == Hold.Kind.UNDO and hold.released_at is None:
        return _("This hold ends by itself, or when the cancellation is taken back.")
    if hold.kind == Hold.Kind.CHANGE and hold.released_at is None:
        return _("This hold ends when the change is paid, the warehouse answered, or the change is discarded.")
    if hold.kind == Hold.Kind.EXCHANGE and hold.released_at is None:
        return _("This hold ends when the goods of the return are there, or the exchange is given up.")
    if hold.released_at is None and has_right is not None and not may_release(hold, has_right):
        if hold.level:
            return _("This hold needs an approval of level %(level)d: you do not have that right.") % {
                "level": hold.level
            }
        return _("You do not have the right to release this hold.")
    gaps = remedies(order) if hold.kind == Hold.Kind.ADDRESS else []
    return " ".join(gaps) or None


_REMEDIES = {
    AddressGap.NO_PHONE: gettext_lazy(
        "Give a phone number at which the carrier reaches the recipient: change the recipient."
    ),
    AddressGap.MASKED_PHONE: gettext_lazy("Give the phone number without asterisks: change the recipient."),
    AddressGap.MASKED_NAME: gettext_lazy("Give the name without asterisks: change the recipient."),
    AddressGap.NO_ADDRESS: gettext_lazy("Give the address: change the recipient."),
    AddressGap.MASKED_ADDRESS: gettext_lazy("Give the address without asterisks: change the recipient."),
    AddressGap.NO_REGION: gettext_lazy("Say which region it is: change the recipient."),
    AddressGap.NOT_SERVED: gettext_lazy("Mark the region as served in the list of regions, or change the recipient."),
}


def gaps_of(order: Order) -> list[AddressGap]:
    """What the order's recipient lacks for goods to be sent to."""
    return address_gaps(
        order.recipient_name,
        order.recipient_phone,
        order.recipient_address,
        has_region=order.region is not None,
        is_served=order.region is None or order.region.is_served,
        has_token=_has_token(order),
    )


def _has_token(order: Order) -> bool:
    """Whether the platform tells the carrier what it hides; looked up only where it hides something."""
    if not any(map(is_masked, (order.recipient_name, order.recipient_phone, order.recipient_address))):
        return False
    terms = OrderTerms.objects.filter(order=order).only("receiver_token").first()
    return terms is not None and terms.has_receiver_token


def remedies(order: Order) -> list[str]:
    """What a person must say before goods can go to the recipient, as sentences; empty where the address is whole."""
    return [str(_REMEDIES[gap]) for gap in gaps_of(order)]


def ask_for_address(order_id: int, *, gaps: Sequence[AddressGap], candidates: Sequence[str] = (), actor: Actor) -> None:
    """Hold a locked order until a person says what its address lacks; changing the recipient ends the hold.
    `candidates` are the names of regions that it may lie in.
    """
    details = Question(tuple(gaps), tuple(candidates)).details
    hold = open_hold(order_id, Hold.Kind.ADDRESS, details=details, by=actor)
    timeline.record(order_id, kinds.HELD, actor, **words.data_of(hold))


def questions(order_id: int) -> dict[str, str]:
    """What a person is asked about the order's address and the codes of its goods now, by the kind of hold."""
    asking = [Hold.Kind.ADDRESS, Hold.Kind.UNMATCHED]
    found = Hold.objects.filter(order=order_id, kind__in=asking, released_at=None).order_by("pk")
    return {hold.kind: words.why(hold) for hold in found}


def open_hold(
    order_id: int, kind: Hold.Kind, *, reason: str = "", details: Mapping[str, Any] | None = None, by: Actor
) -> Hold:
    """A new hold of a locked order, counted; what is told of it is the caller's business."""
    hold = Hold.objects.create(order_id=order_id, kind=kind, reason=reason[:300], details=details, opened_by=by.name)
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
    """Mark an open hold of a locked order as released and count it off. `note` is what a person typed, or a code of
    `story.REASONS`."""
    Hold.objects.filter(pk=hold.pk, released_at=None).update(
        released_at=timezone.now(), released_by=actor.name, release_note=note.strip()[:300]
    )
    Order.objects.filter(pk=hold.order_id).update(open_holds=F("open_holds") - 1)
    mark_sub_orders(hold.order_id)
    timeline.record(hold.order_id, kinds.HOLD_RELEASED, actor, **words.data_of(hold), note=note.strip()[:300])
