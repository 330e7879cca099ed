"""What the API's list of parcels can be narrowed by."""

from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet

from logistics.models import Shipment, ShipmentState
from oms.common.door.filters import MomentFilter


class ShipmentFilter(FilterSet):
    """Narrows the list of parcels."""

    number = CharFilter(max_length=32)
    waybill_number = CharFilter(max_length=40)
    order = CharFilter("sub_order__order__number", max_length=16, help_text="The number of the order.")
    sub_order = CharFilter("sub_order__number", max_length=32, help_text="The number of the sub-order.")
    carrier = CharFilter("carrier__code", max_length=20, help_text="The code of the carrier.")
    state = ChoiceFilter(choices=ShipmentState.choices)
    created_after = MomentFilter("created_at", "gte", help_text="Made then or later.")
    updated_since = MomentFilter("last_scan_at", "gte", help_text="Scanned then or later.")

    class Meta:
        model = Shipment
        fields: list[str] = []
