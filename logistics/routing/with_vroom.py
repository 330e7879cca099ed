"""Planning by VROOM (the package pyvroom), where it is installed: its result depends on nothing but the task."""

from logistics.routing.problem import HOME, Plan, Task, free_visits, wagons

# How long it searches: 3 takes some seconds for 200 visits, and more of it gains little.
EXPLORATION = 3


def plan(task: Task) -> Plan:
    """The shortest tours that it finds. Raises ImportError where it is not installed."""
    import numpy
    import vroom

    found = Plan({key: list(crew.locked) for key, crew in task.crews.items()})
    free, visits = wagons(task), free_visits(task)
    if not free or not visits:
        found.unserved = [visit.key for visit in visits]
        return found
    skills = {name: number for number, name in enumerate(sorted({name for v in visits for name in v.skills}), 1)}
    numbers = dict(enumerate(free, 1))
    asked = dict(enumerate(visits, 1))
    problem = vroom.Input()
    problem.set_durations_matrix(profile="car", matrix_input=numpy.array(task.ways.seconds, dtype="uint32"))
    problem.set_costs_matrix(profile="car", matrix_input=numpy.array(task.ways.metres, dtype="uint32"))
    problem.add_vehicle(
        [
            vroom.Vehicle(
                number,
                start=wagon.place,
                end=HOME,
                capacity=vroom.Amount([wagon.grams, wagon.cm3]),
                skills={skills[name] for name in wagon.skills if name in skills},
                time_window=vroom.TimeWindow(wagon.starts, wagon.ends),
            )
            for number, wagon in numbers.items()
        ]
    )
    problem.add_job(
        [
            vroom.Job(
                number,
                location=visit.place,
                default_service=visit.service,
                delivery=vroom.Amount([visit.grams, visit.cm3]),
                skills={skills[name] for name in visit.skills},
                time_windows=[vroom.TimeWindow(visit.opens, visit.closes)],
            )
            for number, visit in asked.items()
        ]
    )
    answer = problem.solve(exploration_level=EXPLORATION, nb_threads=1).to_dict()
    for route in answer["routes"]:
        keys = [asked[step["id"]].key for step in route["steps"] if step["type"] == "job"]
        found.tours[numbers[route["vehicle"]].key] += keys
    found.unserved = sorted(asked[row["id"]].key for row in answer["unassigned"])
    return found
