"""What the API takes and shows of goods sent again, gifts, and sub-orders that go together."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from orders.api.serializers.changing import UnitsSerializer
from orders.changing.merging import MOST
from orders.models import GiftGrant, OrderLink
from orders.models.gift_rule import GiftStanding
from orders.models.order_link import BY_PEOPLE

REISSUE = {
    "order": "1364935748662595",
    "state": "in_review",
    "units": {"1": 1},
    "reason": "missing",
    "note": "",
    "bearer": "merchant",
    "created_at": "2026-01-09T09:00:02+08:00",
}
GIFT = {
    "rule": "满200送袜子",
    "position": 3,
    "sku": "P000777",
    "quantity": 1,
    "why": {"units": 2, "amount": "218.00", "times": 1},
    "standing": "along",
    "after_days": None,
    "order": "",
    "dropped": "",
    "granted_at": "2026-01-05T10:00:00+08:00",
}


@extend_schema_serializer(examples=[OpenApiExample("A missing unit", REISSUE, response_only=True)])
class ReissueSerializer(serializers.ModelSerializer):
    """An order that sends goods again, for nothing."""

    order = serializers.CharField(source="order.number")
    state = serializers.CharField(source="order.state")
    units = serializers.DictField(
        child=serializers.IntegerField(), help_text="Units of the original order's lines, by position."
    )

    class Meta:
        model = OrderLink
        fields = list(REISSUE)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A missing unit", {"lines": [{"position": 1, "quantity": 1}], "reason": "missing"}, request_only=True
        )
    ]
)
class ReissueRequestSerializer(serializers.Serializer):
    """Which units are sent again, and why."""

    lines = UnitsSerializer(many=True, allow_empty=False)
    reason = serializers.ChoiceField([(reason.value, reason.label) for reason in BY_PEOPLE])
    note = LineField(max_length=200, required=False, default="", allow_blank=True, help_text="Needed for `other`.")


@extend_schema_serializer(examples=[OpenApiExample("A gift", GIFT, response_only=True)])
class GiftGrantSerializer(serializers.ModelSerializer):
    """What a rule gave along with an order, and by which figures."""

    rule = serializers.CharField(source="rule.name")
    position = serializers.SerializerMethodField(help_text="The order's line; null where it follows by another order.")
    sku = serializers.CharField(source="sku_code")
    quantity = serializers.IntegerField(source="units")
    why = serializers.JSONField(help_text="What the rule counted, and how often it gave.")

    standing = serializers.ChoiceField(
        GiftStanding.choices, help_text="`promised`: it follows `after_days` days later."
    )
    order = serializers.SerializerMethodField(help_text="The order that sends it afterwards; empty: none does yet.")

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_position(self, grant: GiftGrant) -> int | None:
        """The line of the order that earned it."""
        return grant.line.position if grant.line and grant.after_days is None else None

    @extend_schema_field(serializers.CharField())
    def get_order(self, grant: GiftGrant) -> str:
        """The number of the order that sends it afterwards."""
        return grant.line.order.number if grant.line and grant.after_days is not None else ""

    class Meta:
        model = GiftGrant
        fields = list(GIFT)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Suspected",
            {
                "sub_order": "1364935748662587-1",
                "other": "1364935748662595-1",
                "order": "1364935748662595",
                "fit": "suspected",
                "obstacle": "",
                "is_merged": False,
            },
            response_only=True,
        )
    ]
)
class MergeableSerializer(serializers.Serializer):
    """A sub-order with one of another order that belongs, or may belong, into the same parcel."""

    sub_order = serializers.CharField(help_text="Its number, or that of the order where it is not split yet.")
    other = serializers.CharField(help_text="The other one.")
    order = serializers.CharField(help_text="The order of the other one.")
    fit = serializers.ChoiceField(
        [("certain", "certain"), ("suspected", "suspected")], help_text="`suspected`: look at it; it is not merged."
    )
    obstacle = serializers.CharField(help_text="Why one of them cannot be merged now, in words; empty: it can.")
    is_merged = serializers.BooleanField(help_text="They go together already.")


@extend_schema_serializer(
    examples=[
        OpenApiExample("Two", {"sub_orders": ["1364935748662587-1", "1364935748662595-1"]}, request_only=True),
        OpenApiExample("Merged", {"sub_orders": ["1364935748662587-1", "1364935748662595-1"]}, response_only=True),
    ]
)
class MergeSerializer(serializers.Serializer):
    """Sub-orders of several orders that go in one parcel, by their numbers."""

    sub_orders = serializers.ListField(child=LineField(max_length=32), min_length=2, max_length=MOST)

    def validate_sub_orders(self, numbers: list[str]) -> list[Any]:
        """Each is named once."""
        if len(set(numbers)) < len(numbers):
            raise serializers.ValidationError(_("Name each sub-order once."), "repeated")
        return numbers


@extend_schema_serializer(examples=[OpenApiExample("One", {"sub_order": "1364935748662587-1"}, request_only=True)])
class UnmergeSerializer(serializers.Serializer):
    """The sub-order that goes by itself again."""

    sub_order = LineField(max_length=32)
