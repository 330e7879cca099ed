"""Claiming work: the state is the queue, and PostgreSQL's row locks hand out the rows.

A stage without outside calls does everything in one transaction (`in_one_transaction`). A stage that calls another
system claims by lease in a short transaction, commits, calls, and finishes only rows whose lease it still holds
(`lease`, `finish_condition`).

Claims lock FOR NO KEY UPDATE: that keeps two claims apart, but not the foreign key check of a row that somebody else
adds below the claimed one.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models import Model

from oms.common import metrics, outbound
from oms.common.copying import array
from oms.common.masking import describe, mask_text
from oms.common.transactions import require_transaction
from oms.common.work import clock

logger = logging.getLogger(__name__)

# Of what waits for a stage no more rows are counted: the figure then says "at least so many".
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Queue:
    """Rows of a table that a stage may claim.

    `ready` is an SQL condition on the table's alias `q` that says which rows are in the queue at all (it should match
    a partial index); `unless` one that keeps rows of the queue back for now, such as a hold; `order` says whose turn it
    is first.
    """

    model: type[Model]
    ready: str
    unless: str = "false"
    order: str = "q.ready_at, q.id"

    @property
    def table(self) -> str:
        """The table's name."""
        return self.model._meta.db_table

    def condition(self) -> str:
        """The SQL condition for rows that may be claimed now."""
        return (
            f"{self.ready} AND NOT ({self.unless}) AND q.ready_at <= {clock.horizon()}"
            " AND q.needs_person_since IS NULL AND (q.lease_until IS NULL OR q.lease_until < now())"
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline.

    `run(limit)` claims up to `limit` rows, moves them on and returns how many it claimed. `wakes` names the stages that
    get new work by it. What waits is told by the stage's `queue`, or where that says too little by `backlog`, an
    SQL query over the rows that `run` would find now: `due`, since when a row has been due, and `needs_person`, whether
    its trouble is shown to a person already. The query must be cheap however large the tables are. `leased` tells how
    many rows of the queue another worker holds right now.
    """

    name: str
    run: Callable[[int], int]
    wakes: tuple[str, ...] = ()
    queue: Queue | None = None
    backlog: Callable[[], str] | None = None

    def probe(self, batch: int) -> int:
        """How many rows a first run claims at most, to see whether there is much."""
        return max(batch // 4, 1)

    def leased(self) -> int:
        """How many rows of the queue somebody holds a lease on."""
        if self.queue is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM {self.queue.table} q WHERE {self.queue.ready} AND q.lease_until >= now()"
            )
            return cursor.fetchone()[0]


def claim(queue: Queue, limit: int, only: Sequence[int] | None = None) -> list[int]:
    """Lock up to `limit` rows of the queue, whose turn it is first, and return their ids; rows that others hold are
    skipped. Needs an open transaction. `only` restricts the claim to rows with these ids."""
    require_transaction("claim")
    among = "AND q.id = ANY(%(only)s)" if only is not None else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT q.id FROM {queue.table} q WHERE {queue.condition()} {among}
            ORDER BY {queue.order} LIMIT %(limit)s FOR NO KEY UPDATE OF q SKIP LOCKED
            """,
            {"limit": limit, "only": list(only) if only is not None else None},
        )
        return [key for (key,) in cursor.fetchall()]


def in_one_transaction(queue: Queue, limit: int, work: Callable[[list[int]], None]) -> int:
    """Claim a batch and do its `work` in one transaction; returns the number of rows claimed.

    If the work fails, its rows are done one by one, so that a failing row does not stop the others; a row that fails
    alone is put off, and after the last attempt left for a person.
    """
    claimed: list[int] = []
    try:
        with transaction.atomic():
            claimed = claim(queue, limit)
            if claimed:
                work(claimed)
    except Exception:
        # Which row is at fault shows below; nothing of the batch was written.
        logger.exception("a batch of %d %s failed; its rows are done one by one", len(claimed), queue.table)
        if not claimed:
            raise
        for key in claimed:
            _do_alone(queue, key, work)
    return len(claimed)


def _do_alone(queue: Queue, key: int, work: Callable[[list[int]], None]) -> None:
    try:
        with transaction.atomic():
            if claim(queue, 1, only=[key]):
                work([key])
    except Exception as error:
        # Recorded on the row, where staff see it.
        put_off(queue, {key: describe(error)})


# Of the waits after a failure the first ones are short: most trouble of other systems passes in seconds.
QUICK_TRIES, QUICK_SECONDS, LONGEST_SECONDS = 3, 5, 3600
# How long a row waits after its next failure, in seconds, as SQL on the alias `q`; still without jitter.
BACK_OFF = (
    f"CASE WHEN q.attempts < {QUICK_TRIES} THEN {QUICK_SECONDS}"
    f" ELSE least({QUICK_SECONDS} * 2 ^ (q.attempts - {QUICK_TRIES - 1}), {LONGEST_SECONDS}) END"
)


def put_off(queue: Queue, errors: dict[int, str], *, tokens: Mapping[int, int] | None = None) -> None:
    """Record what went wrong with each row (by id) and when it may be tried again: soon at first, then later after each
    attempt, with jitter; after `settings.MAX_ATTEMPTS` never, until a person says so, who finds a ticket.

    With `tokens`, only rows whose lease is still ours: another worker may have taken one over.
    """
    metrics.count_failed(queue.table, len(errors))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {queue.table} q SET
                attempts = q.attempts + 1,
                last_error = e.error,
                lease_until = NULL,
                ready_at = now() + make_interval(secs => ({BACK_OFF}) * e.jitter),
                needs_person_since = CASE WHEN q.attempts + 1 >= %(most)s THEN now() END
            FROM unnest(%(ids)s::bigint[], %(tokens)s::int[], %(errors)s::text[], %(jitter)s::float8[])
                AS e(id, token, error, jitter)
            WHERE q.id = e.id AND (e.token IS NULL OR q.lease_token = e.token)
            """,
            {
                "most": settings.MAX_ATTEMPTS,
                "ids": list(errors),
                "tokens": [tokens[key] if tokens else None for key in errors],
                "errors": [mask_text(error)[:1000] for error in errors.values()],
                "jitter": [random.uniform(0.5, 1.5) for _ in errors],  # noqa: S311 - no secret depends on it
            },
        )


def lease(queue: Queue, limit: int, *, connection_id: int | None = None, outside: bool = False) -> dict[int, int]:
    """Claim up to `limit` rows for longer than a transaction: commits at once; returns the lease token of each id.

    For calls `outside` none is claimed while what goes out is stopped. With `connection_id`, only rows that go over
    that connection.

    The lease ends by the database's clock after `settings.LEASE_SECONDS`; then another worker may take the row. With
    `connection_id`, only rows that go over that connection.
    """
    over = "AND q.connection_id = %(connection)s" if connection_id is not None else ""
    allowed = f"AND {outbound.MAY_GO_OUT}" if outside else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH due AS (
                SELECT q.id FROM {queue.table} q WHERE {queue.condition()} {over} {allowed}
                ORDER BY {queue.order} LIMIT %(limit)s FOR NO KEY UPDATE OF q SKIP LOCKED
            )
            UPDATE {queue.table} q
            SET lease_until = now() + make_interval(secs => %(seconds)s), lease_token = q.lease_token + 1
            FROM due WHERE q.id = due.id
            RETURNING q.id, q.lease_token
            """,
            {"limit": limit, "seconds": settings.LEASE_SECONDS, "connection": connection_id},
        )
        return dict(cursor.fetchall())


def give_back(queue: Queue, tokens: Mapping[int, int]) -> None:
    """End the lease on rows that we are not going to send, as far as it is still ours."""
    if not tokens:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {queue.table} q SET lease_until = NULL
            FROM unnest(%(ids)s::bigint[], %(tokens)s::int[]) AS mine(id, token)
            WHERE q.id = mine.id AND q.lease_token = mine.token AND q.lease_until IS NOT NULL
            """,
            {"ids": array(tokens), "tokens": array(tokens.values())},
        )


def prolong(queue: Queue, tokens: Mapping[int, int]) -> None:
    """Hold the leased rows for another `settings.LEASE_SECONDS` from now, as far as they are still ours."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {queue.table} q SET lease_until = now() + make_interval(secs => %(seconds)s)
            FROM unnest(%(ids)s::bigint[], %(tokens)s::int[]) AS mine(id, token)
            WHERE q.id = mine.id AND q.lease_token = mine.token AND q.lease_until IS NOT NULL
            """,
            {"seconds": settings.LEASE_SECONDS, "ids": array(tokens), "tokens": array(tokens.values())},
        )


def lock_leased(queue: Queue, tokens: dict[int, int]) -> list[int]:
    """Lock, by id, the rows whose lease is still ours and that are still in the queue; returns their ids.

    Needs an open transaction. A row that is missing was taken over or changed state meanwhile: leave it alone.
    """
    require_transaction("lock_leased")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT q.id FROM {queue.table} q
            JOIN unnest(%(ids)s::bigint[], %(tokens)s::int[]) AS mine(id, token)
              ON q.id = mine.id AND q.lease_token = mine.token
            -- The rows are found by their ids, hence twice, and in a CASE: the index of the queue has all that wait.
            WHERE q.id = ANY(%(ids)s::bigint[]) AND CASE WHEN {queue.ready} THEN true ELSE false END
            ORDER BY q.id FOR NO KEY UPDATE OF q
            """,
            {"ids": array(tokens), "tokens": array(tokens.values())},
        )
        return [key for (key,) in cursor.fetchall()]


def run_until_empty(stage: Stage, batch: int, *, until: float | None = None) -> int:
    """Run a stage until nothing is ready, or until the monotonic clock reads `until`; returns rows claimed.

    Where there is much, `settings.STAGE_SLOTS` threads claim side by side, so that one batch is computed while another
    is in the database. A smaller batch first tells whether there is.
    """

    def work() -> int:
        total = 0
        while until is None or time.monotonic() < until:
            claimed = stage.run(batch)
            total += claimed
            if not claimed:
                break
        return total

    def work_and_disconnect() -> int:
        try:
            return work()
        finally:
            connections.close_all()

    probe = stage.probe(batch)
    first = stage.run(probe)
    if first < probe or settings.STAGE_SLOTS < 2:
        return first + (work() if first else 0)
    with ThreadPoolExecutor(settings.STAGE_SLOTS - 1) as pool:
        # A context each: what this one says of waits counts in the threads too.
        others = [pool.submit(copy_context().run, work_and_disconnect) for _ in range(settings.STAGE_SLOTS - 1)]
        return first + work() + sum(other.result() for other in others)
