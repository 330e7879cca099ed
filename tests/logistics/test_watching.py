"""Alerts on what is late: opened once, raised while there is no news, closed by news."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from logistics.models import LogisticsAlert, Shipment, WarehouseOrder
from logistics.watching import alerts as alerting
from orders.models import OrderEvent
from tests import factories, steps

pytestmark = pytest.mark.django_db


def let_hours_pass(row: WarehouseOrder | Shipment, hours: float) -> None:
    """Move the row's deadline back as if so much time had passed."""
    row = steps.fresh(row)
    type(row).objects.filter(pk=row.pk).update(next_event_due=row.next_event_due - timedelta(hours=hours))


def alerts() -> list[tuple[str, int]]:
    return list(LogisticsAlert.objects.filter(closed_at=None).values_list("kind", "level"))


@pytest.fixture
def shipment(shop):
    """A parcel that was shipped and waits for its carrier."""
    return steps.shipped(shop.place_order(payment_method="cod"))


def test_no_pick_up_is_a_warning_after_24_hours_and_an_exception_after_48(shipment):
    let_hours_pass(shipment, 23.9)
    factories.run(alerting.run)
    assert alerts() == []

    let_hours_pass(shipment, 0.2)
    for _ in range(3):
        factories.run(alerting.run)
    assert alerts() == [("no_pickup", 1)]

    let_hours_pass(shipment, 23.9)
    factories.run(alerting.run)
    assert alerts() == [("no_pickup", 1)]
    let_hours_pass(shipment, 0.2)
    factories.run(alerting.run)
    assert alerts() == [("no_pickup", 2)]

    let_hours_pass(shipment, 24.1)
    factories.run(alerting.run)
    assert alerts() == [("no_pickup", 3)]
    assert steps.fresh(shipment).next_event_due is None
    kinds = list(OrderEvent.objects.filter(kind__startswith="alert").values_list("kind", flat=True))
    assert kinds == ["alert_opened", "alert_escalated", "alert_escalated"]


def test_news_of_the_carrier_closes_the_alert(shipment):
    let_hours_pass(shipment, 25)
    factories.run(alerting.run)

    steps.scan(shipment, "collected")

    assert alerts() == []
    assert LogisticsAlert.objects.get().closed_by == "news"
    assert steps.fresh(shipment).expected_event == "scan"
    let_hours_pass(shipment, 49)
    factories.run(alerting.run)
    assert alerts() == [("no_news", 1)]


def test_a_warehouse_that_does_not_pack_is_late(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    let_hours_pass(steps.work_of(sub_order), 24.1)
    factories.run(alerting.run)
    assert alerts() == [("warehouse_late", 1)]

    steps.warehouse_says(sub_order, "packed")

    assert alerts() == []


def test_a_parcel_without_a_waybill_is_late_after_4_hours(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(sub_order, "packed")

    let_hours_pass(Shipment.objects.get(), 4.1)
    factories.run(alerting.run)

    assert alerts() == [("dispatch_late", 1)]


def test_a_courier_who_does_not_come_back_is_late_after_24_hours(shipment):
    steps.scan(shipment, "collected", "out_for_delivery")

    let_hours_pass(shipment, 24.1)
    factories.run(alerting.run)

    assert alerts() == [("not_signed", 1)]


def test_a_signed_parcel_is_expected_to_do_nothing_more(shipment):
    steps.scan(shipment, "collected", "signed")

    shipment = steps.fresh(shipment)
    assert (shipment.next_event_due, shipment.warehouse_order.next_event_due) == (None, None)


def test_a_refusal_of_the_warehouse_closes_its_alert(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    let_hours_pass(steps.work_of(sub_order), 24.1)
    factories.run(alerting.run)

    steps.warehouse_says(sub_order, "refused")

    assert alerts() == []


def test_a_drain_does_not_skip_deadlines(shop):
    steps.shipped(shop.place_order(payment_method="cod"))

    call_command("drain", "--json")

    assert not LogisticsAlert.objects.exists()


def test_deadlines_shrink_with_the_speed_of_the_installation(shop, settings):
    settings.TIME_SPEED = 3600.0

    sub_order = steps.released(shop.place_order(payment_method="cod"))

    left = steps.work_of(sub_order).next_event_due - timezone.now()
    assert timedelta(seconds=20) < left <= timedelta(seconds=24)
