"""Serial numbers of units: written down as warehouses tell them, and asked for before one is sent a second time."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from inventory.models import DemandKind, Quality
from inventory.serials import lock
from logistics.models import WarehouseOrderState
from logistics.warehouses.packing import Packing
from oms.common.copying import array, text_array
from oms.common.states import listed
from orders.models import StrayState
from orders.models.return_request import RESTOCKED

# Whether the unit of row `{unit}` came back: inspection named it; or did not name all that came of the line, so that it
# may be one of those; or it came in a parcel that nobody knew, and was taken into stock.
CAME_BACK = f"""(
    EXISTS (
        SELECT FROM orders_returnedserial back JOIN orders_returnline rl ON rl.id = back.line_id
        JOIN orders_suborderline bl ON bl.id = rl.sub_order_line_id
        JOIN orders_suborder bs ON bs.id = bl.sub_order_id
        JOIN orders_suborderline ml ON ml.id = {{unit}}.sub_order_line_id
        JOIN orders_suborder ms ON ms.id = ml.sub_order_id
        WHERE back.serial = {{unit}}.serial AND back.sku_id = {{unit}}.sku_id AND bs.order_id = ms.order_id
    ) OR (
        SELECT coalesce(sum(f.quantity), 0) FROM orders_returnfinding f JOIN orders_returnline rl ON rl.id = f.line_id
        WHERE rl.sub_order_line_id = {{unit}}.sub_order_line_id AND f.found IN ({listed(RESTOCKED)})
    ) > (
        SELECT count(*) FROM orders_returnedserial back JOIN orders_returnline rl ON rl.id = back.line_id
        WHERE rl.sub_order_line_id = {{unit}}.sub_order_line_id
    ) OR EXISTS (
        SELECT FROM orders_strayunit su JOIN orders_strayparcel sp ON sp.id = su.parcel_id
        WHERE su.serials @> ARRAY[{{unit}}.serial] AND su.sku_id = {{unit}}.sku_id
            AND sp.state = '{StrayState.KEPT}' AND sp.ended_at > {{unit}}.told_at
    ))
"""
HAS_LEFT = """(
    before.shipped_at IS NOT NULL
    OR EXISTS (SELECT FROM logistics_shipment h WHERE h.id = other.shipment_id AND h.left_at IS NOT NULL))
"""


def note(packings: Mapping[int, Packing]) -> Mapping[int, list[tuple[str, Any]]]:
    """Write what reports told of the SKUs that have serial numbers, once each, with their parcels, which are written;
    the numbers are locked. Returns the troubles (reason, values) by warehouse order: a number under which a unit left
    before and did not come back. Nothing is asked where no number is told, else two statements."""
    told = [
        (key, line, serial, box.id if box is not None and box.exists else None)
        for key, packing in packings.items()
        for line, serial, box in packing.serials
    ]
    if not told:
        return {}
    works, lines, serials, parcels = zip(*told, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_unitserial AS u (warehouse_order_id, sub_order_line_id, sku_id, serial, shipment_id)
            SELECT DISTINCT ON (told.work, k.id, told.serial) told.work, l.id, k.id, told.serial, told.parcel
            FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[]) AS told(work, line, serial, parcel)
            JOIN orders_suborderline l ON l.id = told.line
            JOIN orders_orderline ol ON ol.id = l.order_line_id
            JOIN inventory_sku k ON k.id = ol.sku_id AND k.wants_serials
            ORDER BY told.work, k.id, told.serial, l.id
            ON CONFLICT (warehouse_order_id, sku_id, serial)
                DO UPDATE SET shipment_id = coalesce(EXCLUDED.shipment_id, u.shipment_id)
            RETURNING id, xmax = 0
            """,
            [array(works), array(lines), text_array(serials), array(parcels)],
        )
        new = [key for key, is_new in cursor.fetchall() if is_new]
        if not new:
            return {}
        cursor.execute(
            f"""
            SELECT mine.warehouse_order_id, k.code, mine.serial, max(before.number)
            FROM logistics_unitserial mine JOIN inventory_sku k ON k.id = mine.sku_id
            JOIN logistics_unitserial other ON (other.serial, other.sku_id) = (mine.serial, mine.sku_id)
                AND other.warehouse_order_id <> mine.warehouse_order_id
            JOIN logistics_warehouseorder before ON before.id = other.warehouse_order_id AND {HAS_LEFT}
            WHERE mine.id = ANY(%s::bigint[]) AND NOT {CAME_BACK.format(unit="other")}
            GROUP BY mine.id, k.code ORDER BY mine.id
            """,
            [array(new)],
        )
        troubles: dict[int, list[tuple[str, Any]]] = defaultdict(list)
        for work, sku, serial, before in cursor.fetchall():
            troubles[work].append(("serial_left_before", {"sku": sku, "serial": serial, "before": before}))
    return troubles


def taken(units: Iterable[tuple[int, str]], *, but: Collection[int]) -> dict[tuple[int, str], str]:
    """Those of the units (SKU id, serial number) that left and did not come back, or are packed or being checked for
    another parcel, with the number of that warehouse order; what is packed of the warehouse orders `but` (ids) does not
    count. Who asks keeps others from naming the same units until its transaction ends. Two statements; none for
    no units."""
    wanted = sorted(set(units))
    if not wanted:
        return {}
    skus, serials = zip(*wanted, strict=True)
    lock(serials)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT w.sku, w.serial, max(before.number)
            FROM unnest(%(skus)s::bigint[], %(serials)s::text[]) AS w(sku, serial)
            JOIN logistics_unitserial other ON (other.serial, other.sku_id) = (w.serial, w.sku)
            JOIN logistics_warehouseorder before ON before.id = other.warehouse_order_id
            WHERE before.id <> ALL(%(but)s::bigint[])
                AND before.is_current AND before.state = '{WarehouseOrderState.PACKED}'
                OR {HAS_LEFT} AND NOT {CAME_BACK.format(unit="other")}
            GROUP BY w.sku, w.serial
            UNION ALL
            SELECT w.sku, w.serial, max(before.number)
            FROM unnest(%(skus)s::bigint[], %(serials)s::text[]) AS w(sku, serial)
            JOIN logistics_picktaskline p ON p.serials @> ARRAY[w.serial]::varchar[]
            JOIN logistics_picktask t ON t.id = p.task_id AND t.checked_at IS NULL AND t.dropped_at IS NULL
            JOIN orders_suborderline l ON l.id = p.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id AND ol.sku_id = w.sku
            JOIN logistics_warehouseorder before ON before.id = t.warehouse_order_id
            WHERE before.id <> ALL(%(but)s::bigint[])
            GROUP BY w.sku, w.serial
            """,
            {"skus": array(skus), "serials": text_array(serials), "but": array(but)},
        )
        return {(sku, serial): number for sku, serial, number in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Stranger:
    """Where a unit came to, by its serial number, that did not come to the warehouse which has it in hand: another
    warehouse's name, or empty where it came nowhere."""

    elsewhere: str


def stranger(warehouse_id: int, sku_id: int, serial: str) -> Stranger | None:
    """Whether the unit cannot be one of those that lie in the warehouse, by the serial numbers of what came in; None:
    it can. It can where units may lie there whose numbers nobody told: of opening stock, of counts, of systems that
    tell none; and where units went of which nobody said which they were. What was packed before came in, and is asked
    of `taken`. One statement for a unit that came here, else two."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT r.warehouse_id, h.name FROM inventory_receivedserial s
            JOIN inventory_receiptline l ON l.id = s.line_id JOIN inventory_receipt r ON r.id = l.receipt_id
            JOIN inventory_warehouse h ON h.id = r.warehouse_id
            WHERE s.serial = %s AND s.sku_id = %s ORDER BY s.id DESC LIMIT 1
            """,
            [serial, sku_id],
        )
        came_to, name = cursor.fetchone() or (None, "")
        if came_to == warehouse_id:
            return None
        cursor.execute(
            f"""
            WITH numbered AS (  -- by their serial numbers here, and since when such numbers are told
                SELECT count(*) FILTER (WHERE l.quality = '{Quality.GOOD}' AND NOT EXISTS (
                        SELECT FROM logistics_unitserial other
                        JOIN logistics_warehouseorder before ON before.id = other.warehouse_order_id
                        WHERE (other.serial, other.sku_id) = (n.serial, n.sku_id) AND {HAS_LEFT}
                    ) AND NOT EXISTS (
                        SELECT FROM inventory_receivedserial later
                        WHERE (later.serial, later.sku_id) = (n.serial, n.sku_id) AND later.id > n.id
                    )) AS units, min(r.created_at) AS since
                FROM inventory_receivedserial n JOIN inventory_receiptline l ON l.id = n.line_id
                JOIN inventory_receipt r ON r.id = l.receipt_id
                WHERE n.sku_id = %(sku)s AND r.warehouse_id = %(warehouse)s
            )
            SELECT EXISTS (SELECT FROM logistics_unitserial u WHERE u.serial = %(serial)s AND u.sku_id = %(sku)s)
                OR s.on_hand - numbered.units + (
                    SELECT coalesce(-sum(m.on_hand_change), 0) FROM inventory_stockmovement m
                    WHERE m.stock_id = s.id AND m.on_hand_change < 0 AND m.created_at >= numbered.since
                        AND m.demand_kind <> '{DemandKind.SUB_ORDER_LINE}'
                ) > 0
            FROM numbered, inventory_stock s WHERE s.warehouse_id = %(warehouse)s AND s.sku_id = %(sku)s
            """,
            {"serial": serial, "sku": sku_id, "warehouse": warehouse_id},
        )
        (may_be_here,) = cursor.fetchone() or (True,)
    return None if may_be_here else Stranger(name)


def away(units: Collection[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """Those of the units (SKU id, serial number) that left or are being packed, as `taken` says."""
    return taken(units, but=())


def packed(units: Collection[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """Those of the units (SKU id, serial number) that were packed at any time, with the number of the last warehouse
    order. One statement; none for no units."""
    if not units:
        return {}
    skus, numbers = zip(*units, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (w.sku, w.serial) w.sku, w.serial, o.number
            FROM unnest(%s::bigint[], %s::text[]) AS w(sku, serial)
            JOIN logistics_unitserial u ON (u.serial, u.sku_id) = (w.serial, w.sku)
            JOIN logistics_warehouseorder o ON o.id = u.warehouse_order_id
            ORDER BY w.sku, w.serial, u.id DESC
            """,
            [array(skus), text_array(numbers)],
        )
        return {(sku, serial): number for sku, serial, number in cursor.fetchall()}


def sold(order_id: int) -> dict[int, set[str]]:
    """The serial numbers of units that were packed for the order, by SKU (id). One statement."""
    found: dict[int, set[str]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT u.sku_id, u.serial FROM logistics_unitserial u
            JOIN orders_suborderline l ON l.id = u.sub_order_line_id
            JOIN orders_suborder s ON s.id = l.sub_order_id WHERE s.order_id = %s
            """,
            [order_id],
        )
        for sku, serial in cursor.fetchall():
            found[sku].add(serial)
    return found


def whose(units: Collection[tuple[int, str]]) -> set[int]:
    """The sub-orders (ids) with which units (SKU id, serial number) were packed that did not come back. One
    statement."""
    skus, numbers = [sku for sku, _number in units], [number for _sku, number in units]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT l.sub_order_id FROM unnest(%s::bigint[], %s::text[]) AS w(sku, serial)
            JOIN logistics_unitserial u ON (u.serial, u.sku_id) = (w.serial, w.sku)
            JOIN orders_suborderline l ON l.id = u.sub_order_line_id
            WHERE NOT {CAME_BACK.format(unit="u")}
            """,
            [array(skus), text_array(numbers)],
        )
        return {key for (key,) in cursor.fetchall()}
