"""Holds in words: why an order is held and who said so, put together from codes and values when it is shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from orders import actors
from orders.models import Hold, UndoableAction
from orders.models.hold import AddressGap, MatchProblem
from orders.reviewing import facts, shipped
from orders.telling import story

# Notes of the system on a release; people type theirs.
ORDER_CANCELLED = "order_cancelled"
NOT_ALL_STOPPED = "not_all_stopped"
ADDRESS_WHOLE = "address_whole"
TAKEN_BACK = "taken_back"
CANCELLED_NOW = "cancelled_now"
GOODS_MATCHED = "goods_matched"
CHANGE_ENDED = "change_ended"
GOODS_BACK = "goods_back"
EXCHANGE_ENDED = "exchange_ended"
story.REASONS.add(
    {
        ORDER_CANCELLED: _("The order was cancelled."),
        NOT_ALL_STOPPED: _("The warehouse could not stop everything."),
        ADDRESS_WHOLE: _("The address is whole now."),
        TAKEN_BACK: _("It was taken back."),
        CANCELLED_NOW: _("The time to take it back is over."),
        GOODS_MATCHED: _("The codes of the goods are matched."),
        CHANGE_ENDED: _("The change is carried out, or given up."),
        GOODS_BACK: _("The goods to be exchanged are there."),
        EXCHANGE_ENDED: _("The exchange is given up."),
    }
)
story.REASONS.add({f"rule:{rule.code}": rule.title for rule in shipped.RULES})


@dataclass(frozen=True, slots=True)
class Worded:
    """A hold in words. `released_by` and `note` are empty while it is open; `orders` (id, number) are those that a rule
    counted."""

    row: Hold
    why: str
    opened_by: str
    released_by: str
    note: str
    orders: Sequence[tuple[int, str]] = ()


def worded(hold: Hold) -> Worded:
    """The hold in words, in the active language."""
    note = story.REASONS.word(hold.release_note)
    counted = tuple(facts.orders((hold.details or {}).get("facts", ())))
    return Worded(hold, why(hold), opener(hold), actors.word(hold.released_by), note, counted)


def why(hold: Hold) -> str:
    """Why the order is held."""
    return why_told(data_of(hold))


def opener(hold: Hold) -> str:
    """Who opened the hold: a person by name, others in words."""
    return (
        hold.opened_by
        if hold.kind in (Hold.Kind.STAFF, Hold.Kind.UNDO, Hold.Kind.CHANGE)
        else actors.word(hold.opened_by)
    )


def data_of(hold: Hold) -> dict[str, Any]:
    """What events keep of a hold: enough for its words."""
    data: dict[str, Any] = {"hold": str(hold.kind), "reason": hold.reason}
    if hold.kind == Hold.Kind.RULE:
        data["rule"] = hold.opened_by
    if hold.details:
        data["details"] = hold.details
    return data


def rejection(called: str) -> str:
    """The reason of a cancellation by the rule of this name or code, as it is stored."""
    return f"rule:{called}" if any(rule.code == called for rule in shipped.RULES) else called


def of_hit(called: str, found: Sequence[Mapping[str, Any]]) -> str:
    """What a rule found of an order: its name and its figures."""
    values = {"rule": actors.word(called), "figures": facts.in_words(found)}
    return gettext("%(rule)s: %(figures)s") % values


def why_told(data: Mapping[str, Any]) -> str:
    """Why an order is held, from what `data_of` gave."""
    given = str(data.get("reason", ""))
    match data.get("hold"):
        case Hold.Kind.RULE if (data.get("details") or {}).get("facts"):
            return of_hit(str(data.get("rule", "")), data["details"]["facts"])
        case Hold.Kind.RULE:
            values = {"rule": actors.word(str(data.get("rule", ""))), "figures": given}
            return gettext("%(rule)s: %(figures)s") % values
        case Hold.Kind.CANCELLATION:
            return gettext("Cancellation: %(reason)s") % {"reason": story.REASONS.word(given)}
        case Hold.Kind.FINANCE:
            return gettext("Finance looks at the orders of this channel before they go on.")
        case Hold.Kind.UNDO:
            return gettext("It is about to be cancelled: %(reason)s") % {"reason": story.REASONS.word(given)}
        case Hold.Kind.CHANGE:
            return gettext("Change %(number)s waits for its payment, or for the warehouse.") % {"number": given}
        case Hold.Kind.EXCHANGE:
            return gettext("The goods of return %(number)s are to come back first.") % {"number": given}
        case Hold.Kind.ADDRESS:
            return " ".join(_questions(data.get("details") or {}))
        case Hold.Kind.UNMATCHED:
            return " ".join(_unmatched(data.get("details") or {}))
    return given


def _unmatched(details: Mapping[str, Any]) -> Iterator[str]:
    codes = details.get("codes", ())
    if codes:
        text = ngettext(
            "Nobody has matched this code of the goods to a SKU: %(codes)s.",
            "Nobody has matched these codes of the goods to SKUs: %(codes)s.",
            len(codes),
        )
        yield text % {"codes": story.joined(codes)}
    for code, problem, sku in details.get("unfit", ()):
        yield str(MatchProblem(problem).label) % {"code": code, "sku": sku}


def _questions(details: Mapping[str, Any]) -> Iterator[str]:
    candidates = "; ".join(details.get("candidates", ()))
    for gap in map(AddressGap, details.get("gaps", ())):
        if gap == AddressGap.NO_REGION and candidates:
            text = gettext("The region of the address is not certain. It may be: %(candidates)s")
            yield text % {"candidates": candidates}
        else:
            yield str(gap.label)


def tell_carrier(data: story.Data) -> str:
    """Staff said which carrier it should go by."""
    if not data.get("carrier"):
        return gettext("No carrier is wished for any more (before: %(before)s).") % data
    return gettext("The carrier wished for is %(carrier)s.") % data


def tell_warehouse(data: story.Data) -> str:
    """Staff said which warehouse is to send it."""
    if not data.get("warehouse"):
        return gettext("No warehouse is wished for any more (before: %(before)s).") % data
    return gettext("The warehouse wished for is %(warehouse)s.") % data


def tell_taken_back(data: story.Data) -> str:
    """Somebody took back what was about to be done, or was done just now."""
    return gettext("Taken back: %(action)s.") % {"action": _action(data)}


def tell_not_done(data: story.Data) -> str:
    """What was to be done could not be, once its time had come; the ticket says why."""
    return gettext("Could not be done any more: %(action)s.") % {"action": _action(data)}


def _action(data: story.Data) -> str:
    kind = str(data.get("action", ""))
    return str(UndoableAction.Kind(kind).label) if kind in UndoableAction.Kind.values else kind


def tell_held(data: story.Data) -> str:
    """A hold was opened."""
    return gettext("Held: %(reason)s") % {"reason": why_told(data)}


def tell_release(data: story.Data) -> str:
    """A hold was released, with a note or without."""
    values = {"reason": why_told(data), "note": story.REASONS.word(str(data.get("note", "")))}
    if values["note"]:
        return gettext("Hold released (%(reason)s): %(note)s") % values
    return gettext("Hold released (%(reason)s).") % values
