"""Gifts that followed an order after its completion, as orders of their own, as far as the buyer has them.

They are lines of other orders, but belong to the goods of this one: where those come back and a gift does not, what it
counts for is kept of this order's money, as of a gift that went along.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db import connection

from oms.common.copying import array
from oms.common.states import listed
from orders.models.sub_order import SubOrderState

_WITH_THE_BUYER = (SubOrderState.SHIPPED, SubOrderState.DELIVERED, SubOrderState.COMPLETED)
_SENT = "orders_giftgrant g JOIN orders_orderline l ON l.id = g.line_id AND g.after_days IS NOT NULL"


@dataclass(frozen=True, slots=True)
class FollowedGift:
    """Units of a gift that the buyer has: the sub-order line (`part`) and order line (ids) and order that sent it, and
    what a unit counts for, in fen. `units` are those that no return brings back."""

    part: int
    line: int
    order: str
    name: str
    units: int
    stated: int


def of_order(order_id: int) -> list[FollowedGift]:
    """What followed the order and is still with its buyer; one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.id, l.id, o.number, l.name, p.quantity - p.returned_quantity - p.returning_quantity,
                (g.stated_value * 100)::bigint
            FROM {_SENT} JOIN orders_order o ON o.id = l.order_id
            JOIN orders_suborderline p ON p.order_line_id = l.id
            JOIN orders_suborder s ON s.id = p.sub_order_id AND s.state IN ({listed(_WITH_THE_BUYER)})
            WHERE g.order_id = %s AND g.stated_value > 0
              AND p.quantity > p.returned_quantity + p.returning_quantity
            ORDER BY p.id
            """,
            [order_id],
        )
        return [FollowedGift(*row) for row in cursor.fetchall()]


def stated_values(line_ids: Collection[int]) -> dict[int, int]:
    """What a unit of these lines counts for (fen), of those that are gifts which followed."""
    return {line: stated for line, (stated, _units) in _found(line_ids).items()}


def worth(line_ids: Collection[int]) -> Mapping[int, int]:
    """What the units that the buyer has of these lines count for (fen), of those that are gifts which followed."""
    return {line: stated * units for line, (stated, units) in _found(line_ids).items()}


def _found(line_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    if not line_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.id, (g.stated_value * 100)::bigint, (
                SELECT coalesce(sum(p.quantity - p.returned_quantity), 0) FROM orders_suborderline p
                JOIN orders_suborder s ON s.id = p.sub_order_id AND s.state IN ({listed(_WITH_THE_BUYER)})
                WHERE p.order_line_id = l.id)::bigint
            FROM {_SENT} WHERE l.id = ANY(%s::bigint[])
            """,
            [array(line_ids)],
        )
        return {line: (stated, units) for line, stated, units in cursor.fetchall()}
