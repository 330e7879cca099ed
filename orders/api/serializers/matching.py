"""What codes of channels stand for, and the codes that orders wait for."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.reverse import reverse

from oms.common.door.api import LineField
from orders.models import MatchComponent, SkuMatch
from orders.models.sku_match import MOST_COMPONENTS, MOST_UNITS

MATCH = {
    "channel": "shop-1",
    "code": "1000234-SET",
    "url": "https://oms.example/api/v1/sku-matches/shop-1/1000234-SET",
    "components": [
        {"sku": "P1095275", "merchant": "POP01", "units": 2, "weight": None},
        {"sku": "P1095276", "merchant": "POP01", "units": 1, "weight": "5.00"},
    ],
    "matched_at": "2026-01-02T09:20:00+08:00",
    "sellable": 17,
}
UNMATCHED = {
    "channel": "shop-1",
    "code": "1000234-SET",
    "url": "https://oms.example/api/v1/sku-matches/shop-1/1000234-SET",
    "orders": 12,
    "units": 14,
    "waiting_since": "2026-01-02T09:00:00+08:00",
    "names": ["Bagels, gift set"],
}


class _CodeSerializer(serializers.ModelSerializer):
    channel = serializers.CharField(source="channel.code")
    url = serializers.SerializerMethodField(help_text="Where what it stands for is read and said.")

    def get_url(self, match: SkuMatch) -> str:
        """The address of the match."""
        return reverse("api:sku-match", [match.channel.code, match.code], request=self.context["request"])


@extend_schema_serializer(component_name="MatchComponent")
class ComponentSerializer(serializers.ModelSerializer):
    """Units of a SKU in one piece of what a code stands for."""

    sku = serializers.CharField(source="sku.code")
    merchant = serializers.CharField(source="sku.merchant.code")
    weight = serializers.DecimalField(12, 2, allow_null=True, help_text="Yuan; null: list price × units.")

    class Meta:
        model = MatchComponent
        fields = ["sku", "merchant", "units", "weight"]


class SkuMatchSerializer(_CodeSerializer):
    """What a code of a channel stands for."""

    components = ComponentSerializer(many=True)
    sellable = serializers.IntegerField(
        help_text="Pieces that the channel may sell now: of a bundle, by the component of which there is least."
    )

    class Meta:
        model = SkuMatch
        fields = list(MATCH)


class UnmatchedCodeSerializer(_CodeSerializer):
    """A code that orders wait for."""

    orders = serializers.IntegerField(source="queued.orders", help_text="How many orders wait.")
    units = serializers.IntegerField(source="queued.units", help_text="How many pieces they want.")
    waiting_since = serializers.DateTimeField(source="queued.since", help_text="Since when the first of them waits.")
    names = serializers.ListField(
        child=serializers.CharField(), source="queued.names", help_text="Some of the names under which it came."
    )

    class Meta:
        model = SkuMatch
        fields = list(UNMATCHED)


class NewComponentSerializer(serializers.Serializer):
    """Units of a SKU in one piece."""

    sku = LineField(max_length=64)
    merchant = LineField(max_length=32, required=False, help_text="Whose SKU it is; left out: the caller's own.")
    units = serializers.IntegerField(min_value=1, max_value=MOST_UNITS, required=False)
    weight = serializers.DecimalField(
        *(12, 2),
        min_value=0,
        required=False,
        allow_null=True,
        help_text="Yuan a piece, by which the price is shared among several. Left out: list price × units.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("Another code of one SKU", {"components": [{"sku": "P1095275"}]}, request_only=True),
        OpenApiExample(
            "A bundle",
            {"components": [{"sku": "P1095275", "units": 2}, {"sku": "P1095276", "weight": "5.00"}]},
            request_only=True,
        ),
    ]
)
class NewMatchSerializer(serializers.Serializer):
    """What the code is to stand for."""

    components = NewComponentSerializer(many=True, allow_empty=False, max_length=MOST_COMPONENTS)
