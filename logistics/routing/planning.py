"""Making the plan of a day: read, planned without a transaction, written as a draft if nothing was fixed meanwhile."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.models import Courier, RoutePlan, Station, Stop, Tour, Unserved
from logistics.models.routing import Planner
from logistics.routing import judging, nearest, reading, solving
from logistics.routing.problem import DAY, Course, Plan, Task, Timed, follow, metres_of, on_time
from logistics.routing.reading import Day, midnight
from logistics.routing.trouble import CannotPlan, ShiftsOver
from oms.common.errors import ChangedMeanwhile
from oms.common.zones import CHINA

BY_ITSELF = "plan_routes"
MOST_AHEAD = timedelta(days=60)


def today() -> date:
    """The day in China."""
    return timezone.now().astimezone(CHINA).date()


def check_day(day: date) -> None:
    """Raises CannotPlan for a day that is over, or so far ahead that nobody meant it."""
    if day < today():
        raise CannotPlan(_("That day is over."), attr="day")
    if day > today() + MOST_AHEAD:
        raise CannotPlan(_("Plan at most %(days)d days ahead.") % {"days": MOST_AHEAD.days}, attr="day")


def make(station_id: int, day: date, *, by: str, planner: Planner | None = None) -> RoutePlan:
    """A draft of the day, in place of the one that there is: what is locked or out stays, the rest is planned anew.

    Raises Station.DoesNotExist, CannotPlan for a day that is over or far ahead, ShiftsOver where nothing can be brought
    in what is left of today's shifts, and ChangedMeanwhile where a plan of the day was published, or something locked,
    while this one was made.
    """
    now = timezone.now()
    check_day(day)
    station = Station.objects.get(pk=station_id)
    known = reading.read(station, day, now)
    _check_what_is_left(known, now)
    plan, used = solving.plan(known.task, planner)
    return _write(known, plan, used, by)


def make_what_is_missing() -> int:
    """Draft today's plans of stations that have something to bring and no plan yet; returns how many."""
    made = 0
    for station_id in reading.waiting_stations(today()):
        try:
            make(station_id, today(), by=BY_ITSELF)
        except ShiftsOver:
            continue  # it is drafted tomorrow
        made += 1
    return made


def _check_what_is_left(known: Day, now: datetime) -> None:
    """Raises ShiftsOver, which names the next shift, where today's are too far gone for any parcel."""
    at = now.astimezone(CHINA)
    if known.day != at.date():
        return
    rows = Courier.objects.filter(station=known.station, is_active=True, vehicle__is_active=True)
    shifts = [[datetime.combine(known.day, hour, CHINA) for hour in (one.starts, one.ends)] for one in rows]
    longest = max((round((ends - starts).total_seconds()) for starts, ends in shifts), default=0)
    if all(at <= starts for starts, _ends in shifts) or not judging.is_too_late(known.task, longest):
        return
    raise ShiftsOver(
        _(
            "Nobody can bring anything in what is left of today's shifts, which end at %(ends)s. Plan %(day)s: the "
            "first shift begins at %(starts)s."
        )
        % {
            "ends": f"{max(ends for _starts, ends in shifts):%H:%M}",
            "starts": f"{min(starts for starts, _ends in shifts):%H:%M}",
            "day": known.day + timedelta(days=1),
        },
        attr="day",
    )


@transaction.atomic
def _write(known: Day, found: Plan, planner: Planner, by: str) -> RoutePlan:
    lock(known.station.pk)
    published, draft = reading.plans_of(known.station, known.day)
    if tuple((one.pk, one.version) for one in (published, draft) if one is not None) != known.fixed_by:
        raise ChangedMeanwhile(_("Somebody changed the plan of the day meanwhile. Plan anew."))
    if draft is not None:
        draft.discard()
        draft.save(update_fields=["state"])
    numbers = RoutePlan.objects.filter(station=known.station, day=known.day).aggregate(last=Max("number"))
    row = RoutePlan.objects.create(
        station=known.station,
        day=known.day,
        number=(numbers["last"] or 0) + 1,
        planner=planner,
        figures=_figures(known, found),
        made_by=by[:80],
    )
    courses = {key: follow(known.task, known.task.crews[key], keys) for key, keys in found.tours.items() if keys}
    tours = {key: tour_of(row, known, key, course) for key, course in courses.items()}
    Tour.objects.bulk_create(tours.values())
    why = judging.why_unserved(known.task, found) | dict.fromkeys(known.outside, Unserved.OUTSIDE_AREA)
    stops = [
        _stop(row, known, tours[key], position, timed)
        for key, course in courses.items()
        for position, timed in enumerate(course.visits, 1)
    ]
    stops += [_unserved(row, known, parcel_id, reason) for parcel_id, reason in sorted(why.items())]
    Stop.objects.bulk_create(stops)
    return row


def lock(station_id: int) -> None:
    """Who changes plans of the station waits for others who do. Needs an open transaction."""
    Station.objects.select_for_update(no_key=True).get(pk=station_id)


def touch(plan_id: int) -> None:
    """Count a new version: what was planned from the former one is not written any more."""
    RoutePlan.objects.filter(pk=plan_id).update(changes=F("changes") + 1)


def _figures(known: Day, found: Plan) -> dict[str, int]:
    task = known.task
    simple = nearest.plan(task)
    return {
        "stops": len(task.visits) + len(known.outside),
        **_measured(task, found),
        **{f"nearest_{name}": value for name, value in _measured(task, simple).items()},
    }


def _measured(task: Task, plan: Plan) -> dict[str, int]:
    return {
        "served": sum(map(len, plan.tours.values())),
        "metres": metres_of(task, plan),
        "on_time": on_time(task, plan),
    }


def tour_of(row: RoutePlan, known: Day, key: int, course: Course) -> Tour:
    """The tour of a courier (id) in a plan, not saved yet."""
    courier, vehicle = known.couriers[key]
    begins = midnight(known.day)
    return Tour(
        plan=row,
        courier=courier,
        vehicle=vehicle,
        starts_at=begins + timedelta(seconds=course.starts),
        ends_at=begins + timedelta(seconds=course.ends),
        metres=course.metres,
        gone_at=known.gone_at.get(key),
    )


def _stop(row: RoutePlan, known: Day, tour: Tour, position: int, timed: Timed) -> Stop:
    crew = known.task.crews[tour.courier_id]
    return Stop(
        plan=row,
        parcel_id=timed.key,
        tour=tour,
        position=position,
        is_locked=timed.key in crew.locked,
        **times_of(timed, known.day),
        **_hours(known, timed.key),
    )


def _unserved(row: RoutePlan, known: Day, parcel_id: int, why: Unserved) -> Stop:
    return Stop(plan=row, parcel_id=parcel_id, why=why, **_hours(known, parcel_id))


def times_of(timed: Timed, day: date) -> dict[str, datetime]:
    """The columns of a stop's times."""
    begins = midnight(day)
    return {
        "arrives_at": begins + timedelta(seconds=timed.arrives),
        "begins_at": begins + timedelta(seconds=timed.begins),
        "leaves_at": begins + timedelta(seconds=timed.leaves),
    }


def _hours(known: Day, parcel_id: int) -> Mapping[str, datetime | None]:
    visit = known.task.visits.get(parcel_id)
    parcel = known.parcels[parcel_id]
    if visit is None:
        return {"opens_at": parcel.wanted_from, "closes_at": parcel.wanted_until, "due_at": parcel.promised_by}
    begins = midnight(known.day)
    return {
        "opens_at": begins + timedelta(seconds=visit.opens) if visit.opens else None,
        "closes_at": begins + timedelta(seconds=visit.closes) if visit.closes < DAY else None,
        "due_at": parcel.promised_by,
    }
