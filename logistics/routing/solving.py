"""Planning a day: by the package where it is installed, else by what is built in; pure, and the same every time."""

import logging
from collections.abc import Callable
from dataclasses import replace

from logistics.models.routing import Planner
from logistics.routing import built_in, judging, with_vroom
from logistics.routing.problem import Plan, Task

logger = logging.getLogger(__name__)


def plan(task: Task, planner: Planner | None = None) -> tuple[Plan, Planner]:
    """A plan that may be driven, and who made it. Promises are kept where they can be; where one cannot, its visit is
    late rather than left out."""
    solve, planner = _solver(planner)
    promised = _with_promises(task, set(task.visits))
    found = _checked(promised, solve(promised))
    late = {key for key in found.unserved if task.visits[key].due is not None}
    if late:
        eased = _with_promises(task, task.visits.keys() - late)
        again = _checked(eased, solve(eased))
        if len(again.unserved) < len(found.unserved):
            found = again
    return found, planner


def _with_promises(task: Task, keys: set[int]) -> Task:
    """The task where what is promised of these visits closes their hours. What is promised for a time that is over
    closes nothing."""
    visits = [
        replace(visit, closes=min(visit.closes, visit.due))
        if visit.due is not None and visit.key in keys and visit.due >= visit.opens
        else visit
        for visit in task.visits.values()
    ]
    return Task.of(visits, list(task.crews.values()), task.ways)


def _solver(planner: Planner | None) -> tuple[Callable[[Task], Plan], Planner]:
    if planner != Planner.BUILT_IN:
        try:
            import vroom  # noqa: F401 - whether it is there

            return with_vroom.plan, Planner.VROOM
        except ImportError:
            if planner is not None:
                raise
    return built_in.plan, Planner.BUILT_IN


def _checked(task: Task, found: Plan) -> Plan:
    """The plan, if it may be driven; else one that is built in, which checks each step."""
    wrong = judging.problems(task, found)
    if not wrong:
        return found
    logger.error("a plan of routes may not be driven: %s", "; ".join(wrong[:5]))
    return built_in.plan(task)
