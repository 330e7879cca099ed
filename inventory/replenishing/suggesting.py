"""What to do about a position at its line: move what others have to spare, and buy the rest. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inventory.models import SuggestionKind
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE

# What a lorry drives in a day, door to door, along roads so much longer than the straight line.
KM_A_DAY = 600
DETOUR = 1.25
# From more warehouses than these nothing is collected for one place.
MOST_DONORS = 3


@dataclass(frozen=True, slots=True)
class Need:
    """Units of a SKU that a place should get (a whole number of packs), and in how many days a supplier brings them."""

    warehouse_id: int
    sku_id: int
    units: int
    pack: int
    minimum: int
    lead_days: float


@dataclass(frozen=True, slots=True)
class Donor:
    """A place that has units of a SKU to spare, so many kilometres away as the crow flies."""

    warehouse_id: int
    surplus: int
    km: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Units to buy, or to move from another warehouse (`source_id`)."""

    kind: SuggestionKind
    units: int
    source_id: int | None = None


def surplus(*, free: int, line: int, mean_per_day: float, days_until_receipt: float) -> int:
    """Units of `free` (on hand, neither reserved nor frozen) that a place can spare: not those below its own line, nor
    those it will want until its next goods come."""
    return max(0, free - max(line, math.ceil(mean_per_day * days_until_receipt - 1e-9)))


def days_on_road(km: float) -> int:
    """How long a transfer takes, loading included."""
    return 1 + math.ceil(km * DETOUR / KM_A_DAY)


def proposals(need: Need, donors: Sequence[Donor]) -> list[Proposal]:
    """Whole packs from the nearest donors that are quicker than the supplier; what is left is bought, at least the
    minimum."""
    found: list[Proposal] = []
    left = need.units
    quicker = [one for one in donors if days_on_road(one.km) < need.lead_days and one.surplus >= need.pack]
    for donor in sorted(quicker, key=lambda one: (one.km, one.warehouse_id))[:MOST_DONORS]:
        units = min(donor.surplus // need.pack * need.pack, left, MOST_UNITS_OF_A_LINE // need.pack * need.pack)
        if units > 0:
            found.append(Proposal(SuggestionKind.MOVE, units, donor.warehouse_id))
            left -= units
    if left > 0:
        bought = -(-max(left, need.minimum) // need.pack) * need.pack
        # A purchase order takes no more in a line: absurd figures of one policy must not stop those of all others.
        found.append(Proposal(SuggestionKind.BUY, min(bought, MOST_UNITS_OF_A_LINE // need.pack * need.pack)))
    return found


def moved_out(proposed: Sequence[Proposal]) -> Mapping[int, int]:
    """Units that the proposals take, by donor."""
    return {one.source_id: one.units for one in proposed if one.source_id is not None}
