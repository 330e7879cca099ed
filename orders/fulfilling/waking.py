"""The wake stage: units became available, so as many of those that wait for them are tried again as they can serve,
those that wait longest first.

A stock row whose units grew is marked with that moment. The mark stays while there are units and somebody who was not
tried since, so that units which the first do not take go to the next.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from inventory.availability import available_sql
from oms.common.copying import array
from oms.common.work import clock
from oms.common.work.claiming import Stage
from orders.models import SubOrderState

# The safety net tries everybody who waits in so many parts, one a minute.
NET_PARTS = 15
_ASLEEP = f"s.state = '{SubOrderState.BACKORDERED}' AND s.ready_at IS NULL AND NOT s.is_held"


@dataclass(slots=True)
class _Grown:
    """A stock row whose units grew at `grew_at`, with those of its waits that its units reach, longest first.

    `is_exhausted`: nobody else waits for them. `asleep` are those sub-orders among them that sleep; the others are
    being tried already.
    """

    grew_at: datetime
    is_exhausted: bool = True
    asleep: list[int] = field(default_factory=list)


def run(limit: int) -> int:
    """Look at up to `limit` stock rows whose units grew, and wake whom they can serve; returns how many were woken and
    how many rows are done with.

    Sub-orders are locked before stock rows, here as everywhere; who is locked by others is left to the next look.
    """
    with transaction.atomic():
        grown = _look(limit)
        if not grown:
            return 0
        woken = _wake({key for row in grown.values() for key in row.asleep})
        over = {key: row.grew_at for key, row in grown.items() if row.is_exhausted and woken.issuperset(row.asleep)}
        return len(woken) + _clear_marks(over)


def _look(limit: int) -> dict[int, _Grown]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH grown AS MATERIALIZED (
                SELECT id, warehouse_id, sku_id, {available_sql("s")} AS units, wakes_backorders_since AS grew_at
                FROM inventory_stock s WHERE wakes_backorders_since IS NOT NULL
                ORDER BY wakes_backorders_since LIMIT %(limit)s
            )
            SELECT g.id, g.grew_at, w.sub_order_id, w.is_asleep, w.reaches_all
            FROM grown g
            CROSS JOIN LATERAL (
                -- Everybody wants a unit at least. All rows together wake about as many as there are looked at.
                SELECT least(g.units, greatest(%(limit)s / (SELECT count(*) FROM grown), 10)) AS most
            ) AS bound
            LEFT JOIN LATERAL (
                SELECT first.sub_order_id, first.is_asleep,
                    sum(first.units) OVER longest_first - first.units AS units_before,
                    count(*) OVER () < bound.most AND sum(first.units) OVER () <= g.units AS reaches_all
                FROM (
                    SELECT h.sub_order_id, h.units, h.since, s.ready_at IS NULL AS is_asleep
                    FROM orders_stockwait h JOIN orders_suborder s ON s.id = h.sub_order_id
                    WHERE h.warehouse_id = g.warehouse_id AND h.sku_id = g.sku_id
                      AND CASE WHEN s.ready_at IS NULL THEN h.tried_at < g.grew_at
                               -- Who is put off or needs a person will not take the units soon.
                               ELSE s.ready_at <= {clock.horizon()} AND s.needs_person_since IS NULL END
                    ORDER BY h.since, h.sub_order_id LIMIT bound.most
                ) AS first
                WINDOW longest_first AS (ORDER BY first.since, first.sub_order_id)
            ) AS w ON w.units_before < g.units
            """,
            {"limit": limit},
        )
        grown: dict[int, _Grown] = {}
        for key, grew_at, sub_order_id, is_asleep, reaches_all in cursor.fetchall():
            row = grown.setdefault(key, _Grown(grew_at))
            if sub_order_id is not None:
                row.is_exhausted = reaches_all
                if is_asleep:
                    row.asleep.append(sub_order_id)
        return grown


def _wake(sub_order_ids: Collection[int]) -> set[int]:
    """Wake those of the sub-orders that still sleep and nobody has locked; returns which."""
    if not sub_order_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH mine AS (
                SELECT s.id FROM orders_suborder s WHERE s.id = ANY(%s::bigint[]) AND {_ASLEEP}
                ORDER BY s.id FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE orders_suborder s SET ready_at = now() FROM mine WHERE s.id = mine.id RETURNING s.id
            """,
            [array(sub_order_ids)],
        )
        return {key for (key,) in cursor.fetchall()}


def _clear_marks(grown: Mapping[int, datetime]) -> int:
    """Take the marks off stock rows that did not grow again since they were looked at; returns how many rows were
    locked for it."""
    if not grown:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH mine AS (
                SELECT s.id, s.wakes_backorders_since = g.grew_at AS is_same FROM inventory_stock s
                JOIN unnest(%s::bigint[], %s::timestamptz[]) AS g(id, grew_at) ON g.id = s.id
                ORDER BY s.warehouse_id, s.sku_id FOR NO KEY UPDATE OF s SKIP LOCKED
            ), cleared AS (
                UPDATE inventory_stock s SET wakes_backorders_since = NULL FROM mine
                WHERE s.id = mine.id AND mine.is_same
            )
            SELECT count(*) FROM mine
            """,
            [list(grown), list(grown.values())],
        )
        return cursor.fetchone()[0]


def wake_all(part: int | None = None) -> int:
    """Try every backordered sub-order again, whatever the stock says, or only those of one of `NET_PARTS` parts;
    returns how many. Beat does so part by part: it finds what no arrival wakes, such as a new warehouse.

    A transaction for each batch; who is locked by others is passed over.
    """
    woken, last = 0, 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH mine AS (
                    SELECT s.id FROM orders_suborder s
                    WHERE {_ASLEEP} AND s.id > %(last)s AND (%(part)s::int IS NULL OR s.id %% {NET_PARTS} = %(part)s)
                    ORDER BY s.id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
                )
                UPDATE orders_suborder s SET ready_at = now() FROM mine WHERE s.id = mine.id RETURNING s.id
                """,
                {"last": last, "part": part, "limit": settings.STAGE_BATCH},
            )
            ids = [key for (key,) in cursor.fetchall()]
        if not ids:
            return woken
        woken, last = woken + len(ids), max(ids)


def backlog() -> str:
    """Stock rows whose units grew."""
    return """
        SELECT wakes_backorders_since AS due, false AS needs_person FROM inventory_stock
        WHERE wakes_backorders_since IS NOT NULL ORDER BY wakes_backorders_since
    """


STAGE = Stage("wake", run, wakes=("allocate",), backlog=backlog)
