"""What merchants say when they change an order."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField, TextField


class NoteSerializer(serializers.Serializer):
    """A note of the merchant on an order; staff read it, and staff's own notes stay theirs."""

    at = serializers.DateTimeField(source="created_at", read_only=True)
    text = TextField(max_length=2000)


class RecipientChangeSerializer(serializers.Serializer):
    """What to change of the recipient; what is left out stays."""

    name = LineField(max_length=80, required=False)
    phone = LineField(max_length=40, required=False)
    region_code = LineField(max_length=6, required=False, help_text="County-level division, GB/T 2260.")
    address = LineField(max_length=200, required=False)


class UnitsSerializer(serializers.Serializer):
    """Units of a line."""

    position = serializers.IntegerField(min_value=1, max_value=500, help_text="The order's line.")
    quantity = serializers.IntegerField(min_value=1, max_value=10_000)


@extend_schema_serializer(
    examples=[
        OpenApiExample("The whole order", {"reason": "The buyer changed his mind"}, request_only=True),
        OpenApiExample(
            "One unit of a line",
            {"reason": "One is enough", "lines": [{"position": 1, "quantity": 1}]},
            request_only=True,
        ),
    ]
)
class CancelSerializer(serializers.Serializer):
    """Why, and which units if not all."""

    reason = LineField(max_length=200)
    lines = UnitsSerializer(many=True, required=False, allow_empty=False, help_text="Left out: the whole order.")
