"""Promising units to demands, giving them back, and taking them out when goods leave. The only taker of stock locks.

Every function needs an open transaction, locks stock rows in the order (warehouse, SKU), and writes the ledger.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from django.db import connection

from inventory import lots
from inventory.availability import available_sql, free_sql
from inventory.lots import Promised
from inventory.models import DemandKind, MovementNote, Reservation, StockMovement
from oms.common.copying import array
from oms.common.transactions import require_transaction


class Demand(NamedTuple):
    """Units of a stock row that one demand (such as a sub-order line) wants. A group gets all its units or none."""

    group: int
    demand_id: int
    stock_id: int
    quantity: int


class Shortage(NamedTuple):
    """A stock row in which a group found too little; `seen` is how many units it saw available."""

    group: int
    stock_id: int
    seen: int


class SetAside(NamedTuple):
    """Units that a demand of the kind `HOLD` has, which the group may use and gives up once it is served."""

    demand_id: int
    stock_id: int
    quantity: int


NOTHING_SET_ASIDE: Mapping[int, Sequence[SetAside]] = MappingProxyType({})


class MoreThanPromised(Exception):
    """More units than are promised to demands were to be given back or taken out: whoever said so read old figures.
    What the transaction has done is not to be committed."""


def lock_stock(stock_ids: Iterable[int]) -> dict[int, int]:
    """Lock the rows, waiting in the one order, and return how many units of each can be promised.

    Needs an open transaction.
    """
    return _lock(stock_ids, available_sql("s")).units


class _Locked(NamedTuple):
    """Units by locked stock row, and the rows among them that keep batches."""

    units: dict[int, int]
    with_lots: frozenset[int]


def _lock(stock_ids: Iterable[int], units: str) -> _Locked:
    require_transaction("lock_stock")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, {units}, s.keeps_lots FROM inventory_stock s WHERE s.id = ANY(%s::bigint[])
            ORDER BY s.warehouse_id, s.sku_id FOR NO KEY UPDATE
            """,
            [array(stock_ids)],
        )
        rows = cursor.fetchall()
    return _Locked(
        {key: units for key, units, _keeps in rows}, frozenset([key for key, _units, keeps in rows if keeps])
    )


def reserve(
    demands: Sequence[Demand],
    *,
    kind: DemandKind = DemandKind.SUB_ORDER_LINE,
    shortages: Sequence[Shortage] = (),
    set_aside: Mapping[int, Sequence[SetAside]] = NOTHING_SET_ASIDE,
    actor: str,
    also: Callable[[set[int]], set[int]] = lambda served: served,
) -> set[int]:
    """Promise units to as many groups as the stock allows, first come first served; returns the groups served. All
    demands are of one kind. `also` is asked under the stock's locks which of those groups get whatever else they need.

    A group is served with all its units or not at all, and not if one of its shortages is over: then its plan was
    made on old figures. What is `set_aside` for a group, by group, it alone may use; once it is served, all of that is
    given up, and until then nobody else gets it. Two statements, whatever the number of demands; three more where
    something is set aside.
    """
    available, with_lots = _lock(
        {demand.stock_id for demand in demands}
        | {short.stock_id for short in shortages}
        | {one.stock_id for own in set_aside.values() for one in own},
        available_sql("s"),
    )
    if with_lots:
        for key, units in lots.sellable(with_lots).items():
            available[key] = min(available[key], units)
    outdated = {short.group for short in shortages if available.get(short.stock_id, 0) > short.seen}
    by_group: dict[int, list[Demand]] = {}
    for short in shortages:
        by_group.setdefault(short.group, [])
    for demand in demands:
        by_group.setdefault(demand.group, []).append(demand)
    for group in set_aside:
        by_group.setdefault(group, [])

    still = _still_set_aside(set_aside, may_expire=bool(with_lots))
    served: set[int] = set()
    granted: list[Demand] = []
    used: dict[int, list[SetAside]] = {}
    for group, wanted in by_group.items():
        if group in outdated:
            continue
        own = [one._replace(quantity=min(one.quantity, still[one.demand_id])) for one in set_aside.get(group, ())]
        if not _take(wanted, available, own):
            continue
        served.add(group)
        granted += wanted
        used[group] = own
        for one in own:
            still[one.demand_id] -= one.quantity
    served = also(served)
    granted = [demand for demand in granted if demand.group in served]
    given_up = Counter[int]()
    for group in served:
        for one in used[group]:
            given_up[one.demand_id] += one.quantity
    if given_up:
        left: dict[int, int | None] = {demand: quantity for demand, quantity in given_up.items() if quantity}
        release_units(left, kind=DemandKind.HOLD, actor=actor, note=MovementNote.ORDERED)
    if granted:
        _write_reservations(granted, kind, actor)
    if with_lots:
        kept = [Promised(d.stock_id, d.demand_id, d.quantity) for d in granted if d.stock_id in with_lots]
        lots.promise(kept, kind, actor=actor)
    return served


def _take(wanted: Sequence[Demand], available: dict[int, int], own: Sequence[SetAside]) -> bool:
    """Take all that a group wants off its own units and then off what is available, or nothing of it."""
    mine: dict[int, int] = {}
    for one in own:
        mine[one.stock_id] = mine.get(one.stock_id, 0) + one.quantity
    taken_so_far: list[tuple[int, int]] = []
    for _group, _demand_id, stock_id, quantity in wanted:
        of_mine = min(quantity, mine.get(stock_id, 0)) if mine else 0
        if of_mine:
            mine[stock_id] -= of_mine
        left = available.get(stock_id, 0) - quantity + of_mine
        if left < 0:
            for taken, units in taken_so_far:
                available[taken] += units
            return False
        available[stock_id] = left
        taken_so_far.append((stock_id, quantity - of_mine))
    return True


def _still_set_aside(set_aside: Mapping[int, Sequence[SetAside]], *, may_expire: bool) -> dict[int, int]:
    """What the demands have now that their stock is locked: nobody can change it any more. What expired meanwhile is
    no order's."""
    demands = {one.demand_id for own in set_aside.values() for one in own}
    still = dict.fromkeys(demands, 0)
    if demands:
        expired = lots.having_expired(demands, DemandKind.HOLD) if may_expire else set()
        still |= dict(
            Reservation.objects.active_for(demands - expired, DemandKind.HOLD).values_list("demand_id", "quantity")
        )
    return still


def _write_reservations(granted: Sequence[Demand], kind: DemandKind, actor: str) -> None:
    _groups, demand_ids, stock_ids, quantities = zip(*granted, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH wanted AS (
                SELECT * FROM unnest(%(stock)s::bigint[], %(demand)s::bigint[], %(units)s::int[])
                    AS w(stock_id, demand_id, quantity)
            ), promised AS (
                INSERT INTO inventory_reservation (stock_id, demand_kind, demand_id, quantity)
                SELECT stock_id, %(kind)s, demand_id, quantity FROM wanted
            )
            INSERT INTO inventory_stockmovement (stock_id, kind, reserved_change, demand_kind, demand_id, actor)
            SELECT stock_id, '{StockMovement.Kind.RESERVE}', quantity, %(kind)s, demand_id, %(actor)s FROM wanted
            """,
            {
                "stock": array(stock_ids),
                "demand": array(demand_ids),
                "units": array(quantities),
                "kind": kind.value,
                "actor": actor,
            },
        )


def release(
    demand_ids: Sequence[int], *, kind: DemandKind = DemandKind.SUB_ORDER_LINE, actor: str, note: str = ""
) -> int:
    """Give back what is promised to the demands; returns the units given back. Waiting sub-orders are woken."""
    return release_units(dict.fromkeys(demand_ids), kind=kind, actor=actor, note=note)


def release_units(
    units: Mapping[int, int | None], *, kind: DemandKind = DemandKind.SUB_ORDER_LINE, actor: str, note: str = ""
) -> int:
    """Give back so many of the units that are promised to each demand (by id; None: all of them), the others stay
    promised; returns the units given back. Demands without a promise are passed over. Waiting sub-orders are woken.

    Raises MoreThanPromised where fewer units are promised to a demand than named."""
    return _close(units, kind, Reservation.State.RELEASED, StockMovement.Kind.RELEASE, actor, note)


def consume(demand_ids: Sequence[int], *, kind: DemandKind = DemandKind.SUB_ORDER_LINE, actor: str) -> int:
    """Take what is promised to the demands out of the stock, because it left; returns the units taken out."""
    return consume_units(dict.fromkeys(demand_ids), kind=kind, actor=actor)


def consume_units(units: Mapping[int, int | None], *, kind: DemandKind = DemandKind.SUB_ORDER_LINE, actor: str) -> int:
    """Take so many of the units that are promised to each demand (by id; None: all of them) out of the stock, because
    they left; the others stay promised. Returns the units taken out. Demands without a promise are passed over.

    Raises MoreThanPromised where fewer units are promised to a demand than named."""
    return _close(units, kind, Reservation.State.CONSUMED, StockMovement.Kind.SHIP, actor)


class HandOver(NamedTuple):
    """Units that are promised to one demand and shall be promised to another one."""

    from_id: int
    to_id: int
    quantity: int


def hand_over(
    moves: Sequence[HandOver], *, kind: DemandKind = DemandKind.SUB_ORDER_LINE, actor: str, note: str
) -> None:
    """Promise units of demands to other demands, where they lie: nobody else gets them in between.

    Raises MoreThanPromised where fewer units are promised to a demand than named."""
    demands = [move.from_id for move in moves]
    found = Reservation.objects.active_for(demands, kind).values_list("demand_id", "stock_id")
    _units, with_lots = _lock([stock_id for _demand, stock_id in found], available_sql("s"))
    stock = dict(found)
    release_units({move.from_id: move.quantity for move in moves}, kind=kind, actor=actor, note=note)
    granted = [Demand(0, move.to_id, stock[move.from_id], move.quantity) for move in moves if move.from_id in stock]
    if granted:
        _write_reservations(granted, kind, actor)
    lots.promise(
        [Promised(one.stock_id, one.demand_id, one.quantity) for one in granted if one.stock_id in with_lots],
        kind,
        actor=actor,
    )


class Withdrawal(NamedTuple):
    """Units that left without a promise, or after it was given back; the demand says for what they were meant."""

    stock_id: int
    demand_id: int
    quantity: int


def withdraw(
    withdrawals: Sequence[Withdrawal],
    *,
    kind: DemandKind = DemandKind.SUB_ORDER_LINE,
    actor: str,
    note: str = "",
) -> dict[int, int]:
    """Take units that left out of the stock, as far as they are not promised to others or frozen; returns how many are
    missing, by demand. Two statements."""
    available, with_lots = _lock({one.stock_id for one in withdrawals}, free_sql("s"))
    missing: dict[int, int] = {}
    taken: list[Withdrawal] = []
    for one in withdrawals:
        units = min(one.quantity, available.get(one.stock_id, 0))
        if units:
            available[one.stock_id] -= units
            taken.append(one._replace(quantity=units))
        if units < one.quantity:
            missing[one.demand_id] = missing.get(one.demand_id, 0) + one.quantity - units
    if taken:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO inventory_stockmovement
                    (stock_id, kind, on_hand_change, demand_kind, demand_id, actor, note)
                SELECT stock_id, '{StockMovement.Kind.SHIP}', -quantity, %(kind)s, demand_id, %(actor)s, %(note)s
                FROM unnest(%(stock)s::bigint[], %(demand)s::bigint[], %(units)s::int[])
                    AS gone(stock_id, demand_id, quantity)
                """,
                {
                    "stock": array(one.stock_id for one in taken),
                    "demand": array(one.demand_id for one in taken),
                    "units": array(one.quantity for one in taken),
                    "kind": kind.value,
                    "actor": actor,
                    "note": note,
                },
            )
    if with_lots:
        kept = [Promised(one.stock_id, one.demand_id, one.quantity) for one in taken if one.stock_id in with_lots]
        lots.withdraw(kept, kind, actor=actor, note=note)
    return missing


def _close(
    units: Mapping[int, int | None],
    kind: DemandKind,
    state: Reservation.State,
    movement: StockMovement.Kind,
    actor: str,
    note: str = "",
) -> int:
    """End the promises, or make them smaller where only some of their units are named."""
    if not units:
        return 0
    require_transaction("giving back or taking out stock")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.keeps_lots FROM inventory_stock s WHERE s.id IN (
                SELECT r.stock_id FROM inventory_reservation r
                WHERE r.demand_id = ANY(%s::bigint[]) AND r.demand_kind = %s AND r.state = '{Reservation.State.ACTIVE}'
            ) ORDER BY s.warehouse_id, s.sku_id FOR NO KEY UPDATE
            """,
            [array(units), kind.value],
        )
        keeps_lots = any(keeps for (keeps,) in cursor.fetchall())
        cursor.execute(
            f"""
            WITH closed AS (
                UPDATE inventory_reservation r SET
                    quantity = CASE WHEN r.quantity > w.units THEN r.quantity - w.units ELSE r.quantity END,
                    state = CASE WHEN r.quantity > w.units THEN r.state ELSE %(state)s END,
                    closed_at = CASE WHEN r.quantity > w.units THEN r.closed_at ELSE now() END
                FROM unnest(%(demands)s::bigint[], %(units)s::int[]) AS w(demand_id, units)
                WHERE r.demand_id = w.demand_id AND r.demand_kind = %(kind)s AND r.state = '{Reservation.State.ACTIVE}'
                RETURNING r.stock_id, r.demand_id, coalesce(w.units, r.quantity) AS quantity,
                    r.state = %(state)s AND w.units > r.quantity AS is_too_many
            ), booked AS (
                INSERT INTO inventory_stockmovement
                    (stock_id, kind, on_hand_change, reserved_change, demand_kind, demand_id, actor, note)
                SELECT stock_id, %(movement)s, CASE WHEN %(leaves)s THEN -quantity ELSE 0 END, -quantity, %(kind)s,
                       demand_id, %(actor)s, %(note)s
                FROM closed
            )
            SELECT coalesce(sum(quantity), 0), array_agg(demand_id ORDER BY demand_id) FILTER (WHERE is_too_many)
            FROM closed
            """,
            {
                "state": state.value,
                "kind": kind.value,
                "movement": movement.value,
                "leaves": movement == StockMovement.Kind.SHIP,
                "demands": array(units),
                "units": array(units.values()),
                "actor": actor,
                "note": note,
            },
        )
        closed, too_many = cursor.fetchone()
    if too_many:
        raise MoreThanPromised(f"fewer units are promised to {kind.value} {too_many} than were to be ended")
    if keeps_lots:
        lots.end_promises(units, kind, movement, actor=actor, note=note)
    return int(closed)
