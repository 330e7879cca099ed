"""Sharing order-level amounts among lines, and a line's amounts among its parts. All amounts in fen."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oms.common.money import fen_text
from orders.models.amounts import ApportionmentPolicy as Policy
from orders.models.shares import SHARES


def apportion(
    amount: int,
    weights: Sequence[int],
    limits: Sequence[int] | None = None,
    *,
    policy: Policy = Policy.WHOLE_YUAN,
    key_of: Callable[[int], Any] | None = None,
) -> list[int]:
    """Share `amount` among lines in proportion to `weights`, no line getting more than its limit.

    By largest remainder (Hamilton's method): each line gets its exact share rounded down, and what is left goes out
    one by one to the largest remainders. `fen` shares fen that way; `whole_yuan` shares the amount's whole yuan in
    yuan, then its fen in fen. Of equal remainders the larger weight comes first, then the smaller key, then the higher
    limit, so that the result does not depend on the order of lines. `key_of` gives the key of the line at a place, from
    0; it is asked only where a tie decides (None: earlier lines first). What a line cannot bear is shared among the
    others in the same way. Lines that all weigh nothing share equally. Raises ValueError if `amount` is negative or the
    lines cannot bear it together.
    """
    if amount < 0:
        raise ValueError("an amount to apportion cannot be negative")
    if limits is not None and sum(limits) < amount:
        raise ValueError("the lines cannot bear the amount")
    if not amount:
        return [0] * len(weights)
    if len(weights) == 1:
        return [amount]
    if limits is None:
        return _shared(amount, weights, key_of, policy)
    shares = [0] * len(weights)
    open_lines = [i for i in range(len(weights)) if limits[i] > 0]

    def tie(place: int) -> tuple[Any, ...]:
        line = open_lines[place]
        return (key_of(line) if key_of else line, -limits[line])

    while amount:
        # A share over the limit fills its line; the rest is shared anew among the lines that are still open.
        offered = _shared(amount, [weights[i] for i in open_lines], tie, policy)
        for i, offer in zip(open_lines, offered, strict=True):
            taken = min(offer, limits[i] - shares[i])
            shares[i] += taken
            amount -= taken
        open_lines = [i for i in open_lines if shares[i] < limits[i]]
    return shares


_Tie = Callable[[int], Any] | None


def _shared(amount: int, weights: Sequence[int], tie: _Tie, policy: Policy) -> list[int]:
    if not any(weights):
        weights = [1] * len(weights)
    if policy == Policy.FEN:
        return _largest_remainder(amount, weights, tie)
    yuan, fen = divmod(amount, 100)
    if not yuan:
        return _largest_remainder(fen, weights, tie)
    shares = [100 * share for share in _largest_remainder(yuan, weights, tie)]
    if fen:
        shares = [share + more for share, more in zip(shares, _largest_remainder(fen, weights, tie), strict=True)]
    return shares


def _largest_remainder(units: int, weights: Sequence[int], tie: _Tie) -> list[int]:
    total = sum(weights)
    shares = [units * weight // total for weight in weights]
    left = units - sum(shares)
    if left:
        ranks = [(units * weight % total, weight) for weight in weights]
        places = sorted(range(len(weights)), key=ranks.__getitem__, reverse=True)
        last = ranks[places[left - 1]]
        if tie is not None and ranks[places[left]] == last:
            tied = sorted([i for i in places if ranks[i] == last], key=tie)
            places = [i for i in places if ranks[i] > last] + tied
        for i in places[:left]:
            shares[i] += 1
    return shares


class Shares(NamedTuple):
    """What a line, or a part of one, carries of each component of the order's money (fen).

    `adjustment` is signed. `merchant_borne` is what the merchant bears of promotion and adjustment; it changes nothing
    of what the buyer pays.
    """

    goods: int
    freight: int
    promotion: int
    coupon: int
    adjustment: int
    points: int
    gift_card: int
    merchant_borne: int

    @property
    def payable(self) -> int:
        """What the buyer pays for it."""
        return self.goods + self.freight - self.promotion - self.coupon + self.adjustment - self.points - self.gift_card

    def columns(self) -> dict[str, str]:
        """The shares and their sum as rows keep them: in yuan, by the names of `SHARES`."""
        return dict(zip(SHARES, map(fen_text, (*self, self.payable)), strict=True))

    def take(self, part: int, of: int) -> "Shares":
        """What `part` of `of` units carry away, in whole fen rounded down; the rest stays behind.

        Taking parts off one after the other, each time from what is left, gives the last part exactly the rest. A
        deduction is moved by a fen where either side could not bear it, so that neither ever owes less than nothing.
        """
        goods = self.goods * part // of
        freight = self.freight * part // of
        bears, rest_bears = goods, self.goods - goods

        def deduct(amount: int) -> int:
            nonlocal bears, rest_bears
            taken = max(amount - rest_bears, min(amount * part // of, bears))
            bears -= taken
            rest_bears -= amount - taken
            return taken

        promotion = deduct(self.promotion)
        coupon = deduct(self.coupon)
        if self.adjustment < 0:
            adjustment = -deduct(-self.adjustment)
        else:
            adjustment = self.adjustment * part // of
            bears += adjustment
            rest_bears += self.adjustment - adjustment
        bears += freight
        rest_bears += self.freight - freight
        points = deduct(self.points)
        gift_card = deduct(self.gift_card)
        merchant_borne = self.merchant_borne * part // of
        return Shares(goods, freight, promotion, coupon, adjustment, points, gift_card, merchant_borne)

    def less(self, other: "Shares") -> "Shares":
        """What is left after `other` was taken."""
        return Shares(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))
