"""What can be sold, where it lies, how much of it there is, and by when and for how much it gets to the buyer."""

from inventory.models.capacity import AppointmentSlot, CapacityBucket, CapacityDemand, CapacityTake
from inventory.models.catalogue import UNKNOWN_GOODS, Region, Sku, StorageClass, Warehouse
from inventory.models.freight import CarrierService, FreightRate, FreightSurcharge, ServiceKind
from inventory.models.holding import OPEN_HOLDS, HoldPurpose, StockHold, StockHoldLine, StockHoldState
from inventory.models.promising import (
    CalendarDay,
    Cutoff,
    Lane,
    PromiseTables,
    RemoteArea,
    ServiceLevel,
    Speed,
    Suspension,
    WorkSchedule,
)
from inventory.models.shares import ChannelShare
from inventory.models.stock import DemandKind, MovementNote, Reservation, Stock, StockMovement

__all__ = [
    "OPEN_HOLDS",
    "UNKNOWN_GOODS",
    "AppointmentSlot",
    "CalendarDay",
    "CapacityBucket",
    "CapacityDemand",
    "CapacityTake",
    "CarrierService",
    "ChannelShare",
    "Cutoff",
    "DemandKind",
    "FreightRate",
    "FreightSurcharge",
    "HoldPurpose",
    "Lane",
    "MovementNote",
    "PromiseTables",
    "Region",
    "RemoteArea",
    "Reservation",
    "ServiceKind",
    "ServiceLevel",
    "Sku",
    "Speed",
    "Stock",
    "StockHold",
    "StockHoldLine",
    "StockHoldState",
    "StockMovement",
    "StorageClass",
    "Suspension",
    "Warehouse",
    "WorkSchedule",
]
