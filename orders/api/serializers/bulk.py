"""Many orders in one call."""

from typing import Annotated

import msgspec
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.schema import ErrorSerializer
from orders.api import examples
from orders.intake.bodies import HistoricalBody, OrderBody

MAX_BULK = 1000


class BulkBody(msgspec.Struct):
    """Many orders in one call."""

    orders: Annotated[list[OrderBody], msgspec.Meta(min_length=1, max_length=MAX_BULK)]


class HistoricalBulkBody(msgspec.Struct):
    """Many orders of the past in one call."""

    orders: Annotated[list[HistoricalBody], msgspec.Meta(min_length=1, max_length=MAX_BULK)]


class RawBulkBody(msgspec.Struct):
    """`BulkBody` with its rows not decoded yet, so that one of wrong form does not fail the others."""

    orders: list[msgspec.Raw]


class BulkResultSerializer(serializers.Serializer):
    """What came of one order of a bulk call."""

    index = serializers.IntegerField(help_text="Its place in `orders`, from 0.")
    external_number = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["created", "duplicate", "refused", "aborted"])
    number = serializers.CharField(required=False, help_text="Of the order made now, or by an earlier call.")
    url = serializers.URLField(required=False)
    errors = ErrorSerializer(many=True, required=False, help_text="Why it was refused, or which it repeats.")


@extend_schema_serializer(examples=[OpenApiExample("One of each", examples.BULK_RESULTS)])
class BulkResultsSerializer(serializers.Serializer):
    """One result for each order of the call, in the same order."""

    results = BulkResultSerializer(many=True)
