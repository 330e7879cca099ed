"""Booking money that somebody else took."""

from datetime import datetime

from oms.common.models import Topic
from oms.common.work import facts
from orders.models import Order, OrderPaymentState, OrderState
from payments.models import Means, NoticeKind, Payment, PaymentState
from payments.providers import defaults
from payments.taking import noticing


def record_external(order: Order, *, at: datetime) -> Payment:
    """Book that the merchant has the whole amount of a locked order that waits for its payment, and let it go on.

    Needs an open transaction. Like any other money it is a payment with a fact that says so.
    """
    assert order.state == OrderState.AWAITING_PAYMENT  # noqa: S101 - the caller has just stored it
    payment = Payment.objects.create(
        number=f"{order.number}-P1",
        order=order,
        means=Means.EXTERNAL,
        state=PaymentState.PENDING,
        amount=order.payable_amount,
        ready_at=None,
    )
    # Nobody else asks the buyer for money.
    Order.objects.filter(pk=order.pk).update(payment_state=OrderPaymentState.PENDING)
    by_hand = defaults.by_hand()
    news = facts.News(
        key=payment.number,
        kind=NoticeKind.CAPTURED,
        subject=payment.number,
        occurred_at=at,
        body={"amount": str(payment.amount)},
    )
    facts.receive(by_hand.pk, Topic.PAYMENT, [news])
    facts.apply_now(noticing.WORK, facts.stored(by_hand.pk, [news.key]), [order.pk])
    return payment
