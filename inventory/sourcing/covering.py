"""The cheapest set of warehouses that has everything: exact, by branch and bound; pure.

`cover` knows lines only as bits of a mask: a warehouse has a line in full or not at all. `gather` counts units, for
what no single warehouse has enough of. Both stop at `MOST_NODES` and then return the best found so far, not proven.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

MOST_NODES = 5_000


@dataclass(frozen=True, slots=True)
class Found:
    """Places in the list of warehouses that was given, ascending; whether no cheaper set exists; nodes looked at."""

    places: tuple[int, ...]
    is_proven: bool
    nodes: int


def cover(masks: Sequence[int], costs: Sequence[int], wanted: int) -> Found:
    """The set with the smallest sum of costs whose masks have all bits of `wanted` between them.

    Some set must. Of equal sums the one that is found first counts: give the preferred warehouses first.
    """
    useful = _undominated(masks, costs, wanted)
    for place in useful:
        # In the order of costs: nothing cheaper has it all, and several cost more than one unless costs say otherwise.
        if masks[place] & wanted == wanted and _is_cheapest_alone(place, useful, costs):
            return Found((place,), True, 1)
    search = _Cover(masks, costs, useful)
    search.go(wanted, 0, ())
    return Found(tuple(sorted(search.best)), search.nodes < MOST_NODES, search.nodes)


def _is_cheapest_alone(place: int, useful: Sequence[int], costs: Sequence[int]) -> bool:
    """Whether no two others together can be cheaper."""
    first_two = sorted(costs[other] for other in useful if other != place)[:2]
    return len(first_two) < 2 or costs[place] <= sum(first_two)


def _undominated(masks: Sequence[int], costs: Sequence[int], wanted: int) -> list[int]:
    """Places in the order of costs, without those of which a cheaper one has everything that they have."""
    kept: list[int] = []
    for place in sorted(range(len(masks)), key=costs.__getitem__):
        mask = masks[place] & wanted
        if mask and not any(mask & ~masks[other] == 0 for other in kept):
            kept.append(place)
    return kept


class _Cover:
    """One search: the best so far, begun with the greedy choice."""

    def __init__(self, masks: Sequence[int], costs: Sequence[int], useful: Sequence[int]) -> None:
        self.masks, self.costs, self.useful = masks, costs, useful
        self.cheapest = min((costs[place] for place in useful), default=0)
        self.best: tuple[int, ...] = ()
        self.best_cost: int | None = None
        self.nodes = 0

    def go(self, wanted: int, cost: int, chosen: tuple[int, ...]) -> None:
        """Complete the chosen ones to a set that has `wanted`, where that can be cheaper than the best."""
        if self.best_cost is None:
            self.best = self._greedy(wanted)
            self.best_cost = sum(self.costs[place] for place in self.best)
        self.nodes += 1
        if not wanted:
            if cost < self.best_cost:
                self.best, self.best_cost = chosen, cost
            return
        if self.nodes >= MOST_NODES:
            return
        masks = self.masks
        largest = max((masks[place] & wanted).bit_count() for place in self.useful)
        if cost + -(-wanted.bit_count() // largest) * self.cheapest >= self.best_cost:
            return
        for place in self._who_has(self._rarest(wanted), wanted):
            if cost + self.costs[place] < self.best_cost:
                self.go(wanted & ~masks[place], cost + self.costs[place], (*chosen, place))

    def _greedy(self, wanted: int) -> tuple[int, ...]:
        chosen: list[int] = []
        while wanted:
            place = min(self.useful, key=lambda one: (-(self.masks[one] & wanted).bit_count(), self.costs[one]))
            chosen.append(place)
            wanted &= ~self.masks[place]
        return tuple(chosen)

    def _rarest(self, wanted: int) -> int:
        """The line that the fewest have, as a bit."""
        fewest, rarest = len(self.useful) + 1, 0
        while wanted:
            bit = wanted & -wanted
            wanted ^= bit
            count = sum(1 for place in self.useful if self.masks[place] & bit)
            if count < fewest:
                fewest, rarest = count, bit
                if count == 1:
                    break
        return rarest

    def _who_has(self, bit: int, wanted: int) -> list[int]:
        having = [place for place in self.useful if self.masks[place] & bit]
        return sorted(having, key=lambda one: (-(self.masks[one] & wanted).bit_count(), self.costs[one]))


Units = Mapping[int, int]


def gather(has: Sequence[Units], costs: Sequence[int], wanted: Units) -> Found:
    """The set with the smallest sum of costs that has the wanted units (by SKU) between them; some set must."""
    search = _Gathering(has, costs)
    search.go({sku: units for sku, units in wanted.items() if units > 0}, 0, (), 0)
    return Found(tuple(sorted(search.best)), search.nodes < MOST_NODES, search.nodes)


class _Gathering:
    """One search by units; excluded warehouses are bits of a mask."""

    def __init__(self, has: Sequence[Units], costs: Sequence[int]) -> None:
        self.has, self.costs = has, costs
        self.cheapest = min(costs, default=0)
        self.best: tuple[int, ...] = ()
        self.best_cost: int | None = None
        self.nodes = 0

    def go(self, wanted: dict[int, int], cost: int, chosen: tuple[int, ...], out: int) -> None:
        """Complete the chosen ones without those that are `out`, where that can be cheaper than the best."""
        if self.best_cost is None:
            self.best = self._greedy(wanted)
            self.best_cost = sum(self.costs[place] for place in self.best)
        self.nodes += 1
        if not wanted:
            if cost < self.best_cost:
                self.best, self.best_cost = chosen, cost
            return
        if self.nodes >= MOST_NODES:
            return
        left = [place for place in range(len(self.has)) if not out >> place & 1]
        hardest, fewest, givers = 0, -1, list[int]()
        for sku, units in wanted.items():
            having = sorted((place for place in left if self.has[place].get(sku)), key=self._gives(sku))
            count = _needed(units, [self.has[place][sku] for place in having])
            if count is None:
                return
            if count > fewest or (count == fewest and len(having) < len(givers)):
                hardest, fewest, givers = sku, count, having
        if cost + fewest * self.cheapest >= self.best_cost:
            return
        for place in givers:
            if cost + self.costs[place] < self.best_cost:
                rest = _less(wanted, self.has[place])
                self.go(rest, cost + self.costs[place], (*chosen, place), out | 1 << place)
            # Sets with it were all looked at.
            out |= 1 << place
            if sum(self.has[other].get(hardest, 0) for other in givers if not out >> other & 1) < wanted[hardest]:
                return

    def _gives(self, sku: int) -> Callable[[int], tuple[int, int]]:
        return lambda place: (-self.has[place][sku], self.costs[place])

    def _greedy(self, wanted: Units) -> tuple[int, ...]:
        """Whoever gives most of what is open, again and again."""
        chosen: list[int] = []
        open_units = dict(wanted)
        while open_units:

            def worth(place: int) -> tuple[int, int]:
                has = self.has[place]
                return -sum(min(units, has.get(sku, 0)) for sku, units in open_units.items()), self.costs[place]  # noqa: B023 - used at once

            place = min((one for one in range(len(self.has)) if one not in chosen), key=worth)
            chosen.append(place)
            open_units = _less(open_units, self.has[place])
        return tuple(chosen)


def _less(wanted: Units, has: Units) -> dict[int, int]:
    return {sku: left for sku, units in wanted.items() if (left := units - has.get(sku, 0)) > 0}


def _needed(units: int, largest_first: Sequence[int]) -> int | None:
    """How many of these amounts are needed for the units at least; None: all are too few."""
    for count, amount in enumerate(largest_first, 1):
        units -= amount
        if units <= 0:
            return count
    return None
