"""What the API shows and takes of SKUs."""

from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.reverse import reverse

from inventory import costing
from inventory.models import Sku, SkuBarcode, StorageClass
from inventory.models.catalogue import MOST_BARCODES, MOST_G, MOST_MM, MOST_OF_A_BARCODE
from oms.common.door.api import LineField
from oms.common.tax import TaxMark

EXAMPLE = {
    "code": "P1095275",
    "url": "https://oms.example/api/v1/skus/P1095275",
    "version": 2,
    "name": "Rolls: Bagels 4 Oz",
    "brand": "National",
    "department": "GROCERY",
    "category": "ROLLS",
    "storage_class": "ambient",
    "weight_g": 113,
    "length_mm": 120,
    "width_mm": 120,
    "height_mm": 60,
    "barcodes": ["6901234567892"],
    "unit_of_measure": "袋",
    "wants_batches": True,
    "wants_serials": False,
    "list_price": "10.00",
    "floor_price": "8.00",
    "cost_price": "6.20",
    "is_active": True,
    "tax_code": "1030201030000000000",
    "tax_name": "焙烤食品",
    "tax_rate": "0.130",
    "tax_mark": "",
}
_READ = {"url", "version"}


@extend_schema_serializer(examples=[OpenApiExample("A SKU", EXAMPLE, response_only=True)])
class SkuSerializer(serializers.ModelSerializer):
    """A sellable article of the merchant."""

    url = serializers.SerializerMethodField()
    barcodes = serializers.SerializerMethodField()
    cost_price = serializers.SerializerMethodField(help_text="Yuan, in force today; null: nobody said it.")

    class Meta:
        model = Sku
        fields = list(EXAMPLE)

    @staticmethod
    def prepare(skus: QuerySet[Sku]) -> QuerySet[Sku]:
        """The query with all that is shown, in one statement."""
        codes = ArraySubquery(SkuBarcode.objects.filter(sku=OuterRef("pk")).order_by("pk").values("code"))
        columns = (name for name in EXAMPLE if name not in ("url", "barcodes", "cost_price"))
        return skus.only(*columns).annotate(barcode_codes=codes, cost_now=costing.now_of("pk"))

    def get_barcodes(self, sku: Sku) -> list[str]:
        """What is printed on it."""
        known: list[str] | None = getattr(sku, "barcode_codes", None)
        return known if known is not None else list(sku.barcodes.values_list("code", flat=True))

    @extend_schema_field(serializers.DecimalField(12, 2, allow_null=True))
    def get_cost_price(self, sku: Sku) -> str | None:
        """What a unit costs today."""
        known = sku.cost_now if hasattr(sku, "cost_now") else costing.of_today([sku.pk]).get(sku.pk)
        return None if known is None else f"{known:.2f}"

    def get_url(self, sku: Sku) -> str:
        """The address of the SKU."""
        return reverse("api:sku", [sku.code], request=self.context["request"])


class SizeField(serializers.IntegerField):
    """A side of an article, in millimetres."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MOST_MM, required=False, allow_null=True, **kwargs)


@extend_schema_serializer(
    examples=[OpenApiExample("Another price", {"list_price": "12.50", "name": "Bagels"}, request_only=True)]
)
class SkuChangeSerializer(serializers.Serializer):
    """What may change of a SKU. Its storage class stays: orders were split by it."""

    name = LineField(max_length=200, required=False)
    brand = LineField(max_length=80, required=False, allow_blank=True)
    department = LineField(max_length=80, required=False, allow_blank=True)
    category = LineField(max_length=120, required=False, allow_blank=True)
    weight_g = serializers.IntegerField(min_value=0, max_value=MOST_G, required=False, help_text="Grams.")
    length_mm = SizeField(
        help_text="Millimetres; given with the other two, or null with them: then mass alone is weighed."
    )
    width_mm = SizeField(help_text="Millimetres.")
    height_mm = SizeField(help_text="Millimetres.")
    barcodes = serializers.ListField(
        child=LineField(max_length=MOST_OF_A_BARCODE),
        required=False,
        max_length=MOST_BARCODES,
        help_text="All of its barcodes; no other SKU of the merchant has the same.",
    )
    unit_of_measure = LineField(max_length=20, required=False, allow_blank=True, help_text="Such as 件 or 箱.")
    wants_batches = serializers.BooleanField(
        required=False,
        help_text="Whether units are told apart by batch and best-before.",
    )
    wants_serials = serializers.BooleanField(required=False, help_text="Whether each unit has a serial number.")
    list_price = serializers.DecimalField(12, 2, min_value=0, required=False, help_text="Yuan; 0: none is known.")
    floor_price = serializers.DecimalField(
        *(12, 2),
        min_value=0,
        required=False,
        allow_null=True,
        help_text="Yuan; what an order takes off makes no unit cheaper. Null: no floor.",
    )
    cost_price = serializers.DecimalField(
        *(12, 2),
        min_value=0,
        required=False,
        help_text="Yuan; what a unit costs you from `cost_from` on. What orders of before cost stays as it was.",
    )
    cost_from = serializers.DateField(
        required=False, write_only=True, help_text="A day of China's; without it: today. Only with `cost_price`."
    )
    is_active = serializers.BooleanField(required=False, help_text="Whether it can be ordered.")
    tax_code = serializers.RegexField(
        r"^([0-9]{19})?\Z",
        required=False,
        allow_blank=True,
        help_text="Tax class (税收分类编码), 19 digits; empty: not said.",
    )
    tax_name = LineField(max_length=40, required=False, allow_blank=True, help_text="Short name of the tax class.")
    tax_rate = serializers.DecimalField(
        *(4, 3),
        min_value=0,
        max_value=Decimal("0.5"),
        required=False,
        allow_null=True,
        help_text="Rate of VAT as a share, 0.13 for 13 %; null: not said.",
    )
    tax_mark = serializers.ChoiceField(
        TaxMark.choices, required=False, allow_blank=True, help_text="Why no tax is charged, for a rate of 0."
    )

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what cannot be changed rather than pass over it."""
        fixed = sorted({"code", "storage_class"} & set(data)) if isinstance(data, dict) else []
        if fixed and type(self) is SkuChangeSerializer:
            raise serializers.ValidationError({name: _("This cannot be changed.") for name in fixed}, "fixed")
        return super().to_internal_value(data)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A SKU", {name: value for name, value in EXAMPLE.items() if name not in _READ}, request_only=True
        )
    ]
)
class NewSkuSerializer(SkuChangeSerializer):
    """A new SKU of the merchant."""

    code = serializers.RegexField(
        r"^[0-9A-Za-z][0-9A-Za-z._:#-]{0,63}\Z", max_length=64, help_text="Unique among the merchant's SKUs."
    )
    name = LineField(max_length=200)
    storage_class = serializers.ChoiceField(StorageClass.choices)
