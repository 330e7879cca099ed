"""Which parcels carriers have, for apps that know only waybills or sub-orders."""

from collections.abc import Collection, Sequence

from django.db import connection

from logistics.models import Direction
from oms.common.copying import array, text_array
from orders.asked.parcels import Parcel


def find(*, waybills: Collection[str], sub_order_ids: Collection[int]) -> Sequence[Parcel]:
    """See `orders.asked.parcels.Find`."""
    if not waybills and not sub_order_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT h.waybill_number, part.id, coalesce(h.connection_id, c.connection_id)
            FROM (
                SELECT id FROM logistics_shipment WHERE waybill_number = ANY(%(waybills)s::text[])
                UNION SELECT id FROM logistics_shipment WHERE sub_order_id = ANY(%(parts)s::bigint[])
                UNION SELECT x.shipment_id FROM logistics_shipmentline x
                    JOIN orders_suborderline l ON l.id = x.sub_order_line_id
                    WHERE l.sub_order_id = ANY(%(parts)s::bigint[])
            ) AS found
            JOIN logistics_shipment h USING (id) LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
            CROSS JOIN LATERAL (
                SELECT l.sub_order_id AS id FROM logistics_shipmentline x
                JOIN orders_suborderline l ON l.id = x.sub_order_line_id WHERE x.shipment_id = h.id
                UNION SELECT h.sub_order_id
                WHERE NOT EXISTS (SELECT FROM logistics_shipmentline x WHERE x.shipment_id = h.id)
            ) AS part
            WHERE h.waybill_number IS NOT NULL AND h.direction = '{Direction.OUT}' ORDER BY h.id, part.id
            """,
            {"waybills": text_array(waybills), "parts": array(sub_order_ids)},
        )
        return [Parcel(*row) for row in cursor.fetchall()]
