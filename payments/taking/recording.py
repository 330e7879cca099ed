"""Booking money that no provider tells of: the merchant's own, what the channel took before it sent the order, and
bank transfers.

Like any other money it is a payment with a fact that says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from oms.common.models import Topic
from oms.common.work import facts
from oms.common.work.claiming import Queue, Stage, in_one_transaction
from orders.locking import lock_orders
from orders.models import Order, OrderPaymentState, OrderState
from payments.models import Means, NoticeKind, Payment, PaymentState
from payments.providers import defaults
from payments.taking import noticing, numbering

# Orders that were cancelled before this stage came to them, too: that money has to go back.
COLLECTED_QUEUE = Queue(Order, f"q.collected_at IS NOT NULL AND q.payment_state = '{OrderPaymentState.UNPAID}'")


@dataclass(frozen=True, slots=True)
class _Taken:
    """Money for a locked order, in yuan, that somebody else has."""

    order: Order
    amount: Decimal
    at: datetime
    number: str  # of the payment
    transaction: str = ""
    means: Means = Means.EXTERNAL


def record_external(order: Order, *, at: datetime) -> Payment:
    """Book that the merchant has all that is still due of a locked order that waits for its payment, and let it go on.
    Nobody asks the buyer any more, where a provider did.

    Needs an open transaction.
    """
    assert order.state == OrderState.AWAITING_PAYMENT  # noqa: S101 - the caller looked under the lock
    due = order.payable_amount - order.paid_amount
    (payment,) = _book([_Taken(order, due, at, numbering.next_number(order))])
    return payment


def record_transfer(order: Order, *, amount: Decimal, at: datetime, serial: str) -> Payment:
    """Book a bank transfer of so many yuan for a locked order that waits for its payment. Needs an open transaction."""
    (payment,) = _book([_Taken(order, amount, at, numbering.next_number(order), serial, Means.OFFLINE)])
    return payment


def record_exchange(order: Order, *, amount: Decimal) -> Payment:
    """Book that goods which come back pay so many yuan of a locked order of new goods. Needs an open transaction."""
    number = numbering.next_number(order)
    (payment,) = _book([_Taken(order, amount, timezone.now(), number, means=Means.EXCHANGE)])
    return payment


def book_collected(limit: int) -> int:
    """Book what channels took for up to `limit` orders before they sent them; returns how many. Those whose money is
    all there go on to their review."""
    return in_one_transaction(COLLECTED_QUEUE, limit, _book_collected)


def _book_collected(order_ids: list[int]) -> None:
    orders = Order.objects.filter(pk__in=lock_orders(order_ids)).order_by("pk")
    taken = []
    for order in orders:
        assert order.collected_at is not None  # noqa: S101 - the queue's condition
        assert order.collected_amount is not None  # noqa: S101 - a constraint
        first = numbering.number(order, 1)
        taken.append(_Taken(order, order.collected_amount, order.collected_at, first, order.collected_transaction))
    _book(taken)


def _book(taken: Sequence[_Taken]) -> list[Payment]:
    payments = Payment.objects.bulk_create(
        Payment(
            number=money.number,
            order=money.order,
            means=money.means,
            state=PaymentState.PENDING,
            amount=money.amount,
            ready_at=None,
        )
        for money in taken
    )
    ids = [money.order.pk for money in taken]
    # Nobody else asks the buyer for money.
    Order.objects.filter(pk__in=ids, state=OrderState.AWAITING_PAYMENT).update(payment_state=OrderPaymentState.PENDING)
    by_hand = defaults.by_hand()
    news = [
        facts.News(
            key=payment.number,
            kind=NoticeKind.CAPTURED,
            subject=payment.number,
            occurred_at=money.at,
            body={"amount": str(payment.amount), "transaction": money.transaction},
        )
        for payment, money in zip(payments, taken, strict=True)
    ]
    facts.receive(by_hand.pk, Topic.PAYMENT, news)
    facts.apply_now(noticing.WORK, facts.stored(by_hand.pk, [one.key for one in news]), ids)
    return payments


COLLECTED_STAGE = Stage("book_collected", book_collected, wakes=("review", "owing"), queue=COLLECTED_QUEUE)
