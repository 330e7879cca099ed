"""What payments and refunds make of an order: the sums, and the payment state."""

from collections.abc import Iterable

from django.db import connection

from oms.common.states import listed
from orders.models import OrderPaymentState as State
from orders.models import PaymentMethod
from payments.ledger import posting
from payments.models import OPEN_PAYMENTS
from payments.owing import owed

# Of each order (alias `o`) what its books say: the sums and the payment state. For `refresh` and `check_invariants`.
DERIVED = f"""
    WITH books AS MATERIALIZED (
        SELECT o.id, o.number, o.payable_amount, o.payment_method, {owed.CAPTURED} AS paid, {owed.REFUNDED} AS refunded,
            {owed.OWED} AS owed, {owed.EXPECTED} AS expected, {owed.IS_COMING} AS is_coming,
            EXISTS (SELECT FROM payments_payment p
                    WHERE p.order_id = o.id AND p.state IN ({listed(OPEN_PAYMENTS)})) AS is_asked
        FROM orders_order o WHERE {{which}}
    )
    SELECT id, number, paid, refunded, owed, CASE
        WHEN payable_amount = 0 AND paid = 0 THEN '{State.NOTHING_DUE}'
        WHEN refunded > 0 AND refunded >= paid THEN '{State.REFUNDED}'
        WHEN refunded > 0 THEN '{State.PARTLY_REFUNDED}'
        WHEN paid > 0 AND paid >= expected THEN '{State.PAID}'
        WHEN paid > 0 THEN '{State.PARTLY_PAID}'
        WHEN payment_method <> '{PaymentMethod.COD}' AND is_asked THEN '{State.PENDING}'
        WHEN payment_method <> '{PaymentMethod.COD}' THEN '{State.UNPAID}'
        WHEN expected = 0 THEN '{State.NOTHING_DUE}'
        WHEN is_coming THEN '{State.ON_DELIVERY}'
        ELSE '{State.UNPAID}' END AS payment_state
    FROM books
"""


def refresh(order_ids: Iterable[int]) -> None:
    """Derive `paid_amount`, `refunded_amount` and `payment_state` from payments and refunds, and book in the ledger
    what is not booked yet. Two statements.

    The orders must be locked. If money came in beyond what is owed, the order's books are marked due.
    """
    ids = list(order_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH derived AS ({DERIVED.format(which="o.id = ANY(%s)")})
            UPDATE orders_order o SET paid_amount = d.paid, refunded_amount = d.refunded,
                payment_state = d.payment_state,
                owed_changed_since = CASE WHEN d.paid > o.paid_amount AND d.paid > d.owed
                    THEN coalesce(o.owed_changed_since, now()) ELSE o.owed_changed_since END
            FROM derived d
            WHERE o.id = d.id
              AND (o.paid_amount, o.refunded_amount, o.payment_state) <> (d.paid, d.refunded, d.payment_state)
            """,
            [ids],
        )
    posting.post_missing(ids)
