"""The life cycle's data: orders and their parts, holds and review rules, the timeline, returns."""

from orders.models.address_words import AddressWords
from orders.models.cancel_reason import CancelReason
from orders.models.change_set import OPEN_SETS, WAITING_SETS, ChangeSet, ChangeSetState
from orders.models.charge import ChargeCause, ChargeComponent, OrderCharge
from orders.models.event import ActorKind, OrderEvent
from orders.models.exchange import Exchange, ExchangeEnd
from orders.models.gift_rule import GiftGrant, GiftRule
from orders.models.goods_promise import GoodsPromise
from orders.models.hold import Hold
from orders.models.import_mapping import ImportMapping
from orders.models.merge import MergeGroup
from orders.models.note import ContactWay, Mention, NoteColour, NoteTag
from orders.models.notification import BuyerNotification
from orders.models.order import FulfilmentState, Order, OrderPaymentState, OrderState, PaymentMethod
from orders.models.order_line import OrderLine
from orders.models.order_link import OrderLink
from orders.models.promise import DeliveryPromise, LateRisk, PromiseOutcome, PromiseSource, PromiseToMake
from orders.models.promotion import OrderPromotion, PromotionShare
from orders.models.rejected import RejectedOrder
from orders.models.return_request import (
    Found,
    MoneyState,
    PaysWayBack,
    ReturnFinding,
    ReturnKind,
    ReturnLine,
    ReturnPhoto,
    ReturnRequest,
    ReturnState,
)
from orders.models.return_rule import Fault, PaysOn, ReturnReason, ReturnRule
from orders.models.returned_serial import ReturnedSerial
from orders.models.review import Outcome, ReviewDecision, ReviewList, ReviewListEntry, ReviewRule, ReviewRuleSet
from orders.models.sku_match import MatchComponent, MatchWait, SkuMatch, UnmatchedCode
from orders.models.stock_wait import StockWait
from orders.models.stray_parcel import StrayParcel, StrayPhoto, StrayState, StrayUnit
from orders.models.sub_order import SubOrder, SubOrderState
from orders.models.sub_order_line import SubOrderLine
from orders.models.terms import InvoiceRequest, OrderTerms
from orders.models.undoable import UndoableAction

__all__ = [
    "OPEN_SETS",
    "WAITING_SETS",
    "ActorKind",
    "AddressWords",
    "BuyerNotification",
    "CancelReason",
    "ChangeSet",
    "ChangeSetState",
    "ChargeCause",
    "ChargeComponent",
    "ContactWay",
    "DeliveryPromise",
    "Exchange",
    "ExchangeEnd",
    "Fault",
    "Found",
    "FulfilmentState",
    "GiftGrant",
    "GiftRule",
    "GoodsPromise",
    "Hold",
    "ImportMapping",
    "InvoiceRequest",
    "LateRisk",
    "MatchComponent",
    "MatchWait",
    "Mention",
    "MergeGroup",
    "MoneyState",
    "NoteColour",
    "NoteTag",
    "Order",
    "OrderCharge",
    "OrderEvent",
    "OrderLine",
    "OrderLink",
    "OrderPaymentState",
    "OrderPromotion",
    "OrderState",
    "OrderTerms",
    "Outcome",
    "PaymentMethod",
    "PaysOn",
    "PaysWayBack",
    "PromiseOutcome",
    "PromiseSource",
    "PromiseToMake",
    "PromotionShare",
    "RejectedOrder",
    "ReturnFinding",
    "ReturnKind",
    "ReturnLine",
    "ReturnPhoto",
    "ReturnReason",
    "ReturnRequest",
    "ReturnRule",
    "ReturnState",
    "ReturnedSerial",
    "ReviewDecision",
    "ReviewList",
    "ReviewListEntry",
    "ReviewRule",
    "ReviewRuleSet",
    "SkuMatch",
    "StockWait",
    "StrayParcel",
    "StrayPhoto",
    "StrayState",
    "StrayUnit",
    "SubOrder",
    "SubOrderLine",
    "SubOrderState",
    "UndoableAction",
    "UnmatchedCode",
]
