"""Tickets: opened where trouble is found, closed where it is mended. Both for many subjects in one statement.

This module knows no business: apps register the kinds of their tickets, and how a kind of subject is worded and linked.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection

from oms.common.copying import array, text_array
from oms.common.models import TicketResult, TicketState


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one subject (by id): the reason as a code with values for its sentence. `about_id` is the row
    on whose page staff work on it (the order's id), where there is one."""

    subject_id: int
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    about_id: int | None = None


@dataclass(frozen=True, slots=True)
class TicketKind:
    """A kind of ticket: its title for staff, which kind of subject it is about, which team sees it first, how soon it
    should be done (None: no deadline), and sentences for its reasons, with named placeholders for the values.

    `remedies` says what a person may do about it.
    """

    code: str
    title: Any
    subject_kind: str
    team: str = ""
    due_within: timedelta | None = None
    reasons: Mapping[str, Any] = field(default_factory=dict)
    remedies: Any = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a subject is shown: a text, and the address of its page."""

    text: str
    url: str = ""


_kinds: dict[str, TicketKind] = {}
_subjects: dict[str, Callable[[Collection[int]], Mapping[int, Shown]]] = {}


def register_kind(kind: TicketKind) -> TicketKind:
    """Make the kind known; returns it."""
    _kinds[kind.code] = kind
    return kind


def register_subject(kind: str, show: Callable[[Collection[int]], Mapping[int, Shown]]) -> None:
    """Say how subjects of this kind are shown, many ids at once."""
    _subjects[kind] = show


def kinds() -> Mapping[str, TicketKind]:
    """All kinds that apps registered, by code."""
    return _kinds


def subject_kinds() -> Mapping[str, Callable[[Collection[int]], Mapping[int, Shown]]]:
    """How each kind of subject is shown."""
    return _subjects


def open_tickets(kind: TicketKind, troubles: Sequence[Trouble], *, opened_by: str = "") -> None:
    """Open a ticket for each subject, in the running transaction; one that is open already takes the newest reason and
    counts. One statement."""
    latest = {trouble.subject_id: trouble for trouble in troubles}
    if not latest:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO common_ticket (kind, subject_kind, subject_id, about_id, reason, "values", team, due_at,
                opened_by)
            SELECT %(kind)s, %(subject_kind)s, t.subject_id, t.about_id, t.reason, t.values, %(team)s,
                now() + make_interval(secs => %(within)s), %(by)s
            FROM unnest(%(subjects)s::bigint[], %(about)s::bigint[], %(reasons)s::text[], %(values)s::jsonb[])
                AS t(subject_id, about_id, reason, values)
            ORDER BY t.subject_id
            ON CONFLICT (subject_id, subject_kind, kind) WHERE state = '{TicketState.OPEN}' DO UPDATE SET
                times = common_ticket.times + 1, reason = excluded.reason, "values" = excluded."values",
                about_id = coalesce(excluded.about_id, common_ticket.about_id)
            """,
            {
                "kind": kind.code,
                "subject_kind": kind.subject_kind,
                "team": kind.team,
                "within": kind.due_within.total_seconds() if kind.due_within else None,
                "by": opened_by,
                "subjects": array(latest),
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
            UPDATE common_ticket SET state = '{TicketState.CLOSED}', closed_at = now(), closed_by = %(by)s,
                result = %(result)s
            WHERE state = '{TicketState.OPEN}' AND subject_id = ANY(%(subjects)s::bigint[])
              AND (kind, subject_kind) IN (SELECT * FROM unnest(%(kinds)s::text[], %(subject_kinds)s::text[]))
            """,
            {
                "by": closed_by,
                "result": result,
                "subjects": array(sorted(subject_ids)),
                "kinds": [kind.code for kind in kinds],
                "subject_kinds": [kind.subject_kind for kind in kinds],
            },
        )
        return cursor.rowcount
