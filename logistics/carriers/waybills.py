"""Parcels that got their waybill, from whoever."""

from collections.abc import Sequence

from django.db import connection

from logistics import kinds
from logistics.carriers.parcels import SUB_ORDERS_OF
from logistics.models import ShipmentState, WarehouseOrderState
from logistics.watching import alerts, deadlines
from oms.common.copying import array
from oms.common.states import listed
from orders.models import ActorKind

_PACKED = (WarehouseOrderState.PACKED, WarehouseOrderState.PARTLY_SHIPPED, WarehouseOrderState.SHIPPED)


def expect_pick_up(shipment_ids: Sequence[int]) -> None:
    """Parcels that have a waybill and are packed, or gone, are to be collected; the others wait for that first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment h SET
                expected_event = CASE WHEN w.is_packed THEN %(event)s ELSE '' END,
                next_event_due = CASE WHEN w.is_packed THEN
                    {deadlines.due_in_seconds(deadlines.COLLECTED, "%(within)s", "h.sub_order_id")} END
            FROM (
                SELECT h.id, h.left_at IS NOT NULL OR coalesce(w.state IN ({listed(_PACKED)}), true) AS is_packed
                FROM logistics_shipment h LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
                WHERE h.id = ANY(%(ids)s::bigint[])
            ) AS w
            WHERE h.id = w.id AND h.state = '{ShipmentState.WAYBILL_ISSUED}'
            """,
            {
                "ids": array(shipment_ids),
                "event": deadlines.COLLECTED.event,
                "within": deadlines.COLLECTED.seconds,
            },
        )
    alerts.close_for_shipments(shipment_ids)


def expect_pick_up_of_works(warehouse_order_ids: Sequence[int]) -> None:
    """The parcels of warehouse orders that are packed now are to be collected, as far as they have a waybill."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment h SET expected_event = %(event)s, next_event_due =
                {deadlines.due_in_seconds(deadlines.COLLECTED, "%(within)s", "h.sub_order_id")}
            WHERE warehouse_order_id = ANY(%(ids)s::bigint[]) AND state = '{ShipmentState.WAYBILL_ISSUED}'
              AND left_at IS NULL
            """,
            {
                "ids": array(warehouse_order_ids),
                "event": deadlines.COLLECTED.event,
                "within": deadlines.COLLECTED.seconds,
            },
        )


def tell(shipment_ids: Sequence[int]) -> None:
    """Put the waybills on the timeline, as the buyer may read them."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, '{kinds.WAYBILL}', '{ActorKind.CARRIER}', c.code,
                jsonb_build_object('number', s.number, 'carrier', c.name, 'waybill', h.waybill_number)
            FROM ({SUB_ORDERS_OF}) AS p
            JOIN logistics_shipment h ON h.id = p.shipment_id
            JOIN orders_suborder s ON s.id = p.sub_order_id
            JOIN logistics_carrier c ON c.id = h.carrier_id
            ORDER BY h.id, s.id
            """,
            {"ids": array(shipment_ids)},
        )
