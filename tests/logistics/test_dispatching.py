"""Waybills: the next carrier only after a refusal, the same one after silence."""

import pytest

from logistics import retrying
from logistics.carriers import adapters, choosing, dispatching
from logistics.carriers.adapters import Answer
from logistics.carriers.adapters.sandbox import SandboxCarrier
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Carrier, Shipment
from oms.common.models import Connection
from orders.models import OrderEvent, SubOrder
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def packed(shop):
    """A packed sub-order; SF, JD and ZTO carry."""
    install_default_carriers()
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(sub_order, "packed")
    return sub_order


def test_a_packed_sub_order_gets_a_waybill_once(packed):
    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        factories.run(dispatching.run, dispatching.run)

    shipment = Shipment.objects.get()
    assert (shipment.number, shipment.state, shipment.carrier.code) == (f"{packed.number}-S1", "waybill_issued", "SF")
    assert shipment.waybill_number == f"W{shipment.number}"
    (parcel,) = carrier.booked
    assert (parcel.reference, parcel.sub_order, parcel.weight_g, parcel.city) == (
        shipment.number,
        packed.number,
        1000,
        "北京市",
    )


def test_a_carrier_that_refuses_is_followed_by_the_next(packed):
    refuses = {"SF", "JD"}

    def answer(parcel):
        if parcel.carrier in refuses:
            return Answer(taken=False, reason="too heavy")
        return Answer(taken=True, waybill="Z1")

    with fakes.carrier(fakes.FakeCarrier(answer)) as carrier:
        factories.run(dispatching.run)

    assert [(parcel.carrier, parcel.reference) for parcel in carrier.booked] == [
        (code, f"{packed.number}-S1") for code in ("SF", "JD", "ZTO")
    ]
    shipment = Shipment.objects.get()
    assert (shipment.carrier.code, shipment.waybill_number) == ("ZTO", "Z1")
    refusals = OrderEvent.objects.filter(kind="waybill_refused").order_by("id")
    assert [(event.actor, event.data["text"]) for event in refusals] == [("SF", "too heavy"), ("JD", "too heavy")]


def test_where_every_carrier_refuses_a_person_decides(packed):
    with fakes.carrier(fakes.FakeCarrier(lambda parcel: Answer(taken=False, reason="closed"))) as carrier:
        factories.run(dispatching.run)

    assert [parcel.carrier for parcel in carrier.booked] == ["SF", "JD", "ZTO"]
    shipment = Shipment.objects.get()
    assert (shipment.state, shipment.needs_person_since is not None) == ("created", True)
    assert steps.tickets() == [("no_carrier_left", "")]
    retrying.retry(Shipment, shipment.pk, actor=steps.STAFF)
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    assert Shipment.objects.get().state == "waybill_issued"
    assert steps.tickets() == []


@pytest.mark.parametrize("silence", [fakes.lose, lambda parcel: None])
def test_a_carrier_that_does_not_answer_is_asked_again_with_the_same_number(packed, silence):
    with fakes.carrier(fakes.FakeCarrier(silence)) as carrier:
        for _ in range(3):
            steps.once(dispatching.run)

    assert {(parcel.carrier, parcel.reference) for parcel in carrier.booked} == {("SF", f"{packed.number}-S1")}
    assert len(carrier.booked) == 3
    assert Shipment.objects.get().attempts == 3


def test_without_an_active_carrier_a_person_is_called_and_one_that_comes_gets_the_parcel(shop, settings):
    settings.MAX_ATTEMPTS = 2
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(sub_order, "packed")

    factories.run(choosing.run, dispatching.run)

    shipment = Shipment.objects.get()
    assert (shipment.carrier, shipment.last_error) == (None, "no carrier is active")
    assert shipment.needs_person_since is not None
    install_default_carriers()
    retrying.retry(Shipment, shipment.pk, actor=steps.STAFF)
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(choosing.run, dispatching.run)
    shipment = Shipment.objects.get()
    assert (shipment.carrier.code, shipment.state) == ("SF", "waybill_issued")


def test_a_waybill_that_another_parcel_has_is_not_taken(shop, packed):
    second = steps.released(shop.place_order(payment_method="cod"))
    third = steps.released(shop.place_order(payment_method="cod"))
    with fakes.carrier(fakes.FakeCarrier(lambda parcel: Answer(taken=True, waybill="SAME"))):
        steps.once(dispatching.run)
        for sub_order in (second, third):
            steps.warehouse_says(sub_order, "packed")
        steps.once(dispatching.run)
    with fakes.carrier(fakes.FakeCarrier(lambda parcel: Answer(taken=True, waybill="OTHER"))):
        steps.once(dispatching.run)

    waybills = list(Shipment.objects.order_by("id").values_list("waybill_number", flat=True))
    assert waybills == ["SAME", "OTHER", None]
    assert "another parcel" in Shipment.objects.get(sub_order=third).last_error


def test_a_broken_adapter_does_not_stop_the_carriers_of_others(shop, packed):
    Carrier.objects.filter(code="SF").update(is_active=False)
    Connection.objects.filter(carriers__code="SF").update(protocol="gone")
    other = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(other, "packed")
    with fakes.carrier(fakes.FakeCarrier()):
        steps.once(dispatching.run)

    states = dict(Shipment.objects.values_list("sub_order_id", "state"))
    assert states == {packed.pk: "created", other.pk: "waybill_issued"}


def test_the_sandbox_gives_a_hundred_thousand_parcels_different_waybills():
    numbers = [f"{1000000000000000 + 7919 * i}-1" for i in range(100_000)]
    parcels = [adapters.Parcel(f"{number}-S1", number, "", "SF", 1, "", "", "", "", "", "") for number in numbers]

    answers = SandboxCarrier().book(factories.ConnectionFactory(kind="carrier"), parcels)

    assert len({answer.waybill for answer in answers.values()}) == 100_000
    assert SubOrder.objects.count() == 0
