"""What must always hold of stock."""

from inventory import hosting
from inventory.models import OPEN_HOLDS, DemandKind, Quality, Reservation, SourcingRuleSet
from oms.common.invariants import Invariant
from oms.common.states import listed

INVARIANTS = (
    Invariant(
        "reserved_within_on_hand",
        "Never more is reserved than is on hand, and neither is negative.",
        "SELECT id, on_hand, reserved FROM inventory_stock WHERE reserved < 0 OR reserved > on_hand",
    ),
    Invariant(
        "reserved_is_the_sum_of_reservations",
        "`reserved` is the sum of the active reservations.",
        f"""
        SELECT w.code, k.code, s.reserved, coalesce(r.units, 0) FROM inventory_stock s
        JOIN inventory_warehouse w ON w.id = s.warehouse_id JOIN inventory_sku k ON k.id = s.sku_id
        LEFT JOIN (SELECT stock_id, sum(quantity) AS units FROM inventory_reservation
                   WHERE state = '{Reservation.State.ACTIVE}' GROUP BY stock_id) AS r ON r.stock_id = s.id
        WHERE s.reserved <> coalesce(r.units, 0)
        """,
    ),
    Invariant(
        "ledger_explains_stock",
        "The sums of the movements are the stock's figures.",
        """
        SELECT w.code, k.code, s.on_hand, s.reserved, s.frozen,
               coalesce(m.on_hand, 0), coalesce(m.reserved, 0), coalesce(m.frozen, 0)
        FROM inventory_stock s
        JOIN inventory_warehouse w ON w.id = s.warehouse_id JOIN inventory_sku k ON k.id = s.sku_id
        LEFT JOIN (SELECT stock_id, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved,
                          sum(frozen_change) AS frozen
                   FROM inventory_stockmovement GROUP BY stock_id) AS m ON m.stock_id = s.id
        WHERE (s.on_hand, s.reserved, s.frozen)
              <> (coalesce(m.on_hand, 0), coalesce(m.reserved, 0), coalesce(m.frozen, 0))
        """,
    ),
    Invariant(
        "ledger_and_reservations_have_their_stock",
        "Movements and reservations belong to stock rows that exist.",
        """
        SELECT 'movement', m.id FROM inventory_stockmovement m
        WHERE NOT EXISTS (SELECT FROM inventory_stock s WHERE s.id = m.stock_id)
        UNION ALL
        SELECT 'reservation', r.id FROM inventory_reservation r
        WHERE NOT EXISTS (SELECT FROM inventory_stock s WHERE s.id = r.stock_id)
        """,
    ),
    Invariant(
        "set_aside_units_belong_to_open_set_asides",
        "Units that are promised to a set-aside are of one that is open, on the stock row and at most as many as its"
        " line says.",
        f"""
        SELECT r.id, h.id, h.state, r.quantity, l.quantity FROM inventory_reservation r
        LEFT JOIN inventory_stockholdline l ON l.id = r.demand_id
        LEFT JOIN inventory_stockhold h ON h.id = l.hold_id
        WHERE r.demand_kind = '{DemandKind.HOLD}' AND r.state = '{Reservation.State.ACTIVE}'
            AND (h.state IN ({listed(OPEN_HOLDS)}) AND r.stock_id = l.stock_id AND r.quantity <= l.quantity) IS NOT TRUE
        """,
    ),
    Invariant(
        "units_ahead_belong_to_open_set_asides",
        "Units on order that are set aside are of a set-aside that is open.",
        f"""
        SELECT l.id, h.id, h.state, l.ahead FROM inventory_stockholdline l
        JOIN inventory_stockhold h ON h.id = l.hold_id
        WHERE l.ahead > 0 AND h.state NOT IN ({listed(OPEN_HOLDS)})
        """,
    ),
    Invariant(
        "units_lie_where_they_are_kept",
        "Units lie only in warehouses of their merchant and those where it is a guest.",
        f"""
        SELECT w.code, k.code, s.on_hand FROM inventory_stock s
        JOIN inventory_warehouse w ON w.id = s.warehouse_id JOIN inventory_sku k ON k.id = s.sku_id
        WHERE (s.on_hand <> 0 OR s.reserved <> 0
               OR EXISTS (SELECT FROM inventory_stocklot l WHERE l.stock_id = s.id AND l.on_hand <> 0))
            AND NOT {hosting.kept_sql("w", "k")}
        """,
    ),
    Invariant(
        "guests_of_warehouses_are_not_their_owners",
        "A merchant is no guest in a warehouse of its own.",
        """
        SELECT w.code, g.id FROM inventory_warehouseguest g JOIN inventory_warehouse w ON w.id = g.warehouse_id
        WHERE g.merchant_id = w.merchant_id
        """,
    ),
    Invariant(
        "ledger_explains_batches",
        "The sums of their movements are the figures of batches and qualities.",
        """
        SELECT l.id, l.on_hand, l.reserved, l.frozen,
               coalesce(m.on_hand, 0), coalesce(m.reserved, 0), coalesce(m.frozen, 0)
        FROM inventory_stocklot l
        LEFT JOIN (SELECT lot_id, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved,
                          sum(frozen_change) AS frozen
                   FROM inventory_lotmovement GROUP BY lot_id) AS m ON m.lot_id = l.id
        WHERE (l.on_hand, l.reserved, l.frozen)
              <> (coalesce(m.on_hand, 0), coalesce(m.reserved, 0), coalesce(m.frozen, 0))
        """,
    ),
    Invariant(
        "batches_add_up_to_their_stock",
        "Batches of good quality add up to a row that keeps them, others have none; rows keep what their SKU wants.",
        f"""
        SELECT w.code, k.code, s.on_hand, s.reserved, s.frozen, l.on_hand, l.reserved, l.frozen
        FROM inventory_stock s
        JOIN inventory_warehouse w ON w.id = s.warehouse_id JOIN inventory_sku k ON k.id = s.sku_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(l.on_hand), 0) AS on_hand, coalesce(sum(l.reserved), 0) AS reserved,
                   coalesce(sum(l.frozen), 0) AS frozen
            FROM inventory_stocklot l WHERE l.stock_id = s.id AND l.quality = '{Quality.GOOD}'
        ) AS l
        WHERE s.keeps_lots <> k.wants_batches OR s.keeps_codes <> k.sells_codes
           OR (s.keeps_lots AND (s.on_hand, s.reserved, s.frozen) <> (l.on_hand, l.reserved, l.frozen))
           OR (NOT s.keeps_lots AND (l.on_hand, l.reserved, l.frozen) <> (0, 0, 0))
        """,
    ),
    Invariant(
        "promised_batches_are_those_of_reservations",
        "What is promised of batches to a demand is what is reserved for it, and what a batch has promised.",
        f"""
        SELECT 'reservation', r.id, r.quantity, coalesce(p.units, 0) FROM inventory_reservation r
        JOIN inventory_stock s ON s.id = r.stock_id AND s.keeps_lots
        LEFT JOIN (SELECT demand_kind, demand_id, sum(quantity) AS units FROM inventory_lotpromise
                   GROUP BY demand_kind, demand_id) AS p USING (demand_kind, demand_id)
        WHERE r.state = '{Reservation.State.ACTIVE}' AND r.quantity <> coalesce(p.units, 0)
        UNION ALL
        SELECT 'batch', l.id, l.reserved, coalesce(p.units, 0) FROM inventory_stocklot l
        LEFT JOIN (SELECT lot_id, sum(quantity) AS units FROM inventory_lotpromise GROUP BY lot_id) AS p
            ON p.lot_id = l.id
        WHERE l.reserved <> coalesce(p.units, 0)
        """,
    ),
    Invariant(
        "receipts_explain_what_was_received",
        "What came of a line of a purchase order is the sum of its receipts.",
        """
        SELECT o.number, l.id, l.received, coalesce(r.units, 0) FROM inventory_purchaseorderline l
        JOIN inventory_purchaseorder o ON o.id = l.order_id
        LEFT JOIN (SELECT purchase_line_id, sum(quantity) AS units FROM inventory_receiptline
                   GROUP BY purchase_line_id) AS r ON r.purchase_line_id = l.id
        WHERE l.received <> coalesce(r.units, 0)
        """,
    ),
    Invariant(
        "received_serial_numbers_are_of_units_that_came",
        "Serial numbers of what came are of the SKU of their line and at most as many as its units, and those of a"
        " transfer's receipt, and only these, came by a transfer.",
        """
        SELECT r.reference, l.id, l.quantity, count(*) FROM inventory_receivedserial n
        JOIN inventory_receiptline l ON l.id = n.line_id JOIN inventory_receipt r ON r.id = l.receipt_id
        GROUP BY r.id, l.id
        HAVING count(*) > l.quantity
            OR bool_or(n.sku_id <> l.sku_id OR n.by_transfer <> (r.transfer_id IS NOT NULL))
        """,
    ),
    Invariant(
        "capacity_taken_is_the_number_of_takes",
        "What is taken of a day or slot is the number of places that demands have.",
        """
        SELECT b.id, b.taken, coalesce(t.places, 0) FROM inventory_capacitybucket b
        LEFT JOIN (SELECT bucket_id, count(*) AS places FROM inventory_capacitytake
                   WHERE given_back_at IS NULL GROUP BY bucket_id) AS t ON t.bucket_id = b.id
        WHERE b.taken <> coalesce(t.places, 0)
        """,
    ),
    Invariant(
        "takes_have_their_capacity",
        "Places that demands have belong to a day or slot that exists, of the kind that they say.",
        """
        SELECT t.id FROM inventory_capacitytake t LEFT JOIN inventory_capacitybucket b ON b.id = t.bucket_id
        WHERE b.id IS NULL OR t.is_appointment <> (b.slot_id IS NOT NULL)
        """,
    ),
    Invariant(
        "rule_sets_in_force_have_rules",
        "A rule set that is or was switched on has rules.",
        f"""
        SELECT s.id, s.state FROM inventory_sourcingruleset s
        WHERE s.state <> '{SourcingRuleSet.State.DRAFT}'
          AND NOT EXISTS (SELECT FROM inventory_sourcingrule r WHERE r.rule_set_id = s.id)
        """,
    ),
)
