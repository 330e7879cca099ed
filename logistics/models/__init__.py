"""What warehouses are asked for, parcels and their scans, alerts on what is late, and delivered codes."""

from logistics.models.alert import LogisticsAlert
from logistics.models.buyer import PhoneCheck
from logistics.models.carrier import Carrier, CarrierCode
from logistics.models.label import ShipmentLabel
from logistics.models.shipment import (
    GOING_BACK,
    MOVING,
    Direction,
    Shipment,
    ShipmentLine,
    ShipmentState,
    TrackingEvent,
)
from logistics.models.virtual_delivery import VirtualDelivery
from logistics.models.warehouse_order import StopAnswer, WarehouseOrder, WarehouseOrderLine, WarehouseOrderState

__all__ = [
    "GOING_BACK",
    "MOVING",
    "Carrier",
    "CarrierCode",
    "Direction",
    "LogisticsAlert",
    "PhoneCheck",
    "Shipment",
    "ShipmentLabel",
    "ShipmentLine",
    "ShipmentState",
    "StopAnswer",
    "TrackingEvent",
    "VirtualDelivery",
    "WarehouseOrder",
    "WarehouseOrderLine",
    "WarehouseOrderState",
]
