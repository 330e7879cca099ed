"""How the amounts of an order came about."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import represent
from orders.api.scoping import OrderScopedView
from orders.api.serializers.amounts import AmountsSerializer
from orders.models import OrderCharge, OrderLine, PromotionShare, SubOrderLine
from orders.models.charge import OF_GONE_UNITS
from orders.models.shares import SHARES

_ORDER = (
    *("currency", "goods_amount", "freight_amount", "order_amount", "promotion_amount", "coupon_amount"),
    *("adjustment_amount", "adjustment_bearer", "points_amount", "gift_card_amount", "merchant_borne_amount"),
    *("payable_amount", "paid_amount", "refunded_amount", "apportionment_policy"),
)
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


def _sum(charges: Iterable[OrderCharge]) -> Decimal:
    return sum((charge.amount for charge in charges), Decimal(0))


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
        for part in (
            SubOrderLine.objects.filter(sub_order__order=order)
            .select_related("sub_order")
            .order_by("sub_order_id", "id")
        ):
            parts.setdefault(part.order_line_id, []).append(
                {
                    "sub_order": part.sub_order.number,
                    "state": part.sub_order.state,
                    "quantity": part.quantity,
                    **{name: getattr(part, name) for name in SHARES},
                }
            )
        charges = list(order.charges.select_related("sub_order", "line"))
        promotions = list(order.promotions.prefetch_related("shares")) if order.promotion_amount else []
        shares: dict[int, list[PromotionShare]] = {}
        for promotion in promotions:
            for share in promotion.shares.all():
                shares.setdefault(share.line_id, []).append(share)
        lines = [
            {
                "position": line.position,
                "id": line.external_id,
                "sku": line.sku_code,
                "caller_code": line.caller_code,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "line_discount": line.line_discount,
                **{name: getattr(line, name) for name in SHARES},
                "promotions": shares.get(line.pk, []),
                "parts": parts.get(line.pk, []),
            }
            for line in OrderLine.objects.filter(order=order).select_related("sku").order_by("position")
        ]
        amounts = {
            **{name: getattr(order, name) for name in _ORDER},
            "cancelled_amount": -_sum(charge for charge in charges if charge.cause in OF_GONE_UNITS),
            "owed_amount": _sum(charges),
            "charges": charges,
            "formulas": FORMULAS,
            "promotions": promotions,
            "lines": lines,
        }
        return Response(represent(AmountsSerializer, amounts, request))
