"""Cancelling orders: what is asked for, what it would do, and what became of it."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from oms.common.door.schema import ErrorSerializer
from oms.common.money import fen_text
from orders.api import examples
from orders.api.serializers.changing import UnitsSerializer
from orders.changing.cancellation import CancellationState
from orders.models import SubOrderState

MOST_AT_ONCE = 200


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


class _Wish(serializers.Serializer):
    """Why, and what of the order if not all."""

    reason = LineField(max_length=200, required=False, help_text="In your own words.")
    reason_code = LineField(
        max_length=40,
        required=False,
        help_text="A reason of our list, such as `changed_mind`.",
    )
    lines = UnitsSerializer(
        many=True,
        required=False,
        allow_empty=False,
        help_text="Units that no warehouse has yet.",
    )
    sub_orders = serializers.ListField(
        child=LineField(max_length=32),
        required=False,
        allow_empty=False,
        help_text="Numbers of sub-orders to cancel as a whole; what a warehouse has is asked back.",
    )
    rest = serializers.BooleanField(required=False, help_text="All that has not left yet.")
    restocks = serializers.BooleanField(
        required=False, help_text="False: units given back are frozen where they lie. True unless told otherwise."
    )
    tells_buyer = serializers.BooleanField(
        required=False, help_text="Whether we tell the buyer. False unless told otherwise."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """There is a reason, and one way of saying what."""
        if not attrs.get("reason") and not attrs.get("reason_code"):
            raise serializers.ValidationError({"reason": [_("Give a reason, or the code of one.")]}, "required")
        if attrs.get("rest") and (attrs.get("lines") or attrs.get("sub_orders")):
            raise serializers.ValidationError({"rest": [_("Name lines and sub-orders, or ask for the rest.")]})
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample("The whole order", {"reason": "The buyer changed his mind"}, request_only=True),
        OpenApiExample(
            "One unit of a line",
            {"reason": "One is enough", "lines": [{"position": 1, "quantity": 1}]},
            request_only=True,
        ),
        OpenApiExample(
            "One unit of a line by the caller's id",
            {"reason": "One is enough", "lines": [{"id": "L1", "quantity": 1}]},
            request_only=True,
        ),
        OpenApiExample(
            "What it would do to cancel what has not left yet",
            {"reason_code": "too_late", "rest": True, "preview": True},
            request_only=True,
        ),
    ]
)
class CancelSerializer(_Wish):
    """What of the order is cancelled and why."""

    preview = serializers.BooleanField(required=False, help_text="Only say what it would do; nothing is changed.")


class OrderToCancelSerializer(_Wish):
    """One order of many; without a version it is cancelled as it is then."""

    number = LineField(max_length=16, help_text="The order's number.")
    version = serializers.IntegerField(min_value=1, required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two orders",
            {"orders": [{"number": "1364935748662587", "reason_code": "out_of_stock"}, {"number": "2", "reason": "x"}]},
            request_only=True,
        )
    ]
)
class ManyToCancelSerializer(serializers.Serializer):
    """Orders to cancel, each by itself."""

    orders = OrderToCancelSerializer(many=True, allow_empty=False, max_length=MOST_AT_ONCE)


class CancelledSerializer(serializers.Serializer):
    """What came of one order of the call."""

    index = serializers.IntegerField(help_text="Its place in `orders`, from 0.")
    number = serializers.CharField()
    status = serializers.ChoiceField(["cancelled", "asked", "refused"], help_text="`asked`: a warehouse has to agree.")
    state = serializers.CharField(required=False, help_text="Of the order by now.")
    errors = ErrorSerializer(many=True, required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One cancelled, one unknown",
            {
                "results": [
                    {"index": 0, "number": "1364935748662587", "status": "cancelled", "state": "cancelled"},
                    {
                        "index": 1,
                        "number": "2",
                        "status": "refused",
                        "errors": [
                            {
                                "attr": "number",
                                "code": "not_found",
                                "detail": "There is no such order.",
                            }
                        ],
                    },
                ]
            },
            response_only=True,
        )
    ]
)
class ManyCancelledSerializer(serializers.Serializer):
    """One result for each order of the call, in the same order."""

    results = CancelledSerializer(many=True)


class FenField(serializers.Field):
    """An amount in fen, shown in yuan as text."""

    def to_representation(self, value: int) -> str:
        """See Field."""
        return fen_text(value)


class PreviewLineSerializer(serializers.Serializer):
    """Units of a line that would go, of those that are left."""

    position = serializers.IntegerField()
    sku = serializers.CharField()
    name = serializers.CharField()
    units = serializers.IntegerField()
    left = serializers.IntegerField()
    amount = FenField(help_text="What the buyer pays for these units, by all tenders.")


class PreviewPromotionSerializer(serializers.Serializer):
    """What the kept goods have of a promotion by their shares, and what it leaves them now."""

    code = serializers.CharField()
    share = FenField()
    now = FenField()


class PreviewAskedSerializer(serializers.Serializer):
    """A sub-order that its warehouse would be asked to give up."""

    sub_order = serializers.CharField(source="number")
    warehouse = serializers.CharField()
    state = serializers.ChoiceField(SubOrderState.choices)
    units = serializers.IntegerField()
    is_likely = serializers.BooleanField(help_text="Whether warehouses usually still agree.")
    deadline = serializers.DateTimeField()


class CancelPreviewSerializer(serializers.Serializer):
    """What a cancellation would do. Amounts in yuan."""

    version = serializers.IntegerField(help_text="Of the order: send it as If-Match to do just this.")
    is_whole = serializers.BooleanField(help_text="Whether nothing of the order is left.")
    lines = PreviewLineSerializer(many=True)
    refunded = FenField(help_text="Paid already, goes back at once in cash.")
    not_to_be_paid = FenField(help_text="Not paid yet, and not owed any more.")
    gift_card = FenField(source="back.gift_card")
    points = FenField(source="back.points")
    freight = FenField(help_text="What of it is freight.")
    kept_back = FenField(help_text="What does not go back, because kept goods lose a promotion.")
    back_if_given_up = FenField(source="back_if_given_up.total", help_text="Goes back besides if all asked agree.")
    promotions = PreviewPromotionSerializer(many=True)
    parcels = serializers.IntegerField(help_text="How many fewer are sent.")
    asked = PreviewAskedSerializer(many=True)
