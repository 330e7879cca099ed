"""How places stand now: the figures that lines are compared with."""

from collections.abc import Callable, Collection, Mapping

from django.db import connection

from inventory import purchasing, transferring
from inventory.replenishing.demand import Place
from inventory.replenishing.formulas import Standing
from oms.common.copying import array

CountWaiting = Callable[[Collection[Place]], Mapping[Place, int]]

_counters: list[CountWaiting] = []


def register_waiting(count: CountWaiting) -> None:
    """Say how many units orders lack at places. Apps that know orders do; what they count is added up."""
    _counters.append(count)


def standings(places: Collection[Place]) -> dict[Place, Standing]:
    """How each of the places stands; where there is no stock row, with nothing on hand. A handful of statements."""
    wanted = sorted(set(places))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.warehouse_id, s.sku_id, s.on_hand, s.frozen, s.reserved
            FROM unnest(%s::bigint[], %s::bigint[]) AS place(warehouse_id, sku_id)
            JOIN inventory_stock s USING (warehouse_id, sku_id)
            """,
            [array(warehouse for warehouse, _sku in wanted), array(sku for _warehouse, sku in wanted)],
        )
        stock = {(warehouse, sku): figures for warehouse, sku, *figures in cursor.fetchall()}
    on_order = purchasing.on_order(wanted)
    moving_in = transferring.moving_in(wanted)
    waiting: dict[Place, int] = {}
    for count in _counters:
        for place, units in count(wanted).items():
            waiting[place] = waiting.get(place, 0) + units
    found = {}
    for place in wanted:
        on_hand, frozen, reserved = stock.get(place, (0, 0, 0))
        found[place] = Standing(on_hand, frozen, reserved, on_order[place], moving_in[place], waiting.get(place, 0))
    return found
