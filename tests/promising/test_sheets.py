"""The promise's tables from files and to files, and who keeps them in memory."""

from datetime import date

import pytest

from inventory.models import CalendarDay, Lane, PromiseTables, RemoteArea, ServiceLevel
from inventory.promising import tables
from inventory.promising.known_sheets import BY_MODEL
from inventory.promising.sheets import Outcome, export_rows, import_rows
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
