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

from django.db import connection

from inventory.models import StorageClass, Warehouse
from oms.common.copying import text_array

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


class _Place(NamedTuple):
    """Where a warehouse is, in degrees."""

    warehouse_id: int
    code: str
    longitude: float
    latitude: float


class _Destination(NamedTuple):
    """A region, and the point that stands for it, in degrees."""

    province: str
    longitude: float
    latitude: float


@lru_cache(maxsize=1 << 14)
def _nearest_first(places: tuple[_Place, ...], longitude: float, latitude: float) -> tuple[Candidate, ...]:
    """Candidates for a destination. Goods go from the same places to the same ones again and again."""
    found = [
        Candidate(
            place.warehouse_id, place.code, round(distance_km(place.longitude, place.latitude, longitude, latitude))
        )
        for place in places
    ]
    return tuple(sorted(found, key=lambda candidate: (candidate.km, candidate.code)))


class Routes:
    """The candidates for goods of a merchant and class that go to a region; warehouses are read once.

    Virtual goods of any merchant come from the virtual warehouses.
    """

    def __init__(self) -> None:
        self._warehouses = list(Warehouse.objects.filter(is_active=True).order_by("code"))
        self._destinations: dict[str, _Destination] = {}
        self._senders: dict[tuple[int, str], list[Warehouse]] = {}
        self._places: dict[tuple[int, str, str], tuple[_Place, ...]] = {}

    def prepare(self, region_codes: set[str | None]) -> None:
        """Read the regions that will be asked about."""
        missing = region_codes - self._destinations.keys() - {None}
        if not missing:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT code, province, longitude, latitude FROM inventory_region WHERE code = ANY(%s::text[])",
                [text_array(missing)],
            )
            self._destinations.update((code, _Destination(*where)) for code, *where in cursor.fetchall())

    def candidates(self, merchant_id: int, storage_class: str, region_code: str | None) -> Sequence[Candidate]:
        """Warehouses that may send, nearest first. The region must have been prepared."""
        if region_code is None:
            # Virtual goods may go to nowhere in particular: every place is equally near.
            places = self._serving(merchant_id, storage_class, "")
            return [Candidate(place.warehouse_id, place.code, 0) for place in places]
        province, longitude, latitude = self._destinations[region_code]
        return _nearest_first(self._serving(merchant_id, storage_class, province), longitude, latitude)

    def anywhere(self, merchant_id: int, storage_class: str) -> Sequence[Candidate]:
        """Warehouses that may send the goods to somewhere, for who does not know yet where they go: those that serve
        the whole country first."""
        senders = sorted(self._storing(merchant_id, storage_class), key=lambda one: (bool(one.serves), one.code))
        return [Candidate(one.pk, one.code, 0) for one in senders]

    def _serving(self, merchant_id: int, storage_class: str, province: str) -> tuple[_Place, ...]:
        key = (merchant_id, storage_class, province)
        found = self._places.get(key)
        if found is None:
            senders = self._storing(merchant_id, storage_class)
            found = self._places[key] = tuple(
                [
                    _Place(one.pk, one.code, one.longitude, one.latitude)
                    for one in senders
                    if not one.serves or province in one.serves
                ]
            )
        return found

    def _storing(self, merchant_id: int, storage_class: str) -> list[Warehouse]:
        key = (merchant_id, storage_class)
        if key not in self._senders:
            self._senders[key] = [one for one in self._warehouses if _may_send(one, merchant_id, storage_class)]
        return self._senders[key]


def _may_send(warehouse: Warehouse, merchant_id: int, storage_class: str) -> bool:
    if storage_class not in warehouse.storage_classes:
        return False
    if storage_class == StorageClass.VIRTUAL:
        return warehouse.kind == Warehouse.Kind.VIRTUAL
    return warehouse.merchant_id == merchant_id


Available = MutableMapping[tuple[int, int], int]


def choose(wants: Sequence[Want], candidates: Sequence[Candidate], available: Available) -> Choice:
    """Decide who sends what, and take it off `available` (units by warehouse and SKU id)."""
    for i, candidate in enumerate(candidates):
        if _has_all(candidate, wants, available):
            takes = _take_all(candidate, wants, available)
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
    can_have = {sku: min(units, sum([one.has.get(sku, 0) for one in near])) for sku, units in needed.items()}
    short = {sku: units - can_have[sku] for sku, units in needed.items() if units > can_have[sku]}
    open_units = {want.line_id: want.quantity for want in wants}
    parts = []
    for one in _smallest_group(can_have, near):
        takes = _take(one.candidate, open_units, wants, available)
        if takes:
            parts.append((one.candidate, takes))
    chosen = {candidate.code for candidate, _takes in parts}
    why = tuple([(c.code, c.km, "chosen" if c.code in chosen else "short") for c in candidates])
    return Choice(parts, short, why)


class _Useful(NamedTuple):
    """A candidate that has something of what is needed: how many units, by SKU id."""

    candidate: Candidate
    has: Mapping[int, int]


def _useful(
    needed: Mapping[int, int], candidates: Sequence[Candidate], available: Mapping[tuple[int, int], int]
) -> list[_Useful]:
    """The nearest candidates that have anything of what is needed, and farther ones that have what those lack."""
    near: list[_Useful] = []
    lacking = dict(needed)
    for candidate in candidates:
        warehouse = candidate.warehouse_id
        has = {sku: units for sku in needed if (units := available.get((warehouse, sku), 0)) > 0}
        if has and (len(near) < NEAREST or any(lacking[sku] > 0 for sku in has)):
            near.append(_Useful(candidate, has))
            for sku, units in has.items():
                lacking[sku] -= units
    return near


def _smallest_group(needed: Mapping[int, int], near: Sequence[_Useful]) -> Sequence[_Useful]:
    """The fewest, then together nearest, warehouses that have `needed` (units by SKU) between them."""
    if not any(needed.values()):
        return []
    if len(near) > MOST:
        # Too many groups to try: crumbs of stock are taken as they lie, the nearest first.
        return near
    for size in range(1, len(near) + 1):
        for group in sorted(combinations(near, size), key=lambda group: sum([one.candidate.km for one in group])):
            if _have(group, needed):
                return group
    return near


def _have(group: Sequence[_Useful], needed: Mapping[int, int]) -> bool:
    return all(sum([one.has.get(sku, 0) for one in group]) >= units for sku, units in needed.items())


def _take_all(candidate: Candidate, wants: Sequence[Want], available: Available) -> list[Take]:
    """Take everything; the warehouse has it."""
    warehouse = candidate.warehouse_id
    for _line, sku, quantity in wants:
        available[warehouse, sku] -= quantity
    return [Take(*want) for want in wants]


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
