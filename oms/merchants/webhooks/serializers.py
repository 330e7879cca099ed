"""How the API shows webhook endpoints and deliveries, and what it takes."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from oms.merchants.models import DeliveryState, EndpointState, WebhookAttempt, WebhookDelivery, WebhookEndpoint

_ENDPOINT = {
    "id": "ep_3f0c5a9d1e7b42886ad1",
    "url": "https://shop.example/hooks/oms",
    "description": "Production",
    "event_types": ["order.*", "shipment.signed"],
    "contact_email": "it@shop.example",
    "state": "enabled",
    "disabled_because": "",
    "disabled_at": None,
    "failures": 0,
    "failing_since": None,
    "last_success_at": "2026-01-02T09:00:03.120000+08:00",
    "old_secret_until": None,
    "created_at": "2026-01-01T10:00:00+08:00",
    "version": 1,
}
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - an example
_DELIVERY = {
    "id": "dlv_8c1f0e6b2a9d4c7798aa01bc",
    "endpoint": "ep_3f0c5a9d1e7b42886ad1",
    "message_id": "msg_5b3de0cbb1d149f9a6b3c4f1a2d07e55",
    "type": "order.created",
    "data": {"order": "1046398275102842", "state": "awaiting_payment", "version": 1},
    "state": "delivered",
    "attempts": 1,
    "response_status": 204,
    "response_excerpt": "",
    "last_error": "",
    "duration_ms": 61,
    "next_try_at": None,
    "created_at": "2026-01-02T09:00:03+08:00",
    "delivered_at": "2026-01-02T09:00:03.120000+08:00",
}
_TRY = {
    "number": 1,
    "started_at": "2026-01-02T09:00:03.050000+08:00",
    "duration_ms": 61,
    "response_status": 204,
    "response_excerpt": "",
    "error": "",
}


@extend_schema_serializer(examples=[OpenApiExample("An endpoint", _ENDPOINT, response_only=True)])
class EndpointSerializer(serializers.ModelSerializer):
    """An endpoint and how it fares; never its secret."""

    id = serializers.CharField(source="public_id")
    event_types = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = WebhookEndpoint
        fields = [
            *("id", "url", "description", "event_types", "contact_email", "state", "disabled_because", "disabled_at"),
            *("failures", "failing_since", "last_success_at", "old_secret_until", "created_at", "version"),
        ]


@extend_schema_serializer(examples=[OpenApiExample("A new endpoint", _ENDPOINT | {"secret": _SECRET})])
class NewEndpointSerializer(EndpointSerializer):
    """An endpoint with its signing secret, which is shown this once."""

    secret = serializers.CharField(help_text="Signs every message; keep it. It cannot be read again.")

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret"]


@extend_schema_serializer(examples=[OpenApiExample("A new secret", {"secret": _SECRET, "old_secret_until": None})])
class SecretSerializer(serializers.Serializer):
    """A new signing secret, shown this once."""

    secret = serializers.CharField()
    old_secret_until = serializers.DateTimeField(help_text="Until then messages carry a signature by the old one too.")


class _StrictSerializer(serializers.Serializer):
    """Refuses fields that it does not know: a slip in a name must not pass as "left out"."""

    def to_internal_value(self, data: Any) -> Any:
        """The checked input. Raises ValidationError."""
        if isinstance(data, dict):
            unknown = sorted(data.keys() - self.fields.keys())
            if unknown:
                detail = _("There is no such field here.")
                raise serializers.ValidationError(
                    {name: [serializers.ErrorDetail(str(detail), "unknown_field")] for name in unknown}
                )
        return super().to_internal_value(data)


@extend_schema_serializer(
    examples=[OpenApiExample("A new endpoint", {k: _ENDPOINT[k] for k in ("url", "event_types", "description")})]
)
class EndpointBody(_StrictSerializer):
    """What makes an endpoint."""

    url = serializers.CharField(max_length=500, help_text="Where messages are sent: https, and of the open internet.")
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=60),
        min_length=1,
        max_length=50,
        help_text="Types such as `shipment.signed`, all of a kind as `order.*`, or everything: `*`.",
    )
    description = serializers.CharField(max_length=200, allow_blank=True, required=False)
    contact_email = serializers.EmailField(
        max_length=254, allow_blank=True, required=False, help_text="Who is told when the endpoint is disabled."
    )


@extend_schema_serializer(examples=[OpenApiExample("Enable again", {"state": "enabled"})])
class EndpointChanges(EndpointBody):
    """What is to change; what is left out stays."""

    url = serializers.CharField(max_length=500, required=False)
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=60), min_length=1, max_length=50, required=False
    )
    state = serializers.ChoiceField([EndpointState.ENABLED.value, EndpointState.DISABLED.value], required=False)


class AttemptSerializer(serializers.ModelSerializer):
    """One try."""

    class Meta:
        model = WebhookAttempt
        fields = ["number", "started_at", "duration_ms", "response_status", "response_excerpt", "error"]


@extend_schema_serializer(
    examples=[OpenApiExample("A delivery", _DELIVERY, response_only=True, status_codes=["200", "202"])]
)
class DeliverySerializer(serializers.ModelSerializer):
    """A message on its way to an endpoint, and how the last try went."""

    id = serializers.CharField(source="public_id")
    endpoint = serializers.CharField(source="endpoint.public_id")
    message_id = serializers.CharField(source="event.message_id", help_text="Sent as `webhook-id`, in every try.")
    type = serializers.CharField(source="event.type")
    data = serializers.SerializerMethodField()
    next_try_at = serializers.SerializerMethodField()

    class Meta:
        model = WebhookDelivery
        fields = [
            *("id", "endpoint", "message_id", "type", "data", "state", "attempts", "response_status"),
            *("response_excerpt", "last_error", "duration_ms", "next_try_at", "created_at", "delivered_at"),
        ]

    @staticmethod
    def prepare(deliveries: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
        """The query with all that is shown, in one statement."""
        return deliveries.select_related("event", "endpoint").defer("endpoint__secret", "endpoint__old_secret")

    @extend_schema_field(serializers.DictField())
    def get_data(self, delivery: WebhookDelivery) -> Any:
        """What the message says: ids, states and version."""
        return delivery.event.data

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_next_try_at(self, delivery: WebhookDelivery) -> Any:
        """When it is tried next, if ever."""
        return (
            serializers.DateTimeField().to_representation(delivery.ready_at)
            if delivery.state == DeliveryState.PENDING
            else None
        )


@extend_schema_serializer(
    examples=[OpenApiExample("A delivery with its tries", _DELIVERY | {"tries": [_TRY]}, response_only=True)]
)
class DeliveryWithTriesSerializer(DeliverySerializer):
    """A delivery with every try, oldest first."""

    tries = AttemptSerializer(many=True)

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "tries"]
