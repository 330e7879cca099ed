"""Units that are set aside for carts and quotes."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.reverse import reverse

from inventory.models import HoldPurpose, StockHold, StockHoldState
from oms.common.door.api import LineField
from orders.intake.bodies import MAX_LINES

# As many as an order has, which is to take them over.
MOST_LINES = MAX_LINES
MOST_UNITS = 1_000_000
ALL, EACH = "all", "each"

RESERVATION = {
    "number": "403958221604",
    "url": "https://oms.example/api/v1/reservations/403958221604",
    "state": "held",
    "purpose": "cart",
    "source": "POP01",
    "reference": "cart-881",
    "region_code": "110101",
    "created_at": "2026-01-02T09:20:00+08:00",
    "updated_at": "2026-01-02T09:20:00+08:00",
    "expires_at": "2026-01-02T09:35:00+08:00",
    "order": None,
    "lines": [
        {
            "line": 1,
            "sku": "1000234-SET",
            "goods": [
                {"sku": "P1095275", "merchant": "POP01", "quantity": 2, "held": 2, "ahead": 0},
                {"sku": "P1095276", "merchant": "POP01", "quantity": 1, "held": 1, "ahead": 0},
            ],
        }
    ],
    "refused": [],
}


class WantedLineSerializer(serializers.Serializer):
    """Pieces of a SKU, or of a code of a channel that matches codes (a bundle)."""

    sku = LineField(max_length=64)
    quantity = serializers.IntegerField(min_value=1, max_value=MOST_UNITS)
    merchant = LineField(max_length=32, required=False, help_text="Whose SKU; left out: your own.")


class DurationSerializer(serializers.Serializer):
    """For how long."""

    seconds = serializers.IntegerField(
        min_value=10,
        max_value=max(settings.MOST_HOLD_SECONDS.values()),
        required=False,
        help_text="From now on; left out: as usual for the purpose.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A cart",
            {
                "purpose": "cart",
                "reference": "cart-881",
                "region_code": "110101",
                "seconds": 900,
                "lines": [{"sku": "1000234-SET", "quantity": 1}],
            },
            request_only=True,
        )
    ]
)
class NewReservationSerializer(DurationSerializer):
    """What is to be set aside, for whom and for how long."""

    source = LineField(max_length=40, required=False, allow_blank=True, help_text="The channel; left out: your own.")
    purpose = serializers.ChoiceField(HoldPurpose.choices, default=HoldPurpose.CART)
    reference = LineField(max_length=64, required=False, allow_blank=True, help_text="Your own, such as the cart's.")
    region_code = LineField(max_length=6, required=False, help_text="Where it goes, if that is known: GB/T 2260.")
    mode = serializers.ChoiceField(
        [(ALL, "all or nothing"), (EACH, "each line for itself")],
        default=ALL,
        help_text="Whether one line that is short refuses the others.",
    )
    lines = serializers.ListField(child=WantedLineSerializer(), allow_empty=False, max_length=MOST_LINES)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Not longer than the purpose allows."""
        most = settings.MOST_HOLD_SECONDS[attrs["purpose"]]
        if attrs.get("seconds", 0) > most:
            detail = _("At most %(most)d seconds for this purpose.") % {"most": most}
            raise serializers.ValidationError({"seconds": ErrorDetail(detail, "max_value")})
        return attrs


class GivenBackLineSerializer(serializers.Serializer):
    """Units of a line that go back."""

    line = serializers.IntegerField(min_value=1, max_value=MOST_LINES, help_text="1 is the first.")
    sku = LineField(
        max_length=64, required=False, allow_blank=True, default="", help_text="Of which goods, where it has several."
    )
    quantity = serializers.IntegerField(min_value=1, max_value=MOST_UNITS, help_text="Units.")


class GivenBackSerializer(serializers.Serializer):
    """What goes back of a reservation."""

    lines = serializers.ListField(child=GivenBackLineSerializer(), allow_empty=False, max_length=MOST_LINES)


class HeldGoodsSerializer(serializers.Serializer):
    """Units of a SKU: how many were set aside, and how many still are."""

    sku = serializers.CharField()
    merchant = serializers.CharField()
    quantity = serializers.IntegerField()
    held = serializers.IntegerField(help_text="Fewer where a count found fewer, none once it is over.")
    ahead = serializers.IntegerField(help_text="Of these so many are on order only: an order that names it waits.")


class HeldLineSerializer(serializers.Serializer):
    """A line that was granted."""

    line = serializers.IntegerField(help_text="1 is the first.")
    sku = serializers.CharField(help_text="As you called it.")
    goods = HeldGoodsSerializer(many=True)


class LackSerializer(serializers.Serializer):
    """What a line that was not granted lacks."""

    line = serializers.IntegerField()
    sku = serializers.CharField()
    available = serializers.IntegerField(help_text="Units that the line could have had.")


class ReservationSerializer(serializers.ModelSerializer):
    """Units that are set aside."""

    number = serializers.CharField(help_text="What an order names as its `reservation`.")
    url = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    source = serializers.CharField(source="channel.code")
    region_code = serializers.CharField(source="region_id", allow_null=True)
    updated_at = serializers.DateTimeField(source="changed_at")
    order = serializers.SerializerMethodField(help_text="The number of the order that took it over.")
    lines = HeldLineSerializer(many=True, source="shown_lines")
    refused = LackSerializer(many=True, source="shown_refused", help_text="In the answer to the first call alone.")

    class Meta:
        model = StockHold
        fields = list(RESERVATION)

    def get_url(self, hold: StockHold) -> str:
        """The address of the reservation."""
        return reverse("api:reservation", [hold.number], request=self.context["request"])

    @extend_schema_field(serializers.ChoiceField(StockHoldState.choices))
    def get_state(self, hold: StockHold) -> str:
        """Expired as soon as its time is over."""
        return hold.state_at(timezone.now()).value

    def get_order(self, hold: StockHold) -> str | None:
        """The number of its order."""
        return hold.shown_order  # type: ignore[attr-defined]
