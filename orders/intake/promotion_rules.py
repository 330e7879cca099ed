"""Rules of promotions that the machine can read: what goods must be kept for them, and what they then give.

A rule is an object with a `kind`, and either one step's fields or `tiers` of such. An order keeps its own copy. One
without a kind, or of a kind that is not known here, is for people: its promotion keeps the shares that it was given.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from oms.common.errors import FieldError
from oms.common.money import NotAnAmount, to_fen

MOST_TIERS = 20
# Rates are held as whole parts of so many.
_WHOLE = 10_000


class RuleKind(StrEnum):
    """The kinds of rules that are understood."""

    AMOUNT_OFF = "amount_off"  # 满减: `off` yuan less from `from` yuan on; with `every` as often as `from` is reached
    DISCOUNT = "discount"  # 满折, n 件 m 折: `rate` of the price from `from` yuan or `quantity` units on
    NTH_UNIT = "nth_unit"  # 第二件半价: every `nth` unit (2) for `rate` of its price
    BUNDLE = "bundle"  # 任选: any `quantity` units for `price` yuan together
    FREE_SHIPPING = "free_shipping"  # 满包邮: no freight from `from` yuan on, `freight` yuan below


@dataclass(frozen=True, slots=True)
class Goods:
    """Units of a line that a promotion covers, with what they cost before it, in fen."""

    units: int
    worth: int


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a rule; amounts in fen, the rate in parts of 10,000. `amount` is what is taken off, or what a bundle
    costs. What a kind does not use is 0."""

    from_worth: int = 0
    from_units: int = 0
    amount: int = 0
    rate: int = _WHOLE
    freight: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Where goods stand in a rule: which tier they reach (from 0), and how many times."""

    tier: int
    times: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was understood; `tiers` rise by what they ask for. `nth` is for every nth unit."""

    kind: RuleKind
    tiers: Sequence[Tier]
    is_repeated: bool = False
    nth: int = 2

    def step(self, goods: Sequence[Goods]) -> Step | None:
        """The step that the goods reach; None: they get nothing."""
        worth, units = sum(some.worth for some in goods), sum(some.units for some in goods)
        if self.kind == RuleKind.NTH_UNIT:
            return _times(0, units // self.nth)
        if self.kind == RuleKind.BUNDLE:
            return _times(0, units // self.tiers[0].from_units)
        if not units:
            return None
        for place in reversed(range(len(self.tiers))):
            tier = self.tiers[place]
            if worth >= tier.from_worth and units >= tier.from_units:
                return _times(place, worth // tier.from_worth if self.is_repeated and tier.from_worth else 1)
        return None

    def gives(self, goods: Sequence[Goods]) -> int:
        """What the goods get off now, in fen; never more than they cost."""
        step = self.step(goods)
        if step is None:
            return 0
        tier, worth = self.tiers[step.tier], sum(some.worth for some in goods)
        match self.kind:
            case RuleKind.AMOUNT_OFF:
                off = tier.amount * step.times
            case RuleKind.DISCOUNT:
                off = _off(worth, tier.rate)
            case RuleKind.NTH_UNIT:
                # The dearest first, so that of each n units it is the cheapest that is reduced.
                off = sum(_off(price, tier.rate) for price in _dearest_first(goods)[self.nth - 1 :: self.nth])
            case RuleKind.BUNDLE:
                bundled = _dearest_first(goods)[: step.times * tier.from_units]
                off = sum(bundled) - step.times * tier.amount
            case RuleKind.FREE_SHIPPING:
                off = 0
        return max(0, min(off, worth))


def _times(tier: int, times: int) -> Step | None:
    return Step(tier, times) if times else None


def _off(worth: int, rate: int) -> int:
    return worth * (_WHOLE - rate) // _WHOLE


def _dearest_first(goods: Sequence[Goods]) -> list[int]:
    """The price of each unit, in fen; a line's fen that its units cannot share evenly are nobody's."""
    return sorted((some.worth // some.units for some in goods for _unit in range(some.units)), reverse=True)


class _Wrong(Exception):
    """A value cannot be what it must."""


def _amount(value: Any) -> int:
    try:
        fen = to_fen(Decimal(value)) if isinstance(value, str) else -1
    except (InvalidOperation, NotAnAmount):
        fen = -1
    if fen < 0:
        raise _Wrong
    return fen


def _positive(value: Any) -> int:
    fen = _amount(value)
    if not fen:
        raise _Wrong
    return fen


def _count(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 10_000:
        raise _Wrong
    return value


def _rate(value: Any) -> int:
    try:
        parts = Decimal(value) * _WHOLE if isinstance(value, str) else Decimal(-1)
    except InvalidOperation:
        parts = Decimal(-1)
    if not (parts.is_finite() and 0 <= parts < _WHOLE and parts == int(parts)):
        raise _Wrong
    return int(parts)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a rule: which attribute of a tier it fills, how it is read, and what to give."""

    to: str
    read: Callable[[Any], int]
    remedy: str | Promise
    required: bool = True


_AMOUNT = _('Give an amount in yuan as text, such as "30.00".')
_COUNT = _("Give a whole number of at least 1.")
_RATE = _('Give the part of the price that is paid as text, from "0" to below "1", such as "0.8" for 20 percent off.')
_FROM = _Field("from_worth", _amount, _AMOUNT, required=False)
_FIELDS: Mapping[RuleKind, Mapping[str, _Field]] = {
    RuleKind.AMOUNT_OFF: {"from": _FROM, "off": _Field("amount", _positive, _AMOUNT)},
    RuleKind.DISCOUNT: {
        "from": _FROM,
        "quantity": _Field("from_units", _count, _COUNT, required=False),
        "rate": _Field("rate", _rate, _RATE),
    },
    RuleKind.NTH_UNIT: {"rate": _Field("rate", _rate, _RATE)},
    RuleKind.BUNDLE: {"quantity": _Field("from_units", _count, _COUNT), "price": _Field("amount", _positive, _AMOUNT)},
    RuleKind.FREE_SHIPPING: {
        "from": _Field("from_worth", _positive, _AMOUNT),
        "freight": _Field("freight", _positive, _AMOUNT),
    },
}
_TIERED = (RuleKind.AMOUNT_OFF, RuleKind.DISCOUNT)


def understand(rule: Mapping[str, Any]) -> Rule | Sequence[FieldError] | None:
    """The rule; None where it is of no kind that is known; or what is wrong with its fields (named within the rule)."""
    if rule.get("kind") not in list(RuleKind):
        return None
    kind = RuleKind(rule["kind"])
    wrong: list[FieldError] = []
    tiers = list(_tiers(kind, rule, wrong))
    is_repeated = rule.get("every", False)
    if not isinstance(is_repeated, bool):
        wrong.append(FieldError("every", "invalid", str(_("Give true or false."))))
    nth = 2
    if kind == RuleKind.NTH_UNIT and "nth" in rule:
        try:
            nth = _count(rule["nth"])
        except _Wrong:
            wrong.append(FieldError("nth", "invalid", str(_COUNT)))
    if wrong:
        return wrong
    tiers.sort(key=lambda tier: (tier.from_worth, tier.from_units))
    return Rule(kind, tuple(tiers), is_repeated and kind == RuleKind.AMOUNT_OFF, nth)


def _tiers(kind: RuleKind, rule: Mapping[str, Any], wrong: list[FieldError]) -> Iterator[Tier]:
    if kind not in _TIERED or "tiers" not in rule:
        yield _tier(kind, rule, "", wrong)
        return
    tiers = rule["tiers"]
    if not isinstance(tiers, list) or not 1 <= len(tiers) <= MOST_TIERS:
        detail = _("Give a list of 1 to %(most)d objects, one for each step.") % {"most": MOST_TIERS}
        wrong.append(FieldError("tiers", "invalid", detail))
        return
    for place, tier in enumerate(tiers):
        yield _tier(kind, tier if isinstance(tier, dict) else {}, f"tiers.{place}.", wrong)


def _tier(kind: RuleKind, values: Mapping[str, Any], at: str, wrong: list[FieldError]) -> Tier:
    read: dict[str, int] = {}
    for name, field in _FIELDS[kind].items():
        if name not in values:
            if field.required:
                wrong.append(FieldError(at + name, "required", str(field.remedy)))
            continue
        try:
            read[field.to] = field.read(values[name])
        except _Wrong:
            wrong.append(FieldError(at + name, "invalid", str(field.remedy)))
    return Tier(**read)
