"""Whether a plan may be driven, and why a visit is in none: pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from logistics.models.routing import Unserved
from logistics.routing.problem import HOME, Crew, Plan, Task, Visit, Wagon, follow, wagons


def problems(task: Task, plan: Plan) -> list[str]:
    """What is wrong with a plan, for logs and tests: each visit once, hours, room, skills, locked ones first. What is
    locked may be late; nothing may be late by what was planned behind it."""
    found = list(_miscounted(task, plan))
    for crew_key, keys in plan.tours.items():
        crew = task.crews.get(crew_key)
        if crew is None:
            found.append(f"crew {crew_key} is unknown")
            continue
        found += [f"crew {crew_key}: {text}" for text in tour_problems(task, crew, keys)]
    return found


def _miscounted(task: Task, plan: Plan) -> Iterator[str]:
    counts = Counter([*plan.unserved, *(key for keys in plan.tours.values() for key in keys)])
    for key in sorted(counts.keys() | task.visits.keys()):
        if key not in task.visits:
            yield f"visit {key} is unknown"
        elif counts[key] != 1:
            yield f"visit {key} is planned {counts[key]} times"
    for crew in task.crews.values():
        if crew.locked and crew.key not in plan.tours:
            yield f"crew {crew.key} lost its locked visits"


def tour_problems(task: Task, crew: Crew, keys: Sequence[int]) -> list[str]:
    """What is wrong with one tour."""
    if tuple(keys[: len(crew.locked)]) != crew.locked:
        return ["locked visits do not come first"]
    if crew.is_gone and len(keys) > len(crew.locked):
        return ["visits were added to a tour that is gone"]
    free = keys[len(crew.locked) :]
    if not free:
        return []
    found = []
    visits = [task.visits[key] for key in keys]
    if sum(visit.grams for visit in visits) > crew.grams or sum(visit.cm3 for visit in visits) > crew.cm3:
        found.append("too much for the vehicle")
    course = follow(task, crew, keys)
    found += [f"visit {key} needs a skill" for key in free if not task.visits[key].skills <= crew.skills]
    found += [
        f"visit {timed.key} begins late"
        for timed in course.visits[len(crew.locked) :]
        if timed.begins > task.visits[timed.key].closes
    ]
    if course.ends > crew.ends:
        found.append("back after working hours")
    return found


def is_too_late(task: Task, longest: int) -> bool:
    """Whether nobody who can still go would be back in time from any door, though a shift of `longest` seconds, the
    longest of the day, is long enough for one of them."""
    seconds = task.ways.seconds
    ways = [seconds[HOME][one.place] + one.service + seconds[one.place][HOME] for one in task.visits.values()]
    shortest = min(ways, default=longest + 1)
    if shortest > longest or any(crew.is_gone or crew.locked for crew in task.crews.values()):
        return False
    return not any(wagon.starts + shortest <= wagon.ends for wagon in wagons(task))


def why_unserved(task: Task, plan: Plan) -> dict[int, Unserved]:
    """Why each unserved visit is in no tour, the first cause that holds."""
    free = wagons(task)
    return {key: _why(task, plan, free, task.visits[key]) for key in plan.unserved}


def _why(task: Task, plan: Plan, free: Sequence[Wagon], visit: Visit) -> Unserved:
    if not free:
        return Unserved.NO_COURIER
    able = [wagon for wagon in free if visit.skills <= wagon.skills]
    if not able:
        return Unserved.NO_SKILL
    crews = [task.crews[wagon.key] for wagon in able]
    if not any(visit.grams <= crew.grams and visit.cm3 <= crew.cm3 for crew in crews):
        return Unserved.TOO_BIG
    if not any(_reaches(task, wagon, visit) for wagon in able):
        return Unserved.WINDOW
    if not any(_has_room(task, crew, plan.tours.get(crew.key, []), visit) for crew in crews):
        return Unserved.NO_CAPACITY
    return Unserved.NO_TIME


def _reaches(task: Task, wagon: Wagon, visit: Visit) -> bool:
    """Whether it could be made if it were the only one."""
    seconds = task.ways.seconds
    begins = max(visit.opens, wagon.starts + seconds[wagon.place][visit.place])
    return begins <= visit.closes and begins + visit.service + seconds[visit.place][HOME] <= wagon.ends


def _has_room(task: Task, crew: Crew, keys: Sequence[int], visit: Visit) -> bool:
    grams = sum(task.visits[key].grams for key in keys)
    cm3 = sum(task.visits[key].cm3 for key in keys)
    return grams + visit.grams <= crew.grams and cm3 + visit.cm3 <= crew.cm3
