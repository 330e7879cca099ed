"""Notes of staff on an order: coloured, tagged, for staff alone or for the merchant too; whom a note names by @, gets a
ticket of their own."""

import difflib
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import tickets
from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.models import Team, TicketState
from oms.common.tickets import TicketKind, Trouble, register_kind
from orders import kinds
from orders.actors import Actor
from orders.locking import lock_order
from orders.models import Mention, NoteColour, NoteTag
from orders.telling import timeline

SUBJECT = "mention"
MENTIONED = register_kind(
    TicketKind(
        "mentioned",
        gettext_lazy("Somebody called you in a note"),
        SUBJECT,
        team=Team.SERVICE,
        due_within=timedelta(hours=4),
        reasons={"mentioned": gettext_lazy("%(by)s: %(text)s")},
        remedies=gettext_lazy("Answer by a note on the order, then close the ticket."),
        can_retry=False,
    )
)
# A name after an @ that does not stand within a word, as that of an e-mail address does.
_CALLED = re.compile(r"(?<![\w.+-])@([\w.+-]{1,150})")
_LATIN = re.compile(r"[A-Za-z0-9_.+-]+")
_MOST_CALLED = 20
_MOST_NEAR = 3
_MOST_COMPARED = 1_000
_MOST_SHOWN = 500


@transaction.atomic
def add_note(
    order_id: int, *, text: str, actor: Actor, colour: str = "", tag: str = "", is_shared: bool = False
) -> list[str]:
    """Keep a note on the order, and call whom it names; returns the names of who was called.

    A shared note is read by the order's merchant too. Raises Order.DoesNotExist, and OmsError for an empty or too long
    text, an unknown colour or tag, a name that is nobody's, and for too many names.
    """
    said = timeline.note_text(text)
    if colour and colour not in NoteColour.values:
        raise OmsError(_("There is no such colour."), attr="colour")
    if tag and tag not in NoteTag.values:
        raise OmsError(_("There is no such tag."), attr="tag")
    lock_order(order_id)
    called = _called(said, by=actor.name)
    data: dict[str, Any] = {"text": said, "colour": colour, "tag": tag, "called": sorted(called)}
    timeline.record(
        order_id,
        kinds.SHARED_NOTE if is_shared else kinds.NOTE,
        actor,
        **{name: value for name, value in data.items() if value},
    )
    if called:
        _call(order_id, list(called.values()), said, by=actor.name)
    return sorted(called)


def _called(text: str, *, by: str) -> dict[str, int]:
    """The ids by name of the staff that the text names; who writes does not call themselves. Raises OmsError for a name
    that is nobody's: whoever is meant would never hear of it."""
    # A full stop at a sentence's end is no part of the name.
    names = {name.rstrip(".") for name in _CALLED.findall(text)}
    if len(names) > _MOST_CALLED:
        raise OmsError(_("A note calls at most %(most)d people.") % {"most": _MOST_CALLED}, attr="text")
    if not names:
        return {}
    # Chinese goes on without a space after a name in Latin letters.
    latin = {name: found[0] for name in names if (found := _LATIN.match(name))}
    staff = get_user_model().objects.filter(is_staff=True, is_active=True)
    known = dict(staff.filter(username__in={*names, *latin.values()}).values_list("username", "pk"))
    meant = {name: name if name in known or name == by else latin.get(name, name) for name in names}
    unknown = sorted(name for name in names if meant[name] not in known and meant[name] != by)
    if unknown:
        raise OmsError(_nobody(unknown, staff), attr="text")
    return {name: known[name] for name in set(meant.values()) - {by}}


def _nobody(unknown: Sequence[str], staff: QuerySet[Any]) -> str:
    words = _("Nobody here is called %(names)s. Write the name with which they log in, or a space after the @.")
    text = words % {"names": _(", ").join(unknown)}
    people = list(staff.order_by("username").values_list("username", flat=True)[:_MOST_COMPARED])
    near = list(dict.fromkeys(one for name in unknown for one in difflib.get_close_matches(name, people, _MOST_NEAR)))
    return f"{text} {_('Is one of these meant: %(names)s?') % {'names': _(', ').join(near)}}" if near else text


def _call(order_id: int, user_ids: Sequence[int], text: str, *, by: str) -> None:
    Mention.objects.bulk_create(
        [Mention(order_id=order_id, user_id=user_id) for user_id in sorted(user_ids)], ignore_conflicts=True
    )
    mentions = list(Mention.objects.filter(order=order_id, user__in=user_ids).values_list("pk", flat=True))
    values = {"by": by, "text": text[:_MOST_SHOWN]}
    tickets.open_tickets(
        MENTIONED, [Trouble(key, "mentioned", values, about_id=order_id) for key in mentions], opened_by=by
    )
    with connection.cursor() as cursor:
        # A new call wakes a ticket that was put off, and is for whom it names whoever had the ticket meanwhile.
        cursor.execute(
            f"""
            UPDATE common_ticket t SET owner_id = m.user_id, snoozed_until = NULL FROM orders_mention m
            WHERE m.id = ANY(%s::bigint[]) AND t.subject_id = m.id AND t.subject_kind = '{SUBJECT}'
              AND t.kind = '{MENTIONED.code}' AND t.state = '{TicketState.OPEN}'
            """,
            [array(mentions)],
        )
