"""The staff's pages of this app."""

from orders.admin.gifts import GiftGrantAdmin, GiftRuleAdmin
from orders.admin.intake import BuyerNotificationAdmin, RejectedOrderAdmin
from orders.admin.matching import SkuMatchAdmin, UnmatchedCodeAdmin
from orders.admin.order import OrderAdmin
from orders.admin.parts import CancelReasonAdmin, HoldAdmin, SubOrderAdmin
from orders.admin.promises import DeliveryPromiseAdmin
from orders.admin.review_lists import ReviewListAdmin, ReviewListEntryAdmin
from orders.admin.review_rules import ReviewDecisionAdmin, ReviewRuleAdmin
from orders.admin.review_versions import ReviewRuleSetAdmin
from orders.admin.set_asides import ChannelShareAdmin, StockHoldAdmin
from orders.admin.sourcing_rules import SourcingRuleSetAdmin
from orders.stock.pages import StockCountAdmin

__all__ = [
    "BuyerNotificationAdmin",
    "CancelReasonAdmin",
    "ChannelShareAdmin",
    "DeliveryPromiseAdmin",
    "GiftGrantAdmin",
    "GiftRuleAdmin",
    "HoldAdmin",
    "OrderAdmin",
    "RejectedOrderAdmin",
    "ReviewDecisionAdmin",
    "ReviewListAdmin",
    "ReviewListEntryAdmin",
    "ReviewRuleAdmin",
    "ReviewRuleSetAdmin",
    "SkuMatchAdmin",
    "SourcingRuleSetAdmin",
    "StockCountAdmin",
    "StockHoldAdmin",
    "SubOrderAdmin",
    "UnmatchedCodeAdmin",
]
