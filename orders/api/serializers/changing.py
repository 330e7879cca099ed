"""What merchants say when they change an order."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField, TextField
from orders.intake.terms import LONGEST_MEMO
from orders.models.terms import Flag


class _MetadataValue(serializers.CharField):
    """A text; at intake too a number is none."""

    def to_internal_value(self, data: Any) -> str:
        """See Field."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


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

    position = serializers.IntegerField(min_value=1, max_value=500, required=False, help_text="The order's line.")
    id = LineField(
        max_length=64,
        required=False,
        help_text="The line as the caller calls it, in place of `position`; `quantity` are whole pieces then, of every"
        " part of a bundle.",
    )
    quantity = serializers.IntegerField(min_value=1, max_value=10_000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A line is named in one way."""
        if ("position" in attrs) == ("id" in attrs):
            raise serializers.ValidationError(_("Name the line by its position, or by your id of it."), "required")
        return attrs


class FollowedGiftSerializer(serializers.Serializer):
    """Units of a gift that followed by an order of its own (`order` of the original order's gifts)."""

    order = LineField(max_length=16, help_text="The order that sent it.")
    position = serializers.IntegerField(min_value=1, max_value=500, help_text="Its line there.")
    quantity = serializers.IntegerField(min_value=1, max_value=10_000)


class SplitSerializer(serializers.Serializer):
    """Which units of which sub-order go by themselves."""

    sub_order = LineField(max_length=32, help_text="The number of the sub-order.")
    lines = UnitsSerializer(many=True, allow_empty=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Marked", {"seller_memo": "Gift wrap", "flag": 1}, request_only=True),
        OpenApiExample(
            "One key set, one removed", {"metadata": {"campaign": "spring", "coupon": None}}, request_only=True
        ),
    ]
)
class MarksSerializer(serializers.Serializer):
    """The seller's marks on an order; what is left out stays."""

    seller_memo = TextField(max_length=LONGEST_MEMO, required=False, allow_blank=True)
    flag = serializers.ChoiceField(Flag.choices, required=False)
    metadata = serializers.DictField(
        child=_MetadataValue(allow_null=True, allow_blank=True, trim_whitespace=False),
        required=False,
        help_text="Keys to set, or, with null, to remove; the other keys stay. Bounded as of a new order, as a whole.",
    )
    carrier = LineField(
        max_length=20,
        required=False,
        allow_blank=True,
        help_text="Code of the carrier that is asked first; empty: none. Before the order is split.",
    )
    warehouse = LineField(
        max_length=40,
        required=False,
        allow_blank=True,
        help_text=(
            "Code of the warehouse that sends what it has all of, before all rules; empty: none. Yours, or one that"
            " keeps goods of several merchants. Before the order is split."
        ),
    )
