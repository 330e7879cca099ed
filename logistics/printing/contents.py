"""What stands on labels, pick lists and packing slips: read in few statements, however many there are."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from inventory.models import SkuBarcode, Stock
from logistics.models import (
    Direction,
    PickTask,
    Shipment,
    ShipmentLine,
    ShipmentState,
    WarehouseOrder,
    WarehouseOrderLine,
)
from oms.common.masking import is_masked, mask_name, mask_phone
from orders.models import Order
from orders.models.order import PaymentMethod


class Arrangement(models.TextChoices):
    """What makes one packing slip; labels of one recipient lie together where slips are merged."""

    EACH = "each", _("One a warehouse order")
    RECIPIENT = "recipient", _("Merged: one a recipient")
    SUB_ORDER = "sub_order", _("Split: one a sub-order")


@dataclass(frozen=True, slots=True)
class Goods:
    """Units of an article; `barcode` and `bin` are empty where it has none. `slots` are the boxes of a trolley that
    they go into, with the units of each."""

    code: str
    name: str
    barcode: str
    quantity: int
    bin: str = ""
    slots: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets it, masked as carriers do: 张*, 138****1111. Region and address stay whole."""

    name: str
    phone: str
    region: str
    address: str


@dataclass(frozen=True, slots=True)
class Label:
    """A parcel's waybill label: piece `piece` of `pieces` of its warehouse order, or of its consignment (子母件), where
    `mother` is the mother's waybill, else empty. `mark` is what the carrier sorts by (大头笔, else the region);
    `sorting_code` is empty where the carrier gave none."""

    waybill: str
    carrier: str
    mark: str
    sorting_code: str
    recipient: Recipient
    sender: str
    sender_region: str
    part: str
    goods: Sequence[Goods]
    piece: int
    pieces: int
    weight_g: int
    is_cod: bool
    copy: int
    mother: str = ""


@dataclass(frozen=True, slots=True)
class Slip:
    """A packing slip. `numbers` are those of its warehouse orders, or of its sub-order."""

    numbers: Sequence[str]
    orders: Sequence[str]
    warehouse: str
    recipient: Recipient
    goods: Sequence[Goods]
    copy: int


@dataclass(frozen=True, slots=True)
class PickList:
    """What is picked in one warehouse, by bin; `works` are the warehouse orders with their numbers of prints. `wave` is
    empty unless all of them are of one."""

    warehouse: str
    goods: Sequence[Goods]
    works: Sequence[tuple[str, int]]
    wave: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    """Units in a parcel or warehouse order (`of`), and whose they are."""

    of: int
    sub_order_id: int
    sub_order: str
    order_id: int
    sku_id: int
    code: str
    name: str
    quantity: int


def labels(ids: Sequence[int], copies: Mapping[int, int], arrangement: Arrangement) -> list[Label]:
    """The labels of parcels, in their order, or those of one recipient together. `copies` are numbers of prints."""
    wanted = Shipment.objects.select_related("carrier", "warehouse_order__warehouse__region")
    wanted = wanted.select_related("sub_order__order__region", "label")
    rows = wanted.select_related("sub_order__merchant", "sub_order__warehouse__region").in_bulk(ids)
    pieces, mothers = _pieces(rows.values())
    works = {row.warehouse_order_id for row in rows.values() if row.warehouse_order_id}
    inside = _by_subject(_held(ShipmentLine, ids))
    # Nobody told what is in it: where it is the only parcel, all of it.
    of_works = _by_subject(_held(WarehouseOrderLine, works))
    barcodes = _barcodes([*_all(inside), *_all(of_works)])
    if arrangement == Arrangement.RECIPIENT:
        first: dict[Hashable, int] = {}
        for place, row_id in enumerate(ids):
            first.setdefault(_recipient_key(rows[row_id].sub_order.order), place)
        ids = sorted(ids, key=lambda row_id: first[_recipient_key(rows[row_id].sub_order.order)])
    found = []
    for row_id in ids:
        row = rows[row_id]
        part, work = row.sub_order, row.warehouse_order
        warehouse = work.warehouse if work else part.warehouse
        given = getattr(row, "label", None)
        recipient = _recipient(part.order)
        piece, count = pieces.get(row_id, (1, 1))
        held = inside.get(row_id) or (of_works.get(work.pk, []) if work and count == 1 else [])
        found.append(
            Label(
                waybill=row.waybill_number or "",
                carrier=row.carrier.name if row.carrier else "",
                mark=(given.destination_mark if given else "") or recipient.region,
                sorting_code=given.sorting_code if given else "",
                recipient=recipient,
                sender=f"{part.merchant.name} {warehouse.name}" if warehouse else part.merchant.name,
                sender_region=str(warehouse.region) if warehouse else "",
                part=part.number,
                goods=_summed(held, barcodes),
                piece=piece,
                pieces=count,
                weight_g=row.weight_g,
                is_cod=part.payment_method == PaymentMethod.COD,
                copy=copies[row_id],
                mother=mothers.get(row_id, ""),
            )
        )
    return found


def slips(ids: Sequence[int], copies: Mapping[int, int], arrangement: Arrangement) -> list[Slip]:
    """The packing slips of warehouse orders."""
    works = WarehouseOrder.objects.select_related("warehouse").in_bulk(ids)
    inside = _by_subject(_held(WarehouseOrderLine, ids))
    orders = Order.objects.select_related("region").in_bulk({line.order_id for line in _all(inside)})
    barcodes = _barcodes(_all(inside))
    grouped: dict[Hashable, list[_Held]] = defaultdict(list)
    for row_id in ids:
        for line in inside.get(row_id, []):
            key: Hashable = row_id
            if arrangement == Arrangement.RECIPIENT:
                key = (works[row_id].warehouse_id, *_recipient_key(orders[line.order_id]))
            elif arrangement == Arrangement.SUB_ORDER:
                key = line.sub_order_id
            grouped[key].append(line)
    return [
        Slip(
            numbers=list(
                dict.fromkeys(
                    line.sub_order if arrangement == Arrangement.SUB_ORDER else works[line.of].number for line in held
                )
            ),
            orders=list(dict.fromkeys(orders[line.order_id].number for line in held)),
            warehouse=str(works[held[0].of].warehouse),
            recipient=_recipient(orders[held[0].order_id]),
            goods=_summed(held, barcodes),
            copy=max(copies[line.of] for line in held),
        )
        for held in grouped.values()
    ]


def pick_lists(ids: Sequence[int], copies: Mapping[int, int]) -> list[PickList]:
    """A pick list for each warehouse, or wave, in the order of the bins."""
    works = WarehouseOrder.objects.select_related("warehouse").in_bulk(ids)
    tasks = {
        task.warehouse_order_id: task
        for task in PickTask.objects.filter(warehouse_order__in=ids).select_related("wave")
    }
    waves = {key: task.wave.number for key, task in tasks.items() if task.wave}
    slots = {key: task.slot for key, task in tasks.items() if task.slot}
    inside = _by_subject(_held(WarehouseOrderLine, ids))
    barcodes = _barcodes(_all(inside))
    lists: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for row_id in ids:
        warehouse = works[row_id].warehouse
        lists[warehouse.pk, str(warehouse), waves.get(row_id, "")].append(row_id)
    found = []
    for (warehouse_id, name, wave), row_ids in sorted(lists.items()):
        lines = [line for row_id in row_ids for line in inside.get(row_id, [])]
        bins = _bins(warehouse_id, lines)
        goods = _summed(lines, barcodes, bins, slots if wave else {})
        numbers = [(works[row_id].number, copies[row_id]) for row_id in row_ids]
        found.append(PickList(name, sorted(goods, key=lambda one: (one.bin, one.code)), numbers, wave))
    return found


def _bins(warehouse_id: int, held: Sequence[_Held]) -> dict[int, str]:
    rows = Stock.objects.filter(warehouse=warehouse_id, sku__in={line.sku_id for line in held})
    return dict(rows.order_by().values_list("sku_id", "bin"))


def _held(lines: type[ShipmentLine] | type[WarehouseOrderLine], ids: Collection[int]) -> list[_Held]:
    subject = "shipment_id" if lines is ShipmentLine else "warehouse_order_id"
    rows = lines._default_manager.filter(**{f"{subject}__in": ids}).order_by(subject, "sub_order_line_id")
    of_line = "sub_order_line__order_line__"
    return [
        _Held(*row)
        for row in rows.values_list(
            subject,
            "sub_order_line__sub_order_id",
            "sub_order_line__sub_order__number",
            f"{of_line}order_id",
            f"{of_line}sku_id",
            f"{of_line}sku__code",
            f"{of_line}name",
            "quantity",
        )
    ]


def _by_subject(held: Sequence[_Held]) -> dict[int, list[_Held]]:
    found: dict[int, list[_Held]] = defaultdict(list)
    for line in held:
        found[line.of].append(line)
    return found


def _all(held: Mapping[int, Sequence[_Held]]) -> list[_Held]:
    return [line for lines in held.values() for line in lines]


def _barcodes(held: Sequence[_Held]) -> dict[int, str]:
    """The first barcode of each SKU."""
    rows = SkuBarcode.objects.filter(sku__in={line.sku_id for line in held}).order_by("-pk")
    return dict(rows.values_list("sku_id", "code"))


def _summed(
    held: Sequence[_Held],
    barcodes: Mapping[int, str],
    bins: Mapping[int, str] | None = None,
    slots: Mapping[int, int | None] | None = None,
) -> list[Goods]:
    units: dict[int, int] = defaultdict(int)
    in_slots: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for line in held:
        units[line.sku_id] += line.quantity
        slot = (slots or {}).get(line.of)
        if slot:
            in_slots[line.sku_id][slot] += line.quantity
    articles = {line.sku_id: line for line in reversed(held)}
    by_code = sorted(articles.values(), key=lambda line: (line.code, line.sku_id))
    return [
        Goods(
            *(line.code, line.name, barcodes.get(line.sku_id, ""), units[line.sku_id]),
            *((bins or {}).get(line.sku_id, ""), sorted(in_slots[line.sku_id].items())),
        )
        for line in by_code
    ]


def _pieces(parcels: Iterable[Shipment]) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """Which of how many parcels of its warehouse order, or of its consignment, each parcel is; and the mothers'
    waybills of those in consignments."""
    works = {parcel.warehouse_order_id for parcel in parcels if parcel.warehouse_order_id}
    rows = Shipment.objects.filter(warehouse_order__in=works, direction=Direction.OUT)
    together: dict[int, list[int]] = defaultdict(list)
    consigned: dict[int, list[int]] = defaultdict(list)
    waybills: dict[int, str] = {}
    columns = ("warehouse_order_id", "pk", "mother_id", "waybill_number", "mother__waybill_number")
    for work_id, row_id, mother_id, waybill, mothers in (
        rows.exclude(state=ShipmentState.CANCELLED).order_by("pk").values_list(*columns)
    ):
        together[work_id or 0].append(row_id)
        consigned[mother_id or row_id].append(row_id)
        waybills[mother_id or row_id] = (mothers if mother_id else waybill) or ""
    consigned = {root: ids for root, ids in consigned.items() if len(ids) > 1}
    return (
        {
            row_id: (place, len(ids))
            for group in (together, consigned)
            for ids in group.values()
            for place, row_id in enumerate(ids, 1)
        },
        {row_id: waybills[root] for root, ids in consigned.items() for row_id in ids},
    )


def _recipient_key(order: Order) -> tuple[Hashable, ...]:
    return (order.recipient_name, order.recipient_phone, order.region_id, order.recipient_address)


def _recipient(order: Order) -> Recipient:
    name, phone = order.recipient_name, order.recipient_phone
    return Recipient(
        name=name if is_masked(name) else mask_name(name),
        phone=phone if is_masked(phone) else mask_phone(phone),
        region=str(order.region) if order.region else "",
        address=order.recipient_address,
    )
