"""Why warehouses send what they send, in words: put together from the stored decision when it is shown."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inventory.models import SourcingRule
from inventory.sourcing.asking import Verdict
from oms.common.money import yuan
from oms.common.zones import CHINA
from orders.fulfilling import unasked_ways
from orders.models import OrderEvent, SubOrder

_TONES = {
    Verdict.CHOSEN: "success",
    Verdict.SHORT: "warning",
    Verdict.REFUSED: "danger",
    Verdict.AVOIDED: "warning",
    Verdict.CLOSED: "warning",
    Verdict.FULL: "warning",
    Verdict.CUTOFF_OVER: "warning",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A warehouse that was looked at for a sub-order: its code, how far it is in km, what became of it, and how the
    parcel would have gone, where any level is sold."""

    code: str
    km: float
    verdict: str
    tone: str
    way: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a sub-order goes where it goes: the warehouses that were looked at, and sentences about the rest."""

    candidates: Sequence[Candidate] = ()
    sentences: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Former:
    """A decision that did not last: which warehouse it was taken from, and when."""

    warehouse: str
    ended_at: datetime
    decision: Decision


def former(parts: Collection[SubOrder]) -> dict[int, list[Former]]:
    """The decisions about these sub-orders before the one that counts, by id, the latest first. Nothing is asked where
    none was ever taken from its warehouse; else two statements."""
    moved = {part.pk: part for part in parts if part.avoids or part.refused_by}
    if not moved:
        return {}
    events = OrderEvent.objects.filter(
        order__in={part.order_id for part in moved.values()}, sub_order__in=moved, data__has_key="sourcing"
    ).order_by("-id")
    told = [(event.sub_order_id or 0, event.data or {}, event.created_at) for event in events]
    names = _rule_names([data["sourcing"] for _part, data, _at in told])
    found: dict[int, list[Former]] = {}
    for part_id, data, ended_at in told:
        decision = _worded(data["sourcing"], names, is_sending=True)
        found.setdefault(part_id, []).append(Former(data["warehouse"], ended_at, decision))
    return found


def of(parts: Collection[SubOrder]) -> dict[int, Decision]:
    """The decisions about these sub-orders (with their orders) in words, by id; how parcels would have gone from each
    warehouse is worked out where the rules did not look at it. Few statements, whatever their number."""
    names = _rule_names([one.sourcing for one in parts])
    unasked = unasked_ways.of(parts)
    return {
        part.pk: _worded(part.sourcing, names, unasked.get(part.pk, {}), is_sending=part.warehouse_id is not None)
        for part in parts
    }


_Names = Mapping[tuple[int, int], tuple[str, str]]


def _rule_names(decisions: Iterable[Mapping[str, Any] | None]) -> _Names:
    """What the rule sets and rules are called that decided, by set and position. One statement at most."""
    sets = {one["set"] for one in decisions if one and one.get("set")}
    rules = SourcingRule.objects.filter(rule_set__in=sets).select_related("rule_set") if sets else ()
    return {(rule.rule_set_id, rule.position): (rule.rule_set.name, rule.name) for rule in rules}


def _worded(
    told: Mapping[str, Any] | None,
    names: _Names,
    unasked: Mapping[str, Sequence[Any]] = MappingProxyType({}),
    *,
    is_sending: bool,
) -> Decision:
    if not told:
        return Decision()
    ways = told.get("ways", unasked)
    candidates = [
        Candidate(
            *(code, km, word(verdict, figures, is_sending=is_sending), tone(verdict)),
            way=way_words(ways.get(code)),
        )
        for code, km, verdict, *figures in told["of"]
    ]
    sentences = [*_sentences(told, names)]
    if unasked:
        sentences.append(_("The rules did not ask for freight and dates: they are by the tables of today."))
    return Decision(candidates, tuple(sentences))


def tone(verdict: str) -> str:
    """The colour of a verdict."""
    return _TONES.get(verdict, "muted")


def word(verdict: str, figures: Sequence[int] = (), *, is_sending: bool = True) -> str:
    """What became of a warehouse, in words."""
    if verdict == Verdict.SHORT and figures:
        has, wanted = figures
        return _("short of stock: has %(has)d of %(wanted)d SKUs in full") % {"has": has, "wanted": wanted}
    # What is backordered was split off from what the chosen warehouses could send.
    words = {
        Verdict.CHOSEN: _("chosen") if is_sending else _("has sent all it had"),
        Verdict.FARTHER: _("has the goods, but is farther"),
        Verdict.WORSE: _("has the goods, but the rule prefers another one"),
        Verdict.SHORT: _("short of stock"),
        Verdict.REFUSED: _("refused it before, so it is not asked again"),
        Verdict.AVOIDED: _("it was taken from there"),
        Verdict.CLOSED: _("does not work today"),
        Verdict.FULL: _("has no room left today"),
        Verdict.CUTOFF_OVER: _("its cut-off is over"),
        Verdict.ONE_TOO_MANY: _("would be one parcel too many"),
        Verdict.TOO_SMALL: _("its part would be worth too little"),
    }
    return words.get(verdict, verdict)


def way_words(way: Sequence[Any] | None) -> str:
    """How a parcel would have gone, in words; empty where nobody looked."""
    if way is None:
        return ""
    freight_fen, latest_at, keeps_promise, _meets_cutoff = way
    if freight_fen is None:
        return _("no service goes there")
    said = [_("freight %(amount)s") % {"amount": f"¥{yuan(freight_fen):.2f}"}]
    if latest_at is not None:
        moment = datetime.fromisoformat(latest_at).astimezone(CHINA)
        said.append(_("there by %(moment)s") % {"moment": f"{moment:%m-%d %H:%M}"})
    if not keeps_promise:
        said.append(_("too late for the promise"))
    return " · ".join(said)


def _sentences(told: Mapping[str, Any], names: _Names) -> Iterator[str]:
    rule_set = told.get("set", 0)
    for position in told.get("rules", ()):
        if not position:
            yield _("A person chose the warehouse.")
        elif not rule_set:
            yield _built_in(position, is_only=len(told["rules"]) == 1)
        elif (rule_set, position) in names:
            values = dict(zip(("rules", "rule"), names[rule_set, position], strict=True))
            yield _("Decided by “%(rule)s” (rule %(number)d of “%(rules)s”).") % {**values, "number": position}
    out = told.get("out", {})
    if count := out.get(Verdict.ELSEWHERE):
        yield ngettext(
            "%(count)d warehouse does not serve the province.", "%(count)d warehouses do not serve the province.", count
        ) % {"count": count}
    if count := out.get(Verdict.NOT_NAMED, 0) + out.get(Verdict.OTHER_KIND, 0):
        yield ngettext(
            "%(count)d warehouse is not one that the rule asks.",
            "%(count)d warehouses are none that the rule asks.",
            count,
        ) % {"count": count}
    if told.get("unproven"):
        yield _("There were too many possibilities to look at all: a better choice may exist.")


def _built_in(position: int, *, is_only: bool) -> str:
    if position == 1:
        return _("The warehouses that serve the buyer's province come first.")
    if is_only:
        return _("No warehouse that serves the province has any of it: the whole country was asked.")
    return _("For what these lack, the whole country was asked.")
