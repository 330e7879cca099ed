"""Promising units to demands, giving them back, and taking them out when goods leave. The only taker of stock locks.

Every function needs an open transaction, locks stock rows in the order (warehouse, SKU), and writes the ledger.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connection

from inventory.models import StockMovement
from oms.common.copying import array
from oms.common.transactions import require_transaction


class Demand(NamedTuple):
    """Units of a stock row that one demand (a sub-order line) wants. A group gets all its units or none."""

    group: int
    demand_id: int
    stock_id: int
    quantity: int


class Shortage(NamedTuple):
    """A stock row in which a group found too little; `seen` is how many units it saw available."""

    group: int
    stock_id: int
    seen: int


def lock_stock(stock_ids: Iterable[int]) -> dict[int, int]:
    """Lock the rows, waiting in the one order, and return how many units each has available.

    Needs an open transaction.
    """
    require_transaction("lock_stock")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, on_hand - reserved FROM inventory_stock WHERE id = ANY(%s::bigint[])
            ORDER BY warehouse_id, sku_id FOR NO KEY UPDATE
            """,
            [array(stock_ids)],
        )
        return dict(cursor.fetchall())


def reserve(demands: Sequence[Demand], *, shortages: Sequence[Shortage] = (), actor: str) -> set[int]:
    """Promise units to as many groups as the stock allows, first come first served; returns the groups served.

    A group is served with all its units or not at all, and not if one of its shortages is over: then its plan was
    made on old figures. Four statements, whatever the number of demands.
    """
    available = lock_stock({demand.stock_id for demand in demands} | {short.stock_id for short in shortages})
    outdated = {short.group for short in shortages if available.get(short.stock_id, 0) > short.seen}
    by_group: dict[int, list[Demand]] = {}
    for short in shortages:
        by_group.setdefault(short.group, [])
    for demand in demands:
        by_group.setdefault(demand.group, []).append(demand)

    served: set[int] = set()
    granted: list[Demand] = []
    for group, wanted in by_group.items():
        if group in outdated:
            continue
        for i, demand in enumerate(wanted):
            left = available.get(demand.stock_id, 0) - demand.quantity
            if left < 0:
                for taken in wanted[:i]:
                    available[taken.stock_id] += taken.quantity
                break
            available[demand.stock_id] = left
        else:
            served.add(group)
            granted += wanted
    if granted:
        _write_reservations(granted, actor)
    return served


def _write_reservations(granted: Sequence[Demand], actor: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH wanted AS (
                SELECT * FROM unnest(%(stock)s::bigint[], %(demand)s::bigint[], %(units)s::int[])
                    AS w(stock_id, demand_id, quantity)
            ), promised AS (
                INSERT INTO inventory_reservation (stock_id, demand_id, quantity)
                SELECT stock_id, demand_id, quantity FROM wanted
            ), booked AS (
                INSERT INTO inventory_stockmovement (stock_id, kind, reserved_change, demand_id, actor)
                SELECT stock_id, 'reserve', quantity, demand_id, %(actor)s FROM wanted
            )
            UPDATE inventory_stock s SET reserved = s.reserved + w.units
            FROM (SELECT stock_id, sum(quantity) AS units FROM wanted GROUP BY stock_id) AS w
            WHERE s.id = w.stock_id
            """,
            {
                "stock": array(demand.stock_id for demand in granted),
                "demand": array(demand.demand_id for demand in granted),
                "units": array(demand.quantity for demand in granted),
                "actor": actor,
            },
        )


def release(demand_ids: Sequence[int], *, actor: str, note: str = "") -> int:
    """Give back what is promised to the demands; returns the units given back. Waiting sub-orders are woken."""
    return _close(demand_ids, state="released", kind=StockMovement.Kind.RELEASE, leaves=False, actor=actor, note=note)


def consume(demand_ids: Sequence[int], *, actor: str) -> int:
    """Take what is promised to the demands out of the stock, because it left; returns the units taken out."""
    return _close(demand_ids, state="consumed", kind=StockMovement.Kind.SHIP, leaves=True, actor=actor, note="")


def _close(demand_ids: Sequence[int], *, state: str, kind: str, leaves: bool, actor: str, note: str) -> int:
    if not demand_ids:
        return 0
    require_transaction("giving back or taking out stock")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id FROM inventory_stock s WHERE s.id IN (
                SELECT r.stock_id FROM inventory_reservation r WHERE r.demand_id = ANY(%s) AND r.state = 'active'
            ) ORDER BY s.warehouse_id, s.sku_id FOR NO KEY UPDATE
            """,
            [list(demand_ids)],
        )
        cursor.execute(
            """
            WITH closed AS (
                UPDATE inventory_reservation SET state = %(state)s, closed_at = now()
                WHERE demand_id = ANY(%(demands)s) AND state = 'active'
                RETURNING stock_id, demand_id, quantity
            ), booked AS (
                INSERT INTO inventory_stockmovement
                    (stock_id, kind, on_hand_change, reserved_change, demand_id, actor, note)
                SELECT stock_id, %(kind)s, CASE WHEN %(leaves)s THEN -quantity ELSE 0 END, -quantity, demand_id,
                       %(actor)s, %(note)s
                FROM closed
            ), freed AS (
                UPDATE inventory_stock s SET
                    reserved = s.reserved - c.units,
                    on_hand = s.on_hand - CASE WHEN %(leaves)s THEN c.units ELSE 0 END,
                    wakes_backorders_since = CASE WHEN %(leaves)s THEN s.wakes_backorders_since
                                                  ELSE coalesce(s.wakes_backorders_since, now()) END
                FROM (SELECT stock_id, sum(quantity) AS units FROM closed GROUP BY stock_id) AS c
                WHERE s.id = c.stock_id
            )
            SELECT coalesce(sum(quantity), 0) FROM closed
            """,
            {
                "state": state,
                "kind": kind,
                "leaves": leaves,
                "demands": list(demand_ids),
                "actor": actor,
                "note": note,
            },
        )
        return int(cursor.fetchone()[0])
