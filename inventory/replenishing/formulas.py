"""The arithmetic of replenishment. Pure: numbers in, numbers out; units are units of a SKU, times are days.

    reorder point   s = d·(R + L) + SS      order when the position is not above it
    safety stock    SS = z·sqrt((R + L)·σd² + d²·σL²)
    order up to     S, at least one unit above s

d and σd are the mean and deviation of a day's demand, L and σL those of the lead time, R the days between two looks.
With R = 0 these are the formulas of continuous review.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Demand:
    """A day's demand: its mean and its deviation, in units."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Supply:
    """How goods come: the mean and deviation of the lead time and the time between two looks, all in days."""

    lead_days: float
    lead_deviation: float = 0.0
    review_days: float = 0.0


@dataclass(frozen=True, slots=True)
class Levels:
    """Order when the position is not above `reorder_point`, as much as lifts it to `order_up_to`; in units."""

    reorder_point: int
    order_up_to: int


@lru_cache(maxsize=256)
def safety_factor(service: float) -> float:
    """z = Φ⁻¹(service): how many deviations the safety stock is. Raises ValueError unless 0 < service < 1."""
    if not 0 < service < 1:
        raise ValueError(f"a service level lies between 0 and 1, not at {service}")
    return _NORMAL.inv_cdf(service)


def deviation_until_arrival(demand: Demand, supply: Supply) -> float:
    """The deviation of the demand between a look and the arrival of what is ordered at the next one, in units."""
    days = supply.review_days + supply.lead_days
    return math.sqrt(days * demand.deviation**2 + (demand.mean * supply.lead_deviation) ** 2)


def safety_stock(demand: Demand, supply: Supply, service: float) -> float:
    """What is kept against demand and deliveries that differ from their means, in units; never below 0."""
    return max(0.0, safety_factor(service) * deviation_until_arrival(demand, supply))


def reorder_point(demand: Demand, supply: Supply, service: float) -> float:
    """The demand until what is ordered now is there, and the safety stock, in units. With review days this is also the
    order-up-to level of periodic review."""
    return demand.mean * (supply.review_days + supply.lead_days) + safety_stock(demand, supply, service)


def levels(demand: Demand, supply: Supply, service: float, *, cover_days: float) -> Levels:
    """Whole units: the reorder point rounded up, and above it the demand of `cover_days`, but at least one unit."""
    line = math.ceil(reorder_point(demand, supply, service) - 1e-9)
    return Levels(line, line + max(1, math.ceil(demand.mean * cover_days - 1e-9)))


def economic_quantity(units_a_year: float, cost_of_order: float, cost_of_unit_a_year: float) -> float:
    """The quantity at which ordering and keeping together cost least (EOQ); both costs in the same money."""
    return math.sqrt(2 * units_a_year * cost_of_order / cost_of_unit_a_year)


def fill_rate(demand: Demand, supply: Supply, service: float, quantity: float) -> float:
    """The share of units that is filled at once where `quantity` is ordered each time; never below 0.

    It is another figure than the service level, which is the share of cycles without any shortage.
    """
    z = safety_factor(service)
    short = _NORMAL.pdf(z) - z * (1 - _NORMAL.cdf(z))
    return max(0.0, 1 - deviation_until_arrival(demand, supply) * short / quantity)


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is of a SKU at a place and what of it is wanted, in units. `waiting` is what orders lack."""

    on_hand: int
    frozen: int = 0
    reserved: int = 0
    on_order: int = 0
    moving_in: int = 0
    waiting: int = 0

    @property
    def position(self) -> int:
        """What lines are compared with: goods that come count, goods that are promised do not. Comparing what is on
        hand alone would order the same again every night."""
        return self.on_hand - self.frozen + self.on_order + self.moving_in - self.reserved - self.waiting


def quantity_to_order(position: int, at: Levels, *, pack: int = 1, minimum: int = 0) -> int:
    """Units that lift the position to the upper level: whole packs, at least the minimum; 0 above the line.

    A pack that does not fit below the upper level is ordered all the same: packs are not broken.
    """
    if position > at.reorder_point or at.order_up_to <= position:
        return 0
    wanted = max(at.order_up_to - position, minimum)
    return -(-wanted // pack) * pack
