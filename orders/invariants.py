"""What must always hold of orders; see design.md §5 on money."""

from inventory.models import DemandKind, Reservation
from oms.common.invariants import Invariant
from oms.common.states import listed
from orders.models import OrderState, SubOrderState
from orders.models.order import ONCE_SPLIT
from orders.models.shares import SHARES
from orders.models.sub_order import BEFORE_RELEASE, HOLDING_STOCK, LEFT_WAREHOUSE, UNDONE

_ORDER_AMOUNTS = (
    "goods_amount",
    "freight_amount",
    "coupon_amount",
    "points_amount",
    "gift_card_amount",
    "payable_amount",
)

_COMPLETED = SubOrderState.COMPLETED

_LINE_SUMS = ", ".join(f"sum(l.{column}) AS {column}" for column in SHARES)
_TUPLE_OF_SUMS = ", ".join(f"s.{column}" for column in SHARES)

_FOR_LINES = f"r.demand_kind = '{DemandKind.SUB_ORDER_LINE}'"

INVARIANTS = (
    Invariant(
        "lines_add_up_to_order",
        "The shares of each component add up to the order's amount, and the units to its units.",
        f"""
        SELECT o.number FROM orders_order o
        LEFT JOIN (SELECT order_id, {_LINE_SUMS}, count(*) AS lines, sum(quantity) AS units
                   FROM orders_orderline l GROUP BY order_id) AS s ON s.order_id = o.id
        WHERE ({_TUPLE_OF_SUMS}, s.lines, s.units)
            IS DISTINCT FROM ({", ".join(f"o.{column}" for column in _ORDER_AMOUNTS)}, o.line_count, o.total_quantity)
        """,
    ),
    Invariant(
        "sub_order_lines_add_up_to_sub_order",
        "The lines of a sub-order add up to it.",
        f"""
        SELECT p.number FROM orders_suborder p
        LEFT JOIN (SELECT sub_order_id, {_LINE_SUMS}, sum(quantity) AS units
                   FROM orders_suborderline l GROUP BY sub_order_id) AS s ON s.sub_order_id = p.id
        WHERE ({_TUPLE_OF_SUMS}, s.units)
            IS DISTINCT FROM ({", ".join(f"p.{column}" for column in SHARES)}, p.total_quantity)
        """,
    ),
    Invariant(
        "parts_add_up_to_order_line",
        "The parts of an order line in sub-orders add up to the line, in units and in every amount.",
        f"""
        SELECT o.number, ol.position FROM orders_orderline ol
        JOIN (SELECT order_line_id, {_LINE_SUMS}, sum(quantity) AS units
              FROM orders_suborderline l GROUP BY order_line_id) AS s ON s.order_line_id = ol.id
        JOIN orders_order o ON o.id = ol.order_id
        WHERE ({_TUPLE_OF_SUMS}, s.units)
            IS DISTINCT FROM ({", ".join(f"ol.{column}" for column in SHARES)}, ol.quantity)
        """,
    ),
    Invariant(
        "split_orders_are_whole",
        "Every line of a split order is in a sub-order, and an order that was not split has none.",
        f"""
        SELECT o.number, o.state FROM orders_order o
        WHERE (o.split_at IS NOT NULL AND EXISTS (
                SELECT FROM orders_orderline l WHERE l.order_id = o.id
                AND NOT EXISTS (SELECT FROM orders_suborderline p WHERE p.order_line_id = l.id)))
           OR (o.split_at IS NULL AND EXISTS (SELECT FROM orders_suborder s WHERE s.order_id = o.id))
           OR (o.split_at IS NULL AND o.state IN ({listed(ONCE_SPLIT)}) AND NOT o.is_historical)
        """,
    ),
    Invariant(
        "sub_order_lines_belong_to_their_order",
        "A sub-order has only lines of its own order, of its own merchant and storage class.",
        """
        SELECT s.number, p.id FROM orders_suborderline p
        LEFT JOIN orders_suborder s ON s.id = p.sub_order_id
        LEFT JOIN orders_orderline l ON l.id = p.order_line_id
        LEFT JOIN inventory_sku k ON k.id = l.sku_id
        WHERE s.id IS NULL OR (l.order_id, k.merchant_id, k.storage_class)
            IS DISTINCT FROM (s.order_id, s.merchant_id, s.storage_class)
        """,
    ),
    Invariant(
        "sub_orders_have_merchant_and_warehouse",
        "The merchant and the warehouse that a sub-order names exist.",
        """
        SELECT s.number FROM orders_suborder s
        WHERE NOT EXISTS (SELECT FROM merchants_merchant m WHERE m.id = s.merchant_id)
           OR (s.warehouse_id IS NOT NULL
               AND NOT EXISTS (SELECT FROM inventory_warehouse w WHERE w.id = s.warehouse_id))
        """,
    ),
    Invariant(
        "released_goods_have_somewhere_to_go",
        "Goods are given to a warehouse only with the recipient's phone, region and address.",
        f"""
        SELECT s.number, s.state FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
        WHERE s.storage_class <> 'virtual'
          AND s.state NOT IN ({listed([*BEFORE_RELEASE, SubOrderState.CANCELLED])})
          AND (o.recipient_phone = '' OR o.recipient_address = '' OR o.region_id IS NULL)
        """,
    ),
    Invariant(
        "messages_to_buyers_are_sealed",
        "What a message to a buyer says, which may hold codes and passwords, is kept encrypted.",
        # How every token of Fernet begins.
        "SELECT n.id FROM orders_buyernotification n WHERE substring(n.content FOR 6) <> 'gAAAAA'::bytea",
    ),
    Invariant(
        "open_holds_are_counted",
        "`open_holds` is the number of holds that are not released.",
        """
        SELECT o.number, o.open_holds FROM orders_order o
        LEFT JOIN (SELECT order_id, count(*) FROM orders_hold WHERE released_at IS NULL GROUP BY order_id) AS h
          ON h.order_id = o.id
        WHERE o.open_holds <> coalesce(h.count, 0)
        """,
    ),
    Invariant(
        "sub_orders_know_whether_they_are_held",
        "A sub-order is marked as held just while its order has an open hold.",
        """
        SELECT s.number, s.is_held, o.open_holds FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
        WHERE s.is_held <> (o.open_holds > 0)
        """,
    ),
    Invariant(
        "who_sleeps_waits_for_stock",
        "A backordered sub-order that sleeps and is not held waits at the warehouses that sourcing named.",
        f"""
        SELECT s.number, s.sourcing FROM orders_suborder s
        WHERE s.state = '{SubOrderState.BACKORDERED}' AND s.ready_at IS NULL AND NOT s.is_held
          AND EXISTS (SELECT FROM jsonb_array_elements(s.sourcing) AS candidate WHERE candidate->>2 <> 'refused')
          AND NOT EXISTS (SELECT FROM orders_stockwait w WHERE w.sub_order_id = s.id)
        """,
    ),
    Invariant(
        "who_waits_for_stock_is_backordered",
        "Only backordered sub-orders that are not held wait for stock, in their own place, for SKUs that they want.",
        f"""
        SELECT w.sub_order_id, w.sku_id, s.number, s.state FROM orders_stockwait w
        LEFT JOIN orders_suborder s ON s.id = w.sub_order_id
        WHERE s.id IS NULL OR s.state <> '{SubOrderState.BACKORDERED}' OR s.is_held OR s.waiting_since <> w.since
           OR NOT EXISTS (
                SELECT FROM orders_suborderline p JOIN orders_orderline l ON l.id = p.order_line_id
                WHERE p.sub_order_id = s.id AND l.sku_id = w.sku_id)
        """,
    ),
    Invariant(
        "orders_end_with_their_sub_orders",
        "An order is completed, cancelled or closed just when its sub-orders are.",
        f"""
        SELECT o.number, o.state FROM orders_order o
        JOIN (SELECT order_id,
                  count(*) FILTER (WHERE state NOT IN ('{_COMPLETED}', {listed(UNDONE)})) AS unfinished,
                  count(*) FILTER (WHERE state = '{_COMPLETED}') AS completed
              FROM orders_suborder GROUP BY order_id) AS s ON s.order_id = o.id
        WHERE (o.state = '{OrderState.SPLIT}') <> (s.unfinished > 0) AND o.cancel_requested_at IS NULL
           OR (o.state = '{OrderState.COMPLETED}') <> (s.unfinished = 0 AND s.completed > 0)
        """,
    ),
    Invariant(
        "reservations_match_sub_orders",
        "A sub-order line has an active reservation of its units just while its sub-order holds stock, in the"
        " sub-order's warehouse and of the line's SKU.",
        f"""
        SELECT s.number, s.state, p.quantity, r.quantity FROM orders_suborderline p
        JOIN orders_suborder s ON s.id = p.sub_order_id
        JOIN orders_orderline l ON l.id = p.order_line_id
        LEFT JOIN inventory_reservation r
          ON r.demand_id = p.id AND {_FOR_LINES} AND r.state = '{Reservation.State.ACTIVE}'
        LEFT JOIN inventory_stock k ON k.id = r.stock_id
        WHERE (r.id IS NOT NULL) <> (s.state IN ({listed(HOLDING_STOCK)}))
           OR (r.id IS NOT NULL AND (r.quantity, k.warehouse_id, k.sku_id) <> (p.quantity, s.warehouse_id, l.sku_id))
        """,
    ),
    Invariant(
        "reservations_have_their_demand",
        "Every reservation for a sub-order line is for one that exists.",
        f"""
        SELECT r.id, r.demand_id FROM inventory_reservation r
        WHERE {_FOR_LINES} AND NOT EXISTS (SELECT FROM orders_suborderline p WHERE p.id = r.demand_id)
        """,
    ),
    Invariant(
        "shipped_goods_were_taken_out",
        "Just the lines of sub-orders that left have a consumed reservation of all their units.",
        f"""
        SELECT s.number, s.state FROM orders_suborderline p
        JOIN orders_suborder s ON s.id = p.sub_order_id
        LEFT JOIN (SELECT demand_id, sum(quantity) AS units FROM inventory_reservation r
                   WHERE {_FOR_LINES} AND state = '{Reservation.State.CONSUMED}' GROUP BY demand_id) AS c
          ON c.demand_id = p.id
        WHERE coalesce(c.units, 0) <> CASE
            WHEN s.state IN ({listed(LEFT_WAREHOUSE)}) THEN p.quantity ELSE 0 END
        """,
    ),
    Invariant(
        "units_to_cancel_leave_at_the_split",
        "Only an order that is not split yet keeps units to cancel, and not more than it has.",
        """
        SELECT o.number FROM orders_order o, jsonb_each_text(o.units_to_cancel) AS u(position, units)
        WHERE o.split_at IS NOT NULL OR NOT EXISTS (
            SELECT FROM orders_orderline l WHERE l.order_id = o.id AND l.position = u.position::int
            AND l.quantity >= u.units::int)
        """,
    ),
    Invariant(
        "events_have_their_order",
        "Every timeline event belongs to an order, and to a sub-order of it where it names one.",
        """
        SELECT e.id, e.order_id, e.sub_order_id FROM orders_orderevent e
        WHERE NOT EXISTS (SELECT FROM orders_order o WHERE o.id = e.order_id)
           OR (e.sub_order_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM orders_suborder s WHERE s.id = e.sub_order_id AND s.order_id = e.order_id))
        """,
    ),
    Invariant(
        "tickets_are_about_their_order",
        "A ticket about an order or a sub-order belongs to that order.",
        """
        SELECT t.id, t.subject_kind, t.subject_id, t.about_id FROM common_ticket t
        WHERE (t.subject_kind = 'order' AND t.about_id IS DISTINCT FROM t.subject_id)
           OR (t.subject_kind = 'sub_order' AND t.about_id IS DISTINCT FROM (
                SELECT s.order_id FROM orders_suborder s WHERE s.id = t.subject_id))
           OR (t.about_id IS NOT NULL AND NOT EXISTS (SELECT FROM orders_order o WHERE o.id = t.about_id))
        """,
    ),
    Invariant(
        "merchants_are_told",
        "The trigger that turns timeline events into webhooks is there and not disabled.",
        """
        SELECT 'orders_tell_webhooks' AS missing WHERE NOT EXISTS (
            SELECT FROM pg_trigger WHERE tgname = 'orders_tell_webhooks'
              AND tgrelid = 'orders_orderevent'::regclass AND tgenabled <> 'D')
        """,
    ),
    Invariant(
        "orders_have_a_story",
        "Every order's timeline begins with its receipt.",
        """
        SELECT o.number FROM orders_order o
        WHERE NOT EXISTS (SELECT FROM orders_orderevent e WHERE e.order_id = o.id AND e.kind = 'received')
        """,
    ),
)
