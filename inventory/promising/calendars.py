"""Days on which people work, without the database."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

# A search for a day on which somebody works ends after so many: then nobody ever does.
LONGEST_SEARCH_DAYS = 400
_ONE_DAY = timedelta(days=1)
# Each published year has public holidays in these months, of each group in one: New Year or the Spring Festival,
# Qingming, Labour Day and National Day. Those of the moon (Dragon Boat, Mid-Autumn) may fall in others.
_EACH_YEAR = ((1, 2), (4,), (5,), (10,))


class NeverWorks(Exception):
    """No day within the search is one on which work is done."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days from the first to the last, both included; `extra_days` is None where nothing goes at all."""

    starts_on: date
    ends_on: date
    extra_days: int | None = None

    def covers(self, day: date) -> bool:
        """Whether the day is one of them."""
        return self.starts_on <= day <= self.ends_on

    def meets(self, first: date, last: date) -> bool:
        """Whether any of the days from `first` to `last` is one of them."""
        return self.starts_on <= last and first <= self.ends_on


def gaps_of(holidays: Iterable[date]) -> dict[int, list[int]]:
    """By year in which there are any of these holidays: the months in which they lack, each by its number."""
    months: defaultdict[int, set[int]] = defaultdict(set)
    for day in holidays:
        months[day.year].add(day.month)
    return {year: [group[0] for group in _EACH_YEAR if not found.intersection(group)] for year, found in months.items()}


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days are holidays and make-up workdays (调休); `known_years` are those with a plan that is no
    estimate and has no gaps.

    In a year without any day, weekends are the only days off.
    """

    holidays: frozenset[date]
    workdays: frozenset[date]
    known_years: frozenset[int]

    def is_holiday(self, day: date) -> bool:
        """Whether it is a public holiday, whatever its weekday."""
        return day in self.holidays

    def is_workday(self, day: date) -> bool:
        """Whether offices work: Monday to Friday without holidays, and make-up workdays."""
        return day in self.workdays or (day.weekday() < 5 and day not in self.holidays)

    def is_known(self, day: date) -> bool:
        """Whether the plan of the day's year is known."""
        return day.year in self.known_years


def days_from(day: date) -> Iterator[date]:
    """The day and those after it, as long as searching makes sense."""
    for _number in range(LONGEST_SEARCH_DAYS):
        yield day
        day += _ONE_DAY


def first_from(day: date, works: Callable[[date], bool]) -> date:
    """The day itself if it is one on which work is done, else the first one after it. Raises NeverWorks."""
    for one in days_from(day):
        if works(one):
            return one
    raise NeverWorks


def after_days(day: date, count: int, works: Callable[[date], bool]) -> date:
    """The day `count` days of work after `day`. Raises NeverWorks."""
    for _number in range(count):
        day = first_from(day + _ONE_DAY, works)
    return day


def longest_fit(areas: Mapping[str, object], code: str) -> str | None:
    """The longest of the areas that the county's code begins with, or None."""
    for digits in (6, 4, 2):
        if code[:digits] in areas:
            return code[:digits]
    return None
