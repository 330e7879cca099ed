"""Parcels that got their waybill, from whoever."""

from collections.abc import Sequence

from django.db import connection

from logistics import kinds
from logistics.carriers.parcels import SUB_ORDERS_OF
from oms.common.copying import array
from orders.models import ActorKind


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
