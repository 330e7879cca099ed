"""`bench routes`: a day of 200 stops and 8 vehicles, planned by the package and by what is built in, beside driving to
the next stop that can begin first.

The stops are made up, always the same: 12 clusters within about 15 km, one to three units of 55 that a vehicle holds,
five minutes at the door; 40 % at any time of 9:00 to 21:00, the rest in the morning, afternoon or evening.
"""

import time
from math import cos, radians, sqrt
from pathlib import Path
from random import Random

from logistics.models.routing import Planner
from logistics.routing import judging, nearest, solving
from logistics.routing.problem import Crew, Task, Visit, Ways, metres_of

SEEDS = (1, 2, 3)
STOPS, CREWS, UNITS = 200, 8, 55
_HOUR = 3600
_HOME = (116.40, 39.90)
_KM_OF_A_DEGREE = 111.2


def run(_folder: Path, _orders: int) -> dict[str, float]:
    """Kilometres of three days by each way, what is saved, and the seconds of the slowest; whether a second run gives
    the same plan."""
    tasks = [day(seed) for seed in SEEDS]
    baseline = [nearest.plan(task) for task in tasks]
    base_km = sum(metres_of(task, plan) for task, plan in zip(tasks, baseline, strict=True)) / 1000
    figures: dict[str, float] = {
        "stops": STOPS,
        "vehicles": CREWS,
        "nearest_km": round(base_km),
        "nearest_unserved": sum(len(plan.unserved) for plan in baseline),
    }
    for planner in Planner:
        plans, seconds = [], []
        for task in tasks:
            began = time.perf_counter()
            plans.append(solving.plan(task, planner)[0])
            seconds.append(time.perf_counter() - began)
        km = sum(metres_of(task, plan) for task, plan in zip(tasks, plans, strict=True)) / 1000
        again = solving.plan(tasks[0], planner)[0]
        figures |= {
            f"{planner}_km": round(km),
            f"{planner}_saves_percent": round(100 * (1 - km / base_km), 1),
            f"{planner}_unserved": sum(len(plan.unserved) for plan in plans),
            f"{planner}_wrong": sum(len(judging.problems(task, plan)) for task, plan in zip(tasks, plans, strict=True)),
            f"{planner}_seconds": round(max(seconds), 2),
            f"{planner}_same_again": again == plans[0],
        }
    return figures


def day(seed: int, *, stops: int = STOPS, crews: int = CREWS) -> Task:
    """A day that is made up from the seed."""
    chance = Random(seed)  # noqa: S311 - it must be repeatable
    centres = [_around(chance, _HOME, 15) for _ in range(12)]
    points, visits = [_HOME], []
    for key in range(1, stops + 1):
        points.append(_around(chance, centres[chance.randrange(12)], 1.5))
        opens, closes = (9, 21)
        if chance.random() >= 0.4:
            opens, closes = ((9, 13), (13, 17), (17, 21))[chance.randrange(3)]
        grams = chance.randint(1, 3)
        visits.append(Visit(key, key, grams, 0, opens * _HOUR, closes * _HOUR, 300))
    hired = [Crew(key, 8 * _HOUR, 22 * _HOUR, UNITS, 1) for key in range(1, crews + 1)]
    return Task.of(visits, hired, Ways.between(points, detour_percent=135, km_an_hour=25))


def _around(chance: Random, point: tuple[float, float], km: float) -> tuple[float, float]:
    """A point within so many km, as likely anywhere."""
    while True:
        east, north = chance.uniform(-km, km), chance.uniform(-km, km)
        if sqrt(east * east + north * north) <= km:
            break
    longitude, latitude = point
    return (longitude + east / (_KM_OF_A_DEGREE * cos(radians(latitude))), latitude + north / _KM_OF_A_DEGREE)
