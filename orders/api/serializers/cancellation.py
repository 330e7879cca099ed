"""What became of cancelling an order."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from orders.api import examples
from orders.changing.cancellation import CancellationState


class CancellationPartSerializer(serializers.Serializer):
    """What one warehouse was asked, and what it did."""

    sub_order = serializers.CharField()
    warehouse = serializers.CharField(help_text="Who is asked.")
    state = serializers.ChoiceField(CancellationState.choices)
    answered_at = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(examples=[OpenApiExample("Asked", examples.CANCELLATION)])
class CancellationSerializer(serializers.Serializer):
    """The last cancellation of an order: done at once, or asked of warehouses that have parts of it already.

    It is `refused` as soon as one of them could not stop its part; what others stopped stays cancelled.
    """

    state = serializers.ChoiceField(CancellationState.choices)
    asked_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    deadline = serializers.DateTimeField(
        allow_null=True, help_text="When staff ask after what was not answered; null where it was done at once."
    )
    asked = CancellationPartSerializer(source="questions", many=True)
