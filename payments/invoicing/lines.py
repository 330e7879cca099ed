"""The lines of invoices: goods with their discounts, what a red invoice takes back, and how long ones are split.

Amounts are whole fen. Tax is worked out per line, never of a sum. No database here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from oms.common.tax import TaxClass, net_of
from payments.models.invoice import LineProperty

LONGEST_NAME = 90


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is stored. `of` is the place (from 0) of the line that a discount belongs to, or the id of the blue
    line that a red one takes back."""

    name: str
    tax: TaxClass
    net: int
    gross: int
    role: LineProperty = LineProperty.NORMAL
    quantity: int | None = None
    order_line: int | None = None
    of: int | None = None

    @property
    def tax_amount(self) -> int:
        """What of it is tax."""
        return self.gross - self.net


@dataclass(frozen=True, slots=True)
class Goods:
    """What is to be invoiced of one bucket: what was paid for it, its price before deductions, and units (None: only a
    part of what units cost)."""

    name: str
    tax: TaxClass
    paid: int
    listed: int
    units: int | None = None
    order_line: int | None = None


def lines_of(goods: Goods) -> list[Line]:
    """One line, or where less was paid than the price, the line at its price and its discount, which together come to
    what was paid to the fen; nothing where nothing was paid and there is no price.

    >>> [line.net for line in lines_of(Goods("x", TaxClass("1" * 19, "x", Decimal("0.13")), 8714, 10000, 1))]
    [8850, -1138]
    """
    name = f"*{goods.tax.name}*{goods.name}"[:LONGEST_NAME] if goods.tax.name else goods.name[:LONGEST_NAME]
    whole = Line(
        name, goods.tax, net_of(goods.paid, goods.tax.rate), goods.paid, quantity=goods.units,
        order_line=goods.order_line,
    )  # fmt: skip
    if goods.listed <= goods.paid:
        return [whole] if goods.paid else []
    listed_net = net_of(goods.listed, goods.tax.rate)
    discounted = replace(whole, net=listed_net, gross=goods.listed, role=LineProperty.DISCOUNTED)
    discount = replace(
        whole,
        net=whole.net - listed_net,
        gross=goods.paid - goods.listed,
        role=LineProperty.DISCOUNT,
        quantity=None,
        of=0,
    )
    return [discounted, discount]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one invoice takes: lines, and fen without tax (None: any amount)."""

    lines: int
    net: int | None = None


def split(groups: Iterable[Sequence[Line]], limits: Limits) -> list[list[Line]]:
    """The lines of invoices that keep the limits. A group (a line with its discount) stays together; one that is too
    large alone has an invoice of its own, which the bureau may refuse. Discounts name their line's place anew."""
    invoices: list[list[Line]] = []
    current: list[Line] = []
    current_net = 0
    for group in groups:
        net = sum(line.net for line in group)
        is_too_long = len(current) + len(group) > limits.lines
        if current and (is_too_long or (limits.net is not None and current_net + net > limits.net)):
            invoices.append(current)
            current, current_net = [], 0
        start = len(current)
        current += [replace(line, of=start + line.of) if line.of is not None else line for line in group]
        current_net += net
    return [*invoices, current] if current else invoices


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a blue line, its discount taken off: not yet taken back in net and gross; `units` likewise."""

    id: int
    name: str
    tax: TaxClass
    net: int
    gross: int
    units: int | None
    order_line: int | None


def take_back(left: Left, gross: int, units: int = 0) -> Line:
    """The red line that takes so much of a blue one back: the stored shares of it, the last one exactly what is left.

    Raises ValueError for more than is left, and for nothing.
    """
    if not 0 < gross <= left.gross:
        raise ValueError(f"of line {left.id} only {left.gross} is left, not {gross}")
    net = left.net if gross == left.gross else left.net * gross // left.gross
    count = min(units, left.units or 0)
    return Line(
        left.name, left.tax, -net, -gross, quantity=-count if count else None, order_line=left.order_line, of=left.id
    )
