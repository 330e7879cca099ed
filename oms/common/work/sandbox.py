"""The sandbox: a pretended outside world that answers by itself after plausible delays.

Its memory is a table of jobs, one for each thing it knows of: what it will say next, and when. The adapters named
`sandbox` put jobs in; the sandbox stage takes those that are due and gives their answers to the same services that a
real system's callback would call.
"""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from oms.common.copying import array, text_array
from oms.common.work import clock


@dataclass(slots=True)
class Due:
    """A job whose time has come. The handler sets `next_due` for another step, or leaves it None."""

    id: int
    reference: str
    step: int
    data: dict[str, Any]
    due_at: datetime
    next_due: datetime | None = None


Handler = Callable[[list[Due]], None]


def delay(seconds: float) -> timedelta:
    """A plausible delay around `seconds` of real life, as long as it lasts on this installation."""
    return clock.scaled(timedelta(seconds=seconds * random.uniform(0.5, 1.5)))  # noqa: S311 - only a demo's variety


def put(system: str, jobs: Iterable[tuple[str, dict[str, Any], timedelta]]) -> None:
    """Remember things by (reference, data, delay until the first answer); those known already stay as they are."""
    rows = list(jobs)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO common_sandboxjob (system, reference, data, due_at)
            SELECT %s, reference, data, now() + make_interval(secs => delay)
            FROM unnest(%s::text[], %s::jsonb[], %s::float8[]) AS j(reference, data, delay)
            ON CONFLICT DO NOTHING
            """,
            [
                system,
                text_array(row[0] for row in rows),
                text_array(json.dumps(row[1]) if row[1] else "{}" for row in rows),
                array(row[2].total_seconds() for row in rows),
            ],
        )


def schedule(system: str, references: list[str], after: timedelta) -> None:
    """Let the sandbox go on with things that waited for us."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE common_sandboxjob SET due_at = now() + make_interval(secs => %s)
            WHERE system = %s AND due_at IS NULL AND id IN (
                SELECT id FROM common_sandboxjob WHERE system = %s AND reference = ANY(%s) ORDER BY id FOR UPDATE)
            """,
            [after.total_seconds(), system, system, references],
        )


def _due() -> str:
    return f"FROM common_sandboxjob WHERE due_at <= {clock.horizon()} ORDER BY due_at"


def backlog() -> str:
    """Answers whose time has come."""
    return f"SELECT due_at AS due, false AS needs_person {_due()}"


@transaction.atomic
def answer(handlers: dict[str, Handler], limit: int) -> int:
    """Take up to `limit` due jobs, hand them to their system's handler, and plan what each does next."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id, system, reference, step, data, due_at {_due()} LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            [limit],
        )
        due: dict[str, list[Due]] = {}
        for key, system, reference, step, data, due_at in cursor.fetchall():
            value = json.loads(data) if isinstance(data, str) else data
            due.setdefault(system, []).append(Due(key, reference, step, value, due_at))
        for system, jobs in due.items():
            handlers[system](jobs)
        done = [job for jobs in due.values() for job in jobs]
        cursor.execute(
            """
            UPDATE common_sandboxjob s SET step = s.step + 1, due_at = j.due_at
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS j(id, due_at) WHERE s.id = j.id
            """,
            [[job.id for job in done], [job.next_due for job in done]],
        )
    return len(done)


def stop(system: str, references: Sequence[str], *, before_step: int) -> set[str]:
    """Stop the things that have not come to `before_step`; returns the references of those that have."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT reference, step FROM common_sandboxjob WHERE system = %s AND reference = ANY(%s)
            ORDER BY id FOR UPDATE
            """,
            [system, list(references)],
        )
        found = cursor.fetchall()
        cursor.execute(
            "UPDATE common_sandboxjob SET due_at = NULL WHERE system = %s AND reference = ANY(%s)",
            [system, [reference for reference, step in found if step < before_step]],
        )
    return {reference for reference, step in found if step >= before_step}
