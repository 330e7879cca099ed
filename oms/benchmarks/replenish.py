"""`bench replenish`: what the alert lines would have done on the days of real demand, without looking ahead.

The first half of the days is learned. On the second half each SKU is looked at every evening with the lines that the
days before gave it, as `inventory.replenishing` works them out; what is ordered comes after a lead time drawn by a
seed. The measured service is the fill rate: units that lay there when they were wanted, of all that were wanted. A SKU
is slow, middle or fast by what the first half sold of it. Stock is that of one place for the whole country.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from inventory.replenishing.forecasting import forecast, levels_of
from inventory.replenishing.formulas import Levels, Standing, Supply, quantity_to_order
from inventory.replenishing.measuring import MOST_OF_MIDDLE, MOST_OF_SLOW
from oms.benchmarks import stage
from orders.intake.bodies import OrderBody, decode

SERVICE = 0.95
LEAD_DAYS, LEAD_DEVIATION, COVER_DAYS = 3.0, 1.0, 7
TARGETS = {"slow": 0.92, "middle": 0.92, "fast": 0.90}
SEED = 2017

# Units by day, counted from the first one.
Days = Mapping[int, int]


@dataclass(slots=True)
class Tally:
    """What came of the SKUs of one speed."""

    skus: int = 0
    wanted: int = 0
    filled: int = 0
    unit_days: int = 0


def run(folder: Path, orders: int) -> dict[str, float]:
    """The measured service and the mean stock a SKU by speed, beside the service that the lines were made for."""
    demand, days = _demand(folder, orders)
    learned = days // 2
    tallies: dict[str, Tally] = defaultdict(Tally)
    for key in sorted(demand):
        one = demand[key]
        tally = tallies[_speed(sum(units for day, units in one.items() if day < learned))]
        _live_through(one, range(learned, days), random.Random(f"{SEED}{key}"), tally)  # noqa: S311 - no secret
    figures: dict[str, float] = {"days_learned": learned, "days_measured": days - learned, "service_aimed_at": SERVICE}
    for speed, least in TARGETS.items():
        tally = tallies[speed]
        figures |= {
            f"{speed}_skus": tally.skus,
            f"{speed}_units": tally.wanted,
            f"{speed}_service": round(tally.filled / max(tally.wanted, 1), 4),
            f"{speed}_service_at_least": least,
            f"{speed}_mean_stock": round(tally.unit_days / max(tally.skus * (days - learned), 1), 2),
        }
    return figures


def _demand(folder: Path, orders: int) -> tuple[dict[tuple[str, str], Days], int]:
    """Units by day of each SKU (merchant and code), and the number of days."""
    found: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    first, last = date.max, date.min
    for day, merchant, sku, units in _lines(folder, orders):
        first, last = min(first, day), max(last, day)
        found[merchant, sku][day.toordinal()] += units
    start = first.toordinal()
    demand: dict[tuple[str, str], Days] = {
        key: {day - start: units for day, units in days.items()} for key, days in found.items()
    }
    return demand, last.toordinal() - start + 1


def _lines(folder: Path, orders: int) -> Iterator[tuple[date, str, str, int]]:
    for body in map(decode, stage.order_lines(folder, orders)):
        if isinstance(body, OrderBody):
            for line in body.lines:
                yield body.ordered_at.date(), line.merchant, line.sku, line.quantity


def _speed(units: int) -> str:
    return "slow" if units <= MOST_OF_SLOW else "middle" if units <= MOST_OF_MIDDLE else "fast"


@dataclass(slots=True)
class _Shelf:
    """A SKU's units while its days pass: there, waited for, and on order by the day on which they come."""

    on_hand: int
    waiting: int = 0
    coming: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def receive(self, day: int) -> None:
        """What comes goes to those who wait first."""
        self.on_hand += self.coming.pop(day, 0)
        late = min(self.on_hand, self.waiting)
        self.on_hand -= late
        self.waiting -= late

    def sell(self, units: int) -> int:
        """How many of the units lay there; the rest waits."""
        sold = min(self.on_hand, units)
        self.on_hand -= sold
        self.waiting += units - sold
        return sold

    def order(self, at: Levels, day: int, lead_days: int) -> None:
        """Order up to the upper level where the position is not above the line."""
        standing = Standing(self.on_hand, on_order=sum(self.coming.values()), waiting=self.waiting)
        if units := quantity_to_order(standing.position, at):
            self.coming[day + lead_days] += units


def _live_through(demand: Days, days: range, chance: random.Random, tally: Tally) -> None:
    shelf: _Shelf | None = None
    tally.skus += 1
    for day in days:
        at = _levels(demand, day)
        shelf = shelf or _Shelf(at.order_up_to)
        shelf.receive(day)
        wanted = demand.get(day, 0)
        tally.wanted += wanted
        tally.filled += shelf.sell(wanted)
        tally.unit_days += shelf.on_hand
        shelf.order(at, day, max(1, round(chance.gauss(LEAD_DAYS, LEAD_DEVIATION))))


def _levels(demand: Days, day: int) -> Levels:
    """The lines that the days before this one give."""
    known = forecast({day - back: units for back, units in demand.items() if back < day}, day)
    return levels_of(known, Supply(LEAD_DAYS, LEAD_DEVIATION, 1.0), SERVICE, cover_days=COVER_DAYS)
