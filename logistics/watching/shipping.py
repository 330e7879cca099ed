"""Whether sub-orders leave before the platform's deadline, or by the hours of their channel where it gave none: a
warning while there is time, an exception when it is over.

Each deadline is looked at twice: some hours before (`ship_soon`, a rule that staff edit), and when it passed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
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
from oms.merchants import sandboxes
from orders.models import FulfilmentState, OrderState
from orders.models.sub_order import NOT_GONE

# Where no row of staff says otherwise.
SHIP_WITHIN_HOURS = 48.0
OURS = "ours"
_OPEN = f"""
    o.state IN ({listed([OrderState.IN_REVIEW, OrderState.READY_TO_SPLIT, OrderState.SPLIT])})
    AND o.fulfilment_state IN ({listed([FulfilmentState.UNFULFILLED, FulfilmentState.PARTLY_SHIPPED])})
"""
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
        reasons={
            "": _("The platform wants %(number)s shipped by %(by)s, and it is still before its warehouse."),
            OURS: _("%(number)s is to leave by %(by)s, as its channel promises, and it is still before its warehouse."),
        },
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


@dataclass(frozen=True, slots=True)
class _Due:
    """An order, by when it should leave, whether that is over, and whether the platform says so."""

    order_id: int
    ship_by: datetime
    is_over: bool
    is_platforms: bool


@transaction.atomic
def watch(limit: int) -> int:
    """Look at up to `limit` deadlines of platforms, and as many of our own, that are near or over; returns how many."""
    _close()
    hours = limits.current().of(AlertKind.SHIP_SOON, Lane("")).warning
    before = clock.scaled(timedelta(hours=hours)).total_seconds()
    due = [*_of_platforms(before, limit), *_of_rules(before, limit)]
    if due:
        _open(due)
        _tell_of_unsplit(due)
    return len(due)


def _of_platforms(before: float, limit: int) -> list[_Due]:
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
            FROM due WHERE t.order_id = due.order_id RETURNING t.order_id, t.ship_by, t.ship_looks = 2
            """,
            {"before": before, "limit": limit},
        )
        return [_Due(key, by, is_over, True) for key, by, is_over in cursor.fetchall()]


# From when on the hours of a rule count, as SQL on orders `o` and their terms `t`.
_SINCE = "coalesce(o.collected_at, o.paid_at, o.created_at)"


def _of_rules(before: float, limit: int) -> list[_Due]:
    """Orders without a deadline of their platform, by the hours of their channel."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH rule AS (
                SELECT c.id AS channel_id, make_interval(secs => r.hours * 3600 / %(speed)s) AS span
                FROM merchants_channel c JOIN LATERAL (
                    SELECT coalesce(
                        (SELECT jsonb_build_array(hours) FROM logistics_shiprule WHERE channel_id = c.id),
                        (SELECT jsonb_build_array(hours) FROM logistics_shiprule WHERE channel_id IS NULL),
                        jsonb_build_array(%(hours)s)) ->> 0 AS text
                ) AS said ON said.text IS NOT NULL CROSS JOIN LATERAL (SELECT said.text::float8 AS hours) AS r
                WHERE c.id NOT IN {sandboxes.CHANNELS}
            ), near AS (
                SELECT found.id, found.ship_by FROM rule CROSS JOIN LATERAL (
                    SELECT o.id, greatest({_SINCE}, t.ship_not_before) + rule.span AS ship_by
                    FROM orders_order o LEFT JOIN orders_orderterms t ON t.order_id = o.id
                    WHERE o.channel_id = rule.channel_id AND {_OPEN} AND o.ship_looks < 2 AND t.ship_by IS NULL
                      AND {_SINCE} <= now() + make_interval(secs => %(before)s) - rule.span
                      AND greatest({_SINCE}, t.ship_not_before) <= now() - rule.span
                        + CASE WHEN o.ship_looks = 0 THEN make_interval(secs => %(before)s) ELSE interval '0' END
                    ORDER BY {_SINCE} LIMIT %(limit)s
                ) AS found ORDER BY found.ship_by LIMIT %(limit)s
            ), held AS (
                SELECT o.id, n.ship_by FROM near n JOIN orders_order o ON o.id = n.id
                ORDER BY o.id FOR NO KEY UPDATE OF o SKIP LOCKED
            )
            UPDATE orders_order o SET ship_looks = CASE WHEN h.ship_by <= now() THEN 2 ELSE 1 END
            FROM held h WHERE o.id = h.id RETURNING o.id, h.ship_by, o.ship_looks = 2
            """,
            {"before": before, "limit": limit, "speed": settings.TIME_SPEED, "hours": SHIP_WITHIN_HOURS},
        )
        return [_Due(key, by, is_over, False) for key, by, is_over in cursor.fetchall()]


def _open(due: Sequence[_Due]) -> None:
    of_order = {one.order_id: one for one in due}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, order_id, warehouse_id FROM orders_suborder"
            f" WHERE order_id = ANY(%s::bigint[]) AND state IN ({listed(NOT_GONE)})"
            f" AND merchant_id NOT IN {sandboxes.IDS} ORDER BY id",
            [array(of_order)],
        )
        late = []
        for key, order_id, warehouse_id in cursor.fetchall():
            one = of_order[order_id]
            kind = AlertKind.SHIP_LATE if one.is_over else AlertKind.SHIP_SOON
            late.append((key, Cause(kind, None, warehouse_id, ""), one.ship_by))
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


def _tell_of_unsplit(due: Sequence[_Due]) -> None:
    of_order = {one.order_id: one for one in due}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, number FROM orders_order WHERE id = ANY(%s::bigint[]) AND state IN ({listed(_UNSPLIT)})"
            f" AND channel_id NOT IN {sandboxes.CHANNELS} ORDER BY id",
            [array(of_order)],
        )
        troubles = []
        for key, number in cursor.fetchall():
            one = of_order[key]
            values = {"number": number, "by": grouping.wall_clock(one.ship_by)}
            reason = "" if one.is_platforms else OURS
            troubles.append(tickets.Trouble(key, reason, values, about_id=key, due_at=one.ship_by))
    tickets.open_tickets(UNSPLIT, troubles, opened_by=grouping.BY)


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
        for table, column in (("orders_orderterms", "order_id"), ("orders_order", "id")):
            cursor.execute(
                f"UPDATE {table} SET ship_looks = 0 WHERE {column} = ANY(%s::bigint[]) AND ship_looks > 0",
                [array(over)],
            )
    tickets.close_tickets([UNSPLIT], over, closed_by=grouping.BY)
