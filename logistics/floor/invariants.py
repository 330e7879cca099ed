"""What must always hold of the floors of warehouses that are run here."""

from logistics.models import WarehouseOrderState, WaveKind
from logistics.models.warehouse_order import FROM_PACKING
from logistics.warehouses.adapters.floor import PROTOCOL
from oms.common.invariants import Invariant
from oms.common.states import listed

INVARIANTS = (
    Invariant(
        "floors_know_their_orders",
        "What a warehouse that is run here was sent lies on its floor.",
        f"""
        SELECT w.number FROM logistics_warehouseorder w JOIN common_connection c ON c.id = w.connection_id
        WHERE c.protocol = '{PROTOCOL}' AND w.state = '{WarehouseOrderState.SENT}'
          AND NOT EXISTS (SELECT FROM logistics_picktask t WHERE t.warehouse_order_id = w.id)
        """,
    ),
    Invariant(
        "what_leaves_a_floor_was_checked",
        "What was packed, or left, in a warehouse that is run here was checked, and all that was checked is its units.",
        f"""
        SELECT w.number, w.state FROM logistics_picktask t
        JOIN logistics_warehouseorder w ON w.id = t.warehouse_order_id
        WHERE (w.state IN ({listed(FROM_PACKING)}) AND t.checked_at IS NULL)
           OR (t.checked_at IS NOT NULL AND NOT t.is_short AND EXISTS (
               SELECT FROM logistics_picktaskline p WHERE p.task_id = t.id AND p.scanned < p.quantity))
        """,
    ),
    Invariant(
        "waves_are_over_with_their_orders",
        "Nothing is left to be checked in a wave that is over, and a hot-item wave has one SKU.",
        f"""
        SELECT v.number, w.number FROM logistics_wave v JOIN logistics_picktask t ON t.wave_id = v.id
        JOIN logistics_warehouseorder w ON w.id = t.warehouse_order_id
        WHERE v.over_at IS NOT NULL AND t.checked_at IS NULL AND t.dropped_at IS NULL
        UNION ALL
        SELECT v.number, count(DISTINCT ol.sku_id)::text
        FROM logistics_wave v JOIN logistics_picktask t ON t.wave_id = v.id
        JOIN logistics_warehouseorderline wl ON wl.warehouse_order_id = t.warehouse_order_id
        JOIN orders_suborderline l ON l.id = wl.sub_order_line_id JOIN orders_orderline ol ON ol.id = l.order_line_id
        WHERE v.kind = '{WaveKind.HOT}' GROUP BY v.number HAVING count(DISTINCT ol.sku_id) > 1
        """,
    ),
)
