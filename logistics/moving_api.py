"""The API's warehouse change (转仓) of a sub-order: which warehouses could send it, and having another one send it."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from logistics.warehouses import moving_away
from oms.common.door.api import LineField, read_body, represent
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from orders.api.scoping import OrderScopedView
from orders.api.serializers.sub_orders import SubOrderSerializer
from orders.changing import wishing
from orders.fulfilling import moving
from orders.models import SubOrder

OPTION = {
    "warehouse": "POP01-WH",
    "km": 120,
    "skus_there": 2,
    "skus_wanted": 2,
    "arrives_at": "2026-01-07T18:00:00+08:00",
    "is_current": False,
    "has_refused": False,
    "is_chosen": True,
    "is_possible": True,
}


@extend_schema_serializer(examples=[OpenApiExample("A candidate", OPTION, response_only=True)])
class WarehouseOptionSerializer(serializers.Serializer):
    """What a warehouse would make of a sub-order."""

    warehouse = serializers.CharField(source="code")
    km = serializers.IntegerField(help_text="How far it is from the recipient.")
    skus_there = serializers.IntegerField(source="has", help_text="Of how many SKUs it has all units.")
    skus_wanted = serializers.IntegerField(source="wanted")
    arrives_at = serializers.DateTimeField(allow_null=True, help_text="Null: not known.")
    is_current = serializers.BooleanField(help_text="It has the sub-order.")
    has_refused = serializers.BooleanField(help_text="It gave the sub-order back before.")
    is_chosen = serializers.BooleanField(help_text="The rules would choose it.")
    is_possible = serializers.BooleanField(help_text="It may be named.")


@extend_schema_serializer(examples=[OpenApiExample("To another one", {"warehouse": "POP01-WH"}, request_only=True)])
class MoveSerializer(serializers.Serializer):
    """Which warehouse is to send a sub-order."""

    warehouse = LineField(max_length=40, default="", allow_blank=True, help_text="Empty: whom the rules choose.")


class SubOrderWarehousesView(OrderScopedView):
    """Warehouses that could send a sub-order which the merchant fulfils."""

    scopes = {"GET": "orders.read", "POST": "orders.write"}
    serializer_class = WarehouseOptionSerializer

    def _part(self, number: str) -> SubOrder:
        return get_object_or_404(self.sub_orders().select_related("order"), number=number)

    def _known(self, part: SubOrder) -> dict[str, int]:
        """The warehouses that the merchant may name, by code."""
        return dict(wishing.warehouses_for([part.merchant_id]).values_list("code", "pk"))

    @extend_schema(
        operation_id="list_sub_order_warehouses",
        summary="List warehouses that could send a sub-order",
        description="What each would make of it: whether it has everything, and when it would arrive. The best first.",
        tags=["orders"],
        responses=WarehouseOptionSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The candidates."""
        part = self._part(number)
        known = self._known(part)
        found = [one for one in moving.options(part) if one.code in known]
        return Response([represent(WarehouseOptionSerializer, one, request) for one in found])

    @extend_schema(
        operation_id="move_sub_order",
        summary="Have another warehouse send a sub-order",
        description=(
            "Before it leaves. What its warehouse was not told of yet is moved at once; else the warehouse is asked"
            " first, and `wished_warehouse` stands until it answered. 409 `cannot_move` says why not."
        ),
        tags=["orders"],
        request=MoveSerializer,
        responses={200: OpenApiResponse(SubOrderSerializer, "The sub-order.")},
    )
    def post(self, request: Request, number: str, **_kwargs: Any) -> Response:
        """Move it."""
        part = self._part(number)
        code = read_body(MoveSerializer, request).validated_data["warehouse"]
        target = self._known(part).get(code) if code else None
        if code and target is None:
            detail = _("There is no warehouse %(code)s in use for it.") % {"code": code}
            raise InvalidInput([FieldError("warehouse", "not_found", detail)])
        moving_away.move(part.pk, to=target, actor=self.actor)
        row = SubOrderSerializer.prepare(self.sub_orders()).get(pk=part.pk)
        return Response(represent(SubOrderSerializer, row, request))
