"""Why a parcel goes by its carrier, in words: put together from the stored decisions when they are shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from logistics.carriers.rules import pricing
from logistics.carriers.rules.judging import Verdict
from logistics.models import CarrierDecision
from oms.common.money import fen_text
from oms.common.templatetags.staff import when


@dataclass(frozen=True, slots=True)
class Line:
    """A carrier that was looked at: its code, what became of it, freight and arrival where they were looked at."""

    carrier: str
    verdict: str
    tone: str
    freight: str
    arrival: str


@dataclass(frozen=True, slots=True)
class Told:
    """A decision in words."""

    at: datetime
    sentence: str
    lines: Sequence[Line]


def tell(decisions: Iterable[CarrierDecision]) -> list[Told]:
    """The decisions in words, in their order; carriers must be loaded."""
    return [Told(one.decided_at, _sentence(one), lines(one.details)) for one in decisions]


def lines(details: Mapping[str, Any]) -> list[Line]:
    """The carriers that were looked at."""
    found = []
    for code, verdict, *figures in details.get("of", ()):
        fen, day = figures or (None, None)
        freight = "" if fen is None else _("%(amount)s yuan") % {"amount": fen_text(fen)}
        arrives = str(when(datetime.fromisoformat(day), "short")) if day else ""
        tone = "success" if verdict == Verdict.CHOSEN else "muted" if verdict == Verdict.WORSE else "warning"
        found.append(Line(code, word(verdict), tone, freight, arrives))
    return found


def word(verdict: str) -> str:
    """What became of a carrier."""
    words = {
        Verdict.CHOSEN: _("chosen"),
        Verdict.WORSE: _("the rule prefers another one"),
        Verdict.NOT_NAMED: _("not named by the rule"),
        Verdict.EXCLUDED: _("the rule excludes it"),
        Verdict.NOT_WISHED: _("not the one that the order wishes for"),
        Verdict.REFUSED: _("refused this parcel before"),
        Verdict.TOO_DEAR: _("its freight is above the rule's limit"),
        Verdict.TOO_LATE: _("it would break the promise"),
        Verdict.NOT_SHARED: _("no account that this shop or merchant may use"),
        Verdict.USED_UP: _("no waybills left for this shop or merchant"),
        pricing.NO_SERVICE: _("has no service for such goods"),
        pricing.NOT_SERVED: _("the area is not served"),
        "no_rate": _("does not go there"),
        "too_heavy": _("too heavy for it"),
        "too_long": _("too long for it"),
        "no_cod": _("collects no cash"),
    }
    return words.get(verdict, verdict)


def rule_name(details: Mapping[str, Any]) -> str:
    """The rule that decided, in words."""
    key, name = details.get("rule", (0, ""))
    return _("rule “%(name)s”") % {"name": name} if key else _("the order's wish, then the carriers' priority")


def _sentence(one: CarrierDecision) -> str:
    carrier = str(one.carrier) if one.carrier else _("nobody")
    values = {"carrier": carrier, "former": str(one.former) if one.former else "–", "by": one.decided_by}
    if one.cause == CarrierDecision.Cause.STAFF:
        if one.details.get("unknown"):
            return _("%(by)s gave it to %(carrier)s, though %(former)s may have issued a waybill.") % values
        return _("%(by)s gave it to %(carrier)s instead of %(former)s.") % values
    values |= {"text": one.text, "rule": rule_name(one.details)}
    if one.cause == CarrierDecision.Cause.REFUSED:
        return _("%(former)s refused it (“%(text)s”); then %(carrier)s, by %(rule)s.") % values
    return _("%(carrier)s, by %(rule)s.") % values
