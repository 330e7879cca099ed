"""What other systems tell us: stored as it comes, and worked on by stages that claim it like any other row.

Facts come late, twice, too early and in any order. So a stage works them off by the time at which they are due; what is
about something we do not know yet waits; one that fails is put off alone and holds up no other; and after the last try
a person finds a ticket.
"""

import json
import logging
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.utils.translation import gettext_lazy

from oms.common import metrics, tickets
from oms.common.copying import array, text_array
from oms.common.masking import describe
from oms.common.models import FactState, InboundFact, Team, Topic
from oms.common.work import clock, keeping, nudging, remembering
from oms.common.work.claiming import BACK_OFF, Stage
from oms.common.work.news import News

logger = logging.getLogger(__name__)

# So many failures within one batch are looked into at once; what is left of it then is tried apart, after others.
PATIENCE = 12
# Beside a batch of facts, this part of its size of such that failed before.
TRIED_SHARE = 10

# The stage that works on each topic; also the name of its nudge.
STAGES = {
    Topic.PAYMENT: "payment_facts",
    Topic.WAREHOUSE: "warehouse_facts",
    Topic.CARRIER: "carrier_facts",
    Topic.STOCK: "stock_facts",
}

UNKNOWN_SUBJECT = tickets.register_kind(
    tickets.TicketKind(
        "fact_of_unknown",
        gettext_lazy("Message about something unknown"),
        "fact",
        team=Team.TECHNICAL,
        due_within=timedelta(days=1),
        reasons={"": gettext_lazy("%(kind)s about %(subject)s, which we do not know.")},
        remedies=gettext_lazy("Find out what it is about; then apply it again, or discard it."),
    )
)
FACT_FAILED = tickets.register_kind(
    tickets.TicketKind(
        "fact_failed",
        gettext_lazy("Message could not be applied"),
        "fact",
        team=Team.TECHNICAL,
        due_within=timedelta(days=1),
        reasons={"": gettext_lazy("%(kind)s about %(subject)s: %(error)s")},
        remedies=gettext_lazy("Mend what the error names; then apply it again, or discard it."),
    )
)
FACT_DIFFERS = tickets.register_kind(
    tickets.TicketKind(
        "fact_differs",
        gettext_lazy("Message came again with other content"),
        "fact",
        team=Team.TECHNICAL,
        due_within=timedelta(days=1),
        reasons={"": gettext_lazy("The first one under key %(key)s counts; the other side says something else now.")},
        remedies=gettext_lazy("Ask the other side which one is right."),
    )
)
MESSAGE_UNREADABLE = tickets.register_kind(
    tickets.TicketKind(
        "message_unreadable",
        gettext_lazy("Message could not be read"),
        "fact",
        team=Team.TECHNICAL,
        due_within=timedelta(days=1),
        reasons={"": gettext_lazy("A genuine message of %(connection)s is kept, but not understood: %(error)s")},
        remedies=gettext_lazy("Once the adapter understands it, apply it again; or discard it."),
    )
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A stored fact that a stage works on."""

    id: int
    connection_id: int
    key: str
    kind: str
    subject: str
    body: dict[str, Any]
    occurred_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a fact: a settled state, and a code that says more."""

    state: FactState
    outcome: str = ""


APPLIED = Verdict(FactState.APPLIED)
NO_EFFECT = Verdict(FactState.NO_EFFECT)


def receive(connection_id: int, topic: Topic, news: Sequence[News]) -> None:
    """Store what a system told us; what it told before is ignored. One statement, its own transaction where none is
    running, and one more where some came again.

    A message that came again under its key with other words is kept once, and a person is told: who tells it gets no
    answer before that. Within `remembering.trusting()` what other threads are told meanwhile is stored by the same
    statement, and Outdated is raised unless all is new and what was said without asking is still so.
    """
    if not news:
        return
    if len(keeping.store(connection_id, topic, news)) < len(news):
        remembering.ask_first()
        _tell_differences(connection_id, news)
    nudging.nudge(STAGES[topic])


def _tell_differences(connection_id: int, news: Sequence[News]) -> None:
    told = {keeping.key_of(item.key): item for item in news}
    kept = InboundFact.objects.filter(connection_id=connection_id, fact_key__in=told)
    troubles = [
        tickets.Trouble(pk, values={"key": key})
        for pk, key, kind, subject, body in kept.values_list("pk", "fact_key", "kind", "subject", "body")
        if (kind, subject, body) != (told[key].kind, told[key].subject[:64], _as_kept(told[key].body))
    ]
    tickets.open_tickets(FACT_DIFFERS, troubles, opened_by="receive")


def _as_kept(body: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(dict(body)))


_COLUMNS = "f.id, f.connection_id, f.fact_key, f.kind, f.subject, f.body, f.occurred_at, f.received_at"
_DUE = f"f.state = '{FactState.PENDING}' AND f.needs_person_since IS NULL"


@dataclass(frozen=True, slots=True)
class FactWork:
    """How a stage works on the facts of a topic.

    `locate` says to which group (the order's id) each fact belongs, by fact id, leaving out those whose subject is not
    known. `lock` locks groups by id, skipping those that others hold, and returns the ids locked. `apply` does what the
    facts say, in one transaction, and returns a verdict for each. `understand` reads a fact, without the database; it
    raises ValueError where nobody understands what it says.
    """

    topic: Topic
    locate: Callable[[Sequence[Fact]], Mapping[int, int]]
    lock: Callable[[Iterable[int]], Collection[int]]
    apply: Callable[[Sequence[Fact], Sequence[int]], Mapping[int, Verdict]]
    understand: Callable[[Fact], object]


def _read(row: Sequence[Any]) -> Fact:
    """The fact of a row of `_COLUMNS`; a bare cursor gives JSON as text."""
    fact = Fact(*row)
    return replace(fact, body=json.loads(fact.body)) if isinstance(fact.body, str) else fact


def fact_stage(work: FactWork, *, wakes: tuple[str, ...] = ()) -> Stage:
    """The stage that works on the facts of a topic."""

    def backlog() -> str:
        return f"""
            SELECT f.ready_at AS due, f.needs_person_since IS NOT NULL AS needs_person FROM common_inboundfact f
            WHERE f.topic = '{work.topic}' AND f.state = '{FactState.PENDING}' ORDER BY f.ready_at
        """

    return Stage(STAGES[work.topic], lambda limit: run(work, limit), wakes=wakes, backlog=backlog)


def run(work: FactWork, limit: int) -> int:
    """Work on up to `limit` facts, those due longest first, and on some that failed before; returns how many were
    settled or put off.

    What nobody understands is put off before, and others take its places. What failed before is worked on apart and a
    few at a time, so that it neither makes others fail again nor keeps them waiting.
    """
    fresh, tried = _due(work, limit)
    wrong = _not_understood([*fresh, *tried], work)
    if wrong:
        _put_off(wrong, FACT_FAILED)
        fresh, tried = _due(work, limit)
        left_for_later = _not_understood([*fresh, *tried], work)
        fresh = [fact for fact in fresh if fact.id not in left_for_later]
        tried = [fact for fact in tried if fact.id not in left_for_later]
    if not fresh and not tried:
        return len(wrong)
    groups = work.locate([*fresh, *tried])
    unknown = {fact.id: "unknown subject" for fact in (*fresh, *tried) if fact.id not in groups}
    _put_off(unknown, UNKNOWN_SUBJECT)
    fresh = [fact for fact in fresh if fact.id in groups]
    tried = [fact for fact in tried if fact.id in groups]
    return len(wrong) + len(unknown) + _work_on(fresh, groups, work, patience=PATIENCE) + _work_on(tried, groups, work)


def _not_understood(facts: Sequence[Fact], work: FactWork) -> dict[int, str]:
    """What is wrong with those of the facts that nobody understands, by id."""
    wrong = {}
    for fact in facts:
        try:
            work.understand(fact)
        except ValueError as error:
            wrong[fact.id] = describe(error)
    return wrong


def _due(work: FactWork, limit: int) -> tuple[list[Fact], list[Fact]]:
    """The facts that are due: up to `limit` that were never tried, and a few of those that failed."""
    due = f"""
        SELECT {_COLUMNS}, f.attempts > 0 FROM common_inboundfact f
        WHERE f.topic = %(topic)s AND {_DUE} AND f.ready_at <= {clock.horizon()} AND f.attempts"""
    oldest_first = "ORDER BY f.ready_at, f.id LIMIT"
    with database.cursor() as cursor:
        cursor.execute(
            f"({due} = 0 {oldest_first} %(fresh)s) UNION ALL ({due} > 0 {oldest_first} %(tried)s)",
            {"topic": work.topic, "fresh": limit, "tried": max(limit // TRIED_SHARE, 1)},
        )
        found = [(_read(row), has_failed) for *row, has_failed in cursor.fetchall()]
    return [fact for fact, failed in found if not failed], [fact for fact, failed in found if failed]


def stored(connection_id: int, keys: Iterable[str]) -> list[Fact]:
    """What the system told us under these keys, for `apply_now`; the oldest first."""
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM common_inboundfact f"
            " WHERE f.connection_id = %s AND f.fact_key = ANY(%s::text[]) ORDER BY f.id",
            [connection_id, text_array(keeping.key_of(key) for key in keys)],
        )
        return [_read(row) for row in cursor.fetchall()]


def apply_now(work: FactWork, facts: Sequence[Fact], groups: Sequence[int]) -> None:
    """Work on facts of groups that are locked, at once and in the running transaction, instead of when the stage comes
    to them."""
    _settle(work, facts, groups)


def _work_on(facts: Sequence[Fact], groups: Mapping[int, int], work: FactWork, *, patience: int | None = None) -> int:
    """Apply the facts together, or where that fails, half by half; one that fails alone is put off.

    Returns how many were settled or put off.
    """
    if not facts:
        return 0
    try:
        with transaction.atomic():
            return _settle(work, facts, _locked(work, facts, groups), groups)
    except Exception as error:
        if len(facts) == 1:
            _put_off({facts[0].id: describe(error)}, FACT_FAILED)
            return 1
        # Which fact is at fault shows below; nothing of the batch was written.
        logger.exception("a batch of %d facts of %s failed; it is done in halves", len(facts), work.topic)
    return _by_halves(facts, groups, work, patience)


def _by_halves(facts: Sequence[Fact], groups: Mapping[int, int], work: FactWork, patience: int | None) -> int:
    """Apply facts that failed together: the good ones go through in few tries, which cost little in one transaction.
    After `patience` failures what is left is put off, to be tried apart."""
    done, failures, failed = 0, 1, dict[int, str]()
    middle = len(facts) // 2
    # The half behind comes first, with all of its halves: facts that fail together are often neighbours, and those
    # after them are through before each of them was found.
    pending = [facts[:middle], facts[middle:]]
    with transaction.atomic():
        locked = _locked(work, facts, groups)
        while pending:
            batch = pending.pop()
            theirs = {groups[fact.id] for fact in batch}
            try:
                with transaction.atomic():
                    done += _settle(work, batch, [group for group in locked if group in theirs], groups)
                    _check_deferred()
            except Exception as error:
                failures += 1
                if failures == patience:
                    failed |= {fact.id: "not tried: messages beside it failed" for rest in pending for fact in rest}
                    pending.clear()
                if failures == patience or len(batch) == 1:
                    failed |= {fact.id: describe(error) for fact in batch}
                    continue
                middle = len(batch) // 2
                pending += [batch[:middle], batch[middle:]]
    _put_off(failed, FACT_FAILED)
    return done + len(failed)


def _locked(work: FactWork, facts: Iterable[Fact], groups: Mapping[int, int]) -> list[int]:
    return sorted(work.lock({groups[fact.id] for fact in facts}))


def _check_deferred() -> None:
    """Let what is checked at the end of a transaction fail now, while it can be told of which facts."""
    with database.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _settle(
    work: FactWork, facts: Sequence[Fact], locked: Sequence[int], groups: Mapping[int, int] | None = None
) -> int:
    """Apply those of the facts whose groups are locked and that are still waiting; returns how many."""
    ours = set(locked)
    keys = [fact.id for fact in facts if groups is None or groups[fact.id] in ours]
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id, needs_person_since IS NOT NULL FROM common_inboundfact
            WHERE id = ANY(%s::bigint[]) AND state = '{FactState.PENDING}' ORDER BY id FOR NO KEY UPDATE
            """,
            [array(keys)],
        )
        waiting = dict(cursor.fetchall())
    fresh = [fact for fact in facts if fact.id in waiting]
    if not fresh:
        return 0
    verdicts = work.apply(fresh, locked)
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE common_inboundfact f SET state = v.state, outcome = v.outcome, settled_at = now(), last_error = '',
                needs_person_since = NULL
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS v(id, state, outcome) WHERE f.id = v.id
            """,
            [
                array(verdicts),
                text_array(verdict.state for verdict in verdicts.values()),
                text_array(verdict.outcome for verdict in verdicts.values()),
            ],
        )
    tickets.close_tickets([UNKNOWN_SUBJECT, FACT_FAILED], [key for key in verdicts if waiting[key]])
    return len(fresh)


def _put_off(errors: Mapping[int, str], ticket: tickets.TicketKind) -> None:
    """Try the facts again later; after the last try each gets a ticket."""
    if not errors:
        return
    metrics.count_failed("common_inboundfact", len(errors))
    with transaction.atomic(), database.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE common_inboundfact q SET attempts = q.attempts + 1, last_error = e.error,
                ready_at = now() + make_interval(secs => ({BACK_OFF}) * %(jitter)s),
                needs_person_since = CASE WHEN q.attempts + 1 >= %(most)s THEN now() END
            FROM unnest(%(ids)s::bigint[], %(errors)s::text[]) AS e(id, error)
            WHERE q.id = e.id AND q.state = '{FactState.PENDING}'
            RETURNING q.id, q.subject, q.kind, q.needs_person_since IS NOT NULL
            """,
            {
                "jitter": random.uniform(0.8, 1.2),  # noqa: S311 - no secret depends on it
                "most": settings.MAX_ATTEMPTS,
                "ids": array(errors),
                "errors": text_array(errors.values()),
            },
        )
        rows = cursor.fetchall()
        troubles = [
            tickets.Trouble(key, "", {"subject": subject, "kind": kind, "error": errors[key]})
            for key, subject, kind, is_given_up in rows
            if is_given_up
        ]
        tickets.open_tickets(ticket, troubles, opened_by="facts")
