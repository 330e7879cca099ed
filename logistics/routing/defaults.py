"""A station of the sample, so that a newcomer sees a plan: own couriers bring what goes to the middle of 重庆."""

from datetime import time

from logistics.models import Carrier, CarrierRule, Courier, Skill, Station, Vehicle
from oms.common.models import Connection, SystemKind
from orders.models.terms import CarrierClass

CODE = "OWN"
_CENTRE = ("500103", "500104", "500105", "500106", "500107", "500108", "500109", "500112", "500113")


def install_sample_station() -> None:
    """Own couriers with one station, two couriers and a rule that gives them their area; does nothing where there is a
    station."""
    if Station.objects.exists():
        return
    link, _is_new = Connection.objects.get_or_create(
        code="own-couriers", defaults={"name": "自营配送", "kind": SystemKind.CARRIER, "protocol": "courier"}
    )
    Carrier.objects.get_or_create(
        code=CODE,
        defaults={"name": "自营配送", "connection": link, "carrier_class": CarrierClass.OWN, "priority": 60},
    )
    CarrierRule.objects.get_or_create(
        name="自营配送 Own couriers", defaults={"priority": 10, "regions": list(_CENTRE), "carriers": [CODE]}
    )
    station = Station.objects.create(
        code="CQ1",
        name="渝中站",
        connection=link,
        regions=list(_CENTRE),
        address="较场口88号",
        longitude=106.57,
        latitude=29.55,
    )
    for name, phone, plate, starts, ends in (
        ("陈师傅", "13800000001", "渝A·D0001", time(8), time(18)),
        ("刘师傅", "13800000002", "渝A·D0002", time(10), time(21)),
    ):
        vehicle = Vehicle.objects.create(
            station=station,
            plate=plate,
            capacity_g=300_000,
            capacity_cm3=2_000_000,
            skills=[Skill.COLD, Skill.BULKY],
        )
        Courier.objects.create(
            station=station, name=name, phone=phone, vehicle=vehicle, starts=starts, ends=ends, skills=[Skill.COD]
        )
