"""The amounts of orders with all that they are made of: by sub-order, line, unit, component, source and bearer.

Read for many orders in as many statements as for one.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from oms.common.money import to_fen
from orders.intake.apportionment import Shares
from orders.models import Order, OrderCharge, OrderLine, OrderPromotion, PromotionShare, SubOrder, SubOrderLine
from orders.models.amounts import Bearer
from orders.models.charge import OF_GONE_UNITS, ChargeComponent
from orders.models.shares import SHARES, CarriesShares

_ORDER = (
    *("number", "version", "currency", "goods_amount", "freight_amount", "order_amount", "promotion_amount"),
    *("coupon_amount", "adjustment_amount", "adjustment_bearer", "points_amount", "gift_card_amount"),
    *("merchant_borne_amount", "payable_amount", "paid_amount", "refunded_amount", "apportionment_policy"),
)
# Bears the coupons of orders whose channel's platform settles them with its merchant: nobody here does.
CHANNEL = "channel"
# Of parts of more units no single ones are worked out.
MOST_UNITS = 200


def read(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """What `AmountsSerializer` shows of each of the orders, in their order."""
    ids = [order.pk for order in orders]
    lines = _by_order(
        OrderLine.objects.filter(order__in=ids).select_related("sku__merchant").order_by("order", "position")
    )
    sub_orders = _by_order(SubOrder.objects.filter(order__in=ids).select_related("merchant").order_by("id"))
    charges = _by_order(
        OrderCharge.objects.filter(order__in=ids).select_related("sub_order", "line").order_by("order", "id")
    )
    parts: dict[int, list[SubOrderLine]] = {}
    for part in (
        SubOrderLine.objects.filter(sub_order__order__in=ids).select_related("sub_order").order_by("sub_order_id", "id")
    ):
        parts.setdefault(part.order_line_id, []).append(part)
    promotions = _by_order(
        OrderPromotion.objects.filter(order__in=[order.pk for order in orders if order.promotion_amount])
        .prefetch_related("shares")
        .order_by("order", "position")
    )
    return [
        _of(order, lines.get(order.pk, []), sub_orders.get(order.pk, []), charges.get(order.pk, []), parts, promotions)
        for order in orders
    ]


def _by_order(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(row)
    return found


def _of(
    order: Order,
    lines: Sequence[OrderLine],
    sub_orders: Sequence[SubOrder],
    charges: Sequence[OrderCharge],
    parts: dict[int, list[SubOrderLine]],
    promotions: dict[int, list[OrderPromotion]],
) -> dict[str, Any]:
    own = promotions.get(order.pk, [])
    shares: dict[int, list[PromotionShare]] = {}
    for promotion in own:
        for share in promotion.shares.all():
            share.promotion = promotion
            shares.setdefault(share.line_id, []).append(share)
    shown = [_line(order, line, shares.get(line.pk, []), parts.get(line.pk, [])) for line in lines]
    return {
        **{name: getattr(order, name) for name in _ORDER},
        "cancelled_amount": -_sum(charge for charge in charges if charge.cause in OF_GONE_UNITS),
        "owed_amount": _sum(charges),
        "charges": charges,
        "promotions": own,
        "lines": shown,
        "components": _added_up(component for line in shown for component in line["components"]),
        "sub_orders": [
            {"number": part.number, "merchant": part.merchant.code, "state": part.state, **_shares(part)}
            for part in sub_orders
        ],
    }


def _sum(charges: Iterable[OrderCharge]) -> Decimal:
    return sum((charge.amount for charge in charges), Decimal(0))


def _shares(row: CarriesShares) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SHARES}


def _line(
    order: Order, line: OrderLine, shares: Sequence[PromotionShare], parts: Sequence[SubOrderLine]
) -> dict[str, Any]:
    return {
        "position": line.position,
        "id": line.external_id,
        "sku": line.sku_code,
        "merchant": line.sku.merchant.code,
        "caller_code": line.caller_code,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "line_discount": line.line_discount,
        **_shares(line),
        "promotions": shares,
        "components": list(_components(order, line, shares)),
        "parts": [
            {
                "sub_order": part.sub_order.number,
                "state": part.sub_order.state,
                "quantity": part.quantity,
                "returned_quantity": part.returned_quantity,
                **_shares(part),
                "units": list(_units(part)),
            }
            for part in parts
        ],
    }


def _components(order: Order, line: OrderLine, shares: Sequence[PromotionShare]) -> Iterator[dict[str, Any]]:
    """What the line's price is made of: signed amounts that add up to what is paid for it, whence each comes and who
    bears it."""
    yield from _component(ChargeComponent.GOODS, line.goods_amount)
    yield from _component(ChargeComponent.FREIGHT, line.freight_share)
    for share in shares:
        code = share.promotion.code
        yield from _component(ChargeComponent.PROMOTION, -share.platform_amount, code, Bearer.PLATFORM)
        yield from _component(ChargeComponent.PROMOTION, -share.merchant_amount, code, Bearer.MERCHANT)
    coupon_bearer = CHANNEL if order.deductions_are_outside else Bearer.PLATFORM
    yield from _component(ChargeComponent.COUPON, -line.coupon_share, bearer=coupon_bearer)
    yield from _component(
        ChargeComponent.ADJUSTMENT, line.adjustment_share, order.adjustment_reason, order.adjustment_bearer
    )
    yield from _component(ChargeComponent.POINTS, -line.points_share)
    yield from _component(ChargeComponent.GIFT_CARD, -line.gift_card_share)


def _component(
    component: ChargeComponent, amount: Decimal, source: str = "", bearer: str = ""
) -> Iterator[dict[str, Any]]:
    if amount:
        yield {"component": component.value, "source": source, "bearer": str(bearer), "amount": amount}


def _added_up(components: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str, str], Decimal] = {}
    for row in components:
        key = row["component"], row["source"], row["bearer"]
        sums[key] = sums.get(key, Decimal(0)) + row["amount"]
    return [
        {"component": component, "source": source, "bearer": bearer, "amount": amount}
        for (component, source, bearer), amount in sums.items()
    ]


def _units(part: SubOrderLine) -> Iterator[dict[str, Any]]:
    """What each unit of the part takes along where they go one by one: equal ones together."""
    if part.quantity > MOST_UNITS:
        return
    left = Shares(*(to_fen(getattr(part, name)) for name in SHARES[:-1]))
    units, before = 0, None
    for taken in range(part.quantity):
        shares = left.take(1, part.quantity - taken)
        left = left.less(shares)
        if before is not None and shares != before:
            yield {"units": units, **before.columns()}
            units = 0
        units, before = units + 1, shares
    if before is not None:
        yield {"units": units, **before.columns()}
