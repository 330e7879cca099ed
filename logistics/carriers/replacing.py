"""Parcels whose waybill a person had cancelled get another one: the carrier took the old one back, so what was to go
with it becomes a parcel of its own, for which a waybill is bought; a consignment becomes as many again. One number is
never used for two waybills."""

from collections.abc import Collection

from django.db import connection

from logistics.carriers import following, intending
from logistics.carriers.trouble import WAYBILL_VOIDED
from logistics.models import Shipment, ShipmentState
from logistics.watching import planning
from oms.common import tickets
from oms.common.copying import array


def lock(errand_ids: Collection[int]) -> None:
    """Lock the warehouse orders of errands that persons asked for: they come before parcels and errands. One
    statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.id FROM logistics_warehouseorder w WHERE w.id IN (
                SELECT h.warehouse_order_id FROM logistics_waybillerrand e
                JOIN logistics_shipment h ON h.id = e.shipment_id WHERE e.id = ANY(%s::bigint[]) AND e.asked_by <> '')
            ORDER BY w.id FOR NO KEY UPDATE
            """,
            [array(errand_ids)],
        )


def replace(errand_ids: Collection[int], *, opened_by: str) -> None:
    """Of errands that are done, end the parcels that persons had cancelled, and write new ones for what was in them.
    Where a parcel left meanwhile, a person is told. One statement where nobody asked for any."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH asked AS (
                SELECT h.id,
                    h.left_at IS NULL AND h.state = '{ShipmentState.WAYBILL_ISSUED}' AND w.is_current AS is_here
                FROM logistics_waybillerrand e
                JOIN logistics_shipment m ON m.id = e.shipment_id AND m.waybill_number = e.waybill
                JOIN logistics_shipment h
                  ON h.id = m.id OR (h.mother_id = m.id AND h.connection_id = m.connection_id)
                JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
                WHERE e.id = ANY(%s::bigint[]) AND e.asked_by <> '' AND h.state <> '{ShipmentState.CANCELLED}'
                ORDER BY h.id FOR NO KEY UPDATE OF h
            ), ended AS (
                UPDATE logistics_shipment h SET state = '{ShipmentState.CANCELLED}', ready_at = NULL
                FROM asked a WHERE h.id = a.id AND a.is_here RETURNING h.id, h.warehouse_order_id
            )
            SELECT a.id, e.warehouse_order_id FROM asked a LEFT JOIN ended e ON e.id = a.id ORDER BY a.id
            """,
            [array(errand_ids)],
        )
        rows = cursor.fetchall()
    ended = [key for key, work in rows if work is not None]
    following.end(ended)
    planning.plan_parcels(ended)
    intending.intend_again(ended)
    intending.intend(sorted({work for _key, work in rows if work is not None}))
    gone = Shipment.objects.select_related("sub_order", "carrier").filter(
        pk__in=[key for key, work in rows if work is None]
    )
    troubles = [
        tickets.Trouble(
            row.pk,
            "",
            {"number": row.number, "waybill": row.waybill_number, "carrier": row.carrier.name if row.carrier else "–"},
            about_id=row.sub_order.order_id,
        )
        for row in gone.order_by("pk")
    ]
    tickets.open_tickets(WAYBILL_VOIDED, troubles, opened_by=opened_by)
