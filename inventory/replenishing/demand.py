"""The demand of days by place: written once a day is gathered (`orders.stock.demand`), read by forecasts and pages."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone

from inventory.models import DailyDemand
from inventory.replenishing.forecasting import WINDOW_DAYS
from inventory.sourcing.routes import Routes
from oms.common.copying import array, copy_rows
from oms.common.zones import CHINA

# A warehouse and a SKU, by their ids.
Place = tuple[int, int]

# Held by who writes days, so that two at once do not write the same one.
_WRITING = 0x64656D64


@dataclass(frozen=True, slots=True)
class Wanted:
    """Units of a SKU that orders of a region want, and what became of them: the warehouse that sends them (None: none
    does yet), and whether the buyer had to wait for stock."""

    day: date
    sku_id: int
    merchant_id: int
    storage_class: str
    region_code: str | None
    units: int
    sender_id: int | None = None
    had_to_wait: bool = False


def today() -> date:
    """The day that it is in China."""
    return timezone.localdate(timezone=CHINA)


def home_of(routes: Routes, merchant_id: int, storage_class: str, region_code: str | None) -> int | None:
    """The warehouse (id) from which goods should go to the region, prepared before: the nearest that serves its
    province, else the nearest at all; None where nobody keeps such goods."""
    candidates = routes.candidates(merchant_id, storage_class, region_code)
    province = routes.province(region_code)
    for one in candidates:
        serves = routes.standings[one.warehouse_id].serves
        if not serves or province in serves:
            return one.warehouse_id
    return candidates[0].warehouse_id if candidates else None


def at_home(routes: Routes, wanted: Iterable[Wanted]) -> dict[tuple[date, Place], tuple[int, int]]:
    """Units wanted by day and place, and how many of them the place sent without letting anybody wait."""
    units: dict[tuple[date, Place], int] = defaultdict(int)
    filled: dict[tuple[date, Place], int] = defaultdict(int)
    for one in wanted:
        home = home_of(routes, one.merchant_id, one.storage_class, one.region_code)
        if home is None:
            continue
        key = (one.day, (home, one.sku_id))
        units[key] += one.units
        if one.sender_id == home and not one.had_to_wait:
            filled[key] += one.units
    return {key: (count, filled[key]) for key, count in units.items()}


@transaction.atomic
def keep(days: Collection[date], routes: Routes, wanted: Iterable[Wanted]) -> int:
    """Write the demand of the days anew, and forget what lies too far back to matter; returns how many rows."""
    found = at_home(routes, wanted)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_WRITING])
    DailyDemand.objects.filter(day__in=days).delete()
    DailyDemand.objects.filter(day__lt=today() - timedelta(days=WINDOW_DAYS + 7)).delete()
    columns = ("warehouse_id", "sku_id", "day", "units", "filled")
    rows = [(*place, day, units, filled) for (day, place), (units, filled) in found.items() if day in days]
    copy_rows(DailyDemand._meta.db_table, columns, rows)
    return len(rows)


def days_known(until: date) -> int:
    """How many whole days before `until` demand was gathered for, at most as many as forecasts look back."""
    first = DailyDemand.objects.aggregate(first=Min("day"))["first"]
    return 0 if first is None else max(0, min((until - first).days, WINDOW_DAYS))


def history(places: Collection[Place], until: date) -> dict[Place, dict[int, int]]:
    """Units by how many days before `until` (1: the day before), for the places that had any demand. One statement."""
    ordered: Sequence[Place] = sorted(set(places))
    if not ordered:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT d.warehouse_id, d.sku_id, array_agg(%(until)s::date - d.day), array_agg(d.units)
            FROM unnest(%(warehouses)s::bigint[], %(skus)s::bigint[]) AS place(warehouse_id, sku_id)
            JOIN inventory_dailydemand d USING (warehouse_id, sku_id)
            WHERE d.day < %(until)s AND d.day >= %(until)s::date - %(days)s
            GROUP BY d.warehouse_id, d.sku_id
            """,
            {
                "until": until,
                "days": WINDOW_DAYS,
                "warehouses": array(warehouse for warehouse, _sku in ordered),
                "skus": array(sku for _warehouse, sku in ordered),
            },
        )
        return {(w, s): dict(zip(ages, units, strict=True)) for w, s, ages, units in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Service:
    """Units wanted of a place, and how many of them it sent at once."""

    units: int
    filled: int

    @property
    def share(self) -> float | None:
        """The measured fill rate, from 0 to 1; None where nothing was wanted."""
        return self.filled / self.units if self.units else None


SERVICE_DAYS = 28


def service(places: Collection[Place]) -> Mapping[Place, Service]:
    """What was measured over the last SERVICE_DAYS whole days, for the places that had any demand. One statement."""
    ordered: Sequence[Place] = sorted(set(places))
    if not ordered:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT d.warehouse_id, d.sku_id, sum(d.units)::bigint, sum(d.filled)::bigint
            FROM unnest(%(warehouses)s::bigint[], %(skus)s::bigint[]) AS place(warehouse_id, sku_id)
            JOIN inventory_dailydemand d USING (warehouse_id, sku_id)
            WHERE d.day < %(today)s AND d.day >= %(today)s::date - %(days)s
            GROUP BY d.warehouse_id, d.sku_id
            """,
            {
                "today": today(),
                "days": SERVICE_DAYS,
                "warehouses": array(warehouse for warehouse, _sku in ordered),
                "skus": array(sku for _warehouse, sku in ordered),
            },
        )
        return {(w, s): Service(units, filled) for w, s, units, filled in cursor.fetchall()}
