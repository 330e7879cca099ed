"""A shop whose codes are matched, and what is said of them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from inventory.models import UNKNOWN_GOODS
from oms.merchants.models import Channel
from orders.intake.bodies import decode
from orders.intake.placing import Outcome, place_orders
from orders.matching import matches, releasing
from orders.matching.matches import NewComponent, NewMatch
from orders.models import Order, OrderLine, SkuMatch
from tests import factories, steps

Line = tuple[str, int, str]


def make_shop() -> factories.Shop:
    """A shop, as `factories.make_shop`, whose channel matches SKUs."""
    shop = factories.make_shop()
    Channel.objects.filter(pk=shop.channel.pk).update(matches_skus=True)
    return shop


def body(shop: factories.Shop, *lines: Line | dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An order of the shop with lines by the caller's codes: (code, pieces, price), or a line's body."""
    whole = [one if isinstance(one, dict) else _line(*one) for one in lines]
    made = shop.body(**{"payable_amount": "0.00", **changes})
    goods = sum(Decimal(one["unit_price"]) * one["quantity"] for one in whole)
    goods -= sum(Decimal(one.get("line_discount", 0)) for one in whole)
    taken = sum(Decimal(one["amount"]) for one in made.get("promotions", ()))
    taken += Decimal(made["coupon_amount"]) + Decimal(made["gift_card_amount"]) + Decimal(made["points"]["amount"])
    due = goods + Decimal(made["freight_amount"]) - taken + Decimal(made.get("adjustment_amount", 0))
    return {**made, "lines": whole, "payable_amount": f"{due:.2f}"}


def _line(code: str, pieces: int, price: str) -> dict[str, Any]:
    return {"sku": code, "quantity": pieces, "unit_price": price}


def place(shop: factories.Shop, *lines: Line | dict[str, Any], **changes: Any) -> Order:
    """The order, stored by the real intake."""
    return factories.place(body(shop, *lines, **changes), shop.merchant)


def send(shop: factories.Shop, *bodies: dict[str, Any]) -> list[Outcome]:
    """What comes of these orders, sent together."""
    return place_orders([decode(msgspec.json.encode(one)) for one in bodies], shop.merchant, actor=steps.STAFF)


def match(shop: factories.Shop, code: str, *parts: NewComponent | tuple[Any, ...]) -> SkuMatch:
    """Let the code stand for these components: (SKU, units a piece, weight)."""
    components = tuple(
        part
        if isinstance(part, NewComponent)
        else NewComponent(
            part[0].code, part[0].merchant.code, *part[1:2], weight=Decimal(part[2]) if len(part) > 2 else None
        )
        for part in parts
    )
    made = matches.put(shop.merchant, NewMatch(shop.channel.code, code, components), actor=steps.STAFF)
    assert isinstance(made, SkuMatch), made
    return made


def release() -> None:
    """Let go on who can."""
    factories.run(releasing.run)


def lines_of(order: Order) -> list[tuple[str, str, int, str, str]]:
    """SKU, caller's code, units, goods and payable amount of each line, by position."""
    rows = OrderLine.objects.filter(order=order).select_related("sku").order_by("position")
    return [
        (line.sku.code, line.caller_code, line.quantity, str(line.goods_amount), str(line.payable_amount))
        for line in rows
    ]


def is_waiting(order: Order) -> bool:
    """Whether a line of it stands for goods that nobody has named."""
    return OrderLine.objects.filter(order=order, sku__code=UNKNOWN_GOODS).exists()


def codes(found: Sequence[tuple[str, ...]]) -> list[str]:
    """The SKUs of lines."""
    return [line[0] for line in found]
