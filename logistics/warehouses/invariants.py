"""What must always hold of warehouse orders that have goods of several orders, and of units with serial numbers."""

from logistics.models import WarehouseOrderState
from logistics.warehouses.serials import CAME_BACK, HAS_LEFT
from oms.common.invariants import Invariant
from oms.common.states import listed
from orders.models.sub_order import AT_WAREHOUSE

_IN_HAND = f"""
    orders_suborder s JOIN orders_suborderline l ON l.sub_order_id = s.id
    JOIN logistics_warehouseorderline wl ON wl.sub_order_line_id = l.id
    JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id AND w.is_current
      AND w.state <> '{WarehouseOrderState.SHIPPED}'
    WHERE s.state IN ({listed(AT_WAREHOUSE)})
"""

INVARIANTS = (
    Invariant(
        "what_is_merged_goes_as_one",
        "Merged sub-orders that a warehouse has are one warehouse order, and one of several orders is a merge.",
        f"""
        SELECT min(s.number), count(DISTINCT w.id) FROM {_IN_HAND} AND s.merge_group_id IS NOT NULL
        GROUP BY s.merge_group_id HAVING count(DISTINCT w.id) > 1
        UNION ALL
        SELECT min(s.number), count(DISTINCT s.order_id) FROM {_IN_HAND} GROUP BY w.id
        HAVING count(DISTINCT s.order_id) > 1 AND count(DISTINCT coalesce(s.merge_group_id, -s.id)) > 1
        """,
    ),
    Invariant(
        "numbered_units_are_in_one_place",
        "A unit with a serial number is in one place: it did not come from outside after it was packed, nor by a"
        " transfer while it was away, and no floor packed it again before it came back.",
        # What a warehouse tells may be wrong and has its ticket; what we take and what is scanned here is asked before.
        # A minute: the times are those at which transactions began, and these wait for each other.
        f"""
        SELECT k.code, n.serial, r.reference, before.number FROM inventory_receivedserial n
        JOIN inventory_sku k ON k.id = n.sku_id
        JOIN inventory_receiptline l ON l.id = n.line_id JOIN inventory_receipt r ON r.id = l.receipt_id
        JOIN logistics_unitserial other ON (other.serial, other.sku_id) = (n.serial, n.sku_id)
            AND other.told_at < r.created_at - interval '1 minute'
        JOIN logistics_warehouseorder before ON before.id = other.warehouse_order_id
        WHERE NOT n.by_transfer
            OR {HAS_LEFT} AND NOT {CAME_BACK.format(unit="other")}
        UNION ALL
        SELECT k.code, mine.serial, again.number, before.number FROM logistics_unitserial mine
        JOIN inventory_sku k ON k.id = mine.sku_id
        JOIN logistics_warehouseorder again ON again.id = mine.warehouse_order_id
        JOIN logistics_unitserial other ON (other.serial, other.sku_id) = (mine.serial, mine.sku_id)
            AND other.warehouse_order_id <> mine.warehouse_order_id AND other.id < mine.id
        JOIN logistics_warehouseorder before ON before.id = other.warehouse_order_id
        WHERE {HAS_LEFT} AND NOT {CAME_BACK.format(unit="other")} AND 2 = (
            SELECT count(*) FROM logistics_picktask t
            WHERE t.warehouse_order_id IN (before.id, again.id) AND t.checked_at IS NOT NULL)
        """,
    ),
)
