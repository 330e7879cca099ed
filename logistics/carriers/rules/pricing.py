"""What a parcel costs with a carrier, and when it would arrive, by the freight tables; pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from inventory.promising import offering
from inventory.promising.freight import Extras, Freight, Measures, NoService, freight, services_for
from inventory.promising.offering import STANDARD, Carriage
from inventory.promising.tables import Tables
from oms.common.zones import CHINA


@dataclass(frozen=True, slots=True)
class Way:
    """A parcel as freight is reckoned by: from a warehouse to a county; `cod_fen` is collected with it."""

    warehouse_id: int
    region_code: str
    storage_class: str
    measures: Measures
    cod_fen: int = 0

    def weighing(self, grams: int) -> "Way":
        """The same at another weight."""
        return replace(self, measures=replace(self.measures, weight_g=grams))

    def back(self) -> "Way":
        """The same on its way back: nothing is collected."""
        return replace(self, cod_fen=0)


@dataclass(frozen=True, slots=True)
class Priced:
    """What it costs with a service of the carrier."""

    service: str
    freight: Freight


# What keeps a carrier from a parcel, as `inventory.promising.freight.NoService` says it, and these.
NO_SERVICE, NOT_SERVED = "no_service", "not_served"


def price(tables: Tables, way: Way, carrier: str, at: datetime) -> Priced | str | None:
    """The cheapest of the carrier's services that carry the parcel; why none does; None where the tables know nothing
    of the carrier or of the way, so that nobody can say."""
    known = [one for one in tables.services if one.carrier == carrier]
    place = tables.places.get(way.warehouse_id)
    lane = tables.way(place.region_code, way.region_code) if place is not None else None
    remote = tables.remote_area(way.region_code)
    if remote is not None and not remote.is_served:
        return NOT_SERVED
    if not known or lane is None:
        return None
    why = NO_SERVICE
    best: Priced | None = None
    extras = Extras(at.astimezone(CHINA).date(), way.cod_fen, 0, remote.surcharge_fen if remote is not None else 0)
    for service in services_for(known, way.storage_class):
        rate = tables.rate(service, lane.zone)
        try:
            costs = freight(way.measures, service, rate, surcharges=tables.surcharges, extras=extras)
        except NoService as refusal:
            why = refusal.code
            continue
        if best is None or costs.fen < best.freight.fen:
            best = Priced(service.kind, costs)
    return best or why


def arrival(tables: Tables, way: Way, carrier: str, at: datetime) -> datetime | None:
    """By when the carrier brings it with the standard level, if it leaves from now on; None where nobody can say."""
    if not any(one.carrier == carrier for one in tables.services) or way.warehouse_id not in tables.places:
        return None
    parcel = offering.Parcel(way.warehouse_id, way.storage_class, way.measures, way.cod_fen)
    found = offering.earliest(tables, parcel, way.region_code, at, STANDARD, [carrier])
    return found.arrival.latest_at if isinstance(found, Carriage) and found.carrier == carrier else None
