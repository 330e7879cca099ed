"""What must always hold of goods on their way between warehouses."""

from inventory.models import BEFORE_SHIPPING, IN_TRANSIT, DemandKind, Quality, Reservation, StockMovement, TransferState
from oms.common.invariants import Invariant
from oms.common.states import listed

_MOVED = f"m.demand_kind = '{DemandKind.TRANSFER}'"

INVARIANTS = (
    Invariant(
        "units_set_aside_for_transfers_are_of_approved_ones",
        "Units that are promised to a transfer are of one that is approved and has not left, of the line's SKU at its"
        " source, and at most as many as the line wants.",
        f"""
        SELECT t.reference, r.id, t.state, r.quantity, l.quantity FROM inventory_reservation r
        JOIN inventory_stock s ON s.id = r.stock_id
        LEFT JOIN inventory_transferline l ON l.id = r.demand_id
        LEFT JOIN inventory_transfer t ON t.id = l.transfer_id
        WHERE r.demand_kind = '{DemandKind.TRANSFER}' AND r.state = '{Reservation.State.ACTIVE}'
            AND (t.state = '{TransferState.APPROVED}' AND (s.warehouse_id, s.sku_id) = (t.source_id, l.sku_id)
                 AND r.quantity <= l.quantity) IS NOT TRUE
        """,
    ),
    Invariant(
        "ledger_explains_transfers",
        "What left the source and what arrived in good quality at the target is what their ledgers say of the line.",
        f"""
        SELECT t.reference, l.id, l.shipped, coalesce(gone.units, 0), coalesce(good.units, 0), coalesce(came.units, 0)
        FROM inventory_transferline l JOIN inventory_transfer t ON t.id = l.transfer_id
        LEFT JOIN (
            SELECT m.demand_id, s.warehouse_id, s.sku_id, -sum(m.on_hand_change) AS units
            FROM inventory_stockmovement m JOIN inventory_stock s ON s.id = m.stock_id
            WHERE {_MOVED} AND m.kind = '{StockMovement.Kind.SHIP}'
            GROUP BY m.demand_id, s.warehouse_id, s.sku_id
        ) AS gone ON gone.demand_id = l.id
        LEFT JOIN (
            SELECT m.demand_id, s.warehouse_id, s.sku_id, sum(m.on_hand_change) AS units
            FROM inventory_stockmovement m JOIN inventory_stock s ON s.id = m.stock_id
            WHERE {_MOVED} AND m.kind = '{StockMovement.Kind.TRANSFER}'
            GROUP BY m.demand_id, s.warehouse_id, s.sku_id
        ) AS came ON came.demand_id = l.id
        LEFT JOIN (
            SELECT transfer_line_id, sum(quantity) AS units FROM inventory_receiptline WHERE quality = '{Quality.GOOD}'
            GROUP BY transfer_line_id
        ) AS good ON good.transfer_line_id = l.id
        WHERE l.shipped <> coalesce(gone.units, 0) OR coalesce(good.units, 0) <> coalesce(came.units, 0)
           OR (gone.warehouse_id, gone.sku_id) <> (t.source_id, l.sku_id)
           OR (came.warehouse_id, came.sku_id) <> (t.target_id, l.sku_id)
        """,
    ),
    Invariant(
        "receipts_explain_transfers",
        "What arrived of a line is the sum of its receipts, which are of its transfer and its target.",
        """
        SELECT t.reference, l.id, l.received, coalesce(r.units, 0) FROM inventory_transferline l
        JOIN inventory_transfer t ON t.id = l.transfer_id
        LEFT JOIN (
            SELECT rl.transfer_line_id, sum(rl.quantity) AS units, min(r.transfer_id) AS first,
                   max(r.transfer_id) AS last, min(r.warehouse_id) AS place, count(DISTINCT r.warehouse_id) AS places
            FROM inventory_receiptline rl JOIN inventory_receipt r ON r.id = rl.receipt_id
            GROUP BY rl.transfer_line_id
        ) AS r ON r.transfer_line_id = l.id
        WHERE l.received <> coalesce(r.units, 0)
           OR (r.first, r.last, r.place, r.places) <> (t.id, t.id, t.target_id, 1)
        """,
    ),
    Invariant(
        "batches_sent_add_up_to_their_line",
        "The batches of a line that left are all of it, where any is named.",
        """
        SELECT t.reference, l.id, l.shipped, b.units FROM inventory_transferline l
        JOIN inventory_transfer t ON t.id = l.transfer_id
        JOIN (SELECT line_id, sum(quantity) AS units FROM inventory_transferbatch GROUP BY line_id) AS b
            ON b.line_id = l.id
        WHERE l.shipped <> b.units
        """,
    ),
    Invariant(
        "transfers_are_where_their_units_are",
        "Nothing has left or arrived of a transfer before it is sent; one on its way has something still to come or"
        " more than was sent; its goods are of its merchant.",
        f"""
        SELECT t.reference, t.state, 'units' FROM inventory_transfer t
        WHERE t.state IN ({listed([*BEFORE_SHIPPING, TransferState.CANCELLED])})
            AND EXISTS (SELECT FROM inventory_transferline l
                        WHERE l.transfer_id = t.id AND (l.shipped > 0 OR l.received > 0))
        UNION ALL
        SELECT t.reference, t.state, 'whole' FROM inventory_transfer t
        WHERE t.state IN ({listed(IN_TRANSIT)})
            AND NOT EXISTS (SELECT FROM inventory_transferline l
                            WHERE l.transfer_id = t.id AND l.shipped <> l.received)
        UNION ALL
        SELECT t.reference, t.state, 'merchant' FROM inventory_transfer t
        JOIN inventory_transferline l ON l.transfer_id = t.id JOIN inventory_sku k ON k.id = l.sku_id
        WHERE k.merchant_id <> t.merchant_id
        """,
    ),
)
