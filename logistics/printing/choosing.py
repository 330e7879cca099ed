"""Which parcels and warehouse orders are printed, and which are left out with the reason (售后过滤)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from django.db import models
from django.db.models import Exists, Max, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from inventory.models import Warehouse
from logistics.models import (
    Direction,
    ErrandKind,
    Paper,
    PickTask,
    Printout,
    Shipment,
    ShipmentLine,
    ShipmentState,
    StopAnswer,
    WarehouseOrder,
    WarehouseOrderLine,
    WarehouseOrderState,
    WaybillErrand,
)
from logistics.models.warehouse_order import NOT_GONE
from orders.asked import after_sales
from orders.asked.after_sales import Part
from orders.models import SubOrder

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MOST_AT_ONCE = 1000
Row = TypeVar("Row", Shipment, WarehouseOrder)


class Obstacle(models.TextChoices):
    """Why a parcel or warehouse order gets no paper, beside what speaks against its orders."""

    UNKNOWN = "no_such_number", _("Nothing here has this number.")
    NO_WAYBILL = "no_waybill", _("It has no waybill yet.")
    OWN_WAYBILL = "own_waybill", _("Its warehouse brings waybills of its own: their labels are printed there.")
    INTERCEPTED = "intercepted", _("The carrier is asked to stop it.")
    GIVEN_BACK = "given_back", _("The carrier is asked to cancel its waybill.")
    UNDER_WAY = "under_way", _("It has left already, or will not leave.")
    PACKED = "packed", _("It is packed already.")
    STOPPED = "stopped", _("The warehouse is asked to stop it.")
    CANCELLING = "cancelling", _("Its sub-order is being cancelled.")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A number that is not printed, and why."""

    number: str
    reasons: "Sequence[str | _StrPromise]"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is printed: rows by id, how often each was printed before, and what is left out. In the order in which it
    was asked for, each once."""

    paper: Paper
    ids: Sequence[int]
    printed_before: Mapping[int, int]
    left_out: Sequence[LeftOut]

    @property
    def copies(self) -> int:
        """How many of them are copies."""
        return sum(1 for row_id in self.ids if self.printed_before.get(row_id))


def choose(paper: Paper, numbers: Sequence[str]) -> Choice:
    """What can be printed of these numbers: of warehouse orders, sub-orders, shipments, waybills, and waves."""
    rows = _parcels(numbers) if paper == Paper.LABEL else _works(numbers)
    found: dict[int, Shipment | WarehouseOrder] = {}
    bare = _without_parcel(numbers, rows) if paper == Paper.LABEL else {}
    left_out = [
        LeftOut(number, [Obstacle.UNKNOWN.label])
        for number in dict.fromkeys(numbers)
        if number not in rows and number not in bare
    ]
    works = {work.pk: work for of_one in bare.values() for work in of_one}
    left_out += [LeftOut(str(work), [_why_bare(work).label]) for work in works.values()]
    for number in numbers:
        found |= {row.pk: row for row in rows.get(number, ())}
    against = _objections(paper, list(found))
    ids = []
    for row_id, row in found.items():
        obstacle = _of_parcel(row) if isinstance(row, Shipment) else _of_work(row, paper)
        reasons = ([obstacle.label] if obstacle else []) + against.get(row_id, [])
        if reasons:
            left_out.append(LeftOut(str(row), reasons))
        else:
            ids.append(row_id)
    return Choice(paper, ids, printed_before(paper, ids), left_out)


def printed_before(paper: Paper, ids: Collection[int]) -> Mapping[int, int]:
    """How often each of the rows was printed on that paper; none for those that never were."""
    subject = "shipment_id" if paper == Paper.LABEL else "warehouse_order_id"
    prints = Printout.objects.filter(paper=paper, **{f"{subject}__in": ids})
    return dict(prints.order_by().values_list(subject).annotate(Max("copy")))


def _by_number(pairs: Iterable[tuple[str | None, Row]], numbers: Sequence[str]) -> dict[str, list[Row]]:
    asked = set(numbers)
    found: dict[str, list[Row]] = defaultdict(list)
    for number, row in pairs:
        if number in asked:
            found[number].append(row)
    return found


def objections_to_works(ids: Collection[int]) -> "Mapping[int, Sequence[str | _StrPromise]]":
    """What speaks against preparing warehouse orders, in words, by id; none for those that nothing speaks against."""
    return {key: reasons for key, reasons in _objections(Paper.PICK_LIST, ids).items() if reasons}


def _parcels(numbers: Sequence[str]) -> dict[str, list[Shipment]]:
    named = Q(number__in=numbers) | Q(waybill_number__in=numbers)
    named |= Q(warehouse_order__number__in=numbers) | Q(sub_order__number__in=numbers)
    waves = dict(_of_waves(numbers))
    rows = Shipment.objects.filter(named | Q(warehouse_order__in=waves), direction=Direction.OUT)
    # Waybills of a consignment are given back with their mother's.
    asked = WaybillErrand.objects.filter(
        shipment=Coalesce(OuterRef("mother"), OuterRef("pk")), kind=ErrandKind.CANCEL, outcome=""
    )
    is_given_back = Exists(
        asked.filter(waybill=Coalesce(OuterRef("mother__waybill_number"), OuterRef("waybill_number")))
    )
    rows = rows.select_related("warehouse_order", "sub_order").annotate(is_given_back=is_given_back)
    pairs = (
        (number, row)
        for row in rows.order_by("pk")
        for number in {
            row.number,
            row.waybill_number,
            row.sub_order.number,
            row.warehouse_order.number if row.warehouse_order else None,
            waves.get(row.warehouse_order_id or 0),
        }
    )
    return _by_number(pairs, numbers)


def _without_parcel(
    numbers: Sequence[str], parcels: Mapping[str, Sequence[Shipment | WarehouseOrder]]
) -> dict[str, list[WarehouseOrder]]:
    """The warehouse orders of these numbers of which there is no parcel yet."""
    packed = {getattr(row, "warehouse_order_id", None) for rows in parcels.values() for row in rows}
    found = {number: [work for work in works if work.pk not in packed] for number, works in _works(numbers).items()}
    return {number: works for number, works in found.items() if works}


def _why_bare(work: WarehouseOrder) -> Obstacle:
    brings_own = work.warehouse.waybill_when == Warehouse.WaybillWhen.OWN
    return _of_work(work, Paper.LABEL) or (Obstacle.OWN_WAYBILL if brings_own else Obstacle.NO_WAYBILL)


def _works(numbers: Sequence[str]) -> dict[str, list[WarehouseOrder]]:
    of_parcels = Shipment.objects.filter(Q(number__in=numbers) | Q(waybill_number__in=numbers))
    pairs: list[tuple[str | None, int | None]] = []
    for number, waybill, work_id in of_parcels.order_by("pk").values_list(
        "number", "waybill_number", "warehouse_order_id"
    ):
        pairs += [(number, work_id), (waybill, work_id)]
    parts = SubOrder.objects.filter(number__in=numbers)
    of_parts = WarehouseOrderLine.objects.filter(
        sub_order_line__sub_order__in=parts, warehouse_order__is_current=True
    ).order_by()
    pairs += of_parts.values_list("sub_order_line__sub_order__number", "warehouse_order_id").distinct()
    pairs += [(wave, work_id) for work_id, wave in _of_waves(numbers)]
    named = WarehouseOrder.objects.filter(Q(number__in=numbers) | Q(pk__in={work_id for _number, work_id in pairs}))
    works = named.select_related("warehouse").in_bulk()
    pairs += [(work.number, work.pk) for work in works.values()]
    known = ((number, works[work_id]) for number, work_id in pairs if work_id in works)
    return _by_number(known, numbers)


def _of_waves(numbers: Sequence[str]) -> Iterable[tuple[int, str]]:
    """The warehouse orders (ids) of waves with these numbers, by slot, without those that were dropped."""
    tasks = PickTask.objects.filter(wave__number__in=numbers, dropped_at__isnull=True).order_by("wave", "slot")
    return tasks.values_list("warehouse_order_id", "wave__number")


def _is_stopped(work: WarehouseOrder) -> bool:
    return work.stop_requested_at is not None and work.stop_answer != StopAnswer.REFUSED


def _of_parcel(parcel: Shipment) -> Obstacle | None:
    work = parcel.warehouse_order
    if work is not None and _is_stopped(work):
        return Obstacle.STOPPED
    if parcel.state == ShipmentState.WAYBILL_ISSUED:
        if getattr(parcel, "is_given_back", False):
            return Obstacle.GIVEN_BACK
        return None if work is None or work.is_current else Obstacle.UNDER_WAY
    of_state = {
        ShipmentState.CREATED: Obstacle.NO_WAYBILL,
        ShipmentState.INTERCEPTING: Obstacle.INTERCEPTED,
    }
    return of_state.get(ShipmentState(parcel.state), Obstacle.UNDER_WAY)


def _of_work(work: WarehouseOrder, paper: Paper) -> Obstacle | None:
    if _is_stopped(work):
        return Obstacle.STOPPED
    if not work.is_current or work.state not in NOT_GONE:
        return Obstacle.UNDER_WAY
    if paper == Paper.PICK_LIST and work.state == WarehouseOrderState.PACKED:
        return Obstacle.PACKED
    return None


def _objections(paper: Paper, ids: Collection[int]) -> "Mapping[int, list[str | _StrPromise]]":
    """What speaks against the rows: against any of the sub-orders of which they hold something, or its whole order."""
    subject = "shipment_id" if paper == Paper.LABEL else "warehouse_order_id"
    lines: type[models.Model] = ShipmentLine if paper == Paper.LABEL else WarehouseOrderLine
    columns = ("order_id", "pk", "cancel_requested_at")
    held = lines._default_manager.filter(**{f"{subject}__in": ids}).order_by()
    rows = set(held.values_list(subject, *(f"sub_order_line__sub_order__{name}" for name in columns)))
    if paper == Paper.LABEL:  # where nobody told what is in them
        parcels = Shipment.objects.filter(pk__in=ids).order_by()
        rows |= set(parcels.values_list("pk", *(f"sub_order__{name}" for name in columns)))
    against = after_sales.objections_to_parts({order_id for _row, order_id, *_part in rows})
    found: dict[int, list[str | _StrPromise]] = defaultdict(list)
    for row_id, order_id, part_id, asked_at in sorted(rows, key=lambda row: row[:3]):
        both = (Part(order_id, None), Part(order_id, part_id))
        reasons = [objection.label for part in both for objection in against.get(part, ())]
        if asked_at is not None and not reasons:
            reasons = [Obstacle.CANCELLING.label]
        found[row_id] += [reason for reason in reasons if reason not in found[row_id]]
    return found
