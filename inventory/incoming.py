"""What comes to warehouses and is not there yet: units on order, and units of transfers that are on their way."""

from collections.abc import Collection
from datetime import date

from inventory import purchasing, transferring
from inventory.purchasing import Expected


def expected(warehouse_ids: Collection[int], sku_ids: Collection[int]) -> list[Expected]:
    """All of it, the earliest first. The one place that says so: for quotes, promises and what is waited for. Two
    statements."""
    found = purchasing.expected(warehouse_ids, sku_ids) + transferring.expected(warehouse_ids, sku_ids)
    return sorted(found, key=lambda one: (one.expected_on or date.max, one.warehouse_id, one.sku_id))
