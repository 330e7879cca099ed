"""The API's operations on orders."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import json_answer, read_json, represent
from oms.common.door.errors import InvalidInput
from oms.common.door.schema import schema_of
from oms.common.errors import FieldError
from oms.merchants.calls.idempotency import PlannedAnswer
from orders.api import examples
from orders.api.answers import represent_stored
from orders.api.filters import METADATA, OrderFilter
from orders.api.places import OrdersNewestOrByChange
from orders.api.results import duplicate, shown
from orders.api.scoping import OrderScopedView
from orders.api.serializers.orders import (
    DuplicateSerializer,
    EventWithChangesSerializer,
    OrderSerializer,
    OrderSummarySerializer,
    order_url,
)
from orders.intake import rejecting
from orders.intake.bodies import OrderBody, decode_strictly
from orders.intake.placing import Duplicate, Placed, Refused, place_orders, plan_order
from orders.intake.storing import StoredOrder
from orders.intake.terms import KEY
from orders.models import Order, OrderEvent, RejectedOrder

_LOCATION = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, description="The address of the order.", response=[201, 409]
)


class OrdersView(OrderScopedView):
    """The merchant's orders."""

    whose = "channel__merchant__code"
    scopes = {"GET": "orders.read", "POST": "orders.write"}
    has_sparse_fields = True
    serializer_class = OrderSummarySerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = OrderFilter
    pagination_class = OrdersNewestOrByChange
    query_parameters = OrdersNewestOrByChange.query_parameters | OrderFilter.base_filters.keys()

    def takes_parameter(self, name: str) -> bool:
        """Any key of the orders' metadata."""
        is_key = name.startswith(METADATA) and KEY.fullmatch(name.removeprefix(METADATA)) is not None
        return is_key or super().takes_parameter(name)

    def get_queryset(self) -> QuerySet[Order]:
        """What a page of the list is taken from.

        That the orders are of the merchant's channels is said once more by the channels' ids: from these PostgreSQL
        knows how many orders there will be, and does not search everybody's newest orders for the few of a small
        merchant.
        """
        orders = OrderSummarySerializer.prepare(self.orders())
        if getattr(self, "swagger_fake_view", False) or self.reads_all:
            return orders
        return orders.filter(channel__in=list(self.merchant.channels.values_list("pk", flat=True)))

    @extend_schema(
        operation_id="list_orders",
        summary="List orders",
        description="The orders that the merchant's channels sent, newest first. Follow `next` for more."
        " `metadata.KEY=value` finds the orders whose metadata has that value under the key.",
        tags=["orders"],
        responses=OrderSummarySerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of orders."""
        return self.page()

    @extend_schema(
        operation_id="create_order",
        summary="Send an order",
        description=(
            "Checks and stores one order. `external_number` is unique in its channel for ever: sending it again answers"
            " 409 with the order that it made, so a call whose answer was lost can simply be repeated. `source` is the"
            " code of the channel; without it, the merchant's own code. Amounts are decimal strings in yuan, and"
            " `payable_amount` is the sum of `quantity * unit_price - line_discount`, plus `freight_amount`, minus the"
            " `amount` of each of `promotions`, `coupon_amount`, `points.amount` and `gift_card_amount`, plus"
            " `adjustment_amount` (signed). `collected` says what the channel took already; nobody asks for it again."
        ),
        tags=["orders"],
        parameters=[_LOCATION],
        request=OpenApiRequest(schema_of(OrderBody), examples=[OpenApiExample("An order", examples.BODY)]),
        responses={
            201: OrderSerializer,
            409: OpenApiResponse(DuplicateSerializer, "The channel sent this external number before."),
        },
        filters=False,
    )
    def post(self, request: Request) -> HttpResponse:
        """Store an order, or say everything that is wrong with it."""
        body = decode_strictly(read_json(request))
        if not isinstance(body, OrderBody):
            return self._refused(request, body)
        (outcome,) = place_orders([body], self.merchant, actor=self.actor)
        match outcome:
            case Refused(errors):
                return self._refused(request, errors, body.external_number)
            case Duplicate(number):
                url = order_url(number, request)
                told = [shown(duplicate(number))]
                answer = {"type": "client_error", "errors": told, "order": {"number": number, "url": url}}
                return Response(answer, status.HTTP_409_CONFLICT, headers={"Location": url})
            case Placed(_id, _number, order):
                return self._created(request, order)

    def plan_post(self, request: Request) -> PlannedAnswer | None:
        """An order without anything special is one statement; `post` does the others."""
        body = decode_strictly(read_json(request))
        planned = plan_order(body, self.merchant, actor=self.actor) if isinstance(body, OrderBody) else None
        if planned is None:
            return None
        return PlannedAnswer(self._created(request, planned.order), planned.tables, planned.announce)

    def _created(self, request: Request, order: StoredOrder) -> HttpResponse:
        answer = represent_stored(order, self.actor, request)
        return json_answer(answer, status.HTTP_201_CREATED, {"Location": answer["url"]})

    def _refused(self, request: Request, errors: Sequence[FieldError], external_number: str = "") -> Response:
        """The answer that names every wrong field; answered and not raised, so that the row is kept with it."""
        row = rejecting.RefusedRow(request._request.body, external_number, errors)
        rejecting.keep(self.merchant, RejectedOrder.Door.SINGLE, [row])
        return self.handle_exception(InvalidInput(errors))


class OrderView(OrderScopedView):
    """One order."""

    whose = "channel__merchant__code"
    scopes = {"GET": "orders.read"}
    has_sparse_fields = True
    serializer_class = OrderSerializer

    def get_queryset(self) -> QuerySet[Order]:
        """The orders that the merchant sees, with all that is shown."""
        return OrderSerializer.prepare(self.orders())

    @extend_schema(
        operation_id="read_order",
        summary="Read an order",
        description="An order with its lines, sub-orders, holds and timeline.",
        tags=["orders"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The order."""
        return self.one()


class TimelineView(OrderScopedView):
    """What happened to one order."""

    scopes = {"GET": "orders.read"}
    has_sparse_fields = True
    serializer_class = EventWithChangesSerializer

    @extend_schema(
        operation_id="read_timeline",
        summary="Read an order's timeline",
        description="Everything that happened to the order, oldest first; with old and new values of what was changed.",
        tags=["orders"],
        responses=EventWithChangesSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The order's events."""
        order = get_object_or_404(self.orders().only("pk"), number=number)
        events = EventWithChangesSerializer.prepare(OrderEvent.objects.filter(order=order))
        return Response([represent(EventWithChangesSerializer, event, request) for event in events])
