"""The tables that can be imported and exported, in the order in which they refer to each other."""

from collections.abc import Iterable
from datetime import time
from typing import Any

from django.db.models import Field

from inventory.models import (
    AppointmentSlot,
    CalendarDay,
    CarrierService,
    Cutoff,
    FreightRate,
    Lane,
    Region,
    RemoteArea,
    ServiceKind,
    ServiceLevel,
    StorageClass,
    Warehouse,
    WorkSchedule,
)
from inventory.promising import cells, naming
from inventory.promising.cells import Column
from inventory.promising.sheets import RowResult, Sheet
from oms.common.errors import FieldError

# In a level's column of the hour: as many days as the lane takes, by the hour after it (23:00 where none is said).
_LANE = "lane"
_LAST_HOUR = time(23)


def _delivery(text: str) -> dict[str, Any]:
    """`+3h` within hours, `23:00` by an hour, `lane` or `lane 21:00` by an hour of the lane's last day."""
    if text.startswith("+") and text.endswith(("h", "m")):
        unit = 60 if text.endswith("h") else 1
        return {"within_minutes": cells.whole(text[1:-1]) * unit, "deliver_by": None}
    hour = text.removeprefix(_LANE).strip()
    return {"within_minutes": None, "deliver_by": cells.clock_time(hour) if hour else _LAST_HOUR}


def _write_delivery(level: ServiceLevel) -> str:
    if level.within_minutes is not None:
        return f"+{level.within_minutes}m"
    hour = cells.write_time(level.deliver_by)
    return f"{_LANE} {hour}" if level.takes_lane_days else hour


def _area(text: str) -> str:
    """An area's digits. Raises ValueError."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return text


def _provinces() -> dict[str, str]:
    """The area of every province, by name."""
    return {name: code[:2] for name, code in Region.objects.order_by("-code").values_list("province", "code")}


def _area_column(header: str, attr: str) -> Column:
    return Column(header, attr, _area, lookup=_provinces)


_CARRIER = Column("carrier", "carrier", naming.carrier, lookup=naming.carriers)


def _apart(rows: Iterable[tuple[RowResult, Any]]) -> None:
    """Refuse slots with hours that another one of their city has, in the table or in an earlier row."""
    there = {(one.city, one.starts_at, one.ends_at): one for one in AppointmentSlot.objects.all()}
    for result, slot in rows:
        key = (slot.city, slot.starts_at, slot.ends_at)
        if (other := naming.overlapping(slot, there.values())) and key not in there:
            result.errors.append(FieldError("start", "overlaps", naming.overlap_words(other)))
        else:
            there.setdefault(key, slot)


def _row_column(name: str, model: type[Warehouse] | type[ServiceLevel]) -> Column:
    """A column that names a row by its code."""
    return Column(
        name,
        name,
        cells.nothing_else,
        lambda row: row.code,
        lookup=lambda: {row.code: row for row in model.objects.all()},
    )


def _plain(model: Any, name: str, header: str = "") -> Column:
    """A column that is read as its field says."""
    model_field: Field[Any, Any] = model._meta.get_field(name)
    return Column(header or name, name, *_codec(model_field))


def _codec(model_field: Any) -> tuple[Any, Any]:
    write: Any = lambda value: "" if value is None else str(value)  # noqa: E731 - one of several that are chosen from
    kind = model_field.get_internal_type()
    if model_field.choices and not model_field.blank:
        return cells.choice([value for value, _label in model_field.choices]), write
    if kind == "BooleanField":
        return cells.yes, cells.write_yes
    known = {
        "CharField": cells.text,
        "DateField": cells.day,
        "TimeField": cells.clock_time,
        "DecimalField": cells.number,
        "PositiveIntegerField": cells.whole,
        "PositiveSmallIntegerField": cells.whole,
    }
    read = known[kind]
    if kind == "TimeField":
        write = cells.write_time
    if model_field.null:
        return cells.optional(read), write
    # Nothing is what a new row has, such as the days of an area that is not served.
    return (
        cells.optional(read, model_field.default) if read is cells.whole and model_field.has_default() else read
    ), write


def _plains(model: Any, *names: str) -> tuple[Column, ...]:
    return tuple(_plain(model, name) for name in names)


SHEETS = (
    Sheet(
        "service-levels",
        ServiceLevel,
        (
            _plain(ServiceLevel, "code", "level"),
            *_plains(ServiceLevel, "name", "cutoff"),
            _plain(ServiceLevel, "day_offset"),
            Column("deliver_by", "within_minutes deliver_by", _delivery, _write_delivery),
            *_plains(ServiceLevel, "max_road_km", "same_city_only", "works_on_holiday", "fee"),
        ),
        ("code",),
    ),
    Sheet(
        "cut-offs",
        Cutoff,
        (
            _row_column("warehouse", Warehouse),
            _row_column("level", ServiceLevel),
            _CARRIER,
            *_plains(Cutoff, "cutoff", "is_cutoff_inclusive"),
        ),
        ("warehouse", "level", "carrier"),
    ),
    Sheet(
        "working-hours",
        WorkSchedule,
        (
            _row_column("warehouse", Warehouse),
            Column("storage_class", "storage_class", cells.choice(["", *StorageClass.values])),
            *_plains(
                WorkSchedule, "opens_at", "closes_at", "works_on_weekends", "works_on_holidays", "picking_minutes"
            ),
        ),
        ("warehouse", "storage_class"),
    ),
    Sheet(
        "calendar-cn",
        CalendarDay,
        (_plain(CalendarDay, "day", "date"), *_plains(CalendarDay, "kind", "name", "basis")),
        ("day",),
    ),
    Sheet(
        "lanes",
        Lane,
        (
            _area_column("from_province", "origin"),
            _area_column("to_province", "destination"),
            *_plains(Lane, "straight_km", "road_km", "zone"),
            *_plains(Lane, "premium_days_p50", "premium_days_p95", "economy_days_p50", "economy_days_p95"),
        ),
        ("origin", "destination"),
    ),
    Sheet(
        "remote-areas",
        RemoteArea,
        (_plain(RemoteArea, "area", "code_prefix"), *_plains(RemoteArea, "kind", "extra_days", "surcharge")),
        ("area",),
    ),
    Sheet(
        "carrier-services",
        CarrierService,
        (
            _CARRIER,
            _plain(CarrierService, "service"),
            _plain(CarrierService, "volumetric_divisor", "volumetric_divisor_cm3_per_kg"),
            *_plains(CarrierService, "round_up_kg", "max_kg", "max_side_cm"),
            _plain(CarrierService, "takes_cod", "cod"),
            *_plains(CarrierService, "works_on_holiday", "factor", "minimum_fee", "discount"),
        ),
        ("carrier", "service"),
    ),
    Sheet(
        "freight",
        FreightRate,
        (
            Column("service", "service", cells.choice(ServiceKind.values)),
            _CARRIER,
            *_plains(FreightRate, "zone", "first_kg", "first_fee", "step_kg", "step_fee"),
        ),
        ("service", "carrier", "zone"),
    ),
    Sheet(
        "slots",
        AppointmentSlot,
        (
            Column("city", "city", naming.city, lookup=naming.cities),
            _plain(AppointmentSlot, "name", "slot"),
            Column("start", "starts_at", cells.minutes, cells.write_minutes),
            Column("end", "ends_at", cells.minutes, cells.write_minutes),
            _plain(AppointmentSlot, "capacity", "capacity_per_warehouse"),
            _plain(AppointmentSlot, "fee"),
        ),
        ("city", "starts_at", "ends_at"),
        check=_apart,
    ),
)
BY_MODEL = {sheet.model: sheet for sheet in SHEETS}
