"""Policies and what is watched of them, for tests."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from inventory.models import DailyDemand, ReplenishmentPolicy, ReplenishmentSuggestion, Sku, StockMovement, Warehouse
from inventory.replenishing import demand, policies, watching
from inventory.replenishing.policies import NewPolicy
from oms.common.models import Ticket
from tests import factories


def policy(shop: factories.Shop, sku: Sku | None = None, **fields: Any) -> ReplenishmentPolicy:
    """A policy at the shop's warehouse; fixed, ordering up to 200 at a line of 100, unless told otherwise."""
    fields = {"warehouse": shop.warehouse.code, "reorder_point": 100, "order_up_to": 200, **fields}
    (made,) = policies.set_policies(shop.merchant, [NewPolicy(sku=(sku or shop.sku).code, **fields)], actor="test")
    assert isinstance(made, ReplenishmentPolicy), made
    return made


def watch() -> int:
    """Look at all alert lines once; returns how many dips began."""
    return sum(watching.watch(part=part, seconds=60) for part in range(watching.PARTS))


def suggested() -> list[tuple[str, str, int, str]]:
    """Kind, source, units and state of every suggestion, in the order in which they were made."""
    return [
        (one.kind, one.source.code if one.source else "", one.quantity, one.state)
        for one in ReplenishmentSuggestion.objects.select_related("source").order_by("pk")
    ]


def open_tickets() -> list[int]:
    """The policies about which a ticket is open."""
    found = Ticket.objects.open().filter(kind=watching.STOCK_LOW.code)
    return list(found.order_by("subject_id").values_list("subject_id", flat=True))


def change(sku: Sku, warehouse: Warehouse, units: int) -> None:
    """Units come to the warehouse, or go."""
    stock = warehouse.stock.get(sku=sku)
    StockMovement.objects.create(stock=stock, kind="adjustment", on_hand_change=units, actor="test")


def wanted(sku: Sku, warehouse: Warehouse, units_by_age: dict[int, int], *, filled: int | None = None) -> None:
    """Demand of so many days ago; all of it was sent at once unless told otherwise."""
    today = demand.today()
    DailyDemand.objects.bulk_create(
        DailyDemand(
            sku=sku,
            warehouse=warehouse,
            day=today - timedelta(days=age),
            units=units,
            filled=units if filled is None else filled,
        )
        for age, units in units_by_age.items()
    )


def other_warehouses(shop: factories.Shop, *units: int, **fields: Any) -> Iterator[Warehouse]:
    """Warehouses of the shop's merchant with so many units of its SKU."""
    for count in units:
        made = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region, **fields)
        factories.StockFactory(sku=shop.sku, warehouse=made, on_hand=count)
        yield made
