"""What must always hold of goods that wait for somebody to say what they are."""

from oms.common.invariants import Invariant
from oms.common.states import listed
from orders.matching.waits import PLACEHOLDERS
from orders.models import Hold
from orders.models.order import OVER

INVARIANTS = (
    Invariant(
        "unmatched_goods_hold_their_order",
        "An order has a line whose goods nobody has named just while a hold says so and it waits for just the codes of"
        " such lines, unless it is over.",
        f"""
        SELECT o.number, o.state, l.codes, w.codes, h.order_id IS NOT NULL FROM (
            SELECT l.order_id, array_agg(DISTINCT l.caller_code ORDER BY l.caller_code) AS codes
            FROM orders_orderline l WHERE l.sku_id IN ({PLACEHOLDERS}) GROUP BY l.order_id
        ) AS l
        FULL JOIN (
            SELECT w.order_id, array_agg(m.code ORDER BY m.code) AS codes
            FROM orders_matchwait w JOIN orders_skumatch m ON m.id = w.match_id GROUP BY w.order_id
        ) AS w ON w.order_id = l.order_id
        FULL JOIN (
            SELECT order_id FROM orders_hold WHERE kind = '{Hold.Kind.UNMATCHED}' AND released_at IS NULL
        ) AS h ON h.order_id = coalesce(l.order_id, w.order_id)
        JOIN orders_order o ON o.id = coalesce(l.order_id, w.order_id, h.order_id)
        WHERE CASE WHEN o.state IN ({listed(OVER)}) THEN w.codes IS NOT NULL OR h.order_id IS NOT NULL
                   ELSE l.codes IS DISTINCT FROM w.codes OR h.order_id IS NULL END
        """,
    ),
    Invariant(
        "unmatched_goods_are_never_fulfilled",
        "What stands for goods that nobody has named has no stock and is in no sub-order.",
        f"""
        SELECT 'stock', s.id FROM inventory_stock s WHERE s.sku_id IN ({PLACEHOLDERS})
        UNION ALL
        SELECT 'sub-order line', p.id FROM orders_orderline l JOIN orders_suborderline p ON p.order_line_id = l.id
        WHERE l.sku_id IN ({PLACEHOLDERS})
        """,
    ),
    Invariant(
        "parts_of_bundles_have_their_line",
        "A further part of a bundle names the line of its order that has the first part, of the same code, and has as"
        " many pieces.",
        """
        SELECT o.number, p.position, p.part_of FROM orders_orderline p JOIN orders_order o ON o.id = p.order_id
        LEFT JOIN orders_orderline l ON l.order_id = p.order_id AND l.position = p.part_of
        WHERE p.part_of IS NOT NULL AND (l.id IS NULL OR l.part_of IS NOT NULL OR l.caller_code <> p.caller_code
            OR l.quantity * p.units_a_piece <> p.quantity * l.units_a_piece)
        """,
    ),
    Invariant(
        "matches_stand_for_something",
        "A code has components just while somebody has said what it stands for.",
        """
        SELECT m.code, m.channel_id FROM orders_skumatch m WHERE (m.matched_at IS NOT NULL)
            <> EXISTS (SELECT FROM orders_matchcomponent c WHERE c.match_id = m.id)
        """,
    ),
)
