"""What the API's list of parcels can be narrowed by."""

from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet

from logistics.models import Shipment, ShipmentState
from logistics.models.shipment import ShipmentQuerySet
from oms.common.door.filters import MomentFilter
from orders.models import SubOrder


class ShipmentFilter(FilterSet):
    """Narrows the list of parcels."""

    number = CharFilter(max_length=32)
    waybill_number = CharFilter(max_length=40)
    order = CharFilter(method="of_order", max_length=16, help_text="The number of the order.")
    sub_order = CharFilter(method="of_sub_order", max_length=32, help_text="The number of the sub-order.")
    carrier = CharFilter("carrier__code", max_length=20, help_text="The code of the carrier.")
    state = ChoiceFilter(choices=ShipmentState.choices)
    created_after = MomentFilter("created_at", "gte", help_text="Made then or later.")

    class Meta:
        model = Shipment
        fields: list[str] = []

    def of_order(self, queryset: ShipmentQuerySet, name: str, value: str) -> ShipmentQuerySet:
        """Parcels with something of the order."""
        return queryset.of_sub_orders(SubOrder.objects.filter(order__number=value))

    def of_sub_order(self, queryset: ShipmentQuerySet, name: str, value: str) -> ShipmentQuerySet:
        """Parcels with something of the sub-order."""
        return queryset.of_sub_orders(SubOrder.objects.filter(number=value))
