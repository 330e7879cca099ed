"""Quotes for a basket: which parcels it becomes, by when they arrive, what they cost, what else is possible there.

What no warehouse has is looked for among what is on order. Reads stock and capacity; writes nothing, takes nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from django.db import connection

from inventory import incoming
from inventory.availability import available_sql
from inventory.cod import refusing_cod
from inventory.models import Sku, StorageClass
from inventory.promising import capacity, expecting, offering, tables
from inventory.promising.capacity import Room
from inventory.promising.dating import Reason
from inventory.promising.freight import Measures, services_for
from inventory.promising.offering import Appointment, Offer, Parcel
from inventory.promising.tables import Tables
from inventory.sourcing import rulebook
from inventory.sourcing.bundling import Line, bundles
from inventory.sourcing.choosing import choose
from inventory.sourcing.rules import Candidate, Want
from oms.common.copying import array
from oms.common.zones import CHINA

MM3_OF_A_CM3, MM_OF_A_CM = 1000, 10
# Units that orders lack already of these SKUs (ids), by warehouse and SKU id.
WaitedFor = Callable[[Collection[int]], Mapping[tuple[int, int], int]]


@dataclass(frozen=True, slots=True)
class BasketLine:
    """Units of a SKU; `price_fen` of a unit matters only where cash is collected."""

    sku: Sku
    quantity: int
    price_fen: int = 0


@dataclass(frozen=True, slots=True)
class PlannedParcel:
    """A parcel to expect: the lines in it (place in the basket and units), and why it travels by itself; `expected_on`
    is the day on which its goods come to the warehouse, where they are on order."""

    parcel: Parcel
    warehouse: str
    merchant: str
    contents: tuple[tuple[int, int], ...]
    why: Reason | None
    expected_on: date | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """The answer to a basket. `short` is what nobody has or expects: the line's place and the units; `is_virtual`
    goods need no parcel. `no_cod` says why cash cannot be collected there, where it cannot."""

    parcels: tuple[PlannedParcel, ...]
    offers: tuple[Offer, ...]
    short: tuple[tuple[int, int], ...]
    virtual: tuple[tuple[int, int], ...]
    no_cod: Reason | None
    appointments: tuple[Appointment, ...]


def quote(
    lines: Sequence[BasketLine],
    region_code: str,
    at: datetime,
    *,
    channel_id: int | None = None,
    is_cod: bool = False,
    carriers: Collection[str] = (),
    waited_for: WaitedFor | None = None,
) -> Quote:
    """What can be promised for the basket now. `region_code` is one of a known county; `channel_id` says by whose rules
    its parcels are chosen and split (None: by those of all channels); `carriers` (codes) are those that can be asked,
    where the tables know any of them. `waited_for` says who comes first where goods are on order."""
    known = tables.current().only_carriers(carriers)
    today = at.astimezone(CHINA).date()
    planned, short, virtual = _Planning(lines, region_code, today, channel_id, is_cod=is_cod).plan(waited_for)
    parcels = [one.parcel for one in planned]
    offers = offering.offers(known, parcels, region_code, at) if parcels else []
    possible = [offer for offer in offers if offer.is_possible]
    calendar: list[Appointment] = []
    if possible:
        calendar = _with_room(known, parcels, region_code, possible[0].latest_at)
    return Quote(
        tuple(planned), tuple(offers), tuple(short), tuple(virtual), _no_cod(known, lines, parcels), tuple(calendar)
    )


_Contents = list[tuple[int, int]]


class _Planning:
    """Spreads a basket over warehouses as the pipeline would: merchants and classes apart, by split rules, then by
    stock."""

    def __init__(
        self, lines: Sequence[BasketLine], region_code: str, today: date, channel_id: int | None, *, is_cod: bool
    ) -> None:
        self.lines, self.today, self.is_cod = lines, today, is_cod
        book = rulebook.current()
        book.routes.prepare({region_code})
        self.groups = _groups(lines, book, channel_id)
        pairs = {(merchant_id, storage_class) for merchant_id, storage_class, _bundle in self.groups}
        self.asked = {
            pair: book.asked(book.rules_for(pair[0], channel_id, pair[1]), *pair, region_code) for pair in pairs
        }
        self.warehouses = {one.warehouse_id for asked in self.asked.values() for one in asked.everybody}
        self.full = capacity.full_days(self.warehouses, today)
        self.planned: list[PlannedParcel] = []

    def plan(self, waited_for: WaitedFor | None) -> tuple[list[PlannedParcel], _Contents, _Contents]:
        """The parcels, what is short and what is virtual."""
        self._choose(_available(self.warehouses, {want.sku_id for wants in self.groups.values() for want in wants}))
        lacking = {want.sku_id for wants in self.groups.values() for want in wants}
        if lacking:
            waiting = waited_for(lacking) if waited_for else {}
            on_order = incoming.expected(self.warehouses, lacking)
            available: dict[tuple[int, int], int] = defaultdict(int)
            for day, units in expecting.arrivals(on_order, waiting, self.today):
                for place, count in units.items():
                    available[place] += count
                self._choose(available, day)
        short = [(want.line_id, want.quantity) for wants in self.groups.values() for want in wants]
        virtual = [
            (i, line.quantity) for i, line in enumerate(self.lines) if line.sku.storage_class == StorageClass.VIRTUAL
        ]
        return self.planned, sorted(short), virtual

    def _choose(self, available: dict[tuple[int, int], int], expected_on: date | None = None) -> None:
        """Plan what can be sent of what is wanted still."""
        for key, wants in self.groups.items():
            if not wants:
                continue
            values = {want.line_id: self.lines[want.line_id].price_fen * want.quantity for want in wants}
            choice = choose(wants, self.asked[key[:2]].steps, available, values_fen=values)
            sent: dict[int, int] = defaultdict(int)
            for candidate, takes in choice.parts:
                contents = tuple((take.line_id, take.quantity) for take in takes)
                for place, units in contents:
                    sent[place] += units
                self.planned.append(self._parcel(candidate, contents, expected_on))
            self.groups[key] = [
                want._replace(quantity=want.quantity - sent[want.line_id])
                for want in wants
                if sent[want.line_id] < want.quantity
            ]

    def _parcel(
        self, candidate: Candidate, contents: tuple[tuple[int, int], ...], expected_on: date | None
    ) -> PlannedParcel:
        sku = self.lines[contents[0][0]].sku
        parcel = Parcel(
            candidate.warehouse_id,
            sku.storage_class,
            measured([(self.lines[place].sku, units) for place, units in contents]),
            cod_fen=sum(self.lines[place].price_fen * units for place, units in contents) if self.is_cod else 0,
            full_days=self.full.get(candidate.warehouse_id, frozenset()),
            ready_at=expecting.ready_at(expected_on) if expected_on else None,
        )
        if expected_on:
            why: Reason | None = Reason("awaits_receipt", {"expected_on": expected_on.isoformat()})
        else:
            why = _why_apart(sku, candidate, self.planned)
        return PlannedParcel(parcel, candidate.code, sku.merchant.code, contents, why, expected_on)


def _groups(
    lines: Sequence[BasketLine], book: rulebook.Book, channel_id: int | None
) -> dict[tuple[int, str, int], list[Want]]:
    """What is to be sent, by merchant, storage class, and bundle in which it travels by split rules."""
    alike: dict[tuple[int, str], list[int]] = defaultdict(list)
    for i, line in enumerate(lines):
        if line.sku.storage_class != StorageClass.VIRTUAL:
            alike[line.sku.merchant_id, line.sku.storage_class].append(i)
    groups: dict[tuple[int, str, int], list[Want]] = defaultdict(list)
    for (merchant_id, storage_class), places in alike.items():
        sized = [
            Line(
                *(i, storage_class, lines[i].sku.category, lines[i].quantity * lines[i].sku.weight_g),
                (lines[i].sku.volume_mm3 or 0) * lines[i].quantity // MM3_OF_A_CM3,
            )
            for i in places
        ]
        numbers = bundles(sized, book.splits_for(merchant_id, channel_id))
        for i in places:
            want = Want(i, lines[i].sku.pk, lines[i].quantity)
            groups[merchant_id, storage_class, numbers[i]].append(want)
    return groups


def _available(warehouses: Collection[int], skus: Collection[int]) -> dict[tuple[int, int], int]:
    """Units available by warehouse and SKU, read without locks."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT warehouse_id, sku_id, {available_sql('s')} FROM inventory_stock s"
            " WHERE sku_id = ANY(%s::bigint[]) AND warehouse_id = ANY(%s::bigint[])",
            [array(skus), array(warehouses)],
        )
        return {(warehouse, sku): units for warehouse, sku, units in cursor.fetchall()}


class Sized(Protocol):
    """What has a weight (g) and, where it is known, a size (mm³, mm); as `Sku`."""

    @property
    def weight_g(self) -> int: ...

    @property
    def volume_mm3(self) -> int | None: ...

    @property
    def longest_side_mm(self) -> int | None: ...


def measured(contents: Sequence[tuple[Sized, int]]) -> Measures:
    """A parcel of these units. Volume and longest side are None where the size of one is not known: then mass alone
    counts. Units are taken to lie side by side without loss."""
    weight_g = sum(one.weight_g * units for one, units in contents)
    volumes = [(one.volume_mm3, units) for one, units in contents]
    sides = [one.longest_side_mm for one, _units in contents]
    if any(volume is None for volume, _units in volumes):
        return Measures(weight_g)
    volume_mm3 = sum((volume or 0) * units for volume, units in volumes)
    longest_mm = max((side or 0 for side in sides), default=0)
    return Measures(weight_g, -(-volume_mm3 // MM3_OF_A_CM3), -(-longest_mm // MM_OF_A_CM))


def _why_apart(sku: Sku, candidate: Candidate, before: Sequence[PlannedParcel]) -> Reason | None:
    """Why it does not travel with one of the parcels before it."""
    if not before:
        return None
    if all(one.merchant != sku.merchant.code for one in before):
        return Reason("other_merchant", {"merchant": sku.merchant.code})
    mine = [one for one in before if one.merchant == sku.merchant.code]
    alike = [one.parcel.warehouse_id for one in mine if one.parcel.storage_class == sku.storage_class]
    if not alike:
        return Reason("other_storage_class", {"storage_class": sku.storage_class})
    if candidate.warehouse_id in alike:
        return Reason("split_rule", {})
    return Reason("other_warehouse", {"warehouse": candidate.code})


def _no_cod(known: Tables, lines: Sequence[BasketLine], parcels: Sequence[Parcel]) -> Reason | None:
    """Why cash cannot be collected for the basket: a merchant does not, no service does, or nothing is brought."""
    if not parcels:
        return Reason("nothing_to_deliver", {})
    refusing = refusing_cod({line.sku.pk for line in lines})
    for line in lines:
        if line.sku.pk in refusing:
            return Reason("merchant_takes_no_cod", {"merchant": line.sku.merchant.code})
    for parcel in parcels:
        if not any(one.takes_cod for one in services_for(known.services, parcel.storage_class)):
            return Reason("no_cod", {"storage_class": parcel.storage_class})
    return None


def _with_room(known: Tables, parcels: Sequence[Parcel], region_code: str, arrives_at: datetime) -> list[Appointment]:
    """The appointments for which every warehouse has room."""
    city = known.cities.get(region_code, "")
    wanted = offering.appointments(known, city, arrives_at)
    warehouses = {one.warehouse_id for one in parcels}
    left = capacity.left(
        Room(warehouse, one.begins_at.date(), one.slot.capacity, one.slot.slot_id)
        for one in wanted
        for warehouse in warehouses
    )
    return [
        one
        for one in wanted
        if all(left[warehouse, one.begins_at.date(), one.slot.slot_id] > 0 for warehouse in warehouses)
    ]
