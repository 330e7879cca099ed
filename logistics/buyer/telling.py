"""What a buyer is told of an order: its parts with why they come apart, where each is, and by when it is there.

Neither names and addresses nor anything of the house: no stock, no prices of others, no notes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import StorageClass, Warehouse
from logistics.carriers import consigning, words
from logistics.models import Direction, Shipment, ShipmentLine, ShipmentState, TrackingEvent
from logistics.virtual import links
from orders.models import DeliveryPromise, Order, OrderState, SubOrder, SubOrderState
from orders.models.sub_order import ARRIVED, AT_WAREHOUSE, UNDONE

# How far a parcel is on the line from its warehouse to its buyer, in per cent.
_PROGRESS = {
    ShipmentState.CREATED: 0,
    ShipmentState.WAYBILL_ISSUED: 0,
    ShipmentState.COLLECTED: 12,
    ShipmentState.IN_TRANSIT: 50,
    ShipmentState.OUT_FOR_DELIVERY: 85,
    ShipmentState.FAILED_DELIVERY: 85,
    ShipmentState.INTERCEPTING: 50,
    ShipmentState.SIGNED: 100,
    ShipmentState.REJECTED: 95,
    ShipmentState.RETURNING: 50,
    ShipmentState.RETURNED: 0,
}
MOST_SCANS = 40

_WORDS = {
    SubOrderState.AWAITING_ALLOCATION: gettext_lazy("Being prepared"),
    SubOrderState.BACKORDERED: gettext_lazy("Waits for goods"),
    SubOrderState.ALLOCATED: gettext_lazy("Being prepared"),
    SubOrderState.RELEASED: gettext_lazy("Sent to the warehouse"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a part's way; `at` is None while it is not done."""

    title: Any
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ScanTold:
    """A scan as its buyer reads it: `title` is what happened in our words, `text` what the carrier said of it."""

    occurred_at: datetime
    title: str
    location: str
    text: str


@dataclass(frozen=True, slots=True)
class ParcelTold:
    """A parcel with its scans, `progress` in per cent of its way, `consignment`: what goes with it."""

    row: Shipment
    consignment: consigning.Consignment | None
    carrier: str
    progress: int
    scans: Sequence["ScanTold"]

    @property
    def dot(self) -> str:
        """Where it is in the picture, whose line goes from 10 to 290."""
        return f"{10 + 2.8 * self.progress:.1f}"


@dataclass(frozen=True, slots=True)
class PartTold:
    """A sub-order as its buyer sees it."""

    row: SubOrder
    state: str
    goods: Sequence[tuple[str, int]]
    why_apart: str
    origin: str
    steps: Sequence[Step]
    promised_by: datetime | None
    parcels: Sequence[ParcelTold]

    @property
    def may_confirm(self) -> bool:
        """Whether the buyer may say here that it came; of virtual goods their own page asks that."""
        return self.row.state == SubOrderState.DELIVERED and not self.row.is_virtual

    @property
    def good(self) -> str:
        """The address of the page with virtual goods that are there; else empty."""
        return links.path_of(self.row) if self.row.is_virtual and self.row.state in ARRIVED else ""


def state_of(order: Order) -> str:
    """Where the order is, in the buyer's words: once it is split, how far its goods are."""
    return str(order.get_fulfilment_state_display() if order.state == OrderState.SPLIT else order.get_state_display())


def parts_of(order: Order) -> list[PartTold]:
    """What is told of each of the order's parts. A fixed number of statements."""
    rows = list(
        order.sub_orders.select_related("warehouse__region", "merchant")
        .prefetch_related("lines__order_line")
        .order_by("id")
    )
    promises = dict(
        DeliveryPromise.objects.filter(order=order, superseded_at=None).values_list("sub_order", "promised_by")
    )
    parcels = _parcels(order)
    return [
        PartTold(
            row=row,
            state=str(_WORDS.get(SubOrderState(row.state), row.get_state_display())),
            goods=[(line.order_line.name, line.quantity) for line in row.lines.all()],
            why_apart=_why_apart(row, rows[:place]),
            origin=_city(row.warehouse),
            steps=_steps(order, row),
            promised_by=promises.get(row.pk) if row.state not in UNDONE else None,
            parcels=parcels.get(row.pk, []),
        )
        for place, row in enumerate(rows)
    ]


def _parcels(order: Order) -> dict[int, list[ParcelTold]]:
    """The order's parcels by the sub-orders of which something is in them."""
    scans = TrackingEvent.objects.select_related("connection").order_by("-occurred_at", "-id")
    lines = ShipmentLine.objects.select_related("sub_order_line")
    found: dict[int, list[ParcelTold]] = {}
    shipments = (
        consigning.with_numbers(Shipment.objects.of_order(order.pk))
        .filter(direction=Direction.OUT)
        .exclude(state=ShipmentState.CANCELLED)
        .exclude(waybill_number=None)
        .select_related("carrier")
        .prefetch_related(Prefetch("scans", scans), Prefetch("lines", lines))
        .order_by("id")
    )
    known = words.tables().words
    for row in shipments:
        parcel = ParcelTold(
            row,
            consigning.consignment_of(row),
            row.carrier.name if row.carrier else "",
            _PROGRESS.get(ShipmentState(row.state), 0),
            [told for scan in row.scans.all() if (told := _scan(scan, known)) is not None][:MOST_SCANS],
        )
        of_parts = {line.sub_order_line.sub_order_id for line in row.lines.all()} or {row.sub_order_id}
        for key in of_parts:
            found.setdefault(key, []).append(parcel)
    return found


def _scan(scan: TrackingEvent, known: Mapping[str, words.Words]) -> ScanTold | None:
    """What the buyer reads of a scan; nothing where the table of words says so."""
    word = words.word_of(scan, known)
    if word is not None and not word.for_buyer:
        return None
    title = word.shown if word is not None else scan.get_state_display()
    return ScanTold(scan.occurred_at, title, scan.location, scan.text)


def _city(warehouse: Warehouse | None) -> str:
    if warehouse is None or warehouse.kind == Warehouse.Kind.VIRTUAL:
        return ""
    return warehouse.region.city or warehouse.region.province


def _why_apart(row: SubOrder, before: Iterable[SubOrder]) -> str:
    """Why it does not come with one of the parts before it."""
    others = list(before)
    if not others:
        return ""
    if all(one.merchant_id != row.merchant_id for one in others):
        return _("It comes by itself: %(merchant)s sells it.") % {"merchant": row.merchant.name}
    if row.storage_class == StorageClass.VIRTUAL:
        return _("It comes by itself: it needs no parcel.")
    if all(one.storage_class != row.storage_class for one in others):
        return _("It comes by itself: it is carried otherwise (%(storage_class)s).") % {
            "storage_class": row.get_storage_class_display()
        }
    if city := _city(row.warehouse):
        return _("It comes by itself: it is sent from another warehouse, in %(city)s.") % {"city": city}
    return _("It comes by itself: it is not there yet.")


def _steps(order: Order, row: SubOrder) -> list[Step]:
    if row.state == SubOrderState.CANCELLED:
        return [Step(_("Ordered"), order.ordered_at), Step(_("Cancelled"), row.cancelled_at)]
    if row.is_virtual:
        return [Step(_("Ordered"), order.ordered_at), Step(_("Delivered"), row.delivered_at)]
    city = _city(row.warehouse)
    at_warehouse = (
        _("Sent to the warehouse in %(city)s") % {"city": city}
        if city and (row.state in AT_WAREHOUSE or row.released_at)
        else _("Sent to the warehouse")
    )
    return [
        Step(_("Ordered"), order.ordered_at),
        Step(at_warehouse, row.released_at),
        Step(_("On its way"), row.shipped_at),
        Step(_("Delivered"), row.delivered_at),
    ]
