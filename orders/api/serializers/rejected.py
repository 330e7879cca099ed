"""Rows that were refused on their way in."""

import logging
from typing import Any

import msgspec
from cryptography.fernet import InvalidToken
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from oms.common.door.schema import ErrorSerializer
from orders.models import RejectedOrder

logger = logging.getLogger(__name__)


class RejectedOrderSerializer(serializers.ModelSerializer):
    """A row that was refused, kept for correction."""

    url = serializers.SerializerMethodField()
    errors = ErrorSerializer(many=True)
    body = serializers.SerializerMethodField(
        help_text="The row as it came: an object, or text where it is no JSON; null where it cannot be read any more."
    )
    order = serializers.CharField(source="order.number", default=None, allow_null=True)

    class Meta:
        model = RejectedOrder
        fields = [
            *("id", "url", "version", "door", "state", "external_number", "errors", "times", "order", "body"),
            *("created_at", "last_at", "keep_until"),
        ]

    @staticmethod
    def prepare(rows: QuerySet[RejectedOrder]) -> QuerySet[RejectedOrder]:
        """The query with all that is shown, in one statement."""
        return rows.select_related("order")

    def get_url(self, row: RejectedOrder) -> str:
        """The address of the row."""
        return reverse("api:rejected-order", [row.pk], request=self.context["request"])

    @extend_schema_field({})
    def get_body(self, row: RejectedOrder) -> Any:
        """The row decoded."""
        try:
            body = row.opened()
        except InvalidToken:
            logger.warning("no key opens refused row %d", row.pk)
            return None
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return body


class ReplaySerializer(serializers.Serializer):
    """The order to send instead; left out: the row as it was kept."""

    order = serializers.JSONField(required=False, help_text="An order as `create_order` takes it.")
