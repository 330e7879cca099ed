"""Calls to other systems: claim by lease, commit, call, and finish only what is still ours.

A call has three outcomes for each row: taken, refused, unknown. Unknown is never taken for a refusal: the same
reference is asked again later, which the other system must recognise. A batch has as many rows as the system answers
within a third of the lease, and the lease is prolonged while the call lasts.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings
from django.db import connection as database
from django.db import connections as databases
from django.db import transaction

from oms.common.masking import describe, mask_text
from oms.common.models import Connection
from oms.common.work import connections
from oms.common.work.claiming import Queue, Stage, give_back, lease, lock_leased, prolong, put_off

logger = logging.getLogger(__name__)

# A call is given up as lost after so many leases; then others may ask again.
MOST_LEASES = 20


class Unclear(Exception):
    """Nothing is known after a call: the other side is busy, or what it said proves nothing. Ask under the same number
    before anything else."""


class Answer(Protocol):
    """What the other system said of one reference."""

    @property
    def taken(self) -> bool:
        """Whether it does what was asked."""

    @property
    def reason(self) -> str:
        """Why not."""


class HasReference(Protocol):
    """What is asked for, with the number under which the other system knows it."""

    @property
    def reference(self) -> str:
        """Our number for it."""


A = TypeVar("A", bound=Answer)
I = TypeVar("I", bound=HasReference)  # noqa: E741 - an item


@dataclass(slots=True)
class Outcomes(Generic[A]):
    """What came of a call, by row id: answers, and for the unknown ones what went wrong."""

    taken: dict[int, A] = field(default_factory=dict)
    refused: dict[int, A] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)

    def only(self, keys: Collection[int]) -> "Outcomes[A]":
        """The outcomes of these rows."""
        return Outcomes(
            {key: answer for key, answer in self.taken.items() if key in keys},
            {key: answer for key, answer in self.refused.items() if key in keys},
            {key: error for key, error in self.unknown.items() if key in keys},
        )

    def reasons(self) -> dict[int, str]:
        """Why each refused row was refused."""
        return {key: answer.reason for key, answer in self.refused.items()}


class Allowance(Protocol):
    """How many rows may be sent over each connection for now, where the other side or its bill sets a limit."""

    def open_to(self) -> Sequence[int]:
        """The connections over which something may be sent now."""

    def take(self, connection_id: int, wanted: int) -> int:
        """Take so many of what the connection has left, or as many as there are; returns how many."""

    def give_back(self, connection_id: int, unused: int) -> None:
        """What was taken and not sent."""


@dataclass(frozen=True)
class Call(Generic[I, A]):
    """How the rows of a queue are sent over a connection.

    `prepare` reads what is to be sent, by row id, without a transaction; a row that it leaves out has nothing to send
    and fails. `ask` makes the call; it answers by reference, by Unclear where it can say why nothing is known. `finish`
    writes the outcomes in one transaction, of rows that are still ours and locked. `lock_above` locks what comes before
    the rows in the one lock order. `too_late` gets the outcomes of rows that somebody else took over or that left the
    queue. A call never has more than `most` rows; with an `allowance` no more are sent than it gives.
    """

    queue: Queue
    prepare: Callable[[Sequence[int]], Mapping[int, I]]
    ask: Callable[[Connection, Sequence[I]], Mapping[str, A | Unclear]]
    finish: Callable[[Outcomes[A]], None]
    lock_above: Callable[[Collection[int]], None] | None = None
    too_late: Callable[[Outcomes[A]], None] | None = None
    most: int = 10_000
    allowance: Allowance | None = None


def over(link: Connection, limit: int, call: Call[I, A]) -> int:
    """Send up to `limit` rows that are due over the connection, in batches that fit it; returns how many were claimed.

    Nothing is claimed while the connection rests, or all the calls that it takes at once are on their way.
    """
    if call.allowance is None:
        return _over(link, limit, call)
    granted, claimed = call.allowance.take(link.pk, limit), 0
    try:
        claimed = _over(link, granted, call)
    finally:
        call.allowance.give_back(link.pk, granted - claimed)
    return claimed


def _over(link: Connection, limit: int, call: Call[I, A]) -> int:
    claimed = 0
    asked: set[int] = set()
    with connections.slot_of(link) as slot:
        while slot is not None and claimed < limit:
            most = min(connections.chunk_size(link), limit - claimed, call.most)
            tokens = lease(call.queue, most, connection_id=link.pk, outside=True)
            is_last = len(tokens) < most
            # Where waits are skipped, what was put off a moment ago is due again; it waits for the next run.
            again = {key: tokens.pop(key) for key in asked & tokens.keys()}
            give_back(call.queue, again)
            if not tokens:
                break
            asked |= tokens.keys()
            claimed += len(tokens)
            with _kept(call.queue, tokens, slot):
                outcomes = _send(link, call, list(tokens))
            _finish(call, tokens, outcomes)
            if is_last or link.failures:
                break
    return claimed


def _send(link: Connection, call: Call[I, A], keys: Sequence[int]) -> Outcomes[A]:
    outcomes = Outcomes[A]()
    items = _prepared(call, keys, outcomes)
    if not items:
        return outcomes
    started = time.monotonic()
    try:
        answers = call.ask(link, list(items.values()))
    except Exception as error:
        text = describe(error)
        outcomes.unknown.update(dict.fromkeys(items, text))
        connections.note_failure(link, text, time.monotonic() - started)
        return outcomes
    connections.note_answer(link, len(items), time.monotonic() - started)
    for key, item in items.items():
        answer = answers.get(item.reference)
        if answer is None:
            outcomes.unknown[key] = "no answer"
        elif isinstance(answer, Unclear):
            outcomes.unknown[key] = mask_text(str(answer))
        elif answer.taken:
            outcomes.taken[key] = answer
        else:
            outcomes.refused[key] = answer
    return outcomes


def _prepared(call: Call[I, A], keys: Sequence[int], outcomes: Outcomes[A]) -> dict[int, I]:
    """What is to be sent; a row that cannot be prepared fails alone."""
    try:
        items = dict(call.prepare(keys))
    except Exception:
        logger.exception("preparing %d %s failed; they are prepared one by one", len(keys), call.queue.table)
        items = {}
        for key in keys:
            try:
                items |= call.prepare([key])
            except Exception as error:
                # Recorded on the row, where staff see it.
                outcomes.unknown[key] = describe(error)
    for key in keys:
        if key not in items:
            outcomes.unknown.setdefault(key, "nothing to send")
    return items


def _finish(call: Call[I, A], tokens: dict[int, int], outcomes: Outcomes[A]) -> None:
    def finish_those(chosen: dict[int, int]) -> set[int]:
        with transaction.atomic():
            if call.lock_above:
                call.lock_above(chosen.keys())
            mine = set(lock_leased(call.queue, chosen))
            ours = outcomes.only(mine)
            call.finish(ours)
            if ours.unknown:
                put_off(call.queue, ours.unknown)
        return mine

    try:
        mine = finish_those(tokens)
    except Exception:
        # Which row is at fault shows below; nothing of the batch was written.
        logger.exception("finishing %d %s failed; they are finished one by one", len(tokens), call.queue.table)
        mine = set()
        for key, token in tokens.items():
            try:
                mine |= finish_those({key: token})
            except Exception as error:
                # Recorded on the row, where staff see it, if nobody took it over.
                put_off(call.queue, {key: describe(error)}, tokens=tokens)
                mine.add(key)
    lost = tokens.keys() - mine
    if not lost:
        return
    late = outcomes.only(lost)
    if call.too_late and (late.taken or late.refused):
        call.too_late(late)
    # What was not taken over, but left the queue, may wait for another call: not for the end of our lease.
    give_back(call.queue, {key: tokens[key] for key in lost})


class _kept:
    """Within it, the lease on rows and slot is prolonged for as long as a call takes, by a thread of its own."""

    def __init__(self, queue: Queue, tokens: dict[int, int], slot: connections.Slot) -> None:
        self._queue, self._tokens, self._slot = queue, tokens, slot
        self._over = threading.Event()
        self._thread: threading.Timer | None = None

    def __enter__(self) -> None:
        self._thread = threading.Timer(settings.LEASE_SECONDS / 3, self._keep)
        self._thread.daemon = True
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.cancel()
            if self._thread.is_alive():
                self._thread.join()

    def _keep(self) -> None:
        try:
            for _lease in range(3 * MOST_LEASES):
                prolong(self._queue, self._tokens)
                connections.keep_slot(self._slot)
                if self._over.wait(settings.LEASE_SECONDS / 3):
                    return
        except Exception:
            # The call goes on; its rows may be asked for twice, which the other side must recognise.
            logger.exception("the lease on %d %s could not be prolonged", len(self._tokens), self._queue.table)
        finally:
            databases.close_all()


@dataclass(frozen=True, slots=True)
class OutsideStage(Stage):
    """A stage that calls other systems: each connection is served for itself, so that a silent one holds up no other.

    The rows of its queue name their connection.
    """

    call: Call[Any, Any] | None = None

    def probe(self, batch: int) -> int:
        """A whole batch: as each connection has its own, a part of it would tell nothing and call each once more."""
        return batch

    def due_connections(self) -> list[int]:
        """The connections that may be called now and have rows that are due."""
        return due_connections(self.call) if self.call else []

    def run_over(self, connection_id: int, limit: int) -> int:
        """Serve one connection, unless it rests; returns how many rows were claimed."""
        assert self.call is not None  # noqa: S101 - set by `outside_stage`
        if connection_id not in self.due_connections():
            return 0
        return over(Connection.objects.get(pk=connection_id), limit, self.call)


def due_connections(call: Call[Any, Any]) -> list[int]:
    """Connections that may be called now and have rows of the call's queue that are due."""
    queue, among, only = call.queue, "true", []
    if call.allowance is not None:
        only = [list(call.allowance.open_to())]
        among = "c.id = ANY(%s::bigint[])"
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.id FROM common_connection c
            -- LATERAL with a LIMIT: one row each is enough, however many are due.
            CROSS JOIN LATERAL (
                SELECT FROM {queue.table} q WHERE q.connection_id = c.id AND {queue.condition()} LIMIT 1
            ) AS due
            WHERE {connections.CALLABLE} AND {among} ORDER BY c.id
            """,
            only,
        )
        return [key for (key,) in cursor.fetchall()]


def outside_stage(name: str, call: Call[Any, Any], wakes: tuple[str, ...] = ()) -> OutsideStage:
    """The stage that sends the rows of the call's queue, connection by connection."""

    def run(limit: int) -> int:
        links = Connection.objects.in_bulk(due_connections(call))
        return sum([over(links[key], limit, call) for key in sorted(links)])

    return OutsideStage(name, run, wakes, call.queue, call=call)
