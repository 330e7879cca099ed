"""An order's amounts, shared among its lines: once, when it comes in."""

from collections.abc import Sequence
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
from orders.intake.pricing import CheckedPromotion
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


def share_out(order: CheckedOrder) -> SharedOrder | Sequence[FieldError]:
    """The order with its shares, or why its lines cannot bear its amounts.

    In this order, each on what is left: promotions, coupon and adjustment change what the goods cost, but push no line
    below its SKU's floor; points and gift cards pay for freight as well. Each goes by the goods' worth, as freight
    does.
    """
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
    share = partial(apportion, policy=Policy(settings.APPORTIONMENT_POLICY), key_of=keys.of)
    freight = share(order.freight_amount, goods)
    if is_plain:
        return Sharing([Shares(worth, freight[i], 0, 0, 0, 0, 0, 0) for i, worth in enumerate(goods)])

    nothing = [0] * len(goods)
    room = _Room(order, keys)
    promoted = room.promotions(pricing.promotions)
    promotion = [sum(column) for column in zip(*promoted, strict=True)] if promoted else nothing
    coupon = room.take(order.coupon_amount, "coupon_amount", "coupon_too_large")
    if pricing.adjustment_amount < 0:
        taken = room.take(-pricing.adjustment_amount, "adjustment_amount", "adjustment_too_large")
        adjustment = [-part for part in taken]
    else:
        adjustment = share(pricing.adjustment_amount, goods)
    bears = [worth + freight[i] - promotion[i] - coupon[i] + adjustment[i] for i, worth in enumerate(goods)]
    points = share(order.points_amount, goods, bears)
    bears = [left - points[i] for i, left in enumerate(bears)]
    gift_card = share(order.gift_card_amount, goods, bears)
    parts = _by_source(pricing.promotions, promoted, keys)
    borne = [-part for part in adjustment] if pricing.adjustment_bearer == Bearer.MERCHANT else nothing.copy()
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
        covered_by: list[list[int]] = [[] for _line in self._order.lines]
        for i, promotion in enumerate(self._order.pricing.promotions):
            for place in promotion.lines:
                covered_by[place].append(i)
        return [
            (*line_key(line), promotions) for line, promotions in zip(self._order.body.lines, covered_by, strict=True)
        ]


class _Room:
    """What may still be taken off each line's goods (fen)."""

    def __init__(self, order: CheckedOrder, keys: _Keys) -> None:
        self._lines, self._keys = order.lines, keys
        self._left = [max(0, line.goods_amount - line.floor_amount) for line in order.lines]

    def take(self, amount: int, attr: str, code: str, covered: Sequence[int] | None = None) -> list[int]:
        """Take the amount off the lines (by place; None: all); what each bears. Raises CannotBear, with `code` where no
        floor is to blame."""
        if not amount:
            return [0] * len(self._lines)
        covered = range(len(self._lines)) if covered is None else covered
        limits = [self._left[i] for i in covered]
        if sum(limits) < amount:
            raise CannotBear(self._refusal(attr, code, covered, sum(limits)))
        parts = apportion(
            amount,
            [self._lines[i].goods_amount for i in covered],
            limits,
            policy=Policy(settings.APPORTIONMENT_POLICY),
            key_of=lambda place: self._keys.of(covered[place]),
        )
        shares = [0] * len(self._lines)
        for i, part in zip(covered, parts, strict=True):
            shares[i] = part
            self._left[i] -= part
        return shares

    def promotions(self, promotions: Sequence[CheckedPromotion]) -> list[list[int]]:
        """Take the promotions off in turn; what each line bears of each. Raises CannotBear."""
        before = self._left.copy()
        turns = list(range(len(promotions)))
        try:
            return self._in_turn(promotions, turns)
        except CannotBear:
            # An earlier one may have taken what only this one can take: those that cover few lines go first.
            self._left = before
            return self._in_turn(promotions, sorted(turns, key=lambda i: len(promotions[i].lines)))

    def _in_turn(self, promotions: Sequence[CheckedPromotion], turns: Sequence[int]) -> list[list[int]]:
        shares: dict[int, list[int]] = {}
        for i in turns:
            promotion = promotions[i]
            shares[i] = self.take(promotion.amount, f"promotions.{i}.amount", "promotion_too_large", promotion.lines)
        return [shares[i] for i in range(len(promotions))]

    def _refusal(self, attr: str, code: str, covered: Sequence[int], left: int) -> FieldError:
        values = {"lines": ", ".join(str(i + 1) for i in covered), "left": fen_text(left)}
        if any(self._lines[i].floor_amount for i in covered):
            detail = _(
                "Lines %(lines)s can bear only %(left)s of this, since no line may cost less than its SKU's floor"
                " price. Give less, or let it cover other lines."
            )
            return FieldError(attr, "below_floor", detail % values)
        detail = _("Lines %(lines)s can bear only %(left)s of this: nothing may cost less than 0. Give less.")
        return FieldError(attr, code, detail % values)


def _by_source(
    promotions: Sequence[CheckedPromotion], promoted: Sequence[Sequence[int]], keys: _Keys
) -> list[PromotionShare]:
    """Of each line's promotions, which is how much, and who bears it. What the platform bears is shared in fen, so that
    every line's merchant bears the same part of its own goods' share."""
    parts = []
    for i, (promotion, shares) in enumerate(zip(promotions, promoted, strict=True)):
        platform = apportion(promotion.platform_amount, shares, shares, policy=Policy.FEN, key_of=keys.of)
        parts += [PromotionShare(i, line, amount, platform[line]) for line, amount in enumerate(shares) if amount]
    return parts
