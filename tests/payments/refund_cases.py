"""Orders to work out refunds of, built from prices and terms alone, as intake would share their amounts; and units
that go back of them step by step. The product reads what is left from its charges and asks `keep` the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orders.changing.keeping import NOTHING, Books, FreightBack, Kept, Line, Policy, Promotion, Tenders, keep
from orders.intake.apportionment import Shares, apportion
from orders.intake.promotion_rules import Rule, understand
from orders.models.amounts import ApportionmentPolicy


def fen(yuan: str) -> int:
    return round(float(yuan) * 100)


@dataclass(frozen=True)
class Terms:
    """What lowers an order's price and pays for it; amounts in yuan. A promotion is (amount, rule, lines it covers)."""

    promotions: Sequence[tuple[str, Mapping[str, Any], str]] = ()
    coupon: str = "0"
    coupon_from: str = ""
    freight: str = "0"
    points: str = "0"
    gift_card: str = "0"
    gifts: Mapping[str, str] = field(default_factory=dict)  # stated value by line


def rule(**values: Any) -> dict[str, Any]:
    return values


def build(lines: Mapping[str, tuple[int, str]], terms: Terms, policy: ApportionmentPolicy) -> Books:
    """The order as placed and paid."""
    names = list(lines)
    goods = [units * fen(price) for units, price in lines.values()]
    keys = [(name,) for name in names]

    def share(amount: str, limits: Sequence[int] | None = None) -> list[int]:
        return apportion(fen(amount), goods, limits, policy=policy, key_of=keys.__getitem__)

    left = goods.copy()
    promoted: dict[str, list[int]] = {}
    promotions = []
    for place, (amount, of_rule, covered) in enumerate(terms.promotions):
        scope = [i for i, name in enumerate(names) if not covered or name in covered]
        parts = apportion(
            fen(amount),
            [goods[i] for i in scope],
            [left[i] for i in scope],
            policy=policy,
            key_of=[keys[i] for i in scope].__getitem__,
        )
        shares = [0] * len(names)
        for i, part in zip(scope, parts, strict=True):
            shares[i] = part
            left[i] -= part
        promoted[f"P{place}"] = shares
        understood = understand(of_rule)
        assert understood is None or isinstance(understood, Rule)
        promotions.append(Promotion(f"P{place}", understood, frozenset(scope)))
    freight = share(terms.freight)
    coupon = share(terms.coupon, left)
    left = [most - part for most, part in zip(left, coupon, strict=True)]
    points = share(terms.points, left)
    left = [most - part + more for most, part, more in zip(left, points, freight, strict=True)]
    gift_card = apportion(fen(terms.gift_card), goods, left, policy=policy, key_of=keys.__getitem__)
    made = []
    for i, name in enumerate(names):
        promotion = {code: shares[i] for code, shares in promoted.items() if shares[i]}
        shares = Shares(goods[i], freight[i], sum(promotion.values()), coupon[i], 0, points[i], gift_card[i], 0)
        units = lines[name][0]
        stated = fen(terms.gifts.get(name, "0"))
        made.append(Line(i, units, shares, units, shares, promotion, stated))
    held = Tenders(
        sum(line.ordered.payable for line in made),
        sum(line.ordered.gift_card for line in made),
        sum(line.ordered.points for line in made),
    )
    coupon_from = fen(terms.coupon_from) if terms.coupon_from else None
    return Books(made, promotions, held, coupon_from=coupon_from)


@dataclass(frozen=True, slots=True)
class ReturnPolicy:
    """Whether freight goes back with units, and what the rules leave to the operator."""

    freight: FreightBack
    rechecks_coupon: bool = False
    charges_lost_free_shipping: bool = False

    @property
    def rules(self) -> Policy:
        """What the arithmetic asks for."""
        return Policy(self.rechecks_coupon, self.charges_lost_free_shipping)


@dataclass(frozen=True, slots=True)
class Gone:
    """Units of a line that go, with their shares."""

    units: int
    shares: Shares


@dataclass(frozen=True, slots=True)
class Refund:
    """What goes back for units: their own share of what was paid, what is kept afterwards, and what goes back of each
    tender. `books` are those after it."""

    share_paid: int
    kept: Kept
    back: Tenders
    books: Books


def share_of_units(line: Line, units: int) -> Gone:
    """Units of the line with the shares that they take along (R3)."""
    return Gone(units, line.shares.take(units, line.units) if line.units else NOTHING)


def give_back(books: Books, gone: Mapping[int, Gone], policy: ReturnPolicy, gifts_kept: Mapping[int, int]) -> Refund:
    """What goes back for units of lines (by key) that are gone; `gifts_kept` are units of gifts, by line, that should
    have come back with them and did not.

    Raises ValueError for more units than are kept.
    """
    lines = []
    for line in books.lines:
        part = gone.get(line.key)
        if part is not None:
            if not 0 <= part.units <= line.units:
                raise ValueError(f"line {line.key} has not so many units")
            line = replace(line, units=line.units - part.units, shares=line.shares.less(part.shares))
        lines.append(line)
    freight = sum(part.shares.freight for part in gone.values()) if policy.freight == FreightBack.NOTHING else 0
    missing = dict(books.gifts_missing)
    for line in lines:
        if line.key in gifts_kept:
            missing[line.key] = missing.get(line.key, 0) + gifts_kept[line.key] * line.stated_value
    after = replace(books, lines=lines, freight_kept=books.freight_kept + freight, gifts_missing=missing)
    kept = keep(after, policy.rules)
    return Refund(
        share_paid=sum(part.shares.payable + part.shares.gift_card + part.shares.points for part in gone.values()),
        kept=kept,
        back=books.held.less(kept.held),
        books=replace(after, held=kept.held),
    )


def send_back(
    books: Books,
    units: Mapping[int, int],
    policy: ReturnPolicy | None = None,
    gifts_kept: Mapping[int, int] | None = None,
) -> Refund:
    """What goes back for units of lines (by place)."""
    by_key = {line.key: line for line in books.lines}
    gone = {key: share_of_units(by_key[key], count) for key, count in units.items()}
    return give_back(books, gone, policy or ReturnPolicy(FreightBack.NOTHING), gifts_kept or {})
