"""What a day's demand is taken to be, from the days that were. Pure.

Demand grows and fades, so a week counts less than the one after it (exponential smoothing); days without demand count
as such. A day far above all others is taken as a single large order and cut.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from inventory.replenishing.formulas import Demand, Levels, Supply, levels

# How much less a week counts than the next one.
WEEKLY_LOSS = 0.2
# So many days back are looked at.
WINDOW_DAYS = 84
# With fewer days of demand than these the figures are guesses.
FEW_SALES = 8
# A day this many deviations above the others is cut.
OUTLYING_DEVIATIONS = 5.0
# What lies where next to nothing is known.
LEAST = Levels(1, 2)

_DAILY = (1 - WEEKLY_LOSS) ** (1 / 7)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The demand of a day, and of how many days with demand it was learned."""

    demand: Demand
    sale_days: int

    @property
    def is_guess(self) -> bool:
        """Whether too little is known for a computed line to mean much."""
        return self.sale_days < FEW_SALES


def forecast(units_by_age: Mapping[int, float], days_known: int) -> Forecast:
    """The demand of the days to come, from units by how many days ago (1: yesterday) out of `days_known` days.

    Days that are not named had no demand.
    """
    days = min(days_known, WINDOW_DAYS)
    known = {age: units for age, units in units_by_age.items() if 1 <= age <= days and units > 0}
    if not known or days < 1:
        return Forecast(Demand(0.0, 0.0), 0)
    known = _without_outlier(known, days)
    weight = _sum_of_powers(_DAILY, days)
    mean = sum(_DAILY ** (age - 1) * units for age, units in known.items()) / weight
    squares = sum(_DAILY ** (age - 1) * units * units for age, units in known.items()) / weight
    # Of few days the spread comes out too small.
    share_of_one = _sum_of_powers(_DAILY**2, days) / weight**2
    variance = max(0.0, squares - mean * mean) / (1 - share_of_one) if days > 1 else mean
    return Forecast(Demand(mean, math.sqrt(max(variance, mean))), len(known))


def levels_of(found: Forecast, supply: Supply, service: float, *, cover_days: float) -> Levels:
    """The computed levels; at least `LEAST` while too little is known."""
    computed = levels(found.demand, supply, service, cover_days=cover_days)
    if not found.is_guess:
        return computed
    line = max(computed.reorder_point, LEAST.reorder_point)
    return Levels(line, max(computed.order_up_to, LEAST.order_up_to, line + 1))


def _sum_of_powers(base: float, count: int) -> float:
    return float(count) if base >= 1 else (1 - base**count) / (1 - base)


def _without_outlier(known: Mapping[int, float], days: int) -> dict[int, float]:
    """The same with the largest day cut, where it is far above what the others let expect."""
    found = dict(known)
    if len(found) < FEW_SALES:
        return found
    largest = max(found, key=lambda age: found[age])
    others = [units for age, units in found.items() if age != largest]
    mean = sum(others) / (days - 1)
    variance = sum(units * units for units in others) / (days - 1) - mean * mean
    most = mean + OUTLYING_DEVIATIONS * math.sqrt(max(variance, mean))
    found[largest] = min(found[largest], most)
    return found
