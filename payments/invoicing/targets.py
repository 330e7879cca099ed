"""What of an order is to be invoiced in whose name: from the stored shares and the charges, in whole fen.

The sum is what the order owes; nothing is derived from today's prices. No database here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orders.intake.apportionment import apportion
from orders.models.amounts import ApportionmentPolicy
from orders.models.charge import ChargeComponent


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is invoiced together: an order line in the name of a legal entity, or its freight (`line` None)."""

    issuer: int
    line: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """Units of an order line in a sub-order, with the stored shares that they carry (fen; deductions positive).

    `units` are those that are kept. `issuer` is the legal entity in whose name they are sold.
    """

    line: int
    sub_order: int
    issuer: int
    units: int
    shares: Mapping[ChargeComponent, int]


@dataclass(frozen=True, slots=True)
class Charge:
    """What was charged after placing (fen, signed as charges are), of a line or of the whole order."""

    component: str
    fen: int
    line: int | None = None
    sub_order: int | None = None


@dataclass(slots=True)
class Target:
    """What is to be invoiced of a bucket: what was `paid` for it, its price before deductions (`listed`), and units."""

    paid: int = 0
    listed: int = 0
    units: int = 0


@dataclass(slots=True)
class _Sums:
    """What a line comes to in the name of an issuer."""

    goods: int = 0
    freight: int = 0
    listed: int = 0
    units: int = 0

    @property
    def total(self) -> int:
        return self.goods + self.freight

    def add(self, component: str, fen: int) -> None:
        if component == ChargeComponent.FREIGHT:
            self.freight += fen
        else:
            self.goods += fen
        if component == ChargeComponent.GOODS:
            self.listed += fen


@dataclass(frozen=True, slots=True)
class Sold:
    """An order as it was sold: the parts of its lines, and what was charged afterwards. `counts_gift_cards`: what a
    gift card paid is invoiced when it is used."""

    parts: Sequence[Part]
    charges: Sequence[Charge] = ()
    counts_gift_cards: Mapping[int, bool] = field(default_factory=dict)


_SIGNS = {
    ChargeComponent.PROMOTION: -1,
    ChargeComponent.COUPON: -1,
    ChargeComponent.POINTS: -1,
    ChargeComponent.GIFT_CARD: -1,
}


def targets(sold: Sold) -> dict[Bucket, Target]:
    """What is to be invoiced of each bucket; never below 0, and in all what the order owes (with what gift cards paid,
    for issuers who count that)."""
    sums = _of_parts(sold)
    issuer_of = {(part.line, part.sub_order): part.issuer for part in sold.parts}
    of_orders: list[tuple[str, int]] = []
    for charge in sold.charges:
        of_line = [key for key in sums if key.line == charge.line] if charge.line is not None else []
        own = issuer_of.get((charge.line or 0, charge.sub_order or 0))
        if own is not None and charge.line is not None:
            _add(sums, Bucket(own, charge.line), charge.component, charge.fen, sold)
        elif of_line:
            weights = [max(sums[key].total, 0) for key in of_line]
            for key, fen in zip(of_line, _spread(charge.fen, weights), strict=True):
                _add(sums, key, charge.component, fen, sold)
        else:
            of_orders.append((charge.component, charge.fen))
    keys = list(sums)
    for component, fen in of_orders:
        weights = [max(sums[key].total, 0) for key in keys]
        for key, part in zip(keys, _spread(fen, weights), strict=True):
            _add(sums, key, component, part, sold)
    return _buckets(sums)


def _add(sums: Mapping[Bucket, _Sums], key: Bucket, component: str, fen: int, sold: Sold) -> None:
    if component != ChargeComponent.GIFT_CARD or not sold.counts_gift_cards.get(key.issuer, False):
        sums[key].add(component, fen)


def _of_parts(sold: Sold) -> dict[Bucket, _Sums]:
    sums: dict[Bucket, _Sums] = defaultdict(_Sums)
    for part in sorted(sold.parts, key=lambda part: (part.line, part.issuer, part.sub_order)):
        key = Bucket(part.issuer, part.line)
        sums[key].units += part.units
        for component, fen in part.shares.items():
            _add(sums, key, component, _SIGNS.get(component, 1) * fen, sold)
    return sums


def _buckets(sums: Mapping[Bucket, _Sums]) -> dict[Bucket, Target]:
    """Goods by line, freight together; what is below 0 somewhere is made up by the others."""
    found: dict[Bucket, Target] = defaultdict(Target)
    for key, sum_ in sums.items():
        # A gift card pays the goods first; what they do not take, it pays of the freight.
        goods, freight = sum_.goods, sum_.freight
        if goods < 0:
            goods, freight = 0, freight + goods
        if freight < 0:
            goods, freight = goods + freight, 0
        found[key] = Target(goods, max(sum_.listed, 0), sum_.units)
        if freight:
            found[Bucket(key.issuer, None)].paid += freight
            found[Bucket(key.issuer, None)].listed += freight
    lacking = sum(min(target.paid, 0) for target in found.values())
    for target in found.values():
        target.paid = max(target.paid, 0)
    if lacking:
        keys = list(found)
        for key, fen in zip(keys, _spread(lacking, [found[key].paid for key in keys]), strict=True):
            found[key].paid = max(found[key].paid + fen, 0)
    return dict(found)


def _spread(fen: int, weights: Sequence[int]) -> list[int]:
    """An amount of either sign, shared as the order's amounts were: by largest remainder, in fen."""
    parts = apportion(abs(fen), weights, policy=ApportionmentPolicy.FEN) if weights else []
    return [-part for part in parts] if fen < 0 else parts
