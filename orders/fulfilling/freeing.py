"""The stage in which units that are set aside go back: their time is over, or the order that took them over is decided.

What an order has set aside is given up part by part where its sub-orders are allocated. Here the rest ends: of orders
that are over, and of those none of whose parts waits for a warehouse any more.
"""

from django.db import connection, transaction

from inventory import holding
from inventory.models import StockHoldState
from oms.common.states import listed
from oms.common.work.claiming import Stage
from orders.models import OrderState
from orders.models.order import OVER
from orders.models.sub_order import UNALLOCATED_STATES

# Of orders (alias `o`) that need nothing any more of what is set aside for them.
_DECIDED = f"""(o.state IN ({listed(OVER)}) OR o.state = '{OrderState.SPLIT}' AND NOT EXISTS (
    SELECT FROM orders_suborder s WHERE s.order_id = o.id AND s.state IN ({listed(UNALLOCATED_STATES)})))"""


def run(limit: int) -> int:
    """Free up to `limit` of each kind; returns how many."""
    return holding.expire(limit) + _finish(limit)


@transaction.atomic
def _finish(limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT h.id, o.state IN ({listed([OrderState.CANCELLED, OrderState.CLOSED])})
            FROM inventory_stockhold h JOIN orders_order o ON o.stock_hold_id = h.id
            WHERE h.state = '{StockHoldState.ORDERED}' AND {_DECIDED}
            ORDER BY h.id LIMIT %s FOR NO KEY UPDATE OF h SKIP LOCKED
            """,
            [limit],
        )
        ends = {
            hold_id: StockHoldState.RELEASED if is_undone else StockHoldState.USED
            for hold_id, is_undone in cursor.fetchall()
        }
    holding.finish(ends)
    return len(ends)


def backlog() -> str:
    """Set-aside units whose time is over, and those of orders that need them no more."""
    return f"""
        SELECT expires_at AS due, false AS needs_person FROM inventory_stockhold
        WHERE state = '{StockHoldState.HELD}' AND expires_at <= statement_timestamp()
        UNION ALL
        SELECT coalesce(o.cancelled_at, o.completed_at, o.split_at), false
        FROM inventory_stockhold h JOIN orders_order o ON o.stock_hold_id = h.id
        WHERE h.state = '{StockHoldState.ORDERED}' AND {_DECIDED}
    """


STAGE = Stage(holding.FREE_STAGE, run, wakes=("wake",), backlog=backlog)
