"""Days of a station in random order: parcels come, are asked back and cancelled, days are planned, locked, moved and
published, couriers go out and tell what became of parcels, at once, late and twice. After each step a parcel is in one
published tour at most, plans may be driven, and states follow from what was told."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from logistics.carriers import tracking
from logistics.carriers.recalling import asking, calling
from logistics.invariants import INVARIANTS as OF_LOGISTICS
from logistics.models import Courier, CourierParcel, DoorReport, Outcome, PlanState, RoutePlan, Shipment, Stop, Tour
from logistics.models.routing import Planner
from logistics.routing import planning, publishing, working
from logistics.routing.invariants import INVARIANTS
from logistics.routing.working import Report
from oms.common.errors import OmsError
from tests import factories, steps
from tests.invariants import check
from tests.machines import run_apart
from tests.routing.helpers import DAY, MORNING, hire, open_station, parcel_of

_ANY = st.integers(0, 30)
_SAYS = {"signed": "signed", "refused": "rejected", "missed": "failed_delivery"}


class Days(RuleBasedStateMachine):
    """A station with two couriers, of whom one carries little and takes no cash."""

    @initialize()
    def open(self) -> None:
        """A morning at the station."""
        self.clock = time_machine.travel(MORNING, tick=True)
        self.traveller = self.clock.start()
        self.shop = factories.make_shop()
        self.station = open_station()
        hire(self.station, grams=900)
        hire(self.station, "李师傅")
        self.order()
        self.order()

    def teardown(self) -> None:
        """The clock goes on."""
        if hasattr(self, "clock"):
            self.clock.stop()

    @rule()
    def order_more(self) -> None:
        """Somebody orders."""
        self.order()

    def order(self) -> None:
        """A parcel leaves its warehouse."""
        parcel_of(self.shop.place_order(payment_method="cod"))

    @rule(is_tomorrow=st.sampled_from([False, False, True]), also_publishes=st.booleans())
    def plan(self, is_tomorrow: bool, also_publishes: bool) -> None:
        """A day is planned, and mostly published at once."""
        day = planning.today() + timedelta(days=is_tomorrow)
        with suppress(OmsError):
            plan = planning.make(self.station.pk, day, by="li", planner=Planner.BUILT_IN)
            if also_publishes:
                publishing.publish(plan.pk, by="li")

    @rule(which=_ANY)
    def publish(self, which: int) -> None:
        """A plan is published."""
        if plan := _one(RoutePlan.objects.filter(state=PlanState.DRAFT), which):
            with suppress(OmsError):
                publishing.publish(plan.pk, by="li")

    @rule(which=_ANY, locks=st.booleans())
    def lock(self, which: int, locks: bool) -> None:
        """A stop is locked or unlocked."""
        if stop := _one(Stop.objects.filter(tour__isnull=False), which):
            with suppress(OmsError):
                (publishing.lock_up_to if locks else publishing.unlock_from)(stop.pk)

    @rule(which=_ANY, who=_ANY, position=st.integers(1, 3))
    def move(self, which: int, who: int, position: int) -> None:
        """A stop is given to a courier."""
        stop, courier = _one(Stop.objects.filter(plan__state=PlanState.DRAFT), which), _one(Courier.objects.all(), who)
        if stop and courier:
            with suppress(OmsError):
                publishing.move(stop.pk, courier_id=courier.pk, position=position)

    @rule(who=_ANY)
    def set_out(self, who: int) -> None:
        """A courier leaves."""
        if courier := _one(Courier.objects.all(), who):
            with suppress(OmsError):
                working.set_out(courier.pk, planning.today())

    @rule(which=_ANY, outcome=st.sampled_from(sorted(_SAYS)), minutes_ago=st.sampled_from([0, 90]))
    def report(self, which: int, outcome: str, minutes_ago: int) -> None:
        """A courier tells of a stop, twice; maybe of one that counts no more."""
        stop = _one(Stop.objects.filter(tour__isnull=False).exclude(plan__state=PlanState.DISCARDED), which)
        if stop is None:
            return
        said_at = timezone.now() - timedelta(minutes=minutes_ago)
        told = Report(f"{stop.pk}{outcome}", Outcome(outcome), said_at, "张华", "x", stop.parcel.cod_amount)
        for _ in range(2):
            with suppress(OmsError):
                working.report(stop.tour.courier_id, stop.pk, told)

    @rule(which=_ANY)
    def ask_back(self, which: int) -> None:
        """Somebody wants a parcel back, and the couriers answer."""
        if parcel := _one(CourierParcel.objects.all(), which):
            with suppress(OmsError):
                asking.ask_back(parcel.shipment_id, reason="x", actor=steps.STAFF)
            factories.run(calling.run)

    @rule(which=_ANY, what=st.sampled_from(sorted(working.STATION_SCANS)))
    def scan(self, which: int, what: str) -> None:
        """A parcel is scanned at the station."""
        if parcel := _one(CourierParcel.objects.all(), which):
            working.scan(self.station.pk, what, [parcel.waybill])

    @rule()
    def work(self) -> None:
        """What was told is worked off."""
        factories.run(tracking.run)

    @rule()
    def sleep(self) -> None:
        """The next morning comes, for two days."""
        if planning.today() < DAY + timedelta(days=2):
            self.traveller.shift(timedelta(days=1))

    @invariant()
    def every_parcel_is_where_it_was_told(self) -> None:
        """What must always hold does."""
        if not hasattr(self, "shop"):
            return
        assert [(found.invariant.name, found.examples) for found in check((*INVARIANTS, *OF_LOGISTICS))] == []
        for stop in Stop.objects.filter(is_in_force=True).select_related("tour", "plan"):
            assert stop.plan.state == PlanState.PUBLISHED
        for tour in Tour.objects.filter(plan__state__in=[PlanState.DRAFT, PlanState.PUBLISHED]):
            positions = list(Stop.objects.filter(tour=tour).order_by("position").values_list("position", flat=True))
            assert positions == sorted(set(positions))
            assert positions
        # A parcel that was handed over is in nobody's hands in a day that is planned later.
        done = DoorReport.objects.filter(outcome__in=["signed", "refused"])
        for report in done:
            later = Stop.objects.filter(parcel=report.parcel, is_in_force=True, plan__day__gt=report.day)
            assert not later.filter(plan__published_at__gt=report.received_at).exists()


def _one(rows: Any, which: int) -> Any:
    found = list(rows.order_by("pk"))
    return found[which % len(found)] if found else None


@pytest.mark.django_db
def test_whatever_happens_a_parcel_is_in_one_published_tour_at_most() -> None:
    run_apart(Days, examples=14, steps=20)


@pytest.mark.soak
@pytest.mark.django_db
def test_many_days() -> None:
    run_apart(Days, examples=150, steps=40)


@pytest.mark.django_db
def test_what_was_told_is_where_the_parcel_is(shop) -> None:  # type: ignore[no-untyped-def]
    """Each outcome by itself, told before and after the courier went out."""
    with time_machine.travel(MORNING, tick=True):
        station = open_station()
        courier = hire(station)
        parcels = [parcel_of(shop.place_order(payment_method="cod")) for _ in _SAYS]
        publishing.publish(planning.make(station.pk, DAY, by="li").pk, by="li")
        stops = {stop.parcel_id: stop for stop in Stop.objects.all()}
        for number, (parcel, outcome) in enumerate(zip(parcels, _SAYS, strict=True)):
            if number == 1:
                working.set_out(courier.pk, DAY)
            told = Report(outcome, Outcome(outcome), timezone.now(), "张华", "x", parcel.cod_amount)
            working.report(courier.pk, stops[parcel.pk].pk, told)
        factories.run(tracking.run)
        states = [Shipment.objects.get(pk=parcel.shipment_id).state for parcel in parcels]
    assert states == list(_SAYS.values())
