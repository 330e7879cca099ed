"""Planning without a package: visits are put in where they cost least, those first that would lose most by waiting;
then parts of the plan are taken out and put in anew, again and again, and what is shorter is kept.

The same task gives the same plan: chance is a sequence of numbers that always begins the same.
"""

from collections.abc import Sequence
from math import exp, inf
from random import Random

from logistics.routing.problem import HOME, Plan, Task, Visit, Wagon, free_visits, wagons

SEED = 11
# How often parts of a plan are made anew: so many visits are put in again in all, and at most so many rounds.
_PUT_IN, _MOST_ROUNDS = 14_000, 3_000
_FEWEST, _MOST_OUT = 4, 22
# In the beginning a plan that is longer by this share is gone on with, too; less and less often.
_WARMTH = 0.02


def plan(task: Task) -> Plan:
    """The shortest tours that it finds."""
    found = Plan({key: list(crew.locked) for key, crew in task.crews.items()})
    free, visits = wagons(task), free_visits(task)
    if not free or not visits:
        found.unserved = [visit.key for visit in visits]
        return found
    search = _Search(task, visits, free)
    routes, out = search.best()
    for wagon, route in zip(free, routes, strict=True):
        found.tours[wagon.key] += [visits[number].key for number in route]
    found.unserved = sorted(visits[number].key for number in out)
    return found


class _Route:
    """The visits (numbers) of a wagon, with what decides at once whether another one fits in between."""

    __slots__ = ("cm3", "grams", "latest", "leaves", "numbers", "places")

    def __init__(self, search: "_Search", wagon: Wagon, numbers: list[int]) -> None:
        visits, seconds = search.visits, search.seconds
        self.numbers = numbers
        self.places = [wagon.place, *(visits[number].place for number in numbers), HOME]
        self.grams = wagon.grams - sum(visits[number].grams for number in numbers)
        self.cm3 = wagon.cm3 - sum(visits[number].cm3 for number in numbers)
        # When the wagon goes on from each place, and by when it must begin at the next at the latest.
        self.leaves = [wagon.starts]
        for number, here, there in zip(numbers, self.places, self.places[1:], strict=False):
            visit = visits[number]
            self.leaves.append(max(visit.opens, self.leaves[-1] + seconds[here][there]) + visit.service)
        self.latest = [wagon.ends] * (len(numbers) + 1)
        for position in range(len(numbers) - 1, -1, -1):
            visit = visits[numbers[position]]
            way = seconds[visit.place][self.places[position + 2]]
            self.latest[position] = min(visit.closes, self.latest[position + 1] - way - visit.service)


class _Search:
    def __init__(self, task: Task, visits: Sequence[Visit], free: Sequence[Wagon]) -> None:
        self.visits, self.wagons = visits, free
        self.metres, self.seconds = task.ways.metres, task.ways.seconds
        self.chance = Random(SEED)  # noqa: S311 - it must be repeatable
        self.may = [[visit.skills <= wagon.skills for wagon in free] for visit in visits]
        numbers = range(len(visits))
        self.near = [
            sorted(numbers, key=lambda other, row=self.metres[visits[one].place]: (row[visits[other].place], other))
            for one in numbers
        ]

    def best(self) -> tuple[list[list[int]], list[int]]:
        """The visits of each wagon, and those that are left."""
        empty = [_Route(self, wagon, []) for wagon in self.wagons]
        now, out = self._put_in(empty, list(range(len(self.visits))))
        costs = best_costs = self._costs(now, out)
        best, best_out = now, out
        most_out = min(_MOST_OUT, max(_FEWEST, len(self.visits) // 4))
        rounds = min(_MOST_ROUNDS, _PUT_IN * 2 // (_FEWEST + most_out))
        for step in range(rounds):
            taken = self._take(now, most_out)
            thinned = [self._without(number, route, taken) for number, route in enumerate(now)]
            tried, left = self._put_in(thinned, [*taken, *out])
            new = self._costs(tried, left)
            warmth = _WARMTH * best_costs[1] * (1 - step / rounds)
            if new <= costs or (new[0] == costs[0] and self._dares(new[1] - costs[1], warmth)):
                now, out, costs = tried, left, new
            if new < best_costs:
                best, best_out, best_costs = tried, left, new
        return [route.numbers for route in best], best_out

    def _dares(self, longer: int, warmth: float) -> bool:
        return warmth > 0 and self.chance.random() < exp(-10 * longer / warmth)

    def _without(self, number: int, route: _Route, taken: Sequence[int]) -> _Route:
        kept = [one for one in route.numbers if one not in taken]
        return route if len(kept) == len(route.numbers) else _Route(self, self.wagons[number], kept)

    def _take(self, routes: Sequence[_Route], most: int) -> list[int]:
        """Some planned visits that are near each other."""
        planned = {number for route in routes for number in route.numbers}
        if not planned:
            return []
        count = min(self.chance.randint(_FEWEST, most), len(planned))
        middle = sorted(planned)[self.chance.randrange(len(planned))]
        taken: list[int] = []
        for other in self.near[middle]:
            if other in planned and (other == middle or self.chance.random() < 0.8):
                taken.append(other)
                if len(taken) == count:
                    break
        return taken

    def _costs(self, routes: Sequence[_Route], out: Sequence[int]) -> tuple[int, int]:
        """How many visits are left out, then metres."""
        metres = self.metres
        return len(out), sum(
            metres[here][there]
            for route in routes
            if route.numbers
            for here, there in zip(route.places, route.places[1:], strict=False)
        )

    def _put_in(self, routes: Sequence[_Route], numbers: Sequence[int]) -> tuple[list[_Route], list[int]]:
        """Put visits in, always the one that would lose most if its best wagon were taken; those that fit nowhere are
        returned beside."""
        routes, waiting = list(routes), sorted(numbers)
        known = {number: [self._place(route, w, number) for w, route in enumerate(routes)] for number in waiting}
        while waiting:
            chosen, place, regret = -1, (inf, -1, -1), -1.0
            for number in waiting:
                costs = known[number]
                first = min(range(len(costs)), key=lambda w, costs=costs: costs[w][0])
                if costs[first][0] == inf:
                    continue
                second = min((cost for w, (cost, _at) in enumerate(costs) if w != first), default=inf)
                loss = min(second, 1e9) - costs[first][0]
                if loss > regret or chosen < 0:
                    chosen, place, regret = number, (costs[first][0], first, costs[first][1]), loss
            if chosen < 0:
                break
            _cost, w, at = place
            route = routes[w]
            routes[w] = _Route(self, self.wagons[w], [*route.numbers[:at], chosen, *route.numbers[at:]])
            waiting.remove(chosen)
            for number in waiting:
                known[number][w] = self._place(routes[w], w, number)
        return routes, waiting

    def _place(self, route: _Route, w: int, number: int) -> tuple[float, int]:
        """How many metres the visit adds to a route where it adds fewest, and where; infinite where it fits nowhere."""
        visit = self.visits[number]
        if not self.may[number][w] or visit.grams > route.grams or visit.cm3 > route.cm3:
            return inf, -1
        metres, seconds, places, leaves, latest = self.metres, self.seconds, route.places, route.leaves, route.latest
        place, opens, closes, service = visit.place, visit.opens, visit.closes, visit.service
        own_metres, own_seconds = metres[place], seconds[place]
        # An empty tour has no way back to spare.
        saved = bool(route.numbers)
        best, where = inf, -1
        for at in range(len(route.numbers) + 1):
            here, there = places[at], places[at + 1]
            added = metres[here][place] + own_metres[there] - (metres[here][there] if saved else 0)
            if added >= best:
                continue
            begins = leaves[at] + seconds[here][place]
            if begins > closes:
                break
            begins = max(begins, opens)
            if begins + service + own_seconds[there] <= latest[at]:
                best, where = added, at
        return best, where
