"""What delivery can be offered for the parcels of a basket: pure, from tables in memory.

For each level and parcel the service is chosen: by the hour only premium ones go, the earliest, then the cheapest; by
the lane the cheapest, then the earliest. The date of a basket is that of its latest parcel; a level that one parcel
cannot have is not offered.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from inventory.models import Speed
from inventory.promising.dating import Arrival, Journey, NoArrival, Reason, arrival
from inventory.promising.freight import Extras, Freight, Measures, NoService, Service, freight, services_for
from inventory.promising.tables import Level, Slot, Tables
from oms.common.zones import CHINA

CALENDAR_DAYS = 7
# The wish that every order has; see `Tables.levels_of`.
STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel to be sent: from a warehouse, of goods of one class; `cod_fen` is collected with it. On `full_days` the
    warehouse has no room left; before `ready_at` it has not got the goods."""

    warehouse_id: int
    storage_class: str
    measures: Measures
    cod_fen: int = 0
    full_days: frozenset[date] = frozenset()
    ready_at: datetime | None = None

    def journey(self, region_code: str, starts_at: datetime) -> Journey:
        """Its way to the county, paid at `starts_at`."""
        if self.ready_at is not None:
            starts_at = max(starts_at, self.ready_at)
        return Journey(self.warehouse_id, region_code, self.storage_class, starts_at, self.full_days)


@dataclass(frozen=True, slots=True)
class Carriage:
    """How a parcel would go: when it arrives, what that costs, and with which service of a carrier."""

    arrival: Arrival
    freight: Freight
    carrier: str
    service: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A level for a basket: how each parcel goes, or why it cannot be had (`refusals`, by the parcel's place)."""

    level: Level
    carriages: tuple[Carriage, ...]
    refusals: Mapping[int, Reason]

    @property
    def is_possible(self) -> bool:
        """Whether every parcel can have it."""
        return not self.refusals

    @property
    def latest_at(self) -> datetime:
        """By when the last parcel is there. Only of an offer that is possible, with a parcel."""
        return max(one.arrival.latest_at for one in self.carriages)

    @property
    def freight_fen(self) -> int:
        """The freight of all parcels, with the level's fee once."""
        return self.level.fee_fen + sum(one.freight.fen for one in self.carriages)


def offers(tables: Tables, parcels: Sequence[Parcel], region_code: str, starts_at: datetime) -> list[Offer]:
    """What every level would be for the parcels, the earliest of those that are possible first."""
    found = [_offer(tables, parcels, region_code, starts_at, level) for level in tables.levels.values()]
    return sorted(found, key=_earliest_first)


_NEVER = datetime.max.replace(tzinfo=CHINA)


def _earliest_first(offer: Offer) -> tuple[datetime, int, str]:
    is_dated = offer.is_possible and offer.carriages
    return offer.latest_at if is_dated else _NEVER, offer.level.fee_fen, offer.level.code


def _offer(tables: Tables, parcels: Sequence[Parcel], region_code: str, starts_at: datetime, level: Level) -> Offer:
    carriages, refusals = [], {}
    for place, parcel in enumerate(parcels):
        found = carriage(tables, parcel, region_code, starts_at, level)
        if isinstance(found, Reason):
            refusals[place] = found
        else:
            carriages.append(found)
    return Offer(level, tuple(carriages), refusals)


def carriage(tables: Tables, parcel: Parcel, region_code: str, starts_at: datetime, level: Level) -> Carriage | Reason:
    """The best way for the parcel with the level, or why there is none (that of the last service tried)."""
    journey = parcel.journey(region_code, starts_at)
    best: Carriage | None = None
    why = Reason("no_carrier", {})
    for services in _by_timing(tables, services_for(tables.services, parcel.storage_class, _speed(level))):
        try:
            arrives = arrival(tables, journey, level, services[0])
        except NoArrival as refusal:
            why = refusal.reason
            continue
        for service in services:
            costs = _priced(tables, parcel, region_code, service, arrives)
            if isinstance(costs, Reason):
                why = costs
                continue
            found = Carriage(arrives, costs, service.carrier, service.kind)
            if best is None or _rank(level, found) < _rank(level, best):
                best = found
    return best if best is not None else why


def _by_timing(tables: Tables, services: Sequence[Service]) -> Iterable[list[Service]]:
    """The services in groups whose parcels arrive at the same time, so that each is worked out once."""
    apart = tables.carriers_apart
    groups: dict[tuple[str, bool, str], list[Service]] = {}
    for one in services:
        key = (one.speed, one.works_on_holiday, one.carrier if one.carrier in apart else "")
        groups.setdefault(key, []).append(one)
    return groups.values()


def first_carriage(
    tables: Tables,
    parcel: Parcel,
    region_code: str,
    starts_at: datetime,
    level: Level,
    carriers: Sequence[str],
) -> Carriage | Reason:
    """How the parcel goes with the first of the carriers (codes) that can, or why none can; the cheapest or earliest
    where the tables know none of them."""
    journey = parcel.journey(region_code, starts_at)
    fitting = services_for(tables.services, parcel.storage_class, _speed(level))
    asked = [one for code in carriers for one in fitting if one.carrier == code]
    if not asked:
        return carriage(tables, parcel, region_code, starts_at, level)
    why = Reason("no_carrier", {})
    for service in asked:
        found = _try(tables, journey, parcel, level, service)
        if isinstance(found, Carriage):
            return found
        why = found
    return why


def earliest(
    tables: Tables, parcel: Parcel, region_code: str, starts_at: datetime, wish: str, carriers: Sequence[str]
) -> Carriage | Reason:
    """How the parcel goes with the earliest of the levels that the wish names, else with the standard, or why not."""
    why: Carriage | Reason = Reason("no_level", {})
    for code in dict.fromkeys((wish, STANDARD)):
        best: Carriage | None = None
        for level in tables.levels_of(code):
            found = first_carriage(tables, parcel, region_code, starts_at, level, carriers)
            if isinstance(found, Reason):
                why = found
            elif best is None or found.arrival.latest_at < best.arrival.latest_at:
                best = found
        if best is not None:
            return best
    return why


def _try(tables: Tables, journey: Journey, parcel: Parcel, level: Level, service: Service) -> Carriage | Reason:
    try:
        arrives = arrival(tables, journey, level, service)
    except NoArrival as refusal:
        return refusal.reason
    costs = _priced(tables, parcel, journey.region_code, service, arrives)
    return costs if isinstance(costs, Reason) else Carriage(arrives, costs, service.carrier, service.kind)


def _speed(level: Level) -> str:
    """By the hour only premium services go."""
    return "" if level.takes_lane_days else Speed.PREMIUM


def _rank(level: Level, one: Carriage) -> tuple[object, ...]:
    when, cost = one.arrival.latest_at, one.freight.fen
    return (cost, when, one.carrier) if level.takes_lane_days else (when, cost, one.carrier)


def _priced(tables: Tables, parcel: Parcel, region_code: str, service: Service, arrives: Arrival) -> Freight | Reason:
    remote = tables.remote_area(region_code)
    extras = Extras(
        day=arrives.cutoff_at.date(),
        cod_fen=parcel.cod_fen,
        remote_fen=remote.surcharge_fen if remote is not None else 0,
    )
    rate = tables.rate(service, arrives.zone)
    try:
        return freight(parcel.measures, service, rate, surcharges=tables.surcharges, extras=extras)
    except NoService as refusal:
        return Reason(refusal.code, {"carrier": service.carrier})


@dataclass(frozen=True, slots=True)
class Appointment:
    """Hours of a day for which a basket's parcels could be brought together."""

    slot: Slot
    begins_at: datetime
    ends_at: datetime


def appointments(tables: Tables, city: str, arrives_at: datetime) -> list[Appointment]:
    """The hours of the appointment calendar, from the first that begins once all is there; whether there is room in
    them is not looked at."""
    first = datetime.combine(arrives_at.astimezone(CHINA).date(), datetime.min.time(), CHINA)
    found = []
    for number in range(CALENDAR_DAYS):
        day = first + timedelta(days=number)
        for slot in tables.slots_of(city):
            begins = day + timedelta(minutes=slot.starts_at)
            if begins >= arrives_at:
                found.append(Appointment(slot, begins, day + timedelta(minutes=slot.ends_at)))
    return found
