"""Sharing order-level amounts among lines, and a line's amounts among its parts. All amounts in fen."""

from collections.abc import Sequence
from typing import NamedTuple


def apportion(amount: int, weights: Sequence[int], limits: Sequence[int] | None = None) -> list[int]:
    """Share `amount` among lines in proportion to `weights`, no line getting more than its limit.

    Whole yuan first, each line's exact share rounded down; then what is left goes out in fen by largest remainder:
    each line gets the whole fen of its own remainder, and the last fen go one each to the largest fractions, earlier
    lines first (Hamilton's method). What a line cannot bear is shared among the others in the same way. Lines that
    all weigh nothing share equally. Raises ValueError if `amount` is negative or the lines cannot bear it together.
    """
    if amount < 0:
        raise ValueError("an amount to apportion cannot be negative")
    shares = [0] * len(weights)
    if not amount:
        return shares
    if limits is None:
        return _largest_remainder(amount, weights)
    if sum(limits) < amount:
        raise ValueError("the lines cannot bear the amount")
    open_lines = [i for i in range(len(weights)) if limits[i] > 0]
    while amount:
        # A share over the limit fills its line; the rest is shared anew among the lines that are still open.
        offered = _largest_remainder(amount, [weights[i] for i in open_lines])
        for i, offer in zip(open_lines, offered, strict=True):
            taken = min(offer, limits[i] - shares[i])
            shares[i] += taken
            amount -= taken
        open_lines = [i for i in open_lines if shares[i] < limits[i]]
    return shares


def _largest_remainder(amount: int, weights: Sequence[int]) -> list[int]:
    total = sum(weights)
    if not total:
        weights, total = [1] * len(weights), len(weights)
    hundred_total = 100 * total
    # Whole yuan, then the whole fen of each line's own remainder.
    shares = [amount * weight // hundred_total * 100 for weight in weights]
    fractions = []
    left = amount
    for i, weight in enumerate(weights):
        fen, fraction = divmod(amount * weight - shares[i] * total, total)
        shares[i] += fen
        left -= shares[i]
        fractions.append(fraction)
    if left:
        for i in sorted(range(len(weights)), key=lambda i: -fractions[i])[:left]:
            shares[i] += 1
    return shares


class Shares(NamedTuple):
    """What a line, or a part of one, carries of each component of the order's money (fen)."""

    goods: int
    freight: int
    coupon: int
    points: int
    gift_card: int

    @property
    def payable(self) -> int:
        """What the buyer pays for it."""
        return self.goods + self.freight - self.coupon - self.points - self.gift_card

    def take(self, part: int, of: int) -> "Shares":
        """What `part` of `of` units carry away, in whole fen rounded down; the rest stays behind.

        Taking parts off one after the other, each time from what is left, gives the last part exactly the rest. A
        deduction is moved by a fen where either side could not bear it, so that neither ever owes less than nothing.
        """
        goods = self.goods * part // of
        freight = self.freight * part // of
        coupon = _between(self.coupon * part // of, self.coupon - (self.goods - goods), goods)
        bears = goods + freight - coupon
        rest_bears = self.goods + self.freight - self.coupon - bears
        points = _between(self.points * part // of, self.points - rest_bears, bears)
        bears -= points
        rest_bears -= self.points - points
        gift_card = _between(self.gift_card * part // of, self.gift_card - rest_bears, bears)
        return Shares(goods, freight, coupon, points, gift_card)

    def less(self, other: "Shares") -> "Shares":
        """What is left after `other` was taken."""
        return Shares(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


def _between(wanted: int, least: int, most: int) -> int:
    return max(least, min(wanted, most))
