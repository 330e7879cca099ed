"""What is set aside, as pages and answers show it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from inventory.models import DemandKind, Reservation, StockHold, StockHoldLine
from orders.models import Order


@dataclass(slots=True)
class Goods:
    """Units of a SKU for one line: those that were set aside, those that still are, and those of these that are on
    order only (`ahead`)."""

    sku: str
    merchant: str
    quantity: int = 0
    held: int = 0
    ahead: int = 0


@dataclass(slots=True)
class Line:
    """A line that was granted, as the caller called it, with its goods by SKU."""

    line: int
    sku: str
    goods_by_sku: dict[int, Goods] = field(default_factory=dict)

    @property
    def goods(self) -> list[Goods]:
        """Its goods, in the order in which they were set aside."""
        return list(self.goods_by_sku.values())


@dataclass(slots=True)
class Shown:
    """The lines of what is set aside, and the number of the order that took it over, if one did."""

    lines: list[Line]
    order: str | None = None
    order_id: int | None = None

    @property
    def held(self) -> int:
        """Units that are set aside now."""
        return sum(goods.held for line in self.lines for goods in line.goods)


def read(holds: Iterable[StockHold]) -> Mapping[int, Shown]:
    """The lines and orders of these, by id. Three statements, whatever their number."""
    ids = [hold.pk for hold in holds]
    lines = list(StockHoldLine.objects.filter(hold__in=ids).select_related("sku__merchant").order_by("hold", "id"))
    active = Reservation.objects.active_for([line.pk for line in lines], DemandKind.HOLD)
    held = dict(active.values_list("demand_id", "quantity"))
    orders = {
        hold_id: (number, key)
        for hold_id, number, key in Order.objects.filter(stock_hold__in=ids).values_list("stock_hold", "number", "pk")
    }
    by_hold: dict[int, dict[int, Line]] = {key: {} for key in ids}
    for line in lines:
        shown = by_hold[line.hold_id].setdefault(line.position, Line(line.position, line.code))
        goods = shown.goods_by_sku.setdefault(line.sku_id, Goods(line.sku.code, line.sku.merchant.code))
        goods.quantity += line.quantity
        goods.held += held.get(line.pk, 0) + (line.ahead or 0)
        goods.ahead += line.ahead or 0
    return {
        key: Shown([found[place] for place in sorted(found)], *orders.get(key, (None, None)))
        for key, found in by_hold.items()
    }
