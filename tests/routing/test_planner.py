"""Plans are valid, the same every time, shorter than driving to the next stop; what is in none says why."""

from dataclasses import replace
from random import Random

import pytest

from logistics.models.routing import Planner, Unserved
from logistics.routing import built_in, judging, nearest, solving
from logistics.routing.problem import Crew, Plan, Task, Visit, Ways, follow, metres_of, on_time
from oms.benchmarks.routes import day

HOUR = 3600
HOME = (116.40, 39.90)
NEAR, FAR = (116.42, 39.91), (117.90, 39.90)


def task(visits: list[Visit], crews: list[Crew], points: list[tuple[float, float]] | None = None) -> Task:
    """A day; visits without points of their own are near the station."""
    return Task.of(visits, crews, Ways.between(points or [HOME, NEAR, FAR], detour_percent=135, km_an_hour=25))


def crew(key: int = 1, **changes) -> Crew:  # type: ignore[no-untyped-def]
    return replace(Crew(key, 8 * HOUR, 20 * HOUR, 10, 100, frozenset({"cod"})), **changes)


def random_day(seed: int) -> Task:
    """A small day with windows, two kinds of room, skills, promises, somebody who is out and somebody who has locked
    stops; more than can be served."""
    chance = Random(seed)  # noqa: S311
    points = [HOME] + [(116.4 + chance.uniform(-0.2, 0.2), 39.9 + chance.uniform(-0.15, 0.15)) for _ in range(30)]
    visits = []
    for key in range(1, 31):
        opens = chance.choice([0, 9 * HOUR, 13 * HOUR])
        visits.append(
            Visit(
                key,
                key,
                chance.randint(1, 4),
                chance.randint(1, 30),
                opens,
                opens + 4 * HOUR if opens else 24 * HOUR,
                300,
                frozenset(chance.sample(["cod", "cold", "bulky"], chance.choice([0, 0, 1, 2]))),
                chance.choice([None, None, 10 * HOUR, 15 * HOUR, 0]),
            )
        )
    crews = [
        crew(1, grams=20, cm3=150, skills=frozenset({"cod", "cold"})),
        crew(2, grams=15, cm3=200, locked=(3, 7)),
        crew(3, grams=15, starts=7 * HOUR, locked=(5, 9, 11), is_gone=True, skills=frozenset({"bulky"})),
        crew(4, grams=12, starts=13 * HOUR, skills=frozenset({"cod", "bulky"})),
    ]
    return task(visits, crews, points)


@pytest.mark.parametrize("planner", Planner)
@pytest.mark.parametrize("seed", range(12))
def test_every_plan_may_be_driven_and_is_the_same_again(planner, seed, monkeypatch):
    if seed > 1:
        # It looks less long for a shorter way, which must be as right.
        monkeypatch.setattr(built_in, "_PUT_IN", 1_500)
    asked = random_day(seed)

    plan, used = solving.plan(asked, planner)

    assert judging.problems(asked, plan) == []
    assert used == planner
    assert solving.plan(asked, planner)[0] == plan
    assert set(judging.why_unserved(asked, plan)) == set(plan.unserved)


@pytest.mark.parametrize(("planner", "least_percent"), [(Planner.VROOM, 25), (Planner.BUILT_IN, 15)])
def test_a_plan_is_much_shorter_than_driving_to_the_next_stop(planner, least_percent):
    asked = day(4, stops=60, crews=4)
    simple = nearest.plan(asked)

    plan, _used = solving.plan(asked, planner)

    assert judging.problems(asked, simple) == judging.problems(asked, plan) == []
    assert len(plan.unserved) <= len(simple.unserved)
    assert metres_of(asked, plan) <= (1 - least_percent / 100) * metres_of(asked, simple)


def test_without_the_package_the_built_in_planner_plans(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest):  # type: ignore[no-untyped-def]
        if name == "vroom":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)

    plan, used = solving.plan(task([Visit(1, 1)], [crew()]))

    assert (used, plan) == (Planner.BUILT_IN, Plan({1: [1]}, []))


def test_a_plan_that_may_not_be_driven_is_not_taken(monkeypatch):
    monkeypatch.setattr(solving, "_solver", lambda _p: (lambda _t: Plan({1: [1, 1]}, []), Planner.VROOM))

    plan, _used = solving.plan(task([Visit(1, 1)], [crew()]))

    assert plan == Plan({1: [1]}, [])


_CASES = {
    "nobody works": ([Visit(1, 1)], [], Unserved.NO_COURIER),
    "everybody is out": ([Visit(1, 1)], [crew(is_gone=True)], Unserved.NO_COURIER),
    "nobody has the skill": ([Visit(1, 1, skills=frozenset({"cold"}))], [crew()], Unserved.NO_SKILL),
    "one who has it lacks the other": (
        [Visit(1, 1, skills=frozenset({"cold", "cod"}))],
        [crew(), crew(2, skills=frozenset({"cold"}))],
        Unserved.NO_SKILL,
    ),
    "heavier than a vehicle": ([Visit(1, 1, grams=11)], [crew()], Unserved.TOO_BIG),
    "larger than a vehicle": ([Visit(1, 1, cm3=101)], [crew()], Unserved.TOO_BIG),
    "over before anybody is there": ([Visit(1, 1, closes=8 * HOUR)], [crew()], Unserved.WINDOW),
    "too far to be back": ([Visit(1, 2)], [crew(ends=11 * HOUR)], Unserved.WINDOW),
    "no room beside the other": ([Visit(1, 1, grams=6), Visit(2, 1, grams=6)], [crew()], Unserved.NO_CAPACITY),
    "no time beside the other": (
        [Visit(1, 1, closes=9 * HOUR, service=2 * HOUR), Visit(2, 1, closes=9 * HOUR, service=2 * HOUR)],
        [crew()],
        Unserved.NO_TIME,
    ),
}


@pytest.mark.parametrize("planner", Planner)
@pytest.mark.parametrize("case", _CASES)
def test_what_is_in_no_tour_says_why(planner, case):
    visits, crews, why = _CASES[case]
    asked = task(visits, crews)

    plan, _used = solving.plan(asked, planner)

    assert list(judging.why_unserved(asked, plan).values()) == [why]


@pytest.mark.parametrize("planner", Planner)
def test_a_promise_that_cannot_be_kept_makes_a_visit_late_not_unserved(planner):
    asked = task([Visit(1, 1, due=8 * HOUR + 60), Visit(2, 1, due=9 * HOUR)], [crew()])

    plan, _used = solving.plan(asked, planner)

    assert plan.unserved == []
    assert on_time(asked, plan) == 1


@pytest.mark.parametrize("planner", Planner)
def test_promises_come_before_the_shorter_way(planner):
    """The near one is on the way to the far one; but the far one is promised first."""
    points = [HOME, (116.42, 39.90), (116.50, 39.90)]
    far = Visit(2, 2, due=8 * HOUR + 2000)
    asked = task([Visit(1, 1, opens=9 * HOUR), far], [crew()], points)

    plan, _used = solving.plan(asked, planner)

    assert plan.tours[1] == [2, 1]
    assert on_time(asked, plan) == 2


def test_who_need_not_wait_at_the_first_door_leaves_later():
    asked = task([Visit(1, 1, opens=10 * HOUR)], [crew()])

    course = follow(asked, asked.crews[1], [1])

    assert course.starts == 10 * HOUR - asked.ways.seconds[0][1]
    assert course.visits[0].arrives == course.visits[0].begins == 10 * HOUR


def test_the_judge_sees_what_is_wrong():
    visits = [Visit(1, 1, grams=6), Visit(2, 1, grams=6), Visit(3, 1, closes=8 * HOUR, skills=frozenset({"cold"}))]
    asked = task(visits, [crew(locked=(1,)), crew(2, is_gone=True)])

    assert judging.problems(asked, Plan({1: [2, 1]}, [3])) == ["crew 1: locked visits do not come first"]
    assert judging.problems(asked, Plan({1: [1], 2: [2]}, [3])) == ["crew 2: visits were added to a tour that is gone"]
    assert judging.problems(asked, Plan({1: [1, 2, 3], 2: []}, [])) == [
        "crew 1: too much for the vehicle",
        "crew 1: visit 3 needs a skill",
        "crew 1: visit 3 begins late",
    ]
    assert judging.problems(asked, Plan({2: []}, [2, 2, 3])) == [
        "visit 1 is planned 0 times",
        "visit 2 is planned 2 times",
        "crew 1 lost its locked visits",
    ]


def test_the_built_in_planner_never_depends_on_chance_from_elsewhere():
    asked = random_day(1)
    import random

    random.seed(5)
    first = built_in.plan(asked)
    random.seed(6)
    assert built_in.plan(asked) == first
