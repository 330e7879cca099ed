"""What must always hold of orders; see design.md §5 on money."""

from inventory.models import DemandKind, Reservation, SourcingRuleSet, StockMovement
from inventory.sourcing.asking import Verdict
from oms.common.invariants import Invariant
from oms.common.states import edges, initial_states, listed
from orders import kinds
from orders.models import Order, OrderState, SubOrder, SubOrderState
from orders.models.amounts import Bearer
from orders.models.order import ONCE_SPLIT
from orders.models.shares import SHARES
from orders.models.sub_order import BEFORE_RELEASE, HOLDING_STOCK, LEFT_WAREHOUSE, UNDONE
from orders.telling import events

_ORDER_AMOUNTS = (
    "goods_amount",
    "freight_amount",
    "promotion_amount",
    "coupon_amount",
    "adjustment_amount",
    "points_amount",
    "gift_card_amount",
    "merchant_borne_amount",
    "payable_amount",
)

_COMPLETED = SubOrderState.COMPLETED

_LINE_SUMS = ", ".join(f"sum(l.{column}) AS {column}" for column in SHARES)
_TUPLE_OF_SUMS = ", ".join(f"s.{column}" for column in SHARES)

_NEW = SubOrderState.AWAITING_ALLOCATION


def _told(row: str, of: str) -> str:
    """The moves that the timeline tells of rows (SQL of their id), each with the state that the one before led to."""
    return f"""
        SELECT {row} AS row_id, e.from_state, e.to_state, lag(e.to_state) OVER told AS before,
            lead(e.id) OVER told IS NULL AS is_last
        FROM orders_orderevent e WHERE e.to_state <> '' AND {of} WINDOW told AS (PARTITION BY {row} ORDER BY e.id)
    """


def _declared(model: type[Order | SubOrder]) -> str:
    """Every declared move of the model as an SQL list, with those from nowhere into its initial states."""
    field = model._meta.get_field("state")
    moves = [*edges(model, field), *(("", state) for state in initial_states(model, field))]
    return listed(f"{source}>{target}" for source, target in moves)


_TOLD_OF_ORDERS = _told("e.order_id", "e.sub_order_id IS NULL")
_TOLD_OF_SUB_ORDERS = _told("e.sub_order_id", "e.sub_order_id IS NOT NULL")
_FIELDS = ", ".join(f"('{kind}', '{{{','.join(sorted(kind.fields))}}}')" for kind in kinds.known().values())
_FOR_LINES = f"r.demand_kind = '{DemandKind.SUB_ORDER_LINE}'"

# Units by sub-order line that were taken out of the stock under their promise, because they left.
_TAKEN_OUT = f"""
    SELECT r.demand_id, -sum(r.reserved_change) AS units FROM inventory_stockmovement r
    WHERE {_FOR_LINES} AND r.kind = '{StockMovement.Kind.SHIP}' GROUP BY r.demand_id
"""

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
        "promotions_add_up_to_order",
        "An order's promotions add up to its amount of promotions.",
        """
        SELECT o.number FROM orders_order o
        LEFT JOIN (SELECT order_id, sum(amount) AS amount FROM orders_orderpromotion GROUP BY order_id) AS p
          ON p.order_id = o.id
        WHERE o.promotion_amount <> coalesce(p.amount, 0)
        """,
    ),
    Invariant(
        "shares_add_up_to_promotion",
        "The lines' shares of a promotion add up to it, in all and in what the platform bears, and are of its order.",
        """
        SELECT o.number, p.position FROM orders_orderpromotion p
        JOIN orders_order o ON o.id = p.order_id
        LEFT JOIN (SELECT s.promotion_id, sum(s.amount) AS amount, sum(s.platform_amount) AS platform_amount,
                       array_agg(DISTINCT l.order_id) AS order_ids
                   FROM orders_promotionshare s JOIN orders_orderline l ON l.id = s.line_id
                   GROUP BY s.promotion_id) AS s ON s.promotion_id = p.id
        WHERE (coalesce(s.amount, 0), coalesce(s.platform_amount, 0), coalesce(s.order_ids, ARRAY[p.order_id]))
            IS DISTINCT FROM (p.amount, p.platform_amount, ARRAY[p.order_id])
        """,
    ),
    Invariant(
        "shares_of_promotions_add_up_to_line",
        "A line's shares of promotions add up to its own share, and who bears them with its adjustment to what its"
        " merchant bears.",
        f"""
        SELECT o.number, l.position FROM orders_orderline l
        JOIN orders_order o ON o.id = l.order_id
        LEFT JOIN (SELECT line_id, sum(amount) AS amount, sum(amount - platform_amount) AS merchant_amount
                   FROM orders_promotionshare GROUP BY line_id) AS s ON s.line_id = l.id
        WHERE l.promotion_share <> coalesce(s.amount, 0)
           OR l.merchant_borne_share <> coalesce(s.merchant_amount, 0)
               - CASE o.adjustment_bearer WHEN '{Bearer.MERCHANT}' THEN l.adjustment_share ELSE 0 END
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
          AND (o.region_id IS NULL
               -- Long after an order was over its people are forgotten.
               OR (o.recipient_phone = '' OR o.recipient_address = '') AND o.anonymised_at IS NULL)
        """,
    ),
    Invariant(
        "messages_to_buyers_are_sealed",
        "What a message to a buyer says, which may hold codes and passwords, is kept encrypted.",
        # How every token of Fernet begins.
        "SELECT n.id FROM orders_buyernotification n WHERE substring(n.content FOR 6) <> 'gAAAAA'::bytea",
    ),
    Invariant(
        "refused_rows_are_sealed",
        "What came in a refused row, which tells who people are and where they live, is kept encrypted.",
        "SELECT r.id FROM orders_rejectedorder r WHERE substring(r.body FOR 6) <> 'gAAAAA'::bytea",
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
        "presale_waits_for_the_date_of_its_order",
        "Every sub-order has the date of its order before which nothing is shipped, and none was sent before it.",
        """
        SELECT s.number, s.ship_not_before, t.ship_not_before, s.released_at
        FROM orders_suborder s LEFT JOIN orders_orderterms t ON t.order_id = s.order_id
        WHERE s.ship_not_before IS DISTINCT FROM t.ship_not_before OR s.released_at < s.ship_not_before
        """,
    ),
    Invariant(
        "who_sleeps_waits_for_stock",
        "A backordered sub-order that sleeps and is not held waits at the warehouses that sourcing named.",
        f"""
        SELECT s.number, s.sourcing FROM orders_suborder s
        WHERE s.state = '{SubOrderState.BACKORDERED}' AND s.ready_at IS NULL AND NOT s.is_held
          AND EXISTS (SELECT FROM jsonb_array_elements(s.sourcing->'of') AS candidate
                      WHERE candidate->>2 <> '{Verdict.REFUSED}')
          AND NOT EXISTS (SELECT FROM orders_stockwait w WHERE w.sub_order_id = s.id)
        """,
    ),
    Invariant(
        "decisions_are_of_rules_that_were_in_force",
        "A decision about a warehouse names the built-in rules or a rule set that is or was switched on.",
        f"""
        SELECT s.number, s.sourcing->'set' FROM orders_suborder s
        LEFT JOIN inventory_sourcingruleset r ON r.id = (s.sourcing->>'set')::bigint
        WHERE (s.sourcing->>'set')::bigint > 0 AND (r.id IS NULL OR r.state = '{SourcingRuleSet.State.DRAFT}')
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
        "A sub-order line has an active reservation of its units that are here still just while its sub-order holds"
        " stock, in the sub-order's warehouse and of the line's SKU.",
        f"""
        SELECT s.number, s.state, p.quantity, r.quantity FROM orders_suborderline p
        JOIN orders_suborder s ON s.id = p.sub_order_id
        JOIN orders_orderline l ON l.id = p.order_line_id
        LEFT JOIN inventory_reservation r
          ON r.demand_id = p.id AND {_FOR_LINES} AND r.state = '{Reservation.State.ACTIVE}'
        LEFT JOIN inventory_stock k ON k.id = r.stock_id
        LEFT JOIN ({_TAKEN_OUT}) AS t ON t.demand_id = p.id
        WHERE coalesce(r.quantity, 0) <> CASE
            WHEN s.state IN ({listed(HOLDING_STOCK)}) THEN p.quantity - coalesce(t.units, 0) ELSE 0 END
           OR (r.id IS NOT NULL AND (k.warehouse_id, k.sku_id) <> (s.warehouse_id, l.sku_id))
           OR (s.state IN ({listed(HOLDING_STOCK)}) AND NOT EXISTS (
                SELECT FROM orders_suborderline other
                JOIN inventory_reservation r ON r.demand_id = other.id AND {_FOR_LINES}
                  AND r.state = '{Reservation.State.ACTIVE}'
                WHERE other.sub_order_id = s.id))
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
        "Just the lines of sub-orders that left had all their units taken out of the stock under their promise; of what"
        " is in a warehouse's hands, some may have left. Virtual goods may be cancelled after they were delivered.",
        f"""
        SELECT s.number, s.state FROM orders_suborderline p
        JOIN orders_suborder s ON s.id = p.sub_order_id
        LEFT JOIN ({_TAKEN_OUT}) AS t ON t.demand_id = p.id
        WHERE CASE WHEN s.state IN ({listed(LEFT_WAREHOUSE)})
                     OR (s.state = '{SubOrderState.CANCELLED}' AND s.delivered_at IS NOT NULL)
                        THEN coalesce(t.units, 0) <> p.quantity
                   WHEN s.state IN ({listed(HOLDING_STOCK)}) THEN t.units > p.quantity
                   ELSE t.units <> 0 END
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
        "The triggers that turn timeline events into webhooks, and take only known kinds, are there and not disabled.",
        f"""
        SELECT missing FROM unnest(ARRAY['{events.TELLS}', '{events.KNOWS}']) AS missing WHERE NOT EXISTS (
            SELECT FROM pg_trigger WHERE tgname = missing
              AND tgrelid = 'orders_orderevent'::regclass AND tgenabled <> 'D')
        """,
    ),
    Invariant(
        "orders_have_a_story",
        "Every order's timeline begins with its receipt.",
        f"""
        SELECT o.number FROM orders_order o
        WHERE NOT EXISTS (SELECT FROM orders_orderevent e WHERE e.order_id = o.id AND e.kind = '{kinds.RECEIVED}')
        """,
    ),
    Invariant(
        "orders_are_where_their_story_ends",
        "The state of every order is that of the last move that its timeline tells.",
        f"""
        SELECT o.number, o.state, t.to_state FROM orders_order o
        LEFT JOIN ({_TOLD_OF_ORDERS}) AS t ON t.row_id = o.id AND t.is_last
        WHERE t.to_state IS DISTINCT FROM o.state
        """,
    ),
    Invariant(
        "stories_of_orders_have_no_gaps",
        "Every move of an order that its timeline tells is declared, and begins where the one before it ended.",
        f"""
        SELECT o.number, t.before, t.from_state, t.to_state FROM ({_TOLD_OF_ORDERS}) AS t
        JOIN orders_order o ON o.id = t.row_id
        WHERE coalesce(t.before, '') <> t.from_state
           OR (t.from_state || '>' || t.to_state) NOT IN ({_declared(Order)})
        """,
    ),
    Invariant(
        "sub_orders_are_where_their_story_ends",
        "The state of every sub-order is that of the last move that its order's timeline tells of it.",
        f"""
        SELECT s.number, s.state, t.to_state FROM orders_suborder s
        LEFT JOIN ({_TOLD_OF_SUB_ORDERS}) AS t ON t.row_id = s.id AND t.is_last
        WHERE coalesce(t.to_state, '{_NEW}') <> s.state
        """,
    ),
    Invariant(
        "stories_of_sub_orders_have_no_gaps",
        "Every move of a sub-order that the timeline tells is declared, and begins where the one before it ended.",
        # The split tells of all sub-orders at once, and each begins as new; parts of sub-orders begin elsewhere.
        f"""
        SELECT s.number, t.before, t.from_state, t.to_state FROM ({_TOLD_OF_SUB_ORDERS}) AS t
        JOIN orders_suborder s ON s.id = t.row_id
        WHERE coalesce(t.before, CASE t.from_state WHEN '' THEN '' ELSE '{_NEW}' END) <> t.from_state
           OR (t.from_state || '>' || t.to_state) NOT IN ({_declared(SubOrder)})
        """,
    ),
    Invariant(
        "events_hold_what_their_kind_names",
        "An event has no data that its kind does not name, so that it is known who reads it.",
        f"""
        SELECT o.number, e.kind, d.name FROM orders_orderevent e
        JOIN orders_order o ON o.id = e.order_id
        CROSS JOIN LATERAL jsonb_object_keys(e.data) AS d(name)
        JOIN (VALUES {_FIELDS}) AS k(kind, fields) ON k.kind = e.kind
        WHERE d.name <> ALL (k.fields::text[])
        """,
    ),
    Invariant(
        "promises_belong_to_their_sub_orders",
        "A promise names a sub-order of its order; of one sub-order the last promise alone is not superseded.",
        """
        SELECT o.number, p.id FROM orders_deliverypromise p LEFT JOIN orders_suborder s ON s.id = p.sub_order_id
        LEFT JOIN orders_order o ON o.id = p.order_id
        WHERE s.id IS NULL OR s.order_id <> p.order_id
        UNION ALL
        SELECT o.number, p.id FROM orders_deliverypromise p JOIN orders_order o ON o.id = p.order_id
        WHERE (p.superseded_at IS NULL) <> NOT EXISTS (
            SELECT FROM orders_deliverypromise n
            WHERE n.order_id = p.order_id AND n.sub_order_id = p.sub_order_id AND n.number > p.number)
        """,
    ),
)
