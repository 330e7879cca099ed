"""An order's money as one list in words: what was owed, paid and given back, and what nobody can explain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from orders.changing import charging
from orders.models import ChargeCause, OrderCharge, OrderPaymentState
from orders.models.charge import BILLED
from payments.models import Payment, Refund, RefundState

_NOTHING = Decimal(0)


@dataclass(slots=True)
class Item:
    """A fact: when, in words, what it changes (yuan), and what was owed, paid and refunded after it."""

    at: datetime
    text: str
    charged: Decimal = _NOTHING
    received: Decimal = _NOTHING
    returned: Decimal = _NOTHING
    owed: Decimal = _NOTHING
    paid: Decimal = _NOTHING
    refunded: Decimal = _NOTHING

    @property
    def change(self) -> Decimal:
        """What the buyer owes more, or what came in, or, below 0, what goes off either."""
        return self.charged or self.received - self.returned


@dataclass(frozen=True, slots=True)
class Account:
    """The list, and its sums (yuan). `under_way` is what is to go back and did not arrive yet, `to_pay` what the buyer
    still is to pay; `unexplained` is the difference that none of these explains."""

    items: Sequence[Item]
    owed: Decimal
    paid: Decimal
    refunded: Decimal
    under_way: Decimal
    to_pay: Decimal
    unexplained: Decimal


def account_of(
    charges: Sequence[OrderCharge], payments: Sequence[Payment], refunds: Sequence[Refund], *, payment_state: str
) -> Account:
    """The order's account from its rows, oldest first; the charges with their lines and sub-orders."""
    placed = [charge for charge in charges if charge.cause == ChargeCause.PLACED]
    later = [charge for charge in charges if charge.cause != ChargeCause.PLACED]
    # What a sub-order took over at the split was taken back before: it stands where it happened.
    moved = {charge.created_at for charge in later if charge.reference == charging.MOVED}
    later = [charge for charge in later if charge.cause != ChargeCause.CANCELLED or charge.created_at not in moved]
    items = [*_charged(later), *_received(payments), *_returned(refunds)]
    # What was ordered stands first, whatever a provider's clock says.
    items = [*_charged(placed), *sorted(items, key=lambda item: (item.at, not item.charged))]
    owed = paid = refunded = _NOTHING
    for item in items:
        owed, paid, refunded = owed + item.charged, paid + item.received, refunded + item.returned
        item.owed, item.paid, item.refunded = owed, paid, refunded
    under_way = sum((_still_to_arrive(refund) for refund in refunds), _NOTHING)
    difference = paid - refunded - under_way - owed
    billed = sum((charge.amount for charge in charges if charge.cause in BILLED), _NOTHING)
    # Whoever has not paid all that was billed still is to; a paid order has nothing of the kind.
    is_open = payment_state not in (OrderPaymentState.PAID, OrderPaymentState.REFUNDED) and paid < billed
    to_pay = -difference if is_open and difference < 0 else _NOTHING
    return Account(items, owed, paid, refunded, under_way, to_pay, difference + to_pay)


def _charged(charges: Sequence[OrderCharge]) -> list[Item]:
    """One item for all rows of one cause, place and time."""
    grouped: dict[tuple[object, ...], list[OrderCharge]] = {}
    for charge in charges:
        key = (charge.cause, charge.sub_order_id, charge.reference, charge.reason, charge.created_at)
        grouped.setdefault(key, []).append(charge)
    return [Item(rows[0].created_at, _say(rows), charged=sum(row.amount for row in rows)) for rows in grouped.values()]


def _say(rows: Sequence[OrderCharge]) -> str:
    first = rows[0]
    cause = first.get_cause_display()
    if first.cause == ChargeCause.PLACED:
        parts = [f"{row.get_component_display()} {row.amount:,.2f}" for row in rows]
        return _("%(cause)s: %(details)s") % {"cause": cause, "details": _(", ").join(parts)}
    details = [first.sub_order.number if first.sub_order else "", first.reference, first.reason]
    named = _(", ").join(text for text in details if text)
    return _("%(cause)s: %(details)s") % {"cause": cause, "details": named} if named else str(cause)


def _received(payments: Sequence[Payment]) -> list[Item]:
    return [
        Item(
            payment.captured_at,
            _("Paid: %(number)s, %(through)s")
            % {"number": payment.number, "through": payment.connection or payment.get_means_display()},
            received=payment.captured_amount,
        )
        for payment in payments
        if payment.captured_at
    ]


def _returned(refunds: Sequence[Refund]) -> list[Item]:
    return [
        Item(
            refund.succeeded_at,
            _("Went back: %(number)s, %(reason)s") % {"number": refund.number, "reason": refund.get_reason_display()},
            returned=refund.refunded_amount,
        )
        for refund in refunds
        if refund.succeeded_at and refund.refunded_amount
    ]


def _still_to_arrive(refund: Refund) -> Decimal:
    if refund.state == RefundState.SUCCEEDED and refund.needs_person_since is None:
        return _NOTHING
    return refund.rest
