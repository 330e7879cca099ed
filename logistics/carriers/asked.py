"""Parcels with waybills as adapters are asked about them: read in one statement."""

from collections.abc import Collection, Mapping

from django.db import connection

from logistics.carriers.adapters import Booked
from logistics.models import Direction
from oms.common.copying import array

# The last four digits of the sender's phone, or where it is unknown of the recipient's, as SQL; the way back is sent by
# who was the recipient.
_TAIL = f"""right(regexp_replace(CASE WHEN h.direction = '{Direction.RETURN}' THEN o.recipient_phone
    ELSE coalesce(nullif(i.contact_phone, ''), o.recipient_phone) END, '[^0-9]', '', 'g'), 4)"""


def booked(shipment_ids: Collection[int]) -> Mapping[int, Booked]:
    """Parcels (ids) under the waybills that they have now."""
    return _read(
        "SELECT h.id, h.id AS shipment_id, h.number AS reference, h.carrier_id, h.waybill_number AS waybill"
        " FROM logistics_shipment h WHERE h.id = ANY(%s::bigint[])",
        shipment_ids,
    )


def of_errands(errand_ids: Collection[int]) -> Mapping[int, Booked]:
    """Waybills as errands (ids) name them; of several with one number only the first, as answers name the number."""
    found = _read(
        "SELECT DISTINCT ON (e.reference) e.id, e.shipment_id, e.reference, e.carrier_id, e.waybill"
        " FROM logistics_waybillerrand e WHERE e.id = ANY(%s::bigint[]) ORDER BY e.reference, e.id",
        errand_ids,
    )
    return found


def _read(source: str, keys: Collection[int]) -> dict[int, Booked]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT x.id, x.reference, c.code, x.waybill, coalesce({_TAIL}, '')
            FROM ({source}) AS x JOIN logistics_shipment h ON h.id = x.shipment_id
            JOIN logistics_carrier c ON c.id = x.carrier_id
            JOIN orders_suborder s ON s.id = h.sub_order_id JOIN orders_order o ON o.id = s.order_id
            LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
            LEFT JOIN inventory_warehouse i ON i.id = coalesce(w.warehouse_id, s.warehouse_id)
            WHERE x.waybill IS NOT NULL ORDER BY x.id
            """,
            [array(keys)],
        )
        return {key: Booked(*rest) for key, *rest in cursor.fetchall()}
