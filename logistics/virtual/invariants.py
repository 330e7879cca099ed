"""What must always hold of codes that are sold, and of what is delivered without a parcel."""

from logistics.models import CodeState, VirtualDelivery
from oms.common.invariants import Invariant
from oms.common.states import listed
from orders.models.sub_order import ARRIVED

INVARIANTS = (
    Invariant(
        "delivered_codes_are_sealed",
        "What virtual goods deliver is kept encrypted.",
        # How every token of Fernet begins.
        """
        SELECT v.id FROM logistics_virtualdelivery v WHERE substring(v.content FOR 6) <> 'gAAAAA'::bytea
        UNION ALL SELECT c.id FROM logistics_virtualcode c WHERE substring(c.content FOR 6) <> 'gAAAAA'::bytea
        """,
    ),
    Invariant(
        "units_of_codes_are_those_for_sale",
        "Where a SKU sells codes, the units on hand are the codes for sale.",
        f"""
        SELECT w.code, k.code, s.on_hand, count(c.id) FROM inventory_stock s
        JOIN inventory_warehouse w ON w.id = s.warehouse_id JOIN inventory_sku k ON k.id = s.sku_id
        LEFT JOIN logistics_virtualcode c ON c.stock_id = s.id AND c.state = '{CodeState.ON_SHELF}'
        WHERE s.keeps_codes OR c.id IS NOT NULL
        GROUP BY w.code, k.code, s.on_hand, s.keeps_codes HAVING s.on_hand <> count(c.id) OR NOT s.keeps_codes
        """,
    ),
    Invariant(
        "codes_are_sold_once",
        "A code that is sold or was looked at is one line's, and no other is anybody's.",
        f"""
        SELECT c.id, c.state, count(s.id) FROM logistics_virtualcode c
        LEFT JOIN logistics_codesale s ON s.code_id = c.id AND s.taken_back_at IS NULL
        GROUP BY c.id HAVING count(s.id)
            <> CASE WHEN c.state IN ('{CodeState.SOLD}', '{CodeState.REVEALED}') THEN 1 ELSE 0 END
        """,
    ),
    Invariant(
        "buyers_have_a_code_for_each_unit",
        "A delivered line of a SKU that sold codes has as many as the buyer keeps units, more only while they are seen"
        " to or where they were looked at.",
        f"""
        SELECT s.number, l.id, l.quantity - l.returned_quantity, count(x.id) FROM orders_suborder s
        JOIN logistics_virtualdelivery d ON d.sub_order_id = s.id AND d.kind = '{VirtualDelivery.Kind.CODES}'
        JOIN orders_suborderline l ON l.sub_order_id = s.id
        JOIN logistics_codesale x ON x.line_id = l.id AND x.taken_back_at IS NULL
        GROUP BY s.number, s.state, d.id, l.id HAVING CASE
            WHEN d.to_settle_since IS NOT NULL OR d.revealed_at IS NOT NULL THEN count(x.id) > l.quantity
            WHEN s.state IN ({listed(ARRIVED)}) THEN count(x.id) <> l.quantity - l.returned_quantity
            ELSE true END
        """,
    ),
)
