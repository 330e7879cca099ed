"""What the lines of a sheet cost, where it has no unit price: exports of some channels name totals only.

Of each line its unit price counts, else its total by its units. Where neither stands, what was paid for the whole order
counts, if it has one line: that, less what is no price of goods (freight, a changed price), with all that lowered it
put back (coupon, the channel's own discount, points, gift card), is the line's total.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

_FEN = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class LinePrice:
    """The price of a unit, and what the line is cheaper than its units; in yuan."""

    unit_price: Decimal
    discount: Decimal

    def of(self, units: int) -> Decimal:
        """What the line costs."""
        return self.unit_price * units - self.discount


def of_total(total: Decimal, units: int, discount: Decimal = Decimal(0)) -> LinePrice:
    """The price of a line whose units cost `total` before the `discount`: exact, since the unit price is rounded up to
    whole fen and the discount holds what that is too much. A line without units costs `total` a unit, and is refused
    for its quantity."""
    if units <= 0:
        return LinePrice(total, discount)
    unit_price = (total / units).quantize(_FEN, ROUND_CEILING)
    return LinePrice(unit_price, discount + unit_price * units - total)
