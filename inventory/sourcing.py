"""Which warehouse sends what: the nearest that serves the region, stores the class and has the goods.

Fewest parcels first: one warehouse that has everything, however far; else the smallest and then nearest group of
warehouses that together have it. What no group has is short.
"""

import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from inventory.models import Region, StorageClass, Warehouse

EARTH_RADIUS_KM = 6371.0
# Groups of warehouses are tried exhaustively among this many candidates: the nearest that have anything of it, and
# farther ones for what those lack.
NEAREST = 8
MOST = 12


class Candidate(NamedTuple):
    """A warehouse that may send goods of one kind to one region, `km` away as the crow flies."""

    warehouse_id: int
    code: str
    km: int


class Want(NamedTuple):
    """Units of a SKU that a line asks for."""

    line_id: int
    sku_id: int
    quantity: int


class Take(NamedTuple):
    """Units that a warehouse sends for a line."""

    line_id: int
    sku_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Who sends what, what is short (units by SKU), and why each candidate won or lost.

    `why` has an entry [code, km, verdict] for each candidate: chosen, farther, or short; others may be added.
    """

    parts: list[tuple[Candidate, list[Take]]]
    short: dict[int, int]
    why: tuple[tuple[str, int, str], ...]

    @property
    def why_text(self) -> str:
        """`why` as JSON."""
        return _as_json(self.why)

    def with_others(self, others: Sequence[Candidate], verdict: str) -> "Choice":
        """The choice, with warehouses that were left out of it and why."""
        if not others:
            return self
        return replace(self, why=(*self.why, *((one.code, one.km, verdict) for one in others)))


NOTHING_CHOSEN = Choice([], {}, ())


@lru_cache(maxsize=1 << 14)
def _as_json(why: tuple[tuple[str, int, str], ...]) -> str:
    """Orders of one region share their reasons, so few texts are made."""
    return json.dumps(why)


def distance_km(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """The great-circle distance between two points given in degrees (haversine formula)."""
    phi, other_phi = radians(latitude), radians(other_latitude)
    a = sin((other_phi - phi) / 2) ** 2 + cos(phi) * cos(other_phi) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(a))


class Routes:
    """The candidates for goods of a merchant and class that go to a region; warehouses are read once.

    Virtual goods of any merchant come from the virtual warehouses.
    """

    def __init__(self) -> None:
        self._warehouses = list(Warehouse.objects.filter(is_active=True).order_by("code"))
        self._regions: dict[str, Region] = {}
        self._senders: dict[tuple[int, str, str], list[Warehouse]] = {}
        self._known: dict[tuple[int, str, str | None], list[Candidate]] = {}
        self.codes = {warehouse.pk: warehouse.code for warehouse in self._warehouses}

    def prepare(self, region_codes: set[str | None]) -> None:
        """Read the regions that will be asked about."""
        missing = region_codes - self._regions.keys() - {None}
        if missing:
            self._regions.update(Region.objects.in_bulk(missing))

    def candidates(self, merchant_id: int, storage_class: str, region_code: str | None) -> list[Candidate]:
        """Warehouses that may send, nearest first. The region must have been prepared."""
        key = (merchant_id, storage_class, region_code)
        found = self._known.get(key)
        if found is None:
            # Virtual goods may go to nowhere in particular: every place is equally near.
            region = self._regions[region_code] if region_code is not None else None
            found = sorted(
                (
                    Candidate(warehouse.pk, warehouse.code, self._km(warehouse, region) if region else 0)
                    for warehouse in self._serving(merchant_id, storage_class, region.province if region else "")
                ),
                key=lambda candidate: (candidate.km, candidate.code),
            )
            self._known[key] = found
        return found

    def _serving(self, merchant_id: int, storage_class: str, province: str) -> list[Warehouse]:
        key = (merchant_id, storage_class, province)
        if key not in self._senders:
            self._senders[key] = [
                warehouse
                for warehouse in self._warehouses
                if _may_send(warehouse, merchant_id, storage_class, province)
            ]
        return self._senders[key]

    @staticmethod
    def _km(warehouse: Warehouse, region: Region) -> int:
        return round(distance_km(warehouse.longitude, warehouse.latitude, region.longitude, region.latitude))


def _may_send(warehouse: Warehouse, merchant_id: int, storage_class: str, province: str) -> bool:
    if storage_class not in warehouse.storage_classes or (warehouse.serves and province not in warehouse.serves):
        return False
    if storage_class == StorageClass.VIRTUAL:
        return warehouse.kind == Warehouse.Kind.VIRTUAL
    return warehouse.merchant_id == merchant_id


Available = MutableMapping[tuple[int, int], int]


def choose(wants: Sequence[Want], candidates: Sequence[Candidate], available: Available) -> Choice:
    """Decide who sends what, and take it off `available` (units by warehouse and SKU id)."""
    for i, candidate in enumerate(candidates):
        if _has_all(candidate, wants, available):
            takes = _take(candidate, {want.line_id: want.quantity for want in wants}, wants, available)
            verdicts = ("short",) * i + ("chosen",) + ("farther",) * (len(candidates) - i - 1)
            why = tuple([(c.code, c.km, verdict) for c, verdict in zip(candidates, verdicts, strict=True)])
            return Choice([(candidate, takes)], {}, why)
    return _choose_several(wants, candidates, available)


def _has_all(candidate: Candidate, wants: Sequence[Want], available: Mapping[tuple[int, int], int]) -> bool:
    warehouse = candidate.warehouse_id
    needed: dict[int, int] = {}
    for _line, sku, quantity in wants:
        # Several lines may want the same SKU.
        needed[sku] = units = needed.get(sku, 0) + quantity
        if available.get((warehouse, sku), 0) < units:
            return False
    return True


def _by_sku(wants: Sequence[Want]) -> dict[int, int]:
    needed: dict[int, int] = {}
    for want in wants:
        needed[want.sku_id] = needed.get(want.sku_id, 0) + want.quantity
    return needed


def _choose_several(wants: Sequence[Want], candidates: Sequence[Candidate], available: Available) -> Choice:
    needed = _by_sku(wants)
    near = _useful(needed, candidates, available)
    can_have = {
        sku: min(units, sum(available.get((c.warehouse_id, sku), 0) for c in near)) for sku, units in needed.items()
    }
    short = {sku: units - can_have[sku] for sku, units in needed.items() if units > can_have[sku]}
    open_units = {want.line_id: want.quantity for want in wants}
    parts = []
    for candidate in _smallest_group(can_have, near, available):
        takes = _take(candidate, open_units, wants, available)
        if takes:
            parts.append((candidate, takes))
    chosen = {candidate.code for candidate, _takes in parts}
    why = tuple([(c.code, c.km, "chosen" if c.code in chosen else "short") for c in candidates])
    return Choice(parts, short, why)


def _useful(
    needed: Mapping[int, int], candidates: Sequence[Candidate], available: Mapping[tuple[int, int], int]
) -> list[Candidate]:
    """The nearest candidates that have anything of what is needed, and farther ones that have what those lack."""
    near: list[Candidate] = []
    lacking = dict(needed)
    for candidate in candidates:
        has = {sku: units for sku in needed if (units := available.get((candidate.warehouse_id, sku), 0)) > 0}
        if has and (len(near) < NEAREST or any(lacking[sku] > 0 for sku in has)):
            near.append(candidate)
            for sku, units in has.items():
                lacking[sku] -= units
    return near


def _smallest_group(
    needed: Mapping[int, int], near: Sequence[Candidate], available: Mapping[tuple[int, int], int]
) -> Sequence[Candidate]:
    """The fewest, then together nearest, warehouses that have `needed` (units by SKU) between them."""
    if not any(needed.values()):
        return []
    if len(near) > MOST:
        # Too many groups to try: crumbs of stock are taken as they lie, the nearest first.
        return near
    for size in range(1, len(near) + 1):
        groups = sorted(combinations(near, size), key=lambda group: sum(c.km for c in group))
        for group in groups:
            if all(
                sum(available.get((c.warehouse_id, sku), 0) for c in group) >= units for sku, units in needed.items()
            ):
                return group
    return near


def _take(candidate: Candidate, open_units: dict[int, int], wants: Sequence[Want], available: Available) -> list[Take]:
    """Take what the warehouse has of the units that are still open by line; counts both down."""
    takes = []
    for want in wants:
        key = (candidate.warehouse_id, want.sku_id)
        units = min(open_units[want.line_id], available.get(key, 0))
        if units:
            available[key] -= units
            open_units[want.line_id] -= units
            takes.append(Take(want.line_id, want.sku_id, units))
    return takes
