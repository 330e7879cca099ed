"""Parcels: where one is follows from the set of its scans, not from the order in which they come."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from logistics.carriers import tracking
from logistics.models import Carrier, ShipmentState, TrackingEvent
from oms.common.models import FactState, InboundFact, Topic
from oms.common.work import facts
from orders.fulfilling import completing
from orders.models import OrderEvent
from payments.models import Refund
from payments.owing import balancing
from tests import factories, steps

pytestmark = pytest.mark.django_db

SCANS = st.lists(
    st.tuples(
        st.integers(0, 5).map(lambda minute: steps.NOON + timedelta(minutes=minute)), st.sampled_from(ShipmentState)
    ),
    max_size=8,
)


@given(scans=SCANS, data=st.data())
@hypothesis_settings(max_examples=300)
def test_the_state_does_not_depend_on_the_order_of_the_scans(scans, data):
    shuffled = data.draw(st.permutations(scans))

    assert tracking.state_of(shuffled) == tracking.state_of(scans)


@pytest.mark.parametrize(
    ("states", "reached"),
    [
        (["collected"], "collected"),
        (["in_transit"], "in_transit"),
        (["collected", "in_transit", "out_for_delivery", "signed"], "signed"),
        (["out_for_delivery", "failed_delivery", "out_for_delivery"], "out_for_delivery"),
        (["out_for_delivery", "rejected", "in_transit"], "rejected"),
        (["rejected", "returning", "in_transit"], "returning"),
        (["rejected", "returned"], "returned"),
        (["rejected", "signed"], "signed"),
        (["returned", "signed"], "returned"),
        (["lost", "signed"], "signed"),
        (["lost", "returned"], "returned"),
        (["waybill_issued"], None),
        ([], None),
    ],
)
def test_the_state_of_a_set_of_scans(states, reached):
    scans = [(steps.NOON + timedelta(minutes=i), state) for i, state in enumerate(states)]

    assert tracking.state_of(scans) == reached
    assert tracking.state_of(reversed(scans)) == reached


STORIES = {
    "delivered": (["collected", "out_for_delivery", "signed"], "signed", "delivered"),
    "delivered at the second try": (["collected", "failed_delivery", "signed"], "signed", "delivered"),
    "refused, then taken": (["collected", "rejected", "signed"], "signed", "delivered"),
    "came back": (["collected", "rejected", "returned"], "returned", "returned"),
    "on its way back": (["collected", "rejected", "returning"], "returning", "rejected"),
    "found again": (["collected", "lost", "signed"], "signed", "delivered"),
}


@pytest.mark.parametrize(
    ("states", "shipment_state", "sub_order_state", "order"),
    [
        pytest.param(*story, order, id=f"{name} {order}")
        for name, story in STORIES.items()
        for order in permutations(range(3))
    ],
)
def test_whatever_the_order_of_arrival_parcel_and_sub_order_come_to_the_same_state(
    shop, states, shipment_state, sub_order_state, order
):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))

    for i in order:
        steps.carrier_says(shipment, [steps.scan_of(shipment, states[i], minutes=i)])
        factories.run(tracking.run, balancing.run)

    shipment = steps.fresh(shipment)
    assert (shipment.state, shipment.sub_order.state) == (shipment_state, sub_order_state)
    assert shipment.sub_order.needs_person_since is None
    assert steps.broken_invariants() == []


def test_repeated_scans_are_kept_once_and_told_once(shop):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))
    scan = steps.scan_of(shipment, "collected", key="same")

    for _ in range(2):
        steps.carrier_says(shipment, [scan, scan])
        factories.run(tracking.run)

    assert TrackingEvent.objects.count() == 1
    assert OrderEvent.objects.filter(kind="collected").count() == 1


def test_scans_of_unknown_waybills_wait(shop, settings):
    """Of another carrier's account, too: one that is not asked for the parcel says nothing of it."""
    settings.MAX_ATTEMPTS = 2
    shipment = steps.shipped(shop.place_order(payment_method="cod"))
    other = Carrier.objects.get(code="JD").connection_id

    facts.receive(shipment.connection_id, Topic.CARRIER, [facts.News("k", "collected", "unknown", steps.NOON)])
    facts.receive(other, Topic.CARRIER, [facts.News("k", "collected", shipment.waybill_number, steps.NOON)])
    factories.run(tracking.run)

    assert not TrackingEvent.objects.exists()
    assert InboundFact.objects.filter(state=FactState.PENDING).count() == 2
    assert steps.tickets() == [("fact_of_unknown", "")] * 2


def test_a_scan_proves_that_the_parcel_left_the_warehouse(shop):
    """The warehouse's own notice was lost."""
    shipment = steps.dispatched(shop.place_order(payment_method="cod"))

    steps.scan(shipment, "collected")

    shipment = steps.fresh(shipment)
    assert (shipment.state, shipment.sub_order.state) == ("collected", "shipped")
    assert (shipment.sub_order.shipping_proof, shipment.warehouse_order.state) == ("scan", "shipped")
    assert (shop.sku.stock.get().on_hand, shop.sku.stock.get().reserved) == (98, 0)
    steps.warehouse_says(shipment.sub_order, "shipped")
    assert shop.sku.stock.get().on_hand == 98
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("first", ["returned", "signed"])
def test_a_parcel_that_came_home_is_at_home_whatever_else_was_signed(shop, first):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))
    steps.scan(shipment, "collected", "rejected")

    for state in [first, {"returned": "signed", "signed": "returned"}[first]]:
        steps.scan(shipment, state)

    shipment = steps.fresh(shipment)
    assert (shipment.state, shipment.sub_order.state) == ("returned", "returned")
    assert not InboundFact.objects.filter(state=FactState.PENDING).exists()
    assert steps.broken_invariants() == []


def test_a_parcel_that_comes_back_after_completion_is_taken_back_and_its_money_goes_back(shop):
    order = shop.place_order(payment_method="cod")
    shipment = steps.shipped(order)
    steps.scan(shipment, "collected", "signed")
    factories.run(balancing.run, completing.run)
    assert steps.state_of(shipment.sub_order) == "completed"

    steps.scan(shipment, "returned")
    factories.run(balancing.run)

    assert (steps.state_of(shipment.sub_order), steps.state_of(order)) == ("returned", "closed")
    refund = Refund.objects.get()
    assert (refund.amount, refund.reason) == (Decimal("26.00"), "returned")
    assert ("parcel_back_after_completion", "") in steps.tickets()
    assert steps.broken_invariants() == []


def test_a_lost_parcel_calls_a_person(shop):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))

    steps.scan(shipment, "collected", "lost")

    shipment = steps.fresh(shipment)
    assert (shipment.state, shipment.sub_order.state) == ("lost", "shipped")
    assert steps.tickets() == [("parcel_lost", "")]
    steps.scan(shipment, "signed")
    assert steps.tickets() == []
    assert steps.state_of(shipment.sub_order) == "delivered"


def test_times_of_a_parcel_are_those_of_its_scans(shop):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))

    times = [("signed", 9), ("collected", 3), ("in_transit", 5)]
    steps.carrier_says(shipment, [steps.scan_of(shipment, state, minutes=m) for state, m in times])
    factories.run(tracking.run)

    shipment = steps.fresh(shipment)
    minutes = [(at - steps.NOON) / timedelta(minutes=1) for at in (shipment.collected_at, shipment.signed_at)]
    assert minutes == [3, 9]
    assert shipment.last_scan_at == shipment.signed_at
    assert (shipment.carrier_text, shipment.next_event_due) == ("signed", None)


def test_a_scan_dated_into_the_future_does_not_outlast_those_that_follow(shop):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))
    ahead = steps.NOON + timedelta(days=500)

    for state in ("in_transit", "out_for_delivery"):
        at = ahead if state == "in_transit" else timezone.now()
        steps.carrier_says(shipment, [replace(steps.scan_of(shipment, state), occurred_at=at)])
        factories.run(tracking.run)

    scan = TrackingEvent.objects.get(state="in_transit")
    assert (scan.said_at, scan.occurred_at) == (ahead, scan.received_at)
    shipment = steps.fresh(shipment)
    assert shipment.state == "out_for_delivery"
    assert shipment.last_scan_at < ahead
    assert InboundFact.objects.filter(kind="in_transit").get().occurred_at == ahead
