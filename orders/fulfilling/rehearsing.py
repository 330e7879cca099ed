"""Rehearsing a rule set (试算): what it would make of the last orders, beside what the rules in force would.

Both choose by the stock of now, of which nothing is taken, and by how warehouses stand today; parcels are dated from
when the order was paid, as they were promised then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from inventory.models import SourcingRuleSet, StorageClass
from inventory.promising import tables
from inventory.promising.freight import Measures
from inventory.promising.offering import Parcel
from inventory.promising.quoting import MM3_OF_A_CM3, measured
from inventory.sourcing import rulebook, today
from inventory.sourcing.bundling import Line, Splits, bundles, splits_of
from inventory.sourcing.choosing import Available, Choice, choose, put_back
from inventory.sourcing.rulebook import AskedByAll, Book
from inventory.sourcing.rules import Candidate, Rules, Standing, Want
from inventory.sourcing.today import Trip
from oms.common.copying import array
from oms.common.money import to_fen
from orders.fulfilling.sourcing import read_stock
from orders.intake.terms import carriers_in_use


@dataclass(slots=True)
class Figures:
    """What came of orders: parcels and their kilometres, freight in fen, how many parcels would be in time of how many
    with a date, units that nobody sends."""

    parcels: int = 0
    km: int = 0
    freight_fen: int = 0
    in_time: int = 0
    dated: int = 0
    short_units: int = 0

    def add(self, other: "Figures") -> None:
        """Count these in."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


@dataclass(frozen=True, slots=True)
class Moved:
    """An order that other warehouses (codes) would send than by the rules in force."""

    order: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(slots=True)
class Rehearsal:
    """What came of some orders by the rules in force and by the rehearsed ones."""

    orders: int = 0
    in_force: Figures = field(default_factory=Figures)
    rehearsed: Figures = field(default_factory=Figures)
    moved: list[Moved] = field(default_factory=list)

    def figures(self) -> dict[str, dict[str, int]]:
        """Both, as a job remembers them."""
        return {"in_force": asdict(self.in_force), "rehearsed": asdict(self.rehearsed)}


@dataclass(frozen=True, slots=True)
class _Size:
    """Of one unit; None where its size is not known."""

    weight_g: int
    volume_mm3: int | None
    longest_side_mm: int | None


@dataclass(slots=True)
class _Goods:
    """What one merchant sends of one class for an order."""

    number: str
    channel_id: int
    region_code: str
    starts_at: datetime
    promised_by: datetime | None
    wish: str
    merchant_id: int
    storage_class: str
    wants: list[Want] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    values_fen: dict[int, int] = field(default_factory=dict)
    sizes: dict[int, _Size] = field(default_factory=dict)

    def measures(self, units: Iterable[tuple[int, int]]) -> Measures:
        """What a parcel of these units (by line id) weighs and fills."""
        return measured([(self.sizes[line_id], count) for line_id, count in units])


def last_orders(rule_set: SourcingRuleSet, count: int, *, below: int | None = None) -> list[int]:
    """The ids of the last orders of the set's channel (any, where it has none), the newest first; those before the one
    with the id `below`, where that is given."""
    channel = "AND o.channel_id = %(channel)s" if rule_set.channel_id is not None else ""
    older = "AND o.id < %(below)s" if below is not None else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.id FROM orders_order o WHERE o.region_id IS NOT NULL {channel} {older}
            ORDER BY o.id DESC LIMIT %(count)s
            """,
            {"count": count, "channel": rule_set.channel_id, "below": below},
        )
        return [key for (key,) in cursor.fetchall()]


def rehearse(rule_set: SourcingRuleSet, order_ids: Sequence[int]) -> Rehearsal:
    """What the rule set would make of these orders, as far as its scope goes. Reads only."""
    book = rulebook.current()
    goods = [
        one
        for one in _read(order_ids)
        if rule_set.merchant_id in (None, one.merchant_id) and rule_set.channel_id in (None, one.channel_id)
    ]
    book.routes.prepare(one.region_code for one in goods)
    rehearsed, splits = rulebook.rules_of(rule_set), splits_of(list(rule_set.split_rules.all()))
    stage = _Stage(book, goods)
    found = Rehearsal(orders=len({one.number for one in goods}))
    moves: dict[str, tuple[set[str], set[str]]] = {}
    for one in goods:
        in_force = book.rules_for(one.merchant_id, one.channel_id, one.storage_class)
        now = stage.play(one, in_force, book.splits_for(one.merchant_id, one.channel_id), found.in_force)
        then = stage.play(one, rehearsed, splits, found.rehearsed)
        before, after = moves.setdefault(one.number, (set(), set()))
        before |= now
        after |= then
    found.moved = [
        Moved(number, tuple(sorted(before)), tuple(sorted(after)))
        for number, (before, after) in moves.items()
        if before != after
    ]
    return found


class _Stage:
    """What all choices of a rehearsal are made by."""

    def __init__(self, book: Book, goods: Sequence[_Goods]) -> None:
        self.book, self.now = book, timezone.now()
        self.known, self.carriers = tables.current(), carriers_in_use()
        classes = {one.storage_class for one in goods}
        self.standings: Mapping[str, Mapping[int, Standing]] = today.standings(
            self.known, book.routes.standings, classes, self.now
        )
        pairs = {(who.warehouse_id, want.sku_id) for one in goods for who in self._all(one) for want in one.wants}
        self.available: Available = {key: units for key, (_id, units) in read_stock(pairs).items()}
        self.asked: dict[tuple[int, int, str, str], AskedByAll] = {}

    def _all(self, one: _Goods) -> tuple[Candidate, ...]:
        return self.book.routes.candidates(one.merchant_id, one.storage_class, one.region_code)

    def play(self, one: _Goods, rules: Rules, splits: Splits, figures: Figures) -> set[str]:
        """Choose by the rules, and count what comes of it; the codes of the warehouses that would send."""
        senders: set[str] = set()
        for wants in _together(one, splits):
            trip = Trip(
                Parcel(0, one.storage_class, one.measures((want.line_id, want.quantity) for want in wants)),
                one.region_code,
                one.wish,
                one.starts_at,
                one.promised_by,
            )
            asked = self._ask(one, rules, trip)
            values = {want.line_id: one.values_fen[want.line_id] for want in wants}
            choice = choose(wants, asked.steps, self.available, set_id=rules.set_id, values_fen=values)
            put_back(self.available, choice)
            figures.add(self._figures(one, choice, trip))
            senders |= {candidate.code for candidate, _takes in choice.parts}
        return senders

    def _ask(self, one: _Goods, rules: Rules, trip: Trip) -> AskedByAll:
        goods = (one.merchant_id, one.storage_class, one.region_code)
        standings = self.standings[one.storage_class]
        if rules.asks_about_the_way:
            ways = today.ways(self.known, trip, self._all(one), self.carriers, self.now)
            return self.book.ask(rules, *goods, standings=standings, ways=ways)
        # Both rule sets live as long as the rehearsal.
        key = (id(rules), *goods)
        if key not in self.asked:
            self.asked[key] = self.book.ask(rules, *goods, standings=standings)
        return self.asked[key]

    def _figures(self, one: _Goods, choice: Choice, trip: Trip) -> Figures:
        found = Figures(parcels=len(choice.parts), short_units=sum(choice.short.values()))
        nearest = self._all(one)
        promised_by = one.promised_by
        if promised_by is None and nearest and choice.parts:
            expected = today.carriage(self.known, trip.to(nearest[0].warehouse_id), self.carriers)
            promised_by = expected.arrival.latest_at if expected else None
        for candidate, takes in choice.parts:
            found.km += candidate.km
            measures = one.measures((take.line_id, take.quantity) for take in takes)
            parcel = Parcel(candidate.warehouse_id, one.storage_class, measures)
            way = today.carriage(self.known, replace(trip, parcel=parcel), self.carriers)
            if way is None:
                continue
            found.freight_fen += way.freight.fen
            if promised_by is not None:
                found.dated += 1
                found.in_time += way.arrival.latest_at <= promised_by
        return found


def _together(one: _Goods, splits: Splits) -> Iterator[list[Want]]:
    """The wants of each bundle that the split rules make."""
    numbers = bundles(one.lines, splits) if splits != rulebook.NO_SPLITS else {}
    by_number: dict[int, list[Want]] = {}
    for want in one.wants:
        by_number.setdefault(numbers.get(want.line_id, 0), []).append(want)
    yield from by_number.values()


def _read(order_ids: Iterable[int]) -> list[_Goods]:
    """What merchants sent, or send, for these orders, by merchant and class; virtual goods are left out."""
    found: dict[tuple[str, int, str], _Goods] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.number, o.channel_id, o.region_id, coalesce(o.paid_at, o.reviewed_at, o.created_at),
                coalesce(t.sign_by, t.delivery_until), o.promise, k.merchant_id, k.storage_class,
                l.id, l.sku_id, l.quantity, k.category, l.goods_amount,
                k.weight_g, k.length_mm::bigint * k.width_mm * k.height_mm,
                CASE WHEN k.length_mm IS NOT NULL THEN greatest(k.length_mm, k.width_mm, k.height_mm) END
            FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id JOIN inventory_sku k ON k.id = l.sku_id
            LEFT JOIN orders_orderterms t ON t.order_id = o.id
            WHERE o.id = ANY(%s::bigint[]) AND k.storage_class <> '{StorageClass.VIRTUAL}' AND o.region_id IS NOT NULL
            ORDER BY o.id DESC, l.position
            """,
            [array(order_ids)],
        )
        for *head, line_id, sku_id, quantity, category, amount, weight_g, volume_mm3, longest_mm in cursor.fetchall():
            goods = _Goods(*head)
            goods = found.setdefault((goods.number, goods.merchant_id, goods.storage_class), goods)
            goods.wants.append(Want(line_id, sku_id, quantity))
            volume_cm3 = (volume_mm3 or 0) * quantity // MM3_OF_A_CM3
            goods.lines.append(Line(line_id, goods.storage_class, category, weight_g * quantity, volume_cm3))
            goods.sizes[line_id] = _Size(weight_g, volume_mm3, longest_mm)
            goods.values_fen[line_id] = to_fen(amount)
    return list(found.values())


def summed(told: Mapping[str, Any], more: Rehearsal) -> dict[str, Any]:
    """What a job remembers, with some more orders."""
    sums = {}
    for name, figures in more.figures().items():
        known = told.get(name, {})
        sums[name] = {key: known.get(key, 0) + value for key, value in figures.items()}
    return {**told, **sums, "orders": told.get("orders", 0) + more.orders}
