"""How the pipeline stands, read in few statements: for probes and for Prometheus."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from oms.common.models import TicketState
from oms.common.outbound import MAY_GO_OUT
from oms.common.shared_reading import SharedReading
from oms.common.work import heartbeat
from oms.common.work.claiming import MOST_COUNTED, Queue, Stage
from oms.pipeline import PIPELINE_AND_WEBHOOKS

KEPT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StageFigures:
    """What waits for a stage: rows that it may take now (up to MOST_COUNTED), for how many seconds the oldest has been
    due, rows under lease, rows whose trouble a person must look at."""

    stage: str
    waiting: int
    oldest_seconds: float
    leased: int
    needing_person: int

    @property
    def is_stuck(self) -> bool:
        """Whether the oldest row waits for longer than the stage's threshold."""
        limits = settings.STAGE_LATE_SECONDS
        return bool(self.waiting) and self.oldest_seconds > limits.get(self.stage, limits["default"])


@dataclass(frozen=True, slots=True)
class TicketFigures:
    """Tickets of a kind and team that wait for a person, how many of them are overdue, since when the oldest waits."""

    kind: str
    team: str
    waiting: int
    overdue: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that a scrape tells of the database."""

    stages: list[StageFigures]
    alerts: list[tuple[str, int, int]]
    holds: list[tuple[str, int]]
    tickets: list[TicketFigures]
    sweep_seconds: float | None
    webhooks_seconds: float | None
    outbound_is_stopped: bool


def stage_figures(stages: Sequence[Stage] = PIPELINE_AND_WEBHOOKS) -> list[StageFigures]:
    """The figures of all stages, in one statement."""
    parts = []
    for stage in stages:
        if stage.backlog is not None:
            parts.append(_of_backlog(stage.name, stage.backlog(), stage.queue))
        elif stage.queue is not None:
            parts.append(_of_queue(stage.name, stage.queue))
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return [
            StageFigures(name, waiting, float(oldest), leased, stuck)
            for name, waiting, oldest, leased, stuck in cursor.fetchall()
        ]


def _of_queue(name: str, queue: Queue) -> str:
    source = f"FROM {queue.table} q WHERE {queue.ready}"
    return f"""
        SELECT '{name}', w.n, w.oldest,
            {_leased(queue)},
            (SELECT count(*) FROM (SELECT {source} AND q.needs_person_since IS NOT NULL LIMIT {MOST_COUNTED}) AS p)
        FROM (
            SELECT count(*) AS n, coalesce(extract(epoch FROM now() - min(due)), 0) AS oldest FROM (
                SELECT q.ready_at AS due FROM {queue.table} q WHERE {queue.condition()}
                ORDER BY {queue.order} LIMIT {MOST_COUNTED}
            ) AS waiting
        ) AS w
    """


def _leased(queue: Queue) -> str:
    return f"""(SELECT count(*) FROM (
        SELECT FROM {queue.table} q WHERE {queue.ready} AND q.lease_until >= now() LIMIT {MOST_COUNTED}) AS l)"""


def _of_backlog(name: str, backlog: str, queue: Queue | None) -> str:
    return f"""
        SELECT '{name}', count(*) FILTER (WHERE NOT needs_person),
            coalesce(extract(epoch FROM now() - min(due) FILTER (WHERE NOT needs_person)), 0),
            {_leased(queue) if queue else 0}, count(*) FILTER (WHERE needs_person)
        FROM (SELECT * FROM ({backlog}) AS rows LIMIT {MOST_COUNTED}) AS waiting
    """


def ticket_figures() -> list[TicketFigures]:
    """What waits for people, in one statement; of more than MOST_COUNTED tickets those due first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT kind, team, count(*), count(*) FILTER (WHERE due_at < now()), min(opened_at) FROM (
                SELECT kind, team, due_at, opened_at FROM common_ticket
                WHERE state = '{TicketState.OPEN}' AND (snoozed_until IS NULL OR snoozed_until <= now())
                  AND NOT is_test
                ORDER BY due_at, id LIMIT {MOST_COUNTED}
            ) AS t GROUP BY kind, team ORDER BY kind, team
            """
        )
        return [TicketFigures(*row) for row in cursor.fetchall()]


def read() -> Figures:
    """The figures as they are now; a fixed number of statements."""
    stages = stage_figures()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, level, count(*) FROM logistics_logisticsalert WHERE closed_at IS NULL GROUP BY kind, level"
        )
        alerts = cursor.fetchall()
        cursor.execute(
            "SELECT kind, count(*) FROM orders_hold WHERE released_at IS NULL GROUP BY kind"
            f" UNION ALL SELECT NULL, 1 WHERE NOT {MAY_GO_OUT}"
        )
        found = cursor.fetchall()
        holds = [(kind, count) for kind, count in found if kind is not None]
    ages = heartbeat.ages()
    is_stopped = len(found) > len(holds)
    sweep, webhooks = ages.get(heartbeat.SWEEP), ages.get(heartbeat.WEBHOOKS)
    return Figures(stages, alerts, holds, ticket_figures(), sweep, webhooks, is_stopped)


FIGURES = SharedReading(read, deadline_seconds=2.0)


def current() -> Figures:
    """The figures as they are now. Raises NoAnswer, and the errors of the database."""
    return FIGURES.get(max_age_seconds=0)


def kept() -> Figures:
    """The figures, at most KEPT_SECONDS old: however many scrape, each process asks the database once in that time.
    Raises as `current` does."""
    return FIGURES.get(max_age_seconds=KEPT_SECONDS)


def forget() -> None:
    """Read anew at the next call."""
    FIGURES.forget()
