"""Gifts that followed an order after its completion, as orders of their own, as far as the buyer has them.

They are lines of other orders, but belong to the goods of this one: where those come back and a gift does not, what it
counts for is kept of this order's money, as of a gift that went along.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext as _

from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.states import listed
from orders.models.sub_order import SubOrderState

_WITH_THE_BUYER = (SubOrderState.SHIPPED, SubOrderState.DELIVERED, SubOrderState.COMPLETED)
_SENT = "orders_giftgrant g JOIN orders_orderline l ON l.id = g.line_id AND g.after_days IS NOT NULL"


@dataclass(frozen=True, slots=True)
class FollowedGift:
    """Units of a gift that the buyer has: the sub-order line (`part`) and order line (ids), and order with its position
    that sent it, and what a unit counts for, in fen. `units` are those that no return brings back."""

    part: int
    line: int
    order: str
    position: int
    name: str
    units: int
    stated: int


def of_order(order_id: int) -> list[FollowedGift]:
    """What followed the order and is still with its buyer; one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.id, l.id, o.number, l.position, l.name, p.quantity - p.returned_quantity - p.returning_quantity,
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


@dataclass(frozen=True, slots=True)
class Named:
    """Units of a gift that followed, by the number of the order that sent it and its position there."""

    order: str
    position: int
    quantity: int


def by_part(order_id: int, named: Sequence[Named]) -> dict[int, int]:
    """The named units of gifts that followed the order, by the sub-order line that sent them. Raises OmsError for what
    did not follow it, or is not with its buyer in such numbers."""
    left: dict[tuple[str, int], int] = {}
    gifts = of_order(order_id) if named else []
    for gift in gifts:
        left[gift.order, gift.position] = left.get((gift.order, gift.position), 0) + gift.units
    found: dict[int, int] = {}
    for one in named:
        place = (one.order, one.position)
        if place not in left:
            text = _("No gift that the buyer has followed by line %(position)d of order %(order)s.")
            raise OmsError(text % {"position": one.position, "order": one.order}, attr="followed_kept")
        if not 0 < one.quantity <= left[place]:
            text = _("Of this gift that followed, the buyer has only %(most)d units.")
            raise OmsError(text % {"most": left[place]}, attr="followed_kept")
        left[place] -= one.quantity
        rest = one.quantity
        for gift in gifts:
            if (gift.order, gift.position) == place and rest:
                count = min(rest, gift.units - found.get(gift.part, 0))
                found[gift.part] = found.get(gift.part, 0) + count
                rest -= count
    return {part: count for part, count in found.items() if count}


def still_kept(order_id: int, said: Sequence[Named]) -> dict[int, int]:
    """Of gifts that were said to be kept, what the buyer still has by now, by the sub-order line that sent them."""
    left: dict[tuple[str, int], int] = {(one.order, one.position): one.quantity for one in said}
    found: dict[int, int] = {}
    for gift in of_order(order_id) if said else ():
        count = min(left.get((gift.order, gift.position), 0), gift.units)
        if count:
            found[gift.part] = count
            left[gift.order, gift.position] -= count
    return found


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
