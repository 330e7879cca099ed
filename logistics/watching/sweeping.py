"""Other deadlines count at once: rows that wait for their next look are planned anew, some at a time, in the order of
their looks.

What was planned anew and is looked at later is met once more, which changes nothing; so a sweep ends.
"""

from collections.abc import Callable, Collection, Mapping

from django.db import connection, transaction

from logistics.models import DeadlineSweep
from logistics.watching import limits, planning
from logistics.watching.planning import PARCELS, WORKS, Table

_PLAN: Mapping[Table, Callable[[Collection[int]], None]] = {
    WORKS: planning.plan_works,
    PARCELS: planning.plan_parcels,
}


def run(limit: int) -> int:
    """Plan up to `limit` rows of each table anew by deadlines that changed; returns how many were. While none changed
    it costs one statement, and that for the version of the deadlines."""
    version = limits.current().version
    swept = {row.watched: row for row in DeadlineSweep.objects.all()}
    return sum(
        _sweep(table, version, limit)
        for table in _PLAN
        if (row := swept.get(table.name)) is None or row.version != version or not row.is_over
    )


@transaction.atomic
def _sweep(table: Table, version: int, limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_deadlinesweep AS s (watched, version, due) VALUES (%s, %s, now())
            ON CONFLICT (watched) DO UPDATE SET version = excluded.version,
                due = CASE WHEN s.version = excluded.version THEN s.due ELSE now() END,
                row_id = CASE WHEN s.version = excluded.version THEN s.row_id ELSE 0 END,
                is_over = s.is_over AND s.version = excluded.version
            RETURNING due, row_id, is_over
            """,
            [table.name, version],
        )
        due, row_id, is_over = cursor.fetchone()
        if is_over:
            return 0
        cursor.execute(
            f"""
            SELECT id, next_event_due FROM {table.name} WHERE next_event_due >= %(due)s
              AND (next_event_due, id) > (%(due)s, %(id)s)
            ORDER BY next_event_due, id LIMIT %(limit)s
            """,
            {"due": due, "id": row_id, "limit": limit},
        )
        found = cursor.fetchall()
        keys = sorted(key for key, _due in found)
        # In the order in which all lock them.
        cursor.execute(
            f"SELECT id FROM {table.name} WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE", [keys]
        )
        last, last_due = found[-1] if found else (row_id, due)
        DeadlineSweep.objects.filter(pk=table.name).update(due=last_due, row_id=last, is_over=len(found) < limit)
    _PLAN[table](keys)
    return len(found)
