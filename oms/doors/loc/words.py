"""The words of the LOC interface for states of orders, money and parcels; docs/loc.md says what each means."""

from collections.abc import Iterable

from logistics.models import MOVING, Shipment, ShipmentState
from orders.matching import waiting
from orders.models import FulfilmentState, Hold, Order, OrderPaymentState, OrderState, SubOrder, SubOrderState

_BY_STATE = {
    OrderState.AWAITING_PAYMENT: "待支付",
    OrderState.CANCELLED: "已取消",
    OrderState.CLOSED: "已关闭",
    OrderState.COMPLETED: "已完成",
}
_BY_FULFILMENT = {
    FulfilmentState.PARTLY_SHIPPED: "部分发货",
    FulfilmentState.SHIPPED: "已发货",
    FulfilmentState.PARTLY_DELIVERED: "部分送达",
    FulfilmentState.DELIVERED: "已送达",
    FulfilmentState.RETURNED: "已退回",
}
_BY_HOLD = {Hold.Kind.ADDRESS: "地址待确认", Hold.Kind.UNMATCHED: "商品待匹配"}
PAYMENTS = {
    OrderPaymentState.UNPAID: "待支付",
    OrderPaymentState.PENDING: "待支付",
    OrderPaymentState.ON_DELIVERY: "货到付款",
    OrderPaymentState.PARTLY_PAID: "部分支付",
    OrderPaymentState.PAID: "已支付",
    OrderPaymentState.PARTLY_REFUNDED: "部分退款",
    OrderPaymentState.REFUNDED: "已退款",
    OrderPaymentState.NOTHING_DUE: "无需支付",
}
PARCELS = {
    ShipmentState.CREATED: "待揽收",
    ShipmentState.WAYBILL_ISSUED: "待揽收",
    ShipmentState.COLLECTED: "已揽收",
    ShipmentState.IN_TRANSIT: "运输中",
    ShipmentState.OUT_FOR_DELIVERY: "派送中",
    ShipmentState.FAILED_DELIVERY: "派送失败",
    ShipmentState.INTERCEPTING: "拦截中",
    ShipmentState.SIGNED: "已送达",
    ShipmentState.REJECTED: "已拒收",
    ShipmentState.RETURNING: "退回中",
    ShipmentState.RETURNED: "已退回",
    ShipmentState.LOST: "已丢失",
    ShipmentState.CANCELLED: "已取消",
}
_ON_ITS_WAY = {*MOVING} - {ShipmentState.COLLECTED}
_UNDER_WAY = ("待发货", "审核中", "已拦截", "缺货", "地址待确认", "商品待匹配", "运输中", "取消中")
ORDER_STATUSES = sorted({*_BY_STATE.values(), *_BY_FULFILMENT.values(), *_UNDER_WAY})


def order_status(order: Order, shipments: Iterable[Shipment]) -> str:
    """The order's state in a word. At most two statements, and none once it is shipped."""
    if order.state == OrderState.AWAITING_PAYMENT and order.open_holds and waiting.unpriced(order.pk):
        return "商品待匹配"
    if order.state in _BY_STATE:
        return _BY_STATE[OrderState(order.state)]
    if order.cancel_requested_at:
        return "取消中"
    if order.fulfilment_state == FulfilmentState.SHIPPED and any(s.state in _ON_ITS_WAY for s in shipments):
        return "运输中"
    if order.fulfilment_state in _BY_FULFILMENT:
        return _BY_FULFILMENT[FulfilmentState(order.fulfilment_state)]
    if order.open_holds:
        kinds = set(Hold.objects.filter(order=order, released_at=None).values_list("kind", flat=True))
        return next((word for kind, word in _BY_HOLD.items() if kind in kinds), "已拦截")
    if order.state == OrderState.IN_REVIEW:
        return "审核中"
    if SubOrder.objects.filter(order=order, state=SubOrderState.BACKORDERED).exists():
        return "缺货"
    return "待发货"
