"""What the API takes and shows of grants: what a return would give, and what merchants ask for."""

from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from orders.api.serializers.changing import FollowedGiftSerializer, UnitsSerializer
from orders.api.serializers.money import money_field
from payments.models import GrantKind, RefundGrant

CALCULATION = {
    "amount": "70.00",
    "cash": "70.00",
    "gift_card": "0.00",
    "points": "0.00",
    "share_paid": "85.00",
    "kept_cost": "100.00",
    "gifts_charged": "0.00",
    "freight_kept": "0.00",
    "not_collected": "0.00",
    "lines": [
        {
            "position": 1,
            "name": "电水壶",
            "units": 1,
            "goods": "100.00",
            "freight": "0.00",
            "promotion": "15.00",
            "coupon": "0.00",
            "adjustment": "0.00",
            "points": "0.00",
            "gift_card": "0.00",
            "payable": "85.00",
        }
    ],
    "promotions": [{"code": "FULL-200-30", "name": "满200减30", "share": "15.00", "now": "0.00"}],
    "rules_version": 1,
    "exchanged": "0.00",
}
GRANT = {
    "number": "1364935748662587-G1",
    "order": "1364935748662587",
    "version": 1,
    "kind": "return",
    "state": "proposed",
    "reason": "no_reason",
    "note": "The buyer does not like it",
    "bearer": "merchant",
    "amount": "70.00",
    "cash_amount": "70.00",
    "gift_card_amount": "0.00",
    "points_amount": "0.00",
    "proposed_at": "2026-01-09T09:00:02+08:00",
    "decided_at": None,
    "decline_reason": "",
    "calculation": CALCULATION,
}


class ReturnedLineSerializer(serializers.Serializer):
    """Units of a line that come back, and what they carry of each component (yuan)."""

    position = serializers.IntegerField()
    name = serializers.CharField()
    units = serializers.IntegerField()
    goods = money_field()
    freight = money_field()
    promotion = money_field()
    coupon = money_field()
    adjustment = money_field()
    points = money_field()
    gift_card = money_field()
    payable = money_field()


class PromotionLeftSerializer(serializers.Serializer):
    """What the kept goods have of a promotion by their shares, and what it leaves them (yuan)."""

    code = serializers.CharField()
    name = serializers.CharField()
    share = money_field()
    now = money_field()


@extend_schema_serializer(examples=[OpenApiExample("The dear line of three", CALCULATION, response_only=True)])
class CalculationSerializer(serializers.Serializer):
    """What would go back (yuan), and how that comes about."""

    amount = money_field(help_text="In all: cash, gift card and points.")
    cash = money_field()
    gift_card = money_field()
    points = money_field()
    share_paid = money_field(help_text="What was paid for the returned units, by the apportionment.")
    kept_cost = money_field(help_text="What the kept goods cost, by the promotions that they still reach.")
    gifts_charged = money_field(help_text="Gifts that did not come back, at their stated value.")
    freight_kept = money_field(help_text="The units' freight, which does not go back.")
    not_collected = money_field(help_text="What would be kept beyond what was paid; it is forgiven.")
    lines = ReturnedLineSerializer(many=True)
    promotions = PromotionLeftSerializer(many=True)
    exchanged = money_field(help_text="What does not go back because it pays for goods in exchange.")
    rules_version = serializers.IntegerField(help_text="Of which version of the rules this is.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One unit",
            {"order": "1364935748662587", "reason": "no_reason", "lines": [{"position": 1, "quantity": 1}]},
            request_only=True,
        )
    ]
)
class PreviewSerializer(serializers.Serializer):
    """Which units would come back, and why."""

    order = LineField(max_length=16)
    reason = LineField(max_length=40, help_text="The code of a reason for returns, such as `no_reason`.")
    lines = UnitsSerializer(many=True, allow_empty=False)
    gifts_kept = UnitsSerializer(
        many=True, required=False, help_text="Units of gifts that should come back with them and do not."
    )
    followed_kept = FollowedGiftSerializer(
        many=True, required=False, help_text="Gifts that followed by orders of their own, and did not come back."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A return",
            {
                "kind": "return",
                "reason": "no_reason",
                "note": "The buyer does not like it",
                "lines": [{"position": 1, "quantity": 1}],
            },
            request_only=True,
        ),
        OpenApiExample(
            "Goodwill",
            {"kind": "goodwill", "reason": "late", "note": "Three days late", "amount": "5.00"},
            request_only=True,
        ),
    ]
)
class RefundRequestSerializer(serializers.Serializer):
    """What is asked for: the money of units that came back, or an amount."""

    kind = serializers.ChoiceField(GrantKind.choices)
    reason = LineField(max_length=40, help_text="The code of a reason of that kind.")
    note = LineField(max_length=200)
    amount = money_field(required=False, min_value=Decimal("0.01"), help_text="For all but returns, in yuan.")
    line = serializers.IntegerField(
        required=False, min_value=1, max_value=500, help_text="The position of the line whose price is protected."
    )
    lines = UnitsSerializer(many=True, required=False, allow_empty=False, help_text="For returns: what came back.")
    gifts_kept = UnitsSerializer(many=True, required=False)
    followed_kept = FollowedGiftSerializer(many=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A return names units, all else an amount."""
        needed, other = ("lines", "amount") if attrs["kind"] == GrantKind.RETURN else ("amount", "lines")
        if needed not in attrs:
            raise serializers.ValidationError(
                {needed: [serializers.ErrorDetail(_("This field is required."), "required")]}
            )
        if other in attrs:
            text = _("Leave this out: it says nothing for this kind.")
            raise serializers.ValidationError({other: [serializers.ErrorDetail(text, "contradiction")]})
        return attrs


@extend_schema_serializer(examples=[OpenApiExample("A grant", GRANT, response_only=True)])
class GrantSerializer(serializers.ModelSerializer):
    """That money is to go back, as proposed, granted or declined."""

    order = serializers.CharField(source="order.number")
    reason = serializers.CharField(source="reason.code")
    calculation = CalculationSerializer()

    class Meta:
        model = RefundGrant
        fields = list(GRANT)

    @staticmethod
    def prepare(grants: QuerySet[RefundGrant]) -> QuerySet[RefundGrant]:
        """The query with all that is shown, in one statement."""
        return grants.select_related("order", "reason")
