"""What warehouses are asked for, parcels and their scans, alerts on what is late, and delivered codes."""

from logistics.models.alert import AlertGroup, AlertKind, LogisticsAlert, Urging
from logistics.models.buyer import PhoneCheck
from logistics.models.carrier import Carrier, CarrierCode
from logistics.models.deadlines import DeadlineRule, DeadlineStretch, LearnedDeadline
from logistics.models.label import ShipmentLabel
from logistics.models.printout import Paper, Printout
from logistics.models.shipment import (
    GOING_BACK,
    MOVING,
    Direction,
    Shipment,
    ShipmentLine,
    ShipmentState,
    TrackingEvent,
)
from logistics.models.stock_order import StockOrder, StockOrderKind, StockOrderState
from logistics.models.telling import AlertReceiver, AlertTelling
from logistics.models.virtual_delivery import VirtualDelivery
from logistics.models.warehouse_item import WarehouseItem
from logistics.models.warehouse_order import StopAnswer, WarehouseOrder, WarehouseOrderLine, WarehouseOrderState

__all__ = [
    "GOING_BACK",
    "MOVING",
    "AlertGroup",
    "AlertKind",
    "AlertReceiver",
    "AlertTelling",
    "Carrier",
    "CarrierCode",
    "DeadlineRule",
    "DeadlineStretch",
    "Direction",
    "LearnedDeadline",
    "LogisticsAlert",
    "Paper",
    "PhoneCheck",
    "Printout",
    "Shipment",
    "ShipmentLabel",
    "ShipmentLine",
    "ShipmentState",
    "StockOrder",
    "StockOrderKind",
    "StockOrderState",
    "StopAnswer",
    "TrackingEvent",
    "Urging",
    "VirtualDelivery",
    "WarehouseItem",
    "WarehouseOrder",
    "WarehouseOrderLine",
    "WarehouseOrderState",
]
