"""Rows of the merchant that were refused: read, replay, discard."""

from typing import Any

import msgspec
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import NewestFirst, read_body, version_of
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from orders.api import examples
from orders.api.filters import RejectedOrderFilter
from orders.api.scoping import OrderScopedView
from orders.api.serializers.orders import OrderSerializer
from orders.api.serializers.rejected import RejectedOrderSerializer, ReplaySerializer
from orders.intake import rejecting
from orders.intake.placing import Placed, Refused
from orders.models import RejectedOrder

_ROW = {
    "id": 17,
    "url": "https://oms.example/api/v1/rejected-orders/17",
    "version": 1,
    "door": "bulk",
    "state": "open",
    "external_number": "T20260102-0002",
    "errors": [{"code": "unknown_sku", "detail": "Merchant POP01 sells no SKU P1.", "attr": "lines.0.sku"}],
    "times": 1,
    "order": None,
    "body": examples.BODY,
    "created_at": "2026-01-02T09:20:00+08:00",
    "last_at": "2026-01-02T09:20:00+08:00",
    "keep_until": "2026-04-02T09:20:00+08:00",
}


class RejectedOrdersView(OrderScopedView):
    """The merchant's refused rows."""

    scopes = {"GET": "orders.read"}
    has_sparse_fields = True
    serializer_class = RejectedOrderSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = RejectedOrderFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | RejectedOrderFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[RejectedOrder]:
        """What a page of the list is taken from."""
        return RejectedOrderSerializer.prepare(self.rejected_orders())

    @extend_schema(
        operation_id="list_rejected_orders",
        summary="List refused rows",
        description=(
            "Orders that were refused on their way in, by the API or from a file, with what was wrong. They are kept 90"
            " days unless set otherwise. The same row sent again is counted in `times`."
        ),
        tags=["rejected orders"],
        examples=[OpenApiExample("A refused row", _ROW, response_only=True)],
        responses=RejectedOrderSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of refused rows."""
        return self.page()


class RejectedOrderView(OrderScopedView):
    """One refused row."""

    scopes = {"GET": "orders.read", "DELETE": "orders.write"}
    has_sparse_fields = True
    checks_version = frozenset({"DELETE"})
    serializer_class = RejectedOrderSerializer
    lookup_field = "pk"

    def get_queryset(self) -> QuerySet[RejectedOrder]:
        """The rows that the merchant sees."""
        return RejectedOrderSerializer.prepare(self.rejected_orders())

    @extend_schema(
        operation_id="read_rejected_order",
        summary="Read a refused row",
        description="The row as it came, and what was wrong with it.",
        tags=["rejected orders"],
        examples=[OpenApiExample("A refused row", _ROW, response_only=True)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The row."""
        return self.one()

    @extend_schema(
        operation_id="discard_rejected_order",
        summary="Discard a refused row",
        description="Its body is forgotten at once; the row stays listed as discarded until its time is over.",
        tags=["rejected orders"],
        responses={204: None},
    )
    def delete(self, request: Request, pk: str) -> Response:
        """Discard it."""
        version = version_of(request)
        rejecting.discard(get_object_or_404(self.rejected_orders(), pk=pk).pk, version=version)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReplayView(OrderScopedView):
    """Sending one refused row in again."""

    scopes = {"POST": "orders.write"}
    checks_version = frozenset({"POST"})
    serializer_class = OrderSerializer

    @extend_schema(
        operation_id="replay_rejected_order",
        summary="Replay a refused row",
        description=(
            "Sends the row in again, or `order` in its place. If it is stored now, or its external number was before,"
            " the row is closed and the order answered. If it is refused again, the answer says why and the row stays."
        ),
        tags=["rejected orders"],
        request=ReplaySerializer,
        examples=[
            OpenApiExample("Corrected", {"order": examples.BODY}, request_only=True),
            OpenApiExample("As it was", {}, request_only=True),
            OpenApiExample("The order", examples.ORDER, response_only=True),
        ],
        responses={
            200: OpenApiResponse(OrderSerializer, "An earlier call had made the order."),
            201: OpenApiResponse(OrderSerializer, "The order was stored."),
        },
    )
    def post(self, request: Request, pk: str) -> Response:
        """Replay it, or say what is wrong still."""
        version = version_of(request)
        row = get_object_or_404(self.rejected_orders(), pk=pk)
        body = read_body(ReplaySerializer, request)
        corrected = None
        if "order" in body.validated_data:
            try:
                corrected = msgspec.json.encode(body.validated_data["order"])
            except UnicodeEncodeError as error:
                detail = _("Remove the control characters, such as line breaks.")
                raise InvalidInput([FieldError("order", "control_character", detail)]) from error
        outcome = rejecting.replay(row.pk, corrected, actor=self.actor, version=version)
        if isinstance(outcome, Refused):
            # Answered and not raised, so that the row keeps what is wrong now.
            return self.handle_exception(InvalidInput(outcome.errors))
        was_new = isinstance(outcome, Placed)
        order_id = self.order_id(outcome.number)
        return self.order_response(order_id, status.HTTP_201_CREATED if was_new else status.HTTP_200_OK)
