"""Whether the rest of a warehouse order really stays in its warehouse, where the last confirmation accounts for fewer
units than were asked for.

An earlier confirmation may have been lost on its way: then the missing units left, and sourced anew they would go out
twice. So a warehouse that can be asked is asked first (`inquiring`); until it answered, the order counts as shipped in
part. A warehouse that told which goods lack is believed at once.
"""

from collections.abc import Collection, Mapping, Sequence

from django.db import connection

from logistics.warehouses import adapters
from logistics.warehouses.notices import Notice
from logistics.warehouses.works import LINES_OF
from oms.common.copying import array
from oms.common.models import Topic


def doubt(finals: Collection[int], leaving: Sequence[int], filled: Collection[int] = ()) -> set[int]:
    """Of locked warehouse orders (ids) whose warehouse says that nothing more leaves, note and return those to be asked
    for first: units are missing beside what left before and the parcels (ids) that leave now, and nobody told that they
    lack. `filled` are those of the parcels that had left before, when nobody knew what was in them. One statement; one
    more where there are such."""
    if not finals:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT wl.warehouse_order_id, k.code, sum(wl.quantity - wl.left_quantity - coalesce(g.units, 0))::int
            FROM {LINES_OF} JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id
            JOIN common_connection c ON c.id = w.connection_id AND c.protocol = ANY(%s) AND c.is_active
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            LEFT JOIN LATERAL (
                SELECT sum(x.quantity) AS units FROM logistics_shipmentline x
                JOIN logistics_shipment h ON h.id = x.shipment_id
                WHERE x.sub_order_line_id = l.id AND h.id = ANY(%s::bigint[])
                  AND (h.left_at IS NULL OR h.id = ANY(%s::bigint[]))
            ) AS g ON true
            WHERE w.id = ANY(%s::bigint[]) AND wl.quantity > wl.left_quantity + coalesce(g.units, 0)
            GROUP BY 1, 2
            """,
            [list(adapters.TELLING), array(leaving), array(filled), array(finals)],
        )
        missing: dict[int, dict[str, int]] = {}
        for key, sku, units in cursor.fetchall():
            missing.setdefault(key, {})[sku] = units
    return _noted(missing) if missing else set()


def _noted(missing: Mapping[int, Mapping[str, int]]) -> set[int]:
    lacks = _lacks(missing)
    doubtful = {
        key
        for key, units in missing.items()
        if any(lacks.get(key, {}).get(sku, 0) < lost for sku, lost in units.items())
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE logistics_warehouseorder SET rest_doubted_at = coalesce(rest_doubted_at, now())"
            " WHERE id = ANY(%s::bigint[])",
            [array(sorted(doubtful))],
        )
    return doubtful


def _lacks(keys: Collection[int]) -> dict[int, dict[str, int]]:
    """Units by SKU (code) of which the warehouse told that they lack, the most of what it told."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT w.id, x.sku, max(x.quantity) FROM logistics_warehouseorder w
            JOIN common_inboundfact f ON f.topic = '{Topic.WAREHOUSE}' AND f.subject = w.number
              AND f.connection_id = w.connection_id AND f.kind = '{Notice.LACKING}'
            CROSS JOIN LATERAL jsonb_to_recordset(f.body -> 'lacks') AS x(sku text, quantity int)
            WHERE w.id = ANY(%s::bigint[]) GROUP BY 1, 2
            """,
            [array(sorted(keys))],
        )
        found: dict[int, dict[str, int]] = {}
        for key, sku, units in cursor.fetchall():
            found.setdefault(key, {})[sku] = units
    return found
