"""What the goods that a buyer keeps cost, and what goes back for those that are gone: rules R3 to R8 of refunds.

Nothing here touches the database. All amounts in fen, of the order's own copies of prices, shares and rules: what a
promotion asks for today does not matter. Worked out from what is kept, not from what goes, so that the steps and their
order do not matter: where all is gone, nothing is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from orders.intake.apportionment import Shares, apportion
from orders.intake.promotion_rules import Goods, Rule, RuleKind
from orders.models.amounts import ApportionmentPolicy

# Counts up with every change of the arithmetic; kept with what was worked out.
RULES_VERSION = 1
NOTHING = Shares(0, 0, 0, 0, 0, 0, 0, 0)
NO_GOODS = Goods(0, 0)


class FreightBack(StrEnum):
    """What of the freight of units goes back with them."""

    SHARE = "share"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the rules leave to the operator: whether a coupon asks anew for its threshold, and whether free shipping
    that is no longer earned is charged."""

    rechecks_coupon: bool = False
    charges_lost_free_shipping: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its units and shares as ordered, and of them those that are kept. `promotions` is what all its units got
    of each promotion, by the promotion's code; `stated_value` is what one unit of a gift counts for."""

    key: int
    ordered_units: int
    ordered: Shares
    units: int
    shares: Shares
    promotions: Mapping[str, int]
    stated_value: int = 0
    # Goods that the buyer got for units that came back: they count for promotions as those had.
    instead: Goods = NO_GOODS


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion with the lines (keys) that it covers. Without a rule its shares stay what they are."""

    code: str
    rule: Rule | None
    covers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Tenders:
    """Money by how it was paid."""

    cash: int = 0
    gift_card: int = 0
    points: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.cash + self.gift_card + self.points

    def less(self, other: "Tenders") -> "Tenders":
        """What is left after `other` was taken."""
        return Tenders(self.cash - other.cash, self.gift_card - other.gift_card, self.points - other.points)


@dataclass(frozen=True, slots=True)
class Books:
    """An order's money: its lines, its promotions in their order, and what is held of each tender.

    `given` was given beside the price and is not netted; `freight_kept` is the freight of units that are gone that does
    not go back; `gifts_missing` is what gifts count for, by line, that came not back though they should have.
    `coupon_from` is what the goods must cost for the coupon (None: not known).
    """

    lines: Sequence[Line]
    promotions: Sequence[Promotion]
    held: Tenders
    given: int = 0
    freight_kept: int = 0
    gifts_missing: Mapping[int, int] = field(default_factory=dict)
    # What gifts count for, by line, that followed as orders of their own: no more is kept for those.
    gifts_followed: Mapping[int, int] = field(default_factory=dict)
    coupon_from: int | None = None


@dataclass(frozen=True, slots=True)
class PromotionKept:
    """What the kept goods have of a promotion by their shares, and what the promotion leaves them now."""

    code: str
    share: int
    now: int

    @property
    def lost(self) -> int:
        """What is not given any more."""
        return self.share - self.now


class Cause(StrEnum):
    """Why more is kept than the shares of the kept goods."""

    FREIGHT = "freight"
    FREE_SHIPPING = "free_shipping"
    GIFT = "gift"
    PROMOTION = "promotion"
    COUPON = "coupon"


@dataclass(frozen=True, slots=True)
class Extra:
    """What is kept beyond the shares of the kept goods: why, of what (a promotion's code, a gift's line), what would be
    kept, and what of it is kept from each tender; the rest is forgiven."""

    cause: Cause
    wanted: int
    collected: Tenders
    code: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept: `cost` is that of the kept goods, `charges` those for gifts; both before what was given beside the
    price. `held` is what is kept of each tender, by the kept goods' own shares and the extras together."""

    goods: int
    cost: int
    charges: int
    promotions: Sequence[PromotionKept]
    extras: Sequence[Extra]
    held: Tenders
    not_collected: int


def promotions_kept(books: Books) -> list[PromotionKept]:
    """What the kept goods have of each promotion: of those whose step they still reach their stored share, of others
    what these give them now, if that is less."""
    ordered = {line.key: line.ordered.goods for line in books.lines}
    kept = {line.key: line.shares.goods for line in books.lines}
    shares = {line.key: _by_promotion(line) for line in books.lines}
    found = []
    for promotion in books.promotions:
        covered = [line for line in books.lines if line.key in promotion.covers]
        stored = [shares[line.key].get(promotion.code, 0) for line in covered]
        share = now = sum(stored)
        if promotion.rule is not None:
            before = [Goods(line.ordered_units, ordered[line.key]) for line in covered if line.ordered_units]
            after = [
                Goods(line.units + line.instead.units, kept[line.key] + _worth_instead(line, ordered[line.key]))
                for line in covered
                if line.units or line.instead.units
            ]
            reached = promotion.rule.step(before)
            # Where the rule does not explain what was given, it cannot say what is lost.
            if reached is not None and promotion.rule.step(after) != reached:
                now = min(share, promotion.rule.gives(after))
        # Equal lines are as good as each other: the result does not depend on the order of lines.
        ties = [(line.ordered, line.ordered_units, line.units) for line in covered]
        parts = apportion(now, stored, stored, policy=ApportionmentPolicy.FEN, key_of=ties.__getitem__)
        for line, part in zip(covered, parts, strict=True):
            ordered[line.key] -= line.promotions.get(promotion.code, 0)
            kept[line.key] -= part
        found.append(PromotionKept(promotion.code, share, now))
    return found


def _worth_instead(line: Line, worth: int) -> int:
    """What goods that were exchanged count for a promotion for which all that was ordered of the line is worth so
    much."""
    return worth * line.instead.worth // line.ordered.goods if line.ordered.goods else 0


def _by_promotion(line: Line) -> dict[str, int]:
    """What the kept units of a line have of each promotion."""
    codes, weights = list(line.promotions), list(line.promotions.values())
    parts = apportion(line.shares.promotion, weights, weights, policy=ApportionmentPolicy.FEN)
    return dict(zip(codes, parts, strict=True))


def keep(books: Books, policy: Policy) -> Kept:
    """What is kept of an order's money. Never more than is held: what cannot be collected is forgiven (R5)."""
    promotions = promotions_kept(books)
    own = Tenders(
        sum(line.shares.payable for line in books.lines),
        sum(line.shares.gift_card for line in books.lines),
        sum(line.shares.points for line in books.lines),
    )
    wanted = list(_wanted(books, policy, promotions))
    # What was given beside the price was given as cash.
    room = books.held.less(Tenders(own.cash - books.given, own.gift_card, own.points))
    extras, held = [], Tenders(own.cash - books.given, own.gift_card, own.points)
    for extra in wanted:
        collected = _take(extra.wanted, room)
        room = room.less(collected)
        held = held.less(Tenders(-collected.cash, -collected.gift_card, -collected.points))
        extras.append(replace(extra, collected=collected))
    charges = sum(extra.wanted for extra in wanted if extra.cause == Cause.GIFT)
    all_wanted = sum(extra.wanted for extra in wanted)
    return Kept(
        goods=sum(line.shares.goods for line in books.lines),
        cost=own.total + all_wanted - charges,
        charges=charges,
        promotions=promotions,
        extras=extras,
        held=held if held.cash >= 0 else _without_debt(held),
        not_collected=all_wanted - sum(extra.collected.total for extra in extras),
    )


def _wanted(books: Books, policy: Policy, promotions: Sequence[PromotionKept]) -> list[Extra]:
    """What would be kept beyond the shares of the kept goods, in the order in which it is collected."""
    extras = [Extra(Cause.FREIGHT, books.freight_kept, Tenders())]
    if policy.charges_lost_free_shipping:
        extras += [
            Extra(Cause.FREE_SHIPPING, _lost_freight(books, promotion), Tenders(), promotion.code)
            for promotion in books.promotions
        ]
    worth = {line.key: line.units * line.stated_value for line in books.lines} | dict(books.gifts_followed)
    extras += [
        Extra(Cause.GIFT, min(amount, worth[key]), Tenders(), line=key)
        for key, amount in sorted(books.gifts_missing.items())
    ]
    free = {promotion.code for promotion in books.promotions if _is_free_shipping(promotion)}
    extras += [
        Extra(Cause.PROMOTION, promotion.lost, Tenders(), promotion.code)
        for promotion in promotions
        if promotion.code not in free or policy.charges_lost_free_shipping
    ]
    coupon = sum(line.shares.coupon for line in books.lines)
    left = sum(line.shares.goods for line in books.lines) - sum(promotion.now for promotion in promotions)
    if policy.rechecks_coupon and books.coupon_from is not None and left < books.coupon_from:
        extras.append(Extra(Cause.COUPON, coupon, Tenders()))
    return [extra for extra in extras if extra.wanted]


def _is_free_shipping(promotion: Promotion) -> bool:
    return promotion.rule is not None and promotion.rule.kind == RuleKind.FREE_SHIPPING


def _lost_freight(books: Books, promotion: Promotion) -> int:
    """The freight that was not charged because of the promotion, where the kept goods do not reach it any more. One
    that stands as an amount of the order is lost as any other promotion is."""
    if promotion.rule is None or promotion.rule.kind != RuleKind.FREE_SHIPPING:
        return 0
    covered = [line for line in books.lines if line.key in promotion.covers]
    if any(line.promotions.get(promotion.code) for line in covered) or not any(line.units for line in books.lines):
        return 0
    before = [Goods(line.ordered_units, line.ordered.goods) for line in covered]
    after = [Goods(line.units, line.shares.goods) for line in covered]
    is_lost = promotion.rule.step(before) is not None and promotion.rule.step(after) is None
    return promotion.rule.tiers[0].freight if is_lost else 0


def _take(amount: int, room: Tenders) -> Tenders:
    """The amount from cash first, then the card, then points; not more than there is (R6)."""
    cash = min(amount, max(room.cash, 0))
    card = min(amount - cash, max(room.gift_card, 0))
    points = min(amount - cash - card, max(room.points, 0))
    return Tenders(cash, card, points)


def _without_debt(held: Tenders) -> Tenders:
    """What was given beside the price of goods that are gone is no debt."""
    return replace(held, cash=0)
