"""Tables of the promise to test with, without a database: a warehouse in Beijing, some lanes, the calendar of 2026."""

import csv
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from inventory.promising.calendars import Calendar
from inventory.promising.dating import Arrival, Journey, arrival, ready_at
from inventory.promising.freight import Rate, Service
from inventory.promising.tables import CutoffTime, Level, Place, Remote, Tables, Way
from oms.common.zones import CHINA
from oms.embedded import CHECKOUT

SF = Service("SF", "premium", "premium", 6000, 500, 100_000, 300, takes_cod=True, works_on_holiday=True)
ZTO = Service("ZTO", "economy", "economy", 8000, 1000, 50_000, 150, takes_cod=False, works_on_holiday=False)
BEIJING, HEBEI, TIBET, SANSHA = "110101", "130102", "540121", "460301"


def level(code: str, cutoff: time, **values: Any) -> Level:
    """A service level, a standard one unless told otherwise."""
    given = {
        "within_minutes": None,
        "day_offset": None,
        "deliver_by": time(23),
        "max_road_km": None,
        "same_city_only": False,
        "works_on_holiday": True,
        "fee_fen": 0,
    }
    return Level(code=code, name=code, cutoff=CutoffTime(cutoff), **given | values)


SAME = level("211_SAME", time(11), day_offset=0, max_road_km=250)
NEXT = level("211_NEXT", time(23), day_offset=1, deliver_by=time(11), max_road_km=250)
STANDARD = level("STANDARD", time(23))
EXPRESS = level("EXPRESS", time(18), within_minutes=180, deliver_by=None, same_city_only=True)


def calendar() -> Calendar:
    """The calendar of the sample: notices up to 2026, an estimate for 2027."""
    with (CHECKOUT / "sample/promise/calendar-cn.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    days = {kind: frozenset(date.fromisoformat(r["date"]) for r in rows if r["kind"] == kind) for kind in _KINDS}
    known = frozenset(int(row["date"][:4]) for row in rows if row["basis"] == "notice")
    return Calendar(days["holiday"], days["workday"], known)


_KINDS = ("holiday", "workday")
PLACE = Place(1, "BJ-DC1", "110115", "北京市", None, None, 1000, {}, ())


def tables(**values: Any) -> Tables:
    """The tables, with `values` in place of some."""
    days = {"premium": (1, 2), "economy": (2, 3)}
    far = {"premium": (3, 4), "economy": (5, 8)}
    given = {
        "version": 7,
        "calendar": calendar(),
        "levels": {one.code: one for one in (SAME, NEXT, STANDARD, EXPRESS)},
        "places": {1: PLACE},
        "cutoffs": {},
        "lanes": {
            "11": {
                "11": Way(1, 150, 1, {"premium": (1, 2), "economy": (1, 2)}),
                "13": Way(2, 349, 2, days),
                "54": Way(3, 3400, 5, far),
                "46": Way(4, 3000, 4, far),
            }
        },
        "remote": {"5401": Remote("5401", True, 2, 300), "4603": Remote("4603", False, 5, 0)},
        "carrier_closures": {},
        "area_suspensions": {},
        "services": (SF, ZTO),
        "rates": {("premium", "", 1): Rate(1000, 1200, 500, 100)},
        "surcharges": (),
        "slots": {},
        "cities": {BEIJING: "北京市", HEBEI: "石家庄市"},
    }
    return Tables(**given | values)


def moment(text: str) -> datetime:
    """A time on China's wall clock, such as 2026-11-26 10:59:59."""
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def arrive(
    paid: str, level: Level = STANDARD, service: Service = SF, *, to: str = BEIJING, of: Tables | None = None
) -> Arrival:
    """When an ambient parcel from Beijing's warehouse, paid then, arrives. Raises NoArrival."""
    return arrival(of or tables(), Journey(1, to, "ambient", moment(paid)), level, service)


def ready(paid: str, of: Tables) -> datetime:
    """When an ambient parcel from Beijing's warehouse, paid then, is picked."""
    return ready_at(of, Journey(1, BEIJING, "ambient", moment(paid)))


def latest(paid: str, *args: Any, **kwargs: Any) -> str:
    """The latest hour that is promised, as text."""
    return f"{arrive(paid, *args, **kwargs).latest_at:%Y-%m-%d %H:%M}"


def place(**values: Any) -> Tables:
    """The tables with another warehouse in Beijing."""
    return tables(places={1: replace(PLACE, **values)})


def kg(text: str) -> int:
    """Grams of a text in kilograms."""
    return int(Decimal(text) * 1000)
