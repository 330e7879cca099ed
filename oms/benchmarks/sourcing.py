"""`bench sourcing`: parcels and kilometres of real orders by each way of choosing warehouses, stock not consumed, and
how many orders a second a core chooses for, reading stock included.

All ways fill the same lines; a line comes whole from one warehouse. Figures of `orders` are those of whole orders: a
parcel is a warehouse that sends something of it. Figures of `sub_orders` are those of the parts that the pipeline makes
first, of one storage class each: a warehouse that sends two of them sends two parcels, however it was chosen.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.db import connection

from inventory.loading import load_folder
from inventory.models import Need, OnNone, OnPartial, Sku, StorageClass
from inventory.sourcing import choosing, rulebook
from inventory.sourcing.asking import Step, ask
from inventory.sourcing.choosing import Available
from inventory.sourcing.rulebook import Book
from inventory.sourcing.rules import Candidate, Rule, Rules, Want
from oms.benchmarks import stage
from orders.fulfilling.sourcing import read_stock
from orders.intake.bodies import OrderBody, decode

BATCH = 1_000
TARGETS = {
    "whole_country_saves_parcels_percent": 20.0,
    "region_first_saves_parcels_percent": 6.0,
    "unfilled_lines_percent_at_most": 1.9,
    "orders_per_second": 1_000,
}
_WHOLE_LINES = replace(Rule(1), splits_lines=False)
WHOLE_COUNTRY = Rules(-1, (replace(_WHOLE_LINES, on_partial=OnPartial.ALLOCATE, on_none=OnNone.BACKORDER),))
REGION_FIRST = Rules(
    -2,
    (
        replace(_WHOLE_LINES, needs=frozenset({Need.SERVES_REGION})),
        replace(_WHOLE_LINES, position=2, on_partial=OnPartial.ALLOCATE, on_none=OnNone.BACKORDER),
    ),
)


@dataclass(frozen=True, slots=True)
class Goods:
    """What one merchant sends for an order: of one class, or of all of them."""

    order: int
    merchant_id: int
    storage_classes: tuple[str, ...]
    region_code: str
    wants: tuple[Want, ...]


@dataclass(slots=True)
class Tally:
    """What came of all orders."""

    parcels: int = 0
    km: int = 0
    unfilled: int = 0
    unproven: int = 0
    seconds: float = 0.0


def run(folder: Path, orders: int) -> dict[str, float]:
    """Parcels, kilometres and unfilled lines by way of choosing, and what it saves against nearest first; orders a
    second of CPU. The targets stand beside the figures."""
    lines = stage.order_lines(folder, orders)
    bodies = [body for body in map(decode, lines) if isinstance(body, OrderBody)]
    with stage.own_database("oms_bench_sourcing"):
        load_folder(folder, progress=lambda rows, _name: rows)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        book = rulebook.current()
        found: dict[str, float] = {}
        for name, of_classes in (("orders", False), ("sub_orders", True)):
            goods = list(goods_of(bodies, of_classes=of_classes))
            book.routes.prepare({one.region_code for one in goods})
            found |= {f"{name}_{figure}": value for figure, value in _measure(book, goods).items()}
    return found | {f"target_{name}": value for name, value in TARGETS.items()}


def _measure(book: Book, goods: Sequence[Goods]) -> dict[str, float]:
    tallies = {
        "nearest_first": count(book, goods, _nearest, _read),
        "region_first": count(book, goods, by(REGION_FIRST), _read),
        "whole_country": count(book, goods, by(WHOLE_COUNTRY), _read),
    }
    order_count, line_count = len({one.order for one in goods}), sum(len(one.wants) for one in goods)
    figures: dict[str, float] = {"count": order_count, "lines": line_count}
    nearest = tallies["nearest_first"]
    for name, tally in tallies.items():
        figures |= {
            f"{name}_parcels": tally.parcels,
            f"{name}_million_km": round(tally.km / 1e6, 3),
            f"{name}_unfilled_lines_percent": round(100 * tally.unfilled / line_count, 3),
            f"{name}_unproven": tally.unproven,
            f"{name}_per_second": round(order_count / tally.seconds, 1),
            f"{name}_saves_parcels_percent": round(100 * (1 - tally.parcels / nearest.parcels), 2),
        }
    return figures


def goods_of(bodies: Sequence[OrderBody], *, of_classes: bool) -> Iterator[Goods]:
    """What each merchant sends for each of the orders, physical goods only; of one class each, or of all."""
    skus = {
        (merchant, code): (key, merchant_id, storage_class)
        for merchant, code, key, merchant_id, storage_class in Sku.objects.values_list(
            "merchant__code", "code", "id", "merchant_id", "storage_class"
        )
    }
    for number, body in enumerate(bodies):
        if not body.recipient.region_code:
            continue
        groups: dict[tuple[int, str], dict[int, int]] = defaultdict(dict)
        classes: dict[int, set[str]] = defaultdict(set)
        for line in body.lines:
            key, merchant_id, storage_class = skus[line.merchant, line.sku]
            if storage_class != StorageClass.VIRTUAL:
                units = groups[merchant_id, storage_class if of_classes else ""]
                units[key] = units.get(key, 0) + line.quantity
                classes[merchant_id].add(storage_class)
        for (merchant_id, storage_class), wanted in groups.items():
            wants = tuple(Want(place, sku, units) for place, (sku, units) in enumerate(wanted.items()))
            kinds = (storage_class,) if of_classes else tuple(sorted(classes[merchant_id]))
            yield Goods(number, merchant_id, kinds, body.recipient.region_code, wants)


@dataclass(frozen=True, slots=True)
class Sent:
    """The warehouses that send something, and what nobody sends."""

    senders: Sequence[Candidate]
    unfilled: int
    is_proven: bool = True


Way = Callable[[Book, Goods, Available], Sent]
Read = Callable[[Book, Sequence[Goods]], Available]


def count(book: Book, goods: Sequence[Goods], way: Way, read: Read) -> Tally:
    """What comes of all goods when each is sent this way; nothing is consumed."""
    tally = Tally()
    started = time.process_time()
    for start in range(0, len(goods), BATCH):
        batch = goods[start : start + BATCH]
        available = read(book, batch)
        for one in batch:
            sent = way(book, one, available)
            tally.parcels += len(sent.senders)
            tally.km += sum(sender.km for sender in sent.senders)
            tally.unfilled += sent.unfilled
            tally.unproven += not sent.is_proven
    tally.seconds = time.process_time() - started
    return tally


def _read(book: Book, batch: Sequence[Goods]) -> Available:
    """What there is of everything that the batch may want, in one statement, as the pipeline reads it."""
    pairs = {
        (candidate.warehouse_id, want.sku_id)
        for one in batch
        for candidate in _candidates(book, one)
        for want in one.wants
    }
    return {key: units for key, (_stock_id, units) in read_stock(pairs).items()}


_Place = tuple[int, tuple[str, ...], str]
_found: dict[_Place, tuple[Candidate, ...]] = {}


def _candidates(book: Book, goods: Goods) -> tuple[Candidate, ...]:
    """Everybody who stores one of the classes, nearest first; what a warehouse does not store, it has none of."""
    key = (goods.merchant_id, goods.storage_classes, goods.region_code)
    if key not in _found:
        all_of_them = {
            one for kind in goods.storage_classes for one in book.routes.candidates(key[0], kind, goods.region_code)
        }
        _found[key] = tuple(sorted(all_of_them, key=lambda one: (one.km, one.code)))
    return _found[key]


def _nearest(book: Book, goods: Goods, available: Available) -> Sent:
    """The nearest warehouse sends what it has, then the next one."""
    left = list(goods.wants)
    senders = []
    for candidate in _candidates(book, goods):
        kept = [want for want in left if available.get((candidate.warehouse_id, want.sku_id), 0) < want.quantity]
        if len(kept) < len(left):
            senders.append(candidate)
            left = kept
        if not left:
            break
    return Sent(senders, len(left))


def by(rules: Rules) -> Way:
    """As the pipeline chooses by the rules."""
    kept: dict[_Place, list[Step]] = {}

    def steps(book: Book, goods: Goods) -> list[Step]:
        key = (goods.merchant_id, goods.storage_classes, goods.region_code)
        if key not in kept:
            province = book.routes.province(goods.region_code)
            kept[key] = [
                (rule, ask(rule, _candidates(book, goods), province=province, standings=book.routes.standings))
                for rule in rules.rules
            ]
        return kept[key]

    def way(book: Book, goods: Goods, available: Available) -> Sent:
        choice = choosing.choose(goods.wants, steps(book, goods), available, set_id=rules.set_id)
        choosing.put_back(available, choice)
        return Sent([one for one, _takes in choice.parts], len(choice.short), '"unproven"' not in choice.why_text)

    return way
