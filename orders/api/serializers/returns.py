"""What the API takes and shows of returns."""

from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from orders.api.serializers.changing import FollowedGiftSerializer
from orders.api.serializers.money import money_field
from orders.models import Exchange, ReturnFinding, ReturnLine, ReturnRequest
from orders.models.return_request import BY_REQUEST, ReturnKind

RETURN = {
    "number": "1364935748662587-T1",
    "order": "1364935748662587",
    "sub_order": "1364935748662587-1",
    "version": 2,
    "kind": "return_and_refund",
    "state": "inspected",
    "money_state": "to_grant",
    "reason": "no_reason",
    "remark": "",
    "fault": "buyer",
    "outside_terms": [],
    "agreed_amount": None,
    "followed_kept": [],
    "warehouse": "BJ-01",
    "carrier_name": "顺丰",
    "waybill_number": "SF1234567890",
    "way_back_by": "buyer",
    "way_back_cost": None,
    "exchange": None,
    "is_escalated": False,
    "end_reason": "",
    "created_at": "2026-01-09T09:00:02+08:00",
    "updated_at": "2026-01-12T15:20:41+08:00",
    "due_at": None,
    "decided_at": "2026-01-09T10:12:00+08:00",
    "handed_over_at": "2026-01-10T18:02:11+08:00",
    "arrived_at": "2026-01-12T11:02:40+08:00",
    "received_at": "2026-01-12T11:30:00+08:00",
    "inspected_at": "2026-01-12T15:20:41+08:00",
    "ended_at": None,
    "lines": [
        {
            "position": 1,
            "sku": "P000123",
            "announced": 1,
            "quantity": 1,
            "found": [{"found": "good", "quantity": 1}],
            "serials": [],
        }
    ],
}


class ReturnFindingSerializer(serializers.ModelSerializer):
    """Units that inspection found in one condition."""

    class Meta:
        model = ReturnFinding
        fields = ["found", "quantity"]


class ReturnLineSerializer(serializers.ModelSerializer):
    """Units of a line that come back."""

    position = serializers.IntegerField(source="sub_order_line.order_line.position", help_text="The order's line.")
    sku = serializers.CharField(source="sub_order_line.order_line.sku.code")
    announced = serializers.IntegerField(source="announced_quantity", help_text="Units that were asked for.")
    quantity = serializers.IntegerField(help_text="Units that it is for; more where more came.")
    found = ReturnFindingSerializer(source="findings", many=True)
    serials = serializers.SlugRelatedField(
        slug_field="serial", many=True, read_only=True, help_text="Serial numbers of the units that came back."
    )

    class Meta:
        model = ReturnLine
        fields = ["position", "sku", "announced", "quantity", "found", "serials"]


class ExchangeSerializer(serializers.ModelSerializer):
    """What is sent for goods that come back."""

    order = serializers.CharField(
        source="new_order.number", default=None, allow_null=True, help_text="The order of the new goods, once begun."
    )

    class Meta:
        model = Exchange
        fields = ["order", "leaves", "begun_at", "settled_at", "ended_at", "end_reason"]


@extend_schema_serializer(examples=[OpenApiExample("An inspected return", RETURN, response_only=True)])
class ReturnSerializer(serializers.ModelSerializer):
    """A return: where its goods are (`state`) and where its money is (`money_state`)."""

    order = serializers.CharField(source="order.number")
    sub_order = serializers.CharField(source="sub_order.number")
    reason = serializers.CharField(source="reason.code")
    warehouse = serializers.CharField(source="warehouse.code", default=None, allow_null=True)
    outside_terms = serializers.ListField(
        child=serializers.CharField(), help_text="Codes of what speaks against it by the terms."
    )
    due_at = serializers.DateTimeField(source="ready_at", allow_null=True, help_text="The next deadline.")
    exchange = ExchangeSerializer(
        default=None, allow_null=True, help_text="Of an exchange: what is sent for the goods that come back."
    )
    followed_kept = FollowedGiftSerializer(
        many=True, help_text="Gifts that followed by orders of their own, and stay with the buyer as it was said."
    )
    lines = ReturnLineSerializer(many=True)

    class Meta:
        model = ReturnRequest
        fields = list(RETURN)

    @staticmethod
    def prepare(returns: QuerySet[ReturnRequest]) -> QuerySet[ReturnRequest]:
        """The query with all that is shown, in four statements."""
        lines = ReturnLine.objects.select_related("sub_order_line__order_line__sku").order_by("pk")
        return returns.select_related(
            "order", "sub_order", "reason", "warehouse", "exchange__new_order"
        ).prefetch_related(Prefetch("lines", lines.prefetch_related("findings", "serials")))


class NewGoodsSerializer(serializers.Serializer):
    """Units of a SKU that an exchange sends."""

    sku = LineField(max_length=64)
    quantity = serializers.IntegerField(min_value=1, max_value=10_000)
    merchant = LineField(
        max_length=64, required=False, default="", allow_blank=True, help_text="Its merchant; empty: the channel's."
    )


class UnitsBackSerializer(serializers.Serializer):
    """Units of a line."""

    position = serializers.IntegerField(min_value=1, max_value=500, help_text="The order's line.")
    quantity = serializers.IntegerField(min_value=1, max_value=10_000)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One unit",
            {
                "sub_order": "1364935748662587-1",
                "kind": "return_and_refund",
                "reason": "no_reason",
                "lines": [{"position": 1, "quantity": 1}],
            },
            request_only=True,
        )
    ]
)
class ReturnRequestSerializer(serializers.Serializer):
    """Which units come back, or are to be paid for, and why."""

    sub_order = LineField(max_length=32)
    kind = serializers.ChoiceField([(kind.value, kind.label) for kind in ReturnKind if kind in BY_REQUEST])
    reason = LineField(max_length=40, help_text="The code of a reason of returns, such as `no_reason`.")
    remark = LineField(max_length=300, required=False, default="", allow_blank=True)
    agreed_amount = money_field(
        required=False,
        min_value=Decimal("0.01"),
        help_text="For `refund_only`: so many yuan in place of the units' price.",
    )
    lines = UnitsBackSerializer(many=True, allow_empty=False)
    goods = NewGoodsSerializer(
        many=True, required=False, default=list, help_text="For `exchange`: the new goods; none: the same again."
    )
    followed_kept = FollowedGiftSerializer(
        many=True,
        required=False,
        default=list,
        help_text="Gifts that followed by orders of their own, and stay with the buyer though the goods come back: what"
        " they count for is kept of the money.",
    )

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Each line is named once."""
        if len({line["position"] for line in lines}) < len(lines):
            raise serializers.ValidationError(_("Name each line once."), "repeated")
        return lines

    def validate_followed_kept(self, gifts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Each gift is named once."""
        if len({(gift["order"], gift["position"]) for gift in gifts}) < len(gifts):
            raise serializers.ValidationError(_("Name each line once."), "repeated")
        return gifts


@extend_schema_serializer(
    examples=[
        OpenApiExample("Approved", {"decision": "approve"}, request_only=True),
        OpenApiExample("Declined", {"decision": "decline", "reason": "The goods are worn"}, request_only=True),
    ]
)
class DecisionSerializer(serializers.Serializer):
    """Whether the return has ground."""

    decision = serializers.ChoiceField([("approve", "approve"), ("decline", "decline")])
    reason = LineField(max_length=200, required=False, default="", allow_blank=True, help_text="Why it is declined.")


@extend_schema_serializer(
    examples=[OpenApiExample("Sent", {"carrier": "SF", "waybill": "SF1234567890"}, request_only=True)]
)
class ReturnWaybillSerializer(serializers.Serializer):
    """Under which waybill the goods are on their way back."""

    carrier = LineField(
        max_length=40, required=False, default="", allow_blank=True, help_text="Its code or name; empty: not known."
    )
    waybill = LineField(max_length=40)


class EscalationSerializer(serializers.Serializer):
    """Why the platform is to decide."""

    reason = LineField(max_length=200)
