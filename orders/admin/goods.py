"""An order's goods at the head of its page: ticked, they are what the buttons below them act on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oms.common.templatetags.staff import tone
from orders.changing import units
from orders.models import Order, OrderLine, SubOrder, SubOrderState

# So many lines are shown at once; the others unfold.
MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Place:
    """How many units of a line are in a sub-order, and where that is."""

    number: str
    units: int
    state: str
    tone: str


@dataclass(frozen=True, slots=True)
class Goods:
    """A line: how many of its units are not gone, how many can be cancelled by themselves, and where they are."""

    line: OrderLine
    left: int
    cancellable: int
    places: Sequence[Place]


def of_order(order: Order, lines: Sequence[OrderLine], sub_orders: Iterable[SubOrder]) -> dict[str, Sequence[Goods]]:
    """The `first` lines and the `rest` that is folded. No statement: `sub_orders` are loaded with their lines."""
    parts = list(sub_orders)
    gone = units.gone(order, lines, parts)
    left = units.left_to_cancel(order, lines, parts)
    places: dict[int, list[Place]] = {}
    for part in parts:
        label = str(SubOrderState(part.state).label)
        for row in part.lines.all():
            place = Place(part.number, row.quantity, label, tone(part.state))
            places.setdefault(row.order_line_id, []).append(place)
    rows = [
        Goods(line, line.quantity - gone[line.position], left[line.position], places.get(line.pk, ())) for line in lines
    ]
    return {"first": rows[:MOST_LINES], "rest": rows[MOST_LINES:]}
