"""How carriers keep their word: on-time rate, hours of each part of the way, promises kept, parcels lost.

Where time runs faster (`TIME_SPEED`), the hours are those of that time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from logistics.models import AlertKind, Carrier, Direction, ShipmentState
from logistics.watching import limits
from logistics.watching.limits import Lane
from orders.promising.rates import Rate, RateBy, rates

_S = ShipmentState
# Two counties of one province, to ask for the hours that count within one.
_NEAR, _FAR = ("110101", "110105"), ("110101", "330106")


@dataclass(frozen=True, slots=True)
class Hours:
    """How long a part of the way took: half of the parcels at most `median` hours, 95 of 100 at most `most` (None:
    nothing is known)."""

    median: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class CarrierReport:
    """What became of the parcels of one carrier that left in a time: counts, and the hours of each part of the way."""

    promises: Rate | None
    code: str
    name: str
    parcels: int
    signed: int
    on_time: int
    lost: int
    refused: int
    alerts: int
    pickup: Hours
    transit: Hours
    delivery: Hours
    total: Hours
    claims: int
    claims_paid: Decimal

    @property
    def on_time_percent(self) -> float | None:
        """How many of a hundred that were signed for were so in time."""
        return 100 * self.on_time / self.signed if self.signed else None

    @property
    def hit_percent(self) -> float | None:
        """How many of a hundred promises were kept."""
        return self.promises.percent if self.promises else None


def report(since: datetime, until: datetime, *, destination: str = "") -> list[CarrierReport]:
    """A row for each carrier with parcels to buyers that left from `since` until before `until`; `destination` is the
    beginning of a region's code. In time is what was signed for within the hours of `sign_timeout`. Two statements, and
    those of the deadlines."""
    promised: Mapping[str, Rate] = {rate.group: rate for rate in rates(RateBy.CARRIER, since, until)}
    spans = ", ".join(_percentiles(span) for span in _SPANS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH allowed AS (
                SELECT * FROM json_to_recordset(%(hours)s::json) AS a(id bigint, near float8, far float8)
            ), parcel AS (
                SELECT h.*, CASE WHEN left(i.region_id, 2) = left(o.region_id, 2) THEN a.near ELSE a.far END AS hours
                FROM logistics_shipment h JOIN allowed a ON a.id = h.carrier_id
                JOIN orders_suborder s ON s.id = h.sub_order_id JOIN orders_order o ON o.id = s.order_id
                LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
                LEFT JOIN inventory_warehouse i ON i.id = w.warehouse_id
                WHERE h.direction = '{Direction.OUT}' AND h.left_at >= %(since)s AND h.left_at < %(until)s
                  AND h.state <> '{_S.CANCELLED}' AND coalesce(o.region_id, '') LIKE %(area)s
            ), way AS (
                SELECT p.*, e.out_at, a.alerts, m.claims, m.claims_paid FROM parcel p
                LEFT JOIN LATERAL (
                    SELECT count(*) AS claims, coalesce(sum(paid), 0) AS claims_paid FROM logistics_parcelclaim
                    WHERE shipment_id = p.id) AS m ON true
                LEFT JOIN LATERAL (
                    SELECT min(occurred_at) AS out_at FROM logistics_trackingevent
                    WHERE shipment_id = p.id AND state = '{_S.OUT_FOR_DELIVERY}') AS e ON true
                LEFT JOIN LATERAL (
                    SELECT count(*) AS alerts FROM logistics_logisticsalert WHERE shipment_id = p.id) AS a ON true
            )
            SELECT c.code, c.name, count(*), count(signed_at),
                count(*) FILTER (WHERE signed_at <= left_at + make_interval(secs => hours * 3600 / %(speed)s)),
                count(*) FILTER (WHERE state = '{_S.LOST}'),
                count(*) FILTER (WHERE state IN ('{_S.REJECTED}', '{_S.RETURNING}', '{_S.RETURNED}')),
                sum(alerts)::bigint, sum(claims)::bigint, sum(claims_paid), {spans}
            FROM way JOIN logistics_carrier c ON c.id = way.carrier_id
            GROUP BY c.id ORDER BY count(*) DESC, c.code
            """,
            {
                "hours": _allowed(),
                "since": since,
                "until": until,
                "area": f"{destination}%",
                "speed": settings.TIME_SPEED,
            },
        )
        return [_report(promised.get(row[0]), row) for row in cursor.fetchall()]


# Parts of the way: to the pick-up, from there until a courier has it, to the door, and all of it.
_SPANS = ("collected_at - left_at", "out_at - collected_at", "signed_at - out_at", "signed_at - left_at")
_MOST = 0.95


def _percentiles(span: str) -> str:
    """The hours within which half and nearly all parcels went a part of the way; what contradicts itself is left
    out."""
    hours = f"extract(epoch FROM {span}) / 3600 * %(speed)s"
    return (
        f"(percentile_cont(ARRAY[0.5, {_MOST}]) WITHIN GROUP (ORDER BY {hours})"
        f" FILTER (WHERE {span} >= interval '0'))::float8[]"
    )


def _report(promised: Rate | None, row: Sequence[Any]) -> CarrierReport:
    *counts, claims, claims_paid = row[: -len(_SPANS)]
    hours = [Hours(*(found or (None, None))) for found in row[-len(_SPANS) :]]
    columns: list[Any] = [promised, *counts, *hours, claims, claims_paid]
    return CarrierReport(*columns)


def _allowed() -> str:
    known = limits.current()
    return json.dumps(
        [
            {
                "id": key,
                "near": known.of(AlertKind.SIGN_TIMEOUT, Lane(code, *_NEAR)).warning,
                "far": known.of(AlertKind.SIGN_TIMEOUT, Lane(code, *_FAR)).warning,
            }
            for key, code in Carrier.objects.values_list("id", "code")
        ]
    )
