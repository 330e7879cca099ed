"""Days of a station: parcels come to it, are planned, published, brought, asked back and planned anew."""

from datetime import datetime, time, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from logistics.carriers import cancelling, dispatching
from logistics.carriers.recalling import asking, calling
from logistics.models import (
    Carrier,
    Courier,
    CourierParcel,
    DoorReport,
    Outcome,
    PlanState,
    RoutePlan,
    Shipment,
    Stop,
    Tour,
    Unserved,
)
from logistics.routing import planning, publishing, reading, working
from logistics.routing.trouble import CannotPlan, NotYours, WrongReport
from logistics.routing.working import Report
from oms.common.errors import ChangedMeanwhile
from oms.common.zones import CHINA
from orders.models import OrderTerms, SubOrderState
from tests import factories, steps
from tests.routing.helpers import DAY, MORNING, hire, in_force, open_station, parcel_of, state

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture(autouse=True)
def _morning():
    with time_machine.travel(MORNING, tick=True):
        yield


@pytest.fixture
def station(shop):
    return open_station()


def order(shop, **changes):  # type: ignore[no-untyped-def]
    return shop.place_order(payment_method="cod", **changes)


def published(station, **changes):  # type: ignore[no-untyped-def]
    plan = planning.make(station.pk, DAY, by="li", **changes)
    return publishing.publish(plan.pk, by="li")


def told(key: str = "k1", outcome: str = "signed", **changes) -> Report:  # type: ignore[no-untyped-def]
    values = {"signed_by": "张华"} if outcome == "signed" else {"reason": "不要了"} if outcome == "refused" else {}
    return Report(key, Outcome(outcome), timezone.now(), **{**values, **changes})


def test_a_parcel_in_the_area_goes_to_its_station_with_a_waybill_of_ours(shop, station):
    parcel = parcel_of(order(shop))

    assert parcel.station == station
    assert parcel.shipment.waybill_number == parcel.waybill
    assert parcel.waybill.startswith("ZP")
    assert parcel.cod_amount == Decimal("26.00")
    assert parcel.skills == ["cod"]
    assert (parcel.longitude, parcel.latitude, parcel.is_exact) == (116.42, 39.93, False)
    assert steps.broken_invariants() == []


def test_the_station_whose_area_names_the_county_most_closely_gets_it(shop, station):
    closest = open_station(code="BJ9", regions=["31", "110101"])
    open_station(code="BJ0", regions=["110101"], is_active=False)

    assert parcel_of(order(shop)).station == closest


def test_own_couriers_are_not_asked_where_no_station_is(shop):
    open_station(regions=["31"])

    work = steps.released(order(shop))
    steps.warehouse_says(work, "packed")
    factories.run(dispatching.run)

    assert not CourierParcel.objects.exists()
    assert Shipment.objects.get().carrier is None


def test_another_carrier_is_chosen_outside_the_area_even_if_own_couriers_are_wished_for(shop):
    open_station(regions=["31"])
    link = factories.ConnectionFactory(kind="carrier")
    Carrier.objects.create(code="SF", name="SF", connection=link, priority=9)
    work = steps.released(order(shop, carrier_class="own"))
    steps.warehouse_says(work, "packed")

    assert Shipment.objects.get().carrier.code == "SF"
    assert OrderTerms.objects.get().carrier_unmet == "unavailable"


def test_a_station_that_closed_meanwhile_refuses_and_a_person_is_told(shop, station):
    work = steps.released(order(shop))
    steps.warehouse_says(work, "packed")
    type(station).objects.update(is_active=False)

    factories.run(dispatching.run)

    assert steps.tickets() == [("no_carrier_left", "no_station")]


def test_asked_again_the_same_waybill_is_answered(shop, station):
    parcel = parcel_of(order(shop))
    from logistics.carriers.adapters import Parcel
    from logistics.carriers.adapters.courier import CARRIER

    again = Parcel(parcel.shipment.number, "", "", "OWN", 1, "", "", "", "", "", "")

    assert CARRIER.book(station.connection, [again])[again.reference].waybill == parcel.waybill
    assert CourierParcel.objects.count() == 1


def test_a_waybill_that_no_parcel_needs_is_taken_back(shop, station):
    placed = order(shop)
    work = steps.released(placed)
    steps.warehouse_says(work, "packed")
    factories.run(dispatching.run)
    shipment = Shipment.objects.get()
    cancelling.give_back({shipment.pk: ""})

    factories.run(cancelling.run)

    assert CourierParcel.objects.get().cancelled_at is not None


def test_a_day_is_planned_published_and_brought(shop, station):
    courier = hire(station)
    parcels = [parcel_of(order(shop)) for _ in range(3)]
    draft = planning.make(station.pk, DAY, by="li")

    assert [stop.is_in_force for stop in Stop.objects.all()] == [False] * 3
    assert draft.figures["served"] == draft.figures["on_time"] == draft.figures["stops"] == 3
    publishing.publish(draft.pk, by="li")
    stops = list(Stop.objects.filter(tour__courier=courier).order_by("position"))
    assert [stop.position for stop in stops] == [1, 2, 3]
    assert all(in_force(parcel) for parcel in parcels)

    assert working.set_out(courier.pk, DAY) == 3
    assert [state(parcel) for parcel in parcels] == ["out_for_delivery"] * 3
    working.report(courier.pk, stops[0].pk, told("a", cash=Decimal("26.00")))
    working.report(courier.pk, stops[1].pk, told("b", "refused"))
    working.report(courier.pk, stops[2].pk, told("c", "missed"))

    by_id = {parcel.pk: parcel for parcel in parcels}
    assert [state(by_id[stop.parcel_id]) for stop in stops] == ["signed", "rejected", "failed_delivery"]
    assert stops[0].parcel.shipment.sub_order.state == SubOrderState.DELIVERED
    assert steps.broken_invariants() == []


def test_what_was_missed_is_planned_again_the_next_day_only(shop, station):
    courier = hire(station)
    parcel = parcel_of(order(shop))
    published(station)
    stop = in_force(parcel)
    working.report(courier.pk, stop.pk, told("a", "missed"))
    state(parcel)

    assert planning.make(station.pk, DAY, by="li").figures["stops"] == 0
    tomorrow = planning.make(station.pk, DAY + timedelta(days=1), by="li")
    assert tomorrow.figures["stops"] == 1
    with time_machine.travel(MORNING + timedelta(days=1)):
        publishing.publish(tomorrow.pk, by="li")
    assert in_force(parcel).plan == tomorrow


def test_a_parcel_of_todays_plan_is_not_planned_for_tomorrow_too(shop, station):
    hire(station)
    parcel_of(order(shop))
    published(station)

    assert planning.make(station.pk, DAY + timedelta(days=1), by="li").figures["stops"] == 0


def test_two_days_that_want_the_same_parcel_do_not_both_get_it(shop, station):
    hire(station)
    parcel = parcel_of(order(shop))
    today = planning.make(station.pk, DAY, by="li")
    tomorrow = planning.make(station.pk, DAY + timedelta(days=1), by="li")

    publishing.publish(tomorrow.pk, by="li")
    publishing.publish(today.pk, by="li")

    assert in_force(parcel).plan == tomorrow
    assert steps.broken_invariants() == []


def test_appointments_promises_and_other_days(shop, station):
    hire(station)
    at = datetime.combine(DAY, time(14), CHINA)
    wanted = parcel_of(order(shop))
    later = parcel_of(order(shop))
    OrderTerms.objects.create(
        order=wanted.shipment.sub_order.order, delivery_from=at, delivery_until=at + timedelta(hours=2)
    )
    OrderTerms.objects.create(order=later.shipment.sub_order.order, delivery_from=at + timedelta(days=1))

    published(station)

    stop = Stop.objects.get()
    assert (stop.parcel, stop.opens_at, stop.closes_at) == (wanted, at, at + timedelta(hours=2))
    assert at <= stop.begins_at <= at + timedelta(hours=2)


def test_what_is_out_stays_and_the_rest_is_planned_anew(shop, station):
    first, second = hire(station), hire(station, "李师傅")
    parcels = [parcel_of(order(shop)) for _ in range(2)]
    published(station)
    out = in_force(parcels[0]).tour.courier
    assert working.set_out(out.pk, DAY) == 2
    late = parcel_of(order(shop))

    anew = published(station)

    assert {stop.parcel: stop.tour.courier for stop in Stop.objects.filter(plan=anew)} == {
        parcels[0]: out,
        parcels[1]: out,
        late: second if out == first else first,
    }
    assert RoutePlan.objects.filter(state=PlanState.PUBLISHED).get() == anew
    # Told of the former plan's stop: it is the same parcel, on the same day.
    former = Stop.objects.exclude(plan=anew).get(parcel=parcels[0])
    working.report(out.pk, former.pk, told("a", cash=Decimal("26.00")))
    assert state(parcels[0]) == "signed"
    assert steps.broken_invariants() == []


def test_a_draft_that_does_not_know_who_went_out_is_not_published(shop, station):
    courier = hire(station)
    parcel_of(order(shop))
    published(station)
    draft = planning.make(station.pk, DAY, by="li")
    working.set_out(courier.pk, DAY)

    with pytest.raises(ChangedMeanwhile):
        publishing.publish(draft.pk, by="li")
    assert RoutePlan.objects.get(state=PlanState.PUBLISHED).number == 1


def test_locked_stops_keep_their_courier_and_order(shop, station):
    first, _second = hire(station, grams=100), hire(station, "李师傅")
    station.couriers.update(skills=["cod"])
    parcels = [parcel_of(order(shop)) for _ in range(3)]
    CourierParcel.objects.update(weight_g=60)
    plan = planning.make(station.pk, DAY, by="li")
    publishing.move(Stop.objects.get(plan=plan, parcel=parcels[2]).pk, courier_id=first.pk, position=1)

    again = planning.make(station.pk, DAY, by="li")

    stop = Stop.objects.get(plan=again, parcel=parcels[2])
    assert (stop.tour.courier, stop.position, stop.is_locked) == (first, 1, True)
    assert RoutePlan.objects.get(pk=plan.pk).state == PlanState.DISCARDED
    publishing.unlock_from(stop.pk)
    assert not Stop.objects.filter(plan=again, is_locked=True).exists()


def test_a_move_that_cannot_be_driven_is_refused_and_changes_nothing(shop, station):
    first, second = hire(station, grams=100), hire(station, "李师傅", skills=[], vehicle_skills=[])
    parcels = [parcel_of(order(shop)) for _ in range(2)]
    CourierParcel.objects.update(weight_g=60)
    plan = planning.make(station.pk, DAY, by="li")
    unserved = Stop.objects.get(plan=plan, tour=None)
    assert unserved.why == Unserved.NO_CAPACITY

    with pytest.raises(CannotPlan, match="no room"):
        publishing.move(unserved.pk, courier_id=first.pk, position=1)
    with pytest.raises(CannotPlan, match="lack a skill"):
        publishing.move(unserved.pk, courier_id=second.pk, position=1)
    OrderTerms.objects.create(
        order=parcels[1].shipment.sub_order.order, delivery_until=datetime.combine(DAY, time(8, 1), CHINA)
    )
    Courier.objects.filter(pk=second.pk).update(skills=["cod"], starts=time(9))
    with pytest.raises(CannotPlan, match="after its hours"):
        publishing.move(Stop.objects.get(plan=plan, parcel=parcels[1]).pk, courier_id=second.pk, position=1)
    assert Stop.objects.filter(plan=plan, tour=None).count() == 1
    assert steps.broken_invariants() == []


def test_a_stop_that_moves_away_takes_its_empty_tour_with_it(shop, station):
    first, second = hire(station), hire(station, "李师傅")
    parcel_of(order(shop))
    plan = planning.make(station.pk, DAY, by="li")
    stop = Stop.objects.get(plan=plan)
    other = second if stop.tour.courier == first else first

    publishing.move(stop.pk, courier_id=other.pk, position=1)

    assert [tour.courier for tour in Tour.objects.filter(plan=plan)] == [other]
    assert RoutePlan.objects.get(pk=plan.pk).figures["served"] == 1


def test_what_is_not_in_the_area_any_more_says_so(shop, station):
    hire(station)
    parcel_of(order(shop))
    type(station).objects.update(regions=["31"])

    planning.make(station.pk, DAY, by="li")

    assert Stop.objects.get().why == Unserved.OUTSIDE_AREA


@pytest.mark.parametrize("is_out", [False, True])
def test_a_parcel_that_is_asked_back_is_caught_until_it_is_handed_over(shop, station, is_out):
    courier = hire(station)
    parcel = parcel_of(order(shop))
    published(station)
    if is_out:
        working.set_out(courier.pk, DAY)
    state(parcel)
    asking.ask_back(parcel.shipment_id, reason="x", actor=steps.STAFF)

    factories.run(calling.run)

    assert state(parcel) == "intercepting"
    assert (in_force(parcel) is not None) == is_out
    assert working.scan(station.pk, "sent_back", [parcel.waybill]) == [working.Row(parcel.waybill)]
    assert working.scan(station.pk, "back", [parcel.waybill]) == [working.Row(parcel.waybill)]
    assert state(parcel) == "returned"
    assert steps.broken_invariants() == []


def test_what_was_handed_over_is_not_caught_even_before_its_scan_is_worked_off(shop, station):
    courier = hire(station)
    parcel = parcel_of(order(shop))
    published(station)
    state(parcel)
    asking.ask_back(parcel.shipment_id, reason="x", actor=steps.STAFF)
    working.report(courier.pk, in_force(parcel).pk, told(cash=Decimal("26.00")))

    factories.run(calling.run)

    assert parcel.shipment.recalls.get().answer == "refused"
    assert state(parcel) == "signed"
    assert CourierParcel.objects.get().recalled_at is None


def test_a_parcel_that_is_asked_back_before_the_publishing_is_in_no_published_tour(shop, station):
    hire(station)
    parcel = parcel_of(order(shop))
    plan = planning.make(station.pk, DAY, by="li")
    asking.ask_back(parcel.shipment_id, reason="x", actor=steps.STAFF)
    factories.run(calling.run)

    publishing.publish(plan.pk, by="li")

    assert in_force(parcel) is None


def test_a_report_counts_once_however_often_it_is_sent(shop, station):
    courier = hire(station)
    parcel = parcel_of(order(shop))
    published(station)
    stop = in_force(parcel)
    first = working.report(courier.pk, stop.pk, told("a", cash=Decimal("26.00")))

    assert working.report(courier.pk, stop.pk, told("a", cash=Decimal("26.00"))) == first
    with pytest.raises(WrongReport, match="told already: Signed for"):
        working.report(courier.pk, stop.pk, told("b", "refused"))
    assert DoorReport.objects.count() == 1
    assert state(parcel) == "signed"


@pytest.mark.parametrize(
    ("report", "attr"),
    [
        (told("a", signed_by=" ", cash=Decimal("26.00")), "signed_by"),
        (told("a", cash=Decimal("25.99")), "cash"),
        (told("a"), "cash"),
        (told("a", "refused", reason=""), "reason"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_field(shop, station, report, attr):
    courier = hire(station)
    parcel = parcel_of(order(shop))
    published(station)

    with pytest.raises(WrongReport) as refusal:
        working.report(courier.pk, in_force(parcel).pk, report)

    assert refusal.value.attr == attr
    assert not DoorReport.objects.exists()


def test_nobody_tells_of_the_stops_of_others_or_of_drafts(shop, station):
    courier, other = hire(station), hire(station, "李师傅")
    parcel = parcel_of(order(shop))
    plan = planning.make(station.pk, DAY, by="li")
    stop = Stop.objects.get(parcel=parcel)
    owner = stop.tour.courier

    with pytest.raises(NotYours):
        working.report(owner.pk, stop.pk, told())
    publishing.publish(plan.pk, by="li")
    with pytest.raises(NotYours):
        working.report((other if owner == courier else courier).pk, stop.pk, told())
    with pytest.raises(NotYours):
        working.set_out((other if owner == courier else courier).pk, DAY)


def test_a_day_that_is_over_is_not_planned(shop, station):
    with pytest.raises(CannotPlan):
        planning.make(station.pk, DAY - timedelta(days=1), by="li")


def test_plans_are_drafted_by_themselves_once_where_something_waits(shop, station):
    hire(station)
    open_station(code="SH1", regions=["31"])
    assert planning.make_what_is_missing() == 0
    parcel_of(order(shop))

    assert planning.make_what_is_missing() == 1
    assert planning.make_what_is_missing() == 0
    assert RoutePlan.objects.get().made_by == planning.BY_ITSELF


def test_reading_a_day_takes_as_many_statements_for_many_parcels(shop, station, django_assert_num_queries):
    hire(station)
    for _ in range(3):
        parcel_of(order(shop))

    with django_assert_num_queries(3):
        reading.read(station, DAY, timezone.now())
