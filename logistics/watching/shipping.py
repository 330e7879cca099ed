"""Whether sub-orders leave before the platform's deadline: a warning while there is time, an exception when it is over.

Each deadline is looked at twice: some hours before (`ship_soon`, a rule that staff edit), and when it passed.
"""

from datetime import timedelta

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from logistics import kinds
from logistics.models import AlertKind, LogisticsAlert
from logistics.watching import grouping, limits, news
from logistics.watching.grouping import Cause
from logistics.watching.limits import Lane
from oms.common import tickets
from oms.common.copying import array, records, text_array
from oms.common.models import Team, TicketState
from oms.common.states import listed
from oms.common.work import clock
from oms.common.work.claiming import MOST_COUNTED
from orders.models import OrderState
from orders.models.sub_order import AT_WAREHOUSE, BEFORE_RELEASE

NOT_GONE = (*BEFORE_RELEASE, *AT_WAREHOUSE)
# Paid, and not even divided into sub-orders.
_UNSPLIT = (OrderState.IN_REVIEW, OrderState.READY_TO_SPLIT)
# Alerts on the sub-order itself.
KINDS = (AlertKind.SHIP_SOON, AlertKind.SHIP_LATE)

UNSPLIT = tickets.register_kind(
    tickets.TicketKind(
        "ship_deadline",
        _("Shipping deadline near, and not released"),
        "order",
        team=Team.SERVICE,
        reasons={"": _("The platform wants %(number)s shipped by %(by)s, and it is still before its warehouse.")},
        remedies=_("Decide what holds it, or tell the platform. It closes by itself once it is at its warehouse."),
        can_retry=False,
    )
)


def backlog() -> str:
    """Platforms' deadlines that passed and were not looked at since, as the stage's backlog wants them."""
    return f"""
        (SELECT ship_by AS due, false AS needs_person FROM orders_orderterms
         WHERE ship_by IS NOT NULL AND ship_looks < 2 AND ship_by <= now() ORDER BY ship_by LIMIT {MOST_COUNTED})
    """


@transaction.atomic
def watch(limit: int) -> int:
    """Look at up to `limit` deadlines of platforms that are near or over; returns how many."""
    _close()
    hours = limits.current().of(AlertKind.SHIP_SOON, Lane("")).warning
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT order_id FROM orders_orderterms
                WHERE ship_by IS NOT NULL AND ship_looks < 2 AND ship_by <= now() + make_interval(secs => %(before)s)
                  AND (ship_looks = 0 OR ship_by <= now())
                ORDER BY ship_by LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE orders_orderterms t SET ship_looks = CASE WHEN t.ship_by <= now() THEN 2 ELSE 1 END
            FROM due WHERE t.order_id = due.order_id RETURNING t.order_id
            """,
            {"before": clock.scaled(timedelta(hours=hours)).total_seconds(), "limit": limit},
        )
        orders = [key for (key,) in cursor.fetchall()]
    if orders:
        _open(orders)
        _tell_of_unsplit(orders)
    return len(orders)


def _open(order_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.warehouse_id, t.ship_by, t.ship_looks = 2 FROM orders_suborder s
            JOIN orders_orderterms t ON t.order_id = s.order_id
            WHERE s.order_id = ANY(%s::bigint[]) AND s.state IN ({listed(NOT_GONE)}) ORDER BY s.id
            """,
            [array(order_ids)],
        )
        late = [
            (key, Cause(AlertKind.SHIP_LATE if is_over else AlertKind.SHIP_SOON, None, warehouse_id, ""), ship_by)
            for key, warehouse_id, ship_by, is_over in cursor.fetchall()
        ]
        if not late:
            return
        groups = grouping.groups_of([cause for _key, cause, _by in late])
        cursor.execute(
            f"""
            WITH late AS (
                SELECT * FROM json_to_recordset(%s::json) AS l(
                    sub_order_id bigint, group_id bigint, kind text, level int, due_at timestamptz)
            ), superseded AS (
                UPDATE logistics_logisticsalert a SET closed_at = now(), closed_by = 'watch' FROM late l
                WHERE a.sub_order_id = l.sub_order_id AND a.kind = '{AlertKind.SHIP_SOON}' AND a.closed_at IS NULL
                  AND l.kind = '{AlertKind.SHIP_LATE}'
            ), opened AS (
                INSERT INTO logistics_logisticsalert (kind, level, sub_order_id, group_id, since, due_at)
                SELECT kind, level, sub_order_id, group_id, now(), due_at FROM late
                ON CONFLICT DO NOTHING RETURNING sub_order_id, kind, level
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, '{kinds.ALERT_OPENED}', 'job', 'watch',
                jsonb_build_object('number', s.number, 'alert', a.kind, 'level', a.level)
            FROM opened a JOIN orders_suborder s ON s.id = a.sub_order_id
            """,
            [
                records(
                    {
                        "sub_order_id": key,
                        "group_id": groups[cause],
                        "kind": cause.kind,
                        "level": int(_level_of(cause)),
                        "due_at": ship_by.isoformat(),
                    }
                    for key, cause, ship_by in late
                )
            ],
        )


def _level_of(cause: Cause) -> LogisticsAlert.Level:
    level = LogisticsAlert.Level
    return level.EXCEPTION if cause.kind == AlertKind.SHIP_LATE else level.WARNING


def _tell_of_unsplit(order_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.id, o.number, t.ship_by FROM orders_order o JOIN orders_orderterms t ON t.order_id = o.id
            WHERE o.id = ANY(%s::bigint[]) AND o.state IN ({listed(_UNSPLIT)}) ORDER BY o.id
            """,
            [array(order_ids)],
        )
        tickets.open_tickets(
            UNSPLIT,
            [
                tickets.Trouble(key, values={"number": number, "by": grouping.wall_clock(by)}, about_id=key, due_at=by)
                for key, number, by in cursor.fetchall()
            ],
            opened_by=grouping.BY,
        )


def _close() -> None:
    """What left, or will not any more, is not warned of; what was divided since has alerts of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH closed AS (
                UPDATE logistics_logisticsalert a SET closed_at = now(), closed_by = '{news.NEWS}'
                FROM orders_suborder s
                WHERE a.closed_at IS NULL AND a.kind = ANY(%s::text[]) AND s.id = a.sub_order_id
                  AND s.state NOT IN ({listed(NOT_GONE)})
                RETURNING a.sub_order_id, a.kind, a.level
            )
            {news.TOLD}
            """,
            [text_array(KINDS)],
        )
        cursor.execute(
            f"""
            SELECT o.id FROM common_ticket t JOIN orders_order o ON o.id = t.subject_id
            WHERE t.state = '{TicketState.OPEN}' AND t.kind = %s AND o.state NOT IN ({listed(_UNSPLIT)})
            """,
            [UNSPLIT.code],
        )
        over = [key for (key,) in cursor.fetchall()]
        # Looked at once more: its sub-orders are to be warned of now.
        cursor.execute(
            "UPDATE orders_orderterms SET ship_looks = 0 WHERE order_id = ANY(%s::bigint[]) AND ship_looks > 0",
            [array(over)],
        )
    tickets.close_tickets([UNSPLIT], over, closed_by=grouping.BY)
