"""By when a parcel arrives: pure, from tables in memory.

    ready   paid + picking, within the warehouse's hours
    wave    the first cut-off after that, on a day on which warehouse and carrier work
    arrival so many minutes after, by an hour so many days after, or the lane's days (half for planning, 95 % promised)

Times come in with their zone and are worked with as China's wall clock has them, which knows no summer time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from inventory.promising.calendars import NeverWorks, Span, after_days, days_from, first_from, longest_fit
from inventory.promising.freight import Service
from inventory.promising.tables import ALWAYS, CutoffTime, Level, Place, Schedule, Tables, Way
from oms.common.zones import CHINA

_MIDNIGHT = time(0)
_ONE_DAY = timedelta(days=1)
# So much is kept of what was worked out by tables; then it is begun anew.
MOST_WORKED_OUT = 200_000


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a date is what it is, or why there is none: a code with values. See `words`."""

    code: str
    values: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As it is stored and told."""
        return {"code": self.code, **self.values}


@dataclass(frozen=True, slots=True)
class Journey:
    """What is asked: a parcel of one class from a warehouse to a county, paid (or confirmed) at `starts_at`. On
    `full_days` the warehouse has no room left."""

    warehouse_id: int
    region_code: str
    storage_class: str
    starts_at: datetime
    full_days: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a parcel arrives with a level and a service, and everything that made it so.

    `cutoff_at` is the wave that it goes with; half of such parcels are there on `planned_on`, `latest_at` is promised.
    """

    level: str
    cutoff_at: datetime
    planned_on: date
    latest_at: datetime
    lane_id: int | None
    road_km: int
    zone: int
    lane_days: tuple[int, int] | None
    extra_days: int
    is_provisional: bool
    tables_version: int
    reasons: tuple[Reason, ...]

    @property
    def promised_on(self) -> date:
        """The day that is promised."""
        return self.latest_at.date()


class NoArrival(Exception):
    """The level or service cannot bring the parcel there; `reason` says why."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.reason = Reason(code, values)


def arrival(tables: Tables, journey: Journey, level: Level, service: Service) -> Arrival:
    """When the parcel arrives. Raises NoArrival.

    It depends on the moment only by the day on which the parcel is ready and whether that is before the cut-off (but
    for levels of minutes): what was worked out is kept with the tables.
    """
    place = tables.places.get(journey.warehouse_id)
    if place is None:
        raise NoArrival("no_warehouse")
    ready = _ready(tables, place, journey)
    if level.within_minutes is not None:
        return _work_out(tables, journey, level, service, place, ready)
    is_in_time = cutoff_of(tables, place, level, service.carrier).met(ready.time())
    goods = (journey.warehouse_id, journey.region_code, journey.storage_class, journey.full_days)
    key = (*goods, level.code, service.carrier, service.kind, ready.date(), is_in_time)
    found = tables.worked_out.get(key)
    if found is None:
        try:
            found = _work_out(tables, journey, level, service, place, ready)
        except NoArrival as refusal:
            found = refusal.reason
        if len(tables.worked_out) >= MOST_WORKED_OUT:
            tables.worked_out.clear()
        tables.worked_out[key] = found
    if isinstance(found, Reason):
        raise NoArrival(found.code, **found.values)
    return found


def ready_at(tables: Tables, journey: Journey) -> datetime:
    """When the parcel is picked. Raises NoArrival where nobody ever works; KeyError for an unknown warehouse."""
    return _ready(tables, tables.places[journey.warehouse_id], journey).replace(tzinfo=CHINA)


def _ready(tables: Tables, place: Place, journey: Journey) -> datetime:
    """When the parcel is picked, on China's wall clock; work is done only in the warehouse's hours."""
    schedule = place.schedule(journey.storage_class)
    moment = journey.starts_at.astimezone(CHINA).replace(tzinfo=None)
    if schedule is ALWAYS and not place.closures:
        return moment
    left = timedelta(minutes=schedule.picking_minutes)
    for day in days_from(moment.date()):
        if not works(tables, place, schedule, day):
            continue
        closes = datetime.combine(day, schedule.closes_at) if schedule.closes_at else _midnight_after(day)
        begins = max(moment, datetime.combine(day, schedule.opens_at))
        if begins < closes and begins + left <= closes:
            return begins + left
        left -= max(closes - begins, timedelta())
    raise NoArrival("never_works")


def works(tables: Tables, place: Place, schedule: Schedule, day: date) -> bool:
    """Whether the warehouse works on the day."""
    if any(span.covers(day) for span in place.closures):
        return False
    if tables.calendar.is_holiday(day):
        return schedule.works_on_holidays
    return schedule.works_on_weekends or tables.calendar.is_workday(day)


def _work_out(
    tables: Tables, journey: Journey, level: Level, service: Service, place: Place, ready: datetime
) -> Arrival:
    """The arrival of a parcel that is ready then. Raises NoArrival."""
    remote = tables.remote_area(journey.region_code)
    if remote is not None and not remote.is_served:
        raise NoArrival("not_served", area=remote.area)
    way = tables.way(place.region_code, journey.region_code)
    if way is None:
        raise NoArrival("no_lane")
    _check_reach(tables, level, place, way, journey.region_code)
    extra_days = remote.extra_days if remote is not None else 0
    if extra_days and not level.takes_lane_days:
        raise NoArrival("remote_area", area=remote.area if remote is not None else "", days=extra_days)
    try:
        return _Trip(tables, journey, level, service, place, way, extra_days).arrive(ready)
    except NeverWorks:
        raise NoArrival("never_works") from None


def _check_reach(tables: Tables, level: Level, place: Place, way: Way, region_code: str) -> None:
    if level.same_city_only and tables.cities.get(region_code) != place.city:
        raise NoArrival("other_city", city=place.city)
    if level.max_road_km is not None and way.road_km > level.max_road_km:
        raise NoArrival("too_far", km=way.road_km, most=level.max_road_km)


class _Trip:
    """One computation: the steps of the algorithm with what they share."""

    def __init__(
        self,
        tables: Tables,
        journey: Journey,
        level: Level,
        service: Service,
        place: Place,
        way: Way,
        extra_days: int,
    ) -> None:
        self.tables, self.level, self.service, self.place, self.way = tables, level, service, place, way
        self.extra_days = extra_days
        self.region_code = journey.region_code
        self.full_days = journey.full_days
        self.schedule: Schedule = place.schedule(journey.storage_class)
        self.carrier_closures = tables.carrier_closures.get(service.carrier, ())
        self.reasons: list[Reason] = []

    def arrive(self, ready: datetime) -> Arrival:
        """Raises NoArrival, NeverWorks."""
        level = self.level
        cutoff = cutoff_of(self.tables, self.place, level, self.service.carrier)
        wave = self._wave(ready, cutoff)
        lane_days = None
        if level.within_minutes is not None:
            begins = ready if wave == ready.date() else datetime.combine(wave, self.schedule.opens_at)
            latest = begins + timedelta(minutes=level.within_minutes)
            planned = latest.date()
            self.reasons.append(Reason("within_minutes", {"minutes": level.within_minutes}))
        elif level.day_offset is not None:
            planned = wave + timedelta(days=level.day_offset)
            latest = datetime.combine(planned, level.deliver_by or time(23))
            self.reasons.append(Reason("by_hour", {"days": level.day_offset, "hour": f"{latest:%H:%M}"}))
        else:
            lane_days = self.way.days[self.service.speed]
            planned, _extra = self._on_lane(wave, lane_days[0])
            promised, self.extra_days = self._on_lane(wave, lane_days[1])
            latest = datetime.combine(promised, level.deliver_by or time(23))
            self.reasons.append(Reason("lane_days", {"days": lane_days[1], "half": lane_days[0]}))
            if self.extra_days:
                self.reasons.append(Reason("extra_days", {"days": self.extra_days}))
        if not level.takes_lane_days:
            self._check_days(wave, latest.date())
        is_provisional = self._is_provisional(ready.date(), latest.date())
        return Arrival(
            level=level.code,
            cutoff_at=datetime.combine(wave, cutoff.at, CHINA),
            planned_on=planned,
            latest_at=latest.replace(tzinfo=CHINA),
            lane_id=self.way.lane_id,
            road_km=self.way.road_km,
            zone=self.way.zone,
            lane_days=lane_days,
            extra_days=self.extra_days,
            is_provisional=is_provisional,
            tables_version=self.tables.version,
            reasons=tuple(self.reasons),
        )

    def _wave(self, ready: datetime, cutoff: CutoffTime) -> date:
        """The day of the cut-off with which the parcel leaves."""
        today = ready.date()
        code = "cutoff_missed"
        if cutoff.met(ready.time()):
            if self._sends(today):
                self.reasons.append(Reason("cutoff_met", {"cutoff": f"{cutoff.at:%H:%M}", "day": today.isoformat()}))
                return today
            code = "day_full" if today in self.full_days else "closed"
        wave = first_from(today + _ONE_DAY, self._sends)
        codes = [code]
        if code != "day_full" and any(today < day < wave for day in self.full_days):
            codes.append("day_full")
        self.reasons += [Reason(one, {"cutoff": f"{cutoff.at:%H:%M}", "day": wave.isoformat()}) for one in codes]
        return wave

    def _on_lane(self, wave: date, days: int) -> tuple[date, int]:
        """The day on which so many days of the lane are over, and the extra days in it."""
        extra = self.extra_days
        day = after_days(wave, days + extra, self._carrier_works)
        for span in self._area_suspensions():
            if not span.meets(wave, day):
                continue
            if span.extra_days is None:
                reason = Reason("area_suspended", {"until": span.ends_on.isoformat()})
                if reason not in self.reasons:
                    self.reasons.append(reason)
                day = max(day, first_from(span.ends_on + _ONE_DAY, self._carrier_works))
            else:
                extra += span.extra_days
                day = after_days(day, span.extra_days, self._carrier_works)
        return day, extra

    def _check_days(self, wave: date, last: date) -> None:
        """Levels by the hour are not sold where something stands in their way. Raises NoArrival."""
        for span in self._area_suspensions():
            if span.meets(wave, last):
                raise NoArrival("area_suspended", until=span.ends_on.isoformat())
        if not self._carrier_works(last):
            raise NoArrival("carrier_rests", day=last.isoformat())
        if not self.level.works_on_holiday and any(map(self.tables.calendar.is_holiday, (wave, last))):
            raise NoArrival("holiday", day=last.isoformat())

    def _area_suspensions(self) -> tuple[Span, ...]:
        suspensions = self.tables.area_suspensions
        if not suspensions:
            return ()
        area = longest_fit(suspensions, self.region_code)
        return suspensions[area] if area is not None else ()

    def _carrier_works(self, day: date) -> bool:
        if any(span.covers(day) for span in self.carrier_closures):
            return False
        return self.service.works_on_holiday or self.tables.calendar.is_workday(day)

    def _sends(self, day: date) -> bool:
        """Whether warehouse and carrier work, and there is room."""
        return (
            day not in self.full_days
            and works(self.tables, self.place, self.schedule, day)
            and self._carrier_works(day)
        )

    def _is_provisional(self, first: date, last: date) -> bool:
        """Whether it depends on a year whose plan is not known."""
        for day in (first, last):
            if not self.tables.calendar.is_known(day):
                self.reasons.append(Reason("provisional_calendar", {"year": day.year}))
                return True
        return False


def _midnight_after(day: date) -> datetime:
    return datetime.combine(day + _ONE_DAY, _MIDNIGHT)


def cutoff_of(tables: Tables, place: Place, level: Level, carrier: str) -> CutoffTime:
    """The cut-off that counts: the table's for the carrier, the table's, the warehouse's own, the level's.

    A warehouse that says only its cut-off for the next day sends nothing on the same day. Raises NoArrival.
    """
    said = tables.cutoffs
    row = said.get((place.warehouse_id, level.code, carrier)) or said.get((place.warehouse_id, level.code, ""))
    if row is not None:
        return row
    is_same_day = level.day_offset == 0 or level.within_minutes is not None
    own = place.cutoff_same_day if is_same_day else place.cutoff_next_day
    if own is None:
        if is_same_day and place.cutoff_next_day is not None:
            raise NoArrival("no_same_day")
        return level.cutoff
    if level.within_minutes is not None:
        return level.cutoff
    return CutoffTime(own, level.cutoff.is_inclusive)


def best_arrival(
    tables: Tables, journey: Journey, levels: list[Level], services: list[Service]
) -> tuple[Arrival | None, list[Reason]]:
    """The earliest arrival with any of the levels and services (services in order of preference), or None with why."""
    best: Arrival | None = None
    refusals: list[Reason] = []
    for level in levels:
        for service in services:
            try:
                found = arrival(tables, journey, level, service)
            except NoArrival as refusal:
                refusals.append(refusal.reason)
                continue
            if best is None or found.latest_at < best.latest_at:
                best = found
    return best, refusals
