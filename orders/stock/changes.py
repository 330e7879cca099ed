"""Telling how many units a warehouse has, as merchants do of their own and staff of any: one row, or many in few
statements."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from inventory import coded, counting, hosting, receiving, reserving
from inventory.hosting import Host
from inventory.models import Sku, Stock, Warehouse
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.work import nudging
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.stock import stocktaking


class NotOwnWarehouse(OmsError):
    """Who keeps the goods counts them."""

    code = "not_own_warehouse"


class UnknownStock(OmsError):
    """The merchant has no such SKU or warehouse."""

    code = "not_found"
    status_code = 404


class NotKeptThere(OmsError):
    """The warehouse keeps no goods of the SKU's storage class, so nothing would ever be sent from it."""

    code = "storage_class_not_kept"


@dataclass(frozen=True, slots=True)
class Change:
    """Units of a SKU in a warehouse: counted (`on_hand`), or come and gone (`change`). `version` must be the row's."""

    sku: str
    warehouse: str
    on_hand: int | None = None
    change: int | None = None
    version: int | None = None
    note: str = ""


def change_one(
    stock_id: int, on_hand: int | None, change: int | None, version: int | None, note: str, *, actor: Actor
) -> Stock:
    """Set or change the units on hand. Raises as `stocktaking.count_stock` does, naming which of the two is wrong."""
    try:
        if on_hand is not None:
            return stocktaking.count_stock(stock_id, on_hand, actor=actor, note=note, version=version)
        return stocktaking.change_stock(stock_id, change or 0, actor=actor, note=note, version=version)
    except OmsError as refusal:
        if refusal.attr == "counted":
            refusal.attr = "change" if on_hand is None else "on_hand"
        raise


@transaction.atomic
def change_many(
    merchant: Merchant, changes: Sequence[Change], *, actor: Actor, everywhere: bool = False
) -> list[Stock | OmsError]:
    """Do each change of the merchant's goods for itself; returns the stock as it is then, or why it was refused, in
    order. The merchant changes what lies in its own warehouses, staff what lies `everywhere`.

    What takes no promise away is done in a handful of statements, as many again as often as a stock row is named; the
    rest one by one. All that they need is locked beforehand, sub-orders before stock.
    """
    outcomes: dict[int, Stock | OmsError] = {}
    skus = {sku.code: sku for sku in Sku.objects.visible_to(merchant).filter(code__in={c.sku for c in changes})}
    known = Warehouse.objects.filter(code__in={c.warehouse for c in changes})
    if not everywhere:
        known = known.filter(merchant=merchant)
    hosts = {host.warehouse.code: host for host in hosting.read(known)}
    places: dict[tuple[int, int], list[int]] = {}
    for index, change in enumerate(changes):
        if change.sku not in skus:
            outcomes[index] = UnknownStock(_("There is no SKU %(sku)s.") % {"sku": change.sku}, attr="sku")
        elif change.warehouse not in hosts:
            text = _("There is no warehouse %(code)s.") if everywhere else _("You have no warehouse %(code)s.")
            message = text % {"code": change.warehouse}
            outcomes[index] = UnknownStock(message, attr="warehouse")
        elif skus[change.sku].sells_codes:
            outcomes[index] = coded.refusal(skus[change.sku])
        elif refusal := _not_kept(skus[change.sku], hosts[change.warehouse], change):
            outcomes[index] = refusal
        else:
            places.setdefault((hosts[change.warehouse].warehouse.pk, skus[change.sku].pk), []).append(index)
    rows = receiving.rows_of(places)
    ahead = _lock_ahead(rows, places, changes)
    waiting = {rows[place]: indexes for place, indexes in places.items()}
    while waiting:
        # In turns, each with one change of a stock row: they are done in their order, and together.
        turn = {stock: indexes[0] for stock, indexes in waiting.items()}
        done = _change_simply({stock: changes[index] for stock, index in turn.items()}, actor)
        for stock, index in turn.items():
            outcomes[index] = done[stock] if stock in done else _change_locked(stock, changes[index], ahead, actor)
        waiting = {stock: indexes[1:] for stock, indexes in waiting.items() if len(indexes) > 1}
    nudging.nudge("wake")
    return [outcomes[index] for index in range(len(changes))]


def _change_locked(stock_id: int, change: Change, locked: set[int], actor: Actor) -> Stock | OmsError:
    """A change that may cost promises, of a stock row that should be among the `locked` ones."""
    if stock_id not in locked:
        # It became short between the look and the lock; what it needs now is not locked.
        return ChangedMeanwhile(_("The stock was changed meanwhile. Repeat the call."))
    try:
        return change_one(stock_id, change.on_hand, change.change, change.version, change.note, actor=actor)
    except OmsError as refusal:
        return refusal


def _not_kept(sku: Sku, host: Host, change: Change) -> OmsError | None:
    """Why no units may come in there; what lies there wrongly may always go."""
    if (change.on_hand or 0) + max(change.change or 0, 0) <= 0:
        return None
    if not host.may_keep(sku.merchant_id, sku.storage_class):
        return hosting.not_kept(host.warehouse)
    if sku.storage_class in host.warehouse.storage_classes:
        return None
    message = _(
        "Warehouse %(code)s keeps no goods of the storage class %(class)s. Name another, or have it added there."
    )
    shown = {"code": host.warehouse.code, "class": sku.get_storage_class_display()}
    return NotKeptThere(message % shown, attr="warehouse")


def _lock_ahead(
    rows: dict[tuple[int, int], int], places: dict[tuple[int, int], list[int]], changes: Sequence[Change]
) -> set[int]:
    """Lock the stock rows and the sub-orders that they may cost their promises; returns the rows whose changes may cost
    some."""
    known = {stock.pk: stock for stock in Stock.objects.filter(pk__in=rows.values())}
    ahead: set[int] = set()
    for place, indexes in places.items():
        stock, change = known[rows[place]], changes[indexes[0]]
        on_hand = change.on_hand if change.on_hand is not None else stock.on_hand + (change.change or 0)
        if len(indexes) > 1 or not stock.reserved <= on_hand <= counting.MOST_UNITS:
            ahead.add(stock.pk)
    if ahead:
        stocktaking.lock_for_counting(ahead, rows.values())
    return ahead


@transaction.atomic
def _change_simply(changes: dict[int, Change], actor: Actor) -> dict[int, Stock | OmsError]:
    """The changes, by stock row, that leave every promise as it is; what is stale is refused, the others are left."""
    if not changes:
        return {}
    reserving.lock_stock(changes)
    outcomes: dict[int, Stock | OmsError] = {}
    wanted: list[counting.Count] = []
    for stock in Stock.objects.filter(pk__in=changes):
        change = changes[stock.pk]
        if change.version is not None and change.version != stock.version:
            outcomes[stock.pk] = ChangedMeanwhile(
                _("The stock was changed meanwhile. Look at it again and repeat what you wanted."), attr="version"
            )
            continue
        on_hand = change.on_hand if change.on_hand is not None else stock.on_hand + (change.change or 0)
        if stock.reserved <= on_hand <= counting.MOST_UNITS:
            wanted.append(counting.Count(stock.pk, on_hand, change.note))
    counting.book(wanted, actor=actor.name)
    outcomes.update(Stock.objects.in_bulk([count.stock_id for count in wanted]))
    return outcomes
