"""Parcels are told of by subscription and asked for when they are silent, within what their account may be asked."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from logistics.carriers import dispatching, polling, subscribing, tracking
from logistics.models import AccountSettings, Carrier, Polling, Shipment, ShipmentState, TrackingEvent, WaybillErrand
from oms.common.models import Connection, InboundFact
from oms.common.work import clock
from oms.simulators.mischief import PushTrick, Trick
from tests import factories, steps
from tests.kdniao import world
from tests.kdniao.world import HOUR, Platform

pytestmark = pytest.mark.django_db


def dispatched(shop: factories.Shop, number: int = 1) -> list[Shipment]:
    """So many parcels with a waybill."""
    world.packed(*[shop.place_order(payment_method="cod") for _ in range(number)])
    factories.run(dispatching.run)
    return list(Shipment.objects.order_by("pk"))


def silence(hours: float = 7, **only: object) -> None:
    """Let the parcels be silent for so long."""
    ago = timezone.now() - timedelta(hours=hours)
    # The transaction of a test has one moment, which is before all that Python's clock says.
    due = timezone.now() - timedelta(hours=1)
    Polling.objects.filter(**only).update(silent_since=ago, ask_at=due, ready_at=due)


def test_an_own_waybill_is_subscribed_by_its_order_and_asked_for_only_after_a_silence(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    (shipment,) = dispatched(shop)

    followed = Polling.objects.get()
    assert (followed.shipment, followed.connection, followed.subscribed_at is not None) == (shipment, link, True)
    assert timedelta(hours=5) < followed.ask_at - timezone.now() < timedelta(hours=6)
    assert not WaybillErrand.objects.exists()
    with clock.skipping_waits():
        assert polling.run(10) == 0

    platform.peer.turn(4 * HOUR)
    silence()
    assert polling.run(10) == 1
    factories.run(tracking.run)

    assert steps.fresh(shipment).state == ShipmentState.COLLECTED
    followed.refresh_from_db()
    assert (followed.asked, followed.nothing_known) == (1, 0)
    assert followed.ask_at > timezone.now() + timedelta(hours=5)
    assert AccountSettings.objects.get().calls_of_day == 1
    assert polling.run(10) == 0


def test_a_courier_s_waybill_is_subscribed_once_however_often_the_answer_is_lost(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    link.options = {"books_by": "1801"}
    link.save()
    dispatched(shop)
    platform.peer.mischief.plan(Trick.ERROR_AFTER, Trick.GARBAGE)

    for _try in range(3):
        steps.once(subscribing.run)

    errand = WaybillErrand.objects.get()
    assert (errand.kind, errand.outcome, errand.attempts) == ("subscribe", "done", 0)
    assert Polling.objects.get().subscribed_at is not None
    assert subscribing.run(10) == 0


def test_a_warehouse_s_own_waybill_is_followed_over_the_account_of_its_carrier(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    (shipment,) = dispatched(shop)
    part = shipment.sub_order
    platform.peer.book.enter("theirs", "ZTO", "ZTO777000111", {}, platform.peer.now(), is_told=False)
    steps.warehouse_says(part, "shipped", parcels=[{"carrier": "ZTO", "waybill": "ZTO777000111"}])
    from logistics.warehouses import events

    factories.run(events.run)
    factories.run(subscribing.run)

    errand = WaybillErrand.objects.get(kind="subscribe")
    assert (errand.waybill, errand.carrier.code, errand.outcome) == ("ZTO777000111", "ZTO", "done")
    entry = platform.peer.book.of_waybill("ZTO777000111")
    assert entry is not None
    assert entry.is_told


def test_answers_and_pushes_of_the_same_scans_are_the_same_facts(
    shop: factories.Shop, platform: Platform, link: Connection
) -> None:
    dispatched(shop)
    platform.peer.turn(72 * HOUR)  # the longest way: the door is missed, or the parcel refused
    platform.peer.step(world.post)
    told = InboundFact.objects.filter(topic="carrier").count()
    assert told >= 5
    silence()

    polling.run(10)
    factories.run(tracking.run)

    assert InboundFact.objects.filter(topic="carrier").count() == told == TrackingEvent.objects.count()
    assert Polling.objects.get().is_over
    silence()
    assert polling.run(10) == 0


def test_a_lost_push_is_repaired_by_the_poller(shop: factories.Shop, platform: Platform, link: Connection) -> None:
    (shipment,) = dispatched(shop)
    platform.peer.push_mischief.plan(*[PushTrick.LOST] * 9)
    platform.peer.turn(12 * HOUR)
    platform.peer.step(world.post)
    assert InboundFact.objects.filter(topic="carrier").count() == 0
    silence()

    polling.run(10)
    factories.run(tracking.run)

    assert steps.fresh(shipment).state == ShipmentState.IN_TRANSIT


def test_the_longest_silent_are_asked_first_and_no_more_than_the_budget(
    shop: factories.Shop, platform: Platform, link: Connection
) -> None:
    parcels = dispatched(shop, 5)
    AccountSettings.objects.update(calls_a_minute=2, calls_a_day=3)
    for place, parcel in enumerate(parcels):
        silence(10 + place, shipment=parcel)

    assert polling.run(10) == 2
    assert set(Polling.objects.filter(asked=1).values_list("shipment_id", flat=True)) == {p.pk for p in parcels[3:]}
    assert polling.run(10) == 0
    AccountSettings.objects.update(minute=timezone.now() - timedelta(minutes=1))
    assert polling.run(10) == 1
    AccountSettings.objects.update(minute=timezone.now() - timedelta(minutes=1))
    assert polling.run(10) == 0
    assert Polling.objects.filter(asked=1).count() == 3
    AccountSettings.objects.update(day=timezone.now().date() - timedelta(days=1))
    assert polling.run(10) == 2


def test_with_its_switch_off_nobody_is_asked(shop: factories.Shop, platform: Platform, link: Connection) -> None:
    dispatched(shop)
    AccountSettings.objects.update(polls=False)
    silence()

    assert polling.STAGE.due_connections() == []
    assert polling.run(10) == 0
    assert Polling.objects.get().asked == 0


def test_choosing_whom_to_ask_costs_as_many_statements_for_many_as_for_one(
    shop: factories.Shop, platform: Platform, link: Connection, django_assert_max_num_queries
) -> None:
    parcels = dispatched(shop, 6)
    Connection.objects.update(row_seconds=0.001)
    counts = []
    for some in (parcels[:1], parcels):
        silence(shipment__in=some)
        with django_assert_max_num_queries(60) as captured:
            assert polling.run(100) == len(some)
        counts.append(len(captured.captured_queries))

    assert counts[0] == counts[1]


def test_a_waybill_that_the_carrier_does_not_know_is_shown_to_a_person_after_the_last_try(
    shop: factories.Shop, platform: Platform, link: Connection
) -> None:
    dispatched(shop)
    silence()
    polling.run(10)
    assert Polling.objects.get().nothing_known == 0, "it has not left yet"

    Shipment.objects.update(left_at=timezone.now())
    for tries in range(1, 5):
        silence()
        polling.run(10)
        assert Polling.objects.get().nothing_known == tries
        assert ("waybill_unknown" in [kind for kind, _reason in steps.tickets()]) is (tries == 4)

    platform.peer.turn(4 * HOUR)
    silence()
    polling.run(10)
    factories.run(tracking.run)
    assert steps.tickets() == []


def test_an_account_that_is_down_keeps_its_parcels_and_its_budget_in_order(
    shop: factories.Shop, platform: Platform, link: Connection
) -> None:
    dispatched(shop)
    platform.peer.mischief.plan(Trick.ERROR_BEFORE)
    platform.peer.turn(4 * HOUR)
    silence()

    polling.run(10)

    followed = Polling.objects.get()
    assert (followed.asked, followed.attempts) == (0, 1)
    assert "500" in followed.last_error
    steps.once(polling.run)
    assert Polling.objects.get().asked == 1


def test_two_workers_never_take_more_than_the_budget(link: Connection) -> None:
    from logistics.carriers.budget import POLLING

    AccountSettings.objects.create(connection=link, calls_a_minute=10, calls_a_day=15)
    assert [POLLING.take(link.pk, 7), POLLING.take(link.pk, 7)] == [7, 3]
    POLLING.give_back(link.pk, 4)
    assert POLLING.take(link.pk, 7) == 4
    with connection.cursor() as cursor:
        cursor.execute("UPDATE logistics_accountsettings SET minute = minute - interval '1 minute'")
    assert POLLING.take(link.pk, 7) == 5
    assert POLLING.open_to() == []


def test_a_carrier_without_an_account_that_can_be_asked_is_not_followed(shop: factories.Shop) -> None:
    Carrier.objects.update(tracking_connection=None)
    steps.dispatched(shop.place_order(payment_method="cod"))
    assert not Polling.objects.exists()
