"""Booking money that somebody else took."""

from datetime import datetime

from orders.models import Order, OrderPaymentState, OrderState
from payments.models import Payment, PaymentNotice, PaymentState
from payments.providers import external
from payments.taking import noticing


def record_external(order: Order, *, at: datetime) -> Payment:
    """Book that the merchant has the whole amount of a locked order that waits for its payment, and let it go on.

    Needs an open transaction. Like any other money it is a payment with a notice that says so.
    """
    assert order.state == OrderState.AWAITING_PAYMENT  # noqa: S101 - the caller has just stored it
    payment = Payment.objects.create(
        number=f"{order.number}-P1",
        order=order,
        provider=external.NAME,
        state=PaymentState.PENDING,
        amount=order.payable_amount,
        ready_at=None,
    )
    # Nobody else asks the buyer for money.
    Order.objects.filter(pk=order.pk).update(payment_state=OrderPaymentState.PENDING)
    notice = noticing.Notice(
        key=payment.number,
        kind=PaymentNotice.Kind.CAPTURED,
        reference=payment.number,
        amount=payment.amount,
        occurred_at=at,
    )
    noticing.receive(external.NAME, [notice])
    noticing.apply_to_order(order.pk, payment.number)
    return payment
