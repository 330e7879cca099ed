"""Parcels that are to be: a shipment with lines for the units of a warehouse order that are in none yet."""

from collections.abc import Sequence

from django.db import connection

from inventory.models import Warehouse
from logistics.carriers import choosing
from logistics.models import Direction, ShipmentState
from logistics.watching import planning
from oms.common.copying import array, next_ids
from oms.common.work import nudging

# Units of the lines of warehouse orders (ids: a parameter `ids`) that are in no parcel.
UNPARCELLED = f"""
    SELECT wl.warehouse_order_id, wl.sub_order_line_id, wl.quantity - coalesce(sum(x.quantity), 0)::int AS units
    FROM logistics_warehouseorderline wl
    LEFT JOIN (logistics_shipment h JOIN logistics_shipmentline x ON x.shipment_id = h.id)
      ON h.warehouse_order_id = wl.warehouse_order_id AND x.sub_order_line_id = wl.sub_order_line_id
        AND h.state <> '{ShipmentState.CANCELLED}'
    WHERE wl.warehouse_order_id = ANY(%(ids)s::bigint[])
    GROUP BY wl.warehouse_order_id, wl.sub_order_line_id
    HAVING wl.quantity > coalesce(sum(x.quantity), 0)
"""


def intend(warehouse_order_ids: Sequence[int]) -> None:
    """Write a parcel for each of the locked warehouse orders that has units in none yet, and give it to a
    carrier; one whose waybill the warehouse brings only waits for it. As many statements for many as for one."""
    if not warehouse_order_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH unparcelled AS MATERIALIZED ({UNPARCELLED}), weighed AS (
                SELECT u.warehouse_order_id, sum(u.units * k.weight_g) AS weight_g
                FROM unparcelled u
                JOIN orders_suborderline l ON l.id = u.sub_order_line_id
                JOIN orders_orderline ol ON ol.id = l.order_line_id
                JOIN inventory_sku k ON k.id = ol.sku_id
                GROUP BY u.warehouse_order_id
            ), parcel AS (
                INSERT INTO logistics_shipment (number, sub_order_id, warehouse_order_id, direction, state,
                    weight_g, ready_at)
                SELECT s.number || '-S' || (
                        1 + (SELECT count(*) FROM logistics_shipment h WHERE h.sub_order_id = s.id)),
                    s.id, w.id, '{Direction.OUT}', '{ShipmentState.CREATED}', g.weight_g,
                    CASE WHEN we_buy THEN now() END
                FROM weighed g
                JOIN logistics_warehouseorder w ON w.id = g.warehouse_order_id
                JOIN orders_suborder s ON s.id = w.sub_order_id
                JOIN inventory_warehouse i ON i.id = w.warehouse_id
                CROSS JOIN LATERAL (
                    SELECT i.waybill_when <> '{Warehouse.WaybillWhen.OWN}' AND w.is_current AS we_buy) AS how
                ORDER BY w.id
                RETURNING id, warehouse_order_id, ready_at
            ), line AS (
                INSERT INTO logistics_shipmentline (shipment_id, sub_order_line_id, quantity)
                SELECT p.id, u.sub_order_line_id, u.units
                FROM parcel p JOIN unparcelled u ON u.warehouse_order_id = p.warehouse_order_id
            )
            -- Those that were there before.
            SELECT p.id, p.ready_at IS NOT NULL, EXISTS (
                SELECT FROM logistics_shipment b
                WHERE b.warehouse_order_id = p.warehouse_order_id AND b.state <> '{ShipmentState.CANCELLED}')
            FROM parcel p
            """,
            {"ids": array(warehouse_order_ids)},
        )
        rows = cursor.fetchall()
    parcels = {key: we_buy for key, we_buy, _has_others in rows}
    planning.plan_parcels(parcels)
    choosing.choose(
        [key for key, we_buy in parcels.items() if we_buy],
        alone=[key for key, _buy, has_others in rows if not has_others],
    )
    nudging.nudge("dispatch")


def intend_again(shipment_ids: Sequence[int]) -> None:
    """Write the parcels of consignments (ids, locked, ended) anew, each with what was in it, and give them to carriers;
    those that were alone are left to `intend`. As many statements for many as for one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT h.id FROM logistics_shipment h WHERE h.id = ANY(%s::bigint[])
              AND (h.mother_id IS NOT NULL OR EXISTS (SELECT FROM logistics_shipment c WHERE c.mother_id = h.id))
            ORDER BY h.id
            """,
            [array(shipment_ids)],
        )
        old = [key for (key,) in cursor.fetchall()]
        if not old:
            return
        new = next_ids("logistics_shipment", len(old))
        cursor.execute(
            f"""
            WITH parcel AS (
                INSERT INTO logistics_shipment (id, number, sub_order_id, warehouse_order_id, direction, state,
                    weight_g, ready_at)
                SELECT n.new, s.number || '-S' || (row_number() OVER (PARTITION BY s.id ORDER BY n.new)
                        + (SELECT count(*) FROM logistics_shipment x WHERE x.sub_order_id = s.id)),
                    s.id, h.warehouse_order_id, '{Direction.OUT}', '{ShipmentState.CREATED}', h.weight_g, now()
                FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS n(old, new)
                JOIN logistics_shipment h ON h.id = n.old JOIN orders_suborder s ON s.id = h.sub_order_id
            )
            INSERT INTO logistics_shipmentline (shipment_id, sub_order_line_id, quantity)
            SELECT n.new, x.sub_order_line_id, x.quantity
            FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS n(old, new)
            JOIN logistics_shipmentline x ON x.shipment_id = n.old
            """,
            {"old": array(old), "new": array(new)},
        )
    planning.plan_parcels(new)
    choosing.choose(new)
    nudging.nudge("dispatch")
