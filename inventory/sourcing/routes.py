"""Who may send what at all: warehouses that keep the merchant's goods of the class, by their distance from the buyer.

Kept in memory with the rules; see `rulebook`.
"""

from collections.abc import Iterable, Mapping
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from django.db import connection

from inventory import hosting
from inventory.hosting import Host
from inventory.models import StorageClass, Warehouse
from inventory.sourcing.rules import Candidate, Standing
from oms.common.copying import text_array

EARTH_RADIUS_KM = 6371.0
# So many places and kinds of goods are kept; then it is begun anew.
MOST_KEPT = 1 << 14


def distance_km(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """The great-circle distance between two points given in degrees (haversine formula)."""
    phi, other_phi = radians(latitude), radians(other_latitude)
    a = sin((other_phi - phi) / 2) ** 2 + cos(phi) * cos(other_phi) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(a))


class _Destination(NamedTuple):
    """A region, and the point that stands for it, in degrees."""

    province: str
    longitude: float
    latitude: float


class Routes:
    """The candidates for goods of a merchant and class that go to a region; warehouses are read once."""

    def __init__(self) -> None:
        self._hosts = hosting.read(Warehouse.objects.filter(is_active=True).order_by("code"))
        self._destinations: dict[str, _Destination] = {}
        self._senders: dict[tuple[int, str], list[Warehouse]] = {}
        self._found: dict[tuple[int, str, str | None], tuple[Candidate, ...]] = {}
        self.standings: Mapping[int, Standing] = {
            one.warehouse.pk: Standing(one.warehouse.kind, frozenset(one.warehouse.serves)) for one in self._hosts
        }

    def prepare(self, region_codes: Iterable[str | None]) -> None:
        """Read the regions that will be asked about."""
        missing = {code for code in region_codes if code is not None} - self._destinations.keys()
        if not missing:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT code, province, longitude, latitude FROM inventory_region WHERE code = ANY(%s::text[])",
                [text_array(missing)],
            )
            self._destinations.update((code, _Destination(*where)) for code, *where in cursor.fetchall())

    def province(self, region_code: str | None) -> str:
        """The province of a prepared region; empty for goods that go nowhere in particular."""
        return self._destinations[region_code].province if region_code is not None else ""

    def candidates(self, merchant_id: int, storage_class: str, region_code: str | None) -> tuple[Candidate, ...]:
        """Warehouses that may send, nearest first. The region must have been prepared."""
        key = (merchant_id, storage_class, region_code)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= MOST_KEPT:
                self._found.clear()
            found = self._found[key] = self._nearest_first(*key)
        return found

    def _nearest_first(self, merchant_id: int, storage_class: str, region_code: str | None) -> tuple[Candidate, ...]:
        senders = self._storing(merchant_id, storage_class)
        if region_code is None:
            # Virtual goods may go to nowhere in particular: every place is equally near.
            return tuple(Candidate(one.pk, one.code, 0) for one in senders)
        _province, longitude, latitude = self._destinations[region_code]
        found = [
            Candidate(one.pk, one.code, round(distance_km(one.longitude, one.latitude, longitude, latitude)))
            for one in senders
        ]
        return tuple(sorted(found, key=lambda candidate: (candidate.km, candidate.code)))

    def _storing(self, merchant_id: int, storage_class: str) -> list[Warehouse]:
        key = (merchant_id, storage_class)
        if key not in self._senders:
            self._senders[key] = [one.warehouse for one in self._hosts if _may_send(one, merchant_id, storage_class)]
        return self._senders[key]


def _may_send(host: Host, merchant_id: int, storage_class: str) -> bool:
    if storage_class == StorageClass.VIRTUAL and host.warehouse.kind != Warehouse.Kind.VIRTUAL:
        return False
    return storage_class in host.warehouse.storage_classes and host.may_keep(merchant_id, storage_class)
