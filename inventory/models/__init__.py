"""What can be sold, where it lies, how much of it there is, and by when and for how much it gets to the buyer."""

from inventory.models.capacity import AppointmentSlot, CapacityBucket, CapacityDemand, CapacityTake
from inventory.models.catalogue import UNKNOWN_GOODS, Region, Sku, StorageClass, Warehouse
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
from inventory.models.sourcing import Need, OnNone, OnPartial, Sort, SourcingRule, SourcingRuleSet, SplitRule
from inventory.models.stock import DemandKind, MovementNote, Reservation, Stock, StockMovement

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
    "Need",
    "OnNone",
    "OnPartial",
    "PromiseTables",
    "Region",
    "RemoteArea",
    "Reservation",
    "ServiceKind",
    "ServiceLevel",
    "Sku",
    "Sort",
    "SourcingRule",
    "SourcingRuleSet",
    "Speed",
    "SplitRule",
    "Stock",
    "StockMovement",
    "StorageClass",
    "Suspension",
    "Warehouse",
    "WorkSchedule",
]
