"""Orders, with what belongs to them."""

from functools import cache
from typing import Any

from django.db.models import F, Prefetch, QuerySet
from django.urls import reverse as url_path
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request

from oms.common.door.schema import ErrorsSerializer
from orders import kinds
from orders.api import examples
from orders.api.serializers.cancellation import CancellationSerializer
from orders.api.serializers.sub_orders import RECIPIENT, RecipientSerializer, SubOrderPartSerializer
from orders.api.serializers.terms import COLUMNS, InvoiceRequestSerializer, TermsFields, invoice_of
from orders.changing import cancellation
from orders.models import ActorKind, Hold, Order, OrderEvent, OrderLine, SubOrder
from orders.models.amounts import Bearer
from orders.models.shares import SHARES
from orders.telling import story
from orders.telling.timeline import changes_of


class BuyerSerializer(serializers.ModelSerializer):
    """Who bought, by the channel's own id."""

    id = serializers.CharField(source="buyer_reference")
    name = serializers.CharField(source="buyer_name")
    phone = serializers.CharField(source="buyer_phone")

    class Meta:
        model = Order
        fields = ["id", "name", "phone"]


class CollectedSerializer(serializers.ModelSerializer):
    """What the channel had taken from the buyer when it sent the order."""

    paid_at = serializers.DateTimeField(source="collected_at")
    amount = serializers.DecimalField(12, 2, source="collected_amount")
    transaction = serializers.CharField(source="collected_transaction")
    provider = serializers.CharField(source="collected_provider")

    class Meta:
        model = Order
        fields = ["paid_at", "amount", "transaction", "provider"]


class LineSerializer(serializers.ModelSerializer):
    """One SKU of an order, with its share of every order-level amount."""

    id = serializers.CharField(source="external_id", help_text="As the caller calls the line.")
    sku = serializers.CharField(source="sku_code", help_text="Empty while nobody has matched the caller's code.")
    caller_code = serializers.CharField(help_text="As the caller named the goods, where that is not the SKU's code.")
    merchant = serializers.CharField(source="sku.merchant.code")

    class Meta:
        model = OrderLine
        fields = [
            *(
                "position",
                "id",
                "sku",
                "caller_code",
                "merchant",
                "name",
                "quantity",
                "is_gift",
                "stated_value",
                "unit_price",
            ),
            *("line_discount", *SHARES),
        ]


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
        data = {key: value for key, value in (event.data or {}).items() if key in shown}
        if event.kind in (kinds.CANCELLED.code, kinds.CANCEL_REQUESTED.code) and "reason" in data:
            data["reason"] = story.REASONS.word(data["reason"])
        return data


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
class OrderSummarySerializer(TermsFields, serializers.ModelSerializer):
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
    adjustment_reason = serializers.SerializerMethodField(help_text="As it was given; ours in the caller's language.")
    adjustment_bearer = serializers.ChoiceField(
        Bearer.choices, allow_blank=True, help_text="Empty where there is no adjustment."
    )
    collected = serializers.SerializerMethodField(help_text="What the channel had taken when it sent the order.")
    cancel_reason = serializers.SerializerMethodField(help_text="As it was given; ours in the caller's language.")

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
            *TermsFields.NAMES,
            *("goods_amount", "freight_amount", "order_amount", "promotion_amount", "coupon_amount"),
            *("adjustment_amount", "adjustment_reason", "adjustment_bearer", "points_used", "points_amount"),
            *("gift_card_amount", "merchant_borne_amount", "payable_amount", "paid_amount", "refunded_amount"),
            *("currency", "collected"),
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
        return OrderSummarySerializer.prepared(orders)

    @staticmethod
    def prepared(orders: QuerySet[Order], *also: str) -> QuerySet[Order]:
        """The query with all that is shown, and `also` these columns of the order's invoice request."""
        own = {field.name for field in Order._meta.fields} & set(OrderSummarySerializer.Meta.fields)
        flat = ["buyer_reference", "buyer_name", "buyer_phone", "open_holds"]
        flat += ["collected_at", "collected_amount", "collected_transaction", "collected_provider"]
        shown = (*sorted(own), *flat, *RECIPIENT, "channel__code", *COLUMNS, *also)
        return orders.select_related(
            "channel", "region", "terms__warehouse", *(["invoice_request"] if also else [])
        ).only(*shown)

    def get_url(self, order: Order) -> str:
        """The address of the order."""
        return order_url(order.number, self.context["request"])

    def get_adjustment_reason(self, order: Order) -> str:
        """As it was given, or in words where it is ours."""
        return story.REASONS.word(order.adjustment_reason)

    @extend_schema_field(CollectedSerializer(allow_null=True))
    def get_collected(self, order: Order) -> Any:
        """What the channel had taken; null where it had taken nothing."""
        if order.collected_at is None:
            return None
        return CollectedSerializer(order).data

    def get_cancel_reason(self, order: Order) -> str:
        """As it was given, or in words where it is ours."""
        return story.REASONS.word(order.cancel_reason)

    def get_held(self, order: Order) -> bool:
        """Whether a hold is open."""
        return order.open_holds > 0


@extend_schema_serializer(examples=[OpenApiExample("An order", examples.ORDER)])
class OrderSerializer(OrderSummarySerializer):
    """All of an order that the merchant whose channel sent it may see."""

    lines = LineSerializer(many=True)
    invoice = serializers.SerializerMethodField(help_text="The invoice that the buyer asks for.")
    sub_orders = SubOrderPartSerializer(many=True)
    holds = HoldSerializer(many=True)
    timeline = EventSerializer(source="events", many=True)
    cancellation = serializers.SerializerMethodField(help_text="Null where nobody cancelled it as a whole.")

    class Meta(OrderSummarySerializer.Meta):
        fields = [
            *OrderSummarySerializer.Meta.fields,
            *("lines", "invoice", "sub_orders", "holds", "timeline", "cancellation"),
        ]

    @extend_schema_field(InvoiceRequestSerializer(allow_null=True))
    def get_invoice(self, order: Order) -> dict[str, str] | None:
        """What the buyer asks for."""
        return invoice_of(order)

    @staticmethod
    def prepare(orders: QuerySet[Order]) -> QuerySet[Order]:
        """The query with all that is shown, in six statements."""
        lines = OrderLine.objects.select_related("sku__merchant").only(
            *("order_id", "position", "name", "quantity", "unit_price", "line_discount", *SHARES),
            *("external_id", "is_gift", "stated_value", "caller_code", "sku__code", "sku__merchant__code"),
        )
        invoice = ("invoice_request__kind", "invoice_request__title_type", "invoice_request__sealed")
        return OrderSummarySerializer.prepared(orders, *invoice).prefetch_related(
            Prefetch("lines", lines.order_by("position")),
            Prefetch("events", EventSerializer.prepare(OrderEvent.objects.all())),
            Prefetch("sub_orders", SubOrderPartSerializer.prepare(SubOrder.objects.order_by("pk"))),
            Prefetch("holds", Hold.objects.only("order_id", *HoldSerializer.Meta.fields).order_by("pk")),
        )

    @extend_schema_field(CancellationSerializer(allow_null=True))
    def get_cancellation(self, order: Order) -> dict[str, Any] | None:
        """What became of cancelling it."""
        found = cancellation.read(order.events.all(), order.sub_orders.all())
        return CancellationSerializer(found).data if found else None


class PlacedOrderSerializer(serializers.Serializer):
    """Where an order is found."""

    number = serializers.CharField()
    url = serializers.URLField()


@extend_schema_serializer(examples=[OpenApiExample("Sent before", examples.DUPLICATE, status_codes=["409"])])
class DuplicateSerializer(ErrorsSerializer):
    """The channel sent this external number before."""

    order = PlacedOrderSerializer(help_text="The order that was made then.")


def order_url(number: str, request: Request) -> str:
    """The address of an order."""
    return f"{request.scheme}://{request.get_host()}{_order_path().format(number)}"


@cache
def _order_path() -> str:
    # Looked up once: a page of a list asks for a hundred.
    return url_path("api:order", args=["0" * 16]).replace("0" * 16, "{}")
