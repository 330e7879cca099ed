"""Buyers who would rather pay through another provider.

Two open codes of one order are how somebody pays twice: so the first payment is closed before the second is asked for.
"""

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work import nudging
from orders.locking import lock_order
from orders.models import Order, OrderState
from payments.models import OPEN_PAYMENTS, Means, Payment, PaymentState
from payments.owing import derived
from payments.providers import ANSWERING
from payments.taking import differences, dropping, instalments, numbering

# So often a buyer may change their mind.
MOST_PAYMENTS = 10


def choices() -> list[Connection]:
    """The connections that a buyer may choose from."""
    known = Connection.objects.filter(kind=SystemKind.PAYMENT, is_active=True, protocol__in=ANSWERING)
    return list(known.order_by("pk"))


@transaction.atomic
def pay_over(order_id: int, connection_id: int) -> None:
    """Ask the buyer over that connection, once what is open at another one is closed. Does nothing where they are asked
    there already. Raises OmsError for an order that waits for no payment, or another connection."""
    order = lock_order(order_id)
    change = differences.waiting(order)
    pay_by = change.pay_by if change else order.pay_by
    if (order.state != OrderState.AWAITING_PAYMENT and change is None) or (pay_by and pay_by < timezone.now()):
        raise OmsError(_("This order is not waiting for a payment."))
    is_test = order.channel.merchant.is_sandbox
    if is_test or connection_id not in {link.pk for link in choices()}:
        raise OmsError(_("This way of paying is not offered."))
    payments = list(Payment.objects.filter(order=order, change_set=change))
    if any(row.state in OPEN_PAYMENTS and row.connection_id == connection_id for row in payments):
        return
    if len(payments) >= MOST_PAYMENTS:
        raise OmsError(_("The way of paying was changed too often."))
    dropping.give_up([order_id])
    is_closing = Payment.objects.filter(order=order, state=PaymentState.CLOSING).exists()
    Payment.objects.create(
        number=numbering.next_number(order),
        order=order,
        change_set=change,
        means=Means.ONLINE,
        connection_id=connection_id,
        amount=change.balance_amount if change and change.balance_amount else instalments.asked_now(order),
        ready_at=None if is_closing else timezone.now(),
    )
    derived.refresh([order_id])
    nudging.nudge("send_payment")


def go_on(order_ids: list[int]) -> None:
    """Ask over the connections that buyers of these orders chose, where nothing is being closed any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE payments_payment p SET ready_at = now()
            WHERE p.order_id = ANY(%s) AND p.state = '{PaymentState.INTENDED}' AND p.ready_at IS NULL AND NOT EXISTS (
                SELECT FROM payments_payment c WHERE c.order_id = p.order_id AND c.state = '{PaymentState.CLOSING}')
            """,
            [order_ids],
        )


def current(order: Order) -> Payment | None:
    """The payment by which the buyer is, or will be, asked."""
    open_ones = Payment.objects.filter(order=order, state__in=OPEN_PAYMENTS)
    return open_ones.select_related("connection").order_by("pk").last()
