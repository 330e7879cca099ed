"""Carriers that orders wish for, and parcels that go by another one all the same."""

from collections.abc import Sequence

from django.db import connection

from logistics import kinds
from logistics.models import Carrier
from oms.common.copying import array
from orders.intake.terms import KnownCarrier
from orders.models import ActorKind
from orders.models.terms import UnmetWish


def directory() -> list[KnownCarrier]:
    """The carriers by their priority; active are those that waybills can be bought from."""
    rows = Carrier.objects.order_by("priority", "code")
    return [
        KnownCarrier(row.code, row.name, row.carrier_class, row.is_active and row.connection_id is not None)
        for row in rows
    ]


def note_unmet(shipment_ids: Sequence[int], why: UnmetWish) -> None:
    """Of parcels whose carrier is not the one that their order wishes for: keep and tell why, once an order. One
    statement."""
    if not shipment_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH unmet AS (
                UPDATE orders_orderterms t SET carrier_unmet = %(why)s
                FROM (
                    SELECT DISTINCT ON (s.order_id) s.order_id, s.id AS sub_order_id, s.number, c.code
                    FROM logistics_shipment h JOIN logistics_carrier c ON c.id = h.carrier_id
                    JOIN orders_suborder s ON s.id = h.sub_order_id
                    JOIN orders_orderterms w ON w.order_id = s.order_id
                    WHERE h.id = ANY(%(ids)s::bigint[])
                      AND (w.carrier NOT IN ('', c.code) OR w.carrier_class NOT IN ('', c.carrier_class))
                    ORDER BY s.order_id, h.id
                ) AS p
                WHERE t.order_id = p.order_id AND t.carrier_unmet = ''
                RETURNING p.order_id, p.sub_order_id, p.number, p.code, t.carrier, t.carrier_class
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT order_id, sub_order_id, '{kinds.CARRIER_WISH_UNMET}', '{ActorKind.JOB}', 'dispatch',
                jsonb_build_object('number', number, 'wished', coalesce(nullif(carrier, ''), carrier_class),
                    'carrier', code, 'why', %(why)s::text)
            FROM unmet
            """,
            {"ids": array(shipment_ids), "why": why.value},
        )
