"""Whose goods a warehouse may keep: the one place that decides it."""

from inventory.models import Warehouse


def may_keep(warehouse: Warehouse, merchant_id: int) -> bool:
    """Whether goods of the merchant (by id) may lie in the warehouse and be sent from there."""
    return warehouse.merchant_id == merchant_id
