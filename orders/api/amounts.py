"""How the amounts of an order came about."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import represent
from orders.api.scoping import OrderScopedView
from orders.api.serializers.amounts import AmountsSerializer
from orders.models import OrderLine, SubOrderLine, SubOrderState
from orders.models.shares import SHARES

_ORDER = (
    *("currency", "goods_amount", "freight_amount", "order_amount", "coupon_amount", "points_amount"),
    *("gift_card_amount", "payable_amount", "paid_amount", "refunded_amount"),
)
_NOT_OWED = (SubOrderState.CANCELLED, SubOrderState.RETURNED)
_BY_WORTH = (
    "in proportion to the goods_amount of the lines: whole yuan first, then the rest in fen by largest remainder; what"
    " a line cannot bear goes to the others; fixed when the order came in and never worked out again"
)
FORMULAS = {
    "line.goods_amount": "quantity * unit_price - line_discount",
    "line.payable_amount": "goods_amount + freight_share - coupon_share - points_share - gift_card_share",
    "goods_amount": "sum of the lines' goods_amount",
    "order_amount": "goods_amount + freight_amount",
    "payable_amount": "order_amount - coupon_amount - points_amount - gift_card_amount",
    "freight_share": f"freight_amount {_BY_WORTH}",
    "coupon_share": f"coupon_amount {_BY_WORTH}",
    "points_share": f"points_amount {_BY_WORTH}",
    "gift_card_share": f"gift_card_amount {_BY_WORTH}",
    "parts": "units that part from a line take quantity / quantity of every share, rounded down to whole fen; the last"
    " part takes the rest",
    "owed_amount": "payable_amount - cancelled_amount",
}


class AmountsView(OrderScopedView):
    """The amounts of one order."""

    scopes = {"GET": "payments.read"}
    serializer_class = AmountsSerializer

    @extend_schema(
        operation_id="read_amounts",
        summary="Read how an order's amounts came about",
        description="Every amount of the order, of its lines and of their parts in sub-orders, to the fen.",
        tags=["payments"],
    )
    def get(self, request: Request, number: str) -> Response:
        """The amounts."""
        order = get_object_or_404(self.orders(), number=number)
        parts: dict[int, list[dict[str, Any]]] = {}
        cancelled = Decimal(0)
        for part in (
            SubOrderLine.objects.filter(sub_order__order=order)
            .select_related("sub_order")
            .order_by("sub_order_id", "id")
        ):
            if part.sub_order.state in _NOT_OWED:
                cancelled += part.payable_amount
            parts.setdefault(part.order_line_id, []).append(
                {
                    "sub_order": part.sub_order.number,
                    "state": part.sub_order.state,
                    "quantity": part.quantity,
                    **{name: getattr(part, name) for name in SHARES},
                }
            )
        if order.state == "cancelled":
            cancelled = order.payable_amount
        lines = [
            {
                "position": line.position,
                "id": line.external_id,
                "sku": line.sku.code,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "line_discount": line.line_discount,
                **{name: getattr(line, name) for name in SHARES},
                "parts": parts.get(line.pk, []),
            }
            for line in OrderLine.objects.filter(order=order).select_related("sku").order_by("position")
        ]
        amounts = {
            **{name: getattr(order, name) for name in _ORDER},
            "cancelled_amount": cancelled,
            "owed_amount": order.payable_amount - cancelled,
            "formulas": FORMULAS,
            "lines": lines,
        }
        return Response(represent(AmountsSerializer, amounts, request))
