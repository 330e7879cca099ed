"""What must always hold of returns: every unit is kept, coming back, or came back."""

from inventory.models import DemandKind, StockMovement
from oms.common.invariants import Invariant
from oms.common.states import listed
from orders.models import Found, MoneyState, ReturnKind, ReturnState, StrayState
from orders.models.return_request import ENDED_WITHOUT, RESTOCKED
from orders.models.sub_order import ARRIVED

_QUALITY = (
    "CASE f.found " + " ".join(f"WHEN '{found}' THEN '{quality}'" for found, quality in RESTOCKED.items()) + " END"
)

INVARIANTS = (
    Invariant(
        "strays_are_booked_once",
        "Units of a parcel that nobody knew are in the books of stock where it was kept, and by nothing else of it.",
        f"""
        SELECT coalesce(p.waybill_number, ''), p.id, p.state, u.id, u.quantity, b.units FROM (
            SELECT demand_id, sum(units) AS units FROM (
                SELECT demand_id, sum(on_hand_change) AS units FROM inventory_stockmovement
                WHERE demand_kind = '{DemandKind.STRAY_UNIT}' GROUP BY demand_id
                UNION ALL
                SELECT m.demand_id, sum(m.on_hand_change) FROM inventory_lotmovement m
                JOIN inventory_stocklot t ON t.id = m.lot_id AND t.quality <> '{RESTOCKED[Found.GOOD]}'
                WHERE m.demand_kind = '{DemandKind.STRAY_UNIT}' GROUP BY m.demand_id) AS x GROUP BY demand_id
        ) AS b FULL JOIN orders_strayunit u ON u.id = b.demand_id LEFT JOIN orders_strayparcel p ON p.id = u.parcel_id
        WHERE coalesce(b.units, 0) IS DISTINCT FROM CASE WHEN p.state = '{StrayState.KEPT}' THEN u.quantity ELSE 0 END
        """,
    ),
    Invariant(
        "strays_are_matched_with_what_came",
        "A parcel that was matched is of a return that was received; a parcel has units.",
        f"""
        SELECT p.waybill_number, p.id, p.state, r.number FROM orders_strayparcel p LEFT JOIN orders_returnrequest r
            ON r.id = p.return_request_id
        WHERE p.state = '{StrayState.MATCHED}' AND r.received_at IS NULL
           OR NOT EXISTS (SELECT FROM orders_strayunit u WHERE u.parcel_id = p.id)
        """,
    ),
    Invariant(
        "units_in_returns_are_counted",
        "What a sub-order's line has in open returns is what their lines hold of it; only what the buyer has is in"
        " any.",
        f"""
        SELECT s.number, l.id, l.returning_quantity, coalesce(x.units, 0) AS held FROM orders_suborderline l
        JOIN orders_suborder s ON s.id = l.sub_order_id
        LEFT JOIN (SELECT sub_order_line_id, sum(open_quantity) AS units FROM orders_returnline
                   GROUP BY sub_order_line_id) AS x ON x.sub_order_line_id = l.id
        WHERE l.returning_quantity <> coalesce(x.units, 0)
           OR l.returning_quantity > 0 AND s.state NOT IN ({listed(ARRIVED)})
        """,
    ),
    Invariant(
        "returns_are_of_their_sub_order",
        "A return is of one sub-order of its order, its lines are of that, and it has some.",
        """
        SELECT r.number, s.number AS sub_order, p.sub_order_id FROM orders_returnrequest r
        JOIN orders_suborder s ON s.id = r.sub_order_id
        LEFT JOIN orders_returnline l ON l.return_request_id = r.id
        LEFT JOIN orders_suborderline p ON p.id = l.sub_order_line_id
        WHERE s.order_id <> r.order_id OR p.sub_order_id IS DISTINCT FROM r.sub_order_id
        """,
    ),
    Invariant(
        "returns_that_ended_without_goods_hold_no_units",
        "What was declined, cancelled or never handed over is the buyer's; so is what was refused at the door, and what"
        " a repair gave back.",
        f"""
        SELECT r.number, r.state, sum(l.open_quantity) FROM orders_returnrequest r
        JOIN orders_returnline l ON l.return_request_id = r.id
        WHERE r.state IN ({listed(ENDED_WITHOUT)}) OR r.kind = '{ReturnKind.REFUSED_AT_DOOR}'
           OR r.kind = '{ReturnKind.REPAIR}' AND r.state = '{ReturnState.CLOSED}'
           OR r.kind = '{ReturnKind.REFUND_ONLY}'
              AND (r.money_state = '{MoneyState.GRANTED}' OR r.state = '{ReturnState.CLOSED}')
        GROUP BY r.id HAVING sum(l.open_quantity) > 0
        """,
    ),
    Invariant(
        "inspection_says_of_every_unit_what_it_is",
        "Of an inspected return, the findings are about as many units as its lines; of one that was received about no"
        " more; of others there are none.",
        f"""
        SELECT r.number, r.state, l.quantity, sum(f.quantity) AS found FROM orders_returnrequest r
        JOIN orders_returnline l ON l.return_request_id = r.id
        LEFT JOIN orders_returnfinding f ON f.line_id = l.id
        GROUP BY r.id, l.id
        HAVING CASE WHEN r.state = '{ReturnState.RECEIVED}' THEN sum(f.quantity) > l.quantity
                    WHEN r.inspected_at IS NULL THEN sum(f.quantity) IS NOT NULL
                    ELSE sum(f.quantity) IS DISTINCT FROM l.quantity END
            OR r.inspected_at IS NULL AND r.state = '{ReturnState.INSPECTED}'
            OR r.inspected_at IS NOT NULL AND r.state NOT IN ('{ReturnState.INSPECTED}', '{ReturnState.CLOSED}')
        """,
    ),
    Invariant(
        "what_did_not_come_back_is_the_buyers",
        "Units that inspection found missing, or in whose place other goods came, are held by the return no longer.",
        f"""
        SELECT r.number, l.id, l.quantity, l.open_quantity, sum(f.quantity) AS not_there FROM orders_returnrequest r
        JOIN orders_returnline l ON l.return_request_id = r.id JOIN orders_returnfinding f ON f.line_id = l.id
        WHERE f.found NOT IN ({listed(RESTOCKED)})
        GROUP BY r.id, l.id HAVING l.open_quantity > l.quantity - sum(f.quantity)
        """,
    ),
    Invariant(
        "what_came_back_is_in_the_books_of_stock",
        "Units that inspection found are booked into stock once, by their quality; those of repairs are not.",
        f"""
        SELECT r.number, l.id, coalesce(w.quality, b.quality) AS quality, w.units AS found, b.units AS booked
        FROM (SELECT f.line_id, {_QUALITY} AS quality, sum(f.quantity) AS units FROM orders_returnfinding f
              JOIN orders_returnline n ON n.id = f.line_id JOIN orders_returnrequest q ON q.id = n.return_request_id
              WHERE f.found IN ({listed(RESTOCKED)}) AND q.kind <> '{ReturnKind.REPAIR}' GROUP BY 1, 2) AS w
        FULL JOIN (
            SELECT demand_id AS line_id, '{RESTOCKED[Found.GOOD]}' AS quality, sum(on_hand_change) AS units
            FROM inventory_stockmovement
            WHERE demand_kind = '{DemandKind.RETURN_LINE}' AND kind = '{StockMovement.Kind.RETURN}' GROUP BY 1
            UNION ALL
            SELECT m.demand_id, t.quality, sum(m.on_hand_change) FROM inventory_lotmovement m
            JOIN inventory_stocklot t ON t.id = m.lot_id AND t.quality <> '{RESTOCKED[Found.GOOD]}'
            WHERE m.demand_kind = '{DemandKind.RETURN_LINE}' AND m.kind = '{StockMovement.Kind.RETURN}' GROUP BY 1, 2
        ) AS b USING (line_id, quality)
        LEFT JOIN orders_returnline l ON l.id = line_id LEFT JOIN orders_returnrequest r ON r.id = l.return_request_id
        WHERE w.units IS DISTINCT FROM b.units
        """,
    ),
)
