"""Scan to check (验货): each unit is scanned into its parcel, then the parcel is weighed, and is packed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inventory.models import SkuBarcode
from inventory.models.serials import MOST_OF_A_SERIAL
from logistics.floor.gathering import end_waves
from logistics.floor.telling import Told, tell
from logistics.floor.trouble import (
    SHORT,
    WEIGHT,
    ExtraUnit,
    NotNow,
    NotOnTheFloor,
    SerialsMissing,
    UnitsMissing,
    WeightDiffers,
    WrongSerial,
    WrongUnit,
)
from logistics.models import DropReason, PickTask, PickTaskLine
from logistics.printing import choosing
from logistics.warehouses import serials
from logistics.warehouses.notices import Notice
from oms.common import tickets
from oms.common.copying import array

MOST_UNITS_OF_A_SCAN = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line of the parcel: what it wants, how much of it was scanned, and the serial numbers of those units, where the
    SKU has such numbers."""

    line: str
    sku_id: int
    code: str
    name: str
    bin: str
    quantity: int
    scanned: int
    wants_serials: bool = False
    serials: Sequence[str] = ()

    @property
    def serials_missing(self) -> int:
        """Scanned units whose serial numbers were not scanned yet."""
        return self.scanned - len(self.serials) if self.wants_serials else 0

    @property
    def missing(self) -> int:
        """Units that were not scanned yet."""
        return self.quantity - self.scanned


def find(number: str) -> int:
    """The task (id) of a warehouse order, sub-order, parcel or waybill number. Raises NotOnTheFloor."""
    number = number.strip().upper()
    named = Q(warehouse_order__number=number) | Q(warehouse_order__shipments__waybill_number=number)
    named |= Q(warehouse_order__shipments__number=number)
    named |= Q(warehouse_order__lines__sub_order_line__sub_order__number=number)
    # A sub-order that was sent a second time has a second task: the newest is the one on the floor.
    task_id = PickTask.objects.filter(named).order_by("-pk").values_list("pk", flat=True).first() if number else None
    if task_id is None:
        raise NotOnTheFloor(_("Nothing on the floor has the number %(number)s.") % {"number": number}, attr="number")
    return task_id


def wanted(task_id: int) -> list[Wanted]:
    """The lines of a task that is being checked, by bin."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.id::text, k.id, k.code, ol.name, coalesce(b.bin, ''), p.quantity, p.scanned,
                k.wants_serials, p.serials
            FROM logistics_picktaskline p JOIN logistics_picktask t ON t.id = p.task_id
            JOIN logistics_warehouseorder w ON w.id = t.warehouse_order_id
            JOIN orders_suborderline l ON l.id = p.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            LEFT JOIN inventory_stock b ON b.warehouse_id = w.warehouse_id AND b.sku_id = k.id
            WHERE p.task_id = %s ORDER BY coalesce(b.bin, ''), k.code, l.id
            """,
            [task_id],
        )
        return [Wanted(*row) for row in cursor.fetchall()]


def _lock(task_id: int) -> PickTask:
    """The task, locked, with its warehouse order. Raises DoesNotExist, and NotNow where something speaks against it."""
    task = (
        PickTask.objects.select_for_update(no_key=True, of=("self",)).select_related("warehouse_order").get(pk=task_id)
    )
    work = task.warehouse_order
    reasons = [str(reason) for reason in choosing.objections_to_works([work.pk]).get(work.pk, ())]
    if task.dropped_at is not None or not work.is_current:
        reasons = [_("It is not wanted any more.")]
    elif work.stop_requested_at is not None and work.stop_answered_at is None:
        reasons = [str(choosing.Obstacle.STOPPED.label)]
    elif task.checked_at is not None:
        reasons = [_("It is checked already.")]
    if reasons:
        raise NotNow(_("Put %(number)s aside: %(why)s") % {"number": work.number, "why": " ".join(reasons)})
    return task


@transaction.atomic
def begin(number: str, *, by: str) -> int:
    """Take the parcel of that number in hand; returns its task (id). What was scanned before stays scanned.

    Raises NotOnTheFloor, and NotNow where it must not be packed: held, being cancelled, coming back, refunded.
    """
    task = _lock(find(number))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_picktaskline (task_id, sub_order_line_id, quantity)
            SELECT %s, sub_order_line_id, quantity FROM logistics_warehouseorderline WHERE warehouse_order_id = %s
            ON CONFLICT DO NOTHING
            """,
            [task.pk, task.warehouse_order_id],
        )
    PickTask.objects.filter(pk=task.pk).update(
        checking_by=by[:80], checking_since=task.checking_since or timezone.now()
    )
    return task.pk


@transaction.atomic
def scan(task_id: int, code: str) -> Wanted:
    """Put a unit of the scanned code (of a SKU, or a barcode) into the parcel; `5*CODE` is five. After a unit that has
    a serial number, that number is scanned. Returns its line.

    Raises WrongUnit, ExtraUnit, SerialsMissing and WrongSerial, and NotNow where the parcel must not be packed.
    """
    task = _lock(task_id)
    lines = wanted(task_id)
    waiting = next((line for line in lines if line.serials_missing), None)
    if waiting is not None:
        return _scan_serial(task, lines, waiting, code.strip())
    units, code = _units(code.strip())
    fitting = _fitting(lines, code)
    if not fitting:
        raise WrongUnit(_("%(code)s does not belong in this parcel.") % {"code": code}, attr="code")
    if sum(line.missing for line in fitting) < units:
        raise ExtraUnit(
            _("Too many of %(name)s: the parcel wants %(units)s in all.")
            % {"name": fitting[0].name, "units": sum(line.quantity for line in fitting)},
            attr="code",
        )
    left = units
    for line in fitting:
        taken = min(line.missing, left)
        if taken:
            PickTaskLine.objects.filter(task=task_id, sub_order_line=int(line.line)).update(
                scanned=line.scanned + taken
            )
            left -= taken
    return next(line for line in fitting if line.missing)


def _fitting(lines: Sequence[Wanted], code: str) -> list[Wanted]:
    """The lines whose SKU has that code or barcode."""
    skus = {line.sku_id for line in lines if line.code.upper() == code.upper()}
    skus |= set(
        SkuBarcode.objects.filter(code=code, sku__in={line.sku_id for line in lines}).values_list("sku", flat=True)
    )
    return [line for line in lines if line.sku_id in skus]


def _scan_serial(task: PickTask, lines: Sequence[Wanted], line: Wanted, serial: str) -> Wanted:
    """Note the serial number of the unit that was scanned last."""
    if not serial or len(serial) > MOST_OF_A_SERIAL:
        text = _("A serial number has 1 to %(most)d characters.")
        raise WrongSerial(text % {"most": MOST_OF_A_SERIAL}, attr="code")
    if _fitting(lines, _units(serial)[1]):
        raise SerialsMissing(_("Scan the serial number of %(name)s first.") % {"name": line.name}, attr="code")
    if any(serial in other.serials for other in lines if other.sku_id == line.sku_id):
        raise WrongSerial(_("%(serial)s was scanned before.") % {"serial": serial}, attr="code")
    elsewhere = serials.taken([(line.sku_id, serial)], but=[task.warehouse_order_id])
    if number := elsewhere.get((line.sku_id, serial)):
        text = _("%(serial)s is the unit of another parcel, %(number)s.")
        raise WrongSerial(text % {"serial": serial, "number": number}, attr="code")
    if strange := serials.stranger(task.warehouse_order.warehouse_id, line.sku_id, serial):
        text = _("%(serial)s never came to this warehouse.")
        if strange.elsewhere:
            text = _("%(serial)s came to %(warehouse)s, and not here since.")
        text += " " + _("Scan the number on the unit again. If it is right, put the unit aside and take another.")
        raise WrongSerial(text % {"serial": serial, "warehouse": strange.elsewhere}, attr="code")
    PickTaskLine.objects.filter(task=task, sub_order_line=int(line.line)).update(serials=[*line.serials, serial])
    return line


def _units(code: str) -> tuple[int, str]:
    count, star, rest = code.partition("*")
    if star and rest and count.isascii() and count.isdigit() and 0 < int(count[:6]) <= MOST_UNITS_OF_A_SCAN:
        return int(count), rest
    return 1, code


@transaction.atomic
def empty(task_id: int) -> None:
    """Begin the check of a parcel anew: nothing of it counts as scanned."""
    _lock(task_id)
    PickTaskLine.objects.filter(task=task_id).update(scanned=0, serials=[])


@transaction.atomic
def finish(task_id: int, *, weight_g: int | None, is_short: bool = False, weight_is_right: bool = False) -> PickTask:
    """The parcel is packed with what was scanned, and weighs `weight_g` grams (None: not weighed). Of which nothing was
    found, the warehouse refuses.

    Raises SerialsMissing; UnitsMissing unless all was scanned or `is_short`; WeightDiffers where the weight is off and
    nobody says that it `weight_is_right`; and NotNow. A ticket is opened on what is missing, and on a weight that is
    off.
    """
    task = _lock(task_id)
    lines = wanted(task_id)
    missing = [line for line in lines if line.missing]
    if unnamed := next((line for line in lines if line.serials_missing), None):
        raise SerialsMissing(_("Scan the serial number of %(name)s first.") % {"name": unnamed.name})
    if not lines or (missing and not is_short):
        raise UnitsMissing(_missing_words(sum(line.missing for line in missing)))
    expected = expected_weight(lines)
    is_off = weight_g is not None and expected is not None and is_too_far(weight_g, expected)
    packs_something = any(line.scanned for line in lines)
    if packs_something and is_off and not weight_is_right:
        raise WeightDiffers(
            _("It weighs %(weight)s g; its goods should weigh %(expected)s g. Open it and look.")
            % {"weight": weight_g, "expected": expected},
            attr="weight_g",
        )
    work = task.warehouse_order
    if missing:
        values = {"number": work.number, "units": sum(line.missing for line in missing)}
        values["skus"] = ", ".join(sorted({line.code for line in missing})[:10])
        tickets.open_tickets(SHORT, [tickets.Trouble(work.pk, "", values, about_id=work.sub_order.order_id)])
        tell([Told(work.connection_id, work.number, Notice.LACKING, _lacks(missing))])
    changes: dict[str, Any] = {"is_short": bool(missing)}
    if not packs_something:
        changes |= {"dropped_at": timezone.now(), "dropped_why": DropReason.MISSING}
        tell([Told(work.connection_id, work.number, Notice.REFUSED, {"text": "goods are missing"})])
    else:
        changes |= {"checked_at": timezone.now(), "weight_g": weight_g, "expected_g": expected}
        if is_off:
            values = {"number": work.number, "weight": weight_g, "expected": expected}
            tickets.open_tickets(WEIGHT, [tickets.Trouble(work.pk, "", values, about_id=work.sub_order.order_id)])
        tell([Told(work.connection_id, work.number, Notice.PACKED, packed(lines, weight_g or 0))])
    for name, value in changes.items():
        setattr(task, name, value)
    task.save(update_fields=list(changes))
    end_waves()
    return task


def _missing_words(units: int) -> str:
    return ngettext("%(units)s unit was not scanned.", "%(units)s units were not scanned.", units) % {"units": units}


def _lacks(missing: Sequence[Wanted]) -> dict[str, Any]:
    """What was not found, as a warehouse's notice says it: nobody else is to be promised it before somebody counted."""
    units: dict[str, int] = {}
    for line in missing:
        units[line.code] = units.get(line.code, 0) + line.missing
    return {"lacks": [{"sku": code, "quantity": some, "is_physical": True} for code, some in units.items()]}


def packed(lines: Sequence[Wanted], weight_g: int = 0) -> dict[str, Any]:
    """What is in the parcel, as a warehouse's notice says it."""
    return {
        "weight_g": weight_g,
        "lines": [
            {"line": line.line, "quantity": line.scanned} | ({"serials": list(line.serials)} if line.serials else {})
            for line in lines
            if line.scanned
        ],
    }


def expected_weight(lines: Sequence[Wanted]) -> int | None:
    """What the scanned units and the packaging weigh together, in grams; None where a SKU's weight is not known."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, weight_g FROM inventory_sku WHERE id = ANY(%s::bigint[])", [array({x.sku_id for x in lines})]
        )
        weights = dict(cursor.fetchall())
    goods = [(weights[line.sku_id], line.scanned) for line in lines if line.scanned]
    if not all(weight for weight, _units in goods):
        return None
    return sum(weight * units for weight, units in goods) + settings.PACKAGING_GRAMS


def is_too_far(weight_g: int, expected_g: int) -> bool:
    """Whether a parcel's weight is off by more than both the share and the grams that are allowed."""
    limit = max(settings.WEIGHT_TOLERANCE_GRAMS, expected_g * settings.WEIGHT_TOLERANCE_PERCENT / 100)
    return abs(weight_g - expected_g) > limit
