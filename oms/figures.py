"""How the pipeline stands, read in few statements: for probes and for Prometheus."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from oms.common import heartbeat
from oms.common.claiming import Stage
from oms.pipeline import PIPELINE

# Rows beyond so many are not counted: the figure then says "at least so many".
CAP = 10_000
KEPT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StageFigures:
    """A stage's queue: rows that may be claimed now (up to CAP), the age in seconds of the oldest, rows under lease,
    rows that failed too often and need a person."""

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
class Figures:
    """Everything that a scrape tells of the database."""

    stages: list[StageFigures]
    alerts: list[tuple[str, int, int]]
    holds: list[tuple[str, int]]
    sweep_seconds: float | None


def stage_figures(stages: Sequence[Stage] = PIPELINE) -> list[StageFigures]:
    """The figures of all stages that have a queue of their own, in one statement."""
    parts = []
    for stage in stages:
        if stage.queue is not None:
            queue = stage.queue
            source = f"FROM {queue.table} q WHERE {queue.ready}"
            parts.append(
                f"""
                SELECT '{stage.name}', w.n, w.oldest,
                    (SELECT count(*) FROM (SELECT {source} AND q.lease_until >= now() LIMIT {CAP}) AS l),
                    (SELECT count(*) FROM (SELECT {source} AND q.needs_person_since IS NOT NULL LIMIT {CAP}) AS p)
                FROM (
                    SELECT count(*) AS n, coalesce(extract(epoch FROM now() - min(due)), 0) AS oldest FROM (
                        SELECT q.ready_at AS due FROM {queue.table} q WHERE {queue.condition()}
                        ORDER BY q.ready_at LIMIT {CAP}
                    ) AS waiting
                ) AS w
                """
            )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return [
            StageFigures(name, waiting, float(oldest), leased, stuck)
            for name, waiting, oldest, leased, stuck in cursor.fetchall()
        ]


def read() -> Figures:
    """The figures as they are now; a fixed number of statements."""
    stages = stage_figures()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, level, count(*) FROM logistics_logisticsalert WHERE closed_at IS NULL GROUP BY kind, level"
        )
        alerts = cursor.fetchall()
        cursor.execute("SELECT kind, count(*) FROM orders_hold WHERE released_at IS NULL GROUP BY kind")
        holds = cursor.fetchall()
    return Figures(stages, alerts, holds, heartbeat.seconds_since(heartbeat.SWEEP))


_lock = threading.Lock()
_kept: tuple[float, Figures] | None = None


def kept() -> Figures:
    """The figures, at most KEPT_SECONDS old: however many scrape, each process asks the database once in that time."""
    global _kept
    with _lock:
        if _kept is None or time.monotonic() - _kept[0] > KEPT_SECONDS:
            _kept = (time.monotonic(), read())
        return _kept[1]


def forget() -> None:
    """Read anew at the next call."""
    global _kept
    _kept = None
