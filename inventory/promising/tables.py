"""The tables that dates and freight are worked out from, read once and kept in memory until one of them changes.

`current()` asks the database for one number, the version that triggers raise; `load()` reads everything.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from typing import Any

from inventory.models import (
    AppointmentSlot,
    CalendarDay,
    CarrierService,
    Cutoff,
    FreightRate,
    FreightSurcharge,
    Lane,
    PromiseTables,
    Region,
    RemoteArea,
    ServiceKind,
    ServiceLevel,
    Speed,
    Suspension,
    Warehouse,
    WorkSchedule,
)
from inventory.promising.calendars import Calendar, Span, gaps_of, longest_fit
from inventory.promising.freight import GRAMS_OF_A_KG, Rate, Service, Surcharge
from oms.common.money import to_fen


@dataclass(frozen=True, slots=True)
class CutoffTime:
    """Until when something is in time; at the very second only if it `is_inclusive`."""

    at: time
    is_inclusive: bool = False

    def met(self, moment: time) -> bool:
        """Whether something at that time of the day is in time."""
        return moment < self.at or (self.is_inclusive and moment == self.at)


@dataclass(frozen=True, slots=True)
class Level:
    """A service level; see `inventory.models.ServiceLevel`."""

    code: str
    name: str
    cutoff: CutoffTime
    within_minutes: int | None
    day_offset: int | None
    deliver_by: time | None
    max_road_km: int | None
    same_city_only: bool
    works_on_holiday: bool
    fee_fen: int

    @property
    def takes_lane_days(self) -> bool:
        """Whether it takes as long as the lane."""
        return self.within_minutes is None and self.day_offset is None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a warehouse works, and the minutes of picking."""

    opens_at: time = time(0)
    closes_at: time | None = None
    works_on_weekends: bool = True
    works_on_holidays: bool = True
    picking_minutes: int = 0


ALWAYS = Schedule()


@dataclass(frozen=True, slots=True)
class Place:
    """A warehouse: where it is, and its own cut-offs of the same and of the next day."""

    warehouse_id: int
    code: str
    region_code: str
    city: str
    cutoff_same_day: time | None
    cutoff_next_day: time | None
    daily_capacity: int
    schedules: Mapping[str, Schedule]
    closures: tuple[Span, ...]

    def schedule(self, storage_class: str) -> Schedule:
        """The working hours for goods of the class."""
        return self.schedules.get(storage_class) or self.schedules.get("") or ALWAYS


@dataclass(frozen=True, slots=True)
class Way:
    """A lane; days by speed are those of half and of 95 % of the parcels."""

    lane_id: int
    road_km: int
    zone: int
    days: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote area, or one that nobody serves."""

    area: str
    is_served: bool
    extra_days: int
    surcharge_fen: int


@dataclass(frozen=True, slots=True)
class Slot:
    """Hours for appointments, in minutes after midnight."""

    slot_id: int
    name: str
    starts_at: int
    ends_at: int
    capacity: int
    fee_fen: int


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that dates and freight are worked out from, as it was in one version."""

    version: int
    calendar: Calendar
    levels: Mapping[str, Level]
    places: Mapping[int, Place]
    cutoffs: Mapping[tuple[int, str, str], CutoffTime]
    lanes: Mapping[str, Mapping[str, Way]]
    remote: Mapping[str, Remote]
    carrier_closures: Mapping[str, tuple[Span, ...]]
    area_suspensions: Mapping[str, tuple[Span, ...]]
    services: tuple[Service, ...]
    rates: Mapping[tuple[str, str, int], Rate]
    surcharges: tuple[Surcharge, ...]
    slots: Mapping[str, tuple[Slot, ...]]
    cities: Mapping[str, str]
    # What `dating` worked out by them.
    worked_out: dict[tuple[Any, ...], Any] = field(default_factory=dict, compare=False, repr=False)

    def way(self, origin: str, destination: str) -> Way | None:
        """The lane between two counties; the closest of the origin, then of the destination. None: there is none."""
        for digits in (6, 4, 2):
            ways = self.lanes.get(origin[:digits])
            if ways:
                area = longest_fit(ways, destination)
                if area is not None:
                    return ways[area]
        return None

    def remote_area(self, region_code: str) -> Remote | None:
        """The remote area that the county lies in, if it does in one."""
        area = longest_fit(self.remote, region_code)
        return self.remote[area] if area is not None else None

    def rate(self, service: Service, zone: int) -> Rate | None:
        """What the service asks for to the zone; None: it does not go there."""
        return self.rates.get((service.kind, service.carrier, zone)) or self.rates.get((service.kind, "", zone))

    @property
    def carriers_apart(self) -> frozenset[str]:
        """Carriers with days or cut-offs of their own: their parcels may arrive otherwise than those of the others."""
        return frozenset(carrier for _warehouse, _level, carrier in self.cutoffs if carrier) | set(
            self.carrier_closures
        )

    def only_carriers(self, codes: Collection[str]) -> "Tables":
        """The tables with the services of these carriers alone; with all where it knows none of them."""
        services = tuple(one for one in self.services if one.carrier in codes)
        return replace(self, services=services) if services else self

    def slots_of(self, city: str) -> tuple[Slot, ...]:
        """The appointment slots of a city."""
        return self.slots.get(city) or self.slots.get(AppointmentSlot.EVERYWHERE, ())

    def levels_of(self, wish: str) -> list[Level]:
        """The levels that an order's wish means: those whose codes begin with it, in small letters."""
        return [level for code, level in self.levels.items() if code.lower().startswith(wish)]


_kept: Tables | None = None


def current(version: int | None = None) -> Tables:
    """The tables as they are now; read anew only where one of them changed. One statement, or about a dozen. Who has
    just asked for the `version` saves the one."""
    global _kept
    if _kept is None or _kept.version != (_version() if version is None else version):
        _kept = load()
    return _kept


def _version() -> int:
    """The number that triggers raise when one of the tables, or a sourcing rule, changes."""
    return PromiseTables.objects.values_list("version", flat=True).first() or 0


def load() -> Tables:
    """Read all tables."""
    # First the number: what changes meanwhile is read anew next time.
    version = _version()
    warehouse_closures, carrier_closures, area_suspensions = _suspensions()
    lanes: dict[str, dict[str, Way]] = defaultdict(dict)
    for lane in Lane.objects.all():
        days = {
            Speed.PREMIUM.value: (lane.premium_days_p50, lane.premium_days_p95),
            Speed.ECONOMY.value: (lane.economy_days_p50, lane.economy_days_p95),
        }
        lanes[lane.origin][lane.destination] = Way(lane.pk, lane.road_km, lane.zone, days)
    return Tables(
        version=version,
        calendar=_calendar(),
        levels={level.code: _level(level) for level in ServiceLevel.objects.filter(is_active=True)},
        places=_places(warehouse_closures),
        cutoffs={
            (row.warehouse_id, row.level.code, row.carrier): CutoffTime(row.cutoff, row.is_cutoff_inclusive)
            for row in Cutoff.objects.select_related("level")
        },
        lanes=dict(lanes),
        remote={
            row.area: Remote(row.area, row.kind == RemoteArea.Kind.REMOTE, row.extra_days, to_fen(row.surcharge))
            for row in RemoteArea.objects.all()
        },
        carrier_closures=carrier_closures,
        area_suspensions=area_suspensions,
        services=tuple(_service(row) for row in CarrierService.objects.filter(is_active=True)),
        rates={(row.service, row.carrier, row.zone): _rate(row) for row in FreightRate.objects.all()},
        surcharges=tuple(_surcharge(row) for row in FreightSurcharge.objects.order_by("id")),
        slots=_slots(),
        cities=dict(Region.objects.values_list("code", "city")),
    )


def _calendar() -> Calendar:
    days: dict[str, set[date]] = {CalendarDay.Kind.HOLIDAY: set(), CalendarDay.Kind.WORKDAY: set()}
    published = []
    for day, kind, basis in CalendarDay.objects.values_list("day", "kind", "basis"):
        days[kind].add(day)
        if kind == CalendarDay.Kind.HOLIDAY and basis != CalendarDay.Basis.ESTIMATE:
            published.append(day)
    known = frozenset(year for year, gaps in gaps_of(published).items() if not gaps)
    return Calendar(frozenset(days[CalendarDay.Kind.HOLIDAY]), frozenset(days[CalendarDay.Kind.WORKDAY]), known)


def _level(row: ServiceLevel) -> Level:
    return Level(
        code=row.code,
        name=row.name,
        cutoff=CutoffTime(row.cutoff, row.is_cutoff_inclusive),
        within_minutes=row.within_minutes,
        day_offset=row.day_offset,
        deliver_by=row.deliver_by,
        max_road_km=row.max_road_km,
        same_city_only=row.same_city_only,
        works_on_holiday=row.works_on_holiday,
        fee_fen=to_fen(row.fee),
    )


_Closures = tuple[dict[int, tuple[Span, ...]], dict[str, tuple[Span, ...]], dict[str, tuple[Span, ...]]]


def _suspensions() -> _Closures:
    of_warehouses: dict[int, tuple[Span, ...]] = {}
    of_carriers: dict[str, tuple[Span, ...]] = {}
    of_areas: dict[str, tuple[Span, ...]] = {}
    for row in Suspension.objects.order_by("starts_on", "id"):
        span = (Span(row.starts_on, row.ends_on, row.extra_days),)
        if row.warehouse_id is not None:
            of_warehouses[row.warehouse_id] = of_warehouses.get(row.warehouse_id, ()) + span
        elif row.carrier:
            of_carriers[row.carrier] = of_carriers.get(row.carrier, ()) + span
        else:
            of_areas[row.area] = of_areas.get(row.area, ()) + span
    return of_warehouses, of_carriers, of_areas


def _places(closures: Mapping[int, tuple[Span, ...]]) -> dict[int, Place]:
    schedules: dict[int, dict[str, Schedule]] = defaultdict(dict)
    for row in WorkSchedule.objects.all():
        schedules[row.warehouse_id][row.storage_class] = Schedule(
            row.opens_at or time(0),
            row.closes_at,
            row.works_on_weekends,
            row.works_on_holidays,
            row.picking_minutes,
        )
    return {
        row.pk: Place(
            warehouse_id=row.pk,
            code=row.code,
            region_code=row.region_id,
            city=row.region.city,
            cutoff_same_day=row.cutoff_same_day,
            cutoff_next_day=row.cutoff_next_day,
            daily_capacity=row.daily_capacity,
            schedules=dict(schedules.get(row.pk, {})),
            closures=closures.get(row.pk, ()),
        )
        for row in Warehouse.objects.select_related("region")
    }


def _service(row: CarrierService) -> Service:
    return Service(
        carrier=row.carrier,
        kind=row.service,
        speed=ServiceKind(row.service).speed,
        volumetric_divisor=row.volumetric_divisor,
        round_up_g=int(row.round_up_kg * GRAMS_OF_A_KG),
        max_g=int(row.max_kg * GRAMS_OF_A_KG),
        max_side_cm=row.max_side_cm,
        takes_cod=row.takes_cod,
        works_on_holiday=row.works_on_holiday,
        factor=row.factor,
        minimum_fen=to_fen(row.minimum_fee),
        discount=row.discount,
    )


def _rate(row: FreightRate) -> Rate:
    return Rate(
        first_g=int(row.first_kg * GRAMS_OF_A_KG),
        first_fen=to_fen(row.first_fee),
        step_g=int(row.step_kg * GRAMS_OF_A_KG),
        step_fen=to_fen(row.step_fee),
    )


def _surcharge(row: FreightSurcharge) -> Surcharge:
    return Surcharge(
        kind=row.kind,
        carrier=row.carrier,
        amount_fen=to_fen(row.amount),
        rate=row.rate,
        above_side_cm=row.above_side_cm,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
    )


def _slots() -> dict[str, tuple[Slot, ...]]:
    slots: dict[str, tuple[Slot, ...]] = {}
    for row in AppointmentSlot.objects.filter(is_active=True).order_by("starts_at", "ends_at"):
        slot = Slot(row.pk, row.name, row.starts_at, row.ends_at, row.capacity, to_fen(row.fee))
        slots[row.city] = (*slots.get(row.city, ()), slot)
    return slots
