"""What the API takes and shows of the money of exchanges."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from oms.common.money import fen_text
from orders.api.serializers.money import money_field
from orders.api.serializers.returns import NewGoodsSerializer, UnitsBackSerializer
from payments.exchanging.beginning import ExchangePreview
from payments.granting.serializers import CALCULATION, CalculationSerializer

_LINE = {
    "sku": "P000124",
    "name": "T恤 L",
    "quantity": 1,
    "unit_price": "129.00",
    "discount": "0.00",
    "amount": "129.00",
    "is_old_price": False,
    "sellable": 12,
}
PREVIEW = {
    "lines": [_LINE],
    "gives": "100.00",
    "costs": "129.00",
    "credit": "100.00",
    "to_pay": "29.00",
    "goes_back": "0.00",
    "leaves": "received",
    "calculation": CALCULATION,
}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "For another size",
            {
                "sub_order": "1364935748662587-1",
                "reason": "no_reason",
                "lines": [{"position": 1, "quantity": 1}],
                "goods": [{"sku": "P000124", "quantity": 1}],
            },
            request_only=True,
        )
    ]
)
class ExchangeRequestSerializer(serializers.Serializer):
    """Which units would come back, why, and for which goods."""

    sub_order = LineField(max_length=32)
    reason = LineField(max_length=40, help_text="The code of a reason of returns, such as `no_reason`.")
    lines = UnitsBackSerializer(many=True, allow_empty=False)
    goods = NewGoodsSerializer(many=True, required=False, default=list, help_text="None: the same goods again.")


class ExchangeLineSerializer(serializers.Serializer):
    """A line of the new order."""

    sku = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = money_field()
    discount = money_field()
    amount = money_field(help_text="What the line costs.")
    is_old_price = serializers.BooleanField(help_text="Whether it costs what the units that come back had.")
    sellable = serializers.IntegerField(help_text="Units that the channel may sell now.")


@extend_schema_serializer(examples=[OpenApiExample("A dearer item", PREVIEW, response_only=True)])
class ExchangePreviewSerializer(serializers.Serializer):
    """What an exchange comes to."""

    lines = ExchangeLineSerializer(many=True)
    gives = money_field(help_text="What the goods that come back are worth.")
    costs = money_field(help_text="What the new goods cost.")
    credit = money_field(help_text="What of it those pay.")
    to_pay = money_field(help_text="What the buyer is asked for; the new goods wait for it.")
    goes_back = money_field(help_text="What goes back beside the new goods, once it is granted.")
    leaves = serializers.CharField(help_text="When the new goods leave: `at_once`, `received` or `inspected`.")
    calculation = CalculationSerializer(help_text="What the goods that come back give, line by line.")


def shown(preview: ExchangePreview) -> dict[str, Any]:
    """The preview as the API shows it."""
    return {
        "lines": [
            {
                "sku": line.sku,
                "name": line.name,
                "quantity": line.units,
                "unit_price": fen_text(line.unit_price),
                "discount": fen_text(line.discount),
                "amount": fen_text(line.amount),
                "is_old_price": line.is_old,
                "sellable": line.sellable,
            }
            for line in preview.lines
        ],
        "gives": fen_text(preview.gives),
        "costs": fen_text(preview.costs),
        "credit": fen_text(preview.credit),
        "to_pay": fen_text(preview.to_pay),
        "goes_back": fen_text(preview.back),
        "leaves": preview.leaves,
        "calculation": preview.calculation,
    }
