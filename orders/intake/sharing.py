"""An order's amounts, shared among its lines: once, when it comes in."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from oms.common.errors import FieldError
from oms.common.money import fen_text
from orders.intake.apportionment import Shares, apportion
from orders.intake.bodies import line_key
from orders.intake.checking import CheckedOrder
from orders.intake.making_room import make_room
from orders.models.amounts import ApportionmentPolicy as Policy
from orders.models.amounts import Bearer


@dataclass(frozen=True, slots=True)
class PromotionShare:
    """What a line carries of a promotion, in fen; both are named by their place, from 0."""

    promotion: int
    line: int
    amount: int
    platform_amount: int


@dataclass(frozen=True, slots=True)
class Sharing:
    """What each line carries, in the order of the lines, and of which promotions that comes."""

    lines: list[Shares]
    promotions: Sequence[PromotionShare] = ()


class CannotBear(Exception):
    """The lines cost too little for what is to be taken off them."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(error.detail)
        self.error = error


@dataclass(frozen=True, slots=True)
class SharedOrder:
    """An order that may be stored, with its amounts shared among its lines."""

    checked: CheckedOrder
    sharing: Sharing


@dataclass(frozen=True, slots=True)
class Promoted:
    """A promotion to share among `lines`, by their places; amounts in fen. `key` decides between equal ones."""

    amount: int
    platform_amount: int
    lines: Sequence[int]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What lines cost and what is to be shared among them, in fen. `floors` is what each line must cost at least;
    `key_of` gives the key of the line at a place, which decides between lines that are due the same. `adjustment` is
    signed."""

    goods: Sequence[int]
    floors: Sequence[int]
    key_of: Callable[[int], Any]
    policy: Policy
    freight: int
    promotions: Sequence[Promoted]
    coupon: int
    adjustment: int
    adjustment_bearer: str
    points: int
    gift_card: int


def share_out(order: CheckedOrder) -> SharedOrder | Sequence[FieldError]:
    """The order with its shares, or why its lines cannot bear its amounts."""
    try:
        return SharedOrder(order, _shared(order))
    except CannotBear as cannot:
        return [cannot.error]


def _shared(order: CheckedOrder) -> Sharing:
    goods = [line.goods_amount for line in order.lines]
    pricing = order.pricing
    is_plain = not (order.coupon_amount or order.points_amount or order.gift_card_amount or pricing.changes_price)
    if is_plain and not order.freight_amount:
        return Sharing([Shares(worth, 0, 0, 0, 0, 0, 0, 0) for worth in goods])
    keys = _Keys(order)
    policy = Policy(settings.APPORTIONMENT_POLICY)
    if is_plain:
        freight = apportion(order.freight_amount, goods, policy=policy, key_of=keys.of)
        return Sharing([Shares(worth, freight[i], 0, 0, 0, 0, 0, 0) for i, worth in enumerate(goods)])
    return share(
        Amounts(
            goods=goods,
            floors=[line.floor_amount for line in order.lines],
            key_of=keys.of,
            policy=policy,
            freight=order.freight_amount,
            promotions=[
                Promoted(one.amount, one.platform_amount, one.lines, one.body.id) for one in pricing.promotions
            ],
            coupon=order.coupon_amount,
            adjustment=pricing.adjustment_amount,
            adjustment_bearer=pricing.adjustment_bearer,
            points=order.points_amount,
            gift_card=order.gift_card_amount,
        )
    )


def share(amounts: Amounts) -> Sharing:
    """What each line carries. Raises CannotBear.

    In this order, each on what is left: promotions, coupon and adjustment change what the goods cost, but push no line
    below its floor; points and gift cards pay for freight as well. Each goes by the goods' worth, as freight does.
    """
    goods = amounts.goods
    shared = partial(apportion, policy=amounts.policy, key_of=amounts.key_of)
    freight = shared(amounts.freight, goods)
    nothing = [0] * len(goods)
    room = _Room(amounts)
    promoted = room.promotions(amounts.promotions)
    promotion = [sum(column) for column in zip(*promoted, strict=True)] if promoted else nothing
    coupon = room.take(amounts.coupon, "coupon_amount", "coupon_too_large")
    if amounts.adjustment < 0:
        taken = room.take(-amounts.adjustment, "adjustment_amount", "adjustment_too_large")
        adjustment = [-part for part in taken]
    else:
        adjustment = shared(amounts.adjustment, goods)
    bears = [worth + freight[i] - promotion[i] - coupon[i] + adjustment[i] for i, worth in enumerate(goods)]
    points = shared(amounts.points, goods, bears)
    bears = [left - points[i] for i, left in enumerate(bears)]
    gift_card = shared(amounts.gift_card, goods, bears)
    parts = _by_source(amounts.promotions, promoted, amounts.key_of)
    borne = [-part for part in adjustment] if amounts.adjustment_bearer == Bearer.MERCHANT else nothing.copy()
    for part in parts:
        borne[part.line] += part.amount - part.platform_amount
    columns = zip(goods, freight, promotion, coupon, adjustment, points, gift_card, borne, strict=True)
    return Sharing([Shares(*row) for row in columns], parts)


class _Keys:
    """What tells each line of the order from the others, wherever it stands among them. Made when two lines tie, which
    is rare."""

    def __init__(self, order: CheckedOrder) -> None:
        self._order = order

    def of(self, place: int) -> tuple[Any, ...]:
        """The key of the line at that place, from 0."""
        return self._all[place]

    @cached_property
    def _all(self) -> list[tuple[Any, ...]]:
        covered_by: list[list[str]] = [[] for _line in self._order.lines]
        for promotion in self._order.pricing.promotions:
            for place in promotion.lines:
                covered_by[place].append(promotion.body.id)
        return [(*line_key(line), sorted(ids)) for line, ids in zip(self._order.body.lines, covered_by, strict=True)]


class _Room:
    """What may still be taken off each line's goods (fen)."""

    def __init__(self, amounts: Amounts) -> None:
        self._amounts = amounts
        self._left = [max(0, goods - floor) for goods, floor in zip(amounts.goods, amounts.floors, strict=True)]

    def take(self, amount: int, attr: str, code: str) -> list[int]:
        """Take the amount off all lines; what each bears. Raises CannotBear, with `code` where no floor is to blame."""
        every = range(len(self._left))
        if (left := sum(self._left)) < amount:
            raise CannotBear(self._refusal(attr, code, every, left, every))
        return self._take(amount, every)

    def promotions(self, promotions: Sequence[Promoted]) -> list[list[int]]:
        """Take the promotions off; what each line bears of each. Raises CannotBear where no sharing leaves every line
        its floor."""
        shares = [[0] * len(self._left) for _promotion in promotions]
        turns = range(len(promotions)) if len(promotions) < 2 else sorted(range(len(promotions)), key=_turn(promotions))
        covers: list[list[int]] = []
        for i in turns:
            promotion = promotions[i]
            amount = min(promotion.amount, sum(self._left[line] for line in promotion.lines))
            shares[i] = self._take(amount, promotion.lines)
            if amount == promotion.amount:
                continue
            # Those before it may have taken what only this one can take.
            covers = covers or self._ranked(promotions)
            in_turn = [shares[j] for j in turns]
            lacks, asked = make_room(
                turns.index(i), promotion.amount - amount, [covers[j] for j in turns], in_turn, self._left
            )
            if lacks:
                attr, left = f"promotions.{i}.amount", promotion.amount - lacks
                raise CannotBear(self._refusal(attr, "promotion_too_large", promotion.lines, left, asked))
        return shares

    def _take(self, amount: int, covered: Sequence[int]) -> list[int]:
        """Take what these lines (by place) can bear off them, by their worth; what each line bears."""
        amounts = self._amounts
        shares = [0] * len(amounts.goods)
        if not amount:
            return shares
        parts = apportion(
            amount,
            [amounts.goods[i] for i in covered],
            [self._left[i] for i in covered],
            policy=amounts.policy,
            key_of=lambda place: amounts.key_of(covered[place]),
        )
        for i, part in zip(covered, parts, strict=True):
            shares[i] = part
            self._left[i] -= part
        return shares

    def _ranked(self, promotions: Sequence[Promoted]) -> list[list[int]]:
        """The lines that each covers, in an order that does not depend on where they stand."""
        return [sorted(promotion.lines, key=self._amounts.key_of) for promotion in promotions]

    def _refusal(self, attr: str, code: str, covered: Iterable[int], left: int, asked: Iterable[int]) -> FieldError:
        """Why the lines that are `covered` cannot bear more than `left`; those that were `asked` may be others, too."""
        values = {"lines": ", ".join(str(i + 1) for i in covered), "left": fen_text(left)}
        if any(self._amounts.floors[i] for i in asked):
            detail = _(
                "Lines %(lines)s can bear only %(left)s of this, since no line may cost less than its SKU's floor"
                " price. Give less, or let it cover other lines."
            )
            return FieldError(attr, "below_floor", detail % values)
        detail = _("Lines %(lines)s can bear only %(left)s of this: nothing may cost less than 0. Give less.")
        return FieldError(attr, code, detail % values)


def _turn(promotions: Sequence[Promoted]) -> Callable[[int], tuple[Any, ...]]:
    """When a promotion's turn comes, wherever it stands: those that cover few lines first, then the larger ones."""

    def of(place: int) -> tuple[Any, ...]:
        one = promotions[place]
        return (len(one.lines), -one.amount, one.platform_amount, one.key)

    return of


def _by_source(
    promotions: Sequence[Promoted], promoted: Sequence[Sequence[int]], key_of: Callable[[int], Any]
) -> list[PromotionShare]:
    """Of each line's promotions, which is how much, and who bears it. What the platform bears is shared in fen, so that
    every line's merchant bears the same part of its own goods' share."""
    parts = []
    for i, (promotion, shares) in enumerate(zip(promotions, promoted, strict=True)):
        platform = apportion(promotion.platform_amount, shares, shares, policy=Policy.FEN, key_of=key_of)
        parts += [PromotionShare(i, line, amount, platform[line]) for line, amount in enumerate(shares) if amount]
    return parts
