"""Alerts on what is late: opened once, escalated while there is no news, closed by news."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction

from logistics import kinds
from logistics.watching import deadlines
from oms.common.work import clock
from oms.common.work.claiming import MOST_COUNTED, Stage


def run(limit: int) -> int:
    """Look at up to `limit` sub-orders and as many parcels whose next event is overdue; returns how many there were.

    Deadlines are real time: a drain does not skip them.
    """
    return _watch("orders_suborder", "s.id", "NULL::bigint", limit) + _watch(
        "logistics_shipment", "s.sub_order_id", "s.id", limit
    )


def backlog() -> str:
    """Sub-orders and parcels whose next event is overdue and that were not looked at since."""
    return " UNION ALL ".join(
        f"""
        (SELECT next_event_due AS due, false AS needs_person FROM {table}
         WHERE next_event_due <= now() ORDER BY next_event_due LIMIT {MOST_COUNTED})
        """
        for table in ("orders_suborder", "logistics_shipment")
    )


@transaction.atomic
def _watch(table: str, sub_order: str, shipment: str, limit: int) -> int:
    """Open an alert for each overdue row of the table, or raise the one that is open to the next level."""
    conflict = (
        "(shipment_id, kind) WHERE closed_at IS NULL AND shipment_id IS NOT NULL"
        if table == "logistics_shipment"
        else "(sub_order_id, kind) WHERE closed_at IS NULL AND shipment_id IS NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH overdue AS (
                SELECT s.id, {sub_order} AS sub_order_id, {shipment} AS shipment_id, s.number, s.expected_event,
                    s.next_event_due
                FROM {table} s WHERE s.next_event_due <= now()
                ORDER BY s.next_event_due LIMIT %(limit)s FOR NO KEY UPDATE OF s SKIP LOCKED
            ), kinds AS (
                SELECT * FROM unnest(%(events)s::text[], %(kinds)s::text[]) AS k(event, kind)
            ), opened AS (
                INSERT INTO logistics_logisticsalert (kind, level, sub_order_id, shipment_id, due_at)
                SELECT k.kind, 1, o.sub_order_id, o.shipment_id, o.next_event_due
                FROM overdue o JOIN kinds k ON k.event = o.expected_event
                ON CONFLICT {conflict} DO UPDATE
                    SET level = least(logistics_logisticsalert.level + 1, 3), escalated_at = now()
                RETURNING sub_order_id, shipment_id, kind, level
            ), told AS (
                INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
                SELECT s.order_id, s.id,
                    CASE WHEN a.level = 1 THEN '{kinds.ALERT_OPENED}' ELSE '{kinds.ALERT_ESCALATED}' END,
                    'job', 'watch', jsonb_build_object('number', s.number, 'alert', a.kind, 'level', a.level)
                FROM opened a JOIN orders_suborder s ON s.id = a.sub_order_id
            )
            UPDATE {table} s SET next_event_due = CASE WHEN a.level < 3 THEN now() + %(again)s END
            FROM overdue o LEFT JOIN opened a
              ON a.sub_order_id = o.sub_order_id AND a.shipment_id IS NOT DISTINCT FROM o.shipment_id
            WHERE s.id = o.id
            """,
            {
                "limit": limit,
                "events": [expected.event for expected in deadlines.ALL],
                "kinds": [expected.alert for expected in deadlines.ALL],
                "again": clock.scaled(timedelta(hours=deadlines.ESCALATES_AFTER_HOURS)),
            },
        )
        return cursor.rowcount


def close_for_sub_orders(sub_order_ids: Sequence[int]) -> None:
    """News of sub-orders came from the warehouse: their own open alerts close."""
    _close("shipment_id IS NULL AND sub_order_id = ANY(%s)", sub_order_ids)


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
