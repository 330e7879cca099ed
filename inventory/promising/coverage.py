"""Where a merchant's goods get to, from which warehouse and how soon: a province at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from inventory.models import Region
from inventory.promising import offering
from inventory.promising.dating import Reason
from inventory.promising.freight import Measures
from inventory.promising.offering import STANDARD, Carriage, Parcel
from inventory.promising.tables import Tables
from inventory.promising.words import sentence
from inventory.sourcing.routes import Routes
from inventory.sourcing.rules import Candidate
from oms.common.money import yuan
from oms.common.zones import CHINA

# What is sent for the picture: a parcel of a kilogram without a size.
SAMPLE_G = 1000

# Where provinces lie, each by the first two digits of its counties' codes.
_PICTURE = """
-- -- -- -- -- -- -- -- 23
-- -- -- -- -- -- 15 -- 22
65 -- 62 64 -- 14 13 11 21
-- -- 63 -- 61 41 37 12 --
-- 54 -- 51 50 42 34 32 31
-- -- -- 53 52 43 36 33 --
-- -- -- -- 45 44 35 -- 71
-- -- -- -- 46 82 81 -- --
"""
# Row and column of each province in the picture, from 1.
PLACES: Mapping[str, tuple[int, int]] = {
    code: (row, column)
    for row, codes in enumerate(_PICTURE.split("\n")[1:-1], 1)
    for column, code in enumerate(codes.split(), 1)
    if code != "--"
}
COLUMNS = max(column for _row, column in PLACES.values())


@dataclass(frozen=True, slots=True)
class Sender:
    """A warehouse as it reaches a province: whether it serves it, how a parcel would go that is paid for now, and how
    many days after today that is there at the latest (None: it gets nothing there)."""

    code: str
    km: int
    serves: bool
    way: Carriage | Reason
    days: int | None

    @property
    def carriage(self) -> Carriage | None:
        """How it goes, where it does."""
        return self.way if isinstance(self.way, Carriage) else None

    @property
    def freight(self) -> Decimal | None:
        """What that costs, in yuan."""
        return yuan(self.way.freight.fen) if isinstance(self.way, Carriage) else None

    @property
    def why_not(self) -> str:
        """Why nothing gets there, in words."""
        return sentence(self.way.as_json()) if isinstance(self.way, Reason) else ""


@dataclass(frozen=True, slots=True)
class Covered:
    """A province; its senders are those that serve it, the nearest first, then the others."""

    code: str
    name: str
    county: str
    is_served: bool
    senders: tuple[Sender, ...]

    @property
    def short_name(self) -> str:
        """As people write it on maps: without 省, 市 or 自治区."""
        return self.name[: 3 if self.name[:1] in "内黑" else 2]

    @property
    def first(self) -> Sender | None:
        """Who is asked first where it has the goods."""
        return self.senders[0] if self.senders else None

    @property
    def serving(self) -> int:
        """How many warehouses serve it."""
        return sum(one.serves for one in self.senders)


def provinces(
    known: Tables, routes: Routes, merchant_id: int, storage_class: str, at: datetime, *, only: str = ""
) -> list[Covered]:
    """Every province with the warehouses that may send the merchant's goods of the class there, by the standard level.

    It stands for its first county, in which its capital lies. `only` (a warehouse's code) leaves out the others.
    """
    firsts = _first_counties()
    routes.prepare(region.code for region in firsts)
    found = []
    for region in firsts:
        candidates = [
            one for one in routes.candidates(merchant_id, storage_class, region.code) if only in ("", one.code)
        ]
        senders = _senders(known, routes, candidates, region, storage_class, at)
        found.append(Covered(region.code[:2], region.province, str(region), region.is_served, tuple(senders)))
    return found


def _first_counties() -> Sequence[Region]:
    first: dict[str, Region] = {}
    for region in Region.objects.order_by("code"):
        known = first.get(region.code[:2])
        # What is served says more of the province than what is not.
        if known is None or (region.is_served and not known.is_served):
            first[region.code[:2]] = region
    return list(first.values())


def _senders(
    known: Tables,
    routes: Routes,
    candidates: Iterable[Candidate],
    region: Region,
    storage_class: str,
    at: datetime,
) -> list[Sender]:
    today = at.astimezone(CHINA).date()
    found = []
    for one in candidates:
        serves = routes.standings[one.warehouse_id].serves
        parcel = Parcel(one.warehouse_id, storage_class, Measures(SAMPLE_G))
        way = offering.earliest(known, parcel, region.code, at, STANDARD, ())
        days = (way.arrival.latest_at.astimezone(CHINA).date() - today).days if isinstance(way, Carriage) else None
        found.append(Sender(one.code, one.km, not serves or region.province in serves, way, days))
    return sorted(found, key=lambda one: (not one.serves, one.km, one.code))
