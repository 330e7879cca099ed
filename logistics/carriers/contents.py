"""Who sends parcels and what is in them, for adapters that tell their carrier: read when it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from logistics.models import ShipmentState
from oms.common.copying import text_array
from orders.models import PaymentMethod


@dataclass(frozen=True, slots=True)
class Sender:
    """The warehouse that a parcel leaves; the name of its contact, or its own."""

    name: str
    phone: str
    province: str
    city: str
    district: str
    address: str


@dataclass(frozen=True, slots=True)
class Article:
    """Units of a SKU in a parcel: grams and mm³ of one unit, 0 mm³ where nobody measured it."""

    sku: str
    name: str
    quantity: int
    weight_g: int
    volume_mm3: int


@dataclass(frozen=True, slots=True)
class Contents:
    """A parcel's sender and goods, of a mother with those of the children that wait with it; no goods where nobody told
    what is in it.

    `trade` is the channel's own number of the order. `was_asked`: a waybill was asked for before, and the answer may
    have been lost. `mother` is the number of the parcel's mother, if it has one, and `place` how many parcels come
    before this one from there on. `cod_yuan` is to be collected with the parcel: with the first one that has goods of a
    sub-order which is paid on delivery, all of it. `has_others`: such goods are in parcels of other orders of the
    carrier too.
    """

    sender: Sender
    trade: str = ""
    was_asked: bool = False
    mother: str = ""
    place: int = 0
    cod_yuan: Decimal = Decimal(0)
    has_others: bool = False
    articles: list[Article] = field(default_factory=list)

    @property
    def volume_mm3(self) -> int:
        """Of all its goods."""
        return sum(article.quantity * article.volume_mm3 for article in self.articles)


# The parcels that are booked with the parcel `h`: it, and the children that wait with it.
_TOGETHER = f"""
    SELECT h.id UNION ALL
    SELECT c.id FROM logistics_shipment c WHERE c.mother_id = h.id AND c.state = '{ShipmentState.CREATED}'
"""


def of(references: Sequence[str]) -> Mapping[str, Contents]:
    """The contents of parcels, by shipment number. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT h.number, o.external_number, h.lease_token > 1, coalesce(f.number, ''),
                (SELECT count(*) FROM logistics_shipment b
                 WHERE b.warehouse_order_id = h.warehouse_order_id AND b.id >= f.id AND b.id < h.id),
                cod.yuan, cod.has_others,
                coalesce(nullif(i.contact_name, ''), i.name), i.contact_phone, r.province, r.city,
                r.district, coalesce(nullif(i.address, ''), i.name)
            FROM logistics_shipment h JOIN orders_suborder s ON s.id = h.sub_order_id
            JOIN orders_order o ON o.id = s.order_id
            LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
            JOIN inventory_warehouse i ON i.id = coalesce(w.warehouse_id, s.warehouse_id)
            JOIN inventory_region r ON r.code = i.region_id
            LEFT JOIN logistics_shipment f ON f.id = h.mother_id
            CROSS JOIN LATERAL (
                SELECT coalesce(
                        sum(p.payable_amount) FILTER (WHERE box.first = coalesce(h.mother_id, h.id)), 0) AS yuan,
                    coalesce(bool_or(box.last > box.first), false) AS has_others
                FROM (
                    SELECT l.sub_order_id FROM ({_TOGETHER}) AS m JOIN logistics_shipmentline x ON x.shipment_id = m.id
                    JOIN orders_suborderline l ON l.id = x.sub_order_line_id
                    UNION SELECT h.sub_order_id
                    WHERE NOT EXISTS (SELECT FROM logistics_shipmentline x WHERE x.shipment_id = h.id)
                ) AS part
                JOIN orders_suborder p ON p.id = part.sub_order_id AND p.payment_method = '{PaymentMethod.COD}'
                CROSS JOIN LATERAL (
                    SELECT min(coalesce(b.mother_id, b.id)) AS first, max(coalesce(b.mother_id, b.id)) AS last
                    FROM logistics_shipment b
                    WHERE b.state <> '{ShipmentState.CANCELLED}' AND b.warehouse_order_id = h.warehouse_order_id
                      AND (b.sub_order_id = p.id OR EXISTS (
                        SELECT FROM logistics_shipmentline x JOIN orders_suborderline l ON l.id = x.sub_order_line_id
                        WHERE x.shipment_id = b.id AND l.sub_order_id = p.id))
                ) AS box
            ) AS cod
            WHERE h.number = ANY(%s::text[])
            """,
            [text_array(references)],
        )
        found = {number: Contents(Sender(*rest[6:]), *rest[:6]) for number, *rest in cursor.fetchall()}
        cursor.execute(
            f"""
            SELECT h.number, k.code, ol.name, x.quantity, k.weight_g,
                coalesce(k.length_mm::bigint * k.width_mm * k.height_mm, 0)
            FROM logistics_shipment h CROSS JOIN LATERAL ({_TOGETHER}) AS m
            JOIN logistics_shipmentline x ON x.shipment_id = m.id
            JOIN orders_suborderline l ON l.id = x.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE h.number = ANY(%s::text[]) ORDER BY h.id, m.id, l.id
            """,
            [text_array(references)],
        )
        for number, *article in cursor.fetchall():
            if number in found:
                found[number].articles.append(Article(*article))
    return found
