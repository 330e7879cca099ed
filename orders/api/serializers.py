"""What the API shows of orders. Bodies that come in are msgspec's: see `orders.intake.bodies`."""

from functools import cache
from typing import Annotated, Any

import msgspec
from django.db.models import F, Prefetch, QuerySet
from django.urls import reverse as url_path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.reverse import reverse

from inventory.models import Stock
from oms.common.door.api import ErrorSerializer, ErrorsSerializer, LineField, TextField
from orders import kinds
from orders.api import examples
from orders.intake.bodies import HistoricalBody, OrderBody
from orders.models import (
    ActorKind,
    Hold,
    Order,
    OrderEvent,
    OrderLine,
    RejectedOrder,
    SubOrder,
    SubOrderLine,
    SubOrderState,
)
from orders.stock.stocktaking import MOST_UNITS
from orders.timeline import changes_of

MAX_BULK = 1000
MAX_STOCK_ROWS = 1000


def money_field(**options: Any) -> serializers.DecimalField:
    """An amount in yuan with two places."""
    return serializers.DecimalField(12, 2, **options)


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
        "version",
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


class BulkBody(msgspec.Struct):
    """Many orders in one call."""

    orders: Annotated[list[OrderBody], msgspec.Meta(min_length=1, max_length=MAX_BULK)]


class HistoricalBulkBody(msgspec.Struct):
    """Many orders of the past in one call."""

    orders: Annotated[list[HistoricalBody], msgspec.Meta(min_length=1, max_length=MAX_BULK)]


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
    region_code = serializers.CharField(
        source="region_id", allow_null=True, help_text="Null while a person is asked, and for virtual goods."
    )
    province = serializers.CharField(source="region.province", default=None, allow_null=True)
    city = serializers.CharField(source="region.city", default=None, allow_null=True)
    district = serializers.CharField(source="region.district", default=None, allow_null=True)
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
            *("number", "version", "merchant", "state", "storage_class", "payment_method", "warehouse", "shortage"),
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
        return (
            events.exclude(kind__in=kinds.hidden_from_merchants())
            .annotate(sub_order_number=F("sub_order__number"))
            .order_by("pk")
        )

    def get_data(self, event: OrderEvent) -> dict[str, Any]:
        """The event's data without what is meant for staff."""
        kind = kinds.known().get(event.kind)
        shown = (kind and kind.public) or frozenset()
        return {key: value for key, value in (event.data or {}).items() if key in shown}


@extend_schema_serializer(examples=[OpenApiExample("An event", {**examples.EVENTS[1], "changes": {}})])
class EventWithChangesSerializer(EventSerializer):
    """One change of the order, with what it was before. Only answers that are not kept for repetition show it."""

    changes = serializers.SerializerMethodField(
        help_text="Old and new value of each changed name, phone, region or address; empty for other events."
    )

    class Meta(EventSerializer.Meta):
        fields = [*EventSerializer.Meta.fields, "changes"]

    def get_changes(self, event: OrderEvent) -> dict[str, list[str]]:
        """Old and new values by name."""
        return {name: list(values) for name, values in changes_of(event).items()}


@extend_schema_serializer(examples=[OpenApiExample("An order", examples.SUMMARY)])
class OrderSummarySerializer(serializers.ModelSerializer):
    """An order in a list."""

    url = serializers.SerializerMethodField()
    source = serializers.CharField(source="channel.code", help_text="The code of the channel.")
    held = serializers.SerializerMethodField(help_text="Whether a hold is open.")
    units_to_cancel = serializers.DictField(
        child=serializers.IntegerField(),
        allow_null=True,
        help_text="Units cancelled before the split, by the line's position; they leave when the order is split.",
    )
    buyer = BuyerSerializer(source="*")
    recipient = RecipientSerializer(source="*")

    class Meta:
        model = Order
        fields = [
            *(
                "number",
                "url",
                "version",
                "source",
                "external_number",
                "state",
                "payment_state",
                "fulfilment_state",
                "held",
            ),
            *("payment_method", "promise", "buyer", "recipient", "remark"),
            *("goods_amount", "freight_amount", "order_amount", "coupon_amount", "points_used", "points_amount"),
            *("gift_card_amount", "payable_amount", "paid_amount", "refunded_amount", "currency"),
            *(
                "line_count",
                "total_quantity",
                "units_to_cancel",
                "wanted_at",
                "is_historical",
                "ordered_at",
                "created_at",
                "pay_by",
                "paid_at",
            ),
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
    status = serializers.ChoiceField(["created", "duplicate", "refused", "aborted"])
    number = serializers.CharField(required=False, help_text="Of the order made now, or by an earlier call.")
    url = serializers.URLField(required=False)
    errors = ErrorSerializer(many=True, required=False, help_text="Why it was refused, or which it repeats.")


@extend_schema_serializer(examples=[OpenApiExample("One of each", examples.BULK_RESULTS)])
class BulkResultsSerializer(serializers.Serializer):
    """One result for each order of the call, in the same order."""

    results = BulkResultSerializer(many=True)


def order_url(number: str, request: Request) -> str:
    """The address of an order."""
    return f"{request.scheme}://{request.get_host()}{_order_path().format(number)}"


@cache
def _order_path() -> str:
    # Looked up once: a page of a list asks for a hundred.
    return url_path("api:order", args=["0" * 16]).replace("0" * 16, "{}")


class NoteSerializer(serializers.Serializer):
    """A note of the merchant on an order; staff read it, and staff's own notes stay theirs."""

    at = serializers.DateTimeField(source="created_at", read_only=True)
    text = TextField(max_length=2000)


class RecipientChangeSerializer(serializers.Serializer):
    """What to change of the recipient; what is left out stays."""

    name = LineField(max_length=80, required=False)
    phone = LineField(max_length=20, required=False)
    region_code = LineField(max_length=6, required=False, help_text="County-level division, GB/T 2260.")
    address = LineField(max_length=200, required=False)


class UnitsSerializer(serializers.Serializer):
    """Units of a line."""

    position = serializers.IntegerField(min_value=1, max_value=500, help_text="The order's line.")
    quantity = serializers.IntegerField(min_value=1, max_value=10_000)


@extend_schema_serializer(
    examples=[
        OpenApiExample("The whole order", {"reason": "The buyer changed his mind"}, request_only=True),
        OpenApiExample(
            "One unit of a line",
            {"reason": "One is enough", "lines": [{"position": 1, "quantity": 1}]},
            request_only=True,
        ),
    ]
)
class CancelSerializer(serializers.Serializer):
    """Why, and which units if not all."""

    reason = LineField(max_length=200)
    lines = UnitsSerializer(many=True, required=False, allow_empty=False, help_text="Left out: the whole order.")


class PartAmountsSerializer(serializers.Serializer):
    """What a sub-order carries of a line."""

    sub_order = serializers.CharField()
    state = serializers.ChoiceField(SubOrderState.choices)
    quantity = serializers.IntegerField()
    goods_amount = money_field()
    freight_share = money_field()
    coupon_share = money_field()
    points_share = money_field()
    gift_card_share = money_field()
    payable_amount = money_field()


class LineAmountsSerializer(serializers.Serializer):
    """A line's price and its share of every amount of the order."""

    position = serializers.IntegerField()
    sku = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = money_field()
    line_discount = money_field()
    goods_amount = money_field()
    freight_share = money_field()
    coupon_share = money_field()
    points_share = money_field()
    gift_card_share = money_field()
    payable_amount = money_field()
    parts = PartAmountsSerializer(many=True, help_text="Where the units and their money went; cancelled ones too.")


@extend_schema_serializer(examples=[OpenApiExample("Amounts", examples.AMOUNTS)])
class AmountsSerializer(serializers.Serializer):
    """How each amount of an order came about, to the fen."""

    currency = serializers.CharField()
    goods_amount = money_field()
    freight_amount = money_field()
    order_amount = money_field()
    coupon_amount = money_field()
    points_amount = money_field()
    gift_card_amount = money_field()
    payable_amount = money_field()
    cancelled_amount = money_field(help_text="Payable of what was cancelled or came back; it is not owed.")
    owed_amount = money_field(help_text="Payable less what was cancelled.")
    paid_amount = money_field()
    refunded_amount = money_field()
    formulas = serializers.DictField(child=serializers.CharField(), help_text="How each amount is worked out.")
    lines = LineAmountsSerializer(many=True)


class StockSerializer(serializers.ModelSerializer):
    """Units of one of the merchant's SKUs in a warehouse."""

    url = serializers.SerializerMethodField()
    sku = serializers.CharField(source="sku.code")
    warehouse = serializers.CharField(source="warehouse.code")
    available = serializers.IntegerField(help_text="On hand and not reserved.")
    writable = serializers.SerializerMethodField(help_text="Whether the warehouse is the merchant's own.")

    class Meta:
        model = Stock
        fields = ["sku", "warehouse", "url", "version", "on_hand", "reserved", "available", "writable"]

    @staticmethod
    def prepare(stock: QuerySet[Stock]) -> QuerySet[Stock]:
        """The query with all that is shown, in one statement."""
        return stock.select_related("sku", "warehouse").only(
            *("version", "on_hand", "reserved", "sku__code", "sku__merchant_id"),
            *("warehouse__code", "warehouse__merchant_id"),
        )

    def get_url(self, stock: Stock) -> str:
        """The address of the stock."""
        return reverse("api:stock", [stock.warehouse.code, stock.sku.code], request=self.context["request"])

    def get_writable(self, stock: Stock) -> bool:
        """Whether the merchant counts these goods itself."""
        return stock.warehouse.merchant_id == stock.sku.merchant_id


class StockChangeSerializer(serializers.Serializer):
    """Either the units counted, or how many came or went."""

    on_hand = serializers.IntegerField(min_value=0, max_value=MOST_UNITS, required=False, help_text="Units counted.")
    change = serializers.IntegerField(
        min_value=-MOST_UNITS, max_value=MOST_UNITS, required=False, help_text="Units that came, or went if negative."
    )
    note = LineField(max_length=200, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of the two."""
        if ("on_hand" in attrs) == ("change" in attrs):
            raise serializers.ValidationError({"on_hand": ErrorDetail(_("Give either on_hand or change."), "one_of")})
        return attrs


class StockRowSerializer(StockChangeSerializer):
    """A change of the stock of one SKU in one warehouse."""

    sku = LineField(max_length=64)
    warehouse = LineField(max_length=32)
    version = serializers.IntegerField(
        min_value=1, max_value=2_000_000_000, required=False, help_text="Where given, refused if it is stale."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A count and a delivery",
            {
                "changes": [
                    {"sku": "P1095275", "warehouse": "POP01-WH", "on_hand": 40, "version": 3},
                    {"sku": "P1095276", "warehouse": "POP01-WH", "change": 12, "note": "delivery 881"},
                ]
            },
            request_only=True,
        )
    ]
)
class StockChangesSerializer(serializers.Serializer):
    """Many changes; each is done or refused for itself."""

    changes = StockRowSerializer(many=True, allow_empty=False, max_length=MAX_STOCK_ROWS)


class StockResultSerializer(serializers.Serializer):
    """What came of one change."""

    index = serializers.IntegerField()
    sku = serializers.CharField()
    warehouse = serializers.CharField()
    status = serializers.ChoiceField(["changed", "refused"])
    version = serializers.IntegerField(required=False)
    on_hand = serializers.IntegerField(required=False)
    reserved = serializers.IntegerField(required=False)
    available = serializers.IntegerField(required=False)
    errors = ErrorSerializer(many=True, required=False)


class StockResultsSerializer(serializers.Serializer):
    """One result for each change, in the same order."""

    results = StockResultSerializer(many=True)


class RejectedOrderSerializer(serializers.ModelSerializer):
    """A row that was refused, kept for correction."""

    url = serializers.SerializerMethodField()
    errors = ErrorSerializer(many=True)
    body = serializers.SerializerMethodField(help_text="The row as it came: an object, or text where it is no JSON.")
    order = serializers.CharField(source="order.number", default=None, allow_null=True)

    class Meta:
        model = RejectedOrder
        fields = [
            *("id", "url", "version", "door", "state", "external_number", "errors", "times", "order", "body"),
            *("created_at", "last_at", "keep_until"),
        ]

    @staticmethod
    def prepare(rows: QuerySet[RejectedOrder]) -> QuerySet[RejectedOrder]:
        """The query with all that is shown, in one statement."""
        return rows.select_related("order")

    def get_url(self, row: RejectedOrder) -> str:
        """The address of the row."""
        return reverse("api:rejected-order", [row.pk], request=self.context["request"])

    @extend_schema_field({})
    def get_body(self, row: RejectedOrder) -> Any:
        """The row decoded."""
        try:
            return msgspec.json.decode(row.body)
        except (msgspec.DecodeError, RecursionError):
            return row.body


class ReplaySerializer(serializers.Serializer):
    """The order to send instead; left out: the row as it was kept."""

    order = serializers.JSONField(required=False, help_text="An order as `create_order` takes it.")
