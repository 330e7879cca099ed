"""The promise's tables from files and to files, and who keeps them in memory."""

from datetime import date, time

import pytest

from inventory.models import (
    AppointmentSlot,
    CalendarDay,
    Cutoff,
    FreightRate,
    Lane,
    PromiseTables,
    RemoteArea,
    ServiceLevel,
)
from inventory.promising import tables
from inventory.promising.known_sheets import BY_MODEL
from inventory.promising.sheets import Outcome, export_rows, import_rows
from logistics.models import Carrier
from tests import factories

pytestmark = pytest.mark.django_db


def _import(model, *rows):
    return import_rows(BY_MODEL[model], enumerate(rows, 2))


def _codes(result):
    return [(error.attr, error.code) for error in result.errors]


def test_the_sample_is_taken_whole_and_a_second_time_changes_what_is_there(sample):
    assert {name: len(rows) for name, rows in sample.items()} == {
        "service-levels": 6,
        "calendar-cn": 400,
        "lanes": 961,
        "remote-areas": 25,
        "carrier-services": 13,
        "freight": 19,
        "slots": 17,
    }
    assert {row.outcome for rows in sample.values() for row in rows} == {Outcome.ADDED}
    unserved = _import(RemoteArea, {"code_prefix": "540102", "kind": "no_service", "extra_days": "", "surcharge": ""})
    assert [row.outcome for row in unserved] == [Outcome.ADDED]
    RemoteArea.objects.filter(area="540102").delete()
    lane = Lane.objects.get(origin="11", destination="31")
    assert (lane.road_km, lane.zone, lane.economy_days_p50, lane.economy_days_p95) == (1424, 3, 3, 5)
    again = _import(RemoteArea, {"code_prefix": "5401", "kind": "remote", "extra_days": "4", "surcharge": "9.50"})
    assert [row.outcome for row in again] == [Outcome.CHANGED]
    assert RemoteArea.objects.count() == 25
    assert RemoteArea.objects.get(area="5401").extra_days == 4


def test_what_is_written_is_read_again_and_changes_nothing(sample):
    for model, sheet in BY_MODEL.items():
        before = list(export_rows(sheet))
        results = import_rows(sheet, enumerate((dict(zip(sheet.headers, row, strict=True)) for row in before), 2))
        assert [row.errors for row in results if row.errors] == []
        assert list(export_rows(sheet)) == before, model


def test_wrong_rows_are_named_each_and_the_right_ones_stored(db):
    factories.RegionFactory()
    good = {"from_province": "北京市", "to_province": "1302", "road_km": "200", "zone": "2"}
    days = dict.fromkeys(("premium_days_p50", "premium_days_p95", "economy_days_p50", "economy_days_p95"), "2")
    results = _import(
        Lane,
        {**good, **days},
        {**good, **days, "to_province": "月球"},
        {**good, **days, "to_province": "131"},
        {**good, **days, "road_km": "-5", "zone": "x"},
        {**good, **days, "to_province": "1303", "premium_days_p50": "9"},
        {**good, **days, "road_km": "201"},
        {"from_province": "11", "to_province": "14"},
    )

    assert [row.outcome for row in results] == [Outcome.ADDED, *[Outcome.REFUSED] * 6]
    assert results[4].errors[0].detail == str(Lane._meta.constraints[1].violation_error_message)
    assert [_codes(row) for row in results] == [
        [],
        [("to_province", "invalid")],
        [("to_province", "invalid")],
        [("road_km", "invalid"), ("zone", "invalid")],
        [("from_province", "does_not_fit")],
        [("from_province", "named_twice")],
        [
            (name, "invalid")
            for name in (
                "road_km",
                "zone",
                "premium_days_p50",
                "premium_days_p95",
                "economy_days_p50",
                "economy_days_p95",
            )
        ],
    ]
    assert Lane.objects.get().road_km == 200


def test_a_level_by_the_hour_within_hours_and_by_the_lane_are_told_apart(sample):
    express, same, standard = (ServiceLevel.objects.get(code=code) for code in ("EXPRESS", "211_SAME", "STANDARD"))

    assert (express.within_minutes, express.deliver_by) == (180, None)
    assert (same.day_offset, f"{same.deliver_by:%H:%M}") == (0, "23:00")
    assert standard.takes_lane_days
    assert [level.code for level in tables.current().levels_of("211")] == ["211_NEXT", "211_SAME"]


def test_tables_are_read_once_and_anew_when_one_changes(sample, django_assert_num_queries):
    kept = tables.current()
    with django_assert_num_queries(1):
        assert tables.current() is kept

    CalendarDay.objects.create(day=date(2026, 12, 24), kind="holiday", basis="staff")
    renewed = tables.current()
    assert renewed.version > kept.version
    assert renewed.calendar.is_holiday(date(2026, 12, 24))
    assert not kept.calendar.is_holiday(date(2026, 12, 24))
    assert PromiseTables.objects.get().version == renewed.version


def test_days_and_times_are_read_as_spreadsheets_write_them(db):
    warehouse = factories.WarehouseFactory()
    level = ServiceLevel.objects.create(code="STANDARD", name="标准配送", cutoff=time(23), deliver_by=time(23))
    days = ("2027-01-01", "2027/1/2", "2027年1月3日", "2027-01-04 00:00:00", "2027/2/30", "1/5/2027")
    results = _import(CalendarDay, *({"date": day, "kind": "holiday"} for day in days))
    assert [row.outcome for row in results] == [Outcome.ADDED] * 4 + [Outcome.REFUSED] * 2
    assert "2027/2/30" in results[4].errors[0].detail
    assert list(CalendarDay.objects.order_by("day").values_list("day", flat=True)) == [
        date(2027, 1, day) for day in (1, 2, 3, 4)
    ]
    hours = ("9:30", "09:30:00", "25:00", "half past nine")
    results = _import(
        Cutoff,
        *({"warehouse": warehouse.code, "level": level.code, "carrier": x, "cutoff": x} for x in hours),
    )
    assert [row.outcome for row in results] == [Outcome.ADDED] * 2 + [Outcome.REFUSED] * 2
    assert [f"{one.cutoff:%H:%M}" for one in Cutoff.objects.all()] == ["09:30", "09:30"]
    assert "holiday, workday" in _import(CalendarDay, {"date": "2027-01-05", "kind": "休"})[0].errors[0].detail


def test_columns_that_a_file_lacks_stay_as_they_are(sample):
    before = Lane.objects.get(origin="11", destination="31")
    (there, new) = _import(
        Lane,
        {"from_province": "11", "to_province": "31", "road_km": "1500"},
        {"from_province": "11", "to_province": "8100", "road_km": "1500"},
    )
    assert (there.outcome, there.errors) == (Outcome.CHANGED, [])
    assert ("zone", "invalid") in _codes(new), "a lane that is new needs them all"
    after = Lane.objects.get(origin="11", destination="31")
    assert after.road_km == 1500
    assert (after.zone, after.economy_days_p95) == (before.zone, before.economy_days_p95)


def test_carriers_and_cities_that_nobody_knows_are_refused_by_row(db):
    factories.RegionFactory()
    assert [row.outcome for row in _import(Cutoff)] == []
    rate = {"service": "premium", "zone": "1", "first_kg": "1", "first_fee": "12", "step_kg": "1", "step_fee": "2"}
    (early,) = _import(FreightRate, {**rate, "carrier": "NEW"})
    assert early.outcome == Outcome.ADDED, "as long as no carrier is known at all"
    Carrier.objects.create(code="SF", name="顺丰速运", priority=1)

    results = _import(FreightRate, {**rate, "carrier": "SF"}, {**rate, "carrier": "FS"}, {**rate, "carrier": ""})
    assert [row.outcome for row in results] == [Outcome.ADDED, Outcome.REFUSED, Outcome.ADDED]
    assert results[1].errors[0].attr == "carrier"
    assert "FS" in results[1].errors[0].detail
    assert "SF" in results[1].errors[0].detail
    slot = {"slot": "上午", "start": "9:00", "end": "15:00", "capacity_per_warehouse": "5", "fee": ""}
    results = _import(AppointmentSlot, {**slot, "city": "北京市"}, {**slot, "city": "北京"}, {**slot, "city": "*"})
    assert [_codes(row) for row in results] == [[], [("city", "invalid")], []]


def test_slots_of_a_city_have_no_hours_in_common(db):
    def slot(start, end, city="*"):
        return {"city": city, "slot": "x", "start": start, "end": end, "capacity_per_warehouse": "5", "fee": "0"}

    first = _import(AppointmentSlot, slot("9:00", "15:00"), slot("15:00", "19:00"), slot("14:00", "16:00"))
    assert [row.outcome for row in first] == [Outcome.ADDED, Outcome.ADDED, Outcome.REFUSED]
    assert _codes(first[2]) == [("start", "overlaps")]
    assert "09:00–15:00" in first[2].errors[0].detail
    again = _import(AppointmentSlot, {**slot("9:00", "15:00"), "capacity_per_warehouse": "7"}, slot("18:59", "22:00"))
    assert [row.outcome for row in again] == [Outcome.CHANGED, Outcome.REFUSED]
    AppointmentSlot.objects.filter(starts_at=900).update(is_active=False)
    assert [row.outcome for row in _import(AppointmentSlot, slot("18:59", "22:00"))] == [Outcome.ADDED]
    assert list(AppointmentSlot.objects.order_by("starts_at").values_list("starts_at", "capacity")) == [
        (540, 7),
        (900, 5),
        (1139, 5),
    ]
