"""How the amounts of orders came about: of one, and of all that changed, for programs of the platform's own."""

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from oms.common.door.api import represent
from oms.common.door.places import limit_of, start
from oms.merchants.calls.scopes import PAYMENTS_READ, PLATFORM_READ
from orders.api import apportioned, places
from orders.api.scoping import OrderScopedView
from orders.api.serializers.amounts import AmountsPageSerializer, AmountsSerializer
from orders.models import Order

_BY_WORTH = (
    "in proportion to the goods_amount of the lines, by largest remainder; apportionment_policy whole_yuan: the whole"
    " yuan in yuan, then the fen in fen; fen: all in fen; what a line cannot bear goes to the others; fixed when the"
    " order came in and never worked out again"
)
_ABOVE_FLOOR = "; no line is pushed below its SKU's floor price"
FORMULAS = {
    "line.goods_amount": "quantity * unit_price - line_discount",
    "line.payable_amount": "goods_amount + freight_share - promotion_share - coupon_share + adjustment_share"
    " - points_share - gift_card_share",
    "goods_amount": "sum of the lines' goods_amount",
    "order_amount": "goods_amount + freight_amount",
    "promotion_amount": "sum of the promotions' amount",
    "payable_amount": "order_amount - promotion_amount - coupon_amount + adjustment_amount - points_amount"
    " - gift_card_amount",
    "freight_share": f"freight_amount {_BY_WORTH}",
    "promotion_share": f"each promotion's amount {_BY_WORTH}, among the lines that it covers{_ABOVE_FLOOR}",
    "coupon_share": f"coupon_amount {_BY_WORTH}{_ABOVE_FLOOR}",
    "adjustment_share": f"adjustment_amount {_BY_WORTH}{_ABOVE_FLOOR}",
    "merchant_borne_share": "sum of the promotions' merchant_amount - adjustment_share where adjustment_bearer is"
    " merchant; what the merchant is settled less",
    "points_share": f"points_amount {_BY_WORTH}",
    "gift_card_share": f"gift_card_amount {_BY_WORTH}",
    "parts": "units that part from a line take quantity / quantity of every share, rounded down to whole fen; the last"
    " part takes the rest",
    "cancelled_amount": "less the sum of the charges with cause cancelled, refused or returned",
    "owed_amount": "sum of the charges",
}


class AmountsView(OrderScopedView):
    """The amounts of one order."""

    scopes = {"GET": PAYMENTS_READ}
    serializer_class = AmountsSerializer

    @extend_schema(
        operation_id="read_amounts",
        summary="Read how an order's amounts came about",
        description=(
            "Every amount of the order, of its sub-orders, of its lines, of their parts in sub-orders and of each unit"
            " of these, to the fen. `components` say where each yuan comes from and who bears it; they add up to"
            " `payable_amount`."
        ),
        tags=["payments"],
    )
    def get(self, request: Request, number: str) -> Response:
        """The amounts."""
        order = get_object_or_404(self.orders(), number=number)
        (amounts,) = apportioned.read([order])
        return Response(represent(AmountsSerializer, {**amounts, "formulas": FORMULAS}, request))


MOST_ORDERS = 200


class AmountsFeedView(OrderScopedView):
    """The amounts of all orders that changed."""

    scopes = {"GET": PLATFORM_READ}
    serializer_class = AmountsPageSerializer
    query_parameters = frozenset({"updated_since", "cursor", "limit"})

    @extend_schema(
        operation_id="list_amounts",
        summary="List the amounts of orders that changed",
        description=(
            "For programs of the platform's own, with a credential that reads the whole platform: the orders of all"
            " merchants whose timeline grew, as they are now, in the order of their changes. Begin with"
            " `updated_since`; then go on with `cursor`, also after the last page (`next` is null): it never passes a"
            " change that is still being written, so nothing is left out however transactions overtake each other. For"
            " that the list is some seconds behind. An order that changes again comes again: keep the newest."
        ),
        tags=["payments"],
        parameters=[
            OpenApiParameter("updated_since", OpenApiTypes.DATETIME, description="Changed then or later."),
            OpenApiParameter("cursor", str, description="Where to go on."),
            OpenApiParameter("limit", int, description="How many orders at most: 1 to 200, 50 without it."),
        ],
        responses=OpenApiResponse(AmountsPageSerializer, "The orders, and where to go on."),
    )
    def get(self, request: Request) -> Response:
        """A page."""
        if not self.caller.reads_platform:
            raise PermissionDenied(_("Only a credential of the self-operated merchant may do this."), "scope_missing")
        limit, place = limit_of(request, MOST_ORDERS), start(request)
        ids, place, is_last = places.changed_orders(Order.objects.all(), place, limit)
        found = {order.pk: order for order in Order.objects.filter(pk__in=ids)}
        rows = apportioned.read([found[key] for key in ids])
        cursor = place.text()
        address = replace_query_param(request.build_absolute_uri(request.path), "cursor", cursor)
        following = None if is_last else replace_query_param(address, "limit", str(limit))
        return Response(
            represent(AmountsPageSerializer, {"next": following, "cursor": cursor, "results": rows}, request)
        )
