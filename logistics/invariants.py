"""What must always hold of warehouse orders, parcels and alerts."""

from inventory.models import DemandKind, StockMovement, StorageClass
from logistics.carriers import adapters
from logistics.models import (
    GOING_BACK,
    Direction,
    ErrandKind,
    RecallKind,
    RecallState,
    ShipmentState,
    StopAnswer,
    WarehouseOrderState,
    WaybillUse,
)
from logistics.models.recall import OPEN_RECALL
from logistics.models.warehouse_order import NOT_GONE
from logistics.warehouses.moving import SUB_ORDERS_AT
from logistics.warehouses.notices import Notice
from logistics.warehouses.trouble import CONTRADICTION
from logistics.watching import shipping
from oms.common.invariants import Invariant
from oms.common.models import FactState, Topic
from oms.common.states import listed
from oms.common.work.callbacks import UNREADABLE
from orders.models import SubOrderState
from orders.models.sub_order import ARRIVED, AT_WAREHOUSE, LEFT_WAREHOUSE

_SHIPPED, _PARTLY = WarehouseOrderState.SHIPPED, WarehouseOrderState.PARTLY_SHIPPED
_AT_WORK = (WarehouseOrderState.ACCEPTED, WarehouseOrderState.PICKING, WarehouseOrderState.PACKED)
_HEARD = (FactState.APPLIED, FactState.NO_EFFECT, FactState.CONTRADICTED)
_STATES_AT = ", ".join(f"('{work}', '{sub_order}')" for work, sub_order in SUB_ORDERS_AT.items())
_BACK = (*GOING_BACK, ShipmentState.RETURNED)
_OVER = (*_BACK, ShipmentState.SIGNED, ShipmentState.LOST)
_GOODS = f"s.storage_class <> '{StorageClass.VIRTUAL}'"
# Parcels on their way to buyers that count: not those that will not be, nor those of what was given up.
_COUNTS = f"""
    h.direction = '{Direction.OUT}' AND h.state <> '{ShipmentState.CANCELLED}' AND NOT EXISTS (
        SELECT FROM logistics_warehouseorder g WHERE g.id = h.warehouse_order_id AND NOT g.is_current)
"""
_OF_PARCELS = f"""
    SELECT l.sub_order_id, h.id, h.state, h.left_at FROM logistics_shipment h
    JOIN logistics_shipmentline x ON x.shipment_id = h.id JOIN orders_suborderline l ON l.id = x.sub_order_line_id
    WHERE {_COUNTS}
    UNION
    SELECT h.sub_order_id, h.id, h.state, h.left_at FROM logistics_shipment h
    WHERE {_COUNTS} AND NOT EXISTS (SELECT FROM logistics_shipmentline x WHERE x.shipment_id = h.id)
"""

_ENDED = (ShipmentState.SIGNED, ShipmentState.RETURNED, ShipmentState.LOST)
_NEWEST_RECALLS = """
    SELECT DISTINCT ON (r.shipment_id) r.id, r.kind, r.state, r.answer, h.state AS parcel, h.number
    FROM logistics_recall r JOIN logistics_shipment h ON h.id = r.shipment_id ORDER BY r.shipment_id, r.id DESC
"""

INVARIANTS = (
    Invariant(
        "returned_serials_were_sold_and_came_back_once",
        "A serial number that came back is of a unit that was packed for the same order, and came back of it once.",
        """
        SELECT o.number, k.code, b.serial FROM orders_returnedserial b JOIN inventory_sku k ON k.id = b.sku_id
        JOIN orders_returnline l ON l.id = b.line_id JOIN orders_returnrequest r ON r.id = l.return_request_id
        JOIN orders_order o ON o.id = r.order_id
        WHERE NOT EXISTS (
            SELECT FROM logistics_unitserial u JOIN orders_suborderline sl ON sl.id = u.sub_order_line_id
            JOIN orders_suborder s ON s.id = sl.sub_order_id
            WHERE s.order_id = o.id AND (u.sku_id, u.serial) = (b.sku_id, b.serial))
        OR EXISTS (
            SELECT FROM orders_returnedserial x JOIN orders_returnline xl ON xl.id = x.line_id
            JOIN orders_returnrequest xr ON xr.id = xl.return_request_id
            WHERE x.id <> b.id AND (x.sku_id, x.serial) = (b.sku_id, b.serial) AND xr.order_id = o.id)
        """,
    ),
    Invariant(
        "waybills_of_nobody_go_back",
        "A waybill that we bought for a parcel that will not leave is given back, where its account takes it.",
        f"""
        SELECT h.number, h.waybill_number FROM logistics_shipment h
        JOIN common_connection link ON link.id = h.connection_id
        WHERE h.state = '{ShipmentState.CANCELLED}' AND h.waybill_number IS NOT NULL AND h.left_at IS NULL
          AND link.protocol IN ({listed(adapters.protocols_of(adapters.Cancels))})
          -- Those of a consignment go back with their mother's, once no parcel of it is left.
          AND h.mother_id IS NULL AND NOT EXISTS (
              SELECT FROM logistics_shipment c WHERE c.mother_id = h.id AND c.state <> '{ShipmentState.CANCELLED}')
          AND NOT EXISTS (SELECT FROM logistics_waybillerrand e WHERE e.shipment_id = h.id
              AND e.kind = '{ErrandKind.CANCEL}' AND e.waybill = h.waybill_number)
        """,
    ),
    Invariant(
        "consignments_are_of_one_order",
        "The parcels of a consignment are of one warehouse order and one order of a carrier: children have a waybill of"
        " that account only once their mother had one, and a mother is nobody's child.",
        f"""
        SELECT c.number, m.number, c.waybill_number, m.waybill_number FROM logistics_shipment c
        JOIN logistics_shipment m ON m.id = c.mother_id
        WHERE m.mother_id IS NOT NULL
           OR m.warehouse_order_id IS DISTINCT FROM c.warehouse_order_id
           OR (c.waybill_number IS NOT NULL AND c.connection_id = m.connection_id AND m.waybill_number IS NULL)
           OR (c.state = '{ShipmentState.CREATED}' AND m.state IN ('{ShipmentState.CREATED}',
               '{ShipmentState.WAYBILL_ISSUED}') AND m.connection_id IS NOT NULL
               AND (c.connection_id, c.carrier_id) IS DISTINCT FROM (m.connection_id, m.carrier_id))
        """,
    ),
    Invariant(
        "parcels_at_their_end_are_not_asked_for",
        "Nobody asks where a parcel is that arrived, came back or is lost.",
        f"""
        SELECT h.number, h.state FROM logistics_polling p JOIN logistics_shipment h ON h.id = p.shipment_id
        WHERE NOT p.is_over AND h.state IN ({listed(_ENDED)})
        """,
    ),
    Invariant(
        "recalls_end_with_their_parcels",
        "What a carrier was last asked about a parcel is not open once the parcel was signed for, comes back or is"
        " lost; asked back, it succeeded just where the parcel comes back.",
        f"""
        SELECT n.number, n.kind, n.state, n.parcel FROM ({_NEWEST_RECALLS}) AS n
        WHERE (n.state IN ({listed(OPEN_RECALL)}) AND n.parcel IN ({listed(_OVER)}))
           OR (n.kind = '{RecallKind.RETURN}'
               AND (n.state = '{RecallState.SUCCEEDED}') <> (n.parcel IN ({listed(_BACK)})))
        """,
    ),
    Invariant(
        "answered_recalls_are_not_asked_for_again",
        "A recall that its carrier answered waits for no call.",
        f"""
        SELECT r.id, r.state, r.answer FROM logistics_recall r
        WHERE r.state <> '{RecallState.ASKED}' AND r.ready_at IS NOT NULL
           OR r.state = '{RecallState.ASKED}' AND r.answer <> ''
        """,
    ),
    Invariant(
        "prints_are_counted_from_the_first",
        "The prints of a parcel or warehouse order on one paper are numbered from 1 without a gap.",
        """
        SELECT coalesce(h.number, w.number), p.paper, max(p.copy), count(*) FROM logistics_printout p
        LEFT JOIN logistics_shipment h ON h.id = p.shipment_id
        LEFT JOIN logistics_warehouseorder w ON w.id = p.warehouse_order_id
        GROUP BY h.number, w.number, p.paper HAVING max(p.copy) <> count(*)
        """,
    ),
    Invariant(
        "carriers_of_parcels_were_decided",
        "A parcel whose waybill is bought over a connection, or waited for, is with the carrier and account of its last"
        " decision; decisions are of parcels that there are.",
        f"""
        SELECT h.number, d.id FROM logistics_carrierdecision d LEFT JOIN logistics_shipment h ON h.id = d.shipment_id
        WHERE h.id IS NULL OR (h.connection_id IS NOT NULL AND h.state <> '{ShipmentState.CANCELLED}'
            AND d.id = (SELECT max(n.id) FROM logistics_carrierdecision n
                        WHERE n.shipment_id = h.id AND n.carrier_id IS NOT NULL)
            AND (d.carrier_id, d.connection_id) IS DISTINCT FROM (h.carrier_id, h.connection_id))
        """,
    ),
    Invariant(
        "waybills_of_users_are_counted",
        "What a user of a carrier's account used is what its waybills come to, and no more than its limits.",
        f"""
        SELECT s.id, s.used_in_total, s.used_fen, u.count, u.fen FROM logistics_waybillshare s
        CROSS JOIN LATERAL (
            SELECT count(*) AS count, coalesce(sum(freight_fen), 0) AS fen,
                count(*) FILTER (WHERE day = s.used_on) AS that_day
            FROM logistics_waybilluse WHERE share_id = s.id AND state <> '{WaybillUse.State.GIVEN_BACK}') AS u
        WHERE (s.used_in_total, s.used_fen) <> (u.count, u.fen)
           OR (s.used_on IS NOT NULL AND s.used_that_day <> u.that_day)
        """,
    ),
    Invariant(
        "goods_in_hand_were_asked_for",
        "What is in a warehouse's hands, or left it, has a current warehouse order of that warehouse for all its units,"
        " and what is not has none.",
        f"""
        SELECT s.number, s.state FROM orders_suborder s JOIN orders_suborderline l ON l.sub_order_id = s.id
        LEFT JOIN (
            SELECT wl.sub_order_line_id, wl.quantity, wl.left_quantity, w.warehouse_id,
                w.state <> '{_SHIPPED}' AS is_open
            FROM logistics_warehouseorderline wl JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id
            WHERE w.is_current
        ) AS a ON a.sub_order_line_id = l.id
        WHERE {_GOODS} GROUP BY s.id, l.id
        HAVING CASE
            WHEN s.state IN ({listed(AT_WAREHOUSE)}) THEN
                sum(a.quantity) FILTER (WHERE a.is_open AND a.warehouse_id = s.warehouse_id)
                    IS DISTINCT FROM l.quantity::bigint
                OR count(*) FILTER (WHERE a.is_open AND a.warehouse_id <> s.warehouse_id) > 0
            WHEN s.state IN ({listed(LEFT_WAREHOUSE)}) THEN
                coalesce(sum(a.left_quantity) FILTER (WHERE a.warehouse_id = s.warehouse_id), 0) < l.quantity
            ELSE count(*) FILTER (WHERE a.is_open) > 0 END
        """,
    ),
    Invariant(
        "sub_orders_are_where_their_warehouse_orders_are",
        "A sub-order in a warehouse's hands is as far as its warehouse order.",
        f"""
        SELECT DISTINCT s.number, s.state, w.state FROM orders_suborder s
        JOIN orders_suborderline l ON l.sub_order_id = s.id
        JOIN logistics_warehouseorderline wl ON wl.sub_order_line_id = l.id
        JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id
          AND w.is_current AND w.state <> '{_SHIPPED}'
        WHERE s.state IN ({listed(AT_WAREHOUSE)}) AND (w.state, s.state) NOT IN (VALUES {_STATES_AT})
        """,
    ),
    Invariant(
        "warehouse_orders_have_what_they_name",
        "Sub-order, warehouse, connection and lines of a warehouse order exist.",
        """
        SELECT w.number FROM logistics_warehouseorder w
        WHERE NOT EXISTS (SELECT FROM orders_suborder s WHERE s.id = w.sub_order_id)
           OR NOT EXISTS (SELECT FROM inventory_warehouse h WHERE h.id = w.warehouse_id)
           OR NOT EXISTS (SELECT FROM common_connection c WHERE c.id = w.connection_id)
           OR NOT EXISTS (SELECT FROM logistics_warehouseorderline l WHERE l.warehouse_order_id = w.id)
        """,
    ),
    Invariant(
        "lines_have_what_they_name",
        "Lines of warehouse orders and of parcels belong to both their rows.",
        """
        SELECT 'warehouse order', wl.warehouse_order_id, wl.sub_order_line_id FROM logistics_warehouseorderline wl
        WHERE NOT EXISTS (SELECT FROM logistics_warehouseorder w WHERE w.id = wl.warehouse_order_id)
           OR NOT EXISTS (SELECT FROM orders_suborderline l WHERE l.id = wl.sub_order_line_id)
        UNION ALL
        SELECT 'parcel', x.shipment_id, x.sub_order_line_id FROM logistics_shipmentline x
        WHERE NOT EXISTS (SELECT FROM logistics_shipment h WHERE h.id = x.shipment_id)
           OR NOT EXISTS (SELECT FROM orders_suborderline l WHERE l.id = x.sub_order_line_id)
        """,
    ),
    Invariant(
        "return_parcels_are_of_their_returns",
        "A parcel on its way back is of a return, and of its sub-order; the current one has the waybill of the return,"
        " unless that waits to be followed.",
        f"""
        SELECT h.number, r.number AS return_number FROM logistics_shipment h
        FULL JOIN logistics_returnparcel p ON p.shipment_id = h.id
        LEFT JOIN orders_returnrequest r ON r.id = p.return_request_id
        WHERE (h.direction = '{Direction.RETURN}' OR p.shipment_id IS NOT NULL)
          AND (h.direction IS DISTINCT FROM '{Direction.RETURN}' OR r.sub_order_id IS DISTINCT FROM h.sub_order_id
            OR p.is_current AND r.waybill_told_at IS NULL AND r.waybill_number <> ''
               AND r.waybill_number <> coalesce(h.waybill_number, ''))
        """,
    ),
    Invariant(
        "parcels_hold_what_was_asked_for",
        "The parcels of a warehouse order hold no more units of a line than it asks for, and only its lines.",
        f"""
        SELECT h.warehouse_order_id, x.sub_order_line_id, sum(x.quantity), max(wl.quantity)
        FROM logistics_shipment h JOIN logistics_shipmentline x ON x.shipment_id = h.id
        LEFT JOIN logistics_warehouseorderline wl
          ON wl.warehouse_order_id = h.warehouse_order_id AND wl.sub_order_line_id = x.sub_order_line_id
        WHERE h.warehouse_order_id IS NOT NULL AND h.state <> '{ShipmentState.CANCELLED}'
        GROUP BY h.warehouse_order_id, x.sub_order_line_id HAVING sum(x.quantity) > coalesce(max(wl.quantity), 0)
        """,
    ),
    Invariant(
        "what_left_is_in_parcels",
        "Units that left a warehouse order left in its parcels, but for those beyond what was asked for.",
        """
        SELECT w.number, wl.sub_order_line_id, wl.left_quantity, coalesce(x.units, 0)
        FROM logistics_warehouseorderline wl JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id
        LEFT JOIN (SELECT h.warehouse_order_id, x.sub_order_line_id, sum(x.quantity) AS units
                   FROM logistics_shipment h JOIN logistics_shipmentline x ON x.shipment_id = h.id
                   WHERE h.left_at IS NOT NULL GROUP BY h.warehouse_order_id, x.sub_order_line_id) AS x
          ON x.warehouse_order_id = w.id AND x.sub_order_line_id = wl.sub_order_line_id
        WHERE coalesce(x.units, 0) <> least(wl.left_quantity, wl.quantity)
        """,
    ),
    Invariant(
        "what_left_was_taken_out_of_the_stock",
        "The units of an order line that left were taken out of the stock of their warehouse, but for those that a"
        " ticket says it did not have.",
        f"""
        SELECT gone.order_line_id, gone.warehouse_id, gone.units, taken.units FROM (
            SELECT l.order_line_id, w.warehouse_id, sum(wl.left_quantity - wl.unbooked_quantity) AS units
            FROM logistics_warehouseorderline wl JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id
            JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
            GROUP BY l.order_line_id, w.warehouse_id
        ) AS gone
        FULL JOIN (
            SELECT l.order_line_id, k.warehouse_id, -sum(m.on_hand_change) AS units
            FROM inventory_stockmovement m JOIN inventory_stock k ON k.id = m.stock_id
            JOIN orders_suborderline l ON l.id = m.demand_id JOIN orders_suborder s ON s.id = l.sub_order_id
            WHERE m.kind = '{StockMovement.Kind.SHIP}' AND m.demand_kind = '{DemandKind.SUB_ORDER_LINE}' AND {_GOODS}
            GROUP BY l.order_line_id, k.warehouse_id
        ) AS taken ON (taken.order_line_id, taken.warehouse_id) = (gone.order_line_id, gone.warehouse_id)
        WHERE coalesce(gone.units, 0) <> coalesce(taken.units, 0)
        """,
    ),
    Invariant(
        "what_is_over_is_over",
        "A warehouse order of which units left is shipped, or partly, and what is asked of one that left is over.",
        f"""
        SELECT w.number, w.state FROM logistics_warehouseorder w
        JOIN (SELECT warehouse_order_id, bool_and(left_quantity >= quantity) AS all_left, sum(left_quantity) AS units
              FROM logistics_warehouseorderline GROUP BY warehouse_order_id) AS l ON l.warehouse_order_id = w.id
        WHERE (l.all_left AND w.state <> '{_SHIPPED}')
           OR (l.units > 0 AND w.state NOT IN ('{_SHIPPED}', '{_PARTLY}'))
           OR (w.state = '{_SHIPPED}' AND w.is_current AND w.stop_requested_at IS NOT NULL
               AND w.stop_answer <> '{StopAnswer.REFUSED}' AND l.all_left)
        """,
    ),
    Invariant(
        "what_warehouses_told_is_known",
        "A settled fact of a warehouse is of a warehouse order that went over its connection; one of which the"
        " warehouse said that it left, did, unless it is asked for units that it did not speak of. A"
        " message that nobody understood at first is about none: what it said are facts of their own.",
        f"""
        SELECT f.id, f.kind, f.subject, f.state, w.state AS held FROM common_inboundfact f
        LEFT JOIN logistics_warehouseorder w ON w.number = f.subject AND w.connection_id = f.connection_id
        WHERE f.topic = '{Topic.WAREHOUSE}' AND f.state IN ({listed(_HEARD)})
          AND f.kind <> '{UNREADABLE}' AND (w.id IS NULL OR (
            f.kind = '{Notice.SHIPPED}' AND w.state <> '{_SHIPPED}'
            AND NOT (w.rest_doubted_at IS NOT NULL AND w.state IN ({listed([*NOT_GONE, _PARTLY])}))))
        """,
    ),
    Invariant(
        "warehouse_orders_are_where_they_were_told_to_be",
        "A warehouse order in a warehouse's hands is there because that warehouse said something of it.",
        f"""
        SELECT w.number, w.state FROM logistics_warehouseorder w
        WHERE w.state IN ({listed(_AT_WORK)}) AND NOT EXISTS (
            SELECT FROM common_inboundfact f WHERE f.subject = w.number AND f.connection_id = w.connection_id)
        """,
    ),
    Invariant(
        "who_refused_is_not_asked_again",
        "A sub-order does not go to a warehouse again that refused it.",
        f"""
        SELECT again.number, again.warehouse_id FROM logistics_warehouseorder w
        JOIN logistics_warehouseorder again
          ON again.sub_order_id = w.sub_order_id AND again.warehouse_id = w.warehouse_id AND again.id > w.id
        WHERE w.state = '{WarehouseOrderState.REFUSED}'
        """,
    ),
    Invariant(
        "contradictions_of_warehouses_have_a_ticket",
        "A person was told of every fact that contradicts a warehouse order, and of what went on though it was given"
        " up.",
        f"""
        SELECT w.number, w.state FROM logistics_warehouseorder w
        WHERE ((NOT w.is_current AND w.state IN ({listed([WarehouseOrderState.PACKED, _PARTLY, _SHIPPED])}))
            OR EXISTS (
                SELECT FROM common_inboundfact f
                WHERE f.subject = w.number AND f.connection_id = w.connection_id AND f.topic = '{Topic.WAREHOUSE}'
                  AND f.state = '{FactState.CONTRADICTED}'))
          AND NOT EXISTS (
            SELECT FROM common_ticket t WHERE t.kind = '{CONTRADICTION.code}' AND t.subject_id = w.id)
        """,
    ),
    Invariant(
        "stops_were_refused_by_the_warehouse",
        "A warehouse order could not be stopped only where its warehouse said so, or because it left.",
        f"""
        SELECT w.number, w.state FROM logistics_warehouseorder w
        WHERE w.stop_answer = '{StopAnswer.REFUSED}' AND w.state <> '{_SHIPPED}' AND NOT EXISTS (
            SELECT FROM common_inboundfact f WHERE f.subject = w.number AND f.connection_id = w.connection_id
              AND f.kind = '{Notice.NOT_STOPPED}')
        """,
    ),
    Invariant(
        "shipped_sub_orders_have_parcels",
        "What left a warehouse left in parcels, or as a delivered code.",
        f"""
        SELECT s.number, s.state FROM orders_suborder s
        WHERE s.state IN ({listed(LEFT_WAREHOUSE)})
          AND NOT EXISTS (SELECT FROM ({_OF_PARCELS}) AS p WHERE p.sub_order_id = s.id AND p.left_at IS NOT NULL)
          AND NOT EXISTS (SELECT FROM logistics_virtualdelivery v WHERE v.sub_order_id = s.id)
        """,
    ),
    Invariant(
        "parcels_without_waybill_are_waited_for",
        "A parcel without a waybill waits for one: in its queue, with a person, or for the warehouse with a deadline.",
        f"""
        SELECT h.number FROM logistics_shipment h LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
        WHERE h.state = '{ShipmentState.CREATED}' AND coalesce(w.is_current, true) AND h.ready_at IS NULL
          AND h.needs_person_since IS NULL AND h.expected_event = ''
        """,
    ),
    Invariant(
        "signed_parcels_are_delivered",
        "A sub-order is delivered or completed just when all its parcels are signed for; one that is completed stays so"
        " when they come back.",
        f"""
        SELECT s.number, s.state, p.states FROM orders_suborder s
        JOIN (SELECT sub_order_id, bool_and(state = '{ShipmentState.SIGNED}' AND left_at IS NOT NULL) AS all_signed,
                  bool_or(state = '{ShipmentState.RETURNED}') AS some_back,
                  string_agg(state, ' ') AS states
              FROM ({_OF_PARCELS}) AS of_parcels GROUP BY sub_order_id) AS p ON p.sub_order_id = s.id
        WHERE (p.all_signed AND s.state IN ('{SubOrderState.SHIPPED}', '{SubOrderState.REJECTED}'))
           OR (s.state IN ({listed(ARRIVED)}) AND NOT p.all_signed AND NOT p.some_back)
        """,
    ),
    Invariant(
        "alerts_are_of_their_thing",
        "An alert is on a warehouse order or on a parcel, and names the sub-order of it; that on a shipping deadline is"
        " on the sub-order itself.",
        f"""
        SELECT a.id FROM logistics_logisticsalert a LEFT JOIN logistics_shipment h ON h.id = a.shipment_id
        LEFT JOIN logistics_warehouseorder w ON w.id = a.warehouse_order_id
        WHERE CASE WHEN a.kind IN ({listed(shipping.KINDS)}) THEN coalesce(h.id, w.id) IS NOT NULL
                   ELSE (h.id IS NULL) = (w.id IS NULL) END
           OR coalesce(h.sub_order_id, w.sub_order_id) <> a.sub_order_id
        """,
    ),
    Invariant(
        "open_alerts_are_in_open_groups",
        "What is late belongs to a group on which somebody can work.",
        """
        SELECT s.number, a.kind FROM logistics_logisticsalert a JOIN logistics_alertgroup g ON g.id = a.group_id
        JOIN orders_suborder s ON s.id = a.sub_order_id
        WHERE a.closed_at IS NULL AND g.closed_at IS NOT NULL
        """,
    ),
)
