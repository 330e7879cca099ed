"""A station with couriers, and parcels that it brings."""

from datetime import UTC, date, datetime, time
from typing import Any

from django.utils import timezone

from logistics.carriers import choosing, dispatching, tracking
from logistics.models import Carrier, Courier, CourierParcel, Shipment, Station, Stop, Vehicle
from oms.common.models import Connection, SystemKind
from oms.common.zones import CHINA
from orders.models import Order
from tests import factories, steps

# Eight in the morning in China, on the day that plans are for.
MORNING = datetime(2026, 1, 5, 0, tzinfo=UTC)
DAY = date(2026, 1, 5)


def open_station(**changes: Any) -> Station:
    """A station in Beijing, the account of own couriers, and the only carrier there is."""
    link, _is_new = Connection.objects.get_or_create(
        code="own", defaults={"name": "own", "kind": SystemKind.CARRIER, "protocol": "courier"}
    )
    Carrier.objects.get_or_create(
        code="OWN", defaults={"name": "自营配送", "connection": link, "carrier_class": "own", "priority": 1}
    )
    values = {"code": "BJ1", "name": "东城站", "regions": ["1101"], "longitude": 116.41, "latitude": 39.91}
    return Station.objects.create(**{"connection": link, **values, **changes})


def hire(station: Station, name: str = "王师傅", *, grams: int = 100_000, **changes: Any) -> Courier:
    """A courier with a vehicle."""
    skills = changes.pop("vehicle_skills", ["cold", "bulky"])
    vehicle = Vehicle.objects.create(
        station=station, plate=f"京A{Vehicle.objects.count()}", capacity_g=grams, capacity_cm3=10_000_000, skills=skills
    )
    values = {"phone": "13900002222", "starts": time(8), "ends": time(20), "skills": ["cod"], **changes}
    return Courier.objects.create(station=station, name=name, vehicle=vehicle, **values)


def parcel_of(order: Order) -> CourierParcel:
    """The order's parcel, gone from its warehouse by own couriers."""
    sub_order = steps.released(order)
    steps.warehouse_says(sub_order, "packed")
    factories.run(choosing.run, dispatching.run)
    steps.warehouse_says(sub_order, "shipped")
    return CourierParcel.objects.get(shipment__sub_order=sub_order)


def state(parcel: CourierParcel) -> str:
    """Where the parcel is, once what was told is worked off."""
    factories.run(tracking.run)
    return Shipment.objects.get(pk=parcel.shipment_id).state


def in_force(parcel: CourierParcel) -> Stop | None:
    """The stop by which the parcel is brought."""
    return Stop.objects.filter(parcel=parcel, is_in_force=True).first()


def today() -> date:
    """The day in China."""
    return timezone.now().astimezone(CHINA).date()
