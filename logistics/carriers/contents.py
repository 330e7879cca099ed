"""Who sends parcels and what is in them, for adapters that tell their carrier: read when it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection

from oms.common.copying import text_array


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
    """A parcel's sender and goods; no goods where nobody told what is in it."""

    sender: Sender
    articles: list[Article] = field(default_factory=list)

    @property
    def volume_mm3(self) -> int:
        """Of all its goods."""
        return sum(article.quantity * article.volume_mm3 for article in self.articles)


def of(references: Sequence[str]) -> Mapping[str, Contents]:
    """The contents of parcels, by shipment number. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT h.number, coalesce(nullif(i.contact_name, ''), i.name), i.contact_phone, r.province, r.city,
                r.district, coalesce(nullif(i.address, ''), i.name)
            FROM logistics_shipment h JOIN orders_suborder s ON s.id = h.sub_order_id
            LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
            JOIN inventory_warehouse i ON i.id = coalesce(w.warehouse_id, s.warehouse_id)
            JOIN inventory_region r ON r.code = i.region_id
            WHERE h.number = ANY(%s::text[])
            """,
            [text_array(references)],
        )
        found = {number: Contents(Sender(*sender)) for number, *sender in cursor.fetchall()}
        cursor.execute(
            """
            SELECT h.number, k.code, ol.name, x.quantity, k.weight_g,
                coalesce(k.length_mm::bigint * k.width_mm * k.height_mm, 0)
            FROM logistics_shipment h JOIN logistics_shipmentline x ON x.shipment_id = h.id
            JOIN orders_suborderline l ON l.id = x.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE h.number = ANY(%s::text[]) ORDER BY h.id, l.id
            """,
            [text_array(references)],
        )
        for number, *article in cursor.fetchall():
            if number in found:
                found[number].articles.append(Article(*article))
    return found
