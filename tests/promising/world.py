"""A row of every table that promises are made of."""

from datetime import date, time

from inventory.models import (
    AppointmentSlot,
    CalendarDay,
    CapacityBucket,
    CapacityDemand,
    CarrierService,
    Cutoff,
    FreightRate,
    FreightSurcharge,
    Lane,
    RemoteArea,
    ServiceLevel,
    Suspension,
    Warehouse,
    WorkSchedule,
)
from inventory.promising import capacity
from inventory.promising.capacity import Place, Room


def populate(warehouse: Warehouse) -> None:
    """Fill the tables so that the standard level reaches Beijing from a warehouse there."""
    level = ServiceLevel.objects.create(code="STANDARD", name="标准配送", cutoff=time(23), deliver_by=time(23))
    Cutoff.objects.create(warehouse=warehouse, level=level, cutoff=time(22))
    WorkSchedule.objects.create(warehouse=warehouse)
    for month, day, name in ((1, 1, "元旦"), (4, 6, "清明节"), (5, 1, "劳动节"), (10, 1, "国庆节")):
        CalendarDay.objects.create(day=date(2026, month, day), kind="holiday", name=name, basis="notice")
    Suspension.objects.create(area="54", starts_on=date(2026, 2, 1), ends_on=date(2026, 2, 2), reason="大雪")
    days = {f"{speed}_days_{share}": 2 for speed in ("premium", "economy") for share in ("p50", "p95")}
    Lane.objects.create(origin="11", destination="11", road_km=150, zone=1, **days)
    RemoteArea.objects.create(area="5401", extra_days=2, surcharge=3)
    CarrierService.objects.create(
        carrier="SF", service="premium", volumetric_divisor=6000, round_up_kg=1, max_kg=50, max_side_cm=100
    )
    FreightRate.objects.create(service="premium", zone=1, first_kg=1, first_fee=12, step_kg=1, step_fee=2)
    FreightSurcharge.objects.create(kind="cod", amount=3)
    slot = AppointmentSlot.objects.create(name="上午", starts_at=540, ends_at=900, capacity=5)
    room = Room(warehouse.pk, date(2026, 11, 27), 5, slot.pk)
    capacity.take([Place(1, room)], kind=CapacityDemand.ORDER)
    assert CapacityBucket.objects.get().left == 4
