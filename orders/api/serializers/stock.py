"""Units of SKUs in warehouses, and their changes."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.reverse import reverse

from inventory.counting import MOST_UNITS
from inventory.models import Stock
from inventory.models.counts import MOST_OF_A_REFERENCE
from oms.common.door.api import LineField
from oms.common.door.schema import ErrorSerializer

MAX_STOCK_ROWS = 5000


class StockSerializer(serializers.ModelSerializer):
    """Units of one of the merchant's SKUs in a warehouse."""

    url = serializers.SerializerMethodField()
    sku = serializers.CharField(source="sku.code")
    warehouse = serializers.CharField(source="warehouse.code")
    available = serializers.IntegerField(
        help_text="What can be promised: on hand less reserved, frozen and safety stock, never below 0."
    )
    writable = serializers.SerializerMethodField(help_text="Whether the warehouse is the merchant's own.")

    class Meta:
        model = Stock
        fields = [
            *("sku", "warehouse", "url", "version", "on_hand", "reserved", "frozen", "safety_stock", "available"),
            "writable",
        ]

    @staticmethod
    def prepare(stock: QuerySet[Stock]) -> QuerySet[Stock]:
        """The query with all that is shown, in one statement."""
        return stock.select_related("sku", "warehouse").only(
            *("version", "on_hand", "reserved", "frozen", "safety_stock", "sku__code", "sku__merchant_id"),
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


class CountedRowSerializer(serializers.Serializer):
    """Units of a SKU that lie there."""

    sku = LineField(max_length=64, help_text="SKU code or barcode.")
    units = serializers.IntegerField(min_value=0, max_value=MOST_UNITS)


_COUNT = {
    "reference": "ST-2026-11",
    "warehouse": "POP01-WH",
    "reason": "stock-take of November",
    "rows": [{"sku": "P1095275", "units": 38}, {"sku": "6901234567892", "units": 0}],
}


@extend_schema_serializer(examples=[OpenApiExample("A stock-take", _COUNT, request_only=True)])
class NewCountSerializer(serializers.Serializer):
    """What was counted. Told again by the same reference it is booked no second time."""

    reference = LineField(max_length=MOST_OF_A_REFERENCE, help_text="Unique at the warehouse.")
    warehouse = LineField(max_length=32, help_text="One of the merchant's own.")
    reason = LineField(max_length=200, help_text="Why the figures may differ; kept with the count.")
    rows = CountedRowSerializer(many=True, allow_empty=False, max_length=MAX_STOCK_ROWS)


class CountResultSerializer(serializers.Serializer):
    """What came of one row of a count."""

    index = serializers.IntegerField()
    sku = serializers.CharField(help_text="As it was given.")
    status = serializers.ChoiceField(["counted", "refused"])
    expected = serializers.IntegerField(required=False, help_text="What the books said.")
    counted = serializers.IntegerField(required=False)
    missing = serializers.IntegerField(
        required=False,
        help_text="Units that lack though sub-orders at the warehouse have them promised: frozen, not taken off.",
    )
    errors = ErrorSerializer(many=True, required=False)


class CountResultsSerializer(serializers.Serializer):
    """One result for each row, in the same order."""

    results = CountResultSerializer(many=True)
