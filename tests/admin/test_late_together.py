"""The staff's pages of what is late together, and the report of carriers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from logistics.models import AlertGroup, Carrier, LearnedDeadline, LogisticsAlert, Shipment, TrackingEvent, Urging
from logistics.watching import alerts as alerting
from logistics.watching import learning
from oms.common.models import Ticket
from tests import factories, steps
from tests.logistics.test_watching import by, scanned

pytestmark = pytest.mark.django_db
GROUPS = "/admin/logistics/alertgroup/"


@pytest.fixture
def group(shop):
    """Two parcels of ZTO, stuck at one place."""
    Carrier.objects.filter(code="ZTO").update(service_phone="95311")
    for _ in range(2):
        scanned(
            by("ZTO", steps.shipped(shop.place_order(payment_method="cod"))), "collected", "in_transit", hours_ago=25
        )
    Carrier.objects.filter(code="ZTO").update(service_phone="95311")
    factories.run(alerting.run)
    return AlertGroup.objects.get()


def test_a_group_shows_its_parcels_its_ticket_and_whom_to_ring(boss, group):
    page = boss.get(f"{GROUPS}{group.pk}/change/").content.decode()

    for parcel in Shipment.objects.all():
        assert parcel.waybill_number in page
    assert "95311" in page
    assert f"#{Ticket.objects.get(kind='late_together').pk}" in page
    assert "中通快递" in boss.get(GROUPS).content.decode()


def test_urging_is_recorded_and_noted_on_the_ticket(boss, group):
    boss.post(f"{GROUPS}{group.pk}/urge/", {"means": "phone", "text": "they look into it"})

    urging = Urging.objects.get()
    assert (urging.means, urging.phone, urging.text, urging.count) == ("phone", "95311", "they look into it", 2)
    (note,) = Ticket.objects.get(kind="late_together").events.filter(kind="noted")
    assert "95311 they look into it" in note.text
    assert "they look into it" in boss.get(f"{GROUPS}{group.pk}/change/").content.decode()


def test_raising_a_group_makes_all_of_it_critical(boss, group):
    boss.post(f"{GROUPS}{group.pk}/escalate/", {"text": "a flash sale"})

    assert set(LogisticsAlert.objects.values_list("level", flat=True)) == {3}
    factories.run(alerting.run)
    group.refresh_from_db()
    assert group.level == 3


def test_without_the_right_nobody_urges(client, group, django_user_model):
    client.force_login(django_user_model.objects.create_user("li", is_staff=True))

    assert client.post(f"{GROUPS}{group.pk}/urge/", {"means": "phone"}).status_code == 403
    assert not Urging.objects.exists()
    assert client.get(f"{GROUPS}carriers/").status_code == 403


def test_the_report_tells_carriers_apart_with_hours_and_the_rate_in_time(boss, shop, settings):
    now = timezone.now()
    for hours in (60, 100):
        parcel = by("ZTO", steps.shipped(shop.place_order(payment_method="cod")))
        Shipment.objects.filter(pk=parcel.pk).update(left_at=now - timedelta(hours=hours + 10))
        at = now - timedelta(hours=hours)
        for number, state in enumerate(("collected", "out_for_delivery", "signed")):
            scanned(parcel, state, hours_ago=(timezone.now() - at) / timedelta(hours=1) - number * (hours - 20) / 2)
    answer = boss.get(f"{GROUPS}carriers/", {"export": "1", "days": "7"})

    lines = answer.content.decode("utf-8-sig").splitlines()
    cells = lines[1].split(",")
    assert cells[:4] == ["中通快递 ZTO", "2", "2", "50.0"]
    assert [float(cell) for cell in cells[7:15]] == [10.0, 10.0, 30.0, 39.0, 30.0, 39.0, 70.0, 88.0]
    page = boss.get(f"{GROUPS}carriers/").content.decode()
    assert "中通快递 ZTO" in page
    assert "50.0" in page

    settings.TIME_SPEED = 60.0
    answer = boss.get(f"{GROUPS}carriers/", {"export": "1", "days": "7"})
    cells = answer.content.decode("utf-8-sig").splitlines()[1].split(",")
    assert (cells[:4], [float(cell) for cell in cells[7:9]]) == (["中通快递 ZTO", "2", "2", "0.0"], [600.0, 600.0])


def test_learning_takes_lanes_with_enough_parcels_and_forgets_the_others(shop, monkeypatch, settings):
    monkeypatch.setattr(learning, "LEAST_PARCELS", 3)
    LearnedDeadline.objects.create(
        kind="stalled", carrier="XX", origin="11", destination="11", hours=1, parcels=30, learned_at=steps.NOON
    )
    now = timezone.now()
    for gap in (10, 20, 30):
        parcel = by("ZTO", steps.shipped(shop.place_order(payment_method="cod")))
        TrackingEvent.objects.bulk_create(
            TrackingEvent(
                shipment=parcel,
                event_key=f"{parcel.pk}-{state}-{hours}",
                state=state,
                occurred_at=now - timedelta(hours=hours),
            )
            for state, hours in (("collected", gap + 20), ("in_transit", gap + 10), ("in_transit", 10), ("signed", 8))
        )
        # Another one stood at the branch before a courier took it out.
        parcel = by("ZTO", steps.shipped(shop.place_order(payment_method="cod")))
        TrackingEvent.objects.bulk_create(
            TrackingEvent(
                shipment=parcel,
                event_key=f"{parcel.pk}-{state}-{hours}",
                state=state,
                stop=stop,
                occurred_at=now - timedelta(hours=hours),
            )
            for state, hours, stop in (("in_transit", gap + 3, "branch"), ("out_for_delivery", gap / 2, ""))
        )

    assert learning.learn() == 3

    learned = {row.kind: (row.hours, row.parcels) for row in LearnedDeadline.objects.filter(carrier="ZTO")}
    assert learned == {
        "depart_timeout": (10.0, 3),
        "stalled": (pytest.approx(27.5), 6),
        "arrived_not_out": (pytest.approx(17.5), 3),
    }
    assert not LearnedDeadline.objects.filter(carrier="XX").exists()

    settings.TIME_SPEED = 60.0
    learning.learn()
    assert LearnedDeadline.objects.get(carrier="ZTO", kind="depart_timeout").hours == pytest.approx(600.0)
