"""Whose area an address is in."""

from collections.abc import Collection, Iterable

from logistics.models import Station


def station_for(region_code: str, stations: Iterable[Station]) -> Station | None:
    """The station that serves the region: the one whose area names it most closely, of several the first by code."""
    serving = [(-_closeness(region_code, one.regions), one.code, one) for one in stations if one.is_active]
    serving = [row for row in serving if row[0] < 0]
    return min(serving, key=lambda row: row[:2])[2] if serving else None


def _closeness(region_code: str, regions: Iterable[str]) -> int:
    return max((len(code) for code in regions if code and region_code.startswith(code)), default=0)


def of_accounts(connection_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The areas of all stations of each account (connections) of own couriers: beginnings of regions. One statement."""
    areas: dict[int, tuple[str, ...]] = {}
    rows = Station.objects.filter(connection__in=connection_ids, is_active=True).order_by("id")
    for connection_id, regions in rows.values_list("connection_id", "regions"):
        areas[connection_id] = (*areas.get(connection_id, ()), *regions)
    return areas
