"""The lines of invoices: goods with their discounts, what a red invoice takes back, and how long ones are split.

Amounts are whole fen. Tax is worked out per line, never of a sum. No database here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

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


def cut(goods: Goods, most_net: int | None) -> list[Goods]:
    """The goods in as many parts as one invoice takes each (fen without tax; None: any amount): whole units where one
    fits, else parts of a unit, of which the first counts as the unit. The parts come to what was paid, to the fen.

    >>> [(part.units, part.paid) for part in cut(Goods("x", TaxClass("1" * 19, "x", Decimal(0)), 1000, 1000, 3), 700)]
    [(2, 666), (1, 334)]
    """
    if most_net is None or net_of(goods.paid, goods.tax.rate) <= most_net:
        return [goods]
    most = _largest_gross(goods.tax, most_net)
    units = goods.units or 1
    a_part = max(most * units // goods.paid, 1)
    marks = [*range(0, units, a_part), units]
    parts = [_between(goods, start, end, units) for start, end in pairwise(marks)]
    if goods.units is None or any(part.paid > most for part in parts):
        parts = [piece for part in parts for piece in _pieces(part, most)]
    return parts


def _largest_gross(tax: TaxClass, most_net: int) -> int:
    """The most fen of which not more than this is net."""
    gross = int((most_net + 1) * (1 + tax.rate)) + 1
    while net_of(gross, tax.rate) > most_net:
        gross -= 1
    if gross <= 0:
        raise ValueError("an invoice takes no amount at all")
    return gross


def _between(goods: Goods, start: int, end: int, of: int) -> Goods:
    """What lies between two marks of a scale: floors of what is before each, so that all parts come to the whole."""
    paid = goods.paid * end // of - goods.paid * start // of
    listed = goods.listed * end // of - goods.listed * start // of
    return replace(goods, paid=paid, listed=listed, units=end - start if goods.units else None)


def _pieces(goods: Goods, most: int) -> Iterator[Goods]:
    """Parts of units that are too dear alone; the first names the units."""
    marks = [*range(0, goods.paid, most), goods.paid]
    for start, end in pairwise(marks):
        listed = goods.listed * end // goods.paid - goods.listed * start // goods.paid
        yield replace(goods, paid=end - start, listed=listed, units=None if start else goods.units)


def split(groups: Iterable[Sequence[Line]], limits: Limits) -> list[list[Line]]:
    """The lines of invoices that keep the limits. A group (a line with its discount) stays together: no group may be
    larger than an invoice. Discounts name their line's place anew."""
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
