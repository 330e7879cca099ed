"""Parcels that nobody can name: noted at a warehouse, matched later with a return or an order, or kept without one.

Their units are booked into stock once: by the return with which they are matched, or when they are kept.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import hosting, receiving
from inventory.models import DemandKind, Sku, StockMovement, Warehouse
from inventory.models.serials import MOST_OF_A_SERIAL
from inventory.receiving import Arrived
from oms.common import tickets
from oms.common.door.api import check_version
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.models import (
    ActorKind,
    Found,
    ReturnKind,
    ReturnLine,
    ReturnRequest,
    ReturnState,
    StrayParcel,
    StrayState,
    StrayUnit,
    SubOrder,
    SubOrderLine,
)
from orders.models.return_request import RESTOCKED
from orders.returning import deciding, inspecting, locking, photos, requesting, serials, travelling
from orders.returning.requesting import Wanted
from orders.returning.trouble import STRAY_PARCEL

MOST_LINES, MOST_UNITS = 50, 10_000


@dataclass(frozen=True, slots=True)
class Unit:
    """Units that were found in a parcel: of a SKU (by code), or of something that we do not know, as `description`;
    with the serial numbers of some or all of them."""

    sku: str
    found: str
    quantity: int
    description: str = ""
    serials: Sequence[str] = ()


@transaction.atomic
def note(
    warehouse_id: int,
    units: Sequence[Unit],
    *,
    waybill: str,
    phone_tail: str = "",
    remark: str = "",
    actor: Actor,
    files: Sequence[UploadedFile] = (),
) -> StrayParcel:
    """Note a parcel that came to this warehouse (id) and that nobody can name. A code that is no SKU of anybody's goods
    there is kept as a description.

    Raises OmsError for a warehouse that does not exist, no units or wrong ones, and for a waybill that is noted.
    """
    house = Warehouse.objects.exclude(kind=Warehouse.Kind.VIRTUAL).filter(pk=warehouse_id).first()
    if house is None:
        raise OmsError(_("There is no such warehouse."), attr="warehouse")
    tail = "".join(phone_tail.split())
    if tail and not (tail.isascii() and tail.isdigit() and len(tail) == 4):
        raise OmsError(_("Give the last four digits of the phone."), attr="phone_tail")
    rows = _rows_of(house, units)
    parcel = StrayParcel(
        warehouse=house,
        waybill_number=locking.read_waybill(waybill) if waybill.strip() else "",
        phone_tail=tail,
        remark=" ".join(remark.split())[:300],
        noted_by_kind=actor.kind,
        noted_by=actor.name[:80],
    )
    try:
        with transaction.atomic():
            parcel.save()
    except IntegrityError as error:
        if "stray_waybill_is_noted_once" not in str(error):
            raise
        text = _("Parcel %(waybill)s is noted already, and nobody knows it yet.")
        raise OmsError(text % {"waybill": parcel.waybill_number}, attr="waybill") from error
    for row in rows:
        row.parcel = parcel
    StrayUnit.objects.bulk_create(rows)
    photos.add_to_stray(parcel, files)
    values = {
        "warehouse": house.code,
        "waybill": parcel.waybill_number or "–",
        "units": sum(row.quantity for row in rows),
    }
    tickets.open_tickets(STRAY_PARCEL, [tickets.Trouble(parcel.pk, "", values)], opened_by=actor.name[:80])
    return parcel


def _rows_of(house: Warehouse, units: Sequence[Unit]) -> list[StrayUnit]:
    if not 0 < len(units) <= MOST_LINES:
        raise OmsError(_("Say what is in the parcel, in at most %(most)d lines.") % {"most": MOST_LINES}, attr="units")
    if any(not 0 < one.quantity <= MOST_UNITS for one in units):
        raise OmsError(_("Give a quantity of at least 1."), attr="units")
    if wrong := {one.found for one in units} - {code.value for code in RESTOCKED}:
        raise OmsError(
            _("%(found)s is no condition of units that are there.") % {"found": ", ".join(sorted(wrong))}, attr="units"
        )
    skus = _skus_at(house, {one.sku for one in units if one.sku})
    counts: Counter[tuple[int | None, str, str]] = Counter()
    numbers: dict[tuple[int | None, str, str], list[str]] = defaultdict(list)
    for one in units:
        sku = skus.get(one.sku)
        words = " ".join((one.description or ("" if sku else one.sku)).split())[:120]
        if sku is None and not words:
            raise OmsError(_("Name a SKU, or say what it seems to be."), attr="units")
        key = (sku.pk if sku else None, one.found, words)
        counts[key] += one.quantity
        numbers[key] += [number for serial in one.serials if (number := serial.strip())]
    _check_serials(counts, numbers)
    return [
        StrayUnit(sku_id=sku, found=found, description=words, quantity=count, serials=numbers[sku, found, words])
        for (sku, found, words), count in counts.items()
    ]


def _check_serials(
    counts: Mapping[tuple[int | None, str, str], int], numbers: Mapping[tuple[int | None, str, str], Sequence[str]]
) -> None:
    times = Counter((sku, words, one) for (sku, _found, words), mine in numbers.items() for one in mine)
    for (sku, found, words), mine in numbers.items():
        text = ""
        if any(len(one) > MOST_OF_A_SERIAL for one in mine):
            text = _("A serial number has at most %(most)d characters.") % {"most": MOST_OF_A_SERIAL}
        elif twice := [one for one in mine if times[sku, words, one] > 1]:
            text = _("%(serial)s is named twice.") % {"serial": twice[0]}
        elif len(mine) > counts[sku, found, words]:
            text = _("More serial numbers are named than there are units.")
        if text:
            raise OmsError(text, attr="units")


def _skus_at(house: Warehouse, codes: Collection[str]) -> dict[str, Sku]:
    """The SKUs of these codes that the warehouse keeps; of a code that several merchants' goods there have, none."""
    host = hosting.host(house)
    found: dict[str, list[Sku]] = defaultdict(list)
    for sku in Sku.objects.filter(code__in=codes).order_by("pk"):
        if host.may_keep(sku.merchant_id, sku.storage_class):
            found[sku.code].append(sku)
    return {code: skus[0] for code, skus in found.items() if len(skus) == 1}


@transaction.atomic
def match(parcel_id: int, return_id: int, *, actor: Actor, version: int | None = None) -> ReturnRequest:
    """The parcel is of this return: it is received where the parcel lies, and inspected as it was found; units of it
    that are not in the parcel are still to be said of.

    Raises OmsError where the parcel has units that are no part of the return's sub-order, WrongFields where it has
    serial numbers that were not sold with the order or came back already, NotNow for a return that is over or
    elsewhere, NotSoMany, ChangedMeanwhile.
    """
    request = locking.lock_return(return_id)
    parcel = _lock(parcel_id, version)
    if request.state == ReturnState.RECEIVED and request.warehouse_id != parcel.warehouse_id:
        raise locking.NotNow(_("The goods of this return are at another warehouse."))
    if request.state != ReturnState.RECEIVED:
        if request.state == ReturnState.REQUESTED:
            deciding.approve(request.pk, actor=actor, warehouse_id=parcel.warehouse_id)
        request = travelling.receive(request.pk, actor=actor, warehouse_id=parcel.warehouse_id)
    findings, named = _findings(parcel, request)
    is_all = _is_all(request, findings)
    request = inspecting.inspect(
        request.pk,
        findings,
        note=parcel.remark[:200],
        actor=actor,
        is_final=is_all,
        named=named,
        wants_all_serials=False,
    )
    parcel.match()
    parcel.return_request = request
    _end(parcel, actor, "")
    return request


@transaction.atomic
def match_order(
    parcel_id: int, sub_order_id: int, *, reason: str, actor: Actor, version: int | None = None
) -> ReturnRequest:
    """The parcel is of this sub-order, of which nobody asked for a return: one is asked for in its place, for this
    reason (code), approved, received and inspected. Raises as `requesting.request` and `match` do."""
    parcel = StrayParcel.objects.get(pk=parcel_id)
    part = SubOrder.objects.get(pk=sub_order_id)
    units: Counter[int] = Counter()
    lines = _lines_by_sku(SubOrderLine.objects.filter(sub_order=part).select_related("order_line").order_by("pk"))
    for unit in parcel.units.all():
        left = unit.quantity
        for line in lines.get(unit.sku_id or 0, ()):
            some = min(left, line.quantity - line.returned_quantity - line.returning_quantity - units[line.pk])
            if some > 0:
                units[line.pk] += some
                left -= some
        if left:
            raise _does_not_fit(unit)
    wanted = Wanted(ReturnKind.RETURN_AND_REFUND, dict(units), reason, remark=str(parcel))
    row = requesting.request(part.order_id, wanted, actor=actor)
    if row.state == ReturnState.REQUESTED:
        row = deciding.approve(row.pk, actor=actor, warehouse_id=parcel.warehouse_id)
    return match(parcel_id, row.pk, actor=actor, version=version)


@transaction.atomic
def keep(parcel_id: int, *, reason: str, actor: Actor, version: int | None = None) -> StrayParcel:
    """Nobody came for it: its units go into the stock of the warehouse. Raises OmsError without a reason, where units
    are of no SKU, NotNow, ChangedMeanwhile."""
    parcel, why = _lock(parcel_id, version), deciding.given(reason)
    units = list(parcel.units.all())
    if any(unit.sku_id is None for unit in units):
        raise OmsError(_("Some of it is no SKU of ours. It can only be disposed of, or be of a return."), attr="units")
    receiving.receive_all(
        parcel.warehouse_id,
        [
            Arrived(unit.sku_id, unit.quantity, RESTOCKED[Found(unit.found)], demand_id=unit.pk)
            for unit in units
            if unit.sku_id is not None
        ],
        actor=actor.name,
        note=str(parcel),
        kind=StockMovement.Kind.RETURN,
        demand_kind=DemandKind.STRAY_UNIT,
    )
    parcel.keep()
    _end(parcel, actor, why)
    return parcel


@transaction.atomic
def dispose(parcel_id: int, *, reason: str, actor: Actor, version: int | None = None) -> StrayParcel:
    """It is worth nothing, or not ours; nothing is booked. Raises OmsError without a reason, NotNow,
    ChangedMeanwhile."""
    parcel, why = _lock(parcel_id, version), deciding.given(reason)
    parcel.dispose()
    _end(parcel, actor, why)
    return parcel


def _lock(parcel_id: int, version: int | None) -> StrayParcel:
    parcel = StrayParcel.objects.select_for_update(no_key=True, of=("self",)).get(pk=parcel_id)
    if version is not None:
        check_version(parcel, version)
    if parcel.state != StrayState.UNKNOWN:
        raise locking.NotNow(_("It was decided already what becomes of this parcel."))
    return parcel


def _end(parcel: StrayParcel, actor: Actor, why: str) -> None:
    parcel.ended_by, parcel.ended_at, parcel.end_reason = actor.name[:80], timezone.now(), why
    parcel.save()
    by = actor.name if actor.kind == ActorKind.STAFF else ""
    tickets.close_tickets([STRAY_PARCEL], [parcel.pk], closed_by=by)


def _findings(parcel: StrayParcel, request: ReturnRequest) -> tuple[dict[int, dict[str, int]], dict[int, list[str]]]:
    """What was found by line of the return's sub-order, and with which serial numbers, of SKUs whose numbers were told
    when they left: its own lines first, what is left of them."""
    said = inspecting.said_of(request.pk)
    announced = {line.sub_order_line_id: line.quantity for line in ReturnLine.objects.filter(return_request=request)}
    parts = SubOrderLine.objects.filter(sub_order=request.sub_order_id).select_related("order_line").order_by("pk")
    lines = _lines_by_sku(sorted(parts, key=lambda part: part.pk not in announced))
    findings: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    named: dict[int, list[str]] = defaultdict(list)
    taken: Counter[int] = Counter(said)
    units = list(parcel.units.select_related("sku"))
    sold = serials.sold_with(request.order_id) if any(unit.serials for unit in units) else {}
    for unit in units:
        left, fitting = unit.quantity, lines.get(unit.sku_id or 0, [])
        if not fitting:
            raise _does_not_fit(unit)
        is_compared = unit.sku is not None and unit.sku.wants_serials and unit.sku_id in sold
        numbers = list(unit.serials) if is_compared else []
        for line in fitting:
            some = min(left, announced.get(line.pk, 0) - taken[line.pk])
            if some > 0:
                findings[line.pk][unit.found] += some
                taken[line.pk] += some
                left -= some
                named[line.pk] += numbers[:some]
                numbers = numbers[some:]
        if left:
            # More than was announced; the counters say whether so many can come back.
            findings[fitting[0].pk][unit.found] += left
            named[fitting[0].pk] += numbers
    return {key: dict(found) for key, found in findings.items()}, named


def _is_all(request: ReturnRequest, findings: Mapping[int, Mapping[str, int]]) -> bool:
    """Whether something is said of every unit of the return with these findings."""
    said = inspecting.said_of(request.pk)
    return all(
        said.get(line.sub_order_line_id, 0) + sum(findings.get(line.sub_order_line_id, {}).values()) >= line.quantity
        for line in ReturnLine.objects.filter(return_request=request)
    )


def _lines_by_sku(parts: Iterable[SubOrderLine]) -> dict[int, list[SubOrderLine]]:
    found: dict[int, list[SubOrderLine]] = defaultdict(list)
    for part in parts:
        found[part.order_line.sku_id].append(part)
    return found


def _does_not_fit(unit: StrayUnit) -> OmsError:
    text = _("%(units)s in the parcel cannot be of it. Look for another one.")
    return OmsError(text % {"units": str(unit)}, attr="units")
