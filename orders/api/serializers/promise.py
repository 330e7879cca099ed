"""What a quote is asked with, and what it answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from inventory.models import StorageClass
from oms.common.door.api import LineField
from orders.intake.bodies import MAX_LINES
from orders.models import PaymentMethod

MOST_UNITS = 10_000


class BasketLineSerializer(serializers.Serializer):
    """Units of a SKU."""

    sku = LineField(max_length=64)
    merchant = LineField(max_length=32, required=False, help_text="Whose SKU; left out: your own.")
    quantity = serializers.IntegerField(min_value=1, max_value=MOST_UNITS)
    unit_price = serializers.DecimalField(
        *(12, 2), min_value=0, required=False, help_text="Yuan; counts where cash is collected. Left out: list price."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A basket for Beijing",
            {"region_code": "110101", "lines": [{"sku": "P1095275", "quantity": 2}]},
            request_only=True,
        ),
        OpenApiExample(
            "By address, to be paid in cash",
            {
                "address": "北京市东城区东长安街1号",
                "payment_method": "cod",
                "lines": [{"sku": "P1095275", "quantity": 2, "unit_price": "10.00"}],
            },
            request_only=True,
        ),
    ]
)
class PromiseRequestSerializer(serializers.Serializer):
    """A basket and where it goes: a region code, or an address in free text that names a county."""

    region_code = LineField(max_length=6, required=False, help_text="County-level division, GB/T 2260.")
    address = LineField(max_length=200, required=False, help_text="Read where there is no region code.")
    source = LineField(
        max_length=40,
        default="",
        allow_blank=True,
        help_text="The channel that sells it, by whose rules it is split and sent; left out: your own.",
    )
    payment_method = serializers.ChoiceField(PaymentMethod.choices, default=PaymentMethod.PREPAID)
    lines = serializers.ListField(child=BasketLineSerializer(), allow_empty=False, max_length=MAX_LINES)


class ReasonSerializer(serializers.Serializer):
    """Why: a code with its values beside it, such as `{"code": "lane_days", "days": 2, "half": 1}`."""

    code = serializers.CharField()

    def to_representation(self, instance: Any) -> Any:
        """The code with its values."""
        return instance


class QuotedUnitsSerializer(serializers.Serializer):
    """Units of a line of the basket."""

    line = serializers.IntegerField(help_text="Its place in the basket, from 0.")
    sku = serializers.CharField()
    quantity = serializers.IntegerField()


class QuotedParcelSerializer(serializers.Serializer):
    """A parcel to expect."""

    warehouse = serializers.CharField(allow_null=True, help_text="Null: another merchant's.")
    merchant = serializers.CharField()
    storage_class = serializers.ChoiceField(StorageClass.choices)
    weight_g = serializers.IntegerField(help_text="Grams.")
    is_size_known = serializers.BooleanField(help_text="Whether all sizes are known; else mass alone is billed.")
    lines = QuotedUnitsSerializer(many=True)
    why = ReasonSerializer(
        allow_null=True, help_text="Why it travels by itself: other_merchant, other_warehouse, split_rule …"
    )
    expected_on = serializers.DateField(
        allow_null=True,
        help_text="Its goods are on order or on their way: when they should come.",
    )


class QuotedCarriageSerializer(serializers.Serializer):
    """How one parcel would go."""

    parcel = serializers.IntegerField(help_text="Its place among `parcels`, from 0.")
    carrier = serializers.CharField()
    service = serializers.CharField()
    leaves_at = serializers.DateTimeField(help_text="The cut-off that it goes with.")
    planned_on = serializers.DateField(help_text="Half of such parcels are there by then.")
    latest_at = serializers.DateTimeField(help_text="What is promised.")
    freight = serializers.CharField(help_text="Yuan.")
    billing_weight_g = serializers.IntegerField(help_text="Grams that are paid for.")
    is_by_volume = serializers.BooleanField(help_text="Whether volume made the billing weight, not mass.")
    reasons = ReasonSerializer(many=True)


class RefusedParcelSerializer(serializers.Serializer):
    """Why one parcel cannot have a level."""

    parcel = serializers.IntegerField()
    reason = ReasonSerializer()


class QuotedLevelSerializer(serializers.Serializer):
    """A service level for the whole basket: its latest parcel's date. Null dates where it cannot be had."""

    code = serializers.CharField()
    name = serializers.CharField()
    is_possible = serializers.BooleanField()
    latest_at = serializers.DateTimeField(allow_null=True)
    is_provisional = serializers.BooleanField(help_text="It lies in a year whose holidays are not published yet.")
    fee = serializers.CharField(help_text="Yuan, for the level; in `freight` already.")
    freight = serializers.CharField(allow_null=True, help_text="Yuan, of all parcels and the level.")
    parcels = QuotedCarriageSerializer(many=True)
    refusals = RefusedParcelSerializer(many=True)


class QuotedSlotSerializer(serializers.Serializer):
    """Hours for an appointment in which there was room."""

    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    name = serializers.CharField()
    fee = serializers.CharField(help_text="Yuan.")


class PossibilitySerializer(serializers.Serializer):
    """Whether something can be had there, and if not, why."""

    is_possible = serializers.BooleanField()
    reason = ReasonSerializer(allow_null=True)


_QUOTE = {
    "region_code": "110101",
    "quoted_at": "2026-11-26T02:00:00Z",
    "parcels": [
        {
            "warehouse": "WH-BJ",
            "merchant": "M1",
            "storage_class": "normal",
            "weight_g": 800,
            "is_size_known": True,
            "lines": [{"line": 0, "sku": "A001", "quantity": 2}],
            "why": None,
            "expected_on": None,
        }
    ],
    "levels": [
        {
            "code": "NEXT_DAY",
            "name": "次日达",
            "is_possible": True,
            "latest_at": "2026-11-27T15:00:00Z",
            "is_provisional": False,
            "fee": "0.00",
            "freight": "6.00",
            "refusals": [],
            "parcels": [
                {
                    "parcel": 0,
                    "carrier": "SF",
                    "service": "premium",
                    "leaves_at": "2026-11-26T10:00:00Z",
                    "planned_on": "2026-11-27",
                    "latest_at": "2026-11-27T15:00:00Z",
                    "freight": "6.00",
                    "billing_weight_g": 1000,
                    "is_by_volume": False,
                    "reasons": [],
                }
            ],
        }
    ],
    "short": [],
    "virtual": [],
    "cash_on_delivery": {"is_possible": True, "reason": None},
    "invoice": {"is_possible": True, "reason": None},
    "appointments": [],
}


@extend_schema_serializer(examples=[OpenApiExample("A quote", _QUOTE, response_only=True)])
class QuoteSerializer(serializers.Serializer):
    """The answer to a basket. Nothing is reserved by it."""

    region_code = serializers.CharField()
    quoted_at = serializers.DateTimeField()
    parcels = QuotedParcelSerializer(many=True)
    levels = QuotedLevelSerializer(many=True, help_text="The earliest first, those that cannot be had last.")
    short = QuotedUnitsSerializer(many=True, help_text="What no warehouse has now.")
    virtual = QuotedUnitsSerializer(many=True, help_text="What needs no parcel.")
    cash_on_delivery = PossibilitySerializer()
    invoice = PossibilitySerializer()
    appointments = QuotedSlotSerializer(many=True, help_text="Of the next seven days from the earliest arrival on.")
