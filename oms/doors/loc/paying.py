"""What merchants say of the money of their orders, and what is answered of it."""

from datetime import datetime

from oms.doors.loc.base import PAID, UNPAID
from oms.doors.loc.words import PAYMENTS
from orders.matching import waiting
from orders.models import Order, OrderPaymentState, OrderState
from payments.taking import recording


def book_paid(order: Order, *, at: datetime) -> None:
    """Book that the merchant was paid for a locked order that waits for it; where it has no price yet, once it has."""
    if not waiting.note_paid(order.pk, at=at):
        recording.record_external(order, at=at)


def payment_status(order: Order) -> str:
    """The word for the order's money. At most one statement."""
    if order.state == OrderState.AWAITING_PAYMENT and order.open_holds:
        unpriced = waiting.unpriced(order.pk)
        if unpriced is not None:
            return PAID if unpriced.paid_at else UNPAID[0]
    return PAYMENTS[OrderPaymentState(order.payment_state)]
