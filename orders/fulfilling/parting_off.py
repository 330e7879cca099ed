"""Taking units off a sub-order into one of its own beside it: units that were cancelled, what a warehouse did not
send of a sub-order that left in part, or what a person wants to go by itself.

Nothing is apportioned anew: the units take along the part of their lines' shares that is theirs, and what stays keeps
the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from inventory import reserving
from inventory.models import MovementNote
from oms.common.copying import array, records
from orders import kinds
from orders.actors import Actor
from orders.changing import charging
from orders.fulfilling.parts import (
    SET_TOTALS,
    NewPart,
    Numbers,
    Part,
    Source,
    insert,
    new_line_ids,
    new_part_ids,
    read_sources,
    write_lines,
)
from orders.models import ChargeCause, OrderEvent, SubOrderState
from orders.telling import timeline

# A new part holds no stock: what was promised to its units is given back. One that begins as allocated keeps it.
STATES = (SubOrderState.CANCELLED, SubOrderState.AWAITING_ALLOCATION, SubOrderState.ALLOCATED)


def part_off(sub_order_id: int, units: Mapping[int, int], *, state: SubOrderState, actor: Actor, why: str = "") -> int:
    """Take units off the lines (by line id) of one sub-order; returns the id of the new sub-order. See
    `part_off_all`."""
    return part_off_all({sub_order_id: units}, state=state, actor=actor, why=why)[sub_order_id]


def part_off_all(
    units: Mapping[int, Mapping[int, int]], *, state: SubOrderState, actor: Actor, why: str = ""
) -> dict[int, int]:
    """Take units off sub-orders (by id, then by line id), for each into a sub-order of its own that begins as
    `cancelled`, as `awaiting_allocation` to be sourced anew, or as `allocated` at the warehouse of the old one, which
    must be allocated; returns the new sub-orders' ids by those of the old.

    A line of which all units go moves as it is. What was promised to the units is given back, unless the new ones are
    allocated. `why` is a code for the timeline: "partly_shipped" or "by_hand". As many statements for many sub-orders
    as for one.

    The orders and all these sub-orders must be locked, and something of each sub-order must stay: raises ValueError
    otherwise, for units that a line does not have, and for another state.
    """
    if state not in STATES:
        raise ValueError(f"units cannot be parted off as {state}")
    if not units:
        return {}
    rows = _read(units)
    numbers = Numbers((row.order_id, row.number) for row in rows.values())
    sources = read_sources(units)
    _check(units, sources)
    split = sum(sources[line].quantity > count for cut in units.values() for line, count in cut.items())
    line_ids, part_ids = iter(new_line_ids(split)), iter(new_part_ids(len(units)))
    kept = {key: Part(key, row.number, None, []) for key, row in rows.items()}
    new = {key: Part(next(part_ids), numbers.next(kept[key].number), key, []) for key in units}
    handed: list[reserving.HandOver] = []
    for line_id, source in sources.items():
        count, key = units[source.sub_order_id].get(line_id, 0), source.sub_order_id
        if not count:
            kept[key].lines.append(source.line(line_id, source.quantity, source.shares, is_new=False, is_kept=True))
        elif count == source.quantity:
            new[key].lines.append(source.line(line_id, count, source.shares, is_new=False))
        else:
            taken = source.shares.take(count, source.quantity)
            new_line = next(line_ids)
            new[key].lines.append(source.line(new_line, count, taken, is_new=True))
            handed.append(reserving.HandOver(line_id, new_line, count))
            rest = source.shares.less(taken)
            kept[key].lines.append(source.line(line_id, source.quantity - count, rest, is_new=False))
    if state == SubOrderState.ALLOCATED:
        reserving.hand_over(handed, actor=actor.name, note=MovementNote.PARTED)
        insert([NewPart(part, state, rows[key].warehouse_id, rows[key].sourcing) for key, part in new.items()])
    else:
        reserving.release_units(
            {line_id: count for cut in units.values() for line_id, count in cut.items()},
            actor=actor.name,
            note=MovementNote(why or state),
        )
        insert([NewPart(part, state) for part in new.values()])
    write_lines([*kept.values(), *new.values()])
    _shrink(list(kept.values()))
    if state == SubOrderState.CANCELLED:
        charging.take_back([part.id for part in new.values()], ChargeCause.CANCELLED, actor=actor)
        timeline.record_of_sub_orders([part.id for part in new.values()], kinds.SUB_ORDER_CANCELLED, actor)
    else:
        _tell([(rows[key].order_id, kept[key], part) for key, part in new.items()], actor, why)
    if state == SubOrderState.ALLOCATED:
        timeline.record_of_sub_orders([part.id for part in new.values()], kinds.ALLOCATED, actor)
    return {key: part.id for key, part in new.items()}


@dataclass(frozen=True, slots=True)
class _Row:
    """What a part takes over from the sub-order that it is parted from; `sourcing` is JSON."""

    order_id: int
    number: str
    warehouse_id: int | None
    sourcing: str | None


def _read(sub_order_ids: Iterable[int]) -> dict[int, _Row]:
    """By sub-order id, in that order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, order_id, number, warehouse_id, sourcing::text FROM orders_suborder"
            " WHERE id = ANY(%s::bigint[]) ORDER BY id",
            [array(sub_order_ids)],
        )
        return {key: _Row(*row) for key, *row in cursor.fetchall()}


def _check(units: Mapping[int, Mapping[int, int]], sources: Mapping[int, Source]) -> None:
    for key, cut in units.items():
        has = {line_id: source.quantity for line_id, source in sources.items() if source.sub_order_id == key}
        if not cut or any(not 1 <= count <= has.get(line_id, 0) for line_id, count in cut.items()):
            raise ValueError(f"sub-order {key} does not have the units {dict(cut)}")
        if sum(cut.values()) == sum(has.values()):
            raise ValueError(f"nothing would stay of sub-order {key}")


def _shrink(kept: Sequence[Part]) -> None:
    """The sub-orders have less now; one that waits for stock may lack less, too, and is tried again."""
    backordered = f"s.state = '{SubOrderState.BACKORDERED}'"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborder s SET part_count = s.part_count + 1, {SET_TOTALS},
                shortage = CASE WHEN {backordered} THEN NULL ELSE s.shortage END,
                ready_at = CASE WHEN {backordered} THEN now() ELSE s.ready_at END
            FROM json_populate_recordset(NULL::orders_suborder, %s::json) AS p WHERE s.id = p.id
            """,
            [records({"id": part.id, **part.totals()} for part in kept)],
        )


def _tell(parted: Sequence[tuple[int, Part, Part]], actor: Actor, why: str) -> None:
    """On the timeline of each order (by id): what was parted off which sub-order, and why."""
    OrderEvent.objects.bulk_create(
        OrderEvent(
            order_id=order_id,
            sub_order_id=kept.id,
            kind=kinds.PARTED.code,
            actor_kind=actor.kind,
            actor=actor.name,
            data={"number": kept.number, "parts": [new.number], "why": why},
        )
        for order_id, kept, new in parted
    )
