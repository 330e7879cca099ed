"""An order's story on its page: what people wrote pinned on top, then everything, newest first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orders import actors, kinds
from orders.models import ActorKind, NoteColour, NoteTag, Order, OrderEvent
from orders.telling.story import CHANGED_WORDS, word
from orders.telling.timeline import changes_of

# An order's story is short; what a broken integration repeats endlessly must not make the page endless.
MOST_EVENTS = 500
# What people wrote; older notes stay in the timeline.
MOST_NOTES = 50
PEOPLE, BUYER, MACHINES = "people", "buyer", "machines"
_WHO = {ActorKind.STAFF: PEOPLE, ActorKind.MERCHANT: PEOPLE, ActorKind.BUYER: BUYER}
_NOTE_CODES = frozenset(kind.code for kind in kinds.NOTES)


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """An event on the page: what it says and looks like, whether the buyer sees it, and old and new values of what it
    changed (name, old, new) for those who may see them."""

    text: str
    icon: str
    tone: str
    for_buyer: bool
    changes: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class ShownNote:
    """What somebody wrote: who and when, its colour, its tag in words, and whether the merchant reads it."""

    text: str
    by: str
    at: datetime
    icon: str
    colour: str
    tag: str
    is_shared: bool


def of_order(order: Order, *, may_see_changes: bool) -> dict[str, Any]:
    """`notes` and `timeline` for the page, both newest first; what one actor did in one second stands together.

    On its own page the order's number is left out of the numbers of its parts. One statement; two where the story is
    longer than the page.
    """
    rows = OrderEvent.objects.filter(order_id=order.pk).order_by("-id")
    events = list(rows[: MOST_EVENTS + 1])
    is_cut = len(events) > MOST_EVENTS
    written: Iterable[OrderEvent] = rows.filter(kind__in=_NOTE_CODES)[:MOST_NOTES] if is_cut else events
    groups: list[dict[str, Any]] = []
    for event in events[:MOST_EVENTS]:
        key = (event.actor_kind, event.actor, event.created_at.replace(microsecond=0))
        if not groups or groups[-1]["key"] != key:
            who = _WHO.get(ActorKind(event.actor_kind), MACHINES) if event.actor_kind in ActorKind.values else MACHINES
            actor = actors.named(event.actor_kind, event.actor)
            groups.append({"key": key, "first": event, "actor": actor, "who": who, "lines": []})
        # Within one second the story is told as it went.
        groups[-1]["lines"].insert(0, _line(event, order, may_see_changes=may_see_changes))
    return {
        "notes": [_note(event) for event in written if event.kind in _NOTE_CODES][:MOST_NOTES],
        "timeline": {"is_cut": is_cut, "most": MOST_EVENTS, "groups": groups},
    }


def _line(event: OrderEvent, order: Order, *, may_see_changes: bool) -> TimelineLine:
    kind = kinds.known().get(event.kind)
    text = kinds.tell(event).replace(f"{order.number}-", "…-")
    changes = changes_of(event) if may_see_changes else {}
    return TimelineLine(
        text,
        kind.icon if kind else "help",
        kind.tone if kind else "muted",
        kind.for_buyer if kind else False,
        [(word(CHANGED_WORDS, name), old or "–", new or "–") for name, (old, new) in changes.items()],
    )


def _note(event: OrderEvent) -> ShownNote:
    data = event.data or {}
    kind = kinds.known()[event.kind]
    is_plain = kind in (kinds.NOTE, kinds.SHARED_NOTE, kinds.MERCHANT_NOTE)
    colour = str(data.get("colour") or "")
    return ShownNote(
        str(data.get("text", "")) if is_plain else kinds.tell(event),
        actors.named(event.actor_kind, event.actor),
        event.created_at,
        kind.icon,
        colour if colour in NoteColour.values else "",
        word(dict(NoteTag.choices), data["tag"]) if data.get("tag") else "",
        kind in (kinds.SHARED_NOTE, kinds.MERCHANT_NOTE),
    )
