"""What people do to one ticket, and tickets that they open by hand.

Each service locks its ticket and writes a step of its history. `version`, where given, is that of the ticket which the
person looked at: they raise ChangedMeanwhile if it is another one by now. All raise Ticket.DoesNotExist.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import stuck, tickets
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import Ticket, TicketEvent, TicketEventKind, TicketResult, TicketState, TicketTarget

LONGEST_TEXT = 2000
LONGEST_SNOOZE = timedelta(days=90)
# What a person may say when closing a ticket.
RESULTS = (TicketResult.DONE, TicketResult.NOT_NEEDED)


class TicketIsClosed(OmsError):
    """There is nothing left to do about it."""

    code = "ticket_is_closed"


class TicketIsTaken(OmsError):
    """Somebody else works on it."""

    code = "ticket_is_taken"


class StillNeedsPerson(OmsError):
    """Its row would be forgotten: it does not go on by itself, and no other ticket tells of it."""

    code = "still_needs_person"


@transaction.atomic
def take(ticket_id: int, *, user: AbstractBaseUser, version: int | None = None) -> None:
    """The person works on it from now on. Raises TicketIsClosed, TicketIsTaken."""
    ticket = _lock_open(ticket_id, version)
    if ticket.owner_id == user.pk:
        return
    if ticket.owner_id is not None:
        raise TicketIsTaken(_("%(owner)s has this ticket already.") % {"owner": ticket.owner})
    _own(ticket, user, user, TicketEventKind.TAKEN)


@transaction.atomic
def take_next(waiting: QuerySet[Ticket], *, user: AbstractBaseUser) -> Ticket | None:
    """The first of these waiting tickets that nobody has is the person's from now on; None where there is none.

    One that somebody else is taking at this moment is skipped: two people never get the same.
    """
    free = waiting.filter(owner=None, state=TicketState.OPEN).order_by("due_at", "id")
    ticket = free.select_for_update(no_key=True, skip_locked=True, of=("self",)).first()
    if ticket is not None:
        _own(ticket, user, user, TicketEventKind.TAKEN)
    return ticket


@transaction.atomic
def hand_over(
    ticket_id: int, *, to: AbstractBaseUser, text: str, user: AbstractBaseUser, version: int | None = None
) -> None:
    """Give one's own ticket, or one that nobody has, to somebody else with a note on what is to be done.

    Raises TicketIsClosed, TicketIsTaken where it is somebody else's, and OmsError for an empty note.
    """
    said = _text(text, required=True)
    ticket = _lock_open(ticket_id, version)
    if ticket.owner_id not in (None, user.pk):
        raise TicketIsTaken(_("%(owner)s has this ticket already.") % {"owner": ticket.owner})
    _own(ticket, to, user, TicketEventKind.ASSIGNED, said)


@transaction.atomic
def give_back(ticket_id: int, *, user: AbstractBaseUser, version: int | None = None) -> None:
    """Somebody else may take it. Raises TicketIsClosed, and TicketIsTaken where it is not the person's own."""
    ticket = _lock_open(ticket_id, version)
    if ticket.owner_id is None:
        return
    if ticket.owner_id != user.pk:
        raise TicketIsTaken(_("%(owner)s has this ticket already.") % {"owner": ticket.owner})
    _own(ticket, None, user, TicketEventKind.GIVEN_BACK)


@transaction.atomic
def assign(ticket_id: int, *, to: AbstractBaseUser | None, user: AbstractBaseUser, version: int | None = None) -> None:
    """Give it to somebody (None: to nobody), whoever has it. Raises TicketIsClosed."""
    ticket = _lock_open(ticket_id, version)
    if ticket.owner_id == (to.pk if to else None):
        return
    _own(ticket, to, user, TicketEventKind.ASSIGNED if to else TicketEventKind.GIVEN_BACK)


def _own(
    ticket: Ticket, owner: AbstractBaseUser | None, user: AbstractBaseUser, kind: TicketEventKind, text: str = ""
) -> None:
    ticket.owner_id = owner.pk if owner else None
    ticket.save(update_fields=["owner"])
    values = {"to": name_of(owner)} if owner and kind == TicketEventKind.ASSIGNED else {}
    _tell(ticket, kind, user, text, **values)


@transaction.atomic
def snooze(ticket_id: int, *, until: datetime | None, user: AbstractBaseUser, version: int | None = None) -> None:
    """Let nobody see it in the queues before `until`; None: it is seen again now.

    Raises TicketIsClosed, and OmsError unless `until` is in the next LONGEST_SNOOZE.
    """
    ticket = _lock_open(ticket_id, version)
    now = timezone.now()
    if until is not None and not now < until <= now + LONGEST_SNOOZE:
        raise OmsError(
            _("Choose a moment within the next %(days)s days.") % {"days": LONGEST_SNOOZE.days}, attr="until"
        )
    ticket.snoozed_until = until
    ticket.save(update_fields=["snoozed_until"])
    if until is None:
        _tell(ticket, TicketEventKind.WOKEN, user)
    else:
        _tell(ticket, TicketEventKind.SNOOZED, user, until=until.isoformat())


@transaction.atomic
def add_note(ticket_id: int, *, text: str, user: AbstractBaseUser) -> None:
    """Keep what the person writes; on closed tickets too. Raises OmsError for an empty or too long text."""
    _tell(_lock(ticket_id, None), TicketEventKind.NOTED, user, _text(text, required=True))


@transaction.atomic
def close(ticket_id: int, *, result: str, user: AbstractBaseUser, text: str = "", version: int | None = None) -> None:
    """There is nothing left to do; `result` is one of RESULTS, `text` what the person adds.

    Raises TicketIsClosed, StillNeedsPerson, and OmsError for another result.
    """
    ticket = _lock_open(ticket_id, version)
    if result not in RESULTS:
        raise OmsError(_("Say how the ticket ended."), attr="result")
    said = _text(text)
    if not _is_by_hand(ticket) and _is_last_word(ticket):
        raise StillNeedsPerson(
            _("What this ticket is about does not go on by itself. Let it be tried again, or put the ticket off.")
        )
    ticket.close(result=TicketResult(result), by=name_of(user))
    ticket.save(update_fields=["state", "result", "closed_by", "closed_at", "snoozed_until"])
    _tell(ticket, TicketEventKind.CLOSED, user, said, result=result)


def _is_by_hand(ticket: Ticket) -> bool:
    kind = tickets.kinds().get(ticket.kind)
    return kind is not None and kind.by_hand


def _is_last_word(ticket: Ticket) -> bool:
    """Whether the row needs a person and no other ticket tells of that."""
    subject = (ticket.subject_kind, ticket.subject_id)
    if subject not in stuck.marked([subject]):
        return False
    others = Ticket.objects.open().filter(subject_kind=subject[0], subject_id=subject[1]).exclude(pk=ticket.pk)
    return all(_is_by_hand(other) for other in others)


@transaction.atomic
def reopen(ticket_id: int, *, user: AbstractBaseUser, version: int | None = None) -> None:
    """There is something left to do after all.

    Raises OmsError unless it is closed, where a newer one of its kind is open, and for what the database opens itself.
    """
    ticket = _lock(ticket_id, version)
    if ticket.state != TicketState.CLOSED:
        raise OmsError(_("This ticket is open already."))
    if ticket.kind == tickets.stuck_code(ticket.subject_kind):
        raise OmsError(_("This was tried again. If it fails again, a new ticket opens by itself."))
    same = {"kind": ticket.kind, "subject_kind": ticket.subject_kind, "subject_id": ticket.subject_id}
    if Ticket.objects.open().filter(**same).exists():
        raise OmsError(_("There is a newer open ticket for the same thing."))
    ticket.reopen()
    ticket.save(update_fields=["state", "result", "closed_by", "closed_at"])
    _tell(ticket, TicketEventKind.REOPENED, user)


@transaction.atomic
def retry(ticket_id: int, *, user: AbstractBaseUser, version: int | None = None) -> None:
    """Let what the ticket is about be tried again; the ticket is done.

    The row is locked before its ticket, as by those who open and close tickets on it. Raises TicketIsClosed, and
    OmsError where nothing can be tried again.
    """
    ticket = _checked(Ticket.objects.get(pk=ticket_id), version)
    way = None if _is_by_hand(ticket) else stuck.retry_of(ticket.subject_kind)
    if ticket.state != TicketState.OPEN:
        raise TicketIsClosed(_("This ticket is closed already."))
    if way is None:
        raise OmsError(_("This goes on by itself; there is nothing to retry."))
    way.run(ticket.subject_id, name_of(user))
    ticket = _lock(ticket_id, None)
    _tell(ticket, TicketEventKind.RETRIED, user)
    if ticket.state == TicketState.OPEN:
        ticket.close(result=TicketResult.DONE, by=name_of(user))
        ticket.save(update_fields=["state", "result", "closed_by", "closed_at", "snoozed_until"])
        _tell(ticket, TicketEventKind.CLOSED, user, result=TicketResult.DONE)


@transaction.atomic
def open_by_hand(
    kind: tickets.TicketKind,
    subject_id: int,
    *,
    text: str,
    user: AbstractBaseUser,
    due_at: datetime | None = None,
    about_id: int | None = None,
) -> tuple[Ticket, bool]:
    """Open a ticket of a kind that people may open; returns it, and whether it is new. Where one is open already, the
    text is added to that one. `due_at` is the kind's own deadline unless given.

    Raises OmsError for an empty text, and for a deadline that is over.
    """
    said = _text(text, required=True)
    now = timezone.now()
    if due_at is not None and due_at <= now:
        raise OmsError(_("The time by which it should be done is over already."), attr="due_at")
    ticket, is_new = Ticket.objects.get_or_create(
        kind=kind.code,
        subject_kind=kind.subject_kind,
        subject_id=subject_id,
        state=TicketState.OPEN,
        defaults={
            "about_id": about_id,
            "team": kind.team,
            "due_at": due_at or _due_of(kind, now),
            "opened_by": name_of(user),
            "values": {"text": said},
        },
    )
    _tell(ticket, TicketEventKind.OPENED if is_new else TicketEventKind.NOTED, user, said)
    return ticket, is_new


def _due_of(kind: tickets.TicketKind, now: datetime) -> datetime | None:
    target = TicketTarget.objects.filter(kind=kind.code).first()
    within = timedelta(minutes=target.minutes) if target else kind.due_within
    return now + within if within else None


def name_of(user: AbstractBaseUser) -> str:
    """The name under which tickets remember a person."""
    return user.get_username()[:80]


def _lock(ticket_id: int, version: int | None) -> Ticket:
    return _checked(Ticket.objects.select_for_update(no_key=True, of=("self",)).get(pk=ticket_id), version)


def _lock_open(ticket_id: int, version: int | None) -> Ticket:
    ticket = _lock(ticket_id, version)
    if ticket.state != TicketState.OPEN:
        raise TicketIsClosed(_("This ticket is closed already."))
    return ticket


def _checked(ticket: Ticket, version: int | None) -> Ticket:
    if version is not None and ticket.version != version:
        raise ChangedMeanwhile(_("The ticket was changed meanwhile. Look at it again and repeat what you wanted."))
    return ticket


def _text(text: str, *, required: bool = False) -> str:
    text = text.strip()
    if required and not text:
        raise OmsError(_("A note needs a text."), attr="text")
    if len(text) > LONGEST_TEXT:
        raise OmsError(_("A note has at most 2,000 characters."), attr="text")
    return text


def _tell(ticket: Ticket, kind: TicketEventKind, user: AbstractBaseUser, text: str = "", **values: Any) -> None:
    TicketEvent.objects.create(ticket=ticket, kind=kind, by=name_of(user), text=text, values=values)
