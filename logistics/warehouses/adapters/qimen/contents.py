"""What a WMS on the 奇门 form is told of warehouse orders and goods: read when it is asked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import connection

from oms.common.copying import array, text_array
from orders.models.order import PaymentMethod, Promise
from orders.models.order_link import LinkKind


@dataclass(frozen=True, slots=True)
class Person:
    """Who sends or gets goods, and where."""

    name: str
    phone: str
    province: str
    city: str
    district: str
    address: str


@dataclass(frozen=True, slots=True)
class Article:
    """A SKU: `merchant` is its owner's code, sizes are millimetres or 0, and `barcodes` joined as the form has them."""

    sku_id: int
    code: str
    merchant: str
    name: str
    barcodes: str
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int
    unit: str
    keeps_batches: bool


@dataclass(frozen=True, slots=True)
class Line:
    """Units of a SKU; `line` is the reference by which we know the line again. `price` is the yuan of one unit."""

    line: str
    sku_id: int
    sku: str
    merchant: str
    name: str
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """A warehouse order as a whole; `to_collect` are the yuan that the buyer pays on delivery. `follows` (a LinkKind or
    "") says how its order follows from another one, of which `before` and `theirs_before` are the warehouse order: what
    we and the warehouse call it, "" where it was none of this warehouse system's."""

    recipient: Person
    sender: Person
    created_at: datetime
    ordered_at: datetime
    channel: str
    external_number: str
    merchant: str
    remark: str
    is_urgent: bool
    to_collect: Decimal
    payable: Decimal
    follows: str
    before: str
    theirs_before: str
    lines: list[Line] = field(default_factory=list)


def orders(numbers: Sequence[str]) -> Mapping[str, Order]:
    """Warehouse orders by number. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT w.number, w.created_at, o.ordered_at, c.code, o.external_number, m.code, part.remarks,
                part.is_urgent, part.to_collect, part.payable,
                CASE WHEN k.kind <> '{LinkKind.EXCHANGE}' OR before.number IS NOT NULL THEN k.kind ELSE '' END,
                coalesce(before.number, ''), coalesce(before.their_number, ''),
                o.recipient_name, o.recipient_phone, r.province, r.city, r.district, o.recipient_address,
                coalesce(nullif(h.contact_name, ''), h.name), h.contact_phone, hr.province, hr.city, hr.district,
                coalesce(nullif(h.address, ''), h.name)
            FROM logistics_warehouseorder w JOIN orders_suborder s ON s.id = w.sub_order_id
            JOIN orders_order o ON o.id = s.order_id JOIN inventory_region r ON r.code = o.region_id
            JOIN merchants_channel c ON c.id = o.channel_id JOIN merchants_merchant m ON m.id = s.merchant_id
            JOIN inventory_warehouse h ON h.id = w.warehouse_id JOIN inventory_region hr ON hr.code = h.region_id
            LEFT JOIN orders_orderlink k ON k.order_id = o.id
            LEFT JOIN LATERAL (
                SELECT b.number, b.their_number FROM logistics_warehouseorder b
                JOIN orders_suborder bs ON bs.id = b.sub_order_id
                WHERE bs.order_id = k.original_id AND b.connection_id = w.connection_id
                ORDER BY b.is_current DESC, b.warehouse_id = w.warehouse_id DESC, b.id LIMIT 1
            ) AS before ON true
            CROSS JOIN LATERAL (
                -- Of all the orders that it has goods of.
                SELECT coalesce(string_agg(DISTINCT po.remark, ' / ') FILTER (WHERE po.remark <> ''), '') AS remarks,
                    bool_or(po.promise <> '{Promise.STANDARD}') AS is_urgent, sum(p.payable_amount) AS payable,
                    coalesce(sum(p.payable_amount) FILTER (WHERE p.payment_method = '{PaymentMethod.COD}'), 0)
                        AS to_collect
                FROM orders_suborder p JOIN orders_order po ON po.id = p.order_id
                WHERE p.id IN (
                    SELECT l.sub_order_id FROM logistics_warehouseorderline wl
                    JOIN orders_suborderline l ON l.id = wl.sub_order_line_id WHERE wl.warehouse_order_id = w.id)
            ) AS part
            WHERE w.number = ANY(%s::text[])
            """,
            [text_array(numbers)],
        )
        found = {
            number: Order(Person(*facts[12:18]), Person(*facts[18:]), *facts[:12])
            for number, *facts in cursor.fetchall()
        }
        cursor.execute(
            """
            SELECT w.number, l.id::text, k.id, k.code, m.code, ol.name, wl.quantity, ol.unit_price
            FROM logistics_warehouseorder w
            JOIN logistics_warehouseorderline wl ON wl.warehouse_order_id = w.id
            JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id
            JOIN inventory_sku k ON k.id = ol.sku_id JOIN merchants_merchant m ON m.id = k.merchant_id
            WHERE w.number = ANY(%s::text[]) ORDER BY w.id, l.id
            """,
            [text_array(numbers)],
        )
        for number, *line in cursor.fetchall():
            found[number].lines.append(Line(*line))
    return found


def articles(sku_ids: Collection[int]) -> Mapping[int, Article]:
    """SKUs by id. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT k.id, k.code, m.code, k.name,
                coalesce((SELECT string_agg(b.code, ';' ORDER BY b.id) FROM inventory_skubarcode b
                          WHERE b.sku_id = k.id), k.code),
                k.weight_g, coalesce(k.length_mm, 0), coalesce(k.width_mm, 0), coalesce(k.height_mm, 0),
                k.unit_of_measure, k.wants_batches
            FROM inventory_sku k JOIN merchants_merchant m ON m.id = k.merchant_id WHERE k.id = ANY(%s::bigint[])
            """,
            [array(sku_ids)],
        )
        return {row[0]: Article(*row) for row in cursor.fetchall()}
