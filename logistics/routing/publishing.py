"""What people do to a plan: lock stops, move one, publish it, discard it."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.models import CourierParcel, PlanState, RoutePlan, Stop, Tour, Unserved
from logistics.routing import judging, planning, reading
from logistics.routing.problem import Crew, follow
from logistics.routing.trouble import CannotPlan
from oms.common.copying import array
from oms.common.errors import ChangedMeanwhile


@transaction.atomic
def publish(plan_id: int, *, by: str, version: int | None = None) -> RoutePlan:
    """Couriers drive by the draft from now on. Parcels that were asked back, cancelled or brought meanwhile are not in
    it any more; what is out stays with its courier, so a draft that was made before a courier left is refused.

    Raises RoutePlan.DoesNotExist, CannotPlan and ChangedMeanwhile.
    """
    row = _lock(plan_id, version)
    if row.state != PlanState.DRAFT:
        raise CannotPlan(_("Only a draft is published."))
    if row.day < planning.today():
        raise CannotPlan(_("That day is over."))
    former = RoutePlan.objects.filter(station=row.station_id, day=row.day, state=PlanState.PUBLISHED).first()
    if former is not None:
        _check_that_it_knows_who_is_out(row, former)
        Stop.objects.filter(plan=former, is_in_force=True).update(is_in_force=False)
        former.supersede()
        former.save(update_fields=["state"])
    _put_in_force(row)
    row.publish(by=by[:80])
    row.save(update_fields=["state", "published_at", "published_by"])
    return RoutePlan.objects.get(pk=row.pk)


def _check_that_it_knows_who_is_out(row: RoutePlan, former: RoutePlan) -> None:
    def out(plan: RoutePlan) -> dict[int, list[int]]:
        stops = Stop.objects.filter(tour__plan=plan, tour__gone_at__isnull=False).order_by("tour__courier", "position")
        found: dict[int, list[int]] = {}
        for courier_id, parcel_id in stops.values_list("tour__courier_id", "parcel_id"):
            found.setdefault(courier_id, []).append(parcel_id)
        return found

    if out(row) != out(former):
        raise ChangedMeanwhile(_("A courier went out meanwhile. Plan anew, then publish."))


def _put_in_force(row: RoutePlan) -> None:
    """Lock the parcels, so that none is asked back in between, and let their stops count where they still may: what
    older plans said of them counts no more."""
    ids = list(Stop.objects.filter(plan=row, tour__isnull=False).values_list("parcel_id", flat=True))
    list(CourierParcel.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk"))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_stop x SET is_in_force = false FROM logistics_routeplan o
            WHERE o.id = x.plan_id AND o.day < %s AND x.is_in_force AND x.parcel_id = ANY(%s::bigint[])
            """,
            [row.day, array(ids)],
        )
        cursor.execute(
            f"""
            UPDATE logistics_stop x SET is_in_force = true
            FROM logistics_tour u, logistics_courierparcel p, logistics_shipment h
            WHERE x.plan_id = %s AND u.id = x.tour_id AND p.id = x.parcel_id AND h.id = p.shipment_id
              AND (u.gone_at IS NOT NULL OR {reading.OPEN})
              -- One of another day that somebody published first keeps it.
              AND NOT EXISTS (SELECT FROM logistics_stop y WHERE y.parcel_id = x.parcel_id AND y.is_in_force)
            """,
            [row.pk],
        )


@transaction.atomic
def discard(plan_id: int, *, version: int | None = None) -> None:
    """Nobody will drive by the draft. Raises as `publish`."""
    row = _lock(plan_id, version)
    if row.state != PlanState.DRAFT:
        raise CannotPlan(_("Only a draft is discarded."))
    row.discard()
    row.save(update_fields=["state"])


@transaction.atomic
def lock_up_to(stop_id: int) -> None:
    """The stop and those before it keep their courier and their order when the day is planned anew.

    Raises Stop.DoesNotExist and CannotPlan.
    """
    stop, _tour = _changeable(stop_id)
    Stop.objects.filter(tour=stop.tour_id, position__lte=stop.position).update(is_locked=True)
    planning.touch(stop.plan_id)


@transaction.atomic
def unlock_from(stop_id: int) -> None:
    """The stop and those behind it may go to others when the day is planned anew. Raises as `lock_up_to`."""
    stop, _tour = _changeable(stop_id)
    Stop.objects.filter(tour=stop.tour_id, position__gte=stop.position).update(is_locked=False)
    planning.touch(stop.plan_id)


@transaction.atomic
def move(stop_id: int, *, courier_id: int, position: int) -> None:
    """Give a stop of a draft, or a parcel that is in no tour, to the courier as stop number `position` (1 is first).
    It and those before it are locked there.

    Raises Stop.DoesNotExist, and CannotPlan, which names what cannot be: room, skill, hours.
    """
    stop = _locked_stop(stop_id)
    plan = RoutePlan.objects.get(pk=stop.plan_id)
    if plan.state != PlanState.DRAFT:
        raise CannotPlan(_("Only stops of a draft are moved. Plan anew first."))
    known = reading.read(plan.station, plan.day, timezone.now())
    crew = known.task.crews.get(courier_id)
    if stop.parcel_id not in known.task.visits or crew is None:
        raise CannotPlan(_("The parcel or the courier is not free for this day any more. Plan anew."))
    tours = {tour.courier_id: tour for tour in Tour.objects.filter(plan=plan)}
    if crew.is_gone or (stop.tour is not None and stop.tour.gone_at is not None):
        raise CannotPlan(_("That courier is out already."))
    keys = [key for key in _keys(tours.get(courier_id)) if key != stop.parcel_id and key in known.task.visits]
    at = max(0, min(position - 1, len(keys)))
    keys.insert(at, stop.parcel_id)
    _check(known, crew, keys)
    former = stop.tour
    tour = tours.get(courier_id) or planning.tour_of(plan, known, courier_id, follow(known.task, crew, keys))
    tour.save()
    Stop.objects.filter(pk=stop.pk).update(tour=None, position=None, is_locked=False, why=Unserved.NO_TIME)
    if former is not None and former.pk != tour.pk:
        rest = [key for key in _keys(former) if key in known.task.visits]
        _rewrite(known, former, rest)
    _rewrite(known, tour, keys)
    Stop.objects.filter(tour=tour, position__lte=at + 1).update(is_locked=True)
    planning.touch(plan.pk)
    _measure(plan)


def _check(known: reading.Day, crew: Crew, keys: Sequence[int]) -> None:
    """Raises CannotPlan where the tour cannot be driven."""
    free = Crew(crew.key, crew.starts, crew.ends, crew.grams, crew.cm3, crew.skills)
    if not judging.tour_problems(known.task, free, keys):
        return
    visits = [known.task.visits[key] for key in keys]
    course = follow(known.task, free, keys)
    late = [timed.key for timed in course.visits if timed.begins > known.task.visits[timed.key].closes]
    if any(not visit.skills <= crew.skills for visit in visits):
        raise CannotPlan(_("The courier and the vehicle lack a skill that the parcel needs."), attr="courier")
    if late:
        waybill = CourierParcel.objects.get(pk=late[0]).waybill
        raise CannotPlan(_("%(waybill)s would come after its hours.") % {"waybill": waybill}, attr="position")
    if course.ends > crew.ends:
        raise CannotPlan(_("The courier would be back after working hours."), attr="courier")
    raise CannotPlan(_("The vehicle has no room for it."), attr="courier")


def _rewrite(known: reading.Day, tour: Tour, keys: Sequence[int]) -> None:
    """Write a tour's stops in this order with their times; a tour without stops is dropped."""
    rows = {row.parcel_id: row for row in Stop.objects.filter(plan=tour.plan_id, parcel__in=keys)}
    was_locked = {key for key, row in rows.items() if row.is_locked}
    # Positions are unique: first out of the way.
    Stop.objects.filter(tour=tour).update(tour=None, position=None, is_locked=False, why=Unserved.NO_TIME)
    if not keys:
        tour.delete()
        return
    crew = known.task.crews.get(tour.courier_id)
    begins = reading.midnight(known.day)
    starts = crew.starts if crew is not None else round((tour.starts_at - begins).total_seconds())
    free = Crew(tour.courier_id, starts, 0, 0, 0)
    course = follow(known.task, free, keys)
    for position, timed in enumerate(course.visits, 1):
        row = rows[timed.key]
        row.tour, row.position, row.why, row.is_locked = tour, position, "", timed.key in was_locked
        for name, value in planning.times_of(timed, known.day).items():
            setattr(row, name, value)
    fields = ["tour", "position", "why", "is_locked", "arrives_at", "begins_at", "leaves_at"]
    Stop.objects.bulk_update(rows.values(), fields)
    tour.starts_at = begins + timedelta(seconds=course.starts)
    tour.ends_at = begins + timedelta(seconds=course.ends)
    tour.metres = course.metres
    tour.save(update_fields=["starts_at", "ends_at", "metres"])


def _measure(plan: RoutePlan) -> None:
    """Its own figures anew; what it is compared with stays."""
    tours = Tour.objects.filter(plan=plan)
    stops = list(Stop.objects.filter(plan=plan, tour__isnull=False))
    figures = {
        "metres": sum(tour.metres for tour in tours),
        "served": len(stops),
        "on_time": sum(
            1
            for stop in stops
            if stop.begins_at is not None
            and all(limit is None or stop.begins_at <= limit for limit in (stop.closes_at, stop.due_at))
        ),
    }
    RoutePlan.objects.filter(pk=plan.pk).update(figures={**plan.figures, **figures})


def _keys(tour: Tour | None) -> list[int]:
    if tour is None:
        return []
    return list(Stop.objects.filter(tour=tour).order_by("position").values_list("parcel_id", flat=True))


def _changeable(stop_id: int) -> tuple[Stop, Tour]:
    stop = _locked_stop(stop_id)
    if stop.tour is None:
        raise CannotPlan(_("The parcel is in no tour."))
    if stop.plan.state not in (PlanState.DRAFT, PlanState.PUBLISHED):
        raise CannotPlan(_("The plan does not count any more."))
    if stop.tour.gone_at is not None:
        raise CannotPlan(_("That courier is out already."))
    return stop, stop.tour


def _locked_stop(stop_id: int) -> Stop:
    station_id = Stop.objects.values_list("plan__station_id", flat=True).get(pk=stop_id)
    planning.lock(station_id)
    return Stop.objects.select_related("plan", "tour").get(pk=stop_id)


def _lock(plan_id: int, version: int | None) -> RoutePlan:
    planning.lock(RoutePlan.objects.values_list("station_id", flat=True).get(pk=plan_id))
    row = RoutePlan.objects.select_for_update(no_key=True, of=("self",)).select_related("station").get(pk=plan_id)
    if version is not None and row.version != version:
        raise ChangedMeanwhile(_("The plan was changed meanwhile. Look at it again and repeat what you wanted."))
    return row
