"""What codes of channels stand for, as intake and the release of waiting orders need it."""

from collections.abc import Iterable
from dataclasses import dataclass

from inventory.cod import COD_TERMS, CodTerms
from inventory.models import StorageClass
from oms.common.copying import array, text_array
from oms.common.postgresql.preparing import fetch_prepared
from oms.merchants.models import Merchant
from orders.intake.apportionment import apportion
from orders.intake.goods import KnownSku
from orders.models.amounts import ApportionmentPolicy
from orders.models.hold import MatchProblem


@dataclass(frozen=True, slots=True)
class Part:
    """Units of a SKU in one piece of a code; `weight` is its part of the price (fen, next to the others'). `is_sold`:
    the channel may sell it now. `list_price` is a unit's, in fen; 0: not known."""

    sku: KnownSku
    units: int
    weight: int
    is_sold: bool
    list_price: int = 0


@dataclass(frozen=True, slots=True)
class Unfit:
    """A code that is matched to what does not serve an order: why not, and which SKU it is about."""

    code: str
    problem: MatchProblem
    sku: str

    def as_list(self) -> list[str]:
        """As a hold keeps it."""
        return [self.code, self.problem.value, self.sku]


Parts = tuple[Part, ...]


def list_price_of(parts: Parts) -> int:
    """What one piece costs by the list, in fen; 0: not known."""
    return sum(part.list_price * part.units for part in parts) if all(part.list_price for part in parts) else 0


# By channel and code.
Known = dict[tuple[int, str], Parts]

_MATCHES = f"""
    SELECT x.channel_id, x.code, s.id, s.code, m.code, s.name, s.storage_class = %(virtual)s, {COD_TERMS},
        coalesce((s.floor_price * 100)::bigint, 0), c.units,
        (coalesce(c.weight, s.list_price * c.units) * 100)::bigint, (s.list_price * 100)::bigint,
        s.is_active AND (m.id = owner.id
            OR owner.kind = '{Merchant.Kind.SELF_OPERATED}' AND m.status = '{Merchant.Status.ACTIVE}'
            AND m.kind <> '{Merchant.Kind.SANDBOX}')
    FROM orders_skumatch x
    JOIN merchants_channel ch ON ch.id = x.channel_id
    JOIN merchants_merchant owner ON owner.id = ch.merchant_id
    JOIN orders_matchcomponent c ON c.match_id = x.id
    JOIN inventory_sku s ON s.id = c.sku_id
    JOIN merchants_merchant m ON m.id = s.merchant_id
    WHERE x.channel_id = ANY(%(channels)s::bigint[]) AND x.code = ANY(%(codes)s::text[]) AND x.matched_at IS NOT NULL
    ORDER BY c.id
"""


def read(channel_ids: Iterable[int], codes: Iterable[str]) -> Known:
    """What these codes of these channels stand for, those that somebody matched. One statement."""
    rows = fetch_prepared(
        _MATCHES,
        {
            "virtual": StorageClass.VIRTUAL,
            "channels": array(sorted(set(channel_ids))),
            "codes": text_array(sorted({code for code in codes if "\0" not in code})),
        },
    )
    known: dict[tuple[int, str], list[Part]] = {}
    for channel_id, code, key, sku, merchant, name, is_virtual, cod, floor, units, weight, price, is_sold in rows:
        found = KnownSku(key, sku, merchant, name, is_virtual, CodTerms(cod), floor)
        known.setdefault((channel_id, code), []).append(Part(found, units, weight, is_sold, price))
    return {key: tuple(parts) for key, parts in known.items()}


@dataclass(frozen=True, slots=True)
class Priced:
    """The units of one part of a line, and what they cost; amounts in fen. `goods` is what is left of the price after
    the discount."""

    part: Part
    quantity: int
    unit_price: int
    line_discount: int
    goods: int

    @property
    def floor(self) -> int:
        """What the units must cost at least."""
        return self.part.sku.floor_price * self.quantity

    @property
    def key(self) -> tuple[str, str]:
        """What tells the part from the others of its line."""
        return (self.part.sku.merchant, self.part.sku.code)


def price_parts(parts: Parts, *, quantity: int, unit_price: int, line_discount: int) -> list[Priced]:
    """So many pieces at that price (fen), less a discount on all of them, as their parts: exactly the same money.

    The price of one piece is shared by the parts' weights, so that every piece costs the same; a part's unit price is
    rounded up to whole fen, and its discount takes that back.
    """
    keys = [(part.sku.merchant, part.sku.code) for part in parts]
    fen = ApportionmentPolicy.FEN
    prices = apportion(unit_price, [part.weight for part in parts], policy=fen, key_of=keys.__getitem__)
    gross = [price * quantity for price in prices]
    discounts = apportion(line_discount, gross, gross, policy=fen, key_of=keys.__getitem__)
    priced = []
    for part, price, discount in zip(parts, prices, discounts, strict=True):
        units = part.units * quantity
        each = -(-price // part.units)
        goods = price * quantity - discount
        priced.append(Priced(part, units, each, each * units - goods, goods))
    return priced


def floor_of(priced: Iterable[Priced]) -> int:
    """What the pieces must cost at least (fen), so that no part is pushed below its own floor; what costs less than
    that anyhow bears nothing."""
    return sum(min(part.goods, part.floor) for part in priced)
