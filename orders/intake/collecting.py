"""Money that a channel took before it sent the order: noted here, booked by `payments`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from oms.common.copying import records
from oms.common.transactions import require_transaction
from oms.common.work import nudging
from orders.models import OrderState


@dataclass(frozen=True, slots=True)
class Collected:
    """What the channel took from the buyer: when, under which number of the payment, and how much in yuan (None: the
    whole payable amount)."""

    at: datetime
    transaction: str = ""
    amount: Decimal | None = None


def note_collected(collected: Mapping[int, Collected]) -> None:
    """Note that the channel has the money of these orders, by id; one statement, in the transaction that stored them.

    Orders that wait for no payment stay as they are. The others are never asked for money, nor cancelled for want of it
    unless the channel took less than they cost.
    """
    require_transaction("note_collected")
    if not collected:
        return
    rows = [
        {
            "id": order_id,
            "collected_at": money.at,
            "collected_amount": money.amount,
            "collected_transaction": money.transaction[:64],
        }
        for order_id, money in collected.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_order o SET collected_at = n.collected_at, collected_transaction = n.collected_transaction,
                collected_amount = coalesce(n.collected_amount, o.payable_amount),
                pay_by = CASE WHEN n.collected_amount < o.payable_amount THEN o.pay_by END
            FROM json_populate_recordset(NULL::orders_order, %s) AS n
            WHERE o.id = n.id AND o.state = '{OrderState.AWAITING_PAYMENT}'
            """,
            [records(rows)],
        )
    nudging.nudge("book_collected")
