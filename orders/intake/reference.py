"""What a batch of orders refers to: SKUs, regions, channels, and orders that were stored before."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from inventory.cod import COD_TERMS, CodTerms, lying_with_us
from inventory.models import StorageClass
from oms.common.copying import text_array
from oms.common.postgresql.preparing import fetch_prepared
from oms.merchants.models import Merchant
from oms.merchants.models.merchant import may_platform_bear
from orders.intake.bodies import MAX_LINES, LineBody, OrderBody
from orders.intake.goods import NOTHING_SAID, KnownSku, UnknownGoods, placeholder
from orders.intake.locating import Atlas
from orders.matching import known
from orders.matching.known import Known, Parts


@dataclass(frozen=True, slots=True)
class KnownRegion:
    """The names of a county-level division, and whether anybody sends there."""

    province: str
    city: str
    district: str
    is_served: bool = True


@dataclass(frozen=True, slots=True)
class KnownChannel:
    """A channel of the merchant, and whether its orders may say that the platform bears something (None: unsaid)."""

    id: int
    is_active: bool
    platform_may_bear: bool | None = None


@dataclass
class Reference:
    """What the bodies name, as far as it exists, read in one statement, with an id for each order that may come of it.

    `skus` by merchant and code, `regions` by code, `channels` by code, `stored` the order numbers by channel id and
    external number, `matching` the ids of channels whose codes are matched, and `matches` what these stand for. A
    self-operated merchant's channels sell the goods of every merchant that is active; a marketplace merchant's only its
    own.
    """

    merchant: Merchant
    is_history: bool = False
    skus: dict[tuple[str, str], KnownSku] = field(default_factory=dict)
    regions: dict[str, KnownRegion] = field(default_factory=dict)
    channels: dict[str, KnownChannel] = field(default_factory=dict)
    matching: set[int] = field(default_factory=set)
    matches: Known = field(default_factory=dict)
    stored: dict[tuple[int, str], str] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    atlas: Atlas = field(default_factory=Atlas)
    unknown: UnknownGoods = NOTHING_SAID

    @cached_property
    def merchants(self) -> dict[str, bool]:
        """The merchants whose goods the channel sells, by code, and whether they take orders now; read only to say what
        is wrong with an order.
        """
        taking = {self.merchant.code: True}
        if self.merchant.kind == Merchant.Kind.SELF_OPERATED:
            others = Merchant.objects.exclude(pk=self.merchant.pk).exclude(kind=Merchant.Kind.SANDBOX)
            states = others.values_list("code", "status")
            taking |= {code: self.is_history or status == Merchant.Status.ACTIVE for code, status in states}
        return taking

    def may_platform_bear(self, source: str) -> bool:
        """Whether orders of the merchant's channel of that code (its own where empty) may say that the platform bears
        promotions or changes of price; what ended elsewhere ended as it did."""
        channel = self.channels.get(source or self.merchant.code)
        said = channel.platform_may_bear if channel else None
        return self.is_history or may_platform_bear(self.merchant, said)

    def lies_with_us(self, sku_id: int) -> bool:
        """Whether a warehouse of ours has a place for the SKU. Read once for all SKUs of the batch, and only where it
        decides whether an order may be paid on delivery."""
        return sku_id in self._with_us

    @cached_property
    def _with_us(self) -> frozenset[int]:
        skus = [*self.skus.values(), *(part.sku for parts in self.matches.values() for part in parts)]
        return lying_with_us(sku.id for sku in skus if sku.cod == CodTerms.IN_OUR_WAREHOUSES)

    def parts_of(self, channel_id: int, line: LineBody) -> Parts:
        """What the line's code stands for in the channel; empty where nobody has matched it. A line that names another
        merchant than the channel's speaks of that one's own SKUs."""
        if channel_id not in self.matching or line.merchant not in ("", self.merchant.code):
            return ()
        return self.matches.get((channel_id, line.sku), ())

    def may_wait(self, channel_id: int, line: LineBody) -> bool:
        """Whether an order may wait until somebody matches the line's code."""
        is_own = line.merchant in ("", self.merchant.code)
        return channel_id in self.matching and is_own and not self.is_history

    @cached_property
    def placeholder(self) -> KnownSku:
        """What the lines point to whose code waits for a match; read, or made, only where there is such a line."""
        return placeholder(self.merchant, is_virtual=self.unknown.is_virtual)


# Several statements, since one plan does not fit all.
_SOLD_ALL = f"m.kind <> '{Merchant.Kind.SANDBOX}'"
_SELLS_ALL = f"(m.id = %(merchant)s OR m.status = '{Merchant.Status.ACTIVE}' AND {_SOLD_ALL})"
_SELLS_ITS_OWN = "m.id = %(merchant)s"


def read(
    bodies: list[OrderBody], merchant: Merchant, *, is_history: bool = False, atlas: Atlas | None = None
) -> Reference:
    """The reference of the bodies that the merchant sent; orders of the past may be of merchants that are gone. One
    statement, and one more where a channel's codes are matched."""
    found = Reference(merchant, is_history, atlas=atlas or Atlas())
    sells = _SELLS_ITS_OWN
    if merchant.kind == Merchant.Kind.SELF_OPERATED:
        sells = _SOLD_ALL if is_history else _SELLS_ALL
    # Arrays within a SELECT have any length to the planner: a plan for all calls seems as good as one for this, and
    # is kept. Made anew each time, it took a fifth of what storing an order costs PostgreSQL.
    rows = fetch_prepared(
        f"""
        SELECT 'sku', m.code, s.code, s.name, {COD_TERMS} || ' ' || coalesce((s.floor_price * 100)::bigint, 0), s.id,
               s.storage_class = %(virtual)s
        FROM inventory_sku s JOIN merchants_merchant m ON m.id = s.merchant_id
        WHERE s.code = ANY((SELECT %(skus)s::text[])::text[]) AND s.is_active
          AND {sells}
        UNION ALL
        SELECT 'region', code, province, city, district, 0, is_served FROM inventory_region
        WHERE code = ANY((SELECT %(regions)s::text[])::text[])
        UNION ALL
        SELECT 'channel', code, coalesce(platform_may_bear::text, ''), '',
            CASE WHEN matches_skus THEN 'matches' ELSE '' END, id, is_active
        FROM merchants_channel
        WHERE merchant_id = %(merchant)s AND code = ANY((SELECT %(sources)s::text[])::text[])
        UNION ALL
        SELECT 'stored', o.external_number, o.number, '', '', o.channel_id, false
        FROM merchants_channel c CROSS JOIN unnest((SELECT %(externals)s::text[])) AS sent(number)
        -- Each is looked up by its number: while PostgreSQL knows of no orders yet, it would go through all of the
        -- channel's, which "+ 0" keeps from it.
        CROSS JOIN LATERAL (
            SELECT external_number, number, channel_id FROM orders_order
            WHERE external_number = sent.number AND channel_id + 0 = c.id LIMIT 1
        ) AS o
        WHERE c.merchant_id = %(merchant)s AND c.code = ANY((SELECT %(sources)s::text[])::text[])
        UNION ALL
        SELECT 'id', '', '', '', '', nextval('orders_order_id_seq'), false
        FROM generate_series(1, (SELECT %(count)s::int))
        """,
        {
            "virtual": StorageClass.VIRTUAL,
            "merchant": merchant.pk,
            "skus": _storable(line.sku for body in bodies for line in body.lines[:MAX_LINES]),
            "regions": _storable(body.recipient.region_code for body in bodies),
            "sources": _storable(body.source or merchant.code for body in bodies),
            "externals": _storable(body.external_number for body in bodies),
            "count": len(bodies),
        },
    )
    for kind, first, second, third, fourth, key, flag in rows:
        match kind:
            case "sku":
                cod, floor_price = fourth.split()
                found.skus[first, second] = KnownSku(key, second, first, third, flag, CodTerms(cod), int(floor_price))
            case "region":
                found.regions[first] = KnownRegion(second, third, fourth, flag)
            case "channel":
                may_bear = second == "true" if second else None
                found.channels[first] = KnownChannel(key, flag, may_bear)
                if fourth:
                    found.matching.add(key)
            case "stored":
                found.stored[key, first] = second
            case "id":
                found.ids.append(key)
    if found.matching:
        codes = (line.sku for body in bodies for line in body.lines[:MAX_LINES])
        found.matches = known.read(found.matching, codes)
    return found


def _storable(texts: Iterable[str]) -> str:
    """An array with each once, and without what PostgreSQL cannot even be asked for."""
    return text_array(text for text in set(texts) if "\0" not in text)
