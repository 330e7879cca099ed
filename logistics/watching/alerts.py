"""Alerts on what is late: opened once for what is waited for, escalated while there is no news, and gathered in groups.

What is late is worked out anew from the row and its scans, so that an alert says what is so, however often and in
whatever order the scans came.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from logistics import kinds
from logistics.models import AlertKind
from logistics.watching import grouping, news, planning, shipping, sweeping, telling
from logistics.watching.planning import PARCELS, WORKS, Table, Told, Watched
from logistics.watching.steps import Step
from oms.common.copying import records
from oms.common.work.claiming import MOST_COUNTED, Stage
from oms.merchants.models import Merchant
from orders.models import SubOrder

# What reminds of a kind before it is late.
_REMINDED = {AlertKind.PICKUP_TIMEOUT: AlertKind.PICKUP_SOON}
_READ: dict[Table, Callable[[Collection[int]], list[Watched]]] = {
    WORKS: planning.read_works,
    PARCELS: planning.read_parcels,
}


def run(limit: int) -> int:
    """Look at up to `limit` warehouse orders, as many parcels and as many platform deadlines that are due, plan anew
    what waits by deadlines that changed, and gather what is late; returns how many were looked at.

    Deadlines are real time: a drain does not skip them.
    """
    looked_at = sweeping.run(limit) + sum(_watch(table, limit) for table in _READ) + shipping.watch(limit)
    with transaction.atomic():
        telling.write(grouping.settle(), timezone.now())
    return looked_at


def backlog() -> str:
    """Warehouse orders and parcels whose next event is overdue and that were not looked at since, and deadlines of
    platforms that passed and were not."""
    queries = [
        f"""
        (SELECT next_event_due AS due, false AS needs_person FROM {table.name}
         WHERE next_event_due <= now() ORDER BY next_event_due LIMIT {MOST_COUNTED})
        """
        for table in _READ
    ]
    return " UNION ALL ".join([*queries, shipping.backlog()])


@transaction.atomic
def _watch(table: Table, limit: int) -> int:
    """Open an alert for each step that is late by now, or raise the one that is open; say when to look again."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id, now() FROM {table.name} WHERE next_event_due <= now()
            ORDER BY next_event_due LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
            """,
            [limit],
        )
        due = cursor.fetchall()
    if not due:
        return 0
    now = due[0][1]
    rows = _READ[table]([key for key, _now in due])
    told = planning.told_of(table, rows)
    _open(table, rows, told, now)
    later = {
        row.id: next((step.at for step in row.outlook.steps if step.at > now and _is_news(row, step, told)), None)
        for row in rows
    }
    planning.write(table, later, rows)
    return len(rows)


def late(row: Watched, now: datetime) -> list[Step]:
    """The highest level that is reached of each kind; a reminder gives way to what it reminds of."""
    reached = {step.kind: step for step in row.outlook.steps if step.at <= now}
    gives_way = {reminder for kind, reminder in _REMINDED.items() if kind in reached}
    return [step for kind, step in reached.items() if kind not in gives_way]


def _is_news(row: Watched, step: Step, told: Told) -> bool:
    """Whether people were not told of the step, nor ended what they were told of it."""
    return told.get(row.id, {}).get((step.kind, step.since), 0) < step.level


def _open(table: Table, rows: Collection[Watched], told: Told, now: datetime) -> None:
    found = [(row, step, row.outlook) for row in rows for step in late(row, now) if _is_news(row, step, told)]
    tests = _of_sandboxes({row.sub_order_id for row, _step, _outlook in found}) if found else set()
    found = [one for one in found if one[0].sub_order_id not in tests]
    if not found:
        return
    groups = grouping.groups_of([grouping.Cause.of(row, step) for row, step, _outlook in found])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH late AS (
                SELECT * FROM json_to_recordset(%(rows)s::json) AS l(
                    thing_id bigint, sub_order_id bigint, group_id bigint, kind text, level int, since timestamptz,
                    due_at timestamptz)
            ), superseded AS (
                UPDATE logistics_logisticsalert a SET closed_at = now(), closed_by = 'watch'
                FROM late l JOIN (VALUES {_reminders()}) AS r(kind, reminder) ON r.kind = l.kind
                WHERE a.{table.column} = l.thing_id AND a.kind = r.reminder AND a.closed_at IS NULL
            ), opened AS (
                INSERT INTO logistics_logisticsalert AS a
                    (kind, level, sub_order_id, {table.column}, group_id, since, due_at)
                SELECT l.kind, l.level, l.sub_order_id, l.thing_id, l.group_id, l.since, l.due_at FROM late l
                ORDER BY l.thing_id, l.kind
                ON CONFLICT ({table.column}, kind, since) WHERE {table.column} IS NOT NULL DO UPDATE
                    SET level = excluded.level, escalated_at = CASE WHEN a.closed_at IS NULL THEN now() END,
                        opened_at = CASE WHEN a.closed_at IS NULL THEN a.opened_at ELSE now() END,
                        group_id = CASE WHEN a.closed_at IS NULL THEN a.group_id ELSE excluded.group_id END,
                        due_at = excluded.due_at, closed_at = NULL, closed_by = ''
                    -- News that closed one may turn out wrong; what a person closed stays so.
                    WHERE (a.closed_at IS NULL AND a.level < excluded.level) OR a.closed_by = '{news.NEWS}'
                RETURNING sub_order_id, kind, level, escalated_at IS NOT NULL AS is_raised
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id,
                CASE WHEN a.is_raised THEN '{kinds.ALERT_ESCALATED}' ELSE '{kinds.ALERT_OPENED}' END,
                'job', 'watch', jsonb_build_object('number', s.number, 'alert', a.kind, 'level', a.level)
            FROM opened a JOIN orders_suborder s ON s.id = a.sub_order_id
            """,
            {
                "rows": records(
                    {
                        "thing_id": row.id,
                        "sub_order_id": row.sub_order_id,
                        "group_id": groups[grouping.Cause.of(row, step)],
                        "kind": step.kind.value,
                        "level": int(step.level),
                        "since": step.since.isoformat(),
                        "due_at": min(one.at for one in outlook.steps if one.kind == step.kind).isoformat(),
                    }
                    for row, step, outlook in found
                )
            },
        )


def _of_sandboxes(sub_order_ids: Collection[int]) -> set[int]:
    """Those of which no people are told."""
    tests = SubOrder.objects.filter(pk__in=sub_order_ids, merchant__kind=Merchant.Kind.SANDBOX)
    return set(tests.values_list("pk", flat=True))


def _reminders() -> str:
    return ", ".join(f"('{kind}', '{reminder}')" for kind, reminder in _REMINDED.items())


STAGE = Stage("watch", run, wakes=("tell_alerts",), backlog=backlog)
