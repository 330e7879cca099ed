"""What a buyer may ask for on the page of an order. People decide; what can be stopped meanwhile is."""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.buyer import telling
from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import Team
from orders.actors import Actor
from orders.fulfilling import completing
from orders.locking import lock_order
from orders.models import ActorKind, FulfilmentState, Order, OrderState, SubOrder
from orders.models.order import OVER
from orders.reviewing import holds

BUYER = Actor(ActorKind.BUYER, "buyer")
LONGEST_REASON = 200
_ARRIVED = (FulfilmentState.DELIVERED, FulfilmentState.RETURNED)

CANCELLATION_WANTED = tickets.register_kind(
    tickets.TicketKind(
        "buyer_wants_cancellation",
        gettext_lazy("The buyer wants to cancel"),
        "order",
        team=Team.SERVICE,
        due_within=timedelta(hours=2),
        reasons={"": gettext_lazy("The buyer asks for the order to be cancelled: %(reason)s")},
        remedies=gettext_lazy(
            "Cancel the order, or agree with the buyer to keep it and release the hold. What had left already is"
            " intercepted or comes back as a return."
        ),
        can_retry=False,
    )
)


class NotNow(OmsError):
    """It cannot be asked for as things stand."""

    code = "not_now"


def may_cancel(order: Order) -> bool:
    """Whether a cancellation can be asked for: what has arrived can only be sent back."""
    return order.state not in OVER and order.fulfilment_state not in _ARRIVED and not order.cancel_requested_at


@transaction.atomic
def cancellation(order_id: int, reason: str) -> None:
    """Ask for the order to be cancelled: a hold stops what can be stopped, and a ticket calls a person, which takes the
    newest reason. Raises NotNow, and OmsError for an empty reason."""
    reason = _given(reason)
    order = lock_order(order_id)
    if not may_cancel(order):
        raise NotNow(_("The order is over: %(state)s.") % {"state": telling.state_of(order)})
    if not order.open_holds and order.state != OrderState.AWAITING_PAYMENT:
        try:
            # In a savepoint: a hold that would stop nothing is refused, and the request stands all the same.
            with transaction.atomic():
                holds.hold_order(order_id, reason=reason, actor=BUYER)
        except holds.CannotHold:
            pass
    trouble = tickets.Trouble(order_id, values={"reason": reason}, about_id=order_id)
    tickets.open_tickets(CANCELLATION_WANTED, [trouble], opened_by=BUYER.name)


def confirm(order_id: int, sub_order_id: int) -> None:
    """Say that the part came. Raises NotNow and NotDelivered."""
    completing.confirm_receipt(_part(order_id, sub_order_id).pk, actor=BUYER)


def deny(order_id: int, sub_order_id: int | None = None) -> None:
    """Say that something that counts as delivered, or this part of it, did not come."""
    completing.deny_receipt(order_id, actor=BUYER, sub_order_id=sub_order_id)


def _part(order_id: int, sub_order_id: int) -> SubOrder:
    part = SubOrder.objects.filter(order_id=order_id, pk=sub_order_id).first()
    if part is None:
        raise NotNow(_("This part of the order is no longer there. Look at the page again."))
    return part


def _given(reason: str) -> str:
    text = " ".join(reason.split())[:LONGEST_REASON]
    if not text:
        raise OmsError(_("Say why."), attr="reason")
    return text
