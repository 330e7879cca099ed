"""What a buyer owes for an order, as SQL: the rules of money that several statements share, each with a name."""

from decimal import Decimal

from django.db import connection

from oms.common.states import listed
from orders.models import PaymentMethod, SubOrderState
from orders.models.charge import BILLED, ChargeCause
from payments.models import RefundState

# Nothing is owed for these parts of an order: they were cancelled, or came back.
GONE = (SubOrderState.CANCELLED, SubOrderState.RETURNED)
# The buyer has, or had long enough, these parts.
THERE = (SubOrderState.DELIVERED, SubOrderState.COMPLETED)

# Each is an expression on the alias `o` of an order.


def _charged(which: str) -> str:
    return f"""(SELECT coalesce(sum(c.amount), 0) FROM orders_ordercharge c WHERE c.order_id = o.id{which})"""


# What is owed in all: the sum of the order's charges.
OWED = _charged("")

# What should be paid by now or at the door. A prepaid order was to be paid as it was billed, whatever became of it
# afterwards; on delivery nobody pays for what was refused either.
EXPECTED = f"""(CASE WHEN o.payment_method <> '{PaymentMethod.COD}'
    THEN {_charged(f" AND c.cause IN ({listed(BILLED)})")} ELSE {OWED} - (
    SELECT coalesce(sum(s.payable_amount), 0) FROM orders_suborder s
    WHERE s.order_id = o.id AND s.state = '{SubOrderState.REJECTED}') END)"""

# Whether something of the order is still to come to a door, at which it can be paid.
IS_COMING = f"""(o.split_at IS NULL OR EXISTS (
    SELECT FROM orders_suborder s
    WHERE s.order_id = o.id AND s.state NOT IN ({listed((*GONE, *THERE, SubOrderState.REJECTED))})))"""

# What came in.
CAPTURED = "(SELECT coalesce(sum(p.captured_amount), 0) FROM payments_payment p WHERE p.order_id = o.id)"

# What really went back.
REFUNDED = "(SELECT coalesce(sum(r.refunded_amount), 0) FROM payments_refund r WHERE r.order_id = o.id)"

# What a refund (alias `r`) takes of the captured money: what went back, or is to. While nobody has looked at one that
# went back with another amount than it should have, its whole amount stays reserved: sending the difference by itself
# could pay it twice.
RESERVED = f"""(CASE WHEN r.state = '{RefundState.SUCCEEDED}' AND r.needs_person_since IS NULL THEN r.refunded_amount
    ELSE greatest(r.amount, r.refunded_amount) END)"""

# What providers keep back until a dispute is decided: it must not be sent back besides.
DISPUTED = "(SELECT coalesce(sum(d.held_amount), 0) FROM payments_dispute d WHERE d.order_id = o.id)"

# What is held of a deposit until a person decides.
DEPOSIT_HELD = _charged(f" AND c.cause = '{ChargeCause.DEPOSIT_HELD}'")

# What came in and is neither back, nor on its way, nor disputed.
HELD = f"""({CAPTURED} - (SELECT coalesce(sum({RESERVED}), 0) FROM payments_refund r WHERE r.order_id = o.id)
    - {DISPUTED})"""

# What of it is beyond what is owed.
TOO_MUCH = f"({HELD} - {OWED})"

# Of an order that is paid in parts the next part that is not paid: what is to be paid by then in all, from when on it
# is asked for and by when. No row for other orders, and where all is paid.
NEXT_PART = """
    SELECT n.until_then, n.opens_at, n.due_at FROM (
        SELECT i.position, i.opens_at, i.due_at, sum(i.amount) OVER (ORDER BY i.position) AS until_then
        FROM payments_instalment i WHERE i.order_id = o.id) AS n
    WHERE n.until_then > o.paid_amount ORDER BY n.position LIMIT 1
"""


def held(order_id: int) -> Decimal:
    """What came in for the order and is neither back nor on its way, in yuan."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {HELD} FROM orders_order o WHERE o.id = %s", [order_id])
        (amount,) = cursor.fetchone()
        return amount
