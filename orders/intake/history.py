"""Orders that ended elsewhere: stored as they ended, and left alone by every stage.

No stock moves, nobody is asked for money, no stage looks at them, and nothing is told to anybody.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from oms.common.errors import FieldError
from oms.common.money import fen_text
from orders.intake.bodies import HISTORICAL_STATES, HistoricalBody
from orders.intake.checking import CheckedOrder
from orders.intake.refusals import Refusals
from orders.models.order import FulfilmentState, OrderPaymentState, OrderState, PaymentMethod

_FULFILMENT = {
    OrderState.COMPLETED: FulfilmentState.DELIVERED,
    OrderState.CANCELLED: FulfilmentState.CANCELLED,
    OrderState.CLOSED: FulfilmentState.RETURNED,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an order ended; amounts in fen."""

    state: OrderState
    payment_state: OrderPaymentState
    paid: int
    refunded: int
    finished_at: datetime
    paid_at: datetime | None

    def columns(self) -> dict[str, object]:
        """What an order of the past has beyond others, by column."""
        return {
            "is_historical": True,
            "fulfilment_state": _FULFILMENT[self.state].value,
            "paid_amount": fen_text(self.paid),
            "refunded_amount": fen_text(self.refunded),
            "completed_at": self.finished_at if self.state == OrderState.COMPLETED else None,
            "cancelled_at": self.finished_at if self.state == OrderState.CANCELLED else None,
            "ready_at": None,
        }


def ending(order: CheckedOrder) -> Ending:
    """How the checked order ended."""
    body = order.body
    assert isinstance(body, HistoricalBody)  # noqa: S101 - the door decoded it as such
    state = OrderState(body.state)
    paid, refunded = _paid(order, Refusals()), _refunded(order, Refusals())
    return Ending(state, _payment_state(order, paid, refunded), paid, refunded, body.finished_at, body.paid_at)


def check(order: CheckedOrder) -> list[FieldError]:
    """What is wrong with how the order is said to have ended; everything else was checked before."""
    body, wrong = order.body, Refusals()
    assert isinstance(body, HistoricalBody)  # noqa: S101 - the door decoded it as such
    if not wrong.choice("state", body.state, HISTORICAL_STATES):
        return wrong
    if body.collected:
        detail = _("An order of the past says what was paid in paid_at, paid_amount and refunded_amount.")
        wrong.add("collected", "not_of_the_past", detail)
    for attr, moment in (("finished_at", body.finished_at), ("paid_at", body.paid_at)):
        if moment is not None:
            text = _("The time lies in the future or before the order.")
            wrong.between(attr, moment, body.ordered_at, datetime.now(UTC), text)
    paid, refunded = _paid(order, wrong), _refunded(order, wrong)
    if paid < order.payable_amount and body.state != OrderState.CANCELLED:
        wrong.add("paid_amount", "too_little", _("Only a cancelled order may end with less paid than it costs."))
    if refunded > paid:
        wrong.add("refunded_amount", "too_much", _("More went back than was paid."))
    return wrong


def _paid(order: CheckedOrder, wrong: Refusals) -> int:
    given: Decimal | None = order.body.paid_amount  # type: ignore[attr-defined]
    if given is not None:
        return wrong.amount("paid_amount", given)
    return 0 if order.body.state == OrderState.CANCELLED else order.payable_amount  # type: ignore[attr-defined]


def _refunded(order: CheckedOrder, wrong: Refusals) -> int:
    given: Decimal | None = order.body.refunded_amount  # type: ignore[attr-defined]
    if given is not None:
        return wrong.amount("refunded_amount", given)
    return 0 if order.body.state == OrderState.COMPLETED else _paid(order, Refusals())  # type: ignore[attr-defined]


def _payment_state(order: CheckedOrder, paid: int, refunded: int) -> OrderPaymentState:
    if not order.payable_amount and not paid:
        return OrderPaymentState.NOTHING_DUE
    if refunded:
        return OrderPaymentState.REFUNDED if refunded >= paid else OrderPaymentState.PARTLY_REFUNDED
    if paid:
        return OrderPaymentState.PAID if paid >= order.payable_amount else OrderPaymentState.PARTLY_PAID
    # It ended without money, so it was cancelled: nobody pays for it at the door any more.
    return OrderPaymentState.NOTHING_DUE if order.body.payment_method == PaymentMethod.COD else OrderPaymentState.UNPAID
