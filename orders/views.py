"""The API's operations on orders and sub-orders."""

import json
from typing import Any

import msgspec
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from oms.common.api import ApiView, NewestFirst, read_json, schema_of
from oms.common.api_errors import InvalidInput
from oms.common.errors import FieldError
from oms.merchants.authentication import ApiUser
from oms.merchants.models import Merchant
from orders import examples
from orders.actors import Actor
from orders.filters import OrderFilter, SubOrderFilter
from orders.intake.bodies import OrderBody, decode_strictly, field_error
from orders.intake.placing import Duplicate, Placed, Refused, place_orders
from orders.models import ActorKind, Order, OrderEvent, SubOrder
from orders.serializers import (
    MAX_BULK,
    BulkBody,
    BulkResultsSerializer,
    DuplicateSerializer,
    EventSerializer,
    OrderSerializer,
    OrderSummarySerializer,
    RawBulkBody,
    SubOrderSerializer,
    order_url,
    represent,
)

_LOCATION = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, description="The address of the order.", response=[201, 409]
)


class MerchantView(ApiView, GenericAPIView):
    """A view on what is the calling merchant's."""

    lookup_field = "number"
    filter_backends: list[type] = []

    @property
    def caller(self) -> ApiUser:
        """The merchant and its credential."""
        return self.request.user

    @property
    def merchant(self) -> Merchant:
        """The merchant that calls."""
        return self.caller.merchant

    @property
    def actor(self) -> Actor:
        """The merchant's credential, as the timeline names it."""
        return Actor(ActorKind.MERCHANT, f"{self.merchant.code} {self.caller.credential.name}"[:80])

    def page(self) -> Response:
        """A page of the view's list."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([represent(self.serializer_class, row, self.request) for row in rows])

    def one(self) -> Response:
        """The row that the address names. Raises Http404."""
        return Response(represent(self.serializer_class, self.get_object(), self.request))

    def orders(self) -> QuerySet[Order]:
        """The orders that the merchant sees."""
        if getattr(self, "swagger_fake_view", False):
            return Order.objects.none()
        return Order.objects.visible_to(self.merchant)

    def sub_orders(self) -> QuerySet[SubOrder]:
        """The sub-orders that the merchant fulfils."""
        if getattr(self, "swagger_fake_view", False):
            return SubOrder.objects.none()
        return SubOrder.objects.visible_to(self.merchant)


class OrdersView(MerchantView):
    """The merchant's orders."""

    serializer_class = OrderSummarySerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = OrderFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | OrderFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[Order]:
        """What a page of the list is taken from.

        That the orders are of the merchant's channels is said once more by the channels' ids: from these PostgreSQL
        knows how many orders there will be, and does not search everybody's newest orders for the few of a small
        merchant.
        """
        orders = OrderSummarySerializer.prepare(self.orders())
        if getattr(self, "swagger_fake_view", False):
            return orders
        return orders.filter(channel__in=list(self.merchant.channels.values_list("pk", flat=True)))

    @extend_schema(
        operation_id="list_orders",
        summary="List orders",
        description="The orders that the merchant's channels sent, newest first. Follow `next` for more.",
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
            " `payable_amount` is the sum of `quantity * unit_price - line_discount`, plus `freight_amount`, minus"
            " `coupon_amount`, `points.amount` and `gift_card_amount`."
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
    def post(self, request: Request) -> Response:
        """Store an order. Raises InvalidInput, naming every field that is wrong."""
        body = decode_strictly(read_json(request))
        if not isinstance(body, OrderBody):
            raise InvalidInput(body)
        (outcome,) = place_orders([body], self.merchant, actor=self.actor)
        match outcome:
            case Refused(errors):
                raise InvalidInput(errors)
            case Duplicate(number):
                url = order_url(number, request)
                shown = [_shown(_duplicate(number))]
                answer = {"type": "client_error", "errors": shown, "order": {"number": number, "url": url}}
                return Response(answer, status.HTTP_409_CONFLICT, headers={"Location": url})
            case Placed(order_id, number):
                order = OrderSerializer.prepare_new(self.orders()).get(pk=order_id)
                order._prefetched_objects_cache |= {"sub_orders": [], "holds": []}
                answer = represent(OrderSerializer, order, request)
                return Response(answer, status.HTTP_201_CREATED, headers={"Location": order_url(number, request)})


class BulkView(MerchantView):
    """Many orders in one call."""

    serializer_class = BulkResultsSerializer

    @extend_schema(
        operation_id="create_orders",
        summary="Send many orders",
        description=(
            f"Up to {MAX_BULK} orders in one call. Each is checked and stored for itself: what is wrong with one does"
            " not stop the others. The answer has one result for each, in the same order. A call may be repeated; what"
            " it stored already comes back as `duplicate`."
        ),
        tags=["orders"],
        request=OpenApiRequest(schema_of(BulkBody), examples=[OpenApiExample("Orders", {"orders": [examples.BODY]})]),
        responses=OpenApiResponse(BulkResultsSerializer, "One result for each order."),
    )
    def post(self, request: Request) -> Response:
        """Store the orders that are right. Raises InvalidInput where the call itself is wrong."""
        rows = _rows(read_json(request))
        decoded = [decode_strictly(row) for row in rows]
        bodies = [body if isinstance(body, OrderBody) else body[0] for body in decoded]
        outcomes = place_orders(bodies, self.merchant, actor=self.actor)
        url = reverse("api:orders", request=request)
        results = []
        for index, (row, body, outcome) in enumerate(zip(rows, decoded, outcomes, strict=True)):
            external = body.external_number if isinstance(body, OrderBody) else _external_number(row)
            result: dict[str, Any] = {"index": index, "external_number": external}
            match outcome:
                case Placed(_id, number):
                    result |= {"status": "created", "number": number, "url": f"{url}/{number}"}
                case Duplicate(number):
                    result |= {"status": "duplicate", "number": number, "url": f"{url}/{number}"}
                    result["errors"] = [_shown(_duplicate(number))]
                case Refused(errors):
                    wrong = errors if isinstance(body, OrderBody) else body
                    result |= {"status": "refused", "errors": [_shown(error) for error in wrong]}
            results.append(result)
        return Response({"results": results})


class OrderView(MerchantView):
    """One order."""

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


class TimelineView(MerchantView):
    """What happened to one order."""

    serializer_class = EventSerializer

    @extend_schema(
        operation_id="read_timeline",
        summary="Read an order's timeline",
        description="Everything that happened to the order, oldest first.",
        tags=["orders"],
        responses=EventSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The order's events."""
        order = get_object_or_404(self.orders().only("pk"), number=number)
        events = EventSerializer.prepare(OrderEvent.objects.filter(order=order))
        return Response([represent(EventSerializer, event, request) for event in events])


class SubOrdersView(MerchantView):
    """The sub-orders that the merchant fulfils."""

    serializer_class = SubOrderSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = SubOrderFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | SubOrderFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[SubOrder]:
        """What a page of the list is taken from."""
        return SubOrderSerializer.prepare(self.sub_orders())

    @extend_schema(
        operation_id="list_sub_orders",
        summary="List sub-orders to fulfil",
        description=(
            "The sub-orders that the merchant fulfils, whichever channel sold them, newest first: where they go, and"
            " the merchant's own lines and money."
        ),
        tags=["sub-orders"],
        responses=SubOrderSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of sub-orders."""
        return self.page()


class SubOrderView(MerchantView):
    """One sub-order."""

    serializer_class = SubOrderSerializer

    def get_queryset(self) -> QuerySet[SubOrder]:
        """The sub-orders that the merchant fulfils, with all that is shown."""
        return SubOrderSerializer.prepare(self.sub_orders())

    @extend_schema(
        operation_id="read_sub_order",
        summary="Read a sub-order to fulfil",
        description="A sub-order that the merchant fulfils.",
        tags=["sub-orders"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The sub-order."""
        return self.one()


def _rows(raw: bytes) -> list[bytes]:
    """The orders of a bulk call, each still as JSON. Raises InvalidInput."""
    try:
        rows = msgspec.json.decode(raw, type=RawBulkBody).orders
    except msgspec.ValidationError as error:
        raise InvalidInput([field_error(error)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = _("This is not valid JSON: %(reason)s") % {"reason": error}
        raise InvalidInput([FieldError("", "parse_error", detail)]) from error
    if raw.count(b'"orders"') > 1 and _repeats_orders(raw):
        raise InvalidInput([FieldError("orders", "repeated_key", _("This object has the key twice."))])
    if not rows:
        raise InvalidInput([FieldError("orders", "empty", _("Send at least one order."))])
    if len(rows) > MAX_BULK:
        detail = _("Send at most %(most)d orders in one call.") % {"most": MAX_BULK}
        raise InvalidInput([FieldError("orders", "too_many", detail)])
    return [bytes(row) for row in rows]


def _repeats_orders(raw: bytes) -> bool:
    """Whether the outermost object has `orders` twice, so that a reader would drop some of them."""
    objects: list[list[tuple[str, Any]]] = []
    try:
        json.loads(raw, object_pairs_hook=objects.append, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False  # a row is to blame, and is refused by itself
    return [key for key, _value in objects[-1]].count("orders") > 1


class _Head(msgspec.Struct):
    external_number: str | None = None


def _external_number(row: bytes) -> str | None:
    """The external number of a row of wrong form, if it can be read."""
    try:
        return msgspec.json.decode(row, type=_Head).external_number
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _duplicate(number: str) -> FieldError:
    detail = _("This channel sent the external number before; it is order %(number)s.") % {"number": number}
    return FieldError("external_number", "duplicate", detail)


def _shown(error: FieldError) -> dict[str, str | None]:
    return {**error.as_dict(), "attr": error.attr or None}
