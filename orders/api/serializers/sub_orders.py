"""Sub-orders: as parts of their order, and as who fulfils them sees them."""

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.reverse import reverse

from orders.api import examples
from orders.models import Order, SubOrder, SubOrderLine
from orders.models.shares import SHARES

# What is read for each row: naming the columns makes a statement several times cheaper to put together.
RECIPIENT = (
    *("recipient_name", "recipient_phone", "recipient_address"),
    *("region__province", "region__city", "region__district"),
)
_PART = (
    *("order_id", "number", "version", "merchant__code", "state", "storage_class", "payment_method"),
    *(
        "warehouse__code",
        "wished_warehouse__code",
        "shortage",
        "total_quantity",
        *SHARES,
        "created_at",
        "allocated_at",
        "released_at",
    ),
    *("packed_at", "shipped_at", "delivered_at", "completed_at", "cancelled_at", "ship_not_before"),
)


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


class SubOrderLineSerializer(serializers.ModelSerializer):
    """Units of an order line in a sub-order, with the part of the line's money that they carry."""

    position = serializers.IntegerField(source="order_line.position", help_text="The order's line.")
    id = serializers.CharField(source="order_line.external_id", help_text="As the caller calls the line.")
    sku = serializers.CharField(source="order_line.sku.code")
    name = serializers.CharField(source="order_line.name")
    is_gift = serializers.BooleanField(source="order_line.is_gift")

    class Meta:
        model = SubOrderLine
        fields = ["position", "id", "sku", "name", "is_gift", "quantity", *SHARES]


class SubOrderPartSerializer(serializers.ModelSerializer):
    """A sub-order as a part of its order."""

    merchant = serializers.CharField(source="merchant.code", help_text="Who fulfils it.")
    warehouse = serializers.CharField(source="warehouse.code", default=None, allow_null=True)
    wished_warehouse = serializers.CharField(
        source="wished_warehouse.code",
        default=None,
        allow_null=True,
        help_text="The warehouse that is to send it and does not have it yet.",
    )
    shortage = serializers.DictField(
        child=serializers.IntegerField(), allow_null=True, help_text="Units that are short, by SKU."
    )
    ship_not_before = serializers.DateTimeField(allow_null=True, help_text="Presale: it waits until then, allocated.")
    lines = SubOrderLineSerializer(many=True)

    class Meta:
        model = SubOrder
        fields = [
            *("number", "version", "merchant", "state", "storage_class", "payment_method", "warehouse", "shortage"),
            *("wished_warehouse", "ship_not_before"),
            *("total_quantity", *SHARES),
            *("created_at", "allocated_at", "released_at", "packed_at", "shipped_at", "delivered_at"),
            *("completed_at", "cancelled_at", "lines"),
        ]

    @staticmethod
    def prepare(sub_orders: QuerySet[SubOrder]) -> QuerySet[SubOrder]:
        """The query with all that is shown, in two statements."""
        lines = SubOrderLine.objects.select_related("order_line__sku").only(
            *("sub_order_id", "quantity", *SHARES, "order_line__position", "order_line__name", "order_line__sku__code"),
            *("order_line__external_id", "order_line__is_gift"),
        )
        return (
            sub_orders.select_related("merchant", "warehouse", "wished_warehouse")
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
        recipient = [f"order__{name}" for name in (*RECIPIENT, "promise")]
        prepared = SubOrderPartSerializer.prepare(sub_orders)
        return prepared.select_related("merchant", "warehouse", "wished_warehouse", "order__region").only(
            *_PART, *recipient
        )

    def get_url(self, sub_order: SubOrder) -> str:
        """The address of the sub-order."""
        return reverse("api:sub-order", [sub_order.number], request=self.context["request"])
