"""What came without a price costs its list price, from when somebody has said what it is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from oms.common.copying import records
from orders.intake.apportionment import Shares
from orders.intake.checking import CheckedLine
from orders.intake.placing import payment_time
from orders.matching.known import Parts, list_price_of
from orders.models import ChargeCause, OrderPaymentState
from orders.models.charge import ChargeComponent


def priced(line: CheckedLine, shares: Shares, parts: Parts) -> tuple[CheckedLine, Shares]:
    """The line, and what it carries, at the list price of what its code stands for. Orders without prices have nothing
    else to share among their lines."""
    price = list_price_of(parts)
    goods = price * line.quantity
    line = msgspec.structs.replace(line, unit_price=price, line_discount=0, goods_amount=goods)
    return line, shares._replace(goods=goods)


def row(order_id: int, added: int, *, paid_at: datetime | None) -> dict[str, Any]:
    """What `write` needs to know of an order that costs so many fen more; `paid_at` is when its merchant was paid."""
    return {"id": order_id, "added": added, "paid_at": paid_at.isoformat() if paid_at else None}


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Let the locked orders cost that much more: they are charged for it, and are to be paid from now on, or were paid
    to their merchant. One statement, and none without rows."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH p AS (
                SELECT id, added / 100.0 AS added, paid_at
                FROM json_to_recordset(%(rows)s::json) AS r(id bigint, added bigint, paid_at timestamptz)
            ), costing AS (
                UPDATE orders_order o SET goods_amount = goods_amount + p.added, order_amount = order_amount + p.added,
                    payable_amount = payable_amount + p.added, payment_state = '{OrderPaymentState.UNPAID}',
                    pay_by = CASE WHEN p.paid_at IS NULL THEN now() + make_interval(secs => %(seconds)s) END,
                    ready_at = now(), collected_at = p.paid_at,
                    collected_amount = CASE WHEN p.paid_at IS NOT NULL THEN o.payable_amount + p.added END
                FROM p WHERE o.id = p.id
            )
            INSERT INTO orders_ordercharge (order_id, component, cause, amount)
            SELECT id, '{ChargeComponent.GOODS}', '{ChargeCause.PLACED}', added FROM p WHERE added <> 0
            """,
            {"rows": records(rows), "seconds": payment_time().total_seconds()},
        )
