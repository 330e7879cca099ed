"""What the API's lists of payments and refunds can be narrowed by."""

from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet

from oms.common.door.filters import MomentFilter
from payments.models import Payment, PaymentState, Refund, RefundState


class PaymentFilter(FilterSet):
    """Narrows the list of payments."""

    order = CharFilter("order__number", max_length=16, help_text="The number of the order.")
    number = CharFilter(max_length=32)
    state = ChoiceFilter(choices=PaymentState.choices)
    created_after = MomentFilter("created_at", "gte", help_text="Made then or later.")
    created_before = MomentFilter("created_at", "lt", help_text="Made earlier.")
    captured_after = MomentFilter("captured_at", "gte", help_text="Captured then or later.")

    class Meta:
        model = Payment
        fields: list[str] = []


class RefundFilter(FilterSet):
    """Narrows the list of refunds."""

    order = CharFilter("order__number", max_length=16, help_text="The number of the order.")
    number = CharFilter(max_length=32)
    state = ChoiceFilter(choices=RefundState.choices)
    created_after = MomentFilter("created_at", "gte", help_text="Made then or later.")
    created_before = MomentFilter("created_at", "lt", help_text="Made earlier.")

    class Meta:
        model = Refund
        fields: list[str] = []
