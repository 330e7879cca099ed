"""Handing checked parcels to their carriers: the moment at which they leave the warehouse."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.carriers.adapters import sandbox
from logistics.floor import checking
from logistics.floor.telling import Told, tell
from logistics.floor.trouble import NotOnTheFloor
from logistics.models import PickTask, Shipment, ShipmentState
from logistics.printing import choosing
from logistics.warehouses.notices import Notice

MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a scanned number; `why` it was not handed over, else empty."""

    number: str
    why: str = ""


@transaction.atomic
def hand_over(numbers: Sequence[str]) -> list[Row]:
    """Give the parcels of these numbers (waybills, or warehouse orders) to the carrier. One result for each number, in
    their order; what cannot go stays, with the reason."""
    rows: list[Row] = []
    tasks: dict[int, str] = {}
    for number in numbers[:MOST_AT_ONCE]:
        try:
            task_id = checking.find(number)
        except NotOnTheFloor as refusal:
            rows.append(Row(number, str(refusal)))
            continue
        if task_id in tasks:
            rows.append(Row(number, _("It is in the list twice.")))
        else:
            tasks[task_id] = number
            rows.append(Row(number))
    against = _obstacles(list(tasks))
    _write([task_id for task_id in tasks if task_id not in against])
    why = {number: against[task_id] for task_id, number in tasks.items() if task_id in against}
    return [Row(row.number, row.why or why.get(row.number, "")) for row in rows]


def _obstacles(task_ids: Sequence[int]) -> dict[int, str]:
    """Why tasks must not go, by id; those that may are locked."""
    locked = PickTask.objects.select_for_update(no_key=True, of=("self",)).select_related("warehouse_order")
    tasks = list(locked.filter(pk__in=task_ids).order_by("pk"))
    works = [task.warehouse_order_id for task in tasks]
    against = choosing.objections_to_works(works)
    parcels = Shipment.objects.filter(warehouse_order__in=works).exclude(state=ShipmentState.CANCELLED)
    labelled: dict[int, list[bool]] = {}
    for work_id, state in parcels.order_by().values_list("warehouse_order_id", "state"):
        labelled.setdefault(work_id or 0, []).append(state != ShipmentState.CREATED)
    found: dict[int, str] = {}
    for task in tasks:
        work = task.warehouse_order
        if task.dropped_at is not None or not work.is_current:
            found[task.pk] = _("It is not wanted any more: put its goods back.")
        elif task.handed_over_at is not None:
            found[task.pk] = _("It was handed over already.")
        elif task.checked_at is None:
            found[task.pk] = _("It is not checked yet.")
        elif work.stop_requested_at is not None and work.stop_answered_at is None:
            found[task.pk] = str(choosing.Obstacle.STOPPED.label)
        elif work.pk in against:
            found[task.pk] = " ".join(str(reason) for reason in against[work.pk])
        elif not all(labelled.get(work.pk, [False])):
            found[task.pk] = str(choosing.Obstacle.NO_WAYBILL.label)
    return found


def _write(task_ids: Sequence[int]) -> None:
    tasks = PickTask.objects.filter(pk__in=task_ids).select_related("warehouse_order").order_by("pk")
    short = {task.pk: _short_report(task) for task in tasks if task.is_short}
    tell(
        [
            Told(
                task.warehouse_order.connection_id, task.warehouse_order.number, Notice.SHIPPED, short.get(task.pk, {})
            )
            for task in tasks
        ]
    )
    PickTask.objects.filter(pk__in=task_ids).update(handed_over_at=timezone.now())
    sandbox.handed_over([task.warehouse_order_id for task in tasks])


def _short_report(task: PickTask) -> dict[str, object]:
    """Of a parcel with too little in it the warehouse says what is in it."""
    parcel = (
        Shipment.objects.filter(warehouse_order=task.warehouse_order_id, waybill_number__isnull=False)
        .exclude(state=ShipmentState.CANCELLED)
        .select_related("carrier")
        .order_by("pk")
        .first()
    )
    report: dict[str, object] = dict(checking.packed(checking.wanted(task.pk), task.weight_g or 0))
    if parcel is not None:
        report |= {"waybill": parcel.waybill_number, "carrier": parcel.carrier.code if parcel.carrier else ""}
    return report
