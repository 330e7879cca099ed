"""Where units for carts and quotes would come from: by the sourcing rules, within the channel's share, and where it
sells ahead from what is on order. Pure but for the rules, which are kept by who reads them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from inventory import sharing
from inventory.models import HoldPurpose
from inventory.sourcing import rulebook
from inventory.sourcing.asking import Step
from inventory.sourcing.choosing import choose
from inventory.sourcing.rulebook import Book
from inventory.sourcing.rules import Want

# Stock id and units that can be promised, by warehouse and SKU id.
StockThere = Mapping[tuple[int, int], tuple[int, int]]
_Find = Callable[[int, str], Sequence[Step]]


@dataclass(frozen=True, slots=True)
class Item:
    """Units of a SKU that line `position` wants, under the caller's `code`; a bundle's line has several items."""

    position: int
    code: str
    sku_id: int
    merchant_id: int
    storage_class: str
    quantity: int


# Item, warehouse (None: none, it is on order) and units.
_Pieces = list[tuple[Item, int | None, int]]


@dataclass(frozen=True, slots=True)
class NewHold:
    """What a channel wants to set aside for so many seconds. With `is_whole` all lines are granted or none."""

    merchant_id: int
    channel_id: int
    purpose: HoldPurpose
    items: Sequence[Item]
    seconds: int
    is_whole: bool = True
    region_code: str | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """A SKU of which line `position` wants more than it could have."""

    position: int
    sku_id: int
    units: int


@dataclass(slots=True)
class Plan:
    """What would be taken from where: stock row (None: from what is on order) and units, by item; and what lacks."""

    pieces: list[tuple[Item, int | None, int]] = field(default_factory=list)
    lacking: list[Lack] = field(default_factory=list)


def plan_of(
    new: NewHold, stock: StockThere, shares: Mapping[int, sharing.Share], units_ahead: Mapping[int, int]
) -> Plan:
    """What would be set aside of the `stock` that there is, and of units on order (`units_ahead`, by SKU)."""
    book = rulebook.current()
    book.routes.prepare({new.region_code})
    find: _Find = partial(_steps, book, new)
    in_all: dict[int, int] = defaultdict(int)
    for (_warehouse, sku_id), (_stock, units) in stock.items():
        in_all[sku_id] += units
    most = {
        sku_id: sharing.sellable(in_all[sku_id], share, units_ahead.get(sku_id, 0)) for sku_id, share in shares.items()
    }
    ahead = {sku_id: units * shares[sku_id].presale_percent // 100 for sku_id, units in units_ahead.items()}
    available = {key: units for key, (_stock_id, units) in stock.items()}
    plan = Plan()
    lines: dict[int, list[Item]] = defaultdict(list)
    for item in new.items:
        lines[0 if new.is_whole else item.position].append(item)
    for items in lines.values():
        pieces, lacking = _plan_together(items, find, available, most, ahead)
        plan.lacking += lacking
        if not lacking:
            plan.pieces += [
                (item, None if warehouse is None else stock[warehouse, item.sku_id][0], units)
                for item, warehouse, units in pieces
            ]
    return plan


def _plan_together(
    items: Sequence[Item],
    find: _Find,
    available: dict[tuple[int, int], int],
    most: dict[int, int],
    ahead: dict[int, int],
) -> tuple[_Pieces, list[Lack]]:
    """Where all these items would come from, taken off `available`, `most` and `ahead` (units by SKU that may be sold
    before they come); nothing is taken where something is lacking."""
    before, before_most, before_ahead = dict(available), dict(most), dict(ahead)
    lacking: list[Lack] = []
    for item in items:
        if item.sku_id in most:
            if item.quantity > most[item.sku_id]:
                lacking.append(Lack(item.position, item.sku_id, most[item.sku_id]))
            most[item.sku_id] -= min(item.quantity, most[item.sku_id])
    pieces, short = _from_stock(items, range(len(items)), find, available)
    presold: _Pieces = []
    for index in sorted(short):
        item = items[index]
        if item.quantity <= ahead.get(item.sku_id, 0):
            ahead[item.sku_id] -= item.quantity
            presold.append((item, None, item.quantity))
        else:
            lacking.append(Lack(item.position, item.sku_id, short[index]))
    if presold and not lacking:
        # What was taken for them is there for the others.
        available.update(before)
        others = [index for index, item in enumerate(items) if all(item is not one for one, _none, _units in presold)]
        pieces, still = _from_stock(items, others, find, available)
        lacking += [Lack(items[index].position, items[index].sku_id, units) for index, units in still.items()]
    if lacking:
        available.update(before)
        most.update(before_most)
        ahead.update(before_ahead)
    return pieces + presold, lacking


def _from_stock(
    items: Sequence[Item], indexes: Iterable[int], find: _Find, available: dict[tuple[int, int], int]
) -> tuple[_Pieces, dict[int, int]]:
    """Where these of the items come from, taken off `available`; and the units that there are of those that are short,
    by their places."""
    kinds: dict[tuple[int, str], list[int]] = defaultdict(list)
    for index in indexes:
        kinds[items[index].merchant_id, items[index].storage_class].append(index)
    pieces: _Pieces = []
    short: dict[int, int] = {}
    for (merchant_id, storage_class), of_kind in kinds.items():
        wants = [Want(index, items[index].sku_id, items[index].quantity) for index in of_kind]
        choice = choose(wants, find(merchant_id, storage_class), available)
        took: dict[int, int] = defaultdict(int)
        for candidate, takes in choice.parts:
            pieces += [(items[take.line_id], candidate.warehouse_id, take.quantity) for take in takes]
            for take in takes:
                took[take.line_id] += take.quantity
        short |= {index: took[index] for index in of_kind if took[index] < items[index].quantity}
    return pieces, short


def _steps(book: Book, new: NewHold, merchant_id: int, storage_class: str) -> Sequence[Step]:
    """Whom the rules ask; where nobody knows yet where the goods go, those that serve the whole country come first."""
    rules = book.rules_for(merchant_id, new.channel_id, storage_class)
    return book.asked(rules, merchant_id, storage_class, new.region_code).steps
