"""Taking room of days and slots, and giving it back. The only writer of buckets and takes.

A demand takes one place of a kind (day or appointment) at a time; asking again for what it has is harmless. Buckets are
locked in the order (day, warehouse, slot), after stock: who finds a day full goes on to a later one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection, transaction
from django.db.models import F, Q

from inventory.models import CapacityBucket, CapacityDemand
from oms.common.copying import array, text_array
from oms.common.transactions import require_transaction


@dataclass(frozen=True, slots=True)
class Room:
    """The room of a warehouse on a day, or of one slot of it. `capacity` counts where nobody has taken of it yet."""

    warehouse_id: int
    day: date
    capacity: int
    slot_id: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place that a demand wants. Of a room without limit (capacity 0) everybody gets one, and nothing is written."""

    demand_id: int
    room: Room


@transaction.atomic
def take(places: Sequence[Place], *, kind: CapacityDemand) -> set[int]:
    """Give places to as many demands as there is room for, in their order; returns the demands that have one now.

    One that has a place of the same kind already keeps it, and is among them only if it is the one that it wants.
    """
    without_limit = {place.demand_id for place in places if place.room.slot_id is None and not place.room.capacity}
    limited = [place for place in places if place.demand_id not in without_limit]
    if not limited:
        return without_limit
    rooms = _lock({place.room for place in limited})
    have = _have(limited, kind)
    granted, taken, new = set(without_limit), Counter[int](), []
    for place in limited:
        bucket, left = rooms[_key(place.room)]
        had = have.get((place.demand_id, place.room.slot_id is not None))
        if had is None and left - taken[bucket] > 0:
            taken[bucket] += 1
            new.append((bucket, place))
        elif had == bucket:
            granted.add(place.demand_id)
    return granted | _write(new, kind)


_Key = tuple[int, date, int | None]


def _key(room: Room) -> _Key:
    return room.warehouse_id, room.day, room.slot_id


def _lock(rooms: set[Room]) -> dict[_Key, tuple[int, int]]:
    """The id and what is left of each room, locked; written where there was none."""
    require_transaction("_lock")
    by_key = {_key(room): room for room in rooms}
    ordered = sorted(by_key.values(), key=lambda room: (room.day, room.warehouse_id, room.slot_id or 0))
    values = [
        array(room.warehouse_id for room in ordered),
        text_array(room.day.isoformat() for room in ordered),
        array(room.slot_id or 0 for room in ordered),
        array(room.capacity for room in ordered),
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inventory_capacitybucket (warehouse_id, day, slot_id, capacity)
            SELECT warehouse_id, day::date, nullif(slot_id, 0), capacity
            FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::int[]) AS r(warehouse_id, day, slot_id, capacity)
            ON CONFLICT DO NOTHING
            """,
            values,
        )
        cursor.execute(
            """
            SELECT b.warehouse_id, b.day, b.slot_id, b.id, b.capacity - b.taken FROM inventory_capacitybucket b
            WHERE (b.warehouse_id, b.day, coalesce(b.slot_id, 0)) IN (
                SELECT warehouse_id, day::date, slot_id
                FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS r(warehouse_id, day, slot_id))
            ORDER BY b.day, b.warehouse_id, coalesce(b.slot_id, 0) FOR NO KEY UPDATE
            """,
            values[:3],
        )
        return {(warehouse, day, slot): (key, left) for warehouse, day, slot, key, left in cursor.fetchall()}


def _have(places: Sequence[Place], kind: CapacityDemand) -> dict[tuple[int, bool], int]:
    """The bucket of each place that the demands have, by demand and whether it is an appointment."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT demand_id, is_appointment, bucket_id FROM inventory_capacitytake
            WHERE demand_id = ANY(%s::bigint[]) AND demand_kind = %s AND given_back_at IS NULL
            """,
            [array({place.demand_id for place in places}), kind],
        )
        return {(demand, is_appointment): bucket for demand, is_appointment, bucket in cursor.fetchall()}


def _write(new: Sequence[tuple[int, Place]], kind: CapacityDemand) -> set[int]:
    """Write the takes and count them; a demand that somebody else served meanwhile is not among those returned."""
    if not new:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inventory_capacitytake (bucket_id, is_appointment, demand_kind, demand_id)
            SELECT bucket_id, is_appointment, %s, demand_id
            FROM unnest(%s::bigint[], %s::boolean[], %s::bigint[]) AS t(bucket_id, is_appointment, demand_id)
            ON CONFLICT DO NOTHING RETURNING demand_id, bucket_id
            """,
            [
                kind,
                array(bucket for bucket, _place in new),
                text_array(str(place.room.slot_id is not None) for _bucket, place in new),
                array(place.demand_id for _bucket, place in new),
            ],
        )
        written = cursor.fetchall()
    _count(Counter(bucket for _demand, bucket in written))
    return {demand for demand, _bucket in written}


def _count(changes: Counter[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inventory_capacitybucket b SET taken = b.taken + c.units
            FROM unnest(%s::bigint[], %s::int[]) AS c(id, units) WHERE b.id = c.id
            """,
            [array(changes), array(changes.values())],
        )


@transaction.atomic
def give_back(demand_ids: Iterable[int], *, kind: CapacityDemand, appointments_only: bool = False) -> int:
    """Give back what the demands have; returns how many places. Doing it again gives nothing."""
    ids = array(demand_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM inventory_capacitybucket WHERE id IN (
                SELECT bucket_id FROM inventory_capacitytake
                WHERE demand_id = ANY(%s::bigint[]) AND demand_kind = %s AND given_back_at IS NULL
                    AND (is_appointment OR NOT %s))
            ORDER BY day, warehouse_id, coalesce(slot_id, 0) FOR NO KEY UPDATE
            """,
            [ids, kind, appointments_only],
        )
        cursor.execute(
            """
            UPDATE inventory_capacitytake SET given_back_at = now()
            WHERE demand_id = ANY(%s::bigint[]) AND demand_kind = %s AND given_back_at IS NULL
                AND (is_appointment OR NOT %s)
            RETURNING bucket_id
            """,
            [ids, kind, appointments_only],
        )
        freed = Counter(bucket for (bucket,) in cursor.fetchall())
    if freed:
        _count(Counter({bucket: -units for bucket, units in freed.items()}))
    return freed.total()


@transaction.atomic
def change(place: Place, *, kind: CapacityDemand) -> bool:
    """Give the demand another appointment in place of its own; False, and it keeps that, where there is no room."""
    mark = transaction.savepoint()
    give_back([place.demand_id], kind=kind, appointments_only=True)
    if take([place], kind=kind):
        transaction.savepoint_commit(mark)
        return True
    transaction.savepoint_rollback(mark)
    return False


def left(rooms: Iterable[Room]) -> dict[_Key, int]:
    """How many places each room has left, read without a lock."""
    wanted = {_key(room): room for room in rooms}
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT b.warehouse_id, b.day, b.slot_id, b.capacity - b.taken FROM inventory_capacitybucket b
            WHERE (b.warehouse_id, b.day, coalesce(b.slot_id, 0)) IN (
                SELECT warehouse_id, day::date, slot_id
                FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS r(warehouse_id, day, slot_id))
            """,
            [
                array(key[0] for key in wanted),
                text_array(key[1].isoformat() for key in wanted),
                array(key[2] or 0 for key in wanted),
            ],
        )
        known = {(warehouse, day, slot): units for warehouse, day, slot, units in cursor.fetchall()}
    return {key: known.get(key, room.capacity) for key, room in wanted.items()}


def full_days(warehouse_ids: Iterable[int], since: date) -> dict[int, frozenset[date]]:
    """The days from `since` on of which all room is taken, by warehouse; those without one are left out."""
    found: dict[int, set[date]] = {}
    # Where there is no limit any more, what was once taken fills no day; that there is no room at all, staff say.
    rows = CapacityBucket.objects.filter(
        Q(warehouse__daily_capacity__gt=0) | Q(capacity=0),
        warehouse__in=list(warehouse_ids),
        slot=None,
        day__gte=since,
        taken__gte=F("capacity"),
    )
    for warehouse_id, day in rows.order_by().values_list("warehouse_id", "day"):
        found.setdefault(warehouse_id, set()).add(day)
    return {warehouse_id: frozenset(days) for warehouse_id, days in found.items()}
