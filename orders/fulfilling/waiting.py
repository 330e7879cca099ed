"""Waiting for stock: who is backordered stands in the queue of every warehouse that may send what is short."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Sum

from inventory.availability import available_sql
from oms.common.copying import array
from oms.common.work import nudging
from orders.models import StockWait


class Wait(NamedTuple):
    """Units of a SKU that a sub-order lacks, and a warehouse that may send them."""

    sub_order_id: int
    sku_id: int
    warehouse_id: int
    units: int


def begin(waits: Sequence[Wait]) -> None:
    """Note who waits for what, in the running transaction; the sub-orders are locked and wait for nothing else."""
    if not waits:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO orders_stockwait (sub_order_id, sku_id, warehouse_id, units, since, tried_at)
            SELECT w.sub_order_id, w.sku_id, w.warehouse_id, w.units, s.waiting_since, now()
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::int[])
                AS w(sub_order_id, sku_id, warehouse_id, units)
            JOIN orders_suborder s ON s.id = w.sub_order_id
            """,
            [array(column) for column in zip(*waits, strict=True)],
        )


def end(sub_order_ids: Iterable[int]) -> None:
    """These locked sub-orders wait no longer."""
    StockWait.objects.filter(sub_order_id__in=list(sub_order_ids)).delete()


def units_waited_for(sku_ids: Collection[int]) -> dict[tuple[int, int], int]:
    """Units that backordered sub-orders lack, by warehouse and SKU id. Who may be served from several warehouses
    counts in each."""
    rows = StockWait.objects.filter(sku_id__in=sku_ids).order_by().values_list("warehouse_id", "sku_id")
    return {(warehouse, sku): units for warehouse, sku, units in rows.annotate(Sum("units"))}


@transaction.atomic
def look_again(places: Iterable[tuple[int, int]]) -> None:
    """Wake who waits for goods that came to these places (warehouse id, SKU id) before it was seen that they wait."""
    pairs = sorted(set(places))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE inventory_stock SET wakes_backorders_since = clock_timestamp() WHERE id IN (
                SELECT s.id FROM unnest(%s::bigint[], %s::bigint[]) AS place(warehouse_id, sku_id)
                JOIN inventory_stock s USING (warehouse_id, sku_id)
                WHERE {available_sql("s")} > 0 ORDER BY s.warehouse_id, s.sku_id FOR NO KEY UPDATE OF s
            )
            """,
            [array(warehouse for warehouse, _sku in pairs), array(sku for _warehouse, sku in pairs)],
        )
        if cursor.rowcount:
            nudging.nudge("wake")
