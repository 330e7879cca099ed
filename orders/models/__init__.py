"""The life cycle's data: orders and their parts, holds and rules, the timeline, returns."""

from orders.models.cancel_reason import CancelReason
from orders.models.charge import ChargeCause, ChargeComponent, OrderCharge
from orders.models.event import ActorKind, OrderEvent
from orders.models.goods_promise import GoodsPromise
from orders.models.hold import DenyListEntry, Hold, InterceptionRule
from orders.models.import_mapping import ImportMapping
from orders.models.notification import BuyerNotification
from orders.models.order import FulfilmentState, Order, OrderLine, OrderPaymentState, OrderState, PaymentMethod
from orders.models.promise import DeliveryPromise, LateRisk, PromiseOutcome, PromiseSource, PromiseToMake
from orders.models.promotion import OrderPromotion, PromotionShare
from orders.models.rejected import RejectedOrder
from orders.models.return_request import ReturnLine, ReturnRequest
from orders.models.sku_match import MatchComponent, MatchWait, SkuMatch, UnmatchedCode
from orders.models.stock_wait import StockWait
from orders.models.sub_order import SubOrder, SubOrderLine, SubOrderState
from orders.models.terms import InvoiceRequest, OrderTerms

__all__ = [
    "ActorKind",
    "BuyerNotification",
    "CancelReason",
    "ChargeCause",
    "ChargeComponent",
    "DeliveryPromise",
    "DenyListEntry",
    "FulfilmentState",
    "GoodsPromise",
    "Hold",
    "ImportMapping",
    "InterceptionRule",
    "InvoiceRequest",
    "LateRisk",
    "MatchComponent",
    "MatchWait",
    "Order",
    "OrderCharge",
    "OrderEvent",
    "OrderLine",
    "OrderPaymentState",
    "OrderPromotion",
    "OrderState",
    "OrderTerms",
    "PaymentMethod",
    "PromiseOutcome",
    "PromiseSource",
    "PromiseToMake",
    "PromotionShare",
    "RejectedOrder",
    "ReturnLine",
    "ReturnRequest",
    "SkuMatch",
    "StockWait",
    "SubOrder",
    "SubOrderLine",
    "SubOrderState",
    "UnmatchedCode",
]
