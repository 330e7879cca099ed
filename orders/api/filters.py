"""What the API's lists can be narrowed by."""

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet

from inventory import availability
from inventory.models import Stock
from oms.common.door.filters import MomentFilter
from oms.merchants.models import Channel
from orders.models import (
    DeliveryPromise,
    FulfilmentState,
    Order,
    OrderLine,
    OrderPaymentState,
    OrderState,
    OrderTerms,
    PaymentMethod,
    PromiseOutcome,
    RejectedOrder,
    SkuMatch,
    SubOrder,
    SubOrderLine,
    SubOrderState,
)

METADATA = "metadata."  # what begins so is a key of the orders' metadata
_YES_OR_NO = [("true", _("Yes")), ("false", _("No"))]


class OrderFilter(FilterSet):
    """Narrows the list of orders."""

    number = CharFilter(max_length=16)
    external_number = CharFilter(max_length=64)
    source = CharFilter(method="filter_source", max_length=40, help_text="The code of the channel.")
    state = ChoiceFilter(choices=OrderState.choices)
    payment_state = ChoiceFilter(choices=OrderPaymentState.choices)
    fulfilment_state = ChoiceFilter(choices=FulfilmentState.choices)
    payment_method = ChoiceFilter(choices=PaymentMethod.choices)
    held = ChoiceFilter(choices=_YES_OR_NO, method="filter_held", help_text="Whether a hold is open.")
    created_after = MomentFilter("created_at", "gte", help_text="Received then or later.")
    created_before = MomentFilter("created_at", "lt", help_text="Received earlier.")
    ordered_after = MomentFilter("ordered_at", "gte", help_text="Ordered then or later.")
    ordered_before = MomentFilter("ordered_at", "lt", help_text="Ordered earlier.")
    buyer = CharFilter("buyer_reference", max_length=64, help_text="The channel's own id of the buyer.")
    phone = CharFilter(
        method="filter_phone", max_length=40, help_text="The recipient's or the buyer's, however it is written."
    )
    sku = CharFilter(method="filter_sku", max_length=64, help_text="Orders with this SKU.")
    caller_code = CharFilter(
        method="filter_caller_code",
        max_length=64,
        help_text="Orders with goods that the caller named so: a code that"
        " stands, or waits to be matched, for a SKU or bundle.",
    )

    class Meta:
        model = Order
        fields: list[str] = []

    def filter_source(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """Orders of the merchant's channel of that code, by its id, so that its index is used."""
        caller = self.request.user
        channels = Channel.objects if caller.reads_platform else caller.merchant.channels
        channels = channels.filter(code=value)
        return orders.filter(channel__in=list(channels.values_list("pk", flat=True)))

    def filter_held(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """Orders with an open hold, or without one."""
        return orders.filter(open_holds__gt=0) if value == "true" else orders.filter(open_holds=0)

    def filter_phone(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """Either phone, in its normal form; the second half has the form of the partial index."""
        return orders.filter(Q(recipient_phone=value) | Q(~Q(buyer_phone=F("recipient_phone")), buyer_phone=value))

    def filter_queryset(self, queryset: QuerySet[Order]) -> QuerySet[Order]:
        """The filters that have names of their own, and `metadata.KEY=value`."""
        orders = super().filter_queryset(queryset)
        wanted = {name.removeprefix(METADATA): value for name, value in self.data.items() if name.startswith(METADATA)}
        if not wanted:
            return orders
        if any("\0" in value for value in wanted.values()):
            return orders.none()
        terms = OrderTerms.objects.filter(metadata__contains=wanted)
        return orders.filter(pk__in=terms.values("order_id"))

    def filter_sku(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """Orders with a line of the SKU."""
        return orders.filter(Exists(OrderLine.objects.filter(order=OuterRef("pk"), sku__code=value)))

    def filter_caller_code(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """Orders with a line that the caller named so, found by the index on such lines."""
        named = OrderLine.objects.filter(caller_code=value).exclude(caller_code="")
        return orders.filter(pk__in=named.values("order_id"))


class SkuMatchFilter(FilterSet):
    """Narrows the lists of the codes of channels."""

    channel = CharFilter("channel__code", max_length=40, help_text="The code of the channel.")
    code = CharFilter(max_length=64)

    class Meta:
        model = SkuMatch
        fields: list[str] = []


class StockFilter(FilterSet):
    """Narrows the list of stock."""

    sku = CharFilter("sku__code", max_length=64)
    warehouse = CharFilter("warehouse__code", max_length=32, help_text="The code of the warehouse.")
    available = ChoiceFilter(choices=_YES_OR_NO, method="filter_available", help_text="Whether units can be promised.")

    class Meta:
        model = Stock
        fields: list[str] = []

    def filter_available(self, stock: QuerySet[Stock], name: str, value: str) -> QuerySet[Stock]:
        """Stock with units to promise, or without any."""
        has_units = availability.has_units()
        return stock.filter(has_units if value == "true" else ~has_units)


class PromiseFilter(FilterSet):
    """Narrows the list of promises."""

    sub_order = CharFilter("sub_order__number", max_length=40, help_text="The number of the sub-order.")
    outcome = ChoiceFilter(choices=PromiseOutcome.choices)

    class Meta:
        model = DeliveryPromise
        fields: list[str] = []


class RejectedOrderFilter(FilterSet):
    """Narrows the list of refused rows."""

    state = ChoiceFilter(choices=RejectedOrder.State.choices)
    door = ChoiceFilter(choices=RejectedOrder.Door.choices)
    external_number = CharFilter(max_length=64)

    class Meta:
        model = RejectedOrder
        fields: list[str] = []


class SubOrderFilter(FilterSet):
    """Narrows the list of sub-orders."""

    number = CharFilter(max_length=32)
    state = ChoiceFilter(choices=SubOrderState.choices)
    payment_method = ChoiceFilter(choices=PaymentMethod.choices)
    warehouse = CharFilter("warehouse__code", max_length=32, help_text="The code of the warehouse.")
    created_after = MomentFilter("created_at", "gte", help_text="Made then or later.")
    created_before = MomentFilter("created_at", "lt", help_text="Made earlier.")
    sku = CharFilter(method="filter_sku", max_length=64, help_text="Sub-orders with this SKU.")

    class Meta:
        model = SubOrder
        fields: list[str] = []

    def filter_sku(self, sub_orders: QuerySet[SubOrder], name: str, value: str) -> QuerySet[SubOrder]:
        """Sub-orders with a line of the SKU."""
        lines = SubOrderLine.objects.filter(sub_order=OuterRef("pk"), order_line__sku__code=value)
        return sub_orders.filter(Exists(lines))
