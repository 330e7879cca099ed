"""What a part of a sub-order is, how it gets its number, and how it is written.

Units part from a sub-order for warehouses and shortages (`parting`), or leave it as they are (`parting_off`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import connection

from oms.common.copying import array, copy_rows, next_ids, records, text_array
from orders.fulfilling import presale
from orders.intake.apportionment import Shares
from orders.models import SubOrderState
from orders.models.shares import SHARES, shares_in_fen

TOTALS = ("total_quantity", "weight_g", *SHARES)
# For an UPDATE of sub-orders `s` from records `p`.
SET_TOTALS = ", ".join(f"{column} = p.{column}" for column in TOTALS)


@dataclass(slots=True)
class PartLine:
    """Units of an order line in one part. `is_new`: it must be inserted; `is_kept`: it stays as it is."""

    id: int
    order_line_id: int
    quantity: int
    shares: Shares
    weight_g: int
    is_new: bool
    is_kept: bool


@dataclass(slots=True)
class Part:
    """One part of a sub-order; without a `parent_id` it is the sub-order itself, which keeps its first part."""

    id: int
    number: str
    parent_id: int | None
    lines: list[PartLine]

    def totals(self) -> dict[str, object]:
        """Units, weight (g) and money (yuan) of all lines, by column."""
        shares = Shares(*map(sum, zip(*[line.shares for line in self.lines], strict=True)))
        return {
            "total_quantity": sum([line.quantity for line in self.lines]),
            "weight_g": sum([line.weight_g for line in self.lines]),
            **shares.columns(),
        }


@dataclass(frozen=True, slots=True)
class NewPart:
    """A part to insert, in the state that it begins in; `sourcing` is JSON, `shortage` units by SKU code. What is short
    may be held for a person, or be cancelled at a time, unless its parent's time runs already."""

    part: Part
    state: SubOrderState
    warehouse_id: int | None = None
    sourcing: str | None = None
    shortage: dict[str, int] | None = None
    needs_person_since: datetime | None = None
    cancel_short_at: datetime | None = None


@dataclass(slots=True)
class Source:
    """A line whose units are to be parted."""

    sub_order_id: int
    order_line_id: int
    quantity: int
    shares: Shares
    unit_weight_g: int

    def line(self, line_id: int, quantity: int, shares: Shares, *, is_new: bool, is_kept: bool = False) -> PartLine:
        """Units of it, with their shares, as a line of a part."""
        weight = quantity * self.unit_weight_g
        return PartLine(line_id, self.order_line_id, quantity, shares, weight, is_new, is_kept)


def read_sources(sub_order_ids: Iterable[int]) -> dict[int, Source]:
    """The lines of the sub-orders, by line id, in that order."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.id, l.sub_order_id, l.order_line_id, l.quantity, k.weight_g,
                   {shares_in_fen("l")}
            FROM orders_suborderline l
            JOIN orders_orderline ol ON ol.id = l.order_line_id
            JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE l.sub_order_id = ANY(%s::bigint[]) ORDER BY l.id
            """,
            [array(sub_order_ids)],
        )
        return {
            line_id: Source(sub_order_id, order_line_id, quantity, Shares(*fen), weight)
            for line_id, sub_order_id, order_line_id, quantity, weight, *fen in cursor.fetchall()
        }


def new_line_ids(count: int) -> list[int]:
    """Ids for lines that will be inserted."""
    return next_ids("orders_suborderline", count)


def new_part_ids(count: int) -> list[int]:
    """Ids for parts that will be inserted."""
    return next_ids("orders_suborder", count)


class Numbers:
    """Numbers of new parts: that of the sub-order which the split stage made, and a running suffix: a part that is
    split once more makes no longer numbers.

    Should another worker split a part of the same sub-order at the same time, the number's unique constraint lets one
    of them through, and the other is done again.
    """

    def __init__(self, sub_orders: Iterable[tuple[int, str]]) -> None:
        """For sub-orders given as (order id, number)."""
        bases = {(order_id, self._base(number)) for order_id, number in sub_orders}
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT b.base, coalesce(max(split_part(s.number, '-', 3)::int), 0)
                FROM unnest(%s::bigint[], %s::text[]) AS b(order_id, base)
                LEFT JOIN orders_suborder s ON s.order_id = b.order_id AND starts_with(s.number, b.base || '-')
                GROUP BY b.base
                """,
                [array(order_id for order_id, _base in bases), text_array(base for _order_id, base in bases)],
            )
            self._used = dict(cursor.fetchall())

    def next(self, number: str) -> str:
        """The number of one more part of the sub-order."""
        base = self._base(number)
        self._used[base] += 1
        return f"{base}-{self._used[base]}"

    @staticmethod
    def _base(number: str) -> str:
        return "-".join(number.split("-")[:2])


def insert(new: Sequence[NewPart]) -> None:
    """Insert the parts beside their parents, without their lines. They keep the place of those that wait."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_suborder (id, number, parent_id, order_id, merchant_id, storage_class, payment_method,
                is_held, waiting_since, ship_not_before, refused_by, avoids, state, warehouse_id, sourcing,
                shortage, needs_person_since, cancel_short_at, allocated_at, cancelled_at, ready_at,
                {", ".join(TOTALS)})
            SELECT p.id, p.number, s.id, s.order_id, s.merchant_id, s.storage_class, s.payment_method,
                s.is_held, s.waiting_since, s.ship_not_before, s.refused_by, s.avoids, p.state, p.warehouse_id,
                p.sourcing, p.shortage, p.needs_person_since,
                CASE WHEN p.cancel_short_at IS NOT NULL THEN coalesce(s.cancel_short_at, p.cancel_short_at) END,
                CASE WHEN p.state = '{SubOrderState.ALLOCATED}' THEN now() END,
                CASE WHEN p.state = '{SubOrderState.CANCELLED}' THEN now() END,
                -- What is backordered sleeps until stock wakes it.
                CASE p.state WHEN '{SubOrderState.BACKORDERED}' THEN NULL WHEN '{SubOrderState.CANCELLED}' THEN NULL
                             WHEN '{SubOrderState.ALLOCATED}' THEN {presale.READY_AT} ELSE now() END,
                {", ".join(f"p.{column}" for column in TOTALS)}
            FROM json_populate_recordset(NULL::orders_suborder, %s::json) AS p
            JOIN orders_suborder s ON s.id = p.parent_id
            """,
            [
                records(
                    {
                        "id": one.part.id,
                        "number": one.part.number,
                        "parent_id": one.part.parent_id,
                        "state": one.state.value,
                        "warehouse_id": one.warehouse_id,
                        "sourcing": msgspec.Raw(one.sourcing.encode()) if one.sourcing is not None else None,
                        "shortage": one.shortage,
                        "needs_person_since": one.needs_person_since,
                        "cancel_short_at": one.cancel_short_at,
                        **one.part.totals(),
                    }
                    for one in new
                )
            ],
        )


def write_lines(parts: Sequence[Part]) -> None:
    """Existing lines move to their part and keep what they still carry; the others are new."""
    rows = [(part, line) for part in parts for line in part.lines]
    moved = [(part, line) for part, line in rows if not (line.is_new or line.is_kept)]
    columns = ("sub_order_id", "quantity", *SHARES)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborderline l SET {", ".join(f"{column} = p.{column}" for column in columns)}
            FROM json_populate_recordset(NULL::orders_suborderline, %s::json) AS p WHERE l.id = p.id
            """,
            [
                records(
                    {"id": line.id, "sub_order_id": part.id, "quantity": line.quantity, **line.shares.columns()}
                    for part, line in moved
                )
            ],
        )
    copy_rows(
        "orders_suborderline",
        ("id", "order_line_id", *columns),
        [
            (line.id, line.order_line_id, part.id, line.quantity, *line.shares.columns().values())
            for part, line in rows
            if line.is_new
        ],
    )
