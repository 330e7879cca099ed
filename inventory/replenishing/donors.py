"""Who has units of a SKU to spare."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import Sum

from inventory import purchasing
from inventory.availability import free_sql
from inventory.models import ReplenishmentSuggestion, SuggestionKind, Warehouse
from inventory.replenishing import demand
from inventory.replenishing.demand import Place
from inventory.replenishing.suggesting import Donor, surplus
from inventory.sourcing.routes import distance_km
from oms.common.copying import array

# Where nobody knows when the next goods come, a donor keeps what it will want for so long; and it never looks further.
DAYS_WITHOUT_RECEIPT = 14
MOST_DAYS = 60


@dataclass(slots=True)
class Spare:
    """What places can spare of SKUs (ids): read once for a batch, and less by what was given away meanwhile."""

    _units: dict[Place, int]
    _places: Mapping[int, list[int]]
    _points: Mapping[int, tuple[float, float]]

    def donors(self, target_id: int, sku_id: int) -> list[Donor]:
        """Other places that can spare units of the SKU, with their distance from the target."""
        return [
            Donor(warehouse, units, round(distance_km(*self._points[warehouse], *self._points[target_id])))
            for warehouse in self._places.get(sku_id, ())
            if warehouse != target_id and (units := self._units[warehouse, sku_id]) > 0
        ]

    def take(self, sku_id: int, units: Mapping[int, int]) -> None:
        """These units, by warehouse, are given away."""
        for warehouse, count in units.items():
            self._units[warehouse, sku_id] -= count


def spare(sku_ids: Collection[int]) -> Spare:
    """What places in use can spare of the SKUs. A handful of statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.warehouse_id, s.sku_id, {free_sql("s")},
                greatest(coalesce(p.reorder_point, s.reorder_point), s.safety_stock)
            FROM inventory_stock s JOIN inventory_warehouse w ON w.id = s.warehouse_id AND w.is_active
            LEFT JOIN inventory_replenishmentpolicy p
                ON (p.warehouse_id, p.sku_id) = (s.warehouse_id, s.sku_id) AND p.is_active
            WHERE s.sku_id = ANY(%s::bigint[]) AND {free_sql("s")} > 0
            """,
            [array(sku_ids)],
        )
        rows = {(warehouse, sku): (free, line) for warehouse, sku, free, line in cursor.fetchall()}
    sold, until = demand.service(rows.keys()), _days_until_receipt(rows.keys())
    days = min(demand.SERVICE_DAYS, demand.days_known(demand.today()))
    given = _given_away(sku_ids)
    units: dict[Place, int] = {}
    places: dict[int, list[int]] = defaultdict(list)
    for place, (free, line) in rows.items():
        mean = sold[place].units / days if place in sold and days else 0.0
        left = surplus(free=free, line=line, mean_per_day=mean, days_until_receipt=until[place]) - given.get(place, 0)
        units[place] = max(0, left)
        places[place[1]].append(place[0])
    return Spare(units, places, _points())


def _points() -> dict[int, tuple[float, float]]:
    return {key: (lon, lat) for key, lon, lat in Warehouse.objects.values_list("pk", "longitude", "latitude")}


def _days_until_receipt(places: Iterable[Place]) -> dict[Place, int]:
    """How many days until the next goods of each place come."""
    found = dict.fromkeys(places, DAYS_WITHOUT_RECEIPT)
    day = demand.today()
    expected = purchasing.expected({warehouse for warehouse, _sku in found}, {sku for _warehouse, sku in found})
    for one in reversed(expected):  # the earliest last
        place = (one.warehouse_id, one.sku_id)
        if place in found and one.expected_on is not None:
            late = max(one.expected_on, day + timedelta(days=1))
            found[place] = min((late - day).days, MOST_DAYS)
    return found


def _given_away(sku_ids: Collection[int]) -> dict[Place, int]:
    """Units that open suggestions would take from places."""
    open_moves = ReplenishmentSuggestion.objects.open().filter(kind=SuggestionKind.MOVE, policy__sku__in=sku_ids)
    sums = open_moves.order_by().values_list("source_id", "policy__sku_id").annotate(Sum("quantity"))
    return {(source, sku): units for source, sku, units in sums}
