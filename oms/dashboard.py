"""The staff's start page: the tiles of one's roles (`oms.boards`); for operators what is where, waits and is late.

The figures are read together, kept for some seconds, and told with their age. Each is bounded: a queue is counted up to
a cap, what is beyond it is PostgreSQL's own estimate.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Min
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.models import LogisticsAlert
from oms.boards import boards, registry  # noqa: F401 - the boards of the roles
from oms.common import tickets
from oms.common.desk.counting import first_id_since, rounded
from oms.common.desk.ticket_actions import VIEW
from oms.common.desk.ticket_words import team_name
from oms.common.work.claiming import MOST_COUNTED
from oms.figures import StageFigures, TicketFigures, stage_figures, ticket_figures
from oms.merchants import sandboxes
from oms.plot import staging
from orders import actors
from orders.models import Hold, Order, OrderState

CAP = 10_000
KEPT_SECONDS = 15
CHART_HOURS = 48
# A stage whose oldest work waits longer than this is shown in red.
LATE_SECONDS = 300
_KEY = "oms.dashboard"
SEE_PIPELINE = "common.see_pipeline"

actors.name_actors(
    {
        "jobs": gettext_lazy("Background jobs"),
        "mail_buyers": gettext_lazy("Mail buyers"),
        "text_buyers": gettext_lazy("Send SMS to buyers"),
        "sandbox": gettext_lazy("Sandbox of the outside world"),
        "send_webhooks": gettext_lazy("Send webhooks to merchants"),
    }
)


@dataclass(slots=True)
class Snapshot:
    """The figures of one moment, in no language."""

    taken_at: datetime
    states: dict[str, tuple[int, bool]] = field(default_factory=dict)  # by state: number, whether it is an estimate
    hours: list[tuple[datetime, int]] = field(default_factory=list)
    stages: list[StageFigures] = field(default_factory=list)
    alerts: dict[tuple[str, int], int] = field(default_factory=dict)
    holds: list[tuple[str, str, int, datetime]] = field(default_factory=list)
    tickets: list[TicketFigures] = field(default_factory=list)


def take_snapshot() -> Snapshot:
    """Read the figures; the number of statements is fixed."""
    snapshot = Snapshot(taken_at=timezone.now())
    snapshot.states = _orders_by_state()
    snapshot.hours = _orders_by_hour(snapshot.taken_at)
    snapshot.stages = stage_figures()
    open_alerts = LogisticsAlert.objects.filter(closed_at=None).order_by().values_list("kind", "level")
    snapshot.alerts = {(kind, level): count for kind, level, count in open_alerts.annotate(Count("id"))}
    holds = (
        sandboxes.real(Hold.objects.filter(released_at=None)).order_by().values_list("kind", "rule__name", "rule__code")
    )
    snapshot.holds = [
        (kind, name or of_kind or "", count, since)
        for kind, name, of_kind, count, since in holds.annotate(Count("id"), Min("opened_at"))
    ]
    snapshot.tickets = ticket_figures()
    return snapshot


def _orders_by_state() -> dict[str, tuple[int, bool]]:
    """Orders in each state: counted in the index up to the cap, estimated from the column's statistics beyond it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.state, n.count, c.reltuples * coalesce(f.frequency, 0)
            FROM unnest(%(states)s::text[]) AS s(state)
            CROSS JOIN LATERAL (
                SELECT count(*) FROM (
                    SELECT FROM orders_order o WHERE o.state = s.state AND o.channel_id NOT IN {sandboxes.CHANNELS}
                    LIMIT %(cap)s + 1) AS counted
            ) AS n
            JOIN pg_class c ON c.oid = 'orders_order'::regclass
            LEFT JOIN LATERAL (
                SELECT frequency FROM pg_stats p,
                    unnest(p.most_common_vals::text::text[], p.most_common_freqs) AS common(value, frequency)
                WHERE p.schemaname = c.relnamespace::regnamespace::text AND p.tablename = 'orders_order'
                  AND p.attname = 'state' AND common.value = s.state
            ) AS f ON n.count > %(cap)s
            """,
            {"states": OrderState.values, "cap": CAP},
        )
        return {
            state: (count, False) if count <= CAP else (max(int(estimate), CAP), True)
            for state, count, estimate in cursor.fetchall()
        }


def _orders_by_hour(now: datetime) -> list[tuple[datetime, int]]:
    """Orders received in each of the last hours, the running one last."""
    first = timezone.localtime(now).replace(minute=0, second=0, microsecond=0) - timedelta(hours=CHART_HOURS - 1)
    orders = Order.objects.filter(pk__gte=first_id_since(Order, "created_at", first), created_at__gte=first)
    rows = (
        sandboxes.real(orders)
        .annotate(hour=TruncHour("created_at"))
        .order_by("hour")
        .values_list("hour")
        .annotate(Count("id"))
    )
    counts = dict(rows)
    hours = [first + timedelta(hours=number) for number in range(CHART_HOURS)]
    return [(hour, counts.get(hour, 0)) for hour in hours]


def snapshot() -> Snapshot:
    """The figures, at most KEPT_SECONDS old."""
    kept = cache.get(_KEY)
    if kept is None:
        kept = take_snapshot()
        cache.set(_KEY, kept, KEPT_SECONDS)
    return kept


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the context of the admin's start page the tiles of the person's roles, what of a sample's plot is left to
    try, and for operators how everything stands."""
    board = registry.board_of(request.user)
    context["tiles"] = registry.figures_of(request.user, board)
    context["kept_seconds"] = registry.KEPT_SECONDS
    context["checklist"] = staging.checklist(request.user)
    if not request.user.has_perm(SEE_PIPELINE):
        return context
    figures = snapshot()
    orders = reverse("admin:orders_order_changelist")
    alerts = reverse("admin:logistics_logisticsalert_changelist")
    context.update(
        {
            "figures": figures,
            "age_seconds": max(int((timezone.now() - figures.taken_at).total_seconds()), 0),
            "states": [
                {
                    "label": state.label,
                    "state": state.value,
                    "count": rounded(count) if is_estimate else count,
                    "is_estimate": is_estimate,
                    "link": f"{orders}?state__exact={state.value}",
                }
                for state in OrderState
                for count, is_estimate in [figures.states.get(state.value, (0, False))]
            ],
            "chart": _chart(figures),
            "chart_options": json.dumps(_CHART_OPTIONS),
            "received": {
                "day": sum(count for _hour, count in figures.hours[-24:]),
                "before": sum(count for _hour, count in figures.hours[:-24]),
            },
            "stages": [
                {
                    "title": actors.word(stage.stage),
                    "name": stage.stage,
                    "waiting": stage.waiting,
                    "is_more": stage.waiting >= MOST_COUNTED,
                    "oldest": stage.oldest_seconds if stage.waiting else None,
                    "is_late": bool(stage.waiting) and stage.oldest_seconds > LATE_SECONDS,
                }
                for stage in figures.stages
            ],
            "alerts": _alert_rows(figures, alerts),
            "holds": _hold_rows(figures),
            "tickets": _ticket_rows(figures, request),
            "late_minutes": LATE_SECONDS // 60,
            "time_speed": settings.TIME_SPEED,
        }
    )
    return context


_CHART_OPTIONS = {
    "responsive": True,
    "maintainAspectRatio": False,
    "animation": False,
    "plugins": {"legend": {"display": False}},
    "scales": {
        "x": {"grid": {"display": False}, "ticks": {"maxRotation": 0, "autoSkipPadding": 16}},
        "y": {"beginAtZero": True, "border": {"display": False}, "ticks": {"precision": 0, "maxTicksLimit": 5}},
    },
}


def _chart(figures: Snapshot) -> str:
    """The data of the bar chart, as unfold's chart component takes them."""
    return json.dumps(
        {
            "labels": [f"{hour:%m-%d %H:00}" for hour, _count in figures.hours],
            "datasets": [
                {
                    "label": _("Orders received"),
                    "data": [count for _hour, count in figures.hours],
                    "maxBarThickness": 18,
                    "backgroundColor": "var(--color-primary-600)",
                    "borderRadius": 2,
                }
            ],
        }
    )


def _alert_rows(figures: Snapshot, link: str) -> list[dict[str, Any]]:
    """Open alerts: a row for each kind, a column for each level."""
    return [
        {
            "label": kind.label,
            "levels": [
                {
                    "count": figures.alerts.get((kind.value, level.value), 0),
                    "link": f"{link}?kind__exact={kind.value}&level__exact={level.value}",
                }
                for level in LogisticsAlert.Level
            ],
        }
        for kind in LogisticsAlert.Kind
    ]


def _hold_rows(figures: Snapshot) -> list[dict[str, Any]]:
    """Open holds by rule, or by kind where no rule opened them; the most first."""
    link = reverse("admin:orders_hold_changelist")
    rows = [
        {
            "label": actors.word(rule) if rule else Hold.Kind(kind).label,
            "count": count,
            "since": since,
            "link": f"{link}?kind__exact={kind}",
        }
        for kind, rule, count, since in figures.holds
    ]
    return sorted(rows, key=lambda row: -row["count"])


def _ticket_rows(figures: Snapshot, request: HttpRequest) -> list[dict[str, Any]]:
    """Tickets that wait, by team and kind; the kind with the most overdue ones first."""
    kinds = tickets.kinds()
    link = reverse("admin:common_ticket_changelist") if request.user.has_perm(VIEW) else ""
    rows = [
        {
            "team": team_name(row.team),
            "label": kinds[row.kind].title if row.kind in kinds else row.kind,
            "waiting": row.waiting,
            "overdue": row.overdue,
            "since": row.since,
            "link": f"{link}?{urlencode({'kind': row.kind, 'team': row.team})}" if link else "",
        }
        for row in figures.tickets
    ]
    return sorted(rows, key=lambda row: (-row["overdue"], -row["waiting"], str(row["label"])))
