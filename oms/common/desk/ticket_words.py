"""Tickets as staff read them: kind, reason and subject in words, in the reader's language."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import stuck, tickets
from oms.common.codebook import ACTORS
from oms.common.models import (
    BuyerMessage,
    Connection,
    InboundFact,
    Job,
    Team,
    Ticket,
    TicketEvent,
    TicketEventKind,
    TicketResult,
)
from oms.common.templatetags.staff import moment_text
from oms.common.tickets import Shown


def rows_of(model: type[Model], field: str = "", prefix: str = "") -> Callable[[Collection[int]], Mapping[int, Shown]]:
    """For `tickets.register_subject`: rows are named by one of their fields (empty: as they are called themselves),
    and linked to their page in the admin."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"

    def show(ids: Collection[int]) -> dict[int, Shown]:
        has_page = admin.site.is_registered(model)
        rows = model._default_manager.filter(pk__in=ids)
        named = rows.values_list("pk", field) if field else ((row.pk, str(row)) for row in rows)
        return {key: Shown(f"{prefix}{text}", reverse(name, args=[key]) if has_page else "") for key, text in named}

    return show


tickets.register_subject("job", rows_of(Job, "pk", "#"))
tickets.register_subject("connection", rows_of(Connection))
tickets.register_subject("fact", rows_of(InboundFact, "subject"))
tickets.register_subject(BuyerMessage.ticket_subject.kind, rows_of(BuyerMessage, "hint"))


@dataclass(frozen=True, slots=True)
class Worded:
    """A ticket in words. `retry_right` is the right that lets its row be tried again, empty where that is no help."""

    row: Ticket
    title: str
    reason: str
    remedies: str
    team: str
    subject: Shown
    about: Shown | None
    retry_right: str
    retry_title: str

    @property
    def ends_by_itself(self) -> bool:
        """Whether it ends once what it is about goes on, and only then."""
        return self.row.kind == tickets.stuck_code(self.row.subject_kind)

    @property
    def is_overdue(self) -> bool:
        """Whether it should be done already."""
        return self.row.closed_at is None and self.row.due_at is not None and self.row.due_at < timezone.now()

    @property
    def is_snoozed(self) -> bool:
        """Whether it is put off."""
        return self.row.snoozed_until is not None and self.row.snoozed_until > timezone.now()


def words_of(rows: Sequence[Ticket]) -> list[Worded]:
    """The tickets in words, in their order. A statement for each kind of subject, and one more."""
    subjects = _shown((row.subject_kind, row.subject_id) for row in rows)
    # What a ticket is about is named once more only where its subject is something else.
    about = _shown((tickets.ABOUT, row.about_id) for row in rows if row.about_id and row.subject_kind != tickets.ABOUT)
    marked = stuck.marked((row.subject_kind, row.subject_id) for row in rows if row.closed_at is None)
    return [_worded(row, subjects, about, marked) for row in rows]


def _worded(
    row: Ticket,
    subjects: Mapping[tuple[str, int], Shown],
    about: Mapping[tuple[str, int], Shown],
    marked: Collection[tuple[str, int]],
) -> Worded:
    kind = tickets.kinds().get(row.kind)
    subject = (row.subject_kind, row.subject_id)
    can_retry = kind is not None and kind.can_retry and not kind.by_hand and subject in marked
    retry = stuck.retry_of(row.subject_kind) if can_retry else None
    return Worded(
        row=row,
        title=str(kind.title) if kind else row.kind,
        reason=reason_of(row),
        remedies=str(kind.remedies) if kind else "",
        team=team_name(row.team),
        subject=subjects.get(subject, Shown(f"#{row.subject_id}")),
        about=about.get((tickets.ABOUT, row.about_id)) if row.about_id else None,
        retry_right=retry.right if retry else "",
        retry_title=str(kind.retry_title) if kind and kind.retry_title else _("Try again"),
    )


def _shown(wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Shown]:
    by_kind: dict[str, set[int]] = {}
    for kind, key in wanted:
        by_kind.setdefault(kind, set()).add(key)
    known = tickets.subject_kinds()
    return {
        (kind, key): shown
        for kind, keys in by_kind.items()
        if kind in known
        for key, shown in known[kind](keys).items()
    }


class _Values(dict[str, Any]):
    """Values for a sentence: what is missing becomes a dash."""

    def __missing__(self, key: str) -> str:
        return "–"


def reason_of(row: Ticket) -> str:
    """Why the ticket is open. A reason that is not known is shown as it is, with its values."""
    kind = tickets.kinds().get(row.kind)
    if kind is not None and kind.by_hand:
        return str(row.values.get("text", ""))
    sentence = kind.reasons.get(row.reason) if kind else None
    if sentence is not None:
        try:
            return str(sentence) % _Values(row.values)
        except (TypeError, ValueError):  # such as %(count)d of a value that is not there
            pass
    return " ".join(filter(None, [row.reason, *(f"{key}: {value}" for key, value in row.values.items())]))


def team_name(team: str) -> str:
    """The team's name."""
    return str(Team(team).label) if team in Team.values else team


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a ticket's history: what, who (empty: the system), when, and what the person wrote."""

    what: str
    by: str
    at: datetime
    text: str = ""


def history_of(ticket: Ticket, events: Iterable[TicketEvent]) -> Iterator[Step]:
    """How the ticket came to be as it is, the oldest step first; `events` are its own, oldest first."""
    kind = tickets.kinds().get(ticket.kind)
    if kind is None or not kind.by_hand:
        yield Step(str(TicketEventKind.OPENED.label), ACTORS.word(ticket.opened_by), ticket.opened_at)
        if ticket.times > 1:
            times = _("Reported %(times)s times, this time last") % {"times": ticket.times}
            yield Step(times, "", ticket.reported_at)
    for event in events:
        yield Step(_what(event), ACTORS.word(event.by), event.created_at, event.text)


def _what(event: TicketEvent) -> str:
    label = str(event.get_kind_display())
    match event.kind:
        case TicketEventKind.ASSIGNED:
            return _("Assigned to %(name)s") % {"name": event.values.get("to", "–")}
        case TicketEventKind.SNOOZED:
            until = datetime.fromisoformat(event.values["until"])
            return _("Snoozed until %(until)s") % {"until": moment_text(until)}
        case TicketEventKind.CLOSED if event.values.get("result") in TicketResult.values:
            return _("Closed: %(result)s") % {"result": TicketResult(event.values["result"]).label}
    return label
