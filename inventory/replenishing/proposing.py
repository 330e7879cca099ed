"""Where the units of SKUs lie and where they should: read for a page of SKUs, worked out by `placing`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from inventory.models import DailyDemand, Sku
from inventory.replenishing import demand
from inventory.replenishing.demand import Place
from inventory.replenishing.placing import placed, shares
from inventory.replenishing.standing import standings
from inventory.sourcing import rulebook
from oms.common.copying import array


@dataclass(frozen=True, slots=True)
class PlaceOfSku:
    """Units of a SKU at a warehouse: sold in the last weeks, the share of the demand that is expected there (per cent),
    what is there or comes and is promised to nobody, and what of all that should be there."""

    warehouse: str
    sold: int
    share_percent: float
    there: int
    proposed: int

    @property
    def difference(self) -> int:
        """Units that should come; negative: that are too many there."""
        return self.proposed - self.there


@dataclass(frozen=True, slots=True)
class Proposal:
    """A SKU with its places, and how many of its units lie elsewhere than they should."""

    sku: Sku
    places: Sequence[PlaceOfSku]

    @property
    def misplaced(self) -> int:
        """Units that would have to go to another place."""
        return sum(max(0, one.difference) for one in self.places)


def most_wanted(limit: int) -> list[Sku]:
    """The SKUs of which most was wanted in the last weeks, the most wanted first. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT sku_id FROM {DailyDemand._meta.db_table} WHERE day < %s AND day >= %s::date - %s
            GROUP BY sku_id ORDER BY sum(units) DESC, sku_id LIMIT %s
            """,
            [demand.today(), demand.today(), demand.SERVICE_DAYS, limit],
        )
        ids = [key for (key,) in cursor.fetchall()]
    found = Sku.objects.select_related("merchant").in_bulk(ids)
    return [found[key] for key in ids if key in found]


def proposals(skus: Sequence[Sku]) -> list[Proposal]:
    """Where the units of the SKUs should lie. A handful of statements."""
    candidates = rulebook.current().routes.candidates
    keepers = {sku.pk: candidates(sku.merchant_id, sku.storage_class, None) for sku in skus}
    places = [(one.warehouse_id, sku) for sku, warehouses in keepers.items() for one in warehouses]
    found, sold, usual = standings(places), demand.service(places), _usual({sku.merchant_id for sku in skus})
    made = []
    for sku in skus:
        warehouses = keepers[sku.pk]
        if not warehouses:
            continue
        weights = usual.get((sku.merchant_id, sku.storage_class), {})
        units = {one.warehouse_id: _units(sold, (one.warehouse_id, sku.pk)) for one in warehouses}
        expected = shares(units, {one.warehouse_id: weights.get(one.warehouse_id, 0.0) for one in warehouses})
        there = {one.warehouse_id: max(0, found[one.warehouse_id, sku.pk].position) for one in warehouses}
        should = placed(sum(there.values()), expected)
        share = {one.place: one.share for one in expected}
        rows = [
            PlaceOfSku(
                one.code,
                units[one.warehouse_id],
                round(100 * share[one.warehouse_id], 1),
                there[one.warehouse_id],
                should[one.warehouse_id],
            )
            for one in warehouses
        ]
        made.append(Proposal(sku, rows))
    return made


def _units(sold: Mapping[Place, demand.Service], place: Place) -> int:
    return sold[place].units if place in sold else 0


def _usual(merchant_ids: set[int]) -> dict[tuple[int, str], dict[int, float]]:
    """Units of everything that warehouses (ids) should have sent in the last weeks, by merchant and storage class."""
    found: dict[tuple[int, str], dict[int, float]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT k.merchant_id, k.storage_class, d.warehouse_id, sum(d.units)::bigint
            FROM inventory_dailydemand d JOIN inventory_sku k ON k.id = d.sku_id
            WHERE d.day < %(today)s AND d.day >= %(today)s::date - %(days)s
                AND k.merchant_id = ANY(%(merchants)s::bigint[])
            GROUP BY 1, 2, 3
            """,
            {"today": demand.today(), "days": demand.SERVICE_DAYS, "merchants": array(merchant_ids)},
        )
        for merchant, storage_class, warehouse, units in cursor.fetchall():
            found[merchant, storage_class][warehouse] = float(units)
    return found
