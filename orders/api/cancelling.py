"""How merchants cancel orders and parts of them: what it would do, doing it, and many at once."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent, version_of
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError, OmsError, WrongFields
from orders.api.examples import ORDER
from orders.api.naming import units_by_position
from orders.api.results import shown
from orders.api.scoping import OrderScopedView
from orders.api.serializers.cancellation import (
    CancelPreviewSerializer,
    CancelSerializer,
    ManyCancelledSerializer,
    ManyToCancelSerializer,
)
from orders.api.serializers.orders import OrderSerializer
from orders.changing import choosing, previewing, reasons
from orders.changing.choosing import Selection
from orders.models import SubOrder


def _selection(order_id: int, wish: Mapping[str, Any]) -> Selection:
    """What of the order is to be cancelled. Raises InvalidInput for lines and sub-orders that it does not have."""
    units = units_by_position(order_id, wish["lines"]) if wish.get("lines") else {}
    numbers = wish.get("sub_orders") or []
    known = dict(SubOrder.objects.filter(order=order_id, number__in=numbers).values_list("number", "pk"))
    unknown = [
        FieldError(f"sub_orders.{i}", "unknown_sub_order", _("The order has no sub-order %(number)s.") % {"number": it})
        for i, it in enumerate(numbers)
        if it not in known
    ]
    if unknown:
        raise InvalidInput(unknown)
    return Selection(units, list(known.values()), is_rest=bool(wish.get("rest")))


def _why(wish: Mapping[str, Any]) -> reasons.Why:
    return reasons.chosen(wish.get("reason_code", ""), wish.get("reason", ""), reasons.Audience.MERCHANTS)


class _Manner(TypedDict):
    restocks: bool
    tells_buyer: bool


def _manner(wish: Mapping[str, Any]) -> _Manner:
    return {"restocks": wish.get("restocks", True), "tells_buyer": wish.get("tells_buyer", False)}


class CancelView(OrderScopedView):
    """The end of one order, or of some of its units."""

    scopes = {"POST": "orders.write"}
    checks_version = frozenset({"POST"})
    serializer_class = OrderSerializer

    @extend_schema(
        operation_id="cancel_order",
        summary="Cancel an order, or some of its units",
        description=(
            "Without `lines`, `sub_orders` and `rest` the whole order: at once before it is sent to a warehouse,"
            " answered with 200. After that the warehouse is asked, and the answer is 202: `cancellation` says what is"
            " asked of whom and until when; the webhooks `order.cancel_granted` and `order.cancel_refused` tell how it"
            " ended. With `lines` the units named, which no warehouse may have yet: their money goes back by the shares"
            " that the apportionment gave them. `sub_orders` names sub-orders to cancel as a whole, `rest` means all"
            " that has not left yet, such as the back-ordered part of an order of which the other part arrived. Before"
            " the order is split the money goes back at once, too; the units are kept in `units_to_cancel` and leave"
            " with the split. With `preview` nothing is changed: the answer says what would be."
        ),
        tags=["orders"],
        request=CancelSerializer,
        examples=[OpenApiExample("The order", ORDER, response_only=True, status_codes=["200"])],
        responses={
            200: OpenApiResponse(
                PolymorphicProxySerializer(
                    component_name="OrderOrPreview",
                    serializers=[OrderSerializer, CancelPreviewSerializer],
                    resource_type_field_name=None,
                ),
                "It is done; the order as it is now. With `preview`: what it would do.",
            ),
            202: OpenApiResponse(OrderSerializer, "A warehouse is asked; the order as it is until it answers."),
        },
    )
    def post(self, request: Request, number: str) -> Response:
        """Cancel, or say what that would do."""
        version = version_of(request)
        order_id = self.order_id(number)
        wish = read_body(CancelSerializer, request).validated_data
        selection, why = _selection(order_id, wish), _why(wish)
        if wish.get("preview"):
            found = previewing.preview(order_id, selection, version=version)
            return Response(represent(CancelPreviewSerializer, found, request))
        was_asked = set(_asked(order_id))
        choosing.cancel(order_id, selection, reason=why, actor=self.actor, version=version, **_manner(wish))
        is_asked = bool(set(_asked(order_id)) - was_asked)
        return self.order_response(order_id, status.HTTP_202_ACCEPTED if is_asked else status.HTTP_200_OK)


def _asked(order_id: int) -> Any:
    parts = SubOrder.objects.filter(order=order_id, cancel_requested_at__isnull=False)
    return parts.values_list("pk", flat=True)


class CancelManyView(OrderScopedView):
    """The end of many orders."""

    scopes = {"POST": "orders.write"}
    serializer_class = ManyCancelledSerializer

    @extend_schema(
        operation_id="cancel_orders",
        summary="Cancel many orders",
        description=(
            "Each order by itself, as `cancel` of one does: what is refused changes nothing, and the others are done"
            " all the same. One result for each, in the same order."
        ),
        tags=["orders"],
        request=ManyToCancelSerializer,
        responses=OpenApiResponse(ManyCancelledSerializer, "One result for each order."),
    )
    def post(self, request: Request) -> Response:
        """Cancel each."""
        rows = read_body(ManyToCancelSerializer, request).validated_data["orders"]
        known = dict(self.orders().filter(number__in={row["number"] for row in rows}).values_list("number", "pk"))
        choosing.lock_all(known.values())
        results = [
            {"index": index, "number": row["number"], **self._cancel(known.get(row["number"]), row)}
            for index, row in enumerate(rows)
        ]
        return Response({"results": results})

    def _cancel(self, order_id: int | None, row: Mapping[str, Any]) -> dict[str, Any]:
        if order_id is None:
            return _refused([FieldError("number", "not_found", _("There is no such order."))])
        try:
            order = choosing.cancel(
                order_id,
                _selection(order_id, row),
                reason=_why(row),
                actor=self.actor,
                version=row.get("version"),
                **_manner(row),
            )
        except (InvalidInput, WrongFields) as wrong:
            return _refused(wrong.errors)
        except OmsError as refusal:
            return _refused([FieldError(refusal.attr or "", refusal.code, str(refusal))])
        return {"status": "asked" if _asked(order_id).exists() else "cancelled", "state": str(order.state)}


def _refused(errors: Sequence[FieldError]) -> dict[str, Any]:
    return {"status": "refused", "errors": [shown(error) for error in errors]}
