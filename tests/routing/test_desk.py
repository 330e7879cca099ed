"""The staff's pages of own couriers."""

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone

from logistics.models import CourierParcel, DoorReport, PlanState, RoutePlan, Stop, Tour
from logistics.routing import jobs, planning
from oms.common.models import Job
from oms.common.work import jobs as all_jobs
from oms.management.commands.check_invariants import ALL
from tests import factories, steps
from tests.admin.conftest import boss, client_of  # noqa: F401 - a member of staff
from tests.invariants import check
from tests.routing.helpers import DAY, MORNING, hire, open_station, parcel_of, state

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _morning(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    with time_machine.travel(MORNING, tick=True):
        yield


@pytest.fixture
def station(shop):
    return open_station()


def planned(shop, station, count: int = 2) -> RoutePlan:  # type: ignore[no-untyped-def]
    for _ in range(count):
        parcel_of(shop.place_order(payment_method="cod"))
    return planning.make(station.pk, DAY, by="li")


def test_a_day_is_planned_and_published_by_buttons(shop, station, boss):  # noqa: F811
    hire(station)
    parcel_of(shop.place_order(payment_method="cod"))

    made = boss.post(f"/admin/logistics/station/{station.pk}/plan/", {"day": "2026-01-05"})
    plan = RoutePlan.objects.get()
    assert made.url == f"/admin/logistics/routeplan/{plan.pk}/change/"
    page = boss.get(made.url).content.decode()
    assert "Publish" in page
    assert "王师傅" in page
    boss.post(f"/admin/logistics/routeplan/{plan.pk}/publish/", {"version": plan.version})

    assert RoutePlan.objects.get().state == PlanState.PUBLISHED
    assert Stop.objects.get().is_in_force


def test_a_stale_page_publishes_nothing(shop, station, boss):  # noqa: F811
    hire(station)
    plan = planned(shop, station)
    stop = Stop.objects.filter(plan=plan).first()
    boss.post(f"/admin/logistics/routeplan/{plan.pk}/stops/", {"stop": stop.pk, "what": "lock"})

    shown = boss.post(f"/admin/logistics/routeplan/{plan.pk}/publish/", {"version": plan.version}, follow=True)

    assert "changed meanwhile" in shown.content.decode()
    assert RoutePlan.objects.get().state == PlanState.DRAFT


def test_stops_are_moved_by_a_form(shop, station, boss):  # noqa: F811
    hire(station)
    other = hire(station, "李师傅")
    plan = planned(shop, station)
    stop = Stop.objects.filter(plan=plan).order_by("pk").first()
    page = f"/admin/logistics/routeplan/{plan.pk}/stops/"

    boss.post(page, {"stop": stop.pk, "what": "move", "courier": other.pk, "position": 1})
    moved = Stop.objects.get(pk=stop.pk)
    assert (moved.tour.courier, moved.position, moved.is_locked) == (other, 1, True)
    boss.post(page, {"stop": stop.pk, "what": "unlock"})
    assert not Stop.objects.get(pk=stop.pk).is_locked
    nobody = boss.post(page, {"stop": stop.pk, "what": "move"}, follow=True).content.decode()
    assert "Choose a courier" in nobody
    assert boss.post(page, {"stop": stop.pk + 1000, "what": "lock"}).status_code == 404


def test_the_plans_page_takes_as_many_statements_for_many_stops(shop, station, boss, django_assert_max_num_queries):  # noqa: F811
    hire(station)
    plan = planned(shop, station, 4)
    page = f"/admin/logistics/routeplan/{plan.pk}/change/"
    boss.get(page)

    with django_assert_max_num_queries(12):
        boss.get(page)


def test_route_sheets_are_printed(shop, station, boss):  # noqa: F811
    import pypdfium2

    hire(station)
    plan = planned(shop, station)

    answer = boss.get(f"/admin/logistics/routeplan/{plan.pk}/sheets.pdf")

    text = pypdfium2.PdfDocument(answer.content)[0].get_textpage().get_text_range()
    assert "王师傅" in text
    assert "中山路861号13栋837室" in text.replace("\r\n", "")
    assert Stop.objects.first().parcel.waybill in text.replace("\r\n", "")


def test_stops_are_exported_masked(shop, station, boss):  # noqa: F811
    hire(station)
    plan = planned(shop, station)

    boss.post(f"/admin/logistics/routeplan/export/?id__exact={plan.pk}", {"form": "csv"})
    factories.run(all_jobs.run)

    content = Job.objects.get().result.read().decode("utf-8-sig")
    assert "138****1111" in content
    assert "13800001111" not in content
    assert len(content.splitlines()) == 3


def test_a_long_day_is_planned_as_a_job(shop, station, boss, monkeypatch):  # noqa: F811
    hire(station)
    parcel_of(shop.place_order(payment_method="cod"))
    monkeypatch.setattr(jobs, "MOST_AT_ONCE", 0)

    asked = boss.post(f"/admin/logistics/station/{station.pk}/plan/", {"day": "2026-01-05"})
    assert "/common/job/" in asked.url
    factories.run(all_jobs.run)

    assert Job.objects.get().state == "succeeded"
    assert RoutePlan.objects.get().figures["served"] == 1


def test_a_day_that_is_over_is_refused_at_once_however_long(shop, station, boss, monkeypatch):  # noqa: F811
    hire(station)
    parcel_of(shop.place_order(payment_method="cod"))
    monkeypatch.setattr(jobs, "MOST_AT_ONCE", 0)

    for day, words in (("2026-01-04", "That day is over."), ("9999-12-31", "Plan at most 60 days ahead.")):
        shown = boss.post(f"/admin/logistics/station/{station.pk}/plan/", {"day": day}, follow=True)
        assert words in shown.content.decode()
    assert not Job.objects.exists()


def test_parcels_are_scanned_with_a_result_each(shop, station, boss):  # noqa: F811
    parcel = parcel_of(shop.place_order(payment_method="cod"))
    page = f"/admin/logistics/station/{station.pk}/scanning/"

    shown = boss.post(page, {"what": "arrived", "waybills": f"{parcel.waybill}\nZP9"}).content.decode()

    assert "One parcel is told of" in shown
    assert "no parcel with this waybill" in shown
    assert state(parcel) == "in_transit"


def test_a_link_is_shown_once_and_opens_the_page(station, boss):  # noqa: F811
    courier = hire(station)

    shown = boss.post(f"/admin/logistics/courier/{courier.pk}/link/").content.decode()

    address = shown.split('<code class="oms-code">')[1].split("<")[0]
    pin = shown.split('<code class="oms-code">')[2].split("<")[0]
    path = "/courier/" + address.split("/courier/")[1]
    assert Client().post(path, {"pin": pin}).status_code == 302


def test_a_door_is_put_on_the_map(shop, station, boss):  # noqa: F811
    parcel = parcel_of(shop.place_order(payment_method="cod"))

    boss.post(f"/admin/logistics/courierparcel/{parcel.pk}/door/", {"longitude": "116.5", "latitude": "39.95"})

    parcel.refresh_from_db()
    assert (parcel.longitude, parcel.latitude, parcel.is_exact) == (116.5, 39.95, True)


def test_areas_and_vehicles_that_cannot_be_are_refused(shop, station, boss):  # noqa: F811
    other = open_station(code="X")
    courier = hire(station)
    fields = {"code": "Y", "name": "Y", "connection": station.connection_id, "longitude": 1, "latitude": 1}
    more = {"km_an_hour": 25, "detour_percent": 135, "service_seconds": 300, "is_active": "on"}

    area = boss.post("/admin/logistics/station/add/", {**fields, **more, "regions": "99,1101"}).content.decode()
    assert "No region begins with 99" in area
    changed = {"station": other.pk, "name": "x", "phone": "1", "vehicle": courier.vehicle_id}
    page = f"/admin/logistics/courier/{courier.pk}/change/"
    shown = boss.post(page, {**changed, "starts": "08:00", "ends": "20:00"}).content.decode()
    assert "belongs to another station" in shown


def test_photos_are_for_those_who_may_see_reports(shop, station, boss):  # noqa: F811
    parcel, courier = parcel_of(shop.place_order(payment_method="cod")), hire(station)
    report = DoorReport(parcel=parcel, courier=courier, day=DAY, key="k", outcome="missed", said_at=timezone.now())
    report.photo.save(".png", ContentFile(b"\x89PNG\r\n\x1a\nx"))
    page = f"/admin/logistics/doorreport/{report.pk}/photo/"

    answer = boss.get(page)
    assert (b"".join(answer.streaming_content), answer["Content-Type"]) == (b"\x89PNG\r\n\x1a\nx", "image/png")
    assert client_of("view_order").get(page).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "station/{station}/plan/"),
        ("get", "station/{station}/scanning/"),
        ("post", "station/{station}/scanning/"),
        ("post", "routeplan/{plan}/publish/"),
        ("post", "routeplan/{plan}/stops/"),
        ("get", "routeplan/{plan}/sheets.pdf"),
        ("post", "courier/{courier}/link/"),
    ],
)
def test_who_may_only_look_changes_nothing(shop, station, method, path):
    courier = hire(station)
    plan = planned(shop, station)
    looker = client_of("view_routeplan", "view_station", "view_courier", "view_courierparcel")
    address = path.format(station=station.pk, plan=plan.pk, courier=courier.pk)
    data = {"version": plan.version, "stop": Stop.objects.first().pk, "what": "lock", "day": "2026-01-05"}

    assert getattr(looker, method)(f"/admin/logistics/{address}", data).status_code == 403

    assert RoutePlan.objects.get() == plan
    assert RoutePlan.objects.get().version == plan.version


def _in_two_tours(stop: Stop) -> None:
    """Somebody went out with it by a plan that was superseded, and another one is to bring it."""
    former, other = stop.plan, hire(stop.plan.station, "李师傅")
    RoutePlan.objects.filter(pk=former.pk).update(state="superseded", published_at=MORNING, published_by="x")
    Tour.objects.filter(pk=stop.tour_id).update(gone_at=MORNING)
    plan = RoutePlan.objects.create(station=former.station, day=DAY, number=2, planner="vroom", made_by="x")
    RoutePlan.objects.filter(pk=plan.pk).update(state="published", published_at=MORNING, published_by="x")
    tour = Tour.objects.create(
        plan=plan, courier=other, vehicle=other.vehicle, starts_at=MORNING, ends_at=MORNING, metres=1
    )
    times = {"arrives_at": MORNING, "begins_at": MORNING, "leaves_at": MORNING}
    Stop.objects.create(plan=plan, parcel=stop.parcel, tour=tour, position=1, is_in_force=True, **times)


_BREAKS = {
    "stops_in_force_are_of_published_plans": lambda stop: Stop.objects.filter(pk=stop.pk).update(is_in_force=True),
    "nobody_sets_out_with_what_was_asked_back": lambda stop: (
        Stop.objects.filter(pk=stop.pk).update(is_in_force=True),
        CourierParcel.objects.filter(pk=stop.parcel_id).update(recalled_at=MORNING),
    ),
    "stops_are_of_the_plan_of_their_tour": lambda stop: Stop.objects.filter(pk=stop.pk).update(
        plan=RoutePlan.objects.create(station=stop.plan.station, day=DAY, number=9, planner="vroom", made_by="x")
    ),
    "reports_from_the_door_are_told": lambda stop: DoorReport.objects.create(
        parcel=stop.parcel, courier=stop.tour.courier, day=DAY, key="k", outcome="missed", said_at=MORNING
    ),
    "cash_taken_at_the_door_is_what_was_due": lambda stop: DoorReport.objects.create(
        parcel=stop.parcel,
        courier=stop.tour.courier,
        day=DAY,
        key="k",
        outcome="signed",
        signed_by="x",
        said_at=MORNING,
    ),
    "what_is_out_stays_with_its_courier": lambda stop: _in_two_tours(stop),
    "waybills_of_own_couriers_are_theirs": lambda stop: CourierParcel.objects.filter(pk=stop.parcel_id).update(
        waybill="ZPX"
    ),
}


@pytest.mark.parametrize("broken", _BREAKS)
def test_what_does_not_hold_is_named(shop, station, broken):
    hire(station)
    stop = Stop.objects.get(plan=planned(shop, station, 1))
    with steps.without_guards():
        if broken == "stops_are_of_the_plan_of_their_tour":
            RoutePlan.objects.filter(pk=stop.plan_id).update(state=PlanState.DISCARDED)
        _BREAKS[broken](stop)

    found = {finding.invariant.name: finding.examples for finding in check(ALL)}

    assert stop.parcel.shipment.number in found[broken][0]
