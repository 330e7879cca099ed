"""What orders wait for, SKU by SKU, and what could be done about it: read for a page."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection
from django.db.models import Q, QuerySet

from inventory import purchasing, transferring
from inventory.availability import free_sql
from inventory.models import Sku, Warehouse
from oms.common.copying import array
from oms.common.states import listed
from orders.models import SubOrder, SubOrderState


@dataclass(frozen=True, slots=True)
class Bought:
    """The purchase order (by id and number) of which units of a SKU should come first, to which warehouse and when, and
    how many of all orders."""

    order_id: int
    number: str
    warehouse: str
    day: date | None
    units: int


@dataclass(frozen=True, slots=True)
class Lack:
    """A SKU that sub-orders wait for: how many orders, how many units, since when; the warehouse where most of them
    wait; what is bought, what is on its way there, and who has free units (warehouse, units; safety stock among them).
    """

    sku: Sku
    orders: int
    units: int
    since: datetime
    target: Warehouse | None
    bought: Bought | None
    in_transit: int
    spare: Sequence[tuple[Warehouse, int]]

    @property
    def rows(self) -> str:
        """What lacks, as the forms of goods take it."""
        return f"{self.sku.code} {self.units}"


def count(sku_ids: Collection[int] | None = None) -> int:
    """How many SKUs sub-orders wait for. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(DISTINCT k.id) {_FROM}", {"skus": _only(sku_ids)})
        return cursor.fetchone()[0]


def lacks(start: int, limit: int, *, sku_ids: Collection[int] | None = None) -> list[Lack]:
    """The SKUs from place `start` on that most orders wait for, those of `sku_ids` where these are given. Seven
    statements, whatever their number."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT k.id, count(DISTINCT s.order_id), sum(lack.units::bigint)::bigint, min(s.waiting_since) {_FROM}
            GROUP BY k.id ORDER BY 2 DESC, 3 DESC, k.id LIMIT %(limit)s OFFSET %(start)s
            """,
            {"skus": _only(sku_ids), "limit": limit, "start": start},
        )
        found = cursor.fetchall()
    ids = [row[0] for row in found]
    skus = Sku.objects.select_related("merchant").in_bulk(ids)
    targets = _targets(ids)
    warehouses = Warehouse.objects.in_bulk()
    bought, spare = _bought(ids), _spare(ids, warehouses)
    places = {(warehouse, sku) for sku, warehouse in targets.items()}
    coming = transferring.in_transit(places) if places else {}
    return [
        Lack(
            sku=skus[key],
            orders=orders,
            units=units,
            since=since,
            target=warehouses.get(targets.get(key, 0)),
            bought=bought.get(key),
            in_transit=coming.get((targets.get(key, 0), key), 0),
            spare=[one for one in spare[key] if one[0].pk != targets.get(key)],
        )
        for key, orders, units, since in found
        if key in skus
    ]


_FROM = f"""
    FROM orders_suborder s CROSS JOIN LATERAL jsonb_each_text(s.shortage) AS lack(code, units)
    JOIN inventory_sku k ON k.code = lack.code AND k.merchant_id = s.merchant_id
    WHERE s.state IN ({listed([SubOrderState.BACKORDERED])}) AND jsonb_typeof(s.shortage) = 'object'
        AND (%(skus)s::bigint[] IS NULL OR k.id = ANY(%(skus)s::bigint[]))
"""


def _only(sku_ids: Collection[int] | None) -> str | None:
    return None if sku_ids is None else array(sku_ids)


def _targets(sku_ids: Sequence[int]) -> dict[int, int]:
    """The warehouse (id) at which most units of each SKU are waited for."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (sku_id) sku_id, warehouse_id FROM (
                SELECT sku_id, warehouse_id, sum(units) AS units FROM orders_stockwait
                WHERE sku_id = ANY(%s::bigint[]) GROUP BY 1, 2
            ) AS w ORDER BY sku_id, units DESC, warehouse_id
            """,
            [array(sku_ids)],
        )
        return dict(cursor.fetchall())


def _bought(sku_ids: Sequence[int]) -> dict[int, Bought]:
    rows = purchasing.open_lines().filter(sku_id__in=sku_ids).select_related("order__warehouse")
    found: dict[int, Bought] = {}
    units: dict[int, int] = defaultdict(int)
    for line in sorted(rows, key=lambda line: (line.due_on or date.max, line.pk)):
        units[line.sku_id] += line.quantity - line.received
        if line.sku_id not in found:
            order = line.order
            found[line.sku_id] = Bought(order.pk, order.number, order.warehouse.code, line.due_on, 0)
    return {sku: Bought(one.order_id, one.number, one.warehouse, one.day, units[sku]) for sku, one in found.items()}


def _spare(sku_ids: Sequence[int], warehouses: Mapping[int, Warehouse]) -> Mapping[int, list[tuple[Warehouse, int]]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.sku_id, s.warehouse_id, {free_sql("s")} AS free
            FROM inventory_stock s JOIN inventory_warehouse w ON w.id = s.warehouse_id AND w.is_active
            WHERE s.sku_id = ANY(%s::bigint[]) AND {free_sql("s")} > 0 ORDER BY free DESC, w.code
            """,
            [array(sku_ids)],
        )
        found: dict[int, list[tuple[Warehouse, int]]] = defaultdict(list)
        for sku, warehouse, units in cursor.fetchall():
            found[sku].append((warehouses[warehouse], units))
    return found


def orders_of(sku: Sku) -> QuerySet[SubOrder, int]:
    """The orders (ids) of which something waits for the SKU."""
    return short_of(SubOrder.objects.all(), sku).order_by().values_list("order_id", flat=True)


def short_of(parts: QuerySet[SubOrder], sku: Sku) -> QuerySet[SubOrder]:
    """Those that wait for units of the SKU."""
    return parts.filter(Q(shortage__has_key=sku.code), state=SubOrderState.BACKORDERED, merchant=sku.merchant_id)
