"""By when a parcel arrives, at the borders where promises break."""

from dataclasses import replace
from datetime import date, time

import pytest

from inventory.promising.calendars import Span
from inventory.promising.dating import Journey, NoArrival, best_arrival
from inventory.promising.tables import CutoffTime, Remote, Schedule
from tests.promising.plans import (
    BEIJING,
    EXPRESS,
    HEBEI,
    NEXT,
    SAME,
    SANSHA,
    SF,
    STANDARD,
    TIBET,
    ZTO,
    arrive,
    latest,
    moment,
    place,
    ready,
    tables,
)


def test_a_second_before_the_cut_off_is_the_same_day_and_the_cut_off_itself_is_too_late():
    assert latest("2026-11-26 10:59:59", SAME) == "2026-11-26 23:00"
    assert latest("2026-11-26 11:00:00", SAME) == "2026-11-27 23:00"
    assert [reason.code for reason in arrive("2026-11-26 11:00:00", SAME).reasons] == ["cutoff_missed", "by_hour"]


def test_a_table_can_say_that_the_cut_off_itself_is_in_time():
    inclusive = tables(cutoffs={(1, "211_SAME", ""): CutoffTime(time(11), is_inclusive=True)})

    assert latest("2026-11-26 11:00:00", SAME, of=inclusive) == "2026-11-26 23:00"
    assert latest("2026-11-26 11:00:01", SAME, of=inclusive) == "2026-11-27 23:00"


@pytest.mark.parametrize(
    ("paid", "promised", "level"),
    [
        ("2026-11-26 10:59:59", "2026-11-26 23:00", "211_SAME"),
        ("2026-11-26 11:00:00", "2026-11-27 11:00", "211_NEXT"),
        ("2026-11-26 22:59:59", "2026-11-27 11:00", "211_NEXT"),
        ("2026-11-26 23:00:00", "2026-11-27 23:00", "211_SAME"),
    ],
)
def test_of_211_the_earlier_one_is_promised(paid, promised, level):
    found, _refusals = best_arrival(tables(), Journey(1, BEIJING, "ambient", moment(paid)), [SAME, NEXT], [SF])

    assert (f"{found.latest_at:%Y-%m-%d %H:%M}", found.level) == (promised, level)


def test_a_carriers_own_cut_off_counts_before_the_warehouses():
    own = tables(cutoffs={(1, "STANDARD", "SF"): CutoffTime(time(15)), (1, "STANDARD", ""): CutoffTime(time(20))})

    assert arrive("2026-11-26 16:00:00", of=own).cutoff_at == moment("2026-11-27 15:00:00")
    assert arrive("2026-11-26 16:00:00", service=ZTO, of=own).cutoff_at == moment("2026-11-26 20:00:00")


def test_a_warehouses_own_cut_offs_count_before_the_levels_and_without_one_for_the_day_there_is_no_same_day():
    late = place(cutoff_same_day=None, cutoff_next_day=time(16))

    assert arrive("2026-11-26 15:59:59", NEXT, of=late).cutoff_at == moment("2026-11-26 16:00:00")
    with pytest.raises(NoArrival) as refusal:
        arrive("2026-11-26 09:00:00", SAME, of=late)
    assert refusal.value.reason.code == "no_same_day"


def test_a_saturday_before_a_make_up_sunday_waits_one_day_and_counts_the_sunday():
    """2026-09-19 is a Saturday; Sunday the 20th is worked for the National Day."""
    weekdays = place(schedules={"": Schedule(works_on_weekends=False)})

    parcel = arrive("2026-09-19 10:00:00", service=ZTO, of=weekdays)
    assert parcel.cutoff_at.date() == date(2026, 9, 20)
    assert (parcel.planned_on, parcel.promised_on) == (date(2026, 9, 21), date(2026, 9, 22))
    usual = arrive("2026-09-12 10:00:00", service=ZTO, of=weekdays)
    assert usual.cutoff_at.date() == date(2026, 9, 14)


def test_the_last_day_before_the_spring_festival():
    """15 February to 23 February 2026 are holidays; the 14th is a Saturday that is worked, the 28th too."""
    assert arrive("2026-02-14 22:59:59", service=ZTO).promised_on == date(2026, 2, 25)
    assert arrive("2026-02-14 23:00:00", service=ZTO).cutoff_at.date() == date(2026, 2, 24)
    assert arrive("2026-02-14 22:59:59").promised_on == date(2026, 2, 16), "SF runs on holidays"
    rests = tables(carrier_closures={"SF": (Span(date(2026, 2, 15), date(2026, 2, 19)),)})
    assert arrive("2026-02-14 22:59:59", of=rests).promised_on == date(2026, 2, 21)


def test_an_order_of_the_last_evening_of_the_known_calendar_is_promised_provisionally():
    last_year = tables(calendar=replace(tables().calendar, known_years=frozenset({2026})))
    parcel = arrive("2026-12-31 22:00:00", service=ZTO, of=last_year)

    assert parcel.promised_on == date(2027, 1, 5), "1 January is off by the estimate, then a weekend"
    assert parcel.is_provisional
    assert parcel.reasons[-1].as_json() == {"code": "provisional_calendar", "year": 2027}
    unknown = arrive("2028-02-28 09:00:00", service=ZTO, of=last_year)
    assert (unknown.promised_on, unknown.is_provisional) == (date(2028, 3, 1), True)
    assert not arrive("2026-12-28 09:00:00", of=last_year).is_provisional


def test_a_warehouse_that_is_closed_on_the_waves_day_sends_on_the_next_one():
    closed = place(closures=(Span(date(2026, 11, 26), date(2026, 11, 27)),))
    parcel = arrive("2026-11-26 09:00:00", SAME, of=closed)

    assert f"{parcel.latest_at:%m-%d %H:%M}" == "11-28 23:00"
    assert ready("2026-11-26 09:00:00", closed) == moment("2026-11-28 00:00:00")


def test_a_remote_county_of_a_near_province_takes_more_days_and_has_no_level_by_the_hour():
    remote = tables(remote={"130102": Remote("130102", True, 2, 300)})

    assert arrive("2026-11-26 09:00:00", to=HEBEI, of=remote).promised_on == date(2026, 11, 30)
    assert arrive("2026-11-26 09:00:00", to="130104", of=remote).promised_on == date(2026, 11, 28)
    with pytest.raises(NoArrival) as refusal:
        arrive("2026-11-26 09:00:00", replace(SAME, max_road_km=None), to=HEBEI, of=remote)
    assert refusal.value.reason.as_json() == {"code": "remote_area", "area": "130102", "days": 2}


@pytest.mark.parametrize(
    ("level", "to", "code"),
    [
        (SAME, HEBEI, "too_far"),
        (EXPRESS, HEBEI, "other_city"),
        (STANDARD, SANSHA, "not_served"),
        (STANDARD, "710000", "no_lane"),
    ],
)
def test_why_a_level_does_not_go_there(level, to, code):
    with pytest.raises(NoArrival) as refusal:
        arrive("2026-11-26 09:00:00", level, to=to)
    assert refusal.value.reason.code == code


def test_three_hours_begin_when_it_is_picked_and_the_next_morning_after_the_cut_off():
    hours = place(schedules={"": Schedule(opens_at=time(8), closes_at=time(20), picking_minutes=30)})

    assert latest("2026-11-26 17:00:00", EXPRESS, of=hours) == "2026-11-26 20:30"
    assert latest("2026-11-26 17:45:00", EXPRESS, of=hours) == "2026-11-27 11:00"


def test_picking_is_done_only_within_the_warehouses_hours():
    hours = place(schedules={"": Schedule(opens_at=time(8), closes_at=time(18), picking_minutes=240)})

    assert ready("2026-11-26 16:00:00", hours) == moment("2026-11-27 10:00:00")
    assert ready("2026-11-26 05:00:00", hours) == moment("2026-11-26 12:00:00")
    frozen = place(schedules={"": Schedule(picking_minutes=600), "ambient": Schedule(picking_minutes=5)})
    assert ready("2026-11-26 05:00:00", frozen) == moment("2026-11-26 05:05:00")


def test_a_suspended_area_gets_its_parcels_when_it_is_over_and_weather_adds_days():
    over = tables(area_suspensions={"54": (Span(date(2026, 11, 20), date(2026, 12, 10)),)})
    snow = tables(area_suspensions={"5401": (Span(date(2026, 11, 20), date(2026, 12, 10), 3),)})

    assert arrive("2026-11-26 09:00:00", to=TIBET).promised_on == date(2026, 12, 2), "4 days and 2 of the remote area"
    assert arrive("2026-11-26 09:00:00", to=TIBET, of=over).promised_on == date(2026, 12, 11)
    assert arrive("2026-11-26 09:00:00", to=TIBET, of=snow).promised_on == date(2026, 12, 5)


def test_who_never_works_promises_nothing():
    closed = place(closures=(Span(date(2026, 1, 1), date(2030, 1, 1)),))

    with pytest.raises(NoArrival) as refusal:
        arrive("2026-11-26 09:00:00", of=closed)
    assert refusal.value.reason.code == "never_works"


def test_a_promise_keeps_all_that_it_was_made_of():
    parcel = arrive("2026-11-26 09:00:00", to=TIBET)

    assert (parcel.lane_id, parcel.lane_days, parcel.extra_days, parcel.tables_version) == (3, (3, 4), 2, 7)
    assert [reason.as_json() for reason in parcel.reasons] == [
        {"code": "cutoff_met", "cutoff": "23:00", "day": "2026-11-26"},
        {"code": "lane_days", "days": 4, "half": 3},
        {"code": "extra_days", "days": 2},
    ]


def test_what_was_worked_out_holds_for_the_same_day_and_side_of_the_cut_off_only():
    known = tables()
    early, again, late, other_day = (
        arrive(paid, SAME, of=known)
        for paid in ("2026-11-26 08:00:00", "2026-11-26 10:59:59", "2026-11-26 11:00:00", "2026-11-27 08:00:00")
    )

    assert early is again
    assert [one.latest_at.day for one in (early, late, other_day)] == [26, 27, 27]
    assert latest("2026-11-26 08:00:00", EXPRESS, of=known) != latest("2026-11-26 08:01:00", EXPRESS, of=known)
