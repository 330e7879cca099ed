"""What is to be planned, and a plan of it: pure figures. Times are seconds of the day (of China), distances metres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from inventory.sourcing.routes import distance_km

DAY = 24 * 3600
# The row of the station in the matrices.
HOME = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """A parcel at a door: `place` is its row in the matrices; service begins between `opens` and `closes`. A visit that
    begins after `due` breaks a promise."""

    key: int
    place: int
    grams: int = 0
    cm3: int = 0
    opens: int = 0
    closes: int = DAY
    service: int = 0
    skills: frozenset[str] = frozenset()
    due: int | None = None


@dataclass(frozen=True, slots=True)
class Crew:
    """A courier with a vehicle, at work between `starts` and `ends`. `locked` visits (keys) are made first and in this
    order, whatever else; who `is_gone` takes no others."""

    key: int
    starts: int
    ends: int
    grams: int
    cm3: int
    skills: frozenset[str] = frozenset()
    locked: tuple[int, ...] = ()
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Ways:
    """Metres and seconds between places, by their rows; square."""

    metres: Sequence[Sequence[int]]
    seconds: Sequence[Sequence[int]]

    @classmethod
    def between(cls, points: Sequence[tuple[float, float]], *, detour_percent: int, km_an_hour: int) -> "Ways":
        """Of points (longitude and latitude in degrees): the road is so many percent of the straight way."""
        metres = [
            [round(distance_km(*one, *other) * 10 * detour_percent) if one != other else 0 for other in points]
            for one in points
        ]
        seconds = [[ceil(way * 3.6 / km_an_hour) for way in row] for row in metres]
        return cls(metres, seconds)


@dataclass(frozen=True, slots=True)
class Task:
    """A day of a station. Visits and crews by their keys, in the order in which ties are broken."""

    visits: Mapping[int, Visit]
    crews: Mapping[int, Crew]
    ways: Ways

    @classmethod
    def of(cls, visits: Sequence[Visit], crews: Sequence[Crew], ways: Ways) -> "Task":
        """The same by keys."""
        return cls({one.key: one for one in visits}, {one.key: one for one in crews}, ways)

    @property
    def locked(self) -> set[int]:
        """The keys of the visits that are locked."""
        return {key for crew in self.crews.values() for key in crew.locked}


@dataclass(slots=True)
class Plan:
    """Which crew makes which visits (keys) in which order; and those that nobody makes."""

    tours: dict[int, list[int]] = field(default_factory=dict)
    unserved: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wagon:
    """What is left of a crew once its locked visits are made: free from `starts` at `place`, with that much room."""

    key: int
    place: int
    starts: int
    ends: int
    grams: int
    cm3: int
    skills: frozenset[str]


@dataclass(frozen=True, slots=True)
class Timed:
    """A visit in its tour: when the courier arrives, begins after waiting, and goes on."""

    key: int
    arrives: int
    begins: int
    leaves: int


@dataclass(frozen=True, slots=True)
class Course:
    """A tour with its times: it leaves the station at `starts` and is back at `ends`."""

    starts: int
    ends: int
    metres: int
    visits: tuple[Timed, ...]


def follow(task: Task, crew: Crew, keys: Sequence[int]) -> Course:
    """The times of a tour. Who need not wait at the first door leaves later instead, unless already gone."""
    ways = task.ways
    starts = crew.starts
    if keys and not crew.is_gone:
        first = task.visits[keys[0]]
        starts = max(starts, first.opens - ways.seconds[HOME][first.place])
    at, now, metres = HOME, starts, 0
    timed = []
    for key in keys:
        visit = task.visits[key]
        arrives = now + ways.seconds[at][visit.place]
        begins = max(arrives, visit.opens)
        now = begins + visit.service
        timed.append(Timed(key, arrives, begins, now))
        metres += ways.metres[at][visit.place]
        at = visit.place
    return Course(starts, now + ways.seconds[at][HOME], metres + ways.metres[at][HOME], tuple(timed))


def wagons(task: Task) -> list[Wagon]:
    """The crews that can still take visits, each where and when its locked ones leave it."""
    free = []
    for crew in task.crews.values():
        if crew.is_gone:
            continue
        locked = [task.visits[key] for key in crew.locked]
        place, starts = HOME, crew.starts
        if locked:
            place, starts = locked[-1].place, follow(task, crew, crew.locked).visits[-1].leaves
        grams = crew.grams - sum(visit.grams for visit in locked)
        cm3 = crew.cm3 - sum(visit.cm3 for visit in locked)
        if starts <= crew.ends and grams >= 0 and cm3 >= 0:
            free.append(Wagon(crew.key, place, starts, crew.ends, grams, cm3, crew.skills))
    return free


def free_visits(task: Task) -> list[Visit]:
    """The visits that are not locked."""
    locked = task.locked
    return [visit for visit in task.visits.values() if visit.key not in locked]


def metres_of(task: Task, plan: Plan) -> int:
    """How long all tours are."""
    return sum(follow(task, task.crews[key], keys).metres for key, keys in plan.tours.items() if keys)


def on_time(task: Task, plan: Plan) -> int:
    """How many visits begin within their hours and as promised."""
    count = 0
    for crew_key, keys in plan.tours.items():
        for timed in follow(task, task.crews[crew_key], keys).visits:
            visit = task.visits[timed.key]
            limit = visit.closes if visit.due is None else min(visit.closes, visit.due)
            count += timed.begins <= limit
    return count
