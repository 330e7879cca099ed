"""Calls of the LOC interface that orders and stock answer by themselves."""

import re
from typing import Annotated, Any

import msgspec
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiRequest, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Sku, Stock, Warehouse
from oms.common.door.api import schema_of
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.doors.loc.base import Code, LocError, LocView, answer, moment, one_of, read
from orders.changing import cancelling
from orders.fulfilling import completing
from orders.models import BuyerNotification, Order, OrderState, SubOrder, SubOrderState
from orders.models.notification import NotificationContent
from orders.stock import changes
from orders.stock.changes import Change

_NO_MORE_TO_CONFIRM = (SubOrderState.CANCELLED, SubOrderState.COMPLETED, SubOrderState.RETURNED)
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class InventoryBody(msgspec.Struct):
    """Units counted of an item. `warehouse_code` is needed where the item lies in several warehouses."""

    item_id: Text
    quantity: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
    warehouse_code: Annotated[str, msgspec.Meta(max_length=32)] = ""


class NotificationBody(msgspec.Struct):
    """A message to a buyer."""

    user_id: Text
    notification_type: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    notification_content: NotificationContent


class ReceiptBody(msgspec.Struct):
    """The buyer says that it came."""

    order_id: Text
    user_id: Text
    confirmation_status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["已确认"]})]
    confirmation_time: Annotated[str, msgspec.Meta(extra_json_schema={"example": "2025-02-15 12:00:00"})]


class StatusBody(msgspec.Struct):
    """A state that the merchant reports."""

    order_id: Text
    order_status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["已完成", "已取消"]})]
    update_time: Annotated[str, msgspec.Meta(extra_json_schema={"example": "2025-02-15 12:00:00"})]
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


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
    {"order_id": "T20250215-1", "order_number": "1364935748662587", "state": "completed"},
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
        if not Sku.objects.visible_to(self.merchant).filter(code=body.item_id).exists():
            raise LocError(Code.ITEM_NOT_FOUND, _("There is no such item."), attr="item_id")
        change = Change(body.item_id, self._warehouse(body), on_hand=body.quantity, note="LOC")
        (outcome,) = changes.change_many(self.merchant, [change], actor=self.actor)
        if isinstance(outcome, OmsError):
            raise outcome
        data = {"item_id": body.item_id, "warehouse_code": change.warehouse, "quantity": outcome.on_hand}
        return answer({**data, "reserved": outcome.reserved, "available": outcome.available})

    def _warehouse(self, body: InventoryBody) -> str:
        own = Warehouse.objects.filter(merchant=self.merchant, is_active=True).order_by("code")
        if body.warehouse_code:
            if not own.filter(code=body.warehouse_code).exists():
                raise LocError(Code.WAREHOUSE_NOT_FOUND, _("You have no such warehouse."), attr="warehouse_code")
            return body.warehouse_code
        codes = list(own.values_list("code", flat=True))
        if len(codes) > 1:
            holding = Stock.objects.filter(sku__merchant=self.merchant, sku__code=body.item_id, warehouse__in=own)
            codes = sorted(set(holding.values_list("warehouse__code", flat=True))) or codes
        if len(codes) != 1:
            known = ", ".join(codes) or "–"
            detail = _("Say in which warehouse: %(known)s.") % {"known": known}
            raise WrongFields([FieldError("warehouse_code", "required", detail)])
        return codes[0]


class NotificationSendView(LocView):
    """POST /api/notification/send."""

    scopes = {"POST": "orders.write"}
    serializer_class = LocNotificationAnswer

    @extend_schema(
        operation_id="loc_notification_send",
        summary="通知用户 · tell a buyer",
        description=(
            "Keeps a message to a buyer of the merchant's orders, sealed. `queued` means just that: it waits for a"
            " sender, and is not said to be sent before it is."
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
        if not self.orders().filter(buyer_reference=body.user_id).exists():
            raise LocError(Code.USER_NOT_FOUND, _("No order of yours has this buyer."), attr="user_id")
        kept = BuyerNotification.sealed(
            body.notification_content,
            merchant=self.merchant,
            buyer_reference=body.user_id,
            kind=body.notification_type,
        )
        kept.save()
        return answer({"notification_id": kept.pk, "status": BuyerNotification.State.QUEUED.value}, "已进入发送队列")


class ConfirmReceiptView(LocView):
    """POST /api/order/confirm_receipt."""

    scopes = {"POST": "orders.write"}
    serializer_class = LocStateAnswer

    @extend_schema(
        operation_id="loc_confirm_receipt",
        summary="确认收货 · the buyer has it",
        description="Completes what was delivered. Refused with 40902 as long as anything is not delivered yet.",
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
        one_of(body.confirmation_status, ["已确认"], "confirmation_status")
        moment(body.confirmation_time, "confirmation_time")
        order = self.order(body.order_id)
        if order.buyer_reference != body.user_id:
            raise LocError(Code.ORDER_NOT_FOUND, _("There is no such order."), attr="order_id")
        return complete(self, order)


class UpdateStatusView(LocView):
    """POST /api/order/update_status."""

    scopes = {"POST": "orders.write"}
    serializer_class = LocStateAnswer

    @extend_schema(
        operation_id="loc_update_status",
        summary="订单状态更新 · report a state",
        description=(
            "已完成 completes what was delivered, 已取消 cancels what is not packed. Every other state follows from"
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
        moment(body.update_time, "update_time")
        order = self.order(body.order_id)
        if body.order_status == "已完成":
            return complete(self, order)
        if body.order_status != "已取消":
            message = _("%(status)s cannot be reported: it follows from warehouse, carrier and payment.")
            raise LocError(Code.ILLEGAL_MOVE, message % {"status": body.order_status[:20]}, attr="order_status")
        if order.state != OrderState.CANCELLED and not order.cancel_requested_at:
            reason = body.reason.strip() or _("Cancelled by the merchant.")
            cancelling.cancel_order(order.pk, reason=reason, actor=self.actor)
        return answer(state_of(order))


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
    return {"order_id": order.external_number, "order_number": order.number, "state": order.state}
