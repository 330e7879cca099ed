"""What orders wait for of goods on order: told to what sells them ahead (`inventory.preselling`)."""

from django.db import connection, transaction

from inventory import preselling
from inventory.models import StockHoldState
from oms.common.states import listed
from orders.models import SubOrderState
from orders.models.order import ONCE_SPLIT

# Of two that run at once the second one has nothing to do.
_LOCK = 0x600D6


@transaction.atomic
def tell() -> int:
    """Count what backordered sub-orders lack, and let what carts hold ahead go once their orders wait for it
    themselves; returns of how many SKUs the units to be sold ahead changed. Four statements."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            f"""
            UPDATE inventory_stockholdline SET ahead = 0 WHERE id IN (
                SELECT l.id FROM inventory_stockholdline l JOIN inventory_stockhold h ON h.id = l.hold_id
                JOIN orders_order o ON o.stock_hold_id = h.id
                WHERE l.ahead > 0 AND h.state = '{StockHoldState.ORDERED}' AND o.state IN ({listed(ONCE_SPLIT)})
                    AND NOT EXISTS (SELECT FROM orders_suborder s WHERE s.order_id = o.id
                        AND s.state = '{SubOrderState.AWAITING_ALLOCATION}')
                ORDER BY l.id FOR NO KEY UPDATE OF l)
            """
        )
        # Who may be served from several warehouses lacks the units once.
        cursor.execute(
            """
            SELECT sku_id, sum(units)::int FROM (
                SELECT sub_order_id, sku_id, max(units) AS units FROM orders_stockwait GROUP BY 1, 2
            ) AS lacking GROUP BY 1
            """
        )
        awaited = dict(cursor.fetchall())
    return preselling.note(awaited)
