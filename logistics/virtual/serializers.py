"""What merchants tell of their codes for sale, and read of them."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from logistics.models import CodeState
from logistics.models.virtual_code import MOST_OF_A_CODE
from oms.common.door.api import LineField
from oms.common.door.schema import ErrorSerializer

MOST_CODES = 5_000
_NEW = {
    "warehouse": "VIRTUAL",
    "codes": [
        {"code": "AB12-CD34-EF56-7890"},
        {"code": "6222000100020003", "password": "338102", "valid_until": "2027-12-31"},
    ],
}
_RESULTS = {
    "added": 1,
    "results": [
        {"index": 0, "status": "added"},
        {
            "index": 1,
            "status": "refused",
            "errors": [{"code": "known", "detail": "It came in before.", "attr": "code"}],
        },
    ],
}
_STOCK = {
    "sku": "P1095275",
    "sells_codes": True,
    "version": 2,
    "on_shelf": 118,
    "sold": 7,
    "revealed": 40,
    "withdrawn": 0,
    "expired": 3,
    "alert_below": 20,
    "instructions": "Enter the code under Settings, Licence.",
}


class NewCodeSerializer(serializers.Serializer):
    """A card number with its password, where it has one, or a key."""

    code = LineField(max_length=MOST_OF_A_CODE)
    password = LineField(max_length=MOST_OF_A_CODE, required=False, allow_blank=True)
    valid_until = serializers.DateField(required=False, allow_null=True, help_text="The last day on which it is sold.")


@extend_schema_serializer(examples=[OpenApiExample("Codes", _NEW, request_only=True)])
class NewCodesSerializer(serializers.Serializer):
    """Codes of one SKU. A code that you gave before, for whatever SKU, is refused."""

    warehouse = LineField(max_length=32, required=False, help_text="The virtual warehouse, where there are several.")
    codes = NewCodeSerializer(many=True, allow_empty=False, max_length=MOST_CODES)


class CodeResultSerializer(serializers.Serializer):
    """What came of one code."""

    index = serializers.IntegerField(help_text="Its place in `codes`, from 0.")
    status = serializers.ChoiceField(["added", "refused"])
    errors = ErrorSerializer(many=True, required=False)


@extend_schema_serializer(examples=[OpenApiExample("One of each", _RESULTS, response_only=True)])
class CodeResultsSerializer(serializers.Serializer):
    """One result for each code of the call, in the same order."""

    added = serializers.IntegerField()
    results = CodeResultSerializer(many=True)


@extend_schema_serializer(examples=[OpenApiExample("Codes of a SKU", _STOCK, response_only=True)])
class CodeStockSerializer(serializers.Serializer):
    """How many codes of a SKU are where; never a code itself."""

    sku = serializers.CharField()
    sells_codes = serializers.BooleanField(help_text="Whether its units are codes; the first import makes them so.")
    version = serializers.IntegerField()
    on_shelf = serializers.IntegerField(help_text="For sale, the reserved ones included: the units on hand.")
    sold = serializers.IntegerField(help_text="Delivered, and not looked at yet.")
    revealed = serializers.IntegerField(help_text="Delivered and looked at.")
    withdrawn = serializers.IntegerField()
    expired = serializers.IntegerField()
    alert_below = serializers.IntegerField(allow_null=True, help_text="Fewer left for sale than that is told to staff.")
    instructions = serializers.CharField(allow_blank=True, help_text="How to use it; shown to the buyer.")


class SupplyChangeSerializer(serializers.Serializer):
    """What goes with the codes of a SKU."""

    alert_below = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=1_000_000)
    instructions = serializers.CharField(required=False, allow_blank=True, max_length=2_000)


STATES = tuple(CodeState.values)
