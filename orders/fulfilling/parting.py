"""Splitting a sub-order that no single warehouse can send: who sends what becomes a sub-order each.

The sub-order itself keeps its first part, the others get its first number with a running suffix: a part that is
split once more makes no longer numbers. Lines that go whole move
with their money; a line whose units are spread is divided, each part taking its share of every amount and the last
part the rest. Units that nobody has stay behind in a backordered part.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.db import connection

from oms.common.copying import array, copy_rows, next_ids, text_array
from oms.common.money import fen_text
from orders import kinds
from orders.fulfilling.plans import Plan
from orders.intake.apportionment import Shares
from orders.models import SubOrderState

_AMOUNTS = ("goods_amount", "freight_share", "coupon_share", "points_share", "gift_card_share", "payable_amount")
NOBODY = 0  # stands for the warehouse of units that are short


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
    """One part of a sub-order; `warehouse_id` is NOBODY for what is short."""

    id: int
    number: str
    parent_id: int | None
    warehouse_id: int
    lines: list[PartLine]

    @property
    def shares(self) -> Shares:
        """The part's money: the sums over its lines."""
        return Shares(*(sum(column) for column in zip(*(line.shares for line in self.lines), strict=True)))


@dataclass(slots=True)
class Parts:
    """The parts of every sub-order of a batch that must be split."""

    by_sub_order: dict[int, list[Part]] = field(default_factory=dict)
    line_ids: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def line_id(self, sub_order_id: int, warehouse_id: int, line_id: int) -> int:
        """The id of the line that holds the units a warehouse sends; the line itself where nothing was split."""
        return self.line_ids.get((sub_order_id, warehouse_id, line_id), line_id)


@dataclass(slots=True)
class _Source:
    order_line_id: int
    quantity: int
    shares: Shares
    unit_weight_g: int


def part_lines(plans: Sequence[Plan]) -> Parts:
    """Work out the parts of the sub-orders and reserve ids for them; nothing is written yet."""
    parts = Parts()
    if not plans:
        return parts
    sources = _read([plan.id for plan in plans])
    numbers = _Numbers(plans)
    spread = {plan.id: _spread(plan) for plan in plans}
    new_lines = sum(len(takers) - 1 for lines in spread.values() for takers in lines.values())
    part_counts = {plan.id: len(plan.choice.parts) + bool(plan.choice.short) for plan in plans}
    line_ids = iter(next_ids("orders_suborderline", new_lines))
    part_ids = iter(next_ids("orders_suborder", sum(part_counts.values()) - len(plans)))

    for plan in plans:
        # The largest part stays in the sub-order itself, so that the fewest lines move.
        largest_first = sorted(plan.choice.parts, key=lambda part: -len(part[1]))
        warehouses = [candidate.warehouse_id for candidate, _takes in largest_first]
        if plan.choice.short:
            warehouses.append(NOBODY)
        lines: dict[int, list[PartLine]] = {warehouse: [] for warehouse in warehouses}
        for line_id, takers in spread[plan.id].items():
            takers.sort(key=lambda taker: warehouses.index(taker[0]))
            source = sources[line_id]
            left, units_left = source.shares, source.quantity
            for i, (warehouse, units) in enumerate(takers):
                is_last = i == len(takers) - 1
                taken = left if is_last else left.take(units, units_left)
                if not is_last:
                    left, units_left = left.less(taken), units_left - units
                new_id = line_id if i == 0 else next(line_ids)
                weight = units * source.unit_weight_g
                is_kept = len(takers) == 1 and warehouse == warehouses[0]
                lines[warehouse].append(PartLine(new_id, source.order_line_id, units, taken, weight, i > 0, is_kept))
                parts.line_ids[plan.id, warehouse, line_id] = new_id
        made = []
        for i, warehouse in enumerate(warehouses):
            if i == 0:
                made.append(Part(plan.id, plan.number, None, warehouse, lines[warehouse]))
            else:
                made.append(Part(next(part_ids), numbers.next(plan), plan.id, warehouse, lines[warehouse]))
        parts.by_sub_order[plan.id] = made
    return parts


def _spread(plan: Plan) -> dict[int, list[tuple[int, int]]]:
    """By line: which warehouse sends how many units; NOBODY has the rest."""
    spread: dict[int, list[tuple[int, int]]] = {want.line_id: [] for want in plan.wants}
    left = {want.line_id: want.quantity for want in plan.wants}
    for candidate, takes in plan.choice.parts:
        for take in takes:
            spread[take.line_id].append((candidate.warehouse_id, take.quantity))
            left[take.line_id] -= take.quantity
    for line_id, units in left.items():
        if units:
            spread[line_id].append((NOBODY, units))
    return spread


def _read(sub_order_ids: Sequence[int]) -> dict[int, _Source]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.id, l.order_line_id, l.quantity, k.weight_g,
                   {", ".join(f"(l.{column} * 100)::bigint" for column in _AMOUNTS[:-1])}
            FROM orders_suborderline l
            JOIN orders_orderline ol ON ol.id = l.order_line_id
            JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE l.sub_order_id = ANY(%s)
            """,
            [list(sub_order_ids)],
        )
        return {
            line_id: _Source(order_line, quantity, Shares(*fen), weight)
            for line_id, order_line, quantity, weight, *fen in cursor.fetchall()
        }


class _Numbers:
    """Numbers of new parts: that of the sub-order which the split stage made, and a running suffix.

    Should another worker split a part of the same sub-order at the same time, the number's unique constraint lets one
    of them through, and the other is done again.
    """

    def __init__(self, plans: Sequence[Plan]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT b.base, coalesce(max(split_part(s.number, '-', 3)::int), 0)
                FROM unnest(%s::bigint[], %s::text[]) AS b(order_id, base)
                LEFT JOIN orders_suborder s ON s.order_id = b.order_id AND starts_with(s.number, b.base || '-')
                GROUP BY b.base
                """,
                [array(plan.order_id for plan in plans), text_array(self._base(plan) for plan in plans)],
            )
            self._used = dict(cursor.fetchall())

    def next(self, plan: Plan) -> str:
        """The number of one more part."""
        base = self._base(plan)
        self._used[base] += 1
        return f"{base}-{self._used[base]}"

    @staticmethod
    def _base(plan: Plan) -> str:
        return "-".join(plan.number.split("-")[:2])


def _amounts(shares: Shares) -> list[str]:
    return [fen_text(fen) for fen in (*shares, shares.payable)]


def write(plans: Sequence[Plan], parts: Parts) -> None:
    """Write the parts of the sub-orders given; their stock is reserved already."""
    if not plans:
        return
    firsts, others = [], []
    for plan in plans:
        first, *rest = parts.by_sub_order[plan.id]
        firsts.append((plan, first))
        others += [(plan, part) for part in rest]
    _insert_parts(others)
    _write_lines([part for _plan, part in (*firsts, *others)])
    _update_firsts(firsts, parts)
    _tell(firsts, others)


def _insert_parts(others: Sequence[tuple[Plan, Part]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_suborder (id, number, parent_id, order_id, merchant_id, storage_class, payment_method,
                state, warehouse_id, sourcing, shortage, allocated_at, ready_at, total_quantity, weight_g,
                {", ".join(_AMOUNTS)})
            SELECT p.id, p.number, s.id, s.order_id, s.merchant_id, s.storage_class, s.payment_method,
                CASE WHEN p.short IS NULL THEN 'allocated' ELSE 'backordered' END, p.warehouse_id, p.why, p.short,
                CASE WHEN p.short IS NULL THEN now() END, CASE WHEN p.short IS NULL THEN now() END,
                p.quantity, p.weight, p.goods, p.freight, p.coupon, p.points, p.gift_card, p.payable
            FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::jsonb[], %s::jsonb[], %s::int[],
                    %s::int[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
                    %s::numeric[])
                AS p(id, number, parent_id, warehouse_id, why, short, quantity, weight,
                     goods, freight, coupon, points, gift_card, payable)
            JOIN orders_suborder s ON s.id = p.parent_id
            """,
            _columns(
                [
                    (
                        part.id,
                        part.number,
                        part.parent_id,
                        part.warehouse_id or None,
                        plan.choice.why_text,
                        None if part.warehouse_id else json.dumps(plan.shortage),
                        sum(line.quantity for line in part.lines),
                        sum(line.weight_g for line in part.lines),
                        *_amounts(part.shares),
                    )
                    for plan, part in others
                ],
                14,
                texts={1, 4, 5},
            ),
        )


def _write_lines(parts: Sequence[Part]) -> None:
    """Existing lines move to their part and keep what they still carry; the others are new."""
    rows = [(part, line) for part in parts for line in part.lines]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborderline l SET sub_order_id = p.sub_order_id, quantity = p.quantity,
                {", ".join(f"{column} = p.{column}" for column in _AMOUNTS)}
            FROM unnest(%s::bigint[], %s::bigint[], %s::int[], {", ".join(["%s::numeric[]"] * 6)})
                AS p(id, sub_order_id, quantity, {", ".join(_AMOUNTS)})
            WHERE l.id = p.id
            """,
            _columns(
                [
                    (line.id, part.id, line.quantity, *_amounts(line.shares))
                    for part, line in rows
                    if not (line.is_new or line.is_kept)
                ],
                9,
            ),
        )
    copy_rows(
        "orders_suborderline",
        ("id", "sub_order_id", "order_line_id", "quantity", *_AMOUNTS),
        [
            (line.id, part.id, line.order_line_id, line.quantity, *_amounts(line.shares))
            for part, line in rows
            if line.is_new
        ],
    )


def _update_firsts(firsts: Sequence[tuple[Plan, Part]], parts: Parts) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborder s SET state = 'allocated', warehouse_id = p.warehouse_id, sourcing = p.why,
                shortage = NULL, allocated_at = now(), ready_at = now(), attempts = 0, last_error = '',
                part_count = s.part_count + p.new_parts, total_quantity = p.quantity, weight_g = p.weight,
                {", ".join(f"{column} = p.{column}" for column in _AMOUNTS)}
            FROM unnest(%s::bigint[], %s::bigint[], %s::jsonb[], %s::int[], %s::int[], %s::int[],
                    {", ".join(["%s::numeric[]"] * 6)})
                AS p(id, warehouse_id, why, new_parts, quantity, weight, {", ".join(_AMOUNTS)})
            WHERE s.id = p.id
            """,
            _columns(
                [
                    (
                        part.id,
                        part.warehouse_id,
                        plan.choice.why_text,
                        len(parts.by_sub_order[plan.id]) - 1,
                        sum(line.quantity for line in part.lines),
                        sum(line.weight_g for line in part.lines),
                        *_amounts(part.shares),
                    )
                    for plan, part in firsts
                ],
                12,
                texts={2},
            ),
        )


def _tell(firsts: Sequence[tuple[Plan, Part]], others: Sequence[tuple[Plan, Part]]) -> None:
    """Timeline: why the sub-order was split, and where each part goes or what it lacks."""
    rows: list[tuple[int, int, str, str, str, str]] = []
    numbers: dict[int, list[str]] = {}
    for plan, part in others:
        numbers.setdefault(plan.id, []).append(part.number)
    for plan, _part in firsts:
        data = {"number": plan.number, "parts": numbers[plan.id], "short": plan.shortage}
        if numbers[plan.id]:
            rows.append((plan.order_id, plan.id, kinds.PARTED.code, "", "", json.dumps(data)))
    codes = {
        candidate.warehouse_id: candidate.code for plan, _part in firsts for candidate, _takes in plan.choice.parts
    }
    for plan, part in (*firsts, *others):
        # A new part begins where it is; the first one was somewhere before.
        came_from = plan.state if part.id == plan.id else ""
        if part.warehouse_id:
            data = {"number": part.number, "warehouse": codes[part.warehouse_id]}
            told, state = kinds.ALLOCATED, SubOrderState.ALLOCATED
        else:
            data = {"number": part.number, "short": plan.shortage}
            told, state = kinds.BACKORDERED, SubOrderState.BACKORDERED
        rows.append((plan.order_id, part.id, told.code, came_from, state.value, json.dumps(data)))
    copy_rows(
        "orders_orderevent",
        ("order_id", "sub_order_id", "kind", "from_state", "to_state", "data", "actor_kind", "actor"),
        [(*row, "job", "allocate") for row in rows],
    )


def _columns(rows: Sequence[Sequence[object]], width: int, texts: Collection[int] = ()) -> list[str]:
    """Rows turned into one array a column, as unnest takes them; `texts` are the places of columns of text or JSON."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    return [
        text_array(column) if i in texts else array(column)  # type: ignore[arg-type]
        for i, column in enumerate(columns)
    ]
