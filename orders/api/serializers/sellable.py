"""What channels may sell of the stock, and their shares of it."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from inventory.models import ChannelShare
from inventory.models.shares import MOST_KEPT_BACK
from oms.common.door.api import LineField
from oms.common.door.schema import ErrorSerializer

MOST_SHARES = 5000

STOCK = {
    "sku": "P1095275",
    "on_hand": 120,
    "reserved": 20,
    "frozen": 0,
    "safety_stock": 10,
    "available": 90,
    "ahead": 0,
    "channels": [{"channel": "POP01", "sellable": 90}, {"channel": "shop-1", "sellable": 40}],
    "updated_at": "2026-01-02T09:20:00.123456+08:00",
}
SHARE = {
    "channel": "shop-1",
    "sku": "P1095275",
    "percent": 50,
    "kept_back": 5,
    "cap": None,
    "presale_percent": 0,
    "changed_at": "2026-01-02T09:20:00+08:00",
}


class SellableSerializer(serializers.Serializer):
    """Units that a channel may sell."""

    channel = serializers.CharField()
    sellable = serializers.IntegerField()


class ChannelStockSerializer(serializers.Serializer):
    """A SKU's units in all warehouses, and what each channel may sell of them."""

    sku = serializers.CharField(source="code")
    on_hand = serializers.IntegerField()
    reserved = serializers.IntegerField(help_text="For orders, carts, quotes and transfers.")
    frozen = serializers.IntegerField()
    safety_stock = serializers.IntegerField()
    available = serializers.IntegerField(
        help_text="What can be promised: the sum over the warehouses in use of on hand less reserved, frozen and safety"
        " stock, none below 0."
    )
    ahead = serializers.IntegerField(help_text="Units on order that nobody waits for: channels may sell them ahead.")
    channels = SellableSerializer(many=True)
    updated_at = serializers.DateTimeField(source="changed_at")


class ChannelStockPageSerializer(serializers.Serializer):
    """A page of SKUs that changed."""

    next = serializers.URLField(allow_null=True, help_text="The address of the next page; null on the last one.")
    cursor = serializers.CharField(help_text="Where to go on, also after the last page.")
    results = ChannelStockSerializer(many=True)


class ShareSerializer(serializers.ModelSerializer):
    """A channel's share of a SKU, or of all that have none of their own."""

    channel = serializers.CharField(source="channel.code")
    sku = serializers.CharField(source="sku.code", allow_null=True, default=None)

    class Meta:
        model = ChannelShare
        fields = list(SHARE)


class NewShareSerializer(serializers.Serializer):
    """How much a channel may sell. What is left out is as if nobody had said anything: all of it."""

    channel = LineField(max_length=40)
    sku = LineField(max_length=64, required=False, allow_null=True, help_text="Left out: all without their own.")
    merchant = LineField(max_length=32, required=False, help_text="Whose SKU; left out: your own.")
    percent = serializers.IntegerField(min_value=0, max_value=100, default=100)
    kept_back = serializers.IntegerField(min_value=0, max_value=MOST_KEPT_BACK, default=0)
    cap = serializers.IntegerField(min_value=0, max_value=MOST_KEPT_BACK, required=False, allow_null=True)
    presale_percent = serializers.IntegerField(
        min_value=0,
        max_value=100,
        default=0,
        help_text="Of what is on order (`ahead`), so much is sold before it comes.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Half for a shop, and at most 20 of one SKU",
            {
                "shares": [
                    {"channel": "shop-1", "percent": 50},
                    {"channel": "shop-1", "sku": "P1095275", "percent": 50, "kept_back": 5, "cap": 20},
                ]
            },
            request_only=True,
        )
    ]
)
class NewSharesSerializer(serializers.Serializer):
    """Many shares; each is taken or refused for itself."""

    shares = NewShareSerializer(many=True, allow_empty=False, max_length=MOST_SHARES)


class ShareResultSerializer(serializers.Serializer):
    """What came of one share."""

    index = serializers.IntegerField()
    channel = serializers.CharField()
    sku = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["changed", "refused"])
    errors = ErrorSerializer(many=True, required=False)


class ShareResultsSerializer(serializers.Serializer):
    """One result for each share, in the same order."""

    results = ShareResultSerializer(many=True)
