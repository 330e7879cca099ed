"""The API's split of a sub-order: units go by themselves."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, version_of
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from orders.api.examples import ORDER
from orders.api.naming import units_by_position
from orders.api.scoping import OrderScopedView
from orders.api.serializers.changing import SplitSerializer
from orders.api.serializers.orders import OrderSerializer
from orders.fulfilling import dividing
from orders.models import SubOrder


class SplitView(OrderScopedView):
    """Units of one sub-order that go by themselves."""

    scopes = {"POST": "orders.write"}
    checks_version = frozenset({"POST"})
    serializer_class = OrderSerializer

    @extend_schema(
        operation_id="split_sub_order",
        summary="Split a sub-order",
        description=(
            "The named units become a sub-order of their own, at the same warehouse and with the stock that was"
            " promised to them, as long as no warehouse has them: after that 409 `cannot_split` says why. Shares of"
            " money go with the units; what the buyer pays stays the same."
        ),
        tags=["orders"],
        request=SplitSerializer,
        examples=[
            OpenApiExample(
                "One unit of the first line",
                {"sub_order": "1234567890123456-1", "lines": [{"position": 1, "quantity": 1}]},
                request_only=True,
            ),
            OpenApiExample("The order", ORDER, response_only=True, status_codes=["201"]),
        ],
        responses={201: OpenApiResponse(OrderSerializer, "The order with its new sub-order.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Split."""
        version = version_of(request)
        order_id = self.order_id(number)
        body = read_body(SplitSerializer, request).validated_data
        part = SubOrder.objects.filter(order=order_id, number=body["sub_order"]).first()
        if part is None:
            detail = _("The order has no sub-order %(number)s.") % {"number": body["sub_order"]}
            raise InvalidInput([FieldError("sub_order", "unknown_sub_order", detail)])
        units = units_by_position(order_id, body["lines"])
        by_position = dict(part.lines.values_list("order_line__position", "pk"))
        unknown = [
            FieldError("lines", "unknown_line", _("The sub-order has no line %(position)d.") % {"position": position})
            for position in units
            if position not in by_position
        ]
        if unknown:
            raise InvalidInput(unknown)
        wanted = {by_position[position]: count for position, count in units.items()}
        dividing.divide(part.pk, wanted, actor=self.actor, version=version)
        return self.order_response(order_id, status.HTTP_201_CREATED)
