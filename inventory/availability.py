"""What can be promised of a SKU at a stock point: the one formula, for SQL and for Python.

    available = max(0, on hand of good quality − reserved − frozen − safety stock)

It is clamped at each stock point before it is summed: what one lacks, another does not lack too.
"""

from django.db.models import F, Q


def available_sql(stock: str) -> str:
    """SQL for the units that can be promised of a row of `inventory_stock`, which the statement calls `stock`."""
    return f"greatest({stock}.on_hand - {stock}.reserved - {stock}.frozen - {stock}.safety_stock, 0)"


def free_sql(stock: str) -> str:
    """SQL for the units that lie there for nobody: safety stock is among them, since it is no promise to anybody."""
    return f"greatest({stock}.on_hand - {stock}.reserved - {stock}.frozen, 0)"


def available(*, on_hand: int, reserved: int, frozen: int, safety_stock: int) -> int:
    """The units that can be promised: the twin of `available_sql`."""
    return max(0, on_hand - reserved - frozen - safety_stock)


def has_units() -> Q:
    """The rows of which units can be promised, for queries over stock: `available` of them is above 0."""
    return Q(on_hand__gt=F("reserved") + F("frozen") + F("safety_stock"))
