"""Splitting a sub-order that no single warehouse can send: who sends what becomes a sub-order each.

The sub-order itself keeps its first part, the others get a number beside it. Lines that go whole move with their
money; a line whose units are spread is divided, each part taking its share of every amount and the last part the rest.
Units that nobody has stay behind in a backordered part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from django.db import connection
from django.utils import timezone

from oms.common.copying import copy_rows, records
from oms.common.work import clock
from orders import kinds
from orders.fulfilling import presale
from orders.fulfilling.parts import (
    SET_TOTALS,
    NewPart,
    Numbers,
    Part,
    PartLine,
    insert,
    new_line_ids,
    new_part_ids,
    read_sources,
    write_lines,
)
from orders.fulfilling.plans import Plan
from orders.models import SubOrderState

NOBODY = 0  # stands for the warehouse of units that are short


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part with the warehouse that sends it; NOBODY for what is short."""

    part: Part
    warehouse_id: int


@dataclass(slots=True)
class Parts:
    """The parts of every sub-order of a batch that must be split; the first is the sub-order itself."""

    by_sub_order: dict[int, list[SentPart]] = field(default_factory=dict)
    line_ids: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def line_id(self, sub_order_id: int, warehouse_id: int, line_id: int) -> int:
        """The id of the line that holds the units a warehouse sends; the line itself where nothing was split."""
        return self.line_ids.get((sub_order_id, warehouse_id, line_id), line_id)

    def sent(self, plan: Plan) -> list[tuple[int, int]]:
        """Id and warehouse of each part that is sent; the sub-order itself where nothing was split."""
        if plan.id not in self.by_sub_order:
            return [(plan.id, candidate.warehouse_id) for candidate, _takes in plan.choice.parts]
        return [(one.part.id, one.warehouse_id) for one in self.by_sub_order[plan.id] if one.warehouse_id != NOBODY]

    def short(self, plan: Plan) -> tuple[int, str]:
        """Id and number of the part that holds what is short; the sub-order itself where nothing was split."""
        sent = self.by_sub_order.get(plan.id, [])
        return next(
            ((one.part.id, one.part.number) for one in sent if one.warehouse_id == NOBODY), (plan.id, plan.number)
        )


def part_lines(plans: Sequence[Plan]) -> Parts:
    """Work out the parts of the sub-orders and reserve ids for them; nothing is written yet."""
    parts = Parts()
    if not plans:
        return parts
    sources = read_sources([plan.id for plan in plans])
    numbers = Numbers((plan.order_id, plan.number) for plan in plans)
    spread = {plan.id: _spread(plan) for plan in plans}
    new_lines = sum(len(takers) - 1 for lines in spread.values() for takers in lines.values())
    part_counts = {plan.id: len(plan.choice.parts) + bool(plan.choice.short) for plan in plans}
    line_ids = iter(new_line_ids(new_lines))
    part_ids = iter(new_part_ids(sum(part_counts.values()) - len(plans)))

    for plan in plans:
        # The largest part stays in the sub-order itself, so that the fewest lines move.
        largest_first = sorted(plan.choice.parts, key=lambda part: -len(part[1]))
        warehouses = [candidate.warehouse_id for candidate, _takes in largest_first]
        if plan.choice.short:
            warehouses.append(NOBODY)
        lines: dict[int, list[PartLine]] = {warehouse: [] for warehouse in warehouses}
        for line_id, takers in spread[plan.id].items():
            source = sources[line_id]
            if len(takers) == 1:
                ((warehouse, units),) = takers
                is_kept = warehouse == warehouses[0]
                lines[warehouse].append(source.line(line_id, units, source.shares, is_new=False, is_kept=is_kept))
                continue
            takers.sort(key=lambda taker: warehouses.index(taker[0]))
            left, units_left = source.shares, source.quantity
            for i, (warehouse, units) in enumerate(takers):
                is_last = i == len(takers) - 1
                taken = left if is_last else left.take(units, units_left)
                if not is_last:
                    left, units_left = left.less(taken), units_left - units
                new_id = line_id if i == 0 else next(line_ids)
                lines[warehouse].append(source.line(new_id, units, taken, is_new=i > 0))
                parts.line_ids[plan.id, warehouse, line_id] = new_id
        made = []
        for i, warehouse in enumerate(warehouses):
            if i == 0:
                part = Part(plan.id, plan.number, None, lines[warehouse])
            else:
                part = Part(next(part_ids), numbers.next(plan.number), plan.id, lines[warehouse])
            made.append(SentPart(part, warehouse))
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


def write(plans: Sequence[Plan], parts: Parts) -> None:
    """Write the parts of the sub-orders given; their stock is reserved already."""
    if not plans:
        return
    firsts, others = [], []
    for plan in plans:
        first, *rest = parts.by_sub_order[plan.id]
        firsts.append((plan, first))
        others += [(plan, part) for part in rest]
    insert([_new(plan, sent) for plan, sent in others])
    write_lines([sent.part for _plan, sent in (*firsts, *others)])
    _update_firsts(firsts, parts)
    _tell(firsts, others)


def _new(plan: Plan, sent: SentPart) -> NewPart:
    if sent.warehouse_id == NOBODY:
        # What the rules say of what is short is about this part alone.
        now, wait = timezone.now(), plan.choice.cancel_after
        return NewPart(
            sent.part,
            SubOrderState.BACKORDERED,
            sourcing=plan.choice.why_text,
            shortage=plan.shortage,
            needs_person_since=now if plan.choice.is_held else None,
            cancel_short_at=None if wait is None else now + clock.scaled(wait),
        )
    return NewPart(sent.part, SubOrderState.ALLOCATED, sent.warehouse_id, plan.choice.why_text)


def _update_firsts(firsts: Sequence[tuple[Plan, SentPart]], parts: Parts) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborder s SET state = '{SubOrderState.ALLOCATED}', warehouse_id = p.warehouse_id,
                sourcing = p.sourcing, shortage = NULL, allocated_at = now(), ready_at = {presale.READY_AT},
                attempts = 0, last_error = '', wished_warehouse_id = NULL, cancel_short_at = NULL,
                part_count = s.part_count + p.part_count, {SET_TOTALS}
            FROM json_populate_recordset(NULL::orders_suborder, %s::json) AS p WHERE s.id = p.id
            """,
            [
                records(
                    {
                        "id": plan.id,
                        "warehouse_id": sent.warehouse_id,
                        "sourcing": msgspec.Raw(plan.choice.why_text.encode()),
                        "part_count": len(parts.by_sub_order[plan.id]) - 1,
                        **sent.part.totals(),
                    }
                    for plan, sent in firsts
                )
            ],
        )


def _json(data: dict[str, object]) -> str:
    return msgspec.json.encode(data).decode()


def _tell(firsts: Sequence[tuple[Plan, SentPart]], others: Sequence[tuple[Plan, SentPart]]) -> None:
    """Timeline: why the sub-order was split, and where each part goes or what it lacks."""
    rows: list[tuple[int, int, str, str, str, str]] = []
    numbers: dict[int, list[str]] = {}
    for plan, sent in others:
        numbers.setdefault(plan.id, []).append(sent.part.number)
    for plan, _sent in firsts:
        parted: dict[str, object] = {"number": plan.number, "parts": numbers[plan.id], "short": plan.shortage}
        rows.append((plan.order_id, plan.id, kinds.PARTED.code, "", "", _json(parted)))
    codes = {
        candidate.warehouse_id: candidate.code for plan, _sent in firsts for candidate, _takes in plan.choice.parts
    }
    for plan, sent in (*firsts, *others):
        data: dict[str, object] = {"number": sent.part.number}
        if sent.warehouse_id == NOBODY:
            told, state, data["short"] = kinds.BACKORDERED, SubOrderState.BACKORDERED, plan.shortage
        else:
            told, state, data["warehouse"] = kinds.ALLOCATED, SubOrderState.ALLOCATED, codes[sent.warehouse_id]
        # A new part begins where it is; the first one was somewhere before.
        came_from = plan.state if sent.part.id == plan.id else ""
        rows.append((plan.order_id, sent.part.id, told.code, came_from, state.value, _json(data)))
    copy_rows(
        "orders_orderevent",
        ("order_id", "sub_order_id", "kind", "from_state", "to_state", "data", "actor_kind", "actor"),
        [(*row, "job", "allocate") for row in rows],
    )
