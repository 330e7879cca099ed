"""What waits for codes that were matched: locked orders, with the lines that stand for them until then."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from inventory.cod import CodTerms
from inventory.models import UNKNOWN_GOODS
from oms.common.copying import array
from orders.intake.apportionment import Shares
from orders.intake.checking import CheckedLine
from orders.intake.goods import KnownSku
from orders.intake.sharing import PromotionShare
from orders.intake.storing import KIND_VIRTUAL
from orders.models.shares import shares_in_fen

PLACEHOLDERS = f"SELECT k.id FROM inventory_sku k WHERE k.code = '{UNKNOWN_GOODS}'"


@dataclass(slots=True)
class WaitingLine:
    """A stored line whose code is matched now."""

    id: int
    position: int
    checked: CheckedLine
    shares: Shares
    promotions: list[tuple[int, PromotionShare]] = field(default_factory=list)  # with the promotion's id


@dataclass(slots=True)
class WaitingOrder:
    """A locked order that waits, with what stands in it. `unmatched` are its codes that nobody has matched, `unpriced`
    those that came without a price; `paid_at` is when the merchant was paid for these."""

    id: int
    channel_id: int = 0
    is_virtual: bool = False
    payment_method: str = ""
    adjustment_bearer: str = ""
    line_count: int = 0
    units_to_cancel: dict[str, int] = field(default_factory=dict)  # by position
    codes: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    unpriced: set[str] = field(default_factory=set)
    paid_at: datetime | None = None
    waits: dict[int, int] = field(default_factory=dict)  # by id, with the revision of what was said
    lines: list[WaitingLine] = field(default_factory=list)


def read_waits(order_ids: Sequence[int]) -> dict[int, WaitingOrder]:
    """What each of the locked orders waits for, by its id; their lines are not read yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.order_id, w.id, m.code, m.revision, m.matched_at IS NOT NULL, w.is_unpriced, w.paid_at
            FROM orders_matchwait w JOIN orders_skumatch m ON m.id = w.match_id
            WHERE w.order_id = ANY(%s::bigint[]) ORDER BY w.id
            """,
            [array(order_ids)],
        )
        waiting: dict[int, WaitingOrder] = {}
        for order_id, wait_id, code, revision, is_matched, is_unpriced, paid_at in cursor.fetchall():
            order = waiting.setdefault(order_id, WaitingOrder(order_id))
            order.waits[wait_id] = revision
            order.codes.append(code)
            order.paid_at = order.paid_at or paid_at
            if is_unpriced:
                order.unpriced.add(code)
            if not is_matched:
                order.unmatched.append(code)
        return waiting


def read_lines(orders: dict[int, WaitingOrder]) -> None:
    """Read the lines that wait, and their shares of promotions, into their orders."""
    lines: dict[int, WaitingLine] = {}
    unknown = KnownSku(0, UNKNOWN_GOODS, "", "", False, CodTerms.YES)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.id, o.channel_id, left(o.number, 1) = '{KIND_VIRTUAL}', o.payment_method, o.adjustment_bearer,
                o.line_count, o.units_to_cancel,
                l.id, l.position, l.name, l.quantity, (l.unit_price * 100)::bigint, (l.line_discount * 100)::bigint,
                l.external_id, l.is_gift, (l.stated_value * 100)::bigint, l.caller_code, {shares_in_fen("l")}
            FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id
            WHERE o.id = ANY(%s::bigint[]) AND l.sku_id IN ({PLACEHOLDERS}) ORDER BY l.id
            """,
            [array(orders)],
        )
        for row in cursor.fetchall():
            order = orders[row[0]]
            order.channel_id, order.is_virtual, order.payment_method, order.adjustment_bearer = row[1:5]
            order.line_count, order.units_to_cancel = row[5], json.loads(row[6] or "{}")
            key, position, name, quantity, price, discount, external_id, is_gift, stated, code = row[7:17]
            shares = Shares(*row[17:])
            checked = CheckedLine(
                *(unknown, name, quantity, price, discount, shares.goods),
                external_id=external_id,
                is_gift=is_gift,
                stated_value=stated,
                caller_code=code,
            )
            lines[key] = WaitingLine(key, position, checked, shares)
            order.lines.append(lines[key])
        cursor.execute(
            """
            SELECT line_id, promotion_id, (amount * 100)::bigint, (platform_amount * 100)::bigint
            FROM orders_promotionshare WHERE line_id = ANY(%s::bigint[]) ORDER BY promotion_id
            """,
            [array(lines)],
        )
        for line_id, promotion_id, amount, platform in cursor.fetchall():
            own = lines[line_id].promotions
            own.append((promotion_id, PromotionShare(len(own), 0, amount, platform)))
