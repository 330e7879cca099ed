"""What warehouses are asked for, parcels and their scans, alerts on what is late, and delivered codes."""

from logistics.models.alert import AlertGroup, AlertKind, LogisticsAlert, Urging
from logistics.models.buyer import PhoneCheck
from logistics.models.carrier import Carrier, CarrierCode
from logistics.models.carrier_rule import CarrierDecision, CarrierNeed, CarrierRule, CarrierSort, OnNobody, WishMode
from logistics.models.claim import CLAIM_RUNS, ClaimNote, ClaimState, ParcelClaim
from logistics.models.deadlines import DeadlineRule, DeadlineStretch, LearnedDeadline
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
from logistics.models.sharing import CarrierAccount, WaybillShare, WaybillUse
from logistics.models.shipment import (
    GOING_BACK,
    MOVING,
    Direction,
    Shipment,
    ShipmentLine,
    ShipmentState,
    TrackingEvent,
)
from logistics.models.telling import AlertReceiver, AlertTelling
from logistics.models.virtual_delivery import VirtualDelivery
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
    "DeadlineRule",
    "DeadlineStretch",
    "Direction",
    "ErrandKind",
    "ErrandOutcome",
    "LearnedDeadline",
    "LogisticsAlert",
    "OnNobody",
    "Paper",
    "ParcelClaim",
    "ParcelFreight",
    "PhoneCheck",
    "Polling",
    "Printout",
    "ScanWord",
    "Shipment",
    "ShipmentLabel",
    "ShipmentLine",
    "ShipmentState",
    "StopAnswer",
    "TrackingEvent",
    "Urging",
    "VirtualDelivery",
    "WarehouseOrder",
    "WarehouseOrderLine",
    "WarehouseOrderState",
    "WaybillBalance",
    "WaybillErrand",
    "WaybillShare",
    "WaybillUse",
    "WishMode",
]
