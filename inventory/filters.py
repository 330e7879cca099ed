"""What the API's list of SKUs can be narrowed by."""

from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet

from inventory.models import Sku, StorageClass


class SkuFilter(FilterSet):
    """Narrows the list of SKUs."""

    code = CharFilter(max_length=64)
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
