"""How many hours each step of a sub-order took, from review to signature: median, 95 of 100, and day by day.

A sub-order counts on the day (China's) on which it was made, for each step of which both ends are known; what
contradicts itself (ended before it began) is left out. Waits of people are in: it is how long buyers waited.
Where time runs faster (`TIME_SPEED`), the hours are those of that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _

from logistics.models import Direction
from oms.common.desk.counting import first_id_since
from oms.common.zones import CHINA
from oms.merchants import sandboxes
from orders.models import SubOrder

MOST_DAYS = 92
_MOST = 0.95


class Step(StrEnum):
    """A part of the way."""

    REVIEW = "review"
    SPLIT = "split"
    ALLOCATE = "allocate"
    RELEASE = "release"
    PACK = "pack"
    SHIP = "ship"
    COLLECT = "collect"
    DELIVER = "deliver"
    ALL = "whole"


STEPS: Mapping[Step, Any] = {
    Step.REVIEW: _("Review"),
    Step.SPLIT: _("Until split"),
    Step.ALLOCATE: _("Until goods are found"),
    Step.RELEASE: _("Until sent to the warehouse"),
    Step.PACK: _("Until packed"),
    Step.SHIP: _("Until shipped"),
    Step.COLLECT: _("Until picked up"),
    Step.DELIVER: _("Until signed for"),
    Step.ALL: _("In all"),
}
# From when until when, as SQL on sub-orders `s`, their orders `o` and their first parcel `h`.
_BEGIN = "coalesce(o.collected_at, o.paid_at, o.created_at)"
_SPANS: Mapping[Step, tuple[str, str]] = {
    Step.REVIEW: (_BEGIN, "o.reviewed_at"),
    Step.SPLIT: ("o.reviewed_at", "o.split_at"),
    Step.ALLOCATE: ("o.split_at", "s.allocated_at"),
    Step.RELEASE: ("s.allocated_at", "s.released_at"),
    Step.PACK: ("s.released_at", "s.packed_at"),
    Step.SHIP: ("s.packed_at", "s.shipped_at"),
    # Carriers may scan a parcel before its warehouse says that it left.
    Step.COLLECT: ("s.packed_at", "h.collected_at"),
    Step.DELIVER: ("h.collected_at", "s.delivered_at"),
    Step.ALL: (_BEGIN, "s.delivered_at"),
}


class By(StrEnum):
    """What hours are told apart by."""

    WAREHOUSE = "warehouse"
    MERCHANT = "merchant"
    CHANNEL = "channel"
    CARRIER = "carrier"


TITLES: Mapping[By, Any] = {
    By.WAREHOUSE: _("Warehouse"),
    By.MERCHANT: _("Merchant"),
    By.CHANNEL: _("Channel"),
    By.CARRIER: _("Carrier"),
}
# The SQL of whose they are.
_KEYS: Mapping[By, str] = {
    By.WAREHOUSE: "s.warehouse_id",
    By.MERCHANT: "s.merchant_id",
    By.CHANNEL: "o.channel_id",
    By.CARRIER: "h.carrier_id",
}


@dataclass(frozen=True, slots=True)
class Span:
    """How long a step took of so many sub-orders: half of them at most `median` hours, 95 of 100 at most `most`; None
    where nothing is known."""

    count: int
    median: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sub-orders: made on these days (both included), of these warehouses, merchants …, by id."""

    since: date
    until: date
    only: Mapping[By, int]


def by(group: By, wanted: Wanted) -> list[tuple[int | None, int, dict[Step, Span]]]:
    """For each of the group its id (None: of nobody), how many sub-orders there are, and the hours of each step; the
    most sub-orders first. Two statements."""
    spans = ", ".join(f"count({step}), {_percentiles(step)}" for step in Step)
    rows = _read(f"SELECT {group} AS key, count(*), {spans} FROM hours GROUP BY 1 ORDER BY 2 DESC, 1", wanted)
    return [(key, count, _spans(rest)) for key, count, *rest in rows]


def in_all(wanted: Wanted) -> tuple[int, dict[Step, Span]]:
    """How many sub-orders, and the hours of each step, of all of them. Two statements."""
    spans = ", ".join(f"count({step}), {_percentiles(step)}" for step in Step)
    ((count, *rest),) = _read(f"SELECT count(*), {spans} FROM hours", wanted)
    return count, _spans(rest)


def by_day(step: Step, wanted: Wanted) -> list[tuple[date, Span]]:
    """The hours of one step of the sub-orders of each day, those days that had any. Two statements."""
    rows = _read(
        f"SELECT day, count({step}), {_percentiles(step)} FROM hours WHERE {step} IS NOT NULL GROUP BY 1 ORDER BY 1",
        wanted,
    )
    return [(day, Span(count, *found)) for day, count, found in rows]


def _percentiles(step: Step) -> str:
    return f"(percentile_cont(ARRAY[0.5, {_MOST}]) WITHIN GROUP (ORDER BY {step}))::float8[]"


def _spans(cells: list[Any]) -> dict[Step, Span]:
    return {
        step: Span(count, *(found or (None, None)))
        for step, count, found in zip(Step, cells[::2], cells[1::2], strict=True)
    }


def _read(select: str, wanted: Wanted) -> list[tuple[Any, ...]]:
    first = datetime.combine(wanted.since, time(0), CHINA)
    end = datetime.combine(wanted.until + timedelta(days=1), time(0), CHINA)
    spans = ", ".join(
        f"CASE WHEN {ended} >= {began}"
        f" THEN (extract(epoch FROM {ended} - {began}) * %(speed)s / 3600)::float8 END AS {step}"
        for step, (began, ended) in _SPANS.items()
    )
    keys = ", ".join(f"{sql} AS {name}" for name, sql in _KEYS.items())
    narrowed = "".join(f" AND {_KEYS[name]} = %({name})s" for name in wanted.only)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH hours AS (
                SELECT (s.created_at AT TIME ZONE '{CHINA}')::date AS day, {keys}, {spans}
                FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
                LEFT JOIN LATERAL (
                    SELECT p.carrier_id, p.collected_at FROM logistics_shipment p
                    WHERE p.sub_order_id = s.id AND p.direction = '{Direction.OUT}' ORDER BY p.id LIMIT 1
                ) AS h ON true
                WHERE s.id >= %(lowest)s AND s.created_at >= %(first)s AND s.created_at < %(end)s
                  AND s.merchant_id NOT IN {sandboxes.IDS}{narrowed}
            ) {select}
            """,
            {
                "lowest": first_id_since(SubOrder, "created_at", first),
                "first": first,
                "end": end,
                "speed": settings.TIME_SPEED,
                **{str(name): key for name, key in wanted.only.items()},
            },
        )
        return cursor.fetchall()
