"""What the API shows of orders. Bodies that come in are msgspec's: see `orders.intake.bodies`."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.db.models import F, Prefetch, QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.reverse import reverse

from oms.common.api import ErrorSerializer, ErrorsSerializer
from oms.common.money import fen_text
from orders import examples
from orders.actors import Actor
from orders.intake.bodies import OrderBody
from orders.intake.storing import StoredOrder
from orders.models import ActorKind, FulfilmentState, Hold, Order, OrderEvent, OrderLine, SubOrder, SubOrderLine

MAX_BULK = 1000

_SHARES = ["goods_amount", "freight_share", "coupon_share", "points_share", "gift_card_share", "payable_amount"]

# What is read for each row: naming the columns makes a statement several times cheaper to put together.
_RECIPIENT = [
    *("recipient_name", "recipient_phone", "recipient_address"),
    *("region__province", "region__city", "region__district"),
]
_PART = [
    *(
        "order_id",
        "number",
        "merchant__code",
        "state",
        "storage_class",
        "payment_method",
        "warehouse__code",
        "shortage",
    ),
    *("total_quantity", *_SHARES, "created_at", "allocated_at", "released_at", "packed_at", "shipped_at"),
    *("delivered_at", "completed_at", "cancelled_at"),
]

# What the timeline keeps to staff: events of their work, and of the settlement with other merchants.
INTERNAL_EVENTS = ["note", "retried", "settled", "alert_opened", "alert_escalated", "alert_closed"]
_PUBLIC_DATA = {
    *("amount", "carrier", "location", "number", "numbers", "parts", "provider", "short", "warehouse", "waybill"),
}
# Rules and staff give reasons for each other's eyes; a merchant reads why it was cancelled or refunded.
_REASON_IS_PUBLIC = {"cancelled", "cancel_requested", "refund_intended"}


class BulkBody(msgspec.Struct):
    """Many orders in one call."""

    orders: Annotated[list[OrderBody], msgspec.Meta(min_length=1, max_length=MAX_BULK)]


class RawBulkBody(msgspec.Struct):
    """`BulkBody` with its rows not decoded yet, so that one of wrong form does not fail the others."""

    orders: list[msgspec.Raw]


class BuyerSerializer(serializers.ModelSerializer):
    """Who bought, by the channel's own id."""

    id = serializers.CharField(source="buyer_reference")
    name = serializers.CharField(source="buyer_name")
    phone = serializers.CharField(source="buyer_phone")

    class Meta:
        model = Order
        fields = ["id", "name", "phone"]


class RecipientSerializer(serializers.ModelSerializer):
    """Where it goes."""

    name = serializers.CharField(source="recipient_name")
    phone = serializers.CharField(source="recipient_phone")
    region_code = serializers.CharField(source="region_id")
    province = serializers.CharField(source="region.province")
    city = serializers.CharField(source="region.city")
    district = serializers.CharField(source="region.district")
    address = serializers.CharField(source="recipient_address")

    class Meta:
        model = Order
        fields = ["name", "phone", "region_code", "province", "city", "district", "address"]


class LineSerializer(serializers.ModelSerializer):
    """One SKU of an order, with its share of every order-level amount."""

    sku = serializers.CharField(source="sku.code")
    merchant = serializers.CharField(source="sku.merchant.code")

    class Meta:
        model = OrderLine
        fields = ["position", "sku", "merchant", "name", "quantity", "unit_price", "line_discount", *_SHARES]


class SubOrderLineSerializer(serializers.ModelSerializer):
    """Units of an order line in a sub-order, with the part of the line's money that they carry."""

    position = serializers.IntegerField(source="order_line.position", help_text="The order's line.")
    sku = serializers.CharField(source="order_line.sku.code")
    name = serializers.CharField(source="order_line.name")

    class Meta:
        model = SubOrderLine
        fields = ["position", "sku", "name", "quantity", *_SHARES]


class SubOrderPartSerializer(serializers.ModelSerializer):
    """A sub-order as a part of its order."""

    merchant = serializers.CharField(source="merchant.code", help_text="Who fulfils it.")
    warehouse = serializers.CharField(source="warehouse.code", default=None, allow_null=True)
    shortage = serializers.DictField(
        child=serializers.IntegerField(), allow_null=True, help_text="Units that are short, by SKU."
    )
    lines = SubOrderLineSerializer(many=True)

    class Meta:
        model = SubOrder
        fields = [
            *("number", "merchant", "state", "storage_class", "payment_method", "warehouse", "shortage"),
            *("total_quantity", *_SHARES),
            *("created_at", "allocated_at", "released_at", "packed_at", "shipped_at", "delivered_at"),
            *("completed_at", "cancelled_at", "lines"),
        ]

    @staticmethod
    def prepare(sub_orders: QuerySet[SubOrder]) -> QuerySet[SubOrder]:
        """The query with all that is shown, in two statements."""
        lines = SubOrderLine.objects.select_related("order_line__sku").only(
            *("sub_order_id", "quantity", *_SHARES, "order_line__position", "order_line__name", "order_line__sku__code")
        )
        return (
            sub_orders.select_related("merchant", "warehouse")
            .only(*_PART)
            .prefetch_related(Prefetch("lines", lines.order_by("order_line__position")))
        )


@extend_schema_serializer(examples=[OpenApiExample("A sub-order", examples.SUB_ORDER)])
class SubOrderSerializer(SubOrderPartSerializer):
    """A sub-order as the merchant that fulfils it sees it: where it goes, and its own lines and money."""

    url = serializers.SerializerMethodField()
    promise = serializers.CharField(source="order.promise")
    recipient = RecipientSerializer(source="order")

    class Meta(SubOrderPartSerializer.Meta):
        fields = ["number", "url", "promise", "recipient", *SubOrderPartSerializer.Meta.fields[1:]]

    @staticmethod
    def prepare(sub_orders: QuerySet[SubOrder]) -> QuerySet[SubOrder]:
        """The query with all that is shown, in two statements."""
        recipient = [f"order__{name}" for name in (*_RECIPIENT, "promise")]
        prepared = SubOrderPartSerializer.prepare(sub_orders)
        return prepared.select_related("merchant", "warehouse", "order__region").only(*_PART, *recipient)

    def get_url(self, sub_order: SubOrder) -> str:
        """The address of the sub-order."""
        return reverse("api:sub-order", [sub_order.number], request=self.context["request"])


class HoldSerializer(serializers.ModelSerializer):
    """That the order may not go on, and since when."""

    class Meta:
        model = Hold
        fields = ["kind", "opened_at", "released_at"]


@extend_schema_serializer(examples=[OpenApiExample("An event", examples.EVENTS[1])])
class EventSerializer(serializers.ModelSerializer):
    """One change of the order."""

    at = serializers.DateTimeField(source="created_at")
    sub_order = serializers.CharField(source="sub_order_number", allow_null=True)
    actor = serializers.ChoiceField(ActorKind.choices, source="actor_kind", help_text="Who caused it.")
    data = serializers.SerializerMethodField(help_text="What belongs to the kind of event, such as a waybill number.")

    class Meta:
        model = OrderEvent
        fields = ["at", "kind", "sub_order", "actor", "from_state", "to_state", "data"]

    @staticmethod
    def prepare(events: QuerySet[OrderEvent]) -> QuerySet[OrderEvent]:
        """The events that merchants see, with all that is shown, in one statement."""
        return events.exclude(kind__in=INTERNAL_EVENTS).annotate(sub_order_number=F("sub_order__number")).order_by("pk")

    def get_data(self, event: OrderEvent) -> dict[str, Any]:
        """The event's data without what is meant for staff."""
        shown = _PUBLIC_DATA | {"reason"} if event.kind in _REASON_IS_PUBLIC else _PUBLIC_DATA
        return {key: value for key, value in (event.data or {}).items() if key in shown}


@extend_schema_serializer(examples=[OpenApiExample("An order", examples.SUMMARY)])
class OrderSummarySerializer(serializers.ModelSerializer):
    """An order in a list."""

    url = serializers.SerializerMethodField()
    source = serializers.CharField(source="channel.code", help_text="The code of the channel.")
    held = serializers.SerializerMethodField(help_text="Whether a hold is open.")
    buyer = BuyerSerializer(source="*")
    recipient = RecipientSerializer(source="*")

    class Meta:
        model = Order
        fields = [
            *("number", "url", "source", "external_number", "state", "payment_state", "fulfilment_state", "held"),
            *("payment_method", "promise", "buyer", "recipient", "remark"),
            *("goods_amount", "freight_amount", "order_amount", "coupon_amount", "points_used", "points_amount"),
            *("gift_card_amount", "payable_amount", "paid_amount", "refunded_amount", "currency"),
            *("line_count", "total_quantity", "ordered_at", "created_at", "pay_by", "paid_at"),
            *("completed_at", "cancelled_at", "cancel_requested_at", "cancel_reason"),
        ]

    @staticmethod
    def prepare(orders: QuerySet[Order]) -> QuerySet[Order]:
        """The query with all that is shown, in one statement."""
        own = {field.name for field in Order._meta.fields} & set(OrderSummarySerializer.Meta.fields)
        buyer = ["buyer_reference", "buyer_name", "buyer_phone", "open_holds"]
        return orders.select_related("channel", "region").only(*sorted(own), *buyer, *_RECIPIENT, "channel__code")

    def get_url(self, order: Order) -> str:
        """The address of the order."""
        return order_url(order.number, self.context["request"])

    def get_held(self, order: Order) -> bool:
        """Whether a hold is open."""
        return order.open_holds > 0


@extend_schema_serializer(examples=[OpenApiExample("An order", examples.ORDER)])
class OrderSerializer(OrderSummarySerializer):
    """All of an order that the merchant whose channel sent it may see."""

    lines = LineSerializer(many=True)
    sub_orders = SubOrderPartSerializer(many=True)
    holds = HoldSerializer(many=True)
    timeline = EventSerializer(source="events", many=True)

    class Meta(OrderSummarySerializer.Meta):
        fields = [*OrderSummarySerializer.Meta.fields, "lines", "sub_orders", "holds", "timeline"]

    @staticmethod
    def prepare(orders: QuerySet[Order]) -> QuerySet[Order]:
        """The query with all that is shown, in six statements."""
        lines = OrderLine.objects.select_related("sku__merchant").only(
            *("order_id", "position", "name", "quantity", "unit_price", "line_discount", *_SHARES),
            *("sku__code", "sku__merchant__code"),
        )
        return OrderSummarySerializer.prepare(orders).prefetch_related(
            Prefetch("lines", lines.order_by("position")),
            Prefetch("events", EventSerializer.prepare(OrderEvent.objects.all())),
            Prefetch("sub_orders", SubOrderPartSerializer.prepare(SubOrder.objects.order_by("pk"))),
            Prefetch("holds", Hold.objects.only("order_id", *HoldSerializer.Meta.fields).order_by("pk")),
        )


class PlacedOrderSerializer(serializers.Serializer):
    """Where an order is found."""

    number = serializers.CharField()
    url = serializers.URLField()


@extend_schema_serializer(examples=[OpenApiExample("Sent before", examples.DUPLICATE, status_codes=["409"])])
class DuplicateSerializer(ErrorsSerializer):
    """The channel sent this external number before."""

    order = PlacedOrderSerializer(help_text="The order that was made then.")


class BulkResultSerializer(serializers.Serializer):
    """What came of one order of a bulk call."""

    index = serializers.IntegerField(help_text="Its place in `orders`, from 0.")
    external_number = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["created", "duplicate", "refused"])
    number = serializers.CharField(required=False, help_text="Of the order made now, or by an earlier call.")
    url = serializers.URLField(required=False)
    errors = ErrorSerializer(many=True, required=False, help_text="Why it was refused, or which it repeats.")


@extend_schema_serializer(examples=[OpenApiExample("One of each", examples.BULK_RESULTS)])
class BulkResultsSerializer(serializers.Serializer):
    """One result for each order of the call, in the same order."""

    results = BulkResultSerializer(many=True)


def represent_stored(order: StoredOrder, actor: Actor, request: Request) -> dict[str, Any]:
    """What `OrderSerializer` shows of an order that was only just stored, without reading it back."""
    checked, body = order.checked, order.checked.body
    recipient, region = body.recipient, checked.region
    at = _moment(order.created_at)
    return {
        "number": order.number,
        "url": order_url(order.number, request),
        "source": checked.source,
        "external_number": body.external_number,
        "state": order.state,
        "payment_state": order.payment_state,
        "fulfilment_state": FulfilmentState.UNFULFILLED.value,
        "held": False,
        "payment_method": body.payment_method,
        "promise": body.promise,
        "buyer": {"id": body.buyer.id, "name": body.buyer.name, "phone": body.buyer.phone},
        "recipient": {
            "name": recipient.name,
            "phone": recipient.phone,
            "region_code": recipient.region_code,
            "province": region.province,
            "city": region.city,
            "district": region.district,
            "address": recipient.address,
        },
        "remark": body.remark,
        "goods_amount": fen_text(checked.goods_amount),
        "freight_amount": fen_text(checked.freight_amount),
        "order_amount": fen_text(checked.goods_amount + checked.freight_amount),
        "coupon_amount": fen_text(checked.coupon_amount),
        "points_used": body.points.used,
        "points_amount": fen_text(checked.points_amount),
        "gift_card_amount": fen_text(checked.gift_card_amount),
        "payable_amount": fen_text(checked.payable_amount),
        "paid_amount": "0.00",
        "refunded_amount": "0.00",
        "currency": "CNY",
        "line_count": len(checked.lines),
        "total_quantity": sum([line.quantity for line in checked.lines]),
        "ordered_at": _moment(body.ordered_at),
        "created_at": at,
        "pay_by": _moment(order.pay_by),
        "paid_at": _moment(order.paid_at),
        "completed_at": None,
        "cancelled_at": None,
        "cancel_requested_at": None,
        "cancel_reason": "",
        "lines": [
            {
                "position": position,
                "sku": line.sku.code,
                "merchant": line.sku.merchant,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": fen_text(line.unit_price),
                "line_discount": fen_text(line.line_discount),
                "goods_amount": fen_text(shares.goods),
                "freight_share": fen_text(shares.freight),
                "coupon_share": fen_text(shares.coupon),
                "points_share": fen_text(shares.points),
                "gift_card_share": fen_text(shares.gift_card),
                "payable_amount": fen_text(shares.payable),
            }
            for position, (line, shares) in enumerate(zip(checked.lines, order.shares, strict=True), 1)
        ],
        "sub_orders": [],
        "holds": [],
        "timeline": [
            {
                "at": at,
                "kind": "received",
                "sub_order": None,
                "actor": actor.kind.value,
                "from_state": "",
                "to_state": order.state,
                "data": {},
            }
        ],
    }


def _moment(moment: datetime | None) -> str | None:
    """The moment as the serializers' own fields write it."""
    return None if moment is None else timezone.localtime(moment).isoformat()


def order_url(number: str, request: object) -> str:
    """The address of an order."""
    return reverse("api:order", [number], request=request)
