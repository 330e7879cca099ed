"""The courier's page: nothing without link and PIN, nothing of others, masked until it is needed, told once."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from logistics.models import Courier, CourierParcel, DoorReport, Stop
from logistics.routing import access, planning, publishing, working
from tests.routing.helpers import DAY, MORNING, hire, in_force, open_station, parcel_of, state

pytestmark = pytest.mark.django_db
PHOTO = b"\xff\xd8\xff\xe0" + b"x" * 100


@pytest.fixture(autouse=True)
def _morning(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    with time_machine.travel(MORNING, tick=True):
        yield


@pytest.fixture
def station(shop):
    return open_station()


@pytest.fixture
def courier(station):
    return hire(station)


def phone_of(courier: Courier) -> tuple[Client, str]:
    """The courier's phone, logged in, and the path of the page."""
    path, pin = access.give_link(courier.pk)
    client = Client(headers={"accept-language": "en"})
    assert client.post(path, {"pin": pin}).status_code == 302
    return client, path


def on_the_way(shop, station, count: int = 1) -> list[Stop]:  # type: ignore[no-untyped-def]
    """The stops of a published plan."""
    for _ in range(count):
        parcel_of(shop.place_order(payment_method="cod"))
    publishing.publish(planning.make(station.pk, DAY, by="li").pk, by="li")
    return list(Stop.objects.filter(is_in_force=True).order_by("tour", "position"))


def form(key: str = "a" * 32, outcome: str = "signed", **changes):  # type: ignore[no-untyped-def]
    return {"key": key, "outcome": outcome, "signed_by": "张华", "cash": "26.00", **changes}


def test_the_link_alone_tells_nothing(shop, station, courier):
    (stop,) = on_the_way(shop, station)
    path, pin = access.give_link(courier.pk)
    client = Client(headers={"accept-language": "en"})

    shown = client.get(path).content.decode()

    assert "PIN" in shown
    # The whole waybill: two letters of it may stand in the page's random tokens.
    for secret in (stop.parcel.waybill, "张", "中山路", courier.name, courier.phone):
        assert secret not in shown
    wrong = "000000" if pin != "000000" else "000001"
    assert client.post(path, {"pin": wrong}).status_code == 403
    assert client.post(path, {"action": "go"}).status_code == 403
    assert client.get(f"{path}1/").status_code == 302


def test_pins_are_tried_five_times(courier):
    path, pin = access.give_link(courier.pk)
    client = Client()
    wrong = "000000" if pin != "000000" else "000001"
    for _ in range(5):
        assert client.post(path, {"pin": wrong}).status_code == 403

    refused = client.post(path, {"pin": pin})

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
    with time_machine.travel(MORNING + timedelta(minutes=16)):
        assert client.post(path, {"pin": pin}).status_code == 302


def test_a_new_link_or_the_end_of_the_job_ends_the_former(courier):
    client, path = phone_of(courier)
    assert client.get(path).status_code == 200

    access.give_link(courier.pk)
    assert client.get(path).status_code == 404
    client, path = phone_of(courier)
    Courier.objects.update(is_active=False)
    assert client.get(path).status_code == 404
    assert client.get("/courier/made:up/").status_code == 404


def test_stops_are_in_order_masked_and_whole_where_they_are_needed(shop, station, courier):
    stops = on_the_way(shop, station, 2)
    client, path = phone_of(courier)

    shown = client.get(path).content.decode()

    assert shown.index(stops[0].parcel.waybill) < shown.index(stops[1].parcel.waybill)
    assert "13800001111" not in shown
    assert "861号" not in shown
    one = client.get(f"{path}{stops[0].pk}/").content.decode()
    assert 'href="tel:13800001111"' in one
    assert "中山路861号13栋837室" in one
    client.post(f"{path}{stops[0].pk}/", form())
    after = client.get(f"{path}{stops[0].pk}/").content.decode()
    assert "13800001111" not in after
    assert "861号" not in after


def test_nobody_sees_the_stops_of_others(shop, station, courier):
    (stop,) = on_the_way(shop, station)
    other = hire(station, "李师傅")
    client, path = phone_of(other)

    assert stop.parcel.waybill not in client.get(path).content.decode()
    assert client.get(f"{path}{stop.pk}/").status_code == 404
    assert client.post(f"{path}{stop.pk}/", form()).status_code == 404
    assert client.get(f"{path}{2**70}/").status_code == 404
    assert not DoorReport.objects.exists()


def test_a_scanned_waybill_opens_its_stop_and_that_of_others_is_refused(shop, station, courier):
    (stop,) = on_the_way(shop, station)
    client, path = phone_of(courier)

    found = client.post(path, {"action": "find", "waybill": stop.parcel.waybill.lower() + " "})
    assert found.url == f"{path}{stop.pk}/"
    missing = client.post(path, {"action": "find", "waybill": "SF1"})
    assert (missing.status_code, "No parcel of your tour" in missing.content.decode()) == (404, True)


def test_a_parcel_is_handed_over_with_cash_and_photo_once(shop, station, courier):
    (stop,) = on_the_way(shop, station)
    client, path = phone_of(courier)
    assert client.post(path, {"action": "go"}).status_code == 302
    sent = form(photo=SimpleUploadedFile("x.exe", PHOTO))

    assert client.post(f"{path}{stop.pk}/", sent).url == path
    again = client.post(f"{path}{stop.pk}/", form(photo=SimpleUploadedFile("x.jpg", PHOTO)))

    assert again.url == path
    report = DoorReport.objects.get()
    assert (report.signed_by, report.cash) == ("张华", Decimal("26.00"))
    assert report.photo.name.endswith(".jpg")
    assert report.photo.read() == PHOTO
    assert state(stop.parcel) == "signed"
    assert "26.00" in client.get(path).content.decode()
    other = client.post(f"{path}{stop.pk}/", form(key="b" * 32, outcome="refused", reason="x"))
    assert (other.status_code, "told already" in other.content.decode()) == (409, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": "x"}, "Open the stop again"),
        ({"outcome": "eaten"}, "Say what became of it"),
        ({"cash": "many"}, "That is no amount"),
        ({"cash": "NaN"}, "That is no amount"),
        ({"cash": "26.01"}, "26.00 yuan are to be collected"),
        ({"signed_by": ""}, "Say who signed"),
        ({"outcome": "refused", "reason": ""}, "Say why"),
        ({"at": "25:00"}, "Write the time"),
        ({"at": "23:59"}, "still to come"),
        ({"photo": b"<svg onload=alert(1)>"}, "That is no photo"),
        ({"photo": PHOTO + b"x" * working.MOST_PHOTO_BYTES}, "larger than 6 MB"),
    ],
)
def test_what_cannot_be_right_is_said_and_what_was_typed_stays(shop, station, courier, changes, words):
    (stop,) = on_the_way(shop, station)
    client, path = phone_of(courier)
    if "photo" in changes:
        changes = {"photo": SimpleUploadedFile("x.jpg", changes["photo"])}
    sent = form(signed_by="李四") | changes

    response = client.post(f"{path}{stop.pk}/", sent)

    shown = response.content.decode()
    assert (response.status_code, words in shown) == (409, True)
    if "signed_by" not in changes:
        assert 'value="李四"' in shown
    assert not DoorReport.objects.exists()
    assert state(stop.parcel) == "waybill_issued"


def test_what_is_told_late_counts_from_when_it_was(shop, station, courier):
    (stop,) = on_the_way(shop, station)
    client, path = phone_of(courier)
    with time_machine.travel(MORNING + timedelta(days=1, hours=2)):
        access.Courier.objects.update(link_number=courier.link_number + 1)
        client, path = phone_of(courier)

        assert client.post(f"{path}{stop.pk}/", form(at="14:30")).status_code == 302

        assert f"{DoorReport.objects.get().said_at:%d %H:%M}" == "05 06:30"
        assert state(stop.parcel) == "signed"
    with time_machine.travel(MORNING + timedelta(days=5)):
        client, path = phone_of(courier)
        assert client.get(f"{path}{stop.pk}/").status_code == 404


def test_a_parcel_that_was_asked_back_says_so(shop, station, courier):
    (stop,) = on_the_way(shop, station)
    client, path = phone_of(courier)
    client.post(path, {"action": "go"})
    CourierParcel.objects.update(recalled_at=MORNING)

    assert "Asked back" in client.get(path).content.decode()
    assert "do not hand it over" in client.get(f"{path}{stop.pk}/").content.decode()


def test_the_page_takes_as_many_statements_for_many_stops(shop, station, courier, django_assert_num_queries):
    on_the_way(shop, station, 3)
    client, path = phone_of(courier)

    with django_assert_num_queries(6):
        client.get(path)
    assert in_force(CourierParcel.objects.first()) is not None
