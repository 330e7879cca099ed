"""What orders tell of demand: what was wanted each day, and what is waited for now."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time, timedelta

from django.db import connection, transaction

from inventory.models import StorageClass
from inventory.replenishing import demand
from inventory.replenishing.demand import Place, Wanted, home_of
from inventory.replenishing.standing import register_waiting
from inventory.sourcing import rulebook
from inventory.sourcing.routes import Routes
from oms.common.copying import array
from oms.common.desk.counting import first_id_since
from oms.common.zones import CHINA
from orders import kinds
from orders.models import Order, SubOrderState

# Parts of an order of the last days may still change their warehouse or be cancelled.
GATHERED_DAYS = 3


@transaction.atomic
def gather(days: int = GATHERED_DAYS) -> int:
    """Write the demand of the last days anew, today's included so far; returns how many places wanted something.

    An order's demand is of the day on which it came in; what was cancelled is none, and neither are virtual goods.
    """
    today = demand.today()
    wanted_days = [today - timedelta(days=back) for back in range(days)]
    routes = rulebook.current().routes
    rows = list(_wanted(min(wanted_days)))
    routes.prepare({one.region_code for one in rows})
    return demand.keep(wanted_days, routes, rows)


def _wanted(first: date) -> Iterator[Wanted]:
    moment = datetime.combine(first, time.min, CHINA)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT (o.created_at AT TIME ZONE %(zone)s)::date, l.sku_id, s.merchant_id, s.storage_class, o.region_id,
                sum(p.quantity)::bigint, s.warehouse_id, waits.had_to_wait
            FROM orders_order o
            JOIN orders_suborder s ON s.order_id = o.id AND s.state <> '{SubOrderState.CANCELLED}'
                AND s.storage_class <> '{StorageClass.VIRTUAL}'
            JOIN orders_suborderline p ON p.sub_order_id = s.id
            JOIN orders_orderline l ON l.id = p.order_line_id
            CROSS JOIN LATERAL (
                -- What is allocated with the rest of it left waiting did not wait.
                SELECT s.state = '{SubOrderState.BACKORDERED}' OR EXISTS (
                    SELECT FROM orders_orderevent e WHERE e.order_id = o.id AND e.kind = '{kinds.BACKORDERED}'
                        AND e.sub_order_id IN (s.id, s.parent_id) AND e.created_at < s.allocated_at
                ) AS had_to_wait
            ) AS waits
            WHERE o.id >= %(first)s AND o.created_at >= %(moment)s
            GROUP BY 1, 2, 3, 4, 5, 7, 8
            """,
            {"zone": str(CHINA), "first": first_id_since(Order, "created_at", moment), "moment": moment},
        )
        for row in cursor.fetchall():
            yield Wanted(*row)


def waiting(places: Collection[Place]) -> Mapping[Place, int]:
    """Units that backordered sub-orders lack, each counted once: at the place from which it should come."""
    skus = {sku for _warehouse, sku in places}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT sku_id, merchant_id, storage_class, region_id, sum(units)::bigint FROM (
                SELECT DISTINCT ON (w.sub_order_id, w.sku_id) w.sku_id, s.merchant_id, s.storage_class, o.region_id,
                    w.units
                FROM orders_stockwait w JOIN orders_suborder s ON s.id = w.sub_order_id
                JOIN orders_order o ON o.id = s.order_id
                WHERE w.sku_id = ANY(%s::bigint[])
            ) AS lacking GROUP BY 1, 2, 3, 4
            """,
            [array(skus)],
        )
        rows = cursor.fetchall()
    if not rows:
        return {}
    routes = rulebook.current().routes
    routes.prepare({region for _sku, _merchant, _class, region, _units in rows})
    return _at_home(routes, rows)


def _at_home(routes: Routes, rows: Collection[tuple[int, int, str, str | None, int]]) -> dict[Place, int]:
    found: dict[Place, int] = {}
    for sku_id, merchant_id, storage_class, region, units in rows:
        home = home_of(routes, merchant_id, storage_class, region)
        if home is not None:
            found[home, sku_id] = found.get((home, sku_id), 0) + units
    return found


register_waiting(waiting)
