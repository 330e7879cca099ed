"""What merchants see of what their warehouses send: goods, recipient, deadlines and parcels, read for many at once."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from logistics.by_merchant import kinds
from logistics.models import Carrier, Shipment, ShipmentState
from oms.common.copying import array
from oms.common.masking import mask_name, mask_phone
from oms.merchants import sandboxes
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.models import Order
from orders.telling import timeline


@dataclass(slots=True)
class Goods:
    """Units of a SKU in a warehouse order: asked for, and still here; and whether each has a serial number. What was
    typed of them in a form that is shown again."""

    sku: str
    name: str
    quantity: int
    here: int
    wants_serials: bool
    typed_units: str = ""
    typed_serials: str = ""


@dataclass(slots=True)
class Shown:
    """A warehouse order as its merchant sees it. `ship_by` is the platform's deadline, else what was promised; None
    where neither is known. `recipient` and `phone` are masked."""

    sub_order: str
    order: str
    recipient: str
    phone: str
    region: str
    remark: str
    ship_by: datetime | None
    goods: list[Goods] = field(default_factory=list)
    parcels: list[Shipment] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The goods in one line."""
        return ", ".join(f"{one.sku} × {one.quantity}" for one in self.goods)

    @property
    def wants_serials(self) -> bool:
        """Whether units that are here have serial numbers."""
        return any(one.wants_serials and one.here for one in self.goods)

    @property
    def labelled(self) -> list[Shipment]:
        """Parcels that have a waybill and are still here."""
        return [one for one in self.parcels if one.waybill_number and one.left_at is None]


def read(work_ids: Collection[int]) -> Mapping[int, Shown]:
    """By warehouse order (id). Three statements, however many."""
    ids = array(work_ids)
    found: dict[int, Shown] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.id, s.number, o.number, o.recipient_name, o.recipient_phone,
                concat(r.province, CASE WHEN r.city <> r.province THEN r.city END, r.district), o.remark,
                coalesce(t.ship_by, p.ship_by)
            FROM logistics_warehouseorder w JOIN orders_suborder s ON s.id = w.sub_order_id
            JOIN orders_order o ON o.id = s.order_id LEFT JOIN inventory_region r ON r.code = o.region_id
            LEFT JOIN orders_orderterms t ON t.order_id = o.id
            LEFT JOIN LATERAL (
                SELECT d.cutoff_at AS ship_by FROM orders_deliverypromise d
                WHERE d.sub_order_id = s.id AND d.superseded_at IS NULL ORDER BY d.id DESC LIMIT 1
            ) p ON true
            WHERE w.id = ANY(%s::bigint[])
            """,
            [ids],
        )
        for key, part, order, name, phone, region, remark, ship_by in cursor.fetchall():
            found[key] = Shown(part, order, mask_name(name), mask_phone(phone), region, remark, ship_by)
        cursor.execute(
            """
            SELECT wl.warehouse_order_id, k.code, ol.name, wl.quantity, wl.quantity - wl.left_quantity,
                k.wants_serials
            FROM logistics_warehouseorderline wl JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE wl.warehouse_order_id = ANY(%s::bigint[]) ORDER BY wl.warehouse_order_id, l.id
            """,
            [ids],
        )
        for key, *goods in cursor.fetchall():
            found[key].goods.append(Goods(*goods))
    parcels: dict[int, list[Shipment]] = defaultdict(list)
    rows = Shipment.objects.filter(warehouse_order__in=list(work_ids)).exclude(state=ShipmentState.CANCELLED)
    for parcel in rows.select_related("carrier").order_by("pk"):
        parcels[parcel.warehouse_order_id or 0].append(parcel)
    for key, shown in found.items():
        shown.parcels = parcels[key]
    return found


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets an order, whole, with the region in the address."""

    name: str
    phone: str
    address: str


def recipient_of(order: Order, *, actor: Actor) -> Recipient:
    """The recipient of an order; its timeline notes who looked."""
    timeline.record(order.pk, kinds.RECIPIENT_SHOWN, actor, number=order.number)
    region = str(order.region) if order.region else ""
    return Recipient(order.recipient_name, order.recipient_phone, f"{region}{order.recipient_address}")


def carriers_of(merchant: Merchant) -> QuerySet[Carrier]:
    """The carriers that the merchant may name: that of sandboxes, whose parcels are made up, only in its own."""
    return Carrier.objects.all() if merchant.is_sandbox else Carrier.objects.exclude(code=sandboxes.CARRIER_CODE)


def carriers(merchant: Merchant) -> Sequence[tuple[str, str]]:
    """Those by code, for people to choose from."""
    return list(carriers_of(merchant).order_by("priority", "code").values_list("code", "name"))
