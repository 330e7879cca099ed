"""Units set aside for carts and quotes, until they are given back, expire, or an order takes them over."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from inventory import holding
from inventory.hold_plans import Lack, NewHold
from inventory.holding import GivenBack
from inventory.models import HoldPurpose, Region, Sku, StockHold
from oms.common.door.api import read_body, represent
from oms.common.door.errors import InvalidInput
from oms.common.door.places import NewestOrByChange
from oms.common.door.schema import ErrorsSerializer
from oms.common.errors import FieldError
from oms.merchants.calls.scopes import RESERVATIONS_READ, RESERVATIONS_WRITE
from orders.api.results import shown
from orders.api.scoping import OrderScopedView
from orders.api.serializers.reservations import (
    ALL,
    RESERVATION,
    DurationSerializer,
    GivenBackSerializer,
    NewReservationSerializer,
    ReservationSerializer,
)
from orders.stock import baskets, held
from orders.stock.baskets import BasketLine

_EXAMPLE = OpenApiExample("A reservation", RESERVATION, response_only=True)


class _ReservationsBase(OrderScopedView):
    serializer_class = ReservationSerializer

    def get_queryset(self) -> QuerySet[StockHold]:
        """What the merchant's channels set aside."""
        return self.stock_holds().select_related("channel")

    def shown_holds(self, holds: Sequence[StockHold], refused: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
        """As answers have them."""
        found = held.read(holds)
        rows: list[Any] = list(holds)
        for row in rows:
            row.shown_lines, row.shown_order = found[row.pk].lines, found[row.pk].order
            row.shown_refused = refused
        return [represent(ReservationSerializer, row, self.request) for row in rows]


class ReservationsView(_ReservationsBase):
    """The merchant's reservations."""

    scopes = {"GET": RESERVATIONS_READ, "POST": RESERVATIONS_WRITE}
    has_sparse_fields = True
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters

    @extend_schema(
        operation_id="list_reservations",
        summary="List reservations",
        description=(
            "Units that the merchant's channels set aside for carts and quotes, newest first; with `updated_since` in"
            " the order of what became of them. Units that a count takes away are no change by themselves."
        ),
        tags=["reservations"],
        examples=[_EXAMPLE],
        responses=ReservationSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of reservations."""
        rows = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.shown_holds(rows or []))

    @extend_schema(
        operation_id="create_reservation",
        summary="Set units aside for a cart or quote",
        description=(
            "Nobody else gets the units until `expires_at`, until you give them back, or until an order that names the"
            " `number` as its `reservation` has its warehouses. With `mode` all (the default) every line is granted or"
            " none; with each, the lines that are short stand in `refused`. A line gets all its units or none, from"
            " warehouses that send to `region_code` where that is given. Where the channel's share of the stock is"
            " limited, no more than that is set aside. Where the channel sells ahead (`presale_percent`), a line for"
            " which there is too little gets units that are on order (`ahead`)."
        ),
        tags=["reservations"],
        parameters=[
            OpenApiParameter("Location", str, OpenApiParameter.HEADER, description="Its address.", response=[201])
        ],
        request=NewReservationSerializer,
        examples=[_EXAMPLE],
        responses={201: ReservationSerializer, 409: OpenApiResponse(ErrorsSerializer, "There is not enough.")},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Set them aside."""
        data = read_body(NewReservationSerializer, request).validated_data
        channel = baskets.channel_of(self.merchant, data.get("source", ""))
        lines = [BasketLine(row["sku"], row["quantity"], row.get("merchant", "")) for row in data["lines"]]
        items = baskets.items(self.merchant, channel, lines)
        purpose = HoldPurpose(data["purpose"])
        outcome = holding.set_aside(
            NewHold(
                merchant_id=self.merchant.pk,
                channel_id=channel.pk,
                purpose=purpose,
                items=items,
                seconds=data.get("seconds", settings.HOLD_SECONDS[purpose]),
                is_whole=data["mode"] == ALL,
                region_code=_region(data.get("region_code", "")),
                reference=data.get("reference", ""),
            ),
            actor=self.actor.name,
        )
        lacking = _lacking(outcome.lacking)
        if outcome.hold_id is None:
            return Response({"type": "client_error", "errors": _errors(lacking)}, status.HTTP_409_CONFLICT)
        hold = self.get_queryset().get(pk=outcome.hold_id)
        (answer,) = self.shown_holds([hold], lacking)
        return Response(answer, status.HTTP_201_CREATED, headers={"Location": answer["url"]})


def _region(code: str) -> str | None:
    if code and not Region.objects.filter(code=code).exists():
        detail = _("Give the six-digit code of a county-level division (GB/T 2260), such as 110101.")
        raise InvalidInput([FieldError("region_code", "unknown_region", detail)])
    return code or None


def _lacking(lacks: Sequence[Lack]) -> list[dict[str, Any]]:
    """What the lines lack, by line and SKU; the smallest figure where one is short for two reasons."""
    codes = dict(Sku.objects.filter(pk__in={lack.sku_id for lack in lacks}).values_list("pk", "code"))
    least: dict[tuple[int, int], int] = {}
    for lack in lacks:
        key = (lack.position, lack.sku_id)
        least[key] = min(lack.units, least.get(key, lack.units))
    return [
        {"line": position, "sku": codes[sku_id], "available": units}
        for (position, sku_id), units in sorted(least.items())
    ]


def _errors(lacking: Sequence[dict[str, Any]]) -> list[dict[str, str | None]]:
    errors = []
    for lack in lacking:
        detail = _("Of %(sku)s only %(units)d units can be set aside.") % {
            "sku": lack["sku"],
            "units": lack["available"],
        }
        errors.append(shown(FieldError(f"lines.{lack['line'] - 1}.quantity", "insufficient_stock", detail)))
    return errors


class ReservationView(_ReservationsBase):
    """One reservation."""

    scopes = {"GET": RESERVATIONS_READ, "DELETE": RESERVATIONS_WRITE}
    has_sparse_fields = True

    def get_object(self) -> StockHold:
        """Raises Http404."""
        return _named(self.get_queryset(), self.kwargs["number"])

    @extend_schema(
        operation_id="read_reservation",
        summary="Read a reservation",
        description="What is set aside, until when, and which order took it over.",
        tags=["reservations"],
        examples=[_EXAMPLE],
    )
    def get(self, request: Request, number: str) -> Response:
        """The reservation."""
        return Response(self.shown_holds([self.get_object()])[0])

    @extend_schema(
        operation_id="release_reservation",
        summary="Give a reservation back",
        description=(
            "The units go back at once. What is over already stays as it is; what an order took over goes back with"
            " the order."
        ),
        tags=["reservations"],
        responses={204: None, 409: OpenApiResponse(ErrorsSerializer, "An order has the units.")},
    )
    def delete(self, request: Request, number: str) -> Response:
        """Give it back."""
        holding.release(self.get_object().pk, actor=self.actor.name)
        return Response(status=status.HTTP_204_NO_CONTENT)


class GiveBackView(_ReservationsBase):
    """Some units of one reservation."""

    scopes = {"POST": RESERVATIONS_WRITE}

    @extend_schema(
        operation_id="release_reserved_units",
        summary="Give some units of a reservation back",
        description=(
            "The units of these lines go back at once, all of what is named or nothing; the others stay set aside. Once"
            " none is left, the reservation is over."
        ),
        tags=["reservations"],
        request=GivenBackSerializer,
        examples=[
            _EXAMPLE,
            OpenApiExample("One unit", {"lines": [{"line": 1, "quantity": 1}]}, request_only=True),
        ],
        responses={200: ReservationSerializer, 409: OpenApiResponse(ErrorsSerializer, "It is over.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Give them back."""
        hold = _named(self.get_queryset(), number)
        rows = read_body(GivenBackSerializer, request).validated_data["lines"]
        wanted = [GivenBack(row["line"], row["quantity"], row["sku"]) for row in rows]
        holding.release_some(hold.pk, wanted, actor=self.actor.name)
        return Response(self.shown_holds([self.get_queryset().get(pk=hold.pk)])[0])


class ExtendView(_ReservationsBase):
    """More time for one reservation."""

    scopes = {"POST": RESERVATIONS_WRITE}

    @extend_schema(
        operation_id="extend_reservation",
        summary="Keep a reservation longer",
        description=(
            "For so many seconds from now on, but in all not longer than its purpose allows; never shorter than before."
        ),
        tags=["reservations"],
        request=DurationSerializer,
        examples=[_EXAMPLE, OpenApiExample("Ten minutes", {"seconds": 600}, request_only=True)],
        responses={200: ReservationSerializer, 409: OpenApiResponse(ErrorsSerializer, "It is over.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Extend it."""
        hold = _named(self.get_queryset(), number)
        data = read_body(DurationSerializer, request).validated_data
        holding.extend(hold.pk, data.get("seconds", settings.HOLD_SECONDS[hold.purpose]))
        return Response(self.shown_holds([self.get_queryset().get(pk=hold.pk)])[0])


def _named(holds: QuerySet[StockHold], number: str) -> StockHold:
    """The one of that number. Raises Http404."""
    return get_object_or_404(holds, pk=StockHold.id_of(number))
