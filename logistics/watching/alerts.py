"""Alerts on what is late: opened once, escalated while there is no news, closed by news."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction

from logistics import kinds
from logistics.watching import deadlines
from oms.common.work import clock
from oms.common.work.claiming import MOST_COUNTED, Stage

# What is watched: tables, and the column of an alert that names a row of each.
_WATCHED = {"logistics_warehouseorder": "warehouse_order_id", "logistics_shipment": "shipment_id"}


def run(limit: int) -> int:
    """Look at up to `limit` warehouse orders and as many parcels whose next event is overdue; returns how many.

    Deadlines are real time: a drain does not skip them.
    """
    return sum(_watch(table, limit) for table in _WATCHED)


def backlog() -> str:
    """Warehouse orders and parcels whose next event is overdue and that were not looked at since."""
    return " UNION ALL ".join(
        f"""
        (SELECT next_event_due AS due, false AS needs_person FROM {table}
         WHERE next_event_due <= now() ORDER BY next_event_due LIMIT {MOST_COUNTED})
        """
        for table in _WATCHED
    )


@transaction.atomic
def _watch(table: str, limit: int) -> int:
    """Open an alert for each overdue row of the table, or raise the one that is open to the next level."""
    column = _WATCHED[table]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH overdue AS (
                SELECT s.id, s.sub_order_id, s.expected_event, s.next_event_due
                FROM {table} s WHERE s.next_event_due <= now()
                ORDER BY s.next_event_due LIMIT %(limit)s FOR NO KEY UPDATE OF s SKIP LOCKED
            ), kinds AS (
                SELECT * FROM unnest(%(events)s::text[], %(kinds)s::text[]) AS k(event, kind)
            ), opened AS (
                INSERT INTO logistics_logisticsalert (kind, level, sub_order_id, {column}, due_at)
                SELECT k.kind, 1, o.sub_order_id, o.id, o.next_event_due
                FROM overdue o JOIN kinds k ON k.event = o.expected_event
                ON CONFLICT ({column}, kind) WHERE closed_at IS NULL AND {column} IS NOT NULL DO UPDATE
                    SET level = least(logistics_logisticsalert.level + 1, 3), escalated_at = now()
                RETURNING sub_order_id, {column} AS thing_id, kind, level
            ), told AS (
                INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
                SELECT s.order_id, s.id,
                    CASE WHEN a.level = 1 THEN '{kinds.ALERT_OPENED}' ELSE '{kinds.ALERT_ESCALATED}' END,
                    'job', 'watch', jsonb_build_object('number', s.number, 'alert', a.kind, 'level', a.level)
                FROM opened a JOIN orders_suborder s ON s.id = a.sub_order_id
            )
            UPDATE {table} s
            SET next_event_due = CASE WHEN a.level < 3 THEN now() + make_interval(secs => %(again)s) END
            FROM overdue o LEFT JOIN opened a ON a.thing_id = o.id
            WHERE s.id = o.id
            """,
            {
                "limit": limit,
                "events": [expected.event for expected in deadlines.ALL],
                "kinds": [expected.alert for expected in deadlines.ALL],
                "again": clock.scaled(timedelta(hours=deadlines.ESCALATES_AFTER_HOURS)).total_seconds(),
            },
        )
        return cursor.rowcount


def close_for_warehouse_orders(warehouse_order_ids: Sequence[int]) -> None:
    """News of warehouse orders came: their open alerts close."""
    _close("warehouse_order_id = ANY(%s)", warehouse_order_ids)


def close_for_shipments(shipment_ids: Sequence[int]) -> None:
    """News of parcels came from the carrier: their open alerts close."""
    _close("shipment_id = ANY(%s)", shipment_ids)


def _close(condition: str, ids: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH closed AS (
                UPDATE logistics_logisticsalert SET closed_at = now(), closed_by = 'news'
                WHERE closed_at IS NULL AND {condition}
                RETURNING sub_order_id, kind, level
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, '{kinds.ALERT_CLOSED}', 'job', 'watch',
                jsonb_build_object('number', s.number, 'alert', c.kind, 'level', c.level)
            FROM closed c JOIN orders_suborder s ON s.id = c.sub_order_id
            """,
            [list(ids)],
        )


STAGE = Stage("watch", run, backlog=backlog)
