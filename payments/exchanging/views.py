"""The API's operation on the money of exchanges: what one would come to. It is asked for as a return."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent
from orders.api.returns import goods_of, units_of
from orders.api.scoping import OrderScopedView
from orders.models import SubOrder
from orders.models.return_request import ReturnKind
from orders.returning.requesting import Wanted
from payments.exchanging import beginning
from payments.exchanging.serializers import ExchangePreviewSerializer, ExchangeRequestSerializer, shown


class ExchangePreviewView(OrderScopedView):
    """What an exchange would come to."""

    scopes = {"POST": "payments.read"}
    error_statuses = {"404": "There is no such sub-order, or it is not the merchant's."}
    serializer_class = ExchangePreviewSerializer

    @extend_schema(
        operation_id="preview_exchange",
        summary="Work out what an exchange would come to",
        description=(
            "What units that come back are worth, what the new goods cost, and what the buyer would pay, or get back."
            " Nothing is changed. It is asked for as a return of the kind `exchange`; who approves it begins it."
        ),
        tags=["payments"],
        request=ExchangeRequestSerializer,
        responses=OpenApiResponse(ExchangePreviewSerializer, "What it would come to now."),
    )
    def post(self, request: Request) -> Response:
        """The preview."""
        data = read_body(ExchangeRequestSerializer, request).validated_data
        own = SubOrder.objects.filter(order__channel__merchant=self.merchant)
        part = get_object_or_404(own, number=data["sub_order"])
        wanted = Wanted(ReturnKind.EXCHANGE, units_of(part, data["lines"]), data["reason"], goods=goods_of(data))
        found = beginning.preview(part.order_id, wanted)
        return Response(represent(ExchangePreviewSerializer, shown(found), request))
