"""Changes of placed orders: what is asked for, what it would do, and what became of it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from oms.common.door.schema import ErrorSerializer
from orders.api.serializers.cancellation import FenField, PreviewPromotionSerializer
from orders.api.serializers.returns import NewGoodsSerializer
from orders.api.serializers.terms import WishSerializer
from orders.changing.sets.actions import MOST_ACTIONS, NAMES
from orders.models.amounts import Bearer

MOST_AT_ONCE = 200


class _AmountField(serializers.DecimalField):
    """A signed amount in yuan; the change says what is wrong with its size."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_digits=12, decimal_places=2, coerce_to_string=True, required=False, **more)


class UnitsOfLineSerializer(serializers.Serializer):
    """Units of a line."""

    line = serializers.IntegerField(min_value=1, max_value=32_000, help_text="The line's position in the order.")
    quantity = serializers.IntegerField(min_value=1, max_value=99_999)


class ActionSerializer(serializers.Serializer):
    """One change; which fields it takes depends on `do`."""

    do = serializers.ChoiceField(NAMES, help_text="What is changed.")
    sku = LineField(max_length=64, required=False, help_text="`add`, `gift`: the SKU's code.")
    merchant = LineField(max_length=40, required=False, help_text="`add`, `gift`: whose SKU; yours unless given.")
    quantity = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=99_999,
        help_text="`add`, `gift`: units; `quantity`: how many units the line is to have, 0 removes it.",
    )
    unit_price = _AmountField(min_value=0, help_text="`add`: the price of a unit; the list price unless given.")
    line = serializers.IntegerField(
        required=False, min_value=1, max_value=32_000, help_text="`quantity`, `adjust`: the line's position."
    )
    amount = _AmountField(help_text="`adjust`, `freight`: by how much it changes, such as `-10.00`.")
    bearer = serializers.ChoiceField(Bearer.choices, required=False, help_text="`adjust`: who bears it.")
    name = LineField(max_length=80, required=False, help_text="`recipient`")
    phone = LineField(max_length=40, required=False, help_text="`recipient`")
    region_code = LineField(max_length=6, required=False, help_text="`recipient`: GB/T 2260, a county.")
    address = LineField(max_length=200, required=False, help_text="`recipient`")
    sub_order = LineField(max_length=32, required=False, help_text="`split`, `merge`, `exchange`: its number.")
    together_with = serializers.ListField(
        child=LineField(max_length=32),
        max_length=20,
        required=False,
        help_text="`merge`: numbers of sub-orders of other orders, which go in one parcel with it.",
    )
    units = UnitsOfLineSerializer(many=True, required=False, help_text="`split`, `exchange`: units of its lines.")
    return_reason = LineField(
        max_length=40, required=False, help_text="`exchange`: the code of a reason of returns, such as `no_reason`."
    )
    goods = NewGoodsSerializer(
        many=True, required=False, help_text="`exchange`: what the buyer gets; none: the same goods again."
    )
    invoice = WishSerializer(required=False, help_text="`invoice`: what is asked for; takes `invoices.request`.")
    delivery_from = serializers.DateTimeField(required=False, allow_null=True, help_text="`appointment`")
    delivery_until = serializers.DateTimeField(required=False, allow_null=True, help_text="`appointment`")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The action as `orders.changing.sets.actions` reads it: amounts and times as text."""
        found = super().to_internal_value(data)
        return {
            name: value if isinstance(value, int | str | list | dict) or value is None else _as_text(value)
            for name, value in found.items()
        }


def _as_text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class _Wish(serializers.Serializer):
    actions = ActionSerializer(many=True, max_length=MOST_ACTIONS)
    reason = LineField(max_length=200, help_text="Why, in your own words; it is kept with the order.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Another article instead of a unit, cheaper",
            {
                "reason": "The buyer changed his mind",
                "actions": [
                    {"do": "quantity", "line": 1, "quantity": 1},
                    {"do": "add", "sku": "P000002", "quantity": 1},
                    {"do": "adjust", "amount": "-10.00", "bearer": "merchant"},
                ],
            },
            request_only=True,
        ),
        OpenApiExample(
            "What it would do to send one more",
            {"reason": "One more", "actions": [{"do": "quantity", "line": 1, "quantity": 3}], "preview": True},
            request_only=True,
        ),
    ]
)
class ChangeSerializer(_Wish):
    """What is changed of one order, and why."""

    preview = serializers.BooleanField(required=False, help_text="Only say what it would do; nothing is changed.")


class OrderToChangeSerializer(_Wish):
    """One order of many; without a version it is changed as it is then."""

    number = LineField(max_length=16, help_text="The order's number.")
    version = serializers.IntegerField(min_value=1, required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A gift for one order",
            {
                "orders": [
                    {
                        "number": "1364935748662587",
                        "reason": "Late",
                        "actions": [{"do": "gift", "sku": "P000002", "quantity": 1}],
                    }
                ]
            },
            request_only=True,
        )
    ]
)
class ManyToChangeSerializer(serializers.Serializer):
    """Orders to change, each by itself."""

    orders = OrderToChangeSerializer(many=True, allow_empty=False, max_length=MOST_AT_ONCE)


class ChangedSerializer(serializers.Serializer):
    """What came of one order of the call."""

    index = serializers.IntegerField(help_text="Its place in `orders`, from 0.")
    number = serializers.CharField()
    status = serializers.ChoiceField(["changed", "waits", "refused"], help_text="`waits`: for its balance to be paid.")
    change = serializers.CharField(required=False, help_text="The number of the change.")
    balance = serializers.CharField(required=False, help_text="What the buyer has to pay first, in yuan.")
    errors = ErrorSerializer(many=True, required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One that waits for its payment, one unknown",
            {
                "results": [
                    {
                        "index": 0,
                        "number": "1364935748662587",
                        "status": "waits",
                        "change": "1364935748662587-C1",
                        "balance": "25.50",
                    },
                    {
                        "index": 1,
                        "number": "2",
                        "status": "refused",
                        "errors": [{"attr": "number", "code": "not_found", "detail": "There is no such order."}],
                    },
                ]
            },
            response_only=True,
        )
    ]
)
class ManyChangedSerializer(serializers.Serializer):
    """One result for each order of the call, in the same order."""

    results = ChangedSerializer(many=True)


class ChangedLineSerializer(serializers.Serializer):
    """A line of which units or price would change."""

    position = serializers.IntegerField()
    sku = serializers.CharField()
    name = serializers.CharField()
    units_before = serializers.IntegerField()
    units_after = serializers.IntegerField()
    amount_before = FenField(help_text="What the buyer pays for them, by all tenders.")
    amount_after = FenField()
    is_gift = serializers.BooleanField()
    sellable = serializers.IntegerField(allow_null=True, help_text="Units that can be sold now of what is added.")


class ChangePreviewSerializer(serializers.Serializer):
    """What a change would do. Amounts in yuan."""

    version = serializers.IntegerField(help_text="Of the order: send it as If-Match to do just this.")
    lines = ChangedLineSerializer(many=True)
    owed_before = FenField()
    owed_after = FenField()
    to_pay = FenField(help_text="What the buyer has to pay before it is done.")
    back = FenField(help_text="By how much less is owed: what was paid of it goes back.")
    freight_before = FenField()
    freight_after = FenField()
    promotions = PreviewPromotionSerializer(many=True, help_text="Promotions that the kept goods lose.")
    parcels = serializers.IntegerField(help_text="How many more are sent; negative: fewer.")
    others = serializers.ListField(
        child=serializers.DictField(),
        source="beyond",
        help_text="What `invoice` and `exchange` come to: each names its action as `do`; amounts in yuan.",
    )
