"""The day of a station as it is planned: parcels, couriers, and what is fixed already."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from math import ceil

from django.db import connection
from django.db.models import Q

from logistics.models import Courier, PlanState, RoutePlan, ShipmentState, Skill, Station, Stop, Tour, Vehicle
from logistics.models.routing import Outcome
from logistics.routing import areas
from logistics.routing.problem import DAY, Crew, Task, Visit, Ways
from oms.common.copying import array
from oms.common.states import listed
from oms.common.zones import CHINA

# A parcel in these states, once it left its warehouse, is to be brought.
TO_BRING = (
    ShipmentState.WAYBILL_ISSUED,
    ShipmentState.COLLECTED,
    ShipmentState.IN_TRANSIT,
    ShipmentState.OUT_FOR_DELIVERY,
    ShipmentState.FAILED_DELIVERY,
)
OPEN = f"""
    p.cancelled_at IS NULL AND p.recalled_at IS NULL AND h.waybill_number = p.waybill AND h.left_at IS NOT NULL
    AND h.state IN ({listed(TO_BRING)}) AND NOT EXISTS (
        SELECT FROM logistics_doorreport d WHERE d.parcel_id = p.id AND d.outcome <> '{Outcome.MISSED}')
"""


def midnight(day: date) -> datetime:
    """When the day begins in China."""
    return datetime.combine(day, time(0), CHINA)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel of a station: grams, cm³, when its buyer wants it, and by when it is promised."""

    id: int
    region_code: str
    point: tuple[float, float]
    grams: int
    cm3: int
    skills: frozenset[str]
    wanted_from: datetime | None
    wanted_until: datetime | None
    promised_by: datetime | None


@dataclass(slots=True)
class Day:
    """What is planned: the task with parcels' and couriers' ids as keys, parcels that are out of the area, and what of
    earlier plans is fixed. `fixed_by` are the plans (id, version) that say so."""

    station: Station
    day: date
    task: Task
    parcels: dict[int, Parcel]
    couriers: dict[int, tuple[Courier, Vehicle]]
    gone_at: dict[int, datetime] = field(default_factory=dict)
    outside: list[int] = field(default_factory=list)
    fixed_by: tuple[tuple[int, int], ...] = ()


def plans_of(station: Station, day: date) -> tuple[RoutePlan | None, RoutePlan | None]:
    """The published plan of the day and the draft beside it."""
    rows = RoutePlan.objects.filter(station=station, day=day, state__in=[PlanState.PUBLISHED, PlanState.DRAFT])
    by_state = {row.state: row for row in rows}
    return by_state.get(PlanState.PUBLISHED), by_state.get(PlanState.DRAFT)


def read(station: Station, day: date, now: datetime) -> Day:
    """The day as it is now. A fixed number of statements."""
    published, draft = plans_of(station, day)
    tours = list(Tour.objects.filter(plan__in=[one for one in (published, draft) if one]).order_by("id"))
    stops: dict[int, list[int]] = {}
    for tour_id, parcel_id in (
        Stop.objects.filter(tour__in=tours)
        .filter(Q(is_locked=True) | Q(tour__gone_at__isnull=False))
        .order_by("tour", "position")
        .values_list("tour_id", "parcel_id")
    ):
        stops.setdefault(tour_id, []).append(parcel_id)
    gone = {tour.courier_id: tour for tour in tours if tour.gone_at is not None and tour.plan_id == _id(published)}
    wished = draft or published
    locked = {
        tour.courier_id: stops.get(tour.pk, [])
        for tour in tours
        if tour.plan_id == _id(wished) and tour.courier_id not in gone
    }
    out = [key for tour in gone.values() for key in stops.get(tour.pk, [])]
    parcels = _parcels(station, day, now, out)
    free = {key: parcel for key, parcel in parcels.items() if key not in set(out)}
    crews, couriers = _crews(station, day, now, gone, stops, locked, free)
    outside = sorted(
        key
        for key, parcel in free.items()
        if areas.station_for(parcel.region_code, [station]) is None
        and key not in {one for crew in crews for one in crew.locked}
    )
    points = {point: row for row, point in enumerate(dict.fromkeys([_home(station), *_points(parcels)]))}
    visits = [_visit(parcel, points, station, day) for key, parcel in parcels.items() if key not in set(outside)]
    ways = Ways.between(list(points), detour_percent=station.detour_percent, km_an_hour=station.km_an_hour)
    return Day(
        station,
        day,
        Task.of(visits, crews, ways),
        parcels,
        couriers,
        {key: tour.gone_at for key, tour in gone.items() if tour.gone_at is not None},
        outside,
        tuple((one.pk, one.version) for one in (published, draft) if one is not None),
    )


def _id(plan: RoutePlan | None) -> int:
    return plan.pk if plan is not None else 0


def _home(station: Station) -> tuple[float, float]:
    return station.longitude, station.latitude


def _points(parcels: dict[int, Parcel]) -> list[tuple[float, float]]:
    return [parcel.point for parcel in parcels.values()]


def _parcels(station: Station, day: date, now: datetime, out: Collection[int]) -> dict[int, Parcel]:
    """What is to be brought on the day and not by another plan, and what is out already, by id."""
    begins = midnight(day)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.id, p.region_id, p.longitude, p.latitude, p.weight_g, p.volume_cm3, p.skills, t.delivery_from,
                t.delivery_until, d.promised_by
            FROM logistics_courierparcel p
            JOIN logistics_shipment h ON h.id = p.shipment_id
            JOIN orders_suborder s ON s.id = h.sub_order_id JOIN orders_order b ON b.id = s.order_id
            LEFT JOIN orders_orderterms t ON t.order_id = s.order_id
            LEFT JOIN LATERAL (
                SELECT promised_by FROM orders_deliverypromise
                WHERE sub_order_id = s.id AND superseded_at IS NULL ORDER BY id DESC LIMIT 1) AS d ON true
            WHERE p.id = ANY(%(out)s::bigint[]) OR p.station_id = %(station)s AND {OPEN}
              AND (t.delivery_from IS NULL OR t.delivery_from < %(ends)s)
              AND NOT EXISTS (
                SELECT FROM logistics_doorreport r WHERE r.parcel_id = p.id AND r.day = %(day)s)
              AND NOT EXISTS (
                SELECT FROM logistics_stop x JOIN logistics_routeplan o ON o.id = x.plan_id
                JOIN logistics_tour u ON u.id = x.tour_id
                WHERE x.parcel_id = p.id AND x.is_in_force AND o.day <> %(day)s AND o.day >= %(today)s
                  AND NOT EXISTS (SELECT FROM logistics_doorreport r
                    WHERE r.parcel_id = p.id AND r.courier_id = u.courier_id AND r.day = o.day))
            -- Ties are broken in this order: parcels for one door, of which only the county is known, go together.
            ORDER BY b.address_key, p.id
            """,
            {
                "out": array(out),
                "station": station.pk,
                "day": day,
                "today": now.astimezone(CHINA).date(),
                "ends": begins + timedelta(days=1),
            },
        )
        return {
            key: Parcel(key, region, (longitude, latitude), grams, cm3, frozenset(skills), *times)
            for key, region, longitude, latitude, grams, cm3, skills, *times in cursor.fetchall()
        }


def _crews(
    station: Station,
    day: date,
    now: datetime,
    gone: dict[int, Tour],
    stops: dict[int, list[int]],
    locked: dict[int, list[int]],
    free: dict[int, Parcel],
) -> tuple[list[Crew], dict[int, tuple[Courier, Vehicle]]]:
    """The couriers of the day: those who are out with what they have, and those who can go."""
    rows = Courier.objects.filter(Q(station=station, is_active=True, vehicle__is_active=True) | Q(pk__in=gone))
    vehicles = Vehicle.objects.in_bulk([tour.vehicle_id for tour in gone.values()])
    crews, couriers = [], {}
    since = max(0, ceil((now - midnight(day)).total_seconds()))
    for courier in rows.select_related("vehicle").order_by("id"):
        tour = gone.get(courier.pk)
        vehicle = vehicles[tour.vehicle_id] if tour is not None else courier.vehicle
        if vehicle is None:
            continue
        if tour is not None and tour.gone_at is not None:
            starts, keys = _seconds(tour.gone_at, day), tuple(stops.get(tour.pk, ()))
        else:
            starts = max(_of_day(courier.starts), since)
            keys = tuple(key for key in locked.get(courier.pk, ()) if key in free)
        skills = frozenset({*courier.skills, *vehicle.skills})
        ends = _of_day(courier.ends)
        if tour is None and starts >= ends:
            continue
        grams, cm3 = vehicle.capacity_g, vehicle.capacity_cm3
        crews.append(Crew(courier.pk, starts, ends, grams, cm3, skills, keys, is_gone=tour is not None))
        couriers[courier.pk] = (courier, vehicle)
    return crews, couriers


def _visit(parcel: Parcel, points: dict[tuple[float, float], int], station: Station, day: date) -> Visit:
    """The parcel in seconds of the day. What should have been there before the day is late whenever it comes."""
    opens = _clamped(parcel.wanted_from, day, 0)
    closes = _clamped(parcel.wanted_until, day, DAY)
    due = None if parcel.promised_by is None else _clamped(parcel.promised_by, day, DAY)
    if due == DAY:
        due = None
    if closes <= 0:
        opens, closes, due = 0, DAY, 0
    return Visit(
        parcel.id,
        points[parcel.point],
        parcel.grams,
        parcel.cm3,
        opens,
        closes,
        station.service_seconds,
        # Whoever carries a parcel may need more than one skill; what nobody knows of is nobody's.
        parcel.skills & set(Skill.values),
        due,
    )


def _clamped(moment: datetime | None, day: date, unless: int) -> int:
    return unless if moment is None else min(max(_seconds(moment, day), 0), DAY)


def _seconds(moment: datetime, day: date) -> int:
    return round((moment - midnight(day)).total_seconds())


def _of_day(moment: time) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def waiting_stations(day: date) -> Sequence[int]:
    """The stations (ids) that have something to bring and no plan of the day yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id FROM logistics_station s
            WHERE s.is_active
              AND NOT EXISTS (SELECT FROM logistics_routeplan o WHERE o.station_id = s.id AND o.day = %s)
              AND EXISTS (
                SELECT FROM logistics_courierparcel p JOIN logistics_shipment h ON h.id = p.shipment_id
                WHERE p.station_id = s.id AND {OPEN})
            ORDER BY s.id
            """,
            [day],
        )
        return [key for (key,) in cursor.fetchall()]
