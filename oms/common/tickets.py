"""Tickets: opened where trouble is found, closed where it is mended. Both for many subjects in one statement.

This module knows no business: apps register the kinds of their tickets, and how a kind of subject is worded and linked.

A row whose stage gave it up gets a ticket from the database itself (`oms.common.stuck`). Who knows better what is wrong
opens a ticket of a kind of its own in the transaction that marks the row: then the general one gives way.

Tickets are locked by subject and kind. Whoever opens or closes several in one transaction holds the lock on what they
are about.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from oms.common.copying import array, text_array
from oms.common.models import TicketEventKind, TicketResult, TicketState

# The kind of subject that `about_id` names.
ABOUT = "order"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one subject (by id): the reason as a code with values for its sentence. `about_id` is the row
    on whose page staff work on it (the order's id), where there is one; `due_at` when it must be done, where that is
    not the kind's."""

    subject_id: int
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    about_id: int | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TicketKind:
    """A kind of ticket: its title for staff, which kind of subject it is about, which team (`models.Team`) sees it
    first, how soon it should be done (None: no deadline), and sentences for its reasons, with named placeholders for
    the values. `causes` are short names of reasons, for where many tickets of one reason are counted together.

    `remedies` says what a person may do about it. Tickets of a kind that is `by_hand` are opened by people. Where it is
    not `can_retry`, letting the subject be tried again is no help; `retry_title` is what that is called where it is no
    second try.
    """

    code: str
    title: Any
    subject_kind: str
    team: str = ""
    due_within: timedelta | None = None
    reasons: Mapping[str, Any] = field(default_factory=dict)
    causes: Mapping[str, Any] = field(default_factory=dict)
    remedies: Any = ""
    by_hand: bool = False
    can_retry: bool = True
    retry_title: Any = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a subject is shown: a text, and the address of its page."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """How a row that needs a person is given back to its stage: `run` gets its id and the person's name; it takes the
    locks that it needs, before any ticket's. `right` is what the person needs."""

    right: str
    run: Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class About:
    """What tickets belong to: how much money (yuan) is at stake, many ids at once, and how one row is summed up beside
    its ticket: HTML for a request, empty where the person may not see it."""

    money: Callable[[Collection[int]], Mapping[int, Decimal]]
    summary: Callable[[Any, int], SafeString | str]


Show = Callable[[Collection[int]], Mapping[int, Shown]]

_kinds: dict[str, TicketKind] = {}
_subjects: dict[str, Show] = {}
_retries: dict[str, Retry] = {}
_about: list[About] = []
_searches: list[Callable[[str], Collection[int]]] = []


def register_kind(kind: TicketKind) -> TicketKind:
    """Make the kind known; returns it."""
    _kinds[kind.code] = kind
    return kind


def register_subject(kind: str, show: Show) -> None:
    """Say how subjects of this kind are shown, many ids at once."""
    _subjects[kind] = show


def register_retry(subject_kind: str, retry: Retry) -> None:
    """Say how subjects of this kind are tried again, where that takes more than `stuck.give_back`."""
    _retries[subject_kind] = retry


def register_search(order_ids: Callable[[str], Collection[int]]) -> None:
    """Let the list of tickets be searched for what the tickets are about."""
    _searches.append(order_ids)


def register_about(about: About) -> None:
    """Say what the rows that `about_id` names have to say beside their tickets."""
    _about.append(about)


def money_of(about_ids: Collection[int]) -> Mapping[int, Decimal]:
    """How much money is at stake, by id, in yuan."""
    return {key: amount for about in _about if about_ids for key, amount in about.money(about_ids).items()}


def summary_of(request: Any, about_id: int) -> SafeString:
    """The summary of what a ticket belongs to, as HTML for the request."""
    return format_html_join("", "{}", ((about.summary(request, about_id),) for about in _about))


def kinds() -> Mapping[str, TicketKind]:
    """All kinds that apps registered, by code."""
    return _kinds


def subject_kinds() -> Mapping[str, Show]:
    """How each kind of subject is shown."""
    return _subjects


def retry_of(subject_kind: str) -> Retry | None:
    """How subjects of this kind are tried again."""
    return _retries.get(subject_kind)


def search(text: str) -> set[int]:
    """Ids of orders that the text may mean."""
    return {key for order_ids in _searches for key in order_ids(text)}


def stuck_code(subject_kind: str) -> str:
    """The kind of the ticket that the database opens on a row of this kind whose stage gave it up."""
    return f"stuck_{subject_kind}"


# The target time of a kind in seconds, where staff gave it one of its own.
TARGET = "(SELECT g.minutes * 60 FROM common_tickettarget g WHERE g.kind = {})"

# Closes the tickets of the query `found` by %(by)s with %(result)s, and writes their history.
CLOSING = f"""
    closed AS (
        UPDATE common_ticket t SET state = '{TicketState.CLOSED}', closed_at = now(), closed_by = %(by)s,
            result = %(result)s, snoozed_until = NULL
        FROM found WHERE t.id = found.id RETURNING t.id
    )
    INSERT INTO common_ticketevent (ticket_id, kind, "by", "values")
    SELECT id, '{TicketEventKind.CLOSED}', %(by)s, jsonb_build_object('result', %(result)s::text) FROM closed
"""


def open_tickets(kind: TicketKind, troubles: Sequence[Trouble], *, opened_by: str = "") -> None:
    """Open a ticket for each subject, in the running transaction; one that is open already takes the newest reason and
    counts. One statement. Raises LookupError for a kind that is not registered."""
    if _kinds.get(kind.code) != kind:
        raise LookupError(f"Ticket kind {kind.code} is not registered: staff could not read its tickets.")
    latest = {trouble.subject_id: trouble for trouble in troubles}
    if not latest:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH given_way AS (
                -- Nobody has seen it yet: it is of this transaction.
                DELETE FROM common_ticket WHERE kind = %(stuck)s AND subject_kind = %(subject_kind)s
                  AND subject_id = ANY(%(subjects)s::bigint[]) AND opened_at = now() AND times = 1
            )
            INSERT INTO common_ticket (kind, subject_kind, subject_id, about_id, reason, "values", team, due_at,
                opened_at, reported_at, opened_by)
            SELECT %(kind)s, %(subject_kind)s, t.subject_id, t.about_id, t.reason, t.values, %(team)s,
                coalesce(t.due_at, now() + make_interval(secs => coalesce({TARGET.format("%(kind)s")}, %(within)s))),
                now(), now(), %(by)s
            FROM unnest(%(subjects)s::bigint[], %(about)s::bigint[], %(reasons)s::text[], %(values)s::jsonb[],
                %(due)s::timestamptz[]) AS t(subject_id, about_id, reason, values, due_at)
            ORDER BY t.subject_id
            ON CONFLICT (subject_id, subject_kind, kind) WHERE state = '{TicketState.OPEN}' DO UPDATE SET
                times = common_ticket.times + 1, reported_at = now(), reason = excluded.reason,
                "values" = excluded."values", about_id = coalesce(excluded.about_id, common_ticket.about_id)
            """,
            {
                "kind": kind.code,
                "stuck": stuck_code(kind.subject_kind) if kind.code != stuck_code(kind.subject_kind) else "",
                "subject_kind": kind.subject_kind,
                "team": kind.team,
                "within": kind.due_within.total_seconds() if kind.due_within else None,
                "by": opened_by,
                "subjects": array(latest),
                "due": [trouble.due_at for trouble in latest.values()],
                "about": [trouble.about_id for trouble in latest.values()],
                "reasons": text_array(trouble.reason for trouble in latest.values()),
                "values": text_array(json.dumps(dict(trouble.values), default=str) for trouble in latest.values()),
            },
        )


def close_tickets(
    kinds: Collection[TicketKind],
    subject_ids: Collection[int],
    *,
    result: TicketResult = TicketResult.RESOLVED,
    closed_by: str = "",
) -> int:
    """Close the open tickets of these kinds on these subjects, in the running transaction; returns how many."""
    if not subject_ids or not kinds:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH found AS (
                SELECT id FROM common_ticket
                WHERE state = '{TicketState.OPEN}' AND subject_id = ANY(%(subjects)s::bigint[])
                  AND (kind, subject_kind) IN (SELECT * FROM unnest(%(kinds)s::text[], %(subject_kinds)s::text[]))
                ORDER BY subject_id, subject_kind, kind FOR NO KEY UPDATE
            ), {CLOSING}
            """,
            {
                "by": closed_by,
                "result": result,
                "subjects": array(subject_ids),
                "kinds": [kind.code for kind in kinds],
                "subject_kinds": [kind.subject_kind for kind in kinds],
            },
        )
        return cursor.rowcount
