"""What is left of a day's shifts: planned while it reaches a door; after that the next shift is named. Doors of which
only the county is known."""

from datetime import time, timedelta

import pytest
import time_machine

from logistics.models import RoutePlan, Station, Stop, Tour, Unserved
from logistics.models.routing import Planner
from logistics.routing import planning
from logistics.routing.trouble import CannotPlan
from oms.common.zones import CHINA
from tests.routing.helpers import DAY, MORNING, hire, open_station, parcel_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture(autouse=True)
def _morning():
    with time_machine.travel(MORNING, tick=True):
        yield


@pytest.fixture
def station(shop):
    return open_station()


def test_what_is_left_of_the_shifts_is_planned_and_once_nothing_is_the_next_day_is_named(shop, station):
    hire(station, ends=time(18))
    hire(station, "李师傅", starts=time(9), ends=time(17))
    parcel = parcel_of(shop.place_order(payment_method="cod"))
    with time_machine.travel(MORNING + timedelta(hours=8), tick=True):  # four in the afternoon
        plan = planning.make(station.pk, DAY, by="li")
        assert Stop.objects.get(plan=plan, parcel=parcel).begins_at.astimezone(CHINA).hour >= 16
    for model in (Stop, Tour, RoutePlan):
        model.objects.all().delete()
    for minutes in (-3, 60):  # too late to be back, and over
        with time_machine.travel(MORNING + timedelta(hours=10, minutes=minutes), tick=True):
            assert planning.make_what_is_missing() == 0
            with pytest.raises(CannotPlan, match=r"end at 18:00\. Plan 2026-01-06: the first shift begins at 08:00"):
                planning.make(station.pk, DAY, by="li")
            tomorrow = planning.make(station.pk, DAY + timedelta(days=1), by="li")
            assert Stop.objects.get(plan=tomorrow, parcel=parcel).tour is not None


def test_what_no_shift_reaches_is_drafted_with_its_reason_at_any_hour(shop, station):
    hire(station, starts=time(18), ends=time(18, 30))
    Station.objects.update(service_seconds=3600)
    parcel_of(shop.place_order(payment_method="cod"))

    with time_machine.travel(MORNING + timedelta(hours=10, minutes=10), tick=True):
        planning.make(station.pk, DAY, by="li")

    assert Stop.objects.get().why == Unserved.WINDOW


@pytest.mark.parametrize("planner", Planner)
def test_parcels_for_one_door_go_one_after_the_other_where_only_the_county_is_known(shop, station, planner):
    hire(station)
    doors = {}
    for number in range(8):
        address = f"建设路{number % 2 + 1}号"
        recipient = {"name": "张华", "phone": "13800001111", "region_code": "110101", "address": address}
        doors[parcel_of(shop.place_order(payment_method="cod", recipient=recipient)).pk] = address

    plan = planning.make(station.pk, DAY, by="li", planner=planner)

    found = [doors[stop.parcel_id] for stop in Stop.objects.filter(plan=plan).order_by("position")]
    assert found in (sorted(found), sorted(found, reverse=True))
