"""How long each step may take: the rows of staff, what was learned, and the days on which nobody works.

Read once and kept in memory until one of the tables changes, like the promise's (`inventory.promising.tables`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from inventory.promising import tables
from inventory.promising.calendars import LONGEST_SEARCH_DAYS, Span
from inventory.promising.tables import Tables
from logistics.models import AlertKind, DeadlineRule, DeadlineStretch, LearnedDeadline
from logistics.watching import defaults
from logistics.watching.defaults import Limit
from oms.common.work import clock
from oms.common.zones import CHINA

# What was learned counts between these shares of the table's value.
LEAST_SHARE, MOST_SHARE = 0.5, 2.0
# Steps of the way between the provinces: those that a far province stretches.
ON_THE_WAY = frozenset(
    {
        AlertKind.DEPART_TIMEOUT,
        AlertKind.STALLED,
        AlertKind.ARRIVED_NOT_OUT,
        AlertKind.DELIVERY_TIMEOUT,
        AlertKind.SIGN_TIMEOUT,
    }
)
# The hours of a day on which somebody works; None: on that day nobody does.
Shift = Callable[[date], tuple[datetime, datetime] | None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Longer deadlines: to an area ("": everywhere), on some days (None: always)."""

    area: str
    factor: float
    days: Span | None = None

    def holds(self, region: str, day: date) -> bool:
        """Whether it is about a parcel to the region that waits on the day."""
        return region.startswith(self.area) and (self.days is None or self.days.covers(day))


@dataclass(frozen=True, slots=True)
class Lane:
    """Who carries a parcel from which county to which ("" where it is not known)."""

    carrier: str
    origin: str = ""
    destination: str = ""

    @property
    def is_within_a_province(self) -> bool:
        """Whether it stays in its province."""
        return self.origin[:2] == self.destination[:2] != ""


@dataclass(frozen=True, slots=True)
class Limits:
    """All deadlines, as they were in one version of the tables."""

    version: int
    tables: Tables
    rules: Mapping[tuple[str, str], Limit]
    stretches: tuple[Stretch, ...]
    learned: Mapping[tuple[str, str, str, str], float]

    def of(self, kind: AlertKind, lane: Lane) -> Limit:
        """The hours by level, without stretch: of the carrier's own rule, with what was learned of the lane. What was
        learned of a far province is long already: it counts for as much as comes to it once it is stretched."""
        limit = self.rules.get((kind, lane.carrier)) or self.rules[kind, ""]
        if limit.province is not None and lane.is_within_a_province:
            limit = Limit(limit.province, limit.exception, limit.critical)
        hours = self.learned_hours(kind, lane)
        if hours is None:
            return limit
        hours /= self.usual_factor(kind, lane)
        warning = min(max(hours, LEAST_SHARE * limit.warning), MOST_SHARE * limit.warning)
        rises = [level if level is None else max(level, warning) for level in (limit.exception, limit.critical)]
        return Limit(warning, *rises)

    def learned_hours(self, kind: AlertKind, lane: Lane) -> float | None:
        """What the scans of the lane say, where there were enough."""
        return self.learned.get((kind, lane.carrier, lane.origin[:2], lane.destination[:2]))

    def factor(self, kind: AlertKind, lane: Lane, since: datetime) -> float:
        """By how much the step's hours are longer for this lane, from that day on."""
        day = since.astimezone(CHINA).date()
        return self._longest(one for one in self.stretches if one.holds(_region(kind, lane), day))

    def usual_factor(self, kind: AlertKind, lane: Lane) -> float:
        """By how much they are longer on any day."""
        region = _region(kind, lane)
        return self._longest(one for one in self.stretches if one.days is None and region.startswith(one.area))

    @staticmethod
    def _longest(stretches: Iterable[Stretch]) -> float:
        return max((one.factor for one in stretches), default=1.0)

    def carrier_shift(self, lane: Lane) -> Shift:
        """A carrier works all day, but not on the days on which it, or the area, is closed."""
        closed = [
            *self.tables.carrier_closures.get(lane.carrier, ()),
            *(
                span
                for area, spans in self.tables.area_suspensions.items()
                if area and lane.destination.startswith(area)
                for span in spans
            ),
        ]

        def shift(day: date) -> tuple[datetime, datetime] | None:
            if any(span.extra_days is None and span.covers(day) for span in closed):
                return None
            return _all_day(day)

        return shift

    def warehouse_shift(self, warehouse_id: int, storage_class: str) -> Shift:
        """When a warehouse works on goods of the class."""
        place = self.tables.places.get(warehouse_id)
        if place is None:
            return _all_day
        schedule, calendar = place.schedule(storage_class), self.tables.calendar

        def shift(day: date) -> tuple[datetime, datetime] | None:
            is_off = (not schedule.works_on_holidays and calendar.is_holiday(day)) or (
                not schedule.works_on_weekends and day.weekday() >= 5 and day not in calendar.workdays
            )
            if is_off or any(span.extra_days is None and span.covers(day) for span in place.closures):
                return None
            opens, closes = _all_day(day)
            opens = datetime.combine(day, schedule.opens_at, CHINA)
            if schedule.closes_at is not None and schedule.closes_at > schedule.opens_at:
                closes = datetime.combine(day, schedule.closes_at, CHINA)
            return opens, closes

        return shift


def _region(kind: AlertKind, lane: Lane) -> str:
    """Where the step is stretched for."""
    return lane.destination if kind in ON_THE_WAY else ""


def _all_day(day: date) -> tuple[datetime, datetime]:
    return datetime.combine(day, time(0), CHINA), datetime.combine(day + timedelta(days=1), time(0), CHINA)


def after(since: datetime, hours: float, shift: Shift) -> datetime:
    """When so many hours of work are over; on an installation whose time runs faster, hours are hours of its clock. Who
    never works again is late after the hours themselves."""
    left = timedelta(hours=hours)
    if clock.scaled(left) != left:
        return since + clock.scaled(left)
    day = since.astimezone(CHINA).date()
    for number in range(LONGEST_SEARCH_DAYS):
        hours_of_day = shift(day + timedelta(days=number))
        if hours_of_day is None:
            continue
        begins, ends = max(hours_of_day[0], since), hours_of_day[1]
        if begins + left <= ends:
            return (begins + left).astimezone(since.tzinfo)
        left -= max(ends - begins, timedelta(0))
    return since + timedelta(hours=hours)


_kept: Limits | None = None


def current() -> Limits:
    """The deadlines as they are now; read anew only where a table changed. One statement, or a few."""
    global _kept
    known = tables.current()
    if _kept is None or _kept.version != known.version:
        _kept = _load(known)
    return _kept


def _load(known: Tables) -> Limits:
    rules = dict(defaults.LIMITS)
    for row in DeadlineRule.objects.all():
        rules[row.kind, row.carrier] = Limit(
            row.warning_hours, row.exception_hours, row.critical_hours, row.province_hours
        )
    return Limits(
        version=known.version,
        tables=known,
        rules=rules,
        stretches=tuple(
            Stretch(row.area, row.factor, _days(row)) for row in DeadlineStretch.objects.order_by("area", "starts_on")
        ),
        learned={
            (kind, carrier, origin, destination): hours
            for kind, carrier, origin, destination, hours in LearnedDeadline.objects.values_list(
                "kind", "carrier", "origin", "destination", "hours"
            )
        },
    )


def _days(row: DeadlineStretch) -> Span | None:
    if row.starts_on is None and row.ends_on is None:
        return None
    return Span(row.starts_on or date.min, row.ends_on or date.max)
