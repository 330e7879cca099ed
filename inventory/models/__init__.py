"""What can be sold, where it lies, and by when and for how much it gets to the buyer."""

from inventory.models.capacity import AppointmentSlot, CapacityBucket, CapacityDemand, CapacityTake
from inventory.models.freight import CarrierService, FreightRate, FreightSurcharge, ServiceKind
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
from inventory.models.stock import (
    UNKNOWN_GOODS,
    DemandKind,
    MovementNote,
    Region,
    Reservation,
    Sku,
    Stock,
    StockMovement,
    StorageClass,
    Warehouse,
)

__all__ = [
    "UNKNOWN_GOODS",
    "AppointmentSlot",
    "CalendarDay",
    "CapacityBucket",
    "CapacityDemand",
    "CapacityTake",
    "CarrierService",
    "Cutoff",
    "DemandKind",
    "FreightRate",
    "FreightSurcharge",
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
    "StockMovement",
    "StorageClass",
    "Suspension",
    "Warehouse",
    "WorkSchedule",
]
