"""Calls of the LOC interface that report: stock, messages to buyers, and what became of an order."""

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiRequest, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Sku, Stock, Warehouse
from logistics.models import Shipment
from oms.common.door.schema import schema_of
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.work import nudging
from oms.doors.loc.base import PAID, UNPAID, Code, LocError, LocView, answer, moment, one_of, read
from oms.doors.loc.catalogue import sku_of
from oms.doors.loc.models import LocMessage
from oms.doors.loc.paying import book_paid
from oms.doors.loc.words import ORDER_STATUSES, order_status
from orders.changing import cancelling
from orders.fulfilling import completing
from orders.locking import lock_order
from orders.models import BuyerNotification, FulfilmentState, Order, OrderState, SubOrder, SubOrderState
from orders.models.notification import NotificationContent
from orders.models.order import OVER
from orders.stock import changes
from orders.stock.changes import Change
from orders.telling import story

_CONFIRMED, _NOT_CONFIRMED = "已确认", "未确认"
_REPORTABLE = ("待支付", "已支付", "待发货", "已完成", "已取消")
# Refusals of the services name fields of the REST API.
_STOCK_FIELDS = {"sku": "item_id", "warehouse": "warehouse_code", "on_hand": "quantity"}
_NO_MORE_TO_CONFIRM = (SubOrderState.CANCELLED, SubOrderState.COMPLETED, SubOrderState.RETURNED)
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class InventoryBody(msgspec.Struct):
    """Units counted of an item. `warehouse_code` is needed where the item lies in several warehouses."""

    item_id: Text
    quantity: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
    warehouse_code: Annotated[str, msgspec.Meta(max_length=32)] = ""


class NotificationBody(msgspec.Struct):
    """A message to a buyer, about the order named, else about the buyer's newest one."""

    user_id: Text
    notification_type: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    notification_content: NotificationContent
    order_id: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ReceiptBody(msgspec.Struct):
    """The buyer says that it came, or has not said so."""

    order_id: Text
    user_id: Text
    confirmation_status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": [_CONFIRMED, _NOT_CONFIRMED]})]
    confirmation_time: Annotated[str, msgspec.Meta(extra_json_schema={"example": "2025-02-15 12:00:00"})]


class StatusBody(msgspec.Struct):
    """A state that the merchant reports."""

    order_id: Text
    order_status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(_REPORTABLE)})]
    update_time: Annotated[str, msgspec.Meta(extra_json_schema={"example": "2025-02-15 12:00:00"})]
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""
    payment_status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": [PAID, *UNPAID]})] = ""


class InventoryAnswerSerializer(serializers.Serializer):
    """The stock as it is now."""

    item_id = serializers.CharField()
    warehouse_code = serializers.CharField()
    quantity = serializers.IntegerField()
    reserved = serializers.IntegerField()
    available = serializers.IntegerField()


class NotificationAnswerSerializer(serializers.Serializer):
    """The message as it was taken."""

    notification_id = serializers.IntegerField()
    status = serializers.ChoiceField(["queued"])


class StateAnswerSerializer(serializers.Serializer):
    """The order's state."""

    order_id = serializers.CharField()
    order_number = serializers.CharField()
    state = serializers.ChoiceField(OrderState.choices)
    order_status = serializers.ChoiceField(ORDER_STATUSES)


def enveloped(name: str, data: type[serializers.Serializer], example: dict[str, Any]) -> type[serializers.Serializer]:
    """The form of a success with that data."""
    fields = {
        "__doc__": "A success.",
        "code": serializers.ChoiceField([0]),
        "message": serializers.CharField(),
        "data": data(),
    }
    shown = OpenApiExample("Done", {"code": 0, "message": "成功", "data": example})
    return extend_schema_serializer(examples=[shown])(type(f"{name}Serializer", (serializers.Serializer,), fields))


LocInventoryAnswer = enveloped(
    "LocInventoryAnswer",
    InventoryAnswerSerializer,
    {"item_id": "P1095275", "warehouse_code": "POP01-WH", "quantity": 40, "reserved": 6, "available": 34},
)
LocNotificationAnswer = enveloped(
    "LocNotificationAnswer", NotificationAnswerSerializer, {"notification_id": 17, "status": "queued"}
)
LocStateAnswer = enveloped(
    "LocStateAnswer",
    StateAnswerSerializer,
    {"order_id": "T20250215-1", "order_number": "1364935748662587", "state": "completed", "order_status": "已完成"},
)


def request_of(body: type, example: dict[str, Any]) -> OpenApiRequest:
    """How the documentation describes a body."""
    return OpenApiRequest(schema_of(body), examples=[OpenApiExample("A call", example)])


class InventoryUpdateView(LocView):
    """POST /api/inventory/update."""

    scopes = {"POST": "inventory.write"}
    serializer_class = LocInventoryAnswer

    @extend_schema(
        operation_id="loc_inventory_update",
        summary="库存更新 · set the stock of an item",
        description="Sets the units on hand of one of the merchant's items, in its own warehouse.",
        tags=["LOC"],
        request=request_of(InventoryBody, {"item_id": "P1095275", "quantity": 40}),
    )
    def post(self, request: Request) -> Response:
        """Set it."""
        body = read(request, InventoryBody)
        sku = sku_of(self.merchant, body.item_id)
        change = Change(sku.code, self._warehouse(body, sku), on_hand=body.quantity, note="LOC")
        (outcome,) = changes.change_many(self.merchant, [change], actor=self.actor)
        if isinstance(outcome, OmsError):
            outcome.attr = _STOCK_FIELDS.get(outcome.attr or "", outcome.attr)
            raise outcome
        data = {"item_id": body.item_id, "warehouse_code": change.warehouse, "quantity": outcome.on_hand}
        return answer({**data, "reserved": outcome.reserved, "available": outcome.available})

    def _warehouse(self, body: InventoryBody, sku: Sku) -> str:
        """The code of the warehouse named, else of the only one that fits. Raises LocError and WrongFields."""
        own = {one.code: one for one in Warehouse.objects.filter(merchant=self.merchant, is_active=True)}
        if body.warehouse_code:
            if body.warehouse_code not in own:
                raise LocError(Code.WAREHOUSE_NOT_FOUND, _("You have no such warehouse."), attr="warehouse_code")
            return body.warehouse_code
        fitting = sorted(code for code, one in own.items() if sku.storage_class in one.storage_classes) or sorted(own)
        if len(fitting) > 1:
            holding = Stock.objects.filter(sku=sku, warehouse__code__in=fitting)
            fitting = sorted(set(holding.values_list("warehouse__code", flat=True))) or fitting
        if len(fitting) != 1:
            detail = _("Say in which warehouse: %(known)s.") % {"known": _(", ").join(fitting)}
            if not fitting:
                detail = _("You have no warehouse. Have one made for you; what lies in ours is counted by us.")
            raise WrongFields([FieldError("warehouse_code", "required", detail)])
        return fitting[0]


class NotificationSendView(LocView):
    """POST /api/notification/send."""

    scopes = {"POST": "orders.write"}
    serializer_class = LocNotificationAnswer

    @extend_schema(
        operation_id="loc_notification_send",
        summary="通知用户 · tell a buyer",
        description=(
            "Keeps a message to a buyer of the merchant's orders, sealed. `queued` means just that: it waits for a"
            " sender, and is not said to be sent before it is. A second message of the same type about the same"
            " `order_id` is not sent: the same content answers the same, another 40901. Without `order_id` the same"
            " content about the buyer's newest order answers the same."
        ),
        tags=["LOC"],
        request=request_of(
            NotificationBody,
            {
                "user_id": "H900",
                "notification_type": "发货通知",
                "notification_content": {
                    "message": "您的订单已发货",
                    "delivery_info": {"carrier": "顺丰"},
                    "confirm_url": "https://shop.example/confirm/1",
                },
            },
        ),
    )
    def post(self, request: Request) -> Response:
        """Keep it."""
        body = read(request, NotificationBody)
        if not re.fullmatch(r"(https?://\S+)?", body.notification_content.confirm_url):
            detail = _("Give an address that begins with https:// or http://.")
            raise WrongFields([FieldError("notification_content.confirm_url", "invalid_url", detail)])
        newest = self.orders().filter(buyer_reference=body.user_id).order_by("-pk").first()
        if newest is None:
            raise LocError(Code.USER_NOT_FOUND, _("No order of yours has this buyer."), attr="user_id")
        order = self.order_of(body.order_id, body.user_id) if body.order_id else newest
        kept = self._keep(body, order)
        return answer({"notification_id": kept.pk, "status": BuyerNotification.State.QUEUED.value}, "已进入发送队列")

    @transaction.atomic
    def _keep(self, body: NotificationBody, order: Order) -> BuyerNotification:
        """The message, made or found again. Raises LocError."""
        lock_order(order.pk)
        earlier = list(LocMessage.objects.filter(order=order, kind=body.notification_type).select_related("message"))
        for one in earlier:
            if one.message.opened() == body.notification_content:
                return one.message
        if body.order_id and any(one.names_order for one in earlier):
            message = _("A message of this type was sent about this order before, with other content.")
            raise LocError(Code.OTHER_CONTENT, message, attr="notification_content")
        kept = BuyerNotification.sealed(
            body.notification_content,
            merchant=self.merchant,
            buyer_reference=body.user_id,
            kind=body.notification_type,
        )
        kept.save()
        LocMessage.objects.create(
            message=kept, order=order, kind=body.notification_type, names_order=bool(body.order_id)
        )
        return kept


class ConfirmReceiptView(LocView):
    """POST /api/order/confirm_receipt."""

    scopes = {"POST": "orders.write"}
    serializer_class = LocStateAnswer

    @extend_schema(
        operation_id="loc_confirm_receipt",
        summary="确认收货 · the buyer has it",
        description=(
            "已确认 completes what was delivered; it is refused with 40902 as long as anything is not delivered yet."
            " 未确认 stops what was delivered from being completed by itself and calls a person; 已确认 afterwards lets"
            " it go on. It is refused with 40902 once the order is completed."
        ),
        tags=["LOC"],
        request=request_of(
            ReceiptBody,
            {
                "order_id": "T20250215-1",
                "user_id": "H900",
                "confirmation_status": "已确认",
                "confirmation_time": "2025-02-15 12:00:00",
            },
        ),
    )
    def post(self, request: Request) -> Response:
        """Confirm."""
        body = read(request, ReceiptBody)
        one_of(body.confirmation_status, [_CONFIRMED, _NOT_CONFIRMED], "confirmation_status")
        moment(body.confirmation_time, "confirmation_time")
        order = self.order_of(body.order_id, body.user_id)
        if body.confirmation_status == _CONFIRMED:
            return complete(self, order)
        if order.state == OrderState.COMPLETED:
            raise LocError(Code.ILLEGAL_MOVE, _("The receipt is confirmed already."), attr="confirmation_status")
        completing.deny_receipt(order.pk, actor=self.actor)
        return answer(state_of(order))


class UpdateStatusView(LocView):
    """POST /api/order/update_status."""

    scopes = {"POST": "orders.write"}
    serializer_class = LocStateAnswer

    @extend_schema(
        operation_id="loc_update_status",
        summary="订单状态更新 · report a state",
        description=(
            "已支付 and 待发货 say that the merchant was paid for an order that waits for it, at `update_time`."
            " 已完成 completes what was delivered, 已取消 cancels what is not packed. Every other state follows from"
            " warehouse, carrier and payment and cannot be reported; an illegal move is refused with 40902 and why."
        ),
        tags=["LOC"],
        request=request_of(
            StatusBody, {"order_id": "T20250215-1", "order_status": "已完成", "update_time": "2025-02-15 12:00:00"}
        ),
    )
    def post(self, request: Request) -> Response:
        """Move it."""
        body = read(request, StatusBody)
        at = moment(body.update_time, "update_time")
        order = self.order(body.order_id)
        match body.order_status:
            case "待支付" | "已支付" | "待发货":
                return self._paid(order, body, at)
            case "已完成":
                return complete(self, order)
            case "已取消":
                if order.state != OrderState.CANCELLED and not order.cancel_requested_at:
                    reason = body.reason.strip() or story.CANCELLED_BY_MERCHANT
                    order = cancelling.cancel_order(order.pk, reason=reason, actor=self.actor)
                return answer(state_of(order), "已向仓库申请取消，等待答复" if order.cancel_requested_at else "成功")
        message = _("%(status)s cannot be reported: it follows from warehouse, carrier and payment.")
        raise LocError(Code.ILLEGAL_MOVE, message % {"status": body.order_status[:20]}, attr="order_status")

    @transaction.atomic
    def _paid(self, order: Order, body: StatusBody, at: datetime) -> Response:
        """Book that the merchant was paid, unless the order has its money already. Raises LocError and WrongFields."""
        money = one_of(
            body.payment_status or (UNPAID[0] if body.order_status == "待支付" else PAID),
            [PAID, *UNPAID],
            "payment_status",
        )
        if money != PAID and body.order_status != "待支付":
            detail = _("%(status)s is said of an order that is paid.") % {"status": body.order_status}
            raise WrongFields([FieldError("payment_status", "contradiction", detail)])
        order = lock_order(order.pk)
        is_past = body.order_status == "待发货" and order.fulfilment_state != FulfilmentState.UNFULFILLED
        if order.state == OrderState.AWAITING_PAYMENT:
            if money == PAID:
                book_paid(order, at=at)
                nudging.nudge("review")
        elif order.state in OVER or is_past or money != PAID:
            message = _("The order is past that already: %(state)s.") % {"state": _state_shown(order)}
            raise LocError(Code.ILLEGAL_MOVE, message, attr="order_status")
        return answer(state_of(order))


def _state_shown(order: Order) -> str:
    unshipped = order.fulfilment_state == FulfilmentState.UNFULFILLED
    return str(order.get_state_display() if unshipped or order.state in OVER else order.get_fulfilment_state_display())


def complete(view: LocView, order: Order) -> Response:
    """Complete every delivered part of the order; said again, nothing more happens. Raises LocError."""
    parts = list(SubOrder.objects.filter(order=order).order_by("id"))
    is_over = order.state in (OrderState.CANCELLED, OrderState.CLOSED)
    waiting = [p for p in parts if p.state not in (*_NO_MORE_TO_CONFIRM, SubOrderState.DELIVERED)]
    if is_over or not parts or waiting:
        state = waiting[0].get_state_display() if waiting else order.get_state_display()
        message = _("The order cannot be completed now: %(state)s.") % {"state": state}
        raise LocError(Code.ILLEGAL_MOVE, message, attr="order_id")
    for part in parts:
        if part.state == SubOrderState.DELIVERED:
            completing.confirm_receipt(part.pk, actor=view.actor)
    return answer(state_of(order))


def state_of(order: Order) -> dict[str, str]:
    """The order's ids and state as it is now."""
    order = Order.objects.get(pk=order.pk)
    word = order_status(order, Shipment.objects.of_order(order.pk))
    return {
        "order_id": order.external_number,
        "order_number": order.number,
        "state": order.state,
        "order_status": word,
    }
