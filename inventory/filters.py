"""What the API's list of SKUs can be narrowed by."""

from django.db.models import Q, QuerySet
from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet

from inventory.models import Sku, SkuBarcode, StorageClass
from inventory.models.catalogue import MOST_OF_A_BARCODE


def found_skus(skus: QuerySet[Sku], text: str) -> QuerySet[Sku]:
    """Those whose code or barcode is the text; where there are none, those with the text in their name."""
    text = text.strip()
    if not text:
        return skus
    exact = Q(code=text) | Q(pk__in=SkuBarcode.objects.filter(code=text).values("sku"))
    return skus.filter(exact) if skus.filter(exact).exists() else skus.filter(name__icontains=text)


class SkuFilter(FilterSet):
    """Narrows the list of SKUs."""

    code = CharFilter(max_length=64)
    barcode = CharFilter("barcodes__code", max_length=MOST_OF_A_BARCODE)
    name = CharFilter("name", "icontains", max_length=200, help_text="Part of the name.")
    category = CharFilter(max_length=120)
    storage_class = ChoiceFilter(choices=StorageClass.choices)
    is_active = ChoiceFilter(choices=[("true", "true"), ("false", "false")], method="filter_active")

    class Meta:
        model = Sku
        fields: list[str] = []

    def filter_active(self, skus, name: str, value: str):  # type: ignore[no-untyped-def]
        """SKUs that can be ordered, or cannot."""
        return skus.filter(is_active=value == "true")
