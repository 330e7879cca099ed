"""What must always hold between orders and what is set aside for them."""

from inventory.models import StockHoldState
from oms.common.invariants import Invariant
from oms.common.states import listed

INVARIANTS = (
    Invariant(
        "set_asides_are_of_the_orders_that_took_them_over",
        "A set-aside that an order took over, or used, is named by an order of the same merchant; one that is still"
        " held or expired by none.",
        f"""
        SELECT h.id, h.state, o.number FROM inventory_stockhold h
        LEFT JOIN orders_order o ON o.stock_hold_id = h.id LEFT JOIN merchants_channel c ON c.id = o.channel_id
        WHERE CASE WHEN h.state IN ({listed([StockHoldState.ORDERED, StockHoldState.USED])})
                   THEN c.merchant_id IS DISTINCT FROM h.merchant_id
                   WHEN h.state IN ({listed([StockHoldState.HELD, StockHoldState.EXPIRED])}) THEN o.id IS NOT NULL
                   ELSE c.merchant_id <> h.merchant_id END
        UNION ALL
        SELECT o.stock_hold_id, '', o.number FROM orders_order o
        WHERE o.stock_hold_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM inventory_stockhold h WHERE h.id = o.stock_hold_id)
        """,
    ),
)
