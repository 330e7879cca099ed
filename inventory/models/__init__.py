"""What can be sold, where it lies, how much of it there is, and by when and for how much it gets to the buyer."""

from inventory.models.capacity import AppointmentSlot, CapacityBucket, CapacityDemand, CapacityTake
from inventory.models.catalogue import UNKNOWN_GOODS, Region, Sku, SkuBarcode, StorageClass, Warehouse
from inventory.models.comparing import StockComparison, StockDifference
from inventory.models.costs import SkuCost
from inventory.models.counts import AdjustmentReason, CountState, StockAdjustment, StockCount, StockCountLine
from inventory.models.freight import CarrierService, FreightRate, FreightSurcharge, ServiceKind
from inventory.models.guests import WarehouseGuest
from inventory.models.holding import OPEN_HOLDS, HoldPurpose, StockHold, StockHoldLine, StockHoldState
from inventory.models.lots import LotMovement, LotPromise, Quality, StockLot
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
from inventory.models.purchasing import PurchaseOrder, PurchaseOrderLine, PurchaseState, Receipt, ReceiptLine
from inventory.models.replenishing import (
    DailyDemand,
    LineBasis,
    LineMethod,
    ReplenishmentPolicy,
    ReplenishmentSuggestion,
    RunsBy,
    SuggestionKind,
    SuggestionState,
)
from inventory.models.serials import ReceivedSerial
from inventory.models.shares import ChannelShare, ComingGoods
from inventory.models.sourcing import Need, OnNone, OnPartial, Sort, SourcingRule, SourcingRuleSet, SplitRule
from inventory.models.stock import DemandKind, MovementNote, Reservation, Stock, StockMovement
from inventory.models.transfers import (
    BEFORE_SHIPPING,
    IN_TRANSIT,
    Transfer,
    TransferBatch,
    TransferLine,
    TransferState,
    TransferStep,
)

__all__ = [
    "BEFORE_SHIPPING",
    "IN_TRANSIT",
    "OPEN_HOLDS",
    "UNKNOWN_GOODS",
    "AdjustmentReason",
    "AppointmentSlot",
    "CalendarDay",
    "CapacityBucket",
    "CapacityDemand",
    "CapacityTake",
    "CarrierService",
    "ChannelShare",
    "ComingGoods",
    "CountState",
    "Cutoff",
    "DailyDemand",
    "DemandKind",
    "FreightRate",
    "FreightSurcharge",
    "HoldPurpose",
    "Lane",
    "LineBasis",
    "LineMethod",
    "LotMovement",
    "LotPromise",
    "MovementNote",
    "Need",
    "OnNone",
    "OnPartial",
    "PromiseTables",
    "PurchaseOrder",
    "PurchaseOrderLine",
    "PurchaseState",
    "Quality",
    "Receipt",
    "ReceiptLine",
    "ReceivedSerial",
    "Region",
    "RemoteArea",
    "ReplenishmentPolicy",
    "ReplenishmentSuggestion",
    "Reservation",
    "RunsBy",
    "ServiceKind",
    "ServiceLevel",
    "Sku",
    "SkuBarcode",
    "SkuCost",
    "Sort",
    "SourcingRule",
    "SourcingRuleSet",
    "Speed",
    "SplitRule",
    "Stock",
    "StockAdjustment",
    "StockComparison",
    "StockCount",
    "StockCountLine",
    "StockDifference",
    "StockHold",
    "StockHoldLine",
    "StockHoldState",
    "StockLot",
    "StockMovement",
    "StorageClass",
    "SuggestionKind",
    "SuggestionState",
    "Suspension",
    "Transfer",
    "TransferBatch",
    "TransferLine",
    "TransferState",
    "TransferStep",
    "Warehouse",
    "WarehouseGuest",
    "WorkSchedule",
]
