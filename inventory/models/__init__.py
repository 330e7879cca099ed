"""What can be sold, where it lies, how much is on hand and promised, and the ledger that explains it."""

from inventory.models.catalogue import UNKNOWN_GOODS, Region, Sku, StorageClass, Warehouse
from inventory.models.stock import DemandKind, MovementNote, Reservation, Stock, StockMovement

__all__ = [
    "UNKNOWN_GOODS",
    "DemandKind",
    "MovementNote",
    "Region",
    "Reservation",
    "Sku",
    "Stock",
    "StockMovement",
    "StorageClass",
    "Warehouse",
]
