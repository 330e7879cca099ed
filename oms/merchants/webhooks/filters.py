"""What the log of deliveries can be narrowed by."""

from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet

from oms.common.door.filters import MomentFilter
from oms.merchants.models import DeliveryState, WebhookDelivery


class DeliveryFilter(FilterSet):
    """Narrows the log."""

    endpoint = CharFilter("endpoint__public_id", max_length=30)
    state = ChoiceFilter(choices=DeliveryState.choices)
    type = CharFilter("event__type", max_length=60, help_text="The event type, such as `order.created`.")
    message_id = CharFilter("event__message_id", max_length=40)
    created_after = MomentFilter("created_at", "gte", help_text="Written then or later.")
    created_before = MomentFilter("created_at", "lt", help_text="Written earlier.")

    class Meta:
        model = WebhookDelivery
        fields: list[str] = []
