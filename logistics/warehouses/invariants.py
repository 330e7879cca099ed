"""What must always hold of warehouse orders that have goods of several orders."""

from logistics.models import WarehouseOrderState
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
)
