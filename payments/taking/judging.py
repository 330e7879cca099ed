"""What a fact about money means for the payment or refund that it is about. Nothing here touches the database.

Facts are compared with what we hold. What really happened is booked whatever was expected; what contradicts is for a
person to look at besides. Failures, successes and repetitions may come in any order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone

from oms.common.models import FactState
from oms.common.tickets import TicketKind
from oms.common.work.facts import APPLIED, NO_EFFECT, Fact, Verdict
from orders.kinds import EventKind
from payments import kinds, troubles
from payments.models import OPEN_PAYMENTS, OPEN_REFUNDS, Means, NoticeKind, Payment, PaymentState, Refund, RefundState

# Stands for a transaction number where a person paid.
PAID_BY_HAND = "by hand"
# And where the channel gave back money that it had taken itself.
PAID_AT_CHANNEL = "at the channel"
# What is said of a message by which a captured payment was captured once more.
CAPTURED_AGAIN = "captured_again"


@dataclass(frozen=True, slots=True)
class Told:
    """What a fact says, by whom (the connection's id and code). Amount in yuan; None where a failure names none."""

    fact_id: int
    key: str
    kind: NoticeKind
    subject: str
    connection_id: int
    teller: str
    amount: Decimal | None
    transaction: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Ruling:
    """What comes of a fact: the verdict; the kind of the event that tells it, if any; and the kind of ticket that
    a person gets, with the reason."""

    verdict: Verdict
    event: EventKind | None = None
    ticket: TicketKind | None = None
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def understand(fact: Fact, teller: str) -> Told:
    """What the fact says. Raises ValueError unless it names an amount of money where there must be one."""
    kind = NoticeKind(fact.kind)
    must_have = kind in (NoticeKind.CAPTURED, NoticeKind.REFUNDED)
    return Told(
        fact_id=fact.id,
        key=fact.key,
        kind=kind,
        subject=fact.subject,
        connection_id=fact.connection_id,
        teller=teller,
        amount=_amount(fact.body.get("amount")) if must_have or "amount" in fact.body else None,
        transaction=str(fact.body.get("transaction", ""))[:64],
        occurred_at=fact.occurred_at,
    )


def _amount(value: object) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0 or amount != round(amount, 2):
        raise ValueError("the amount is no positive amount of yuan with at most two places")
    return amount


def rule_on_payment(payment: Payment, told: Told, by_hand_id: int) -> Ruling:
    """Apply the fact to the payment (which is not saved), and say what comes of it.

    `by_hand_id` is the connection of what people record; it counts for payments that go over none.
    """
    if told.kind == NoticeKind.CHANGED:
        return _ask(payment, payment.state == PaymentState.PENDING, told)
    if told.connection_id != (payment.connection_id or by_hand_id):
        return _contradiction("other_connection", troubles.PAYMENT_TOLD_BY_ANOTHER, payment, told, reason=told.kind)
    if told.kind == NoticeKind.FAILED:
        if payment.state not in OPEN_PAYMENTS:
            return Ruling(NO_EFFECT)
        payment.fail()
        return Ruling(APPLIED, kinds.PAYMENT_FAILED)
    assert told.amount is not None  # noqa: S101 - `understand` saw to it
    if payment.state == PaymentState.CAPTURED:
        if told.fact_id == payment.fact_id:
            return Ruling(NO_EFFECT)
        if told.transaction and (told.transaction, told.amount) == (
            payment.transaction_number,
            payment.captured_amount,
        ):
            return Ruling(NO_EFFECT)
        # More money, or the same money told twice: only a person can find out.
        ticket = troubles.PAYMENT_CAPTURED_AGAIN
        return _contradiction(CAPTURED_AGAIN, ticket, payment, told, event=kinds.CAPTURED_TWICE, needs_person=True)
    payment.capture(amount=told.amount, at=told.occurred_at, fact_id=told.fact_id, transaction_number=told.transaction)
    if told.amount == payment.amount:
        return Ruling(APPLIED, kinds.PAID)
    reason = "too_much" if told.amount > payment.amount else "too_little"
    ticket = troubles.PAYMENT_AMOUNT_DIFFERS
    return _contradiction("amount_differs", ticket, payment, told, reason=reason, event=kinds.PAID, needs_person=True)


def rule_on_refund(refund: Refund, told: Told, by_hand_id: int, left: Decimal) -> Ruling:
    """Apply the fact to the refund (which is not saved), and say what comes of it.

    What people record counts as well as what the refund's own connection says. `left` is what its payment has not given
    back yet: no payment gives back more than came in.
    """
    if told.kind == NoticeKind.REFUND_CHANGED:
        return _ask(refund, refund.state == RefundState.REQUESTED, told)
    if told.connection_id not in (refund.connection_id, by_hand_id):
        return _contradiction("other_connection", troubles.REFUND_TOLD_BY_ANOTHER, refund, told, reason=told.kind)
    if told.kind == NoticeKind.REFUND_FAILED:
        if refund.state not in OPEN_REFUNDS:
            return Ruling(NO_EFFECT)
        refund.fail()
        reason = Means.EXTERNAL if refund.payment.means == Means.EXTERNAL else ""
        return _for_a_person(
            APPLIED, troubles.REFUND_FAILED, refund, told, reason=reason, event=kinds.REFUND_FAILED, needs_person=True
        )
    assert told.amount is not None  # noqa: S101 - `understand` saw to it
    if refund.state == RefundState.SUCCEEDED:
        return _rule_on_more(refund, told, told.amount, told.connection_id == by_hand_id, left)
    event = None
    if left > 0:
        refund.succeed(
            amount=min(told.amount, left),
            at=told.occurred_at,
            fact_id=told.fact_id,
            transaction_number=told.transaction,
        )
        event = kinds.REFUNDED
    if told.amount == refund.amount == refund.refunded_amount:
        return Ruling(APPLIED, event)
    reason = "too_much" if told.amount > refund.amount else "too_little"
    if told.amount > left:
        reason = "more_than_there_was"
    ticket = troubles.REFUND_AMOUNT_DIFFERS
    return _contradiction("amount_differs", ticket, refund, told, reason=reason, event=event, needs_person=True)


def _ask(row: Payment | Refund, is_open: bool, told: Told) -> Ruling:
    """The provider is asked at once what happened, where that is open."""
    if not is_open or told.connection_id != row.connection_id:
        return Ruling(NO_EFFECT)
    row.ready_at = timezone.now()
    return Ruling(APPLIED)


def _rule_on_more(refund: Refund, told: Told, amount: Decimal, is_by_hand: bool, left: Decimal) -> Ruling:
    """The refund went back before, in whole or in part."""
    if told.fact_id == refund.fact_id:
        return Ruling(NO_EFFECT)
    if is_by_hand and amount == refund.rest and amount <= left:
        refund.refunded_amount += amount
        refund.needs_person_since = None
        return Ruling(APPLIED, kinds.REFUNDED)
    was_by_hand = refund.transaction_number in (PAID_BY_HAND, PAID_AT_CHANNEL)
    is_same = told.transaction == refund.transaction_number or not (told.transaction and refund.transaction_number)
    if is_by_hand == was_by_hand and is_same and amount == refund.refunded_amount:
        return Ruling(NO_EFFECT)
    return _contradiction("refunded_again", troubles.REFUND_SENT_AGAIN, refund, told, needs_person=True)


def _contradiction(
    outcome: str,
    ticket: TicketKind,
    row: Payment | Refund,
    told: Told,
    *,
    reason: str = "",
    event: EventKind | None = None,
    needs_person: bool = False,
) -> Ruling:
    verdict = Verdict(FactState.CONTRADICTED, outcome)
    return _for_a_person(verdict, ticket, row, told, reason=reason, event=event, needs_person=needs_person)


def _for_a_person(
    verdict: Verdict,
    ticket: TicketKind,
    row: Payment | Refund,
    told: Told,
    *,
    reason: str = "",
    event: EventKind | None = None,
    needs_person: bool = False,
) -> Ruling:
    """A ruling with a ticket, and all values that the ticket's sentences may name. With `needs_person` the row itself
    is marked: it goes on only when somebody has looked at it."""
    if needs_person:
        row.needs_person_since = row.needs_person_since or timezone.now()
    booked = row.captured_amount if isinstance(row, Payment) else row.refunded_amount
    values = {
        "number": row.number,
        "provider": row.provider,
        "teller": told.teller,
        "key": told.key,
        "told": str(row.amount if told.amount is None else told.amount),
        "expected": str(row.amount),
        "held": str(booked),
    }
    return Ruling(verdict, event, ticket, reason, values)
