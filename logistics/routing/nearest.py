"""How somebody would drive who looks one stop ahead: the measure that plans are compared with."""

from logistics.routing.problem import HOME, Plan, Task, Visit, Wagon, free_visits, wagons


def plan(task: Task) -> Plan:
    """Each crew in turn goes on to the visit that can begin first (of those the nearest), as long as it has room and
    is back in time."""
    found = Plan({key: list(crew.locked) for key, crew in task.crews.items()})
    left = free_visits(task)
    for wagon in wagons(task):
        at, now, grams, cm3 = wagon.place, wagon.starts, wagon.grams, wagon.cm3
        while True:
            fitting = [
                (begins, task.ways.metres[at][visit.place], visit.key, visit)
                for visit in left
                if visit.grams <= grams
                and visit.cm3 <= cm3
                and (begins := _begins(task, wagon, visit, at, now)) is not None
            ]
            if not fitting:
                break
            begins, _metres, _key, visit = min(fitting, key=lambda row: row[:3])
            found.tours[wagon.key].append(visit.key)
            left.remove(visit)
            at, now = visit.place, begins + visit.service
            grams, cm3 = grams - visit.grams, cm3 - visit.cm3
    found.unserved = [visit.key for visit in left]
    return found


def _begins(task: Task, wagon: Wagon, visit: Visit, at: int, now: int) -> int | None:
    """When the visit would begin; None where the crew may not or cannot make it."""
    if not visit.skills <= wagon.skills:
        return None
    seconds = task.ways.seconds
    begins = max(visit.opens, now + seconds[at][visit.place])
    back = begins + visit.service + seconds[visit.place][HOME]
    return begins if begins <= visit.closes and back <= wagon.ends else None
