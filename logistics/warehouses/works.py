"""Warehouse orders and the sub-orders that their lines belong to, locked for a change."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from django.db import connection

from inventory import reserving
from inventory.models import DemandKind, Reservation, Warehouse
from logistics.models import WarehouseOrderState
from oms.common.copying import array
from orders.locking import lock_orders
from orders.models import SubOrderState

LINES_OF = """
    logistics_warehouseorderline wl JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
"""


@dataclass(slots=True)
class Part:
    """A sub-order of which a warehouse order asks for something."""

    id: int
    order_id: int
    number: str
    state: SubOrderState
    is_cancelling: bool


@dataclass(slots=True)
class Work:
    """A locked warehouse order, as the news of a batch change it. `is_asked_to_stop`: the answer is still open;
    `is_split`: the warehouse made several orders of it; `is_doubted`: it is asked whether its rest really stays."""

    id: int
    number: str
    sub_order_id: int
    state: WarehouseOrderState
    is_current: bool
    is_asked_to_stop: bool
    was_sent: bool
    warehouse_id: int
    warehouse: str
    waybill_when: Warehouse.WaybillWhen
    connection_id: int
    is_split: bool = False
    is_doubted: bool = False
    parts: list[Part] = field(default_factory=list)

    @property
    def order_id(self) -> int | None:
        """The order on whose page staff look at it."""
        return self.parts[0].order_id if self.parts else None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A warehouse order that will not be done, and its state for it. `why` is the reason of the ticket that this makes,
    empty where we had asked for it."""

    work: Work
    state: WarehouseOrderState
    why: str = ""
    text: str = ""


def orders_of(warehouse_order_ids: Iterable[int]) -> Mapping[int, Collection[int]]:
    """The orders (ids) that each warehouse order has goods of."""
    found: dict[int, set[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT wl.warehouse_order_id, s.order_id
            FROM {LINES_OF} JOIN orders_suborder s ON s.id = l.sub_order_id
            WHERE wl.warehouse_order_id = ANY(%s::bigint[])
            """,
            [array(warehouse_order_ids)],
        )
        for key, order_id in cursor.fetchall():
            found.setdefault(key, set()).add(order_id)
    return found


def lock_orders_of(warehouse_order_ids: Iterable[int]) -> Collection[int]:
    """Lock the orders, skipping those that others hold; returns the warehouse orders of which all are locked."""
    orders = orders_of(warehouse_order_ids)
    locked = set(lock_orders(order_id for of_one in orders.values() for order_id in of_one))
    return [key for key, of_one in orders.items() if locked.issuperset(of_one)]


def lock_stock(works: Iterable["Work"]) -> None:
    """Lock the stock that news of locked warehouse orders may change, in the one order: what is promised to their
    sub-orders, and where the goods of those that were given up lay."""
    rows = list(works)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT r.stock_id FROM orders_suborderline l
            JOIN inventory_reservation r ON r.demand_id = l.id AND r.demand_kind = '{DemandKind.SUB_ORDER_LINE}'
              AND r.state = '{Reservation.State.ACTIVE}'
            WHERE l.sub_order_id = ANY(%s::bigint[])
            UNION
            SELECT k.id FROM {LINES_OF}
            JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id
            JOIN inventory_stock k ON k.sku_id = ol.sku_id AND k.warehouse_id = w.warehouse_id
            WHERE w.id = ANY(%s::bigint[])
            """,
            [
                array(part.id for work in rows for part in work.parts),
                array(work.id for work in rows if not work.is_current),
            ],
        )
        reserving.lock_stock([key for (key,) in cursor.fetchall()])


def lock(warehouse_order_ids: Iterable[int], *, others: Iterable[int] = ()) -> dict[int, Work]:
    """Lock the sub-orders, and along with them `others` (ids), then the warehouse orders, all by id; returns the
    warehouse orders by id. Three statements.

    The orders must be locked.
    """
    ids = array(warehouse_order_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.order_id, s.number, s.state, s.cancel_requested_at IS NOT NULL
            FROM orders_suborder s WHERE s.id IN (
                SELECT l.sub_order_id FROM {LINES_OF} WHERE wl.warehouse_order_id = ANY(%s::bigint[])
                UNION ALL SELECT unnest(%s::bigint[])
            ) ORDER BY s.id FOR NO KEY UPDATE OF s
            """,
            [ids, array(others)],
        )
        parts = {row[0]: Part(row[0], row[1], row[2], SubOrderState(row[3]), row[4]) for row in cursor.fetchall()}
        cursor.execute(
            """
            SELECT w.id, w.number, w.sub_order_id, w.state, w.is_current,
                w.stop_requested_at IS NOT NULL AND w.stop_answered_at IS NULL, w.lease_token > 0, w.warehouse_id,
                h.code, h.waybill_when, w.connection_id, position(',' IN w.their_number) > 0,
                w.rest_doubted_at IS NOT NULL
            FROM logistics_warehouseorder w JOIN inventory_warehouse h ON h.id = w.warehouse_id
            WHERE w.id = ANY(%s::bigint[]) ORDER BY w.id FOR NO KEY UPDATE OF w
            """,
            [ids],
        )
        works = {}
        for key, number, sub_order, state, *rest in cursor.fetchall():
            works[key] = Work(key, number, sub_order, WarehouseOrderState(state), *rest)
        cursor.execute(
            f"""
            SELECT DISTINCT wl.warehouse_order_id, l.sub_order_id
            FROM {LINES_OF} WHERE wl.warehouse_order_id = ANY(%s::bigint[])
            ORDER BY wl.warehouse_order_id, l.sub_order_id
            """,
            [ids],
        )
        for key, sub_order_id in cursor.fetchall():
            # A part that came to be meanwhile is not locked, and no concern of this warehouse order any more.
            if sub_order_id in parts:
                works[key].parts.append(parts[sub_order_id])
    return works
