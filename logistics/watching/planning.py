"""What is expected next of warehouse orders and parcels, written to their rows; alerts that do not hold any more close.

Whoever changes where they are calls `plan_works` or `plan_parcels` in the same transaction. Nothing is opened here: the
watch stage looks at what is late by then (see `logistics.watching.alerts`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from logistics.models import Direction, ShipmentState, WarehouseOrderState
from logistics.models.warehouse_order import FROM_PACKING
from logistics.watching import limits as limits_of
from logistics.watching import news
from logistics.watching.limits import Lane
from logistics.watching.standing import Seen, standing
from logistics.watching.steps import Outlook, ParcelAt, Step, WorkAt, of_parcel, of_work
from oms.common.copying import array, text_array
from oms.common.states import listed

_S = ShipmentState
# Parcels of which something is expected; what is over has no outlook and costs nothing.
_OPEN = tuple(state for state in ShipmentState if state not in (_S.SIGNED, _S.RETURNED, _S.LOST, _S.CANCELLED))


@dataclass(frozen=True, slots=True)
class Watched:
    """A row that is watched: what is expected, what it belongs to, and what is late together with it."""

    id: int
    sub_order_id: int
    outlook: Outlook
    carrier_id: int | None = None
    warehouse_id: int | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A watched table, and the column of an alert that names a row of it."""

    name: str
    column: str


# By row: the levels that people were told of, by kind of alert and since when it waited.
Told = Mapping[int, Mapping[tuple[str, datetime], int]]
WORKS = Table("logistics_warehouseorder", "warehouse_order_id")
PARCELS = Table("logistics_shipment", "shipment_id")


def plan_works(work_ids: Collection[int]) -> None:
    """Write what is expected of locked warehouse orders (ids)."""
    _plan(WORKS, read_works(work_ids))


def plan_intended(works: Collection[WorkAt]) -> list[tuple[str, datetime | None]]:
    """What is expected of warehouse orders that are about to be written, and when it is looked at, in their order: of a
    new row no alert was opened, so both are written with it."""
    if not works:
        return []
    outlooks = _outlooks(works)
    return [(outlooks[work].event, _due_first(outlooks[work], work.since)) for work in works]


def plan_parcels(parcel_ids: Collection[int]) -> None:
    """Write what is expected of locked parcels (ids)."""
    _plan(PARCELS, read_parcels(parcel_ids))


def plan_parcels_of(work_ids: Collection[int]) -> None:
    """Write what is expected of the parcels of locked warehouse orders (ids)."""
    if work_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM logistics_shipment WHERE warehouse_order_id = ANY(%s::bigint[])"
                f" AND state IN ({listed([_S.CREATED, _S.WAYBILL_ISSUED])}) ORDER BY id FOR NO KEY UPDATE",
                [array(work_ids)],
            )
            plan_parcels([key for (key,) in cursor.fetchall()])


def read_works(work_ids: Collection[int]) -> list[Watched]:
    """Warehouse orders with what is expected of them. One statement, and one for the version of the deadlines."""
    if not work_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.id, w.sub_order_id, w.state, w.state_since, w.warehouse_id, s.storage_class, t.ship_by,
                w.is_current
            FROM logistics_warehouseorder w JOIN orders_suborder s ON s.id = w.sub_order_id
            LEFT JOIN orders_orderterms t ON t.order_id = s.order_id
            WHERE w.id = ANY(%s::bigint[]) ORDER BY w.id
            """,
            [array(work_ids)],
        )
        rows = cursor.fetchall()
    works = [WorkAt(WarehouseOrderState(state), *rest) for _id, _sub_order, state, *rest in rows]
    outlooks = _outlooks(works)
    return [
        Watched(key, sub_order_id, outlooks[work], warehouse_id=work.warehouse_id)
        for (key, sub_order_id, *_rest), work in zip(rows, works, strict=True)
    ]


def _outlooks(works: Collection[WorkAt]) -> Mapping[WorkAt, Outlook]:
    """Each once: what one batch made stands at few different places."""
    limits = limits_of.current()
    return {work: of_work(work, limits) for work in set(works)}


def read_parcels(parcel_ids: Collection[int]) -> list[Watched]:
    """Parcels with what is expected of them; those of returns have deadlines of their own. One statement, and one for
    the version of the deadlines."""
    if not parcel_ids:
        return []
    limits = limits_of.current()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT h.id, h.sub_order_id, h.carrier_id, w.warehouse_id, scan.times, scan.states,
                scan.stops, scan.places, h.state, coalesce(c.code, ''),
                coalesce(i.region_id, ''), coalesce(o.region_id, ''), h.created_at,
                h.left_at IS NOT NULL OR coalesce(w.state IN ({listed(FROM_PACKING)}), true), w.packed_at,
                h.waybill_issued_at, h.left_at, h.last_scan_at, t.collect_by, t.sign_by
            FROM logistics_shipment h
            JOIN orders_suborder s ON s.id = h.sub_order_id JOIN orders_order o ON o.id = s.order_id
            LEFT JOIN orders_orderterms t ON t.order_id = s.order_id
            LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
            LEFT JOIN inventory_warehouse i ON i.id = w.warehouse_id
            LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
            LEFT JOIN LATERAL (
                SELECT array_agg(e.occurred_at ORDER BY e.id) AS times, array_agg(e.state ORDER BY e.id) AS states,
                    array_agg(e.stop ORDER BY e.id) AS stops, array_agg(e.location ORDER BY e.id) AS places
                FROM logistics_trackingevent e WHERE e.shipment_id = h.id AND h.state IN ({listed(_OPEN)})
            ) AS scan ON true
            WHERE h.id = ANY(%s::bigint[]) AND h.direction <> '{Direction.RETURN}' ORDER BY h.id
            """,
            [array(parcel_ids)],
        )
        return [_parcel(row, limits) for row in cursor.fetchall()]


def _parcel(row: tuple, limits: limits_of.Limits) -> Watched:  # type: ignore[type-arg]
    key, sub_order_id, carrier_id, warehouse_id, *seen = row[:8]
    state, carrier, origin, destination, *times = row[8:]
    stands = standing(state, [Seen(*scan) for scan in zip(*(column or () for column in seen), strict=True)])
    columns: list[Any] = [ShipmentState(state), Lane(carrier, origin, destination), *times, stands]
    at = ParcelAt(*columns)
    return Watched(key, sub_order_id, of_parcel(at, limits), carrier_id, warehouse_id, stands.place)


def _plan(table: Table, rows: Collection[Watched]) -> None:
    if not rows:
        return
    told = told_of(table, rows)
    steps = {row.id: _next(row.outlook, told.get(row.id, {})) for row in rows}
    ours = {key for key, step in steps.items() if step is not None and not step.is_platforms}
    write(table, {key: step.at if step else None for key, step in steps.items()}, rows, not_before_now=ours)
    news.close(
        table.column,
        {row.id: [(step.kind.value, step.since) for step in row.outlook.steps] for row in rows},
    )


def told_of(table: Table, rows: Collection[Watched]) -> Told:
    """By row: the levels of the alerts that were opened on it, by kind and since when it waited: none of those that
    news closed, as the news may turn out wrong, and more than any of those that a person closed."""
    found: dict[int, dict[tuple[str, datetime], int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {table.column}, kind, since, CASE WHEN closed_at IS NULL THEN level"
            f" WHEN closed_by = '{news.NEWS}' THEN 0 ELSE 99 END"
            f" FROM logistics_logisticsalert WHERE {table.column} = ANY(%s::bigint[])",
            [array(row.id for row in rows)],
        )
        for key, kind, since, level in cursor.fetchall():
            found.setdefault(key, {})[kind, since] = level
    return found


def _next(outlook: Outlook, opened: Mapping[tuple[str, datetime], int]) -> Step | None:
    """The first step that was not told of yet."""
    return next((step for step in outlook.steps if opened.get((step.kind, step.since), 0) < step.level), None)


def _due_first(outlook: Outlook, now: datetime) -> datetime | None:
    step = _next(outlook, {})
    if step is None:
        return None
    return step.at if step.is_platforms else max(step.at, now)


def write(
    table: Table,
    due: Mapping[int, datetime | None],
    rows: Collection[Watched],
    *,
    not_before_now: Collection[int] = (),
) -> None:
    """Write what is expected of the rows, and when it is looked at; what is so already is left alone. Those in
    `not_before_now` (ids) are late by news of old: the watch owes them a look since now."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {table.name} r SET expected_event = n.event, next_event_due = n.due
            FROM (
                SELECT id, event, CASE WHEN is_ours THEN greatest(due, now()) ELSE due END AS due
                FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::bool[]) AS u(id, event, due, is_ours)
            ) AS n
            WHERE r.id = n.id AND (r.expected_event, r.next_event_due) IS DISTINCT FROM (n.event, n.due)
            """,
            [
                array(row.id for row in rows),
                text_array(row.outlook.event for row in rows),
                [due[row.id] for row in rows],
                array(row.id in not_before_now for row in rows),
            ],
        )
