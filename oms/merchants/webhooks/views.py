"""The API's operations on webhook endpoints and their deliveries; a merchant reaches its own only."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import NewestFirst, etag, read_body, represent, version_of
from oms.common.door.schema import ErrorsSerializer
from oms.merchants.calls.views import MerchantView
from oms.merchants.models import (
    EndpointState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from oms.merchants.webhooks import endpoints
from oms.merchants.webhooks.filters import DeliveryFilter
from oms.merchants.webhooks.serializers import (
    DeliverySerializer,
    DeliveryWithTriesSerializer,
    EndpointBody,
    EndpointChanges,
    EndpointSerializer,
    NewEndpointSerializer,
    SecretSerializer,
)

_REFUSED = OpenApiResponse(ErrorsSerializer, "The state of the endpoint does not allow it, or it changed meanwhile.")
_TRY_AGAIN = OpenApiResponse(
    ErrorsSerializer, "The host's name could not be looked up in time; repeat it after Retry-After seconds."
)


class WebhookView(MerchantView):
    """A view on webhook endpoints or deliveries of the calling merchant."""

    lookup_field = "public_id"
    scopes = dict.fromkeys(("GET", "POST", "PATCH", "DELETE"), "webhooks.manage")

    def endpoints(self) -> QuerySet[WebhookEndpoint]:
        """The merchant's endpoints, but for those that it removed."""
        if getattr(self, "swagger_fake_view", False):
            return WebhookEndpoint.objects.none()
        return self.merchant.webhook_endpoints.exclude(state=EndpointState.REMOVED).defer("secret", "old_secret")

    def deliveries(self) -> QuerySet[WebhookDelivery]:
        """What was or is to be sent to them."""
        if getattr(self, "swagger_fake_view", False):
            return WebhookDelivery.objects.none()
        mine = list(self.endpoints().values_list("pk", flat=True))
        return DeliverySerializer.prepare(WebhookDelivery.objects.filter(endpoint__in=mine))


class EndpointsView(WebhookView):
    """The merchant's endpoints."""

    answers_a_secret = True
    serializer_class = EndpointSerializer
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        """What a page of the list is taken from."""
        return self.endpoints()

    @extend_schema(
        operation_id="list_webhook_endpoints",
        summary="List webhook endpoints",
        tags=["webhooks"],
        responses=EndpointSerializer(many=True),
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of endpoints."""
        return self.page()

    @extend_schema(
        operation_id="create_webhook_endpoint",
        summary="Add a webhook endpoint",
        description=(
            "Messages of the chosen types are sent there from now on, by the Standard Webhooks specification. The"
            " answer holds the signing secret, this once."
        ),
        tags=["webhooks"],
        request=EndpointBody,
        responses={
            201: NewEndpointSerializer,
            409: OpenApiResponse(ErrorsSerializer, "There are too many."),
            503: _TRY_AGAIN,
        },
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """The new endpoint with its secret."""
        body = read_body(EndpointBody, request)
        endpoint, secret = endpoints.create(self.merchant, **body.validated_data)
        answer = represent(EndpointSerializer, endpoint, request) | {"secret": secret}
        return Response(answer, status.HTTP_201_CREATED)


class EndpointView(WebhookView):
    """One endpoint."""

    checks_version = frozenset({"PATCH", "DELETE"})
    serializer_class = EndpointSerializer

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        """The merchant's endpoints."""
        return self.endpoints()

    @extend_schema(operation_id="read_webhook_endpoint", summary="Read a webhook endpoint", tags=["webhooks"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The endpoint."""
        return self.one()

    @extend_schema(
        operation_id="change_webhook_endpoint",
        summary="Change a webhook endpoint",
        description=(
            "Changes what is given, all of it or nothing, in one step of the version. `state` enables or disables:"
            " while disabled nothing new is kept for the endpoint; what waited when it was disabled is sent once it is"
            " enabled."
        ),
        tags=["webhooks"],
        request=EndpointChanges,
        responses={200: EndpointSerializer, 409: _REFUSED, 503: _TRY_AGAIN},
    )
    def patch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The changed endpoint."""
        version = version_of(request)
        endpoint = self.get_object()
        body = read_body(EndpointChanges, request)
        endpoint = endpoints.change(endpoint.pk, version=version, **body.validated_data)
        return Response(represent(EndpointSerializer, endpoint, request), headers=etag(endpoint.version))

    @extend_schema(
        operation_id="remove_webhook_endpoint",
        summary="Remove a webhook endpoint",
        description="Nothing more is sent there; what waited is given up.",
        tags=["webhooks"],
        responses={204: None, 409: _REFUSED},
    )
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Nothing."""
        version = version_of(request)
        endpoints.remove(self.get_object().pk, version=version)
        return Response(status=status.HTTP_204_NO_CONTENT)


class PingView(WebhookView):
    """Test messages."""

    serializer_class = DeliverySerializer

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        """The merchant's endpoints."""
        return self.endpoints()

    @extend_schema(
        operation_id="ping_webhook_endpoint",
        summary="Send a test message",
        description="Sends a `webhook.ping`, whatever the endpoint subscribed to. The delivery tells how it went.",
        tags=["webhooks"],
        request=None,
        responses={202: DeliverySerializer, 409: _REFUSED},
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The delivery on its way."""
        delivery = endpoints.ping(self.get_object().pk)
        return Response(represent(DeliverySerializer, delivery, request), status.HTTP_202_ACCEPTED)


class RotateSecretView(WebhookView):
    """New secrets."""

    answers_a_secret = True
    checks_version = frozenset({"POST"})
    serializer_class = SecretSerializer

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        """The merchant's endpoints."""
        return self.endpoints()

    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Get a new signing secret",
        description="For 24 hours messages carry two signatures, by the new secret and by the one before.",
        tags=["webhooks"],
        request=None,
        responses={200: SecretSerializer, 409: _REFUSED},
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The secret, this once."""
        version = version_of(request)
        endpoint = self.get_object()
        secret = endpoints.rotate_secret(endpoint.pk, version=version)
        endpoint.refresh_from_db(fields=["old_secret_until"])
        return Response(SecretSerializer({"secret": secret, "old_secret_until": endpoint.old_secret_until}).data)


class DeliveriesView(WebhookView):
    """The log."""

    serializer_class = DeliverySerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = DeliveryFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | DeliveryFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        """What a page of the list is taken from."""
        return self.deliveries()

    @extend_schema(
        operation_id="list_webhook_deliveries",
        summary="List webhook deliveries",
        description="What was or is to be sent to the merchant's endpoints, newest first.",
        tags=["webhooks"],
        responses=DeliverySerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of the log."""
        return self.page()


class DeliveryView(WebhookView):
    """One delivery."""

    serializer_class = DeliveryWithTriesSerializer

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        """The merchant's deliveries with their tries."""
        return self.deliveries().prefetch_related(Prefetch("tries", WebhookAttempt.objects.order_by("pk")))

    @extend_schema(operation_id="read_webhook_delivery", summary="Read a webhook delivery", tags=["webhooks"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The delivery with every try."""
        return self.one()


class ResendView(WebhookView):
    """Once more."""

    serializer_class = DeliverySerializer

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        """The merchant's deliveries."""
        return self.deliveries()

    @extend_schema(
        operation_id="resend_webhook_delivery",
        summary="Send a message again",
        description="Sends it now and, if need be, by the whole schedule again; `webhook-id` stays the same.",
        tags=["webhooks"],
        request=None,
        responses={202: DeliverySerializer, 409: _REFUSED},
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The delivery on its way."""
        delivery = endpoints.resend(self.get_object().pk)
        return Response(represent(DeliverySerializer, delivery, request), status.HTTP_202_ACCEPTED)
