"""What is late in the carriers' hands, by carrier and lane (province to province)."""

from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from logistics.models import LogisticsAlert
from logistics.watching.grouping import IN_THE_CARRIERS_HANDS
from oms.common.states import listed


@dataclass(frozen=True, slots=True)
class LateLane:
    """Open alerts on parcels of one carrier on one lane; `lane` is `33-11`, the names are those of the provinces."""

    carrier_id: int
    carrier: str
    lane: str
    origin: str
    destination: str
    count: int
    gravest: int


def late_lanes(most: int) -> list[LateLane]:
    """Carriers' lanes with open alerts, those with the most first; at most `most`. One statement over open alerts."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT t.carrier_id, c.name, t.origin || '-' || t.destination,
                (SELECT province FROM inventory_region WHERE code >= t.origin AND code < t.origin || '~' LIMIT 1),
                (SELECT province FROM inventory_region
                 WHERE code >= t.destination AND code < t.destination || '~' LIMIT 1), t.count, t.gravest
            FROM (
                SELECT h.carrier_id, left(w.region_id, 2) AS origin, left(o.region_id, 2) AS destination,
                    count(*), max(a.level) AS gravest
                FROM logistics_logisticsalert a JOIN logistics_shipment h ON h.id = a.shipment_id
                JOIN logistics_warehouseorder x ON x.id = h.warehouse_order_id
                JOIN inventory_warehouse w ON w.id = x.warehouse_id
                JOIN orders_suborder s ON s.id = a.sub_order_id JOIN orders_order o ON o.id = s.order_id
                WHERE a.closed_at IS NULL AND a.kind IN ({listed(IN_THE_CARRIERS_HANDS)})
                  AND h.carrier_id IS NOT NULL AND o.region_id IS NOT NULL
                GROUP BY 1, 2, 3 ORDER BY count(*) DESC, 1, 2, 3 LIMIT %s
            ) AS t JOIN logistics_carrier c ON c.id = t.carrier_id
            ORDER BY t.count DESC, t.carrier_id, t.origin, t.destination
            """,
            [most],
        )
        return [LateLane(*row) for row in cursor.fetchall()]


def on_lane(alerts: QuerySet[LogisticsAlert], lane: str) -> QuerySet[LogisticsAlert]:
    """Alerts on parcels in the carriers' hands between two provinces, by the first digits of their codes (33-11)."""
    origin, _, destination = lane.partition("-")
    return alerts.filter(
        kind__in=IN_THE_CARRIERS_HANDS,
        shipment__warehouse_order__warehouse__region__code__startswith=origin,
        sub_order__order__region__code__startswith=destination,
    )
