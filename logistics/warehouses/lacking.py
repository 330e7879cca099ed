"""Goods that a warehouse does not find for what it is to send.

What really lacks is frozen, so that nobody else is promised it, and counted by people; the order stays where it is
until they stop or move it.
"""

from collections.abc import Mapping, Sequence

from django.db import connection

from inventory import counting, reserving
from logistics.warehouses.adapters import floor
from logistics.warehouses.notices import Lack
from logistics.warehouses.trouble import WAREHOUSE_LACKS
from logistics.warehouses.works import Work
from oms.common import tickets
from oms.common.copying import array
from oms.common.models import Connection

ACTOR = "warehouse_facts"


def freeze(told: Mapping[int, Sequence[Lack]], works: Mapping[int, Work]) -> None:
    """Freeze the units that really lack for locked warehouse orders (by id), as far as they are not frozen for the same
    yet, and tell people, unless the floor did so where it was found out."""
    lines = _lines(list(told))
    grown: dict[int, int] = {}
    for key, lacks in told.items():
        for lack in lacks:
            if lack.is_physical:
                for stock_id, units in _note(lines.get(key, {}).get(lack.sku, []), lack.quantity):
                    grown[stock_id] = grown.get(stock_id, 0) + units
    reserving.lock_stock(grown)
    for stock_id, units in grown.items():
        counting.freeze(stock_id, units, actor=ACTOR)
    links = {works[key].connection_id for key in told}
    floors = set(Connection.objects.filter(pk__in=links, protocol=floor.PROTOCOL).values_list("pk", flat=True))
    tickets.open_tickets(
        WAREHOUSE_LACKS,
        [_trouble(works[key], lacks) for key, lacks in told.items() if works[key].connection_id not in floors],
        opened_by=ACTOR,
    )


class _Line:
    """A line of a warehouse order, its stock row, and how many of its units lack by what was told before."""

    def __init__(self, key: int, line: int, stock_id: int, room: int, lacking: int) -> None:
        self.key, self.line, self.stock_id, self.room, self.lacking = key, line, stock_id, room, lacking


def _lines(keys: Sequence[int]) -> dict[int, dict[str, list[_Line]]]:
    """The lines of warehouse orders, by SKU code."""
    found: dict[int, dict[str, list[_Line]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.id, k.code, l.id, s.id, wl.quantity - wl.left_quantity, wl.lacking_quantity
            FROM logistics_warehouseorder w JOIN logistics_warehouseorderline wl ON wl.warehouse_order_id = w.id
            JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            JOIN inventory_stock s ON s.sku_id = k.id AND s.warehouse_id = w.warehouse_id
            WHERE w.id = ANY(%s::bigint[]) ORDER BY w.id, l.id
            """,
            [array(keys)],
        )
        for key, sku, line, stock_id, room, lacking in cursor.fetchall():
            row = _Line(key, line, stock_id, max(room, 0), lacking)
            found.setdefault(key, {}).setdefault(sku, []).append(row)
    return found


def _note(lines: Sequence[_Line], units: int) -> list[tuple[int, int]]:
    """Note that so many units of these lines of one SKU lack in all; returns by stock row how many more than before."""
    grown = []
    for line in lines:
        lacking = max(line.lacking, min(units, line.room))
        units -= min(units, line.room)
        if lacking > line.lacking:
            grown.append((line.stock_id, lacking - line.lacking))
            line.lacking = lacking
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE logistics_warehouseorderline SET lacking_quantity = %s"
                    " WHERE warehouse_order_id = %s AND sub_order_line_id = %s",
                    [lacking, line.key, line.line],
                )
    return grown


def _trouble(work: Work, lacks: Sequence[Lack]) -> tickets.Trouble:
    is_physical = any(lack.is_physical for lack in lacks)
    values = {
        "number": work.number,
        "warehouse": work.warehouse,
        "goods": ", ".join(f"{lack.sku} × {lack.quantity}" for lack in lacks)[:300],
    }
    return tickets.Trouble(work.id, "physical" if is_physical else "books", values, about_id=work.order_id)
