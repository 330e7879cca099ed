"""The staff's pages of this app."""

from orders.admin.intake import BuyerNotificationAdmin, RejectedOrderAdmin
from orders.admin.matching import SkuMatchAdmin, UnmatchedCodeAdmin
from orders.admin.order import OrderAdmin
from orders.admin.parts import (
    CancelReasonAdmin,
    DenyListEntryAdmin,
    HoldAdmin,
    InterceptionRuleAdmin,
    ReturnRequestAdmin,
    SubOrderAdmin,
)
from orders.admin.promises import DeliveryPromiseAdmin
from orders.admin.set_asides import ChannelShareAdmin, StockHoldAdmin
from orders.admin.sourcing_rules import SourcingRuleSetAdmin
from orders.stock.pages import StockCountAdmin

__all__ = [
    "BuyerNotificationAdmin",
    "CancelReasonAdmin",
    "ChannelShareAdmin",
    "DeliveryPromiseAdmin",
    "DenyListEntryAdmin",
    "HoldAdmin",
    "InterceptionRuleAdmin",
    "OrderAdmin",
    "RejectedOrderAdmin",
    "ReturnRequestAdmin",
    "SkuMatchAdmin",
    "SourcingRuleSetAdmin",
    "StockCountAdmin",
    "StockHoldAdmin",
    "SubOrderAdmin",
    "UnmatchedCodeAdmin",
]
