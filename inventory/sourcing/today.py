"""How warehouses stand today and how a parcel would go from each, for rules that ask. Reads capacity without a lock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from inventory.models import CapacityBucket
from inventory.promising import dating, offering
from inventory.promising.dating import Reason
from inventory.promising.offering import Carriage, Parcel
from inventory.promising.tables import Tables
from inventory.sourcing.rules import Candidate, Standing, Way
from oms.common.zones import CHINA


def standings(
    known: Tables, usual: Mapping[int, Standing], storage_classes: Iterable[str], now: datetime
) -> dict[str, dict[int, Standing]]:
    """The standings of all warehouses at that moment, by storage class and warehouse id. One statement."""
    today = now.astimezone(CHINA).date()
    buckets = CapacityBucket.objects.filter(day=today, slot=None).order_by()
    taken = {row[0]: (row[1], row[2]) for row in buckets.values_list("warehouse_id", "taken", "capacity")}
    found: dict[str, dict[int, Standing]] = {}
    for storage_class in storage_classes:
        found[storage_class] = {}
        for key, standing in usual.items():
            place = known.places[key]
            # Without a daily capacity there is no limit; of a day, staff may say that there is no room at all.
            is_limited = place.daily_capacity > 0
            units, capacity = taken.get(key, (0, place.daily_capacity))
            found[storage_class][key] = replace(
                standing,
                is_open_today=dating.works(known, place, place.schedule(storage_class), today),
                has_room_today=not is_limited or units < capacity,
                taken_permille=1000 * units // max(capacity, 1) if is_limited else 0,
            )
    return found


@dataclass(frozen=True, slots=True)
class Trip:
    """What is to be brought where: `wish` names the levels, `promised_by` the deadline that others set, if they did."""

    parcel: Parcel
    region_code: str
    wish: str
    starts_at: datetime
    promised_by: datetime | None

    def to(self, warehouse_id: int) -> "Trip":
        """The same from this warehouse."""
        return replace(self, parcel=replace(self.parcel, warehouse_id=warehouse_id))


def carriage(known: Tables, trip: Trip, carriers: Sequence[str]) -> Carriage | None:
    """How the parcel would go; None where no level is sold or no service goes there."""
    if not known.levels:
        return None
    found = offering.earliest(known, trip.parcel, trip.region_code, trip.starts_at, trip.wish, carriers)
    return None if isinstance(found, Reason) else found


def ways(
    known: Tables, trip: Trip, candidates: Sequence[Candidate], carriers: Sequence[str], now: datetime
) -> dict[int, Way]:
    """How the parcel would go from each candidate, by warehouse id. Without a deadline, what the nearest one that can
    send it would make of it is the promise. Empty where no level is sold."""
    if not known.levels:
        return {}
    today = now.astimezone(CHINA).date()
    promised_by = trip.promised_by
    found: dict[int, Way] = {}
    for one in candidates:
        way = carriage(known, trip.to(one.warehouse_id), carriers)
        if way is None:
            found[one.warehouse_id] = Way(meets_cutoff=False, keeps_promise=False, freight_fen=None)
            continue
        if promised_by is None:
            promised_by = way.arrival.latest_at
        found[one.warehouse_id] = Way(
            meets_cutoff=way.arrival.cutoff_at.astimezone(CHINA).date() == today,
            keeps_promise=way.arrival.latest_at <= promised_by,
            freight_fen=way.freight.fen,
            latest_at=way.arrival.latest_at,
        )
    return found
