"""The release stage: allocated sub-orders get a warehouse order each, merged ones one together; the next stage sends.

A sub-order is released, and its timeline says so, in the transaction that writes the warehouse order: whatever becomes
of the worker that sends it. Where the warehouse's connection rests or is switched off, its sub-orders stay allocated,
so that they can still be changed.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from inventory.models import StorageClass, Warehouse
from logistics import kinds
from logistics.carriers import intending
from logistics.models import WarehouseOrderState
from logistics.warehouses.trouble import WAREHOUSE_REFUSED
from logistics.watching import planning
from logistics.watching.steps import WorkAt
from oms.common import outbound, tickets
from oms.common.copying import array, next_ids, text_array
from oms.common.work import clock, connections
from oms.common.work.claiming import Queue, Stage, in_one_transaction, put_off
from orders.changing import merging
from orders.fulfilling.presale import NOT_YET
from orders.models import ActorKind, SubOrder, SubOrderState
from orders.reviewing.holds import ORDER_IS_HELD

_PAID_FOR = "coalesce(o.paid_at, o.created_at)"
_RESTING = f"""
    SELECT h.id FROM inventory_warehouse h JOIN common_connection c ON c.id = h.connection_id
    WHERE NOT ({connections.CALLABLE})
"""
QUEUE = Queue(
    SubOrder,
    f"q.state = '{SubOrderState.ALLOCATED}' AND q.storage_class <> '{StorageClass.VIRTUAL}'",
    unless=f"NOT ({outbound.MAY_GO_OUT}) OR q.warehouse_id IN ({_RESTING}) OR {ORDER_IS_HELD} OR {NOT_YET}",
)


class _Found(NamedTuple):
    """A sub-order as it is read; `ship_by` is the platform's deadline."""

    claimed: merging.Claimed
    warehouse_id: int | None
    storage_class: str
    ship_by: datetime | None


class _Place(NamedTuple):
    """Where a warehouse order is to be worked on, by when for the platform."""

    warehouse_id: int
    storage_class: str
    ship_by: datetime | None


def run(limit: int) -> int:
    """Write warehouse orders for up to `limit` sub-orders; returns how many were claimed."""
    return in_one_transaction(QUEUE, limit, _release)


def _release(claimed: list[int]) -> None:
    leads, places = _gather(claimed)
    if not leads:
        return
    # What a batch makes stands at few different places; PostgreSQL counts from one.
    number_of = {place: number for number, place in enumerate(set(places.values()), 1)}
    # Known beforehand: joined to what was inserted, rows are taken for so few that each is looked up among all others.
    senders = sorted(places)
    works = dict(zip(senders, next_ids("logistics_warehouseorder", len(senders)), strict=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone()
        planned = planning.plan_intended([WorkAt(WarehouseOrderState.INTENDED, now, *place) for place in number_of])
        cursor.execute(
            f"""
            WITH goods AS MATERIALIZED (
                -- By themselves: in a join each of them would be looked for among all ids once more.
                SELECT id, sub_order_id, quantity FROM orders_suborderline WHERE sub_order_id = ANY(%(ids)s::bigint[])
            ), chosen AS MATERIALIZED (
                SELECT s.id, n.lead, n.work_id, n.place, s.order_id, s.number, s.warehouse_id,
                    s.release_count + 1 AS attempt, h.connection_id, h.name,
                    h.waybill_when = '{Warehouse.WaybillWhen.AT_RELEASE}' AS wants_waybill
                FROM unnest(%(ids)s::bigint[], %(leads)s::bigint[], %(works)s::bigint[], %(places)s::int[])
                    AS n(id, lead, work_id, place)
                JOIN orders_suborder s ON s.id = n.id JOIN inventory_warehouse h ON h.id = s.warehouse_id
                WHERE s.id = ANY(%(ids)s::bigint[]) AND n.work_id IS NOT NULL AND h.connection_id IS NOT NULL
            ), intended AS (
                INSERT INTO logistics_warehouseorder (id, number, sub_order_id, warehouse_id, connection_id, state,
                    ready_at, expected_event, next_event_due)
                -- What needs a waybill first is woken by it.
                SELECT work_id, number || '-W' || attempt, id, warehouse_id, connection_id,
                    '{WarehouseOrderState.INTENDED}', CASE WHEN NOT wants_waybill THEN now() END,
                    (%(events)s::text[])[place], (%(dues)s::timestamptz[])[place]
                FROM chosen WHERE id = lead ORDER BY id
            ), line AS (
                INSERT INTO logistics_warehouseorderline (warehouse_order_id, sub_order_line_id, quantity)
                SELECT c.work_id, l.id, l.quantity FROM chosen c JOIN goods l ON l.sub_order_id = c.id
            ), moved AS (
                UPDATE orders_suborder s SET state = '{SubOrderState.RELEASED}', released_at = now(),
                    release_count = c.attempt, ready_at = NULL, attempts = 0, last_error = ''
                FROM chosen c WHERE s.id = c.id
            ), told AS (
                INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state,
                    data)
                SELECT order_id, id, '{kinds.RELEASED}', '{ActorKind.JOB}', 'release', '{SubOrderState.ALLOCATED}',
                    '{SubOrderState.RELEASED}', jsonb_build_object('number', number, 'warehouse', name)
                FROM chosen
            )
            SELECT id, work_id, attempt, wants_waybill FROM chosen
            """,
            {
                "ids": array(leads),
                "leads": array(leads.values()),
                "works": array(map(works.get, leads.values())),
                "places": array(number_of[places[lead]] if lead in places else None for lead in leads.values()),
                "events": text_array(event for event, _due in planned),
                "dues": [due for _event, due in planned],
            },
        )
        rows = cursor.fetchall()
    unsent = leads.keys() - {key for key, *_rest in rows}
    if unsent:
        put_off(QUEUE, dict.fromkeys(unsent, "the warehouse has no connection"))
    _want_waybills(sorted({key for _id, key, _attempt, wants_waybill in rows if wants_waybill}))
    tickets.close_tickets([WAREHOUSE_REFUSED], [key for key, _order, attempt, _waybill in rows if attempt > 1])


def _gather(claimed: Sequence[int]) -> tuple[Mapping[int, int], Mapping[int, _Place]]:
    """Who of the claimed sub-orders goes now, and in whose warehouse order, with where each of these then is; what
    waits for others is put off."""
    found = _read(claimed)
    gathered = merging.gather([one.claimed for one in found.values()])
    if gathered.waits:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE orders_suborder s SET ready_at = greatest(now() + interval '2 seconds',
                    CASE WHEN s.merge_group_id IS NULL
                         THEN {_PAID_FOR} + c.merge_wait_minutes * {_minute()} END)
                FROM orders_order o JOIN merchants_channel c ON c.id = o.channel_id
                WHERE o.id = s.order_id AND s.id = ANY(%s::bigint[])
                """,
                [array(gathered.waits)],
            )
    # Who is merged with them may not have been claimed.
    found |= _read(gathered.leads.keys() - found.keys())
    deadlines: dict[int, list[datetime]] = {}
    for key, lead in gathered.leads.items():
        deadlines.setdefault(lead, []).extend(filter(None, [found[key].ship_by]))
    places = {
        lead: _Place(one.warehouse_id, one.storage_class, min(ship_by, default=None))
        for lead, ship_by in deadlines.items()
        if (one := found[lead]).warehouse_id is not None
    }
    return gathered.leads, places


def _read(sub_order_ids: Collection[int]) -> dict[int, _Found]:
    if not sub_order_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.order_id, s.merge_group_id, c.merges_automatically AND NOT s.goes_alone,
                {_PAID_FOR} + c.merge_wait_minutes * {_minute()} > {clock.horizon()},
                s.warehouse_id, s.storage_class, t.ship_by
            FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
            JOIN merchants_channel c ON c.id = o.channel_id
            LEFT JOIN orders_orderterms t ON t.order_id = o.id
            WHERE s.id = ANY(%s::bigint[])
            """,
            [array(sub_order_ids)],
        )
        return {row[0]: _Found(merging.Claimed(*row[:5]), *row[5:]) for row in cursor.fetchall()}


def _minute() -> str:
    return f"make_interval(secs => {clock.scaled(timedelta(minutes=1)).total_seconds()})"


def _want_waybills(warehouse_order_ids: Sequence[int]) -> None:
    if warehouse_order_ids:
        intending.intend(warehouse_order_ids)


STAGE = Stage("release", run, wakes=("send_release", "dispatch"), queue=QUEUE)
