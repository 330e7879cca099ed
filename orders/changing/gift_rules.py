"""What gift rules give to orders. Pure: nothing is read or written here.

Amounts are fen: what the goods cost after promotions, coupon and change of price, without freight; points and gift
cards are ways of paying it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """A gift rule as it stands now; see `orders.models.GiftRule`. No channels, regions or goods: all of them."""

    id: int
    name: str
    is_exclusive: bool
    time_kind: str
    starts_at: datetime | None
    ends_at: datetime | None
    channels: frozenset[int]
    regions: tuple[str, ...]
    goods: frozenset[int]
    min_units: int | None
    min_fen: int | None
    min_order_fen: int | None
    per_units: int | None
    per_fen: int | None
    most_times: int
    most_per_buyer: int | None
    gift_id: int
    gift_units: int
    after_days: int | None = None  # after completion; None: along with the order


@dataclass(frozen=True, slots=True)
class Bought:
    """Units of a SKU that an order keeps, and what they cost (fen)."""

    sku_id: int
    units: int
    fen: int


@dataclass(slots=True)
class Facts:
    """What rules look at of an order. `times` by the kind of time, as far as there is such a moment."""

    order_id: int
    channel_id: int
    buyer: tuple[int, str]
    region: str
    times: Mapping[str, datetime | None]
    goods: list[Bought] = field(default_factory=list)
    had: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Gift:
    """What a rule gives to an order, and by which figures: units and amount (fen) that count, how often it gives."""

    order_id: int
    rule: Rule
    buyer: tuple[int, str]
    times: int
    counted_units: int
    counted_fen: int

    @property
    def units(self) -> int:
        """Units of the gift."""
        return self.times * self.rule.gift_units


@dataclass(slots=True)
class Given:
    """What rules give to a batch, and the rules (ids) that stop because their gift is gone."""

    gifts: list[Gift] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)


def fits(rule: Rule, facts: Facts) -> Gift | None:
    """What the rule gives to the order, whatever others give and have; None where nothing."""
    if rule.channels and facts.channel_id not in rule.channels:
        return None
    if rule.regions and not facts.region.startswith(rule.regions):
        return None
    if not _in_period(rule, facts.times.get(rule.time_kind)):
        return None
    counted = [one for one in facts.goods if not rule.goods or one.sku_id in rule.goods]
    units, fen = sum(one.units for one in counted), sum(one.fen for one in counted)
    if not units or units < (rule.min_units or 0) or fen < (rule.min_fen or 0):
        return None
    if sum(one.fen for one in facts.goods) < (rule.min_order_fen or 0):
        return None
    times = 1
    if rule.per_units:
        times = units // rule.per_units
    elif rule.per_fen:
        times = fen // rule.per_fen
    times = min(times, rule.most_times)
    return Gift(facts.order_id, rule, facts.buyer, times, units, fen) if times else None


def _in_period(rule: Rule, moment: datetime | None) -> bool:
    if rule.starts_at is None and rule.ends_at is None:
        return True
    if moment is None or (rule.starts_at is not None and moment < rule.starts_at):
        return False
    return rule.ends_at is None or moment < rule.ends_at


def give(
    rules: Sequence[Rule],
    orders: Sequence[Facts],
    given_before: Mapping[tuple[int, tuple[int, str]], int],
    available: Mapping[int, int],
) -> Given:
    """What these rules, the first first, give to the orders, the first first.

    `given_before` are the orders of a buyer to which a rule gave within its days, by rule and buyer; `available` the
    units of gifts that can be promised, by SKU. A rule stops at the first order for which its gift is not there; what
    follows after completion is looked for only then.
    """
    found = Given()
    left = dict(available)
    count = dict(given_before)
    for facts in orders:
        for rule in rules:
            gift = fits(rule, facts) if rule.id not in facts.had and rule.id not in found.stopped else None
            if gift is None:
                continue
            so_far = count.get((rule.id, facts.buyer), 0)
            if rule.most_per_buyer is not None and so_far >= rule.most_per_buyer:
                continue
            if rule.after_days is None:
                if left.get(rule.gift_id, 0) < gift.units:
                    found.stopped.add(rule.id)
                    continue
                left[rule.gift_id] -= gift.units
            count[rule.id, facts.buyer] = so_far + 1
            found.gifts.append(gift)
            if rule.is_exclusive:
                break
    return found
