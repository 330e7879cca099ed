"""The API's operations on grants: what a return would give, and asking for a refund or compensation."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from orders.api.naming import gifts_that_followed, units_by_position
from orders.api.scoping import OrderScopedView
from orders.changing import followed_gifts
from orders.models import SubOrderState
from orders.models.sub_order import UNDONE
from payments.granting import deciding, previewing
from payments.granting.previewing import Wanted
from payments.granting.serializers import (
    CalculationSerializer,
    GrantSerializer,
    PreviewSerializer,
    RefundRequestSerializer,
)
from payments.models import GrantKind, GrantReason, RefundGrant

# Also of goods that are not there yet it can be asked what they would give.
_NOT_UNDONE = [state for state in SubOrderState if state not in UNDONE]


def _units(order_id: int, data: Mapping[str, Any]) -> Wanted:
    return Wanted(
        GrantKind.RETURN,
        units=units_by_position(order_id, data["lines"]),
        gifts_kept=units_by_position(order_id, data.get("gifts_kept", ()), "gifts_kept"),
        followed_kept=followed_gifts.by_part(order_id, gifts_that_followed(data.get("followed_kept", ()))),
    )


class RefundPreviewView(OrderScopedView):
    """What a return would give."""

    scopes = {"POST": "payments.read"}
    error_statuses = {"404": "There is no such order, or it is not the merchant's."}
    reads_by_post = True
    serializer_class = CalculationSerializer

    @extend_schema(
        operation_id="preview_refund",
        summary="Work out what a return would give back",
        description=(
            "Line by line, with the promotions that are lost because the kept goods do not reach them any more, by the"
            " order's own copies of prices, shares and rules. Nothing is changed. Units must be in a sub-order."
        ),
        tags=["payments"],
        request=PreviewSerializer,
        responses=OpenApiResponse(CalculationSerializer, "What would go back now."),
    )
    def post(self, request: Request) -> Response:
        """The calculation."""
        data = read_body(PreviewSerializer, request).validated_data
        order_id = self.order_id(data["order"])
        reason = GrantReason.objects.filter(code=data["reason"], kind=GrantKind.RETURN, is_active=True).first()
        if reason is None:
            raise InvalidInput([FieldError("reason", "invalid_choice", _("There is no such reason for returns."))])
        found = previewing.preview(order_id, _units(order_id, data), reason, states=_NOT_UNDONE)
        return Response(represent(CalculationSerializer, found.as_json(), request))


class RefundRequestsView(OrderScopedView):
    """What is asked for or granted for one order."""

    scopes = {"GET": "payments.read", "POST": "refunds.request"}
    serializer_class = GrantSerializer

    @extend_schema(
        operation_id="list_refund_requests",
        summary="List an order's grants",
        description="Refunds and compensation that were asked for, granted or declined, oldest first.",
        tags=["payments"],
        responses=GrantSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The grants."""
        grants = GrantSerializer.prepare(RefundGrant.objects.filter(order=self.order_id(number))).order_by("pk")
        return Response([represent(GrantSerializer, grant, request) for grant in grants])

    @extend_schema(
        operation_id="request_refund",
        summary="Ask for a refund or compensation",
        description=(
            "Staff grant or decline it; the webhooks `refund.granted` and `refund.declined` tell. What is granted goes"
            " back as refunds. What is asked for is reserved until then: no more than was paid can be asked for in all."
        ),
        tags=["payments"],
        request=RefundRequestSerializer,
        responses={201: OpenApiResponse(GrantSerializer, "It waits for a decision.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Propose it."""
        order_id = self.order_id(number)
        data = read_body(RefundRequestSerializer, request).validated_data
        kind = GrantKind(data["kind"])
        if kind == GrantKind.RETURN:
            wanted = _units(order_id, data)
        else:
            wanted = Wanted(kind, data.get("amount", Decimal(0)), data.get("line"))
        grant = deciding.propose(order_id, wanted, reason=data["reason"], note=data["note"], actor=self.actor)
        grant = GrantSerializer.prepare(RefundGrant.objects.all()).get(pk=grant.pk)
        return Response(represent(GrantSerializer, grant, request), status.HTTP_201_CREATED)
