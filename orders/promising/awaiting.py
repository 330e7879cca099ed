"""What backordered sub-orders are told while their goods are on order: the day, kept with a number; where it moves, the
next one is made and told.

Goods on order go to who waits longest, at any warehouse that may send them, from what comes first.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import connection, transaction
from django.utils import timezone

from inventory import incoming
from inventory.promising import offering, tables
from inventory.promising.expecting import LONGEST_WAIT, ready_at
from inventory.promising.freight import Measures
from inventory.promising.offering import Carriage, Parcel
from oms.common.copying import array, copy_rows
from oms.common.zones import CHINA
from orders import kinds
from orders.actors import job
from orders.intake.terms import carriers_in_use
from orders.models import GoodsPromise, SubOrder, SubOrderState
from orders.promising.measuring import SIZE
from orders.telling import timeline

NAME = "promise_goods"
_ACTOR = job(NAME)
# Of two that run at once the second one has nothing to do.
_LOCK = 0x600D5


@dataclass(frozen=True, slots=True)
class Coming:
    """When all that a sub-order lacks should be there, and at which warehouse the last of it comes in."""

    day: date
    warehouse_id: int


@dataclass(slots=True)
class _Arrival:
    day: date
    warehouse_id: int
    units: int


@dataclass(slots=True)
class _Lack:
    """What a sub-order lacks: units by SKU (id), and the warehouses (ids) that may send them."""

    units: dict[int, int] = field(default_factory=dict)
    places: set[int] = field(default_factory=set)


@transaction.atomic
def run() -> int:
    """Say anew to each that waits when its goods should come; returns to how many something else is said than before.
    A handful of statements, and a row for each change."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
    now = coming(_lacking())
    stand = {
        one.sub_order_id: Coming(one.expected_on, one.warehouse_id)
        for one in GoodsPromise.objects.filter(ended_at__isnull=True)
    }
    changed = {key for key in now.keys() | stand.keys() if now.get(key) != stand.get(key)}
    if not changed:
        return 0
    waiting = _waiting(changed)
    GoodsPromise.objects.filter(sub_order__in=changed, ended_at__isnull=True).update(ended_at=timezone.now())
    _write({key: now[key] for key in sorted(waiting & now.keys())})
    for key in sorted(waiting):
        _tell(key, now.get(key), stand.get(key))
    return len(waiting)


def _tell(sub_order_id: int, now: Coming | None, before: Coming | None) -> None:
    """Tell the day, or that it is another one; empty: nobody knows it any more."""
    if before is None and now is not None:
        timeline.record_of_sub_orders([sub_order_id], kinds.GOODS_EXPECTED, _ACTOR, day=str(now.day))
    elif before is not None and (now is None or now.day != before.day):
        day = str(now.day) if now else ""
        timeline.record_of_sub_orders([sub_order_id], kinds.GOODS_DAY_MOVED, _ACTOR, day=day, before=str(before.day))


def coming(lacking: Mapping[int, _Lack]) -> dict[int, Coming]:
    """When all comes that these sub-orders lack, who waits longest first; nothing of those of whose goods something is
    not on order, or comes on a day that nobody knows or that is over."""
    arrivals = _arrivals(lacking.values())
    found = {}
    for key, lack in lacking.items():
        last = [_take(arrivals[sku], units, lack.places) for sku, units in lack.units.items()]
        if all(last):
            found[key] = max((one for one in last if one), key=lambda one: (one.day, one.warehouse_id))
    return found


def _arrivals(lacks: Iterable[_Lack]) -> dict[int, list[_Arrival]]:
    places: set[int] = set()
    skus: set[int] = set()
    for lack in lacks:
        places |= lack.places
        skus |= lack.units.keys()
    today = timezone.now().astimezone(CHINA).date()
    found: dict[int, list[_Arrival]] = defaultdict(list)
    for one in incoming.expected(places, skus):
        if one.expected_on is not None and today <= one.expected_on <= today + LONGEST_WAIT:
            found[one.sku_id].append(_Arrival(one.expected_on, one.warehouse_id, one.units))
    return found


def _take(arrivals: Sequence[_Arrival], units: int, places: Collection[int]) -> Coming | None:
    """Take the units from what comes first; when the last of them comes, if all do."""
    for one in arrivals:
        if one.warehouse_id in places and one.units:
            taken = min(units, one.units)
            one.units -= taken
            units -= taken
            if not units:
                return Coming(one.day, one.warehouse_id)
    return None


def _lacking() -> dict[int, _Lack]:
    """What backordered sub-orders (by id) lack, who waits longest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sub_order_id, sku_id, warehouse_id, units FROM orders_stockwait ORDER BY since, 1, 2, 3")
        found: dict[int, _Lack] = defaultdict(_Lack)
        for sub_order, sku, warehouse, units in cursor.fetchall():
            found[sub_order].units[sku] = units
            found[sub_order].places.add(warehouse)
    return dict(found)


def _waiting(ids: Collection[int]) -> set[int]:
    """Those of the sub-orders that are backordered, which stay so until the transaction ends."""
    found = SubOrder.objects.filter(pk__in=ids, state=SubOrderState.BACKORDERED).order_by("pk")
    return set(found.select_for_update(no_key=True).values_list("pk", flat=True))


def _write(said: Mapping[int, Coming]) -> None:
    if not said:
        return
    by = _deliver_by(said)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sub_order_id, max(number) FROM orders_goodspromise"
            " WHERE sub_order_id = ANY(%s::bigint[]) GROUP BY 1",
            [array(said)],
        )
        numbers = dict(cursor.fetchall())
    copy_rows(
        "orders_goodspromise",
        ("sub_order_id", "number", "expected_on", "warehouse_id", "deliver_by"),
        [(key, numbers.get(key, 0) + 1, one.day, one.warehouse_id, by.get(key)) for key, one in said.items()],
    )


def _deliver_by(said: Mapping[int, Coming]) -> dict[int, datetime]:
    """By when the buyer has what comes then, as far as a level is sold that goes there."""
    known = tables.current()
    if not known.levels:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.storage_class, s.weight_g, o.region_id, o.promise, size.volume_cm3, size.longest_side_cm
            FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
            {SIZE}
            WHERE s.id = ANY(%s::bigint[]) AND o.region_id IS NOT NULL
            """,
            [array(said)],
        )
        rows = cursor.fetchall()
    found, carriers = {}, carriers_in_use()
    for key, storage_class, weight_g, region, wish, volume_cm3, side_cm in rows:
        ready = ready_at(said[key].day)
        parcel = Parcel(said[key].warehouse_id, storage_class, Measures(weight_g, volume_cm3, side_cm), ready_at=ready)
        way = offering.earliest(known, parcel, region, ready, wish, carriers)
        if isinstance(way, Carriage):
            found[key] = way.arrival.latest_at
    return found
