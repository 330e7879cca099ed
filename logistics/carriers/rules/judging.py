"""Whom a parcel is offered to, and why: pure, by rules, carriers, accounts and freight tables in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from inventory.promising.tables import Tables
from logistics.carriers.rules import pricing
from logistics.carriers.rules.pricing import Priced, Way
from logistics.models.carrier_rule import CarrierNeed, CarrierSort, OnNobody, WishMode

_FAR = 10**9


class Verdict(StrEnum):
    """What became of a carrier; beside it the codes of `pricing.price`."""

    CHOSEN = "chosen"
    WORSE = "worse"
    NOT_NAMED = "not_named"
    EXCLUDED = "excluded"
    NOT_WISHED = "not_wished"
    REFUSED = "refused"
    TOO_DEAR = "too_dear"
    TOO_LATE = "too_late"
    NOT_SHARED = "not_shared"
    USED_UP = "used_up"


@dataclass(frozen=True, slots=True)
class Account:
    """An account over which waybills of a carrier are bought: `shares` (ids) by shop (`("channel", id)`) and merchant
    (`("merchant", id)`); None where the account is everybody's."""

    connection_id: int
    shares: Mapping[tuple[str, int], int] | None = None

    def share_of(self, merchant_id: int, channel_id: int) -> int | None:
        """The share of the shop, else of the merchant that fulfils; None: none is needed. Raises KeyError where the
        user may not use the account."""
        if self.shares is None:
            return None
        of_shop = self.shares.get(("channel", channel_id))
        return of_shop if of_shop is not None else self.shares["merchant", merchant_id]


@dataclass(frozen=True, slots=True)
class Asked:
    """A carrier that waybills can be bought from, with its accounts, the first one used first. `area`: beginnings of
    the regions that it serves, where own couriers are asked; None: nobody can say."""

    id: int
    code: str
    carrier_class: str
    priority: int
    accounts: Sequence[Account] = ()
    area: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """See `models.CarrierRule`; amounts in fen. Empty collections mean any."""

    id: int
    name: str
    provinces: frozenset[str] = frozenset()
    regions: tuple[str, ...] = ()
    min_weight_g: int | None = None
    max_weight_g: int | None = None
    storage_classes: frozenset[str] = frozenset()
    merchants: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    warehouses: frozenset[str] = frozenset()
    payment_method: str = ""
    carriers: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    most_fen: int | None = None
    sorts: tuple[str, ...] = ()
    wish: str = WishMode.FIRST
    on_nobody: str = OnNobody.NEXT

    @property
    def asks_for_price(self) -> bool:
        """Whether it looks at what carriers ask and take."""
        wants = {CarrierNeed.REACHES, CarrierNeed.TAKES_COD}
        return bool(self.needs & wants) or self.most_fen is not None or CarrierSort.COST in self.sorts

    @property
    def asks_for_arrival(self) -> bool:
        """Whether it looks at when a parcel would arrive."""
        return CarrierNeed.KEEPS_PROMISE in self.needs or CarrierSort.ARRIVAL in self.sorts


# The wish, then the carriers' priority: what counts where no rule fits.
BUILT_IN = Rule(0, "")


@dataclass(frozen=True, slots=True)
class Goods:
    """A parcel as rules look at it. `merchant` and `channel` are codes, the latter with its merchant's before it;
    `refused`: carriers (codes) that refused it."""

    key: int
    way: Way
    province: str
    merchant: str
    channel: str
    warehouse: str
    payment_method: str
    merchant_id: int
    channel_id: int
    wished: str = ""
    wished_class: str = ""
    promised_by: datetime | None = None
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Look:
    """A carrier that was looked at: what became of it, its freight and the arrival, where they were looked at."""

    carrier: Asked
    verdict: str
    fen: int | None = None
    arrives_at: datetime | None = None


@dataclass(slots=True)
class Ranking:
    """Whom a rule would ask for a parcel, the preferred first, and who is out."""

    rule: Rule
    open: list[Look] = field(default_factory=list)
    out: list[Look] = field(default_factory=list)

    def details(self, chosen: Asked | None = None, spent: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What is stored of it; `spent`: carriers (codes) passed over for their accounts, with why."""
        rows = []
        for look in (*self.open, *self.out):
            verdict = (spent or {}).get(look.carrier.code, look.verdict)
            if chosen is not None and look.carrier.id == chosen.id:
                verdict = Verdict.CHOSEN
            day = look.arrives_at.isoformat(timespec="minutes") if look.arrives_at else None
            row: list[Any] = [look.carrier.code, str(verdict)]
            if look.fen is not None or day:
                row += [look.fen, day]
            rows.append(row)
        return {"rule": [self.rule.id, self.rule.name], "of": rows}


def unmet(rule: Rule, goods: Goods) -> str:
    """The first condition of the rule (a field of `models.CarrierRule`) that the parcel does not fulfil; empty: all."""
    weight, region = goods.way.measures.weight_g, goods.way.region_code
    conditions: tuple[tuple[str, bool], ...] = (
        ("provinces", not rule.provinces or goods.province in rule.provinces),
        ("regions", not rule.regions or region.startswith(rule.regions)),
        ("min_weight_g", rule.min_weight_g is None or weight >= rule.min_weight_g),
        ("max_weight_g", rule.max_weight_g is None or weight < rule.max_weight_g),
        ("storage_classes", not rule.storage_classes or goods.way.storage_class in rule.storage_classes),
        ("merchants", not rule.merchants or goods.merchant in rule.merchants),
        ("channels", not rule.channels or goods.channel in rule.channels),
        ("warehouses", not rule.warehouses or goods.warehouse in rule.warehouses),
        ("payment_method", rule.payment_method in ("", goods.payment_method)),
    )
    return next((name for name, holds in conditions if not holds), "")


class Judge:
    """Ranks carriers for the parcels of a batch. What depends on the same figures is worked out once."""

    def __init__(
        self,
        rules: Sequence[Rule],
        carriers: Sequence[Asked],
        tables: Callable[[], Tables],
        now: datetime,
    ) -> None:
        self.rules, self.carriers, self.now = rules, carriers, now
        self._tables = tables
        self._prices: dict[tuple[Way, str], Priced | str | None] = {}
        self._arrivals: dict[tuple[Way, str], datetime | None] = {}

    def rankings(self, goods: Goods) -> list[Ranking]:
        """What each rule that fits says, up to the one that ends it; the built-in one where none fits."""
        found = []
        for rule in self.rules:
            if unmet(rule, goods):
                continue
            ranking = self.rank(rule, goods)
            found.append(ranking)
            if rule.on_nobody == OnNobody.PERSON:
                break
        return found or [self.rank(BUILT_IN, goods)]

    def rank(self, rule: Rule, goods: Goods) -> Ranking:
        """Whom this rule asks."""
        ranking = Ranking(rule)
        kept: list[tuple[tuple[object, ...], Look]] = []
        for carrier in self.carriers:
            price = self.price(goods.way, carrier.code) if rule.asks_for_price else None
            arrives = self._arrival(goods.way, carrier.code) if rule.asks_for_arrival else None
            fen = price.freight.fen if isinstance(price, Priced) else None
            why = self._why_not(rule, goods, carrier, price, arrives)
            if why:
                ranking.out.append(Look(carrier, why, fen, arrives))
            else:
                look = Look(carrier, Verdict.WORSE, fen, arrives)
                kept.append((self._place(rule, goods, look), look))
        ranking.open = [look for _place, look in sorted(kept, key=lambda pair: pair[0])]
        return ranking

    def price(self, way: Way, carrier: str) -> Priced | str | None:
        """See `pricing.price`."""
        key = (way, carrier)
        if key not in self._prices:
            self._prices[key] = pricing.price(self._tables(), way, carrier, self.now)
        return self._prices[key]

    def _arrival(self, way: Way, carrier: str) -> datetime | None:
        key = (way, carrier)
        if key not in self._arrivals:
            self._arrivals[key] = pricing.arrival(self._tables(), way, carrier, self.now)
        return self._arrivals[key]

    def _why_not(
        self, rule: Rule, goods: Goods, carrier: Asked, price: Priced | str | None, arrives: datetime | None
    ) -> str:
        if carrier.code in goods.refused:
            return Verdict.REFUSED
        if carrier.area is not None and not goods.way.region_code.startswith(carrier.area):
            return pricing.NOT_SERVED
        if rule.carriers and carrier.code not in rule.carriers:
            return Verdict.NOT_NAMED
        if carrier.code in rule.excluded:
            return Verdict.EXCLUDED
        if rule.wish == WishMode.ONLY and has_wish(goods) and not is_wished(goods, carrier):
            return Verdict.NOT_WISHED
        if isinstance(price, str) and self._is_needed(rule, price):
            return price
        if rule.most_fen is not None and isinstance(price, Priced) and price.freight.fen > rule.most_fen:
            return Verdict.TOO_DEAR
        if CarrierNeed.KEEPS_PROMISE in rule.needs and arrives and goods.promised_by and arrives > goods.promised_by:
            return Verdict.TOO_LATE
        return ""

    @staticmethod
    def _is_needed(rule: Rule, why: str) -> bool:
        return (CarrierNeed.TAKES_COD if why == "no_cod" else CarrierNeed.REACHES) in rule.needs

    @staticmethod
    def _place(rule: Rule, goods: Goods, look: Look) -> tuple[object, ...]:
        carrier = look.carrier
        named = rule.carriers.index(carrier.code) if carrier.code in rule.carriers else len(rule.carriers)
        values: Mapping[str, object] = {
            CarrierSort.NAMED: named,
            CarrierSort.COST: look.fen if look.fen is not None else _FAR,
            CarrierSort.ARRIVAL: look.arrives_at.timestamp() if look.arrives_at else float(_FAR) * 10,
            CarrierSort.PRIORITY: carrier.priority,
        }
        wish = 0 if rule.wish == WishMode.IGNORED or is_wished(goods, carrier) else 1
        wanted = [values[sort] for sort in rule.sorts] or [named]
        return (wish, *wanted, carrier.priority, carrier.code)


def has_wish(goods: Goods) -> bool:
    """Whether the order wishes for a carrier, or a kind of them."""
    return bool(goods.wished or goods.wished_class)


def is_wished(goods: Goods, carrier: Asked) -> bool:
    """Whether the order wishes for the carrier; never where it wishes for none."""
    return has_wish(goods) and (carrier.code == goods.wished or carrier.carrier_class == goods.wished_class)
