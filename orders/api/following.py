"""The API's operations on goods sent again (补发) and on the gifts that rules gave."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from orders.api.naming import units_by_position
from orders.api.scoping import OrderScopedView
from orders.api.serializers.following import GiftGrantSerializer, ReissueRequestSerializer, ReissueSerializer
from orders.changing import reissuing
from orders.models import GiftGrant, OrderLine, OrderLink
from orders.models.order_link import CostBearer, LinkKind


class ReissuesView(OrderScopedView):
    """What of an order is sent again."""

    scopes = {"GET": "orders.read", "POST": "orders.write"}
    serializer_class = ReissueSerializer

    @extend_schema(
        operation_id="list_reissues",
        summary="List what of an order is sent again",
        description="The orders that send goods of this one again, oldest first.",
        tags=["orders"],
        responses=ReissueSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The orders."""
        links = OrderLink.objects.filter(original=self.order_id(number), kind=LinkKind.REISSUE)
        rows = links.select_related("order").order_by("pk")
        return Response([represent(ReissueSerializer, row, request) for row in rows])

    @extend_schema(
        operation_id="reissue",
        summary="Send goods again",
        description=(
            "Units that left a warehouse are sent again to the same recipient for nothing, as an order of its own"
            " (`order.reissued`); no more of a line than left, and only your own goods, since you bear the cost. 409"
            " `cannot_reissue` says why not."
        ),
        tags=["orders"],
        request=ReissueRequestSerializer,
        responses={201: OpenApiResponse(ReissueSerializer, "They are sent again.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Send them again."""
        order_id = self.order_id(number)
        data = read_body(ReissueRequestSerializer, request).validated_data
        units = units_by_position(order_id, data["lines"])
        foreign = OrderLine.objects.filter(order=order_id, position__in=units).exclude(sku__merchant=self.merchant)
        if foreign.exists():
            detail = _("You can send again only goods of your own; ask the platform for those of others.")
            raise InvalidInput([FieldError("lines", "not_yours", detail)])
        new = reissuing.reissue(
            order_id, units, data["reason"], CostBearer.MERCHANT, note=data["note"], actor=self.actor
        )
        row = OrderLink.objects.select_related("order").get(pk=new.pk)
        return Response(represent(ReissueSerializer, row, request), status.HTTP_201_CREATED)


class GiftGrantsView(OrderScopedView):
    """What rules gave along with an order."""

    scopes = {"GET": "orders.read"}
    serializer_class = GiftGrantSerializer

    @extend_schema(
        operation_id="list_gifts",
        summary="List the gifts of an order",
        description=(
            "The log of gift rules: which rule gave what along with the order, and by which figures; or promised it for"
            " after completion, and what became of that."
        ),
        tags=["orders"],
        responses=GiftGrantSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The log."""
        grants = GiftGrant.objects.filter(order=self.order_id(number)).select_related(
            "rule__gift", "line__sku", "line__order"
        )
        return Response([represent(GiftGrantSerializer, grant, request) for grant in grants.order_by("pk")])
