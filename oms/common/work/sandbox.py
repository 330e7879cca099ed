"""The sandbox: a pretended outside world that answers by itself after plausible delays.

Its memory is a table of jobs, one for each thing it knows of: what it will say next, and when. The adapters named
`sandbox` put jobs in; the sandbox stage takes those that are due and gives their answers to the same services that a
real system's callback would call.
"""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    connection_id: int | None = None
    next_due: datetime | None = None


Handler = Callable[[list[Due]], None]


def delay(seconds: float) -> timedelta:
    """A plausible delay around `seconds` of real life, as long as it lasts on this installation."""
    return clock.scaled(timedelta(seconds=seconds * random.uniform(0.5, 1.5)))  # noqa: S311 - only a demo's variety


def put(
    system: str, jobs: Iterable[tuple[str, Mapping[str, Any], timedelta | None]], *, connection_id: int | None = None
) -> None:
    """Remember things by (reference, data, delay until the first answer; None: until they go on); those known already
    stay as they are. What is said of them comes over the connection."""
    rows = list(jobs)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO common_sandboxjob (system, connection_id, reference, data, due_at)
            SELECT %s, %s, reference, data, now() + make_interval(secs => delay)
            FROM unnest(%s::text[], %s::jsonb[], %s::float8[]) AS j(reference, data, delay)
            ON CONFLICT DO NOTHING
            """,
            [
                system,
                connection_id,
                text_array(row[0] for row in rows),
                text_array(json.dumps(row[1]) if row[1] else "{}" for row in rows),
                array(None if row[2] is None else row[2].total_seconds() for row in rows),
            ],
        )


def go_on(
    system: str, references: Sequence[str], after: timedelta, *, note: Mapping[str, Any], before_step: int
) -> None:
    """Let the sandbox go on with things that waited for us, unless they were stopped or have come to `before_step`;
    those that did not wait yet find the note in their data."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE common_sandboxjob SET due_at = coalesce(due_at, now() + make_interval(secs => %s)),
                data = data || %s::jsonb
            WHERE id IN (
                SELECT id FROM common_sandboxjob
                WHERE system = %s AND reference = ANY(%s) AND step < %s AND NOT data ? 'stopped'
                ORDER BY id FOR UPDATE)
            """,
            [after.total_seconds(), json.dumps(dict(note)), system, list(references), before_step],
        )


def turn(system: str, references: Sequence[str], *, before_step: int, name: str) -> set[str]:
    """Let things that have not come to `before_step` go otherwise from their next step on, which is kept in their data
    by the name; returns those that do so, also since before."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE common_sandboxjob SET data = jsonb_build_object(%s::text, step) || data
            WHERE id IN (
                SELECT id FROM common_sandboxjob
                WHERE system = %s AND reference = ANY(%s) AND (data ? %s OR due_at IS NOT NULL AND step < %s)
                ORDER BY id FOR UPDATE)
            RETURNING reference
            """,
            [name, system, list(references), name, before_step],
        )
        return {reference for (reference,) in cursor.fetchall()}


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
            SELECT id, system, reference, step, data, due_at, connection_id {_due()} LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            [limit],
        )
        due: dict[str, list[Due]] = {}
        for key, system, reference, step, data, due_at, connection_id in cursor.fetchall():
            value = json.loads(data) if isinstance(data, str) else data
            due.setdefault(system, []).append(Due(key, reference, step, value, due_at, connection_id))
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
            """
            UPDATE common_sandboxjob SET due_at = NULL, data = data || '{"stopped": true}'
            WHERE system = %s AND reference = ANY(%s)
            """,
            [system, [reference for reference, step in found if step < before_step]],
        )
    return {reference for reference, step in found if step >= before_step}
