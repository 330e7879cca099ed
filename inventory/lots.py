"""Batches and qualities: which units of a stock row go first, and the ledger of those that are told apart.

Whoever calls holds the lock of the stock rows (`inventory.reserving.lock_stock`): nobody else touches their batches
then. Only rows that keep batches cost anything here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from inventory.models import DemandKind, LotMovement, LotPromise, Quality, Reservation, Stock, StockLot, StockMovement
from oms.common.zones import CHINA


@dataclass(frozen=True, slots=True)
class LotKey:
    """What tells units of a stock row apart."""

    stock_id: int
    quality: str = Quality.GOOD
    lot: str = ""
    best_before: date | None = None


@dataclass(frozen=True, slots=True)
class LotMove:
    """Units that come to a batch or leave it (negative), are promised or frozen there."""

    lot_id: int
    on_hand: int = 0
    reserved: int = 0
    frozen: int = 0
    demand_id: int | None = None


@dataclass(frozen=True, slots=True)
class Promised:
    """Units of a stock row that a demand gets, or got."""

    stock_id: int
    demand_id: int
    units: int


def today() -> date:
    """The day in China: what is best before it is expired."""
    return timezone.localdate(timezone=CHINA)


def in_days(days: int) -> date:
    """The day in China so many days from now."""
    return today() + timedelta(days)


def rows_of(keys: Collection[LotKey]) -> dict[LotKey, int]:
    """The row (id) of each batch, made with nothing in it where there is none."""
    if not keys:
        return {}
    wanted = sorted(set(keys), key=lambda key: (key.stock_id, key.quality, key.lot, key.best_before or date.max))
    StockLot.objects.bulk_create(
        [
            StockLot(stock_id=key.stock_id, quality=key.quality, lot=key.lot, best_before=key.best_before)
            for key in wanted
        ],
        ignore_conflicts=True,
    )
    asked = set(wanted)
    found = StockLot.objects.filter(stock_id__in={key.stock_id for key in wanted})
    keys = {LotKey(one.stock_id, one.quality, one.lot, one.best_before): one.pk for one in found}
    return {key: keys[key] for key in asked}


def book(
    moves: Iterable[LotMove],
    kind: str,
    *,
    demand_kind: str = "",
    actor: str,
    note: str = "",
) -> None:
    """Write the ledger of batches, which changes them. One statement."""
    LotMovement.objects.bulk_create(
        [
            LotMovement(
                lot_id=move.lot_id,
                kind=kind,
                on_hand_change=move.on_hand,
                reserved_change=move.reserved,
                frozen_change=move.frozen,
                demand_kind=demand_kind if move.demand_id is not None else "",
                demand_id=move.demand_id,
                note=note[:200],
                actor=actor,
            )
            for move in moves
        ]
    )


def sellable(stock_ids: Collection[int]) -> dict[int, int]:
    """Units of these rows that lie in batches which can be sold: neither expired, frozen nor promised."""
    free = F("on_hand") - F("reserved") - F("frozen")
    found = _good(stock_ids).filter(_not_expired(), on_hand__gt=F("reserved") + F("frozen"))
    sums = found.values("stock_id").annotate(units=Sum(free)).order_by()
    return dict.fromkeys(stock_ids, 0) | {row["stock_id"]: row["units"] for row in sums}


def having_expired(demand_ids: Collection[int], kind: DemandKind) -> set[int]:
    """Those of the demands to which units of a batch are promised that is expired by now. One statement."""
    expired = LotPromise.objects.filter(
        demand_kind=kind, demand_id__in=list(demand_ids), lot__best_before__lt=today()
    ).order_by()
    return set(expired.values_list("demand_id", flat=True))


def _not_expired() -> Q:
    return Q(best_before__isnull=True) | Q(best_before__gte=today())


def _good(stock_ids: Collection[int]) -> QuerySet[StockLot]:
    return StockLot.objects.filter(stock_id__in=stock_ids, quality=Quality.GOOD)


def _first_expiring(stock_ids: Collection[int]) -> dict[int, list[StockLot]]:
    """The batches of good quality with units, by stock row, those that expire first first."""
    found: dict[int, list[StockLot]] = defaultdict(list)
    rows = _good(stock_ids).filter(on_hand__gt=0).order_by(F("best_before").asc(nulls_last=True), "pk")
    for row in rows:
        found[row.stock_id].append(row)
    return found


def promise(granted: Sequence[Promised], kind: DemandKind, *, actor: str) -> None:
    """Choose the batches of units that are promised now: what expires first is sent first, beside what others were
    promised of it already."""
    lots = _first_expiring({one.stock_id for one in granted})
    limit = today()
    left = {
        lot.pk: lot.on_hand - lot.reserved - lot.frozen
        for each in lots.values()
        for lot in each
        if lot.best_before is None or lot.best_before >= limit
    }
    promises: list[LotPromise] = []
    for one in granted:
        for lot_id, units in spread(one.units, [(lot.pk, left.get(lot.pk, 0)) for lot in lots[one.stock_id]]):
            left[lot_id] -= units
            promises.append(LotPromise(lot_id=lot_id, demand_kind=kind, demand_id=one.demand_id, quantity=units))
    LotPromise.objects.bulk_create(promises)
    book(
        [LotMove(one.lot_id, reserved=one.quantity, demand_id=one.demand_id) for one in promises],
        StockMovement.Kind.RESERVE,
        demand_kind=kind,
        actor=actor,
    )


def spread(units: int, rows: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The units, taken from the rows (id, units) in order as far as they go."""
    taken = []
    for key, has in rows:
        take = min(units, has)
        if take > 0:
            taken.append((key, take))
            units -= take
    return taken


def end_promises(
    units: Mapping[int, int | None], kind: DemandKind, movement: StockMovement.Kind, *, actor: str, note: str
) -> None:
    """End what is promised of batches to the demands (by id; None: all of it), as their reservations end. What leaves
    is what expires first; what is given back expires last."""
    leaves = movement == StockMovement.Kind.SHIP
    expiry = F("lot__best_before")
    order = expiry.asc(nulls_last=True) if leaves else expiry.desc(nulls_first=True)
    by_demand: dict[int, list[LotPromise]] = defaultdict(list)
    for one in LotPromise.objects.filter(demand_kind=kind, demand_id__in=list(units)).order_by(order, "lot_id"):
        by_demand[one.demand_id].append(one)
    moves: list[LotMove] = []
    over: list[int] = []
    for demand_id, promises in by_demand.items():
        wanted = units[demand_id]
        if wanted is None:
            wanted = sum(one.quantity for one in promises)
        had = {one.pk: one for one in promises}
        for key, taken in spread(wanted, [(one.pk, one.quantity) for one in promises]):
            one = had[key]
            moves.append(LotMove(one.lot_id, -taken if leaves else 0, -taken, demand_id=demand_id))
            if taken == one.quantity:
                over.append(key)
            else:
                LotPromise.objects.filter(pk=key).update(quantity=F("quantity") - taken)
    LotPromise.objects.filter(pk__in=over).delete()
    book(moves, movement, demand_kind=kind, actor=actor, note=note)


def withdraw(taken: Sequence[Promised], kind: DemandKind, *, actor: str, note: str) -> None:
    """Take units that left without a promise out of the batches that expire first."""
    lots = _first_expiring({one.stock_id for one in taken})
    left = {lot.pk: lot.on_hand - lot.reserved - lot.frozen for each in lots.values() for lot in each}
    moves = []
    for one in taken:
        for lot_id, units in spread(one.units, [(lot.pk, left[lot.pk]) for lot in lots[one.stock_id]]):
            left[lot_id] -= units
            moves.append(LotMove(lot_id, -units, demand_id=one.demand_id))
    book(moves, StockMovement.Kind.SHIP, demand_kind=kind, actor=actor, note=note)


def change(changes: Mapping[int, int], kind: str, *, actor: str, note: str = "") -> None:
    """Follow changes of units (by stock row) that name no batch: what came has none, what went is taken from what had
    none, then from what expires first."""
    fewer = [stock_id for stock_id, units in changes.items() if units < 0]
    lots = _first_expiring(fewer)
    unnamed = rows_of([LotKey(stock_id) for stock_id, units in changes.items() if units > 0])
    moves = [LotMove(row, changes[key.stock_id]) for key, row in unnamed.items()]
    for stock_id in fewer:
        rows = sorted(lots[stock_id], key=lambda lot: (lot.lot, lot.best_before) != ("", None))
        moves += [
            LotMove(lot_id, -units)
            for lot_id, units in spread(-changes[stock_id], [(lot.pk, lot.on_hand - lot.reserved) for lot in rows])
        ]
    book(moves, kind, actor=actor, note=note)


def begin(sku_id: int, *, actor: str) -> None:
    """Keep batches of the SKU from now on: what lies there has none. The rows must be locked, and the SKU must say so.

    Promises that are open are given batches too.
    """
    kept = Stock.objects.filter(sku_id=sku_id)
    kept.update(keeps_lots=True)
    rows = rows_of([LotKey(key) for key in kept.values_list("pk", flat=True)])
    by_stock = {key.stock_id: row for key, row in rows.items()}
    moves = [
        LotMove(by_stock[one.pk], one.on_hand, one.reserved, one.frozen)
        for one in kept
        if (one.on_hand, one.reserved, one.frozen) != (0, 0, 0)
    ]
    promises = Reservation.objects.active().filter(stock__sku_id=sku_id)
    LotPromise.objects.bulk_create(
        [
            LotPromise(
                lot_id=by_stock[one.stock_id],
                demand_kind=one.demand_kind,
                demand_id=one.demand_id,
                quantity=one.quantity,
            )
            for one in promises
        ]
    )
    book(moves, StockMovement.Kind.OPENING, actor=actor)
