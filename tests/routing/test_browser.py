"""The courier's page on a phone, and the plan's page on a desk and a phone, in a real browser."""

from random import Random
from typing import Any

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from logistics.models import CourierParcel, DoorReport, RoutePlan, Stop
from logistics.routing import access, planning, publishing, working
from tests import factories
from tests.admin.test_browser import browser, log_in  # noqa: F401 - a fixture
from tests.routing.helpers import hire, open_station, parcel_of, state, today

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PIXEL = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
_IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def stops(transactional_db: None) -> list[Stop]:
    """A published plan of today with two couriers and some doors on the map."""
    shop = factories.make_shop()
    station = open_station()
    hire(station, starts="00:00", ends="23:59:59")
    hire(station, "李师傅", starts="00:00", ends="23:59:59", grams=2000)
    chance = Random(2)  # noqa: S311
    for _ in range(5):
        parcel = parcel_of(shop.place_order(payment_method="cod"))
        longitude, latitude = 116.4 + chance.uniform(-0.02, 0.02), 39.9 + chance.uniform(-0.02, 0.02)
        working.put_on_map(parcel.pk, longitude, latitude)
    CourierParcel.objects.filter(pk=parcel.pk).update(weight_g=10**9)
    plan = planning.make(station.pk, today(), by="li")
    publishing.publish(plan.pk, by="li")
    return list(Stop.objects.filter(is_in_force=True).select_related("tour__courier").order_by("tour", "position"))


@pytest.mark.parametrize(("language", "go"), [("en", "I set out"), ("zh-CN", "出发")])
def test_a_courier_brings_a_parcel_with_a_phone(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    stops: list[Stop],
    tmp_path: Any,
    language: str,
    go: str,
) -> None:
    courier = stops[0].tour.courier
    path, pin = access.give_link(courier.pk)
    page = browser.new_page(locale=language, viewport={"width": 390, "height": 844})
    page.goto(f"{live_server.url}{path}")
    page.fill("#pin", pin)
    page.screenshot(path=tmp_path / "pin.png")
    page.click("main form button")
    page.get_by_role("button", name=go).click()
    assert page.locator(".courier-stops li").count() == sum(stop.tour.courier == courier for stop in stops)
    assert not page.evaluate(_IS_TOO_WIDE)
    page.screenshot(path=tmp_path / "tour.png", full_page=True)

    page.fill("#waybill", stops[0].parcel.waybill)
    page.keyboard.press("Enter")
    page.fill("#signed_by", "张华")
    page.fill("#cash", "1")
    page.locator("button[value=signed]").click()
    assert "26.00" in page.locator("[role=alert]").inner_text()
    assert page.input_value("#signed_by") == "张华"
    assert not page.evaluate(_IS_TOO_WIDE)
    page.screenshot(path=tmp_path / "stop.png", full_page=True)
    page.fill("#cash", "26.00")
    page.set_input_files("#photo", {"name": "x.png", "mimeType": "image/png", "buffer": PIXEL})
    page.locator("button[value=signed]").click()

    page.locator(".courier-stops .done").first.wait_for()
    assert DoorReport.objects.get().signed_by == "张华"
    assert state(stops[0].parcel) == "signed"


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("width", [1440, 390])
def test_staff_look_at_a_plan_and_make_it_anew(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    stops: list[Stop],
    tmp_path: Any,
    language: str,
    width: int,
) -> None:
    factories.UserFactory(username="boss", is_superuser=True)
    page = browser.new_page(locale=language, viewport={"width": width, "height": 900})
    log_in(page, live_server.url)
    page.goto(f"{live_server.url}/admin/logistics/routeplan/{stops[0].plan_id}/change/")
    assert page.locator("svg.oms-routes circle").count() == 5
    assert not page.evaluate(_IS_TOO_WIDE)
    page.screenshot(path=tmp_path / "plan.png", full_page=True)

    page.locator("form[action$='/anew/'] button").click()
    page.wait_for_url("**/routeplan/*/change/")
    page.locator("form[action$='/publish/'] button").wait_for()
    page.screenshot(path=tmp_path / "draft.png", full_page=True)
    page.locator("form[action$='/publish/'] button").click()
    page.wait_for_load_state()
    assert RoutePlan.objects.get(state="published").number == 2
    assert Client().get(f"/admin/logistics/routeplan/{stops[0].plan_id}/change/").status_code == 302
