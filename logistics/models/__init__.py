"""What warehouses are asked for, parcels and their scans, alerts on what is late, and delivered codes."""

from logistics.models.alert import LogisticsAlert
from logistics.models.carrier import Carrier
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
from logistics.models.virtual_delivery import VirtualDelivery
from logistics.models.warehouse_order import StopAnswer, WarehouseOrder, WarehouseOrderLine, WarehouseOrderState

__all__ = [
    "GOING_BACK",
    "MOVING",
    "Carrier",
    "Direction",
    "LogisticsAlert",
    "Paper",
    "Printout",
    "Shipment",
    "ShipmentLine",
    "ShipmentState",
    "StopAnswer",
    "TrackingEvent",
    "VirtualDelivery",
    "WarehouseOrder",
    "WarehouseOrderLine",
    "WarehouseOrderState",
]
