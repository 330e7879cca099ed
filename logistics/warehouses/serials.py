"""Writing down the serial numbers of units that warehouses packed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection

from logistics.warehouses.packing import Packing, Reports
from oms.common.copying import array, text_array


def note(reports: Mapping[int, Reports], packings: Mapping[int, Packing]) -> Mapping[int, list[tuple[str, Any]]]:
    """Write what reports tell of the SKUs that have serial numbers, once each; returns the troubles (reason, values) by
    warehouse order: a number under which a unit left before. Nothing is asked where no number is told, else two
    statements."""
    told = list(_told(reports, packings))
    if not told:
        return {}
    works, lines, serials = zip(*told, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_unitserial (warehouse_order_id, sub_order_line_id, sku_id, serial)
            SELECT DISTINCT ON (told.work, k.id, told.serial) told.work, l.id, k.id, told.serial
            FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS told(work, line, serial)
            JOIN orders_suborderline l ON l.id = told.line
            JOIN orders_orderline ol ON ol.id = l.order_line_id
            JOIN inventory_sku k ON k.id = ol.sku_id AND k.wants_serials
            ORDER BY told.work, k.id, told.serial, l.id
            ON CONFLICT (warehouse_order_id, sku_id, serial) DO NOTHING RETURNING id
            """,
            [array(works), array(lines), text_array(serials)],
        )
        new = [key for (key,) in cursor.fetchall()]
        if not new:
            return {}
        cursor.execute(
            """
            SELECT mine.warehouse_order_id, k.code, mine.serial, max(before.number)
            FROM logistics_unitserial mine JOIN inventory_sku k ON k.id = mine.sku_id
            JOIN logistics_unitserial other ON (other.serial, other.sku_id) = (mine.serial, mine.sku_id)
                AND other.warehouse_order_id <> mine.warehouse_order_id
            JOIN logistics_warehouseorder before ON before.id = other.warehouse_order_id
                AND before.shipped_at IS NOT NULL
            WHERE mine.id = ANY(%s::bigint[]) GROUP BY mine.id, k.code ORDER BY mine.id
            """,
            [array(new)],
        )
        troubles: dict[int, list[tuple[str, Any]]] = defaultdict(list)
        for work, sku, serial, before in cursor.fetchall():
            troubles[work].append(("serial_left_before", {"sku": sku, "serial": serial, "before": before}))
    return troubles


def _told(reports: Mapping[int, Reports], packings: Mapping[int, Packing]) -> Iterator[tuple[int, int, str]]:
    """Warehouse order, line and number of each unit that is named."""
    for key, told in reports.items():
        for parcels, _leaves in told:
            for line in (line for parcel in parcels for line in parcel.lines):
                meant = packings[key].meant(line) if line.serials else ()
                for serial in line.serials if meant else ():
                    if serial.strip():
                        yield key, meant[0], serial.strip()
