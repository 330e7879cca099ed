"""What warehouses are asked for, parcels and their scans, alerts on what is late, and delivered codes."""

from logistics.models.alert import AlertGroup, AlertKind, LogisticsAlert, Urging
from logistics.models.buyer import PhoneCheck
from logistics.models.carrier import Carrier, CarrierCode
from logistics.models.carrier_rule import CarrierDecision, CarrierNeed, CarrierRule, CarrierSort, OnNobody, WishMode
from logistics.models.claim import CLAIM_RUNS, ClaimNote, ClaimState, ParcelClaim
from logistics.models.deadlines import DeadlineRule, DeadlineStretch, DeadlineSweep, LearnedDeadline, ShipRule
from logistics.models.door_pick_up import DoorPickUp, PickUpState
from logistics.models.floor import DropReason, PickTask, PickTaskLine, Wave, WaveKind, WaveRule
from logistics.models.following import (
    AccountSettings,
    ErrandKind,
    ErrandOutcome,
    Polling,
    WaybillBalance,
    WaybillErrand,
)
from logistics.models.freight import ParcelFreight
from logistics.models.label import ShipmentLabel
from logistics.models.printout import Paper, Printout
from logistics.models.recall import Recall, RecallAnswer, RecallKind, RecallState
from logistics.models.return_parcel import ReturnParcel
from logistics.models.routing import (
    Courier,
    CourierParcel,
    DoorReport,
    Outcome,
    Planner,
    PlanState,
    RoutePlan,
    Skill,
    Station,
    Stop,
    Tour,
    Unserved,
    Vehicle,
)
from logistics.models.serials import UnitSerial
from logistics.models.sharing import CarrierAccount, WaybillShare, WaybillUse
from logistics.models.shipment import (
    GOING_BACK,
    MOVING,
    Direction,
    Shipment,
    ShipmentLine,
    ShipmentState,
    TrackingEvent,
    WaitingPlace,
)
from logistics.models.stock_order import StockOrder, StockOrderKind, StockOrderState
from logistics.models.telling import AlertReceiver, AlertTelling
from logistics.models.virtual_code import CodeImport, CodeSale, CodeState, FingerprintKey, VirtualCode, VirtualSupply
from logistics.models.virtual_delivery import Reveal, VirtualDelivery
from logistics.models.warehouse_item import WarehouseItem
from logistics.models.warehouse_order import StopAnswer, WarehouseOrder, WarehouseOrderLine, WarehouseOrderState
from logistics.models.words import ScanWord

__all__ = [
    "CLAIM_RUNS",
    "GOING_BACK",
    "MOVING",
    "AccountSettings",
    "AlertGroup",
    "AlertKind",
    "AlertReceiver",
    "AlertTelling",
    "Carrier",
    "CarrierAccount",
    "CarrierCode",
    "CarrierDecision",
    "CarrierNeed",
    "CarrierRule",
    "CarrierSort",
    "ClaimNote",
    "ClaimState",
    "CodeImport",
    "CodeSale",
    "CodeState",
    "Courier",
    "CourierParcel",
    "DeadlineRule",
    "DeadlineStretch",
    "DeadlineSweep",
    "Direction",
    "DoorPickUp",
    "DoorReport",
    "DropReason",
    "ErrandKind",
    "ErrandOutcome",
    "FingerprintKey",
    "LearnedDeadline",
    "LogisticsAlert",
    "OnNobody",
    "Outcome",
    "Paper",
    "ParcelClaim",
    "ParcelFreight",
    "PhoneCheck",
    "PickTask",
    "PickTaskLine",
    "PickUpState",
    "PlanState",
    "Planner",
    "Polling",
    "Printout",
    "Recall",
    "RecallAnswer",
    "RecallKind",
    "RecallState",
    "ReturnParcel",
    "Reveal",
    "RoutePlan",
    "ScanWord",
    "ShipRule",
    "Shipment",
    "ShipmentLabel",
    "ShipmentLine",
    "ShipmentState",
    "Skill",
    "Station",
    "StockOrder",
    "StockOrderKind",
    "StockOrderState",
    "Stop",
    "StopAnswer",
    "Tour",
    "TrackingEvent",
    "UnitSerial",
    "Unserved",
    "Urging",
    "Vehicle",
    "VirtualCode",
    "VirtualDelivery",
    "VirtualSupply",
    "WaitingPlace",
    "WarehouseItem",
    "WarehouseOrder",
    "WarehouseOrderLine",
    "WarehouseOrderState",
    "Wave",
    "WaveKind",
    "WaveRule",
    "WaybillBalance",
    "WaybillErrand",
    "WaybillShare",
    "WaybillUse",
    "WishMode",
]
