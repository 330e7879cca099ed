"""Deadlines learned from past scans: how long nearly all parcels of a carrier and lane took for each step lately.

Where time runs faster (`TIME_SPEED`), the hours are those of that time. What was learned stands beside the table of the
staff and counts within its bounds (see `logistics.watching.limits`).
"""

from django.conf import settings
from django.db import connection, transaction

from logistics.models import AlertKind, Direction, ShipmentState, WaitingPlace

LEAST_PARCELS = 30
LOOKS_BACK_DAYS = 60
PERCENTILE = 0.95
_K, _S = AlertKind, ShipmentState


@transaction.atomic
def learn() -> int:
    """Learn all lanes anew from the scans of the last days; lanes that had too few parcels are forgotten. Returns how
    many deadlines are known. A few statements, of which one reads the scans once."""
    with connection.cursor() as cursor:
        # Sorted in memory: the scans of two months are a hundred megabytes.
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute(
            f"""
            WITH scan AS (
                SELECT shipment_id, state, stop, occurred_at AS at,
                    lead(state) OVER parcel AS next_state, lead(occurred_at) OVER parcel AS next_at
                FROM logistics_trackingevent
                WHERE occurred_at >= now() - make_interval(days => {LOOKS_BACK_DAYS})
                WINDOW parcel AS (PARTITION BY shipment_id ORDER BY occurred_at, id)
            ), times AS (
                SELECT shipment_id,
                    min(at) FILTER (WHERE state = '{_S.COLLECTED}') AS collected,
                    min(next_at - at) FILTER (
                        WHERE state = '{_S.COLLECTED}' AND next_state <> '{_S.COLLECTED}') AS departed,
                    max(next_at - at) FILTER (WHERE state = '{_S.IN_TRANSIT}') AS stood,
                    min(at) FILTER (WHERE stop = '{WaitingPlace.BRANCH}') AS arrived,
                    min(at) FILTER (WHERE state = '{_S.OUT_FOR_DELIVERY}') AS out,
                    min(next_at - at) FILTER (
                        WHERE state = '{_S.OUT_FOR_DELIVERY}' AND next_state = '{_S.SIGNED}') AS brought,
                    min(at) FILTER (WHERE state = '{_S.SIGNED}') AS signed
                FROM scan GROUP BY shipment_id
            ), took AS (
                SELECT c.code AS carrier, left(i.region_id, 2) AS origin, left(o.region_id, 2) AS destination,
                    step.kind, extract(epoch FROM step.took) / 3600 * %s AS hours
                FROM times t JOIN logistics_shipment h ON h.id = t.shipment_id AND h.direction = '{Direction.OUT}'
                JOIN logistics_carrier c ON c.id = h.carrier_id
                JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
                JOIN inventory_warehouse i ON i.id = w.warehouse_id
                JOIN orders_suborder s ON s.id = h.sub_order_id JOIN orders_order o ON o.id = s.order_id
                CROSS JOIN LATERAL (VALUES
                    ('{_K.PICKUP_TIMEOUT}', t.collected - h.left_at),
                    ('{_K.DEPART_TIMEOUT}', t.departed),
                    ('{_K.STALLED}', t.stood),
                    ('{_K.ARRIVED_NOT_OUT}', t.out - t.arrived),
                    ('{_K.DELIVERY_TIMEOUT}', t.brought),
                    ('{_K.SIGN_TIMEOUT}', t.signed - h.left_at)
                ) AS step(kind, took)
                WHERE step.took >= interval '0' AND o.region_id IS NOT NULL
            )
            INSERT INTO logistics_learneddeadline AS known
                (kind, carrier, origin, destination, hours, parcels, learned_at)
            SELECT kind, carrier, origin, destination,
                percentile_cont({PERCENTILE}) WITHIN GROUP (ORDER BY hours), count(*), now()
            FROM took GROUP BY kind, carrier, origin, destination HAVING count(*) >= {LEAST_PARCELS}
            ON CONFLICT (carrier, origin, destination, kind) DO UPDATE
                SET hours = excluded.hours, parcels = excluded.parcels, learned_at = excluded.learned_at
            """,
            [settings.TIME_SPEED],
        )
        learned = cursor.rowcount
        cursor.execute("DELETE FROM logistics_learneddeadline WHERE learned_at < now()")
    return learned
