"""What is in warehouse orders and where it goes, for adapters that tell their warehouse: read when it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection

from oms.common.copying import text_array


@dataclass(frozen=True, slots=True)
class Line:
    """Units of an article. `line` is the reference by which the warehouse names the line in its reports."""

    line: str
    sku: str
    name: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Contents:
    """A warehouse order's lines and recipient."""

    recipient_name: str
    recipient_phone: str
    province: str
    city: str
    district: str
    address: str
    lines: list[Line] = field(default_factory=list)


def of(numbers: Sequence[str]) -> Mapping[str, Contents]:
    """The contents of warehouse orders, by number. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.number, o.recipient_name, o.recipient_phone, r.province, r.city, r.district, o.recipient_address
            FROM logistics_warehouseorder w JOIN orders_suborder s ON s.id = w.sub_order_id
            JOIN orders_order o ON o.id = s.order_id JOIN inventory_region r ON r.code = o.region_id
            WHERE w.number = ANY(%s::text[])
            """,
            [text_array(numbers)],
        )
        found = {number: Contents(*recipient) for number, *recipient in cursor.fetchall()}
        cursor.execute(
            """
            SELECT w.number, l.id::text, k.code, ol.name, wl.quantity
            FROM logistics_warehouseorder w
            JOIN logistics_warehouseorderline wl ON wl.warehouse_order_id = w.id
            JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE w.number = ANY(%s::text[]) ORDER BY w.id, l.id
            """,
            [text_array(numbers)],
        )
        for number, *line in cursor.fetchall():
            found[number].lines.append(Line(*line))
    return found
