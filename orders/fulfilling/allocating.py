"""The allocate stage: sourcing chooses the warehouse, stock is reserved there, shortages are split off.

The batch is planned in memory on figures read without locks; then `inventory.reserving` locks the chosen stock rows in
order and grants what is still there. A plan that somebody else overtook is simply left for the next claim.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial

from django.db import connection, transaction
from django.utils import timezone

from inventory import reserving
from inventory.models import CapacityDemand
from inventory.promising import capacity, tables
from inventory.promising.capacity import Place, Room
from inventory.sourcing import rulebook
from inventory.sourcing.rulebook import Book
from inventory.sourcing.rules import Want
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.states import listed
from oms.common.work import clock
from oms.common.work.claiming import Queue, Stage, in_one_transaction
from oms.common.zones import CHINA
from orders import kinds
from orders.fulfilling import parting, presale, set_aside, sourcing, waiting, waking
from orders.fulfilling.plans import Plan
from orders.fulfilling.sourcing import Stock
from orders.fulfilling.trouble import NOBODY_ELSE, RULE_HOLDS
from orders.models import ActorKind, SubOrder, SubOrderState
from orders.models.sub_order import UNALLOCATED_STATES
from orders.promising import keeping
from orders.reviewing.holds import ORDER_IS_HELD

# So many sub-orders of a batch that want one stock row make it a hot one.
HOT = 50
# Who waits longest is served first, whenever it was woken.
QUEUE = Queue(
    SubOrder,
    f"q.state IN ({listed(UNALLOCATED_STATES)})",
    unless=ORDER_IS_HELD,
    order="q.waiting_since, q.id",
)


def run(limit: int) -> int:
    """Allocate up to `limit` sub-orders; returns how many were claimed."""
    # Units that came in meanwhile are for those that wait for them, not for whoever comes by.
    waking.run(limit)
    return in_one_transaction(QUEUE, limit, _allocate)


def _allocate(sub_order_ids: list[int]) -> None:
    plans = _read(sub_order_ids)
    book = rulebook.current()
    sourcing.ask(book, plans)
    own = set_aside.of(plans)
    stock = sourcing.choose(plans, own)
    plans = [plan for plan in plans if not plan.is_overtaken]
    _name_shortages(plans)

    parted = [plan for plan in plans if plan.choice.parts and not plan.is_whole]
    parts = parting.part_lines(parted)
    demands = [demand for plan in plans for demand in _demands(plan, parts, stock)]
    shortages = [short for plan in plans if plan.choice.short for short in _shortages(plan, stock)]
    reserve = partial(
        reserving.reserve,
        demands,
        shortages=shortages,
        set_aside=set_aside.claims({plan.id: own[plan.id] for plan in plans if plan.id in own}),
        actor="allocate",
        also=partial(_take_room, book, plans, parts),
    )
    without_demand = {plan.id for plan in plans if not plan.choice.parts} - {short.group for short in shortages}
    write = partial(_write, book, parts, stock)
    if _is_hot(demands) and _write_then_reserve(plans, write, reserve, without_demand):
        return
    served = reserve() | without_demand
    write([plan for plan in plans if plan.id in served])


def _is_hot(demands: Sequence[reserving.Demand]) -> bool:
    """Whether so many want units of one stock row that others will, too, and wait for its lock."""
    return len(demands) >= HOT and max(Counter([demand.stock_id for demand in demands]).values()) >= HOT


def _write_then_reserve(
    plans: Sequence[Plan],
    write: Callable[[Sequence[Plan]], None],
    reserve: Callable[[], set[int]],
    without_demand: set[int],
) -> bool:
    """Write what follows from the plans first and take the units last, so that the lock of a stock row that everybody
    wants is held for a moment only. False, and nothing is written, where somebody overtook one of the plans."""
    mark = transaction.savepoint()
    write(plans)
    if reserve() | without_demand >= {plan.id for plan in plans}:
        transaction.savepoint_commit(mark)
        return True
    transaction.savepoint_rollback(mark)
    return False


def _write(book: Book, parts: parting.Parts, stock: Stock, done: Sequence[Plan]) -> None:
    """Write what became of the sub-orders whose plans came true."""
    _write_allocated([plan for plan in done if plan.is_whole])
    parting.write([plan for plan in done if plan.choice.parts and not plan.is_whole], parts)
    _write_backordered([plan for plan in done if not plan.choice.parts])
    _write_waits(done, parts, stock)
    _write_tickets(done, parts)
    keeping.ask([one for plan in done for one in _allocated(plan, parts)], version=book.version)


def _take_room(book: Book, plans: Sequence[Plan], parts: parting.Parts, served: set[int]) -> set[int]:
    """Take a place of today for what may only be sent by who has one; returns the plans (ids) that go on."""
    wanted = {
        part_id: (plan.id, warehouse_id)
        for plan in plans
        if plan.id in served and plan.choice.needs_room
        for part_id, warehouse_id in parts.sent(plan)
        if warehouse_id in plan.choice.needs_room
    }
    if not wanted:
        return served
    # What was taken where it came from is not needed any more.
    capacity.give_back(wanted, kind=CapacityDemand.SUB_ORDER)
    places, today = tables.current(book.version).places, timezone.now().astimezone(CHINA).date()
    granted = capacity.take(
        [Place(key, Room(one, today, places[one].daily_capacity)) for key, (_plan, one) in wanted.items()],
        kind=CapacityDemand.SUB_ORDER,
    )
    without = {wanted[key][0] for key in wanted.keys() - granted}
    capacity.give_back([key for key in granted if wanted[key][0] in without], kind=CapacityDemand.SUB_ORDER)
    return served - without


def _allocated(plan: Plan, parts: parting.Parts) -> Iterator[keeping.Allocated]:
    """The sub-orders that the plan made and warehouses send; the buyer could expect the nearest candidate."""
    if not plan.choice.parts:
        return
    expected = plan.candidates[0].warehouse_id
    if plan.is_whole:
        yield keeping.Allocated(plan.id, plan.order_id, expected)
        return
    for sent in parts.by_sub_order[plan.id]:
        if sent.warehouse_id != parting.NOBODY:
            yield keeping.Allocated(sent.part.id, plan.order_id, expected)


def _read(sub_order_ids: Sequence[int]) -> list[Plan]:
    """The sub-orders of the batch with their lines, longest waiting first."""
    ids = array(sub_order_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, s.order_id, s.number, s.state, s.merchant_id, s.storage_class, o.region_id AS region_code,
                o.channel_id, s.refused_by, o.stock_hold_id, s.avoids, s.wished_warehouse_id AS wished_id
            FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
            WHERE s.id = ANY(%s::bigint[]) ORDER BY s.waiting_since, s.id
            """,
            [ids],
        )
        columns = [column.name for column in cursor.description]
        plans = {row[0]: Plan(**dict(zip(columns, row, strict=True))) for row in cursor.fetchall()}
        cursor.execute(
            """
            SELECT l.sub_order_id, l.id, ol.sku_id, l.quantity
            FROM orders_suborderline l JOIN orders_orderline ol ON ol.id = l.order_line_id
            WHERE l.sub_order_id = ANY(%s::bigint[]) ORDER BY l.id
            """,
            [ids],
        )
        for sub_order_id, line_id, sku_id, quantity in cursor.fetchall():
            plans[sub_order_id].wants.append(Want(line_id, sku_id, quantity))
    return list(plans.values())


def _name_shortages(plans: Sequence[Plan]) -> None:
    """Put SKU codes to what is short, for the staff who read it."""
    short = {sku for plan in plans for sku in plan.choice.short}
    if not short:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, code FROM inventory_sku WHERE id = ANY(%s::bigint[])", [array(short)])
        codes = dict(cursor.fetchall())
    for plan in (plan for plan in plans if plan.choice.short):
        plan.shortage = {codes[sku]: units for sku, units in plan.choice.short.items()}


def _demands(plan: Plan, parts: parting.Parts, stock: Stock) -> list[reserving.Demand]:
    return [
        reserving.Demand(
            plan.id,
            parts.line_id(plan.id, candidate.warehouse_id, line_id),
            stock[candidate.warehouse_id, sku_id][0],
            units,
        )
        for candidate, takes in plan.choice.parts
        for line_id, sku_id, units in takes
    ]


def _shortages(plan: Plan, stock: Stock) -> list[reserving.Shortage]:
    """The stock rows that hold too little, as they were seen: should goods arrive meanwhile, the plan is void."""
    return [
        reserving.Shortage(plan.id, stock_id, seen)
        for candidate in plan.candidates
        for sku_id in plan.choice.short
        for stock_id, seen in [stock.get((candidate.warehouse_id, sku_id), (0, 0))]
        if stock_id
    ]


def _write_waits(plans: Sequence[Plan], parts: parting.Parts, stock: Stock) -> None:
    """What is short waits at every warehouse that may send it; what waited before was tried now."""
    tried = [plan.id for plan in plans if plan.state == SubOrderState.BACKORDERED]
    if tried:
        waiting.end(tried)
    waits = [
        waiting.Wait(parts.short(plan)[0], sku_id, candidate.warehouse_id, units)
        for plan in plans
        for sku_id, units in plan.choice.short.items()
        for candidate in plan.candidates
    ]
    waiting.begin(waits)
    # Where there was no stock row there was none to lock: goods may have come there while we looked elsewhere.
    unseen = {(wait.warehouse_id, wait.sku_id) for wait in waits} - stock.keys()
    if unseen:
        transaction.on_commit(partial(waiting.look_again, unseen), robust=True)


def _write_tickets(plans: Sequence[Plan], parts: parting.Parts) -> None:
    """Tell a person of what rules hold, and of what warehouses refused and no other one can send now; what found one
    needs nobody any more."""
    held = [_rule_holds(plan, parts) for plan in plans if plan.choice.is_held]
    tried = {plan.id for plan in plans if plan.state == SubOrderState.BACKORDERED}
    tickets.close_tickets([RULE_HOLDS], tried - {one.subject_id for one in held}, closed_by="allocate")
    tickets.open_tickets(RULE_HOLDS, held, opened_by="allocate")
    plans = [plan for plan in plans if plan.refusing]
    if not plans:
        return
    troubles = []
    for plan in plans:
        if not plan.choice.short:
            continue
        part_id, number = parts.short(plan)
        values = {
            "number": number,
            "warehouses": ", ".join(candidate.code for candidate in plan.refusing),
            "short": plan.short_text,
        }
        reason = "others_short" if plan.candidates else "none_left"
        troubles.append(tickets.Trouble(part_id, reason, values, about_id=plan.order_id))
    tickets.close_tickets([NOBODY_ELSE], [plan.id for plan in plans if plan.choice.parts], closed_by="allocate")
    tickets.open_tickets(NOBODY_ELSE, troubles, opened_by="allocate")


def _rule_holds(plan: Plan, parts: parting.Parts) -> tickets.Trouble:
    part_id, number = parts.short(plan)
    return tickets.Trouble(part_id, "", {"number": number, "short": plan.short_text}, about_id=plan.order_id)


def _write_allocated(plans: Sequence[Plan]) -> None:
    if not plans:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH plan AS (
                SELECT * FROM unnest(%(ids)s::bigint[], %(warehouses)s::bigint[], %(why)s::jsonb[])
                    AS p(id, warehouse_id, why)
            ), moved AS (
                UPDATE orders_suborder s SET state = '{SubOrderState.ALLOCATED}', warehouse_id = p.warehouse_id,
                    sourcing = p.why, shortage = NULL, allocated_at = now(), ready_at = {presale.READY_AT},
                    attempts = 0, last_error = '', wished_warehouse_id = NULL, cancel_short_at = NULL
                FROM plan p WHERE s.id = p.id
                RETURNING s.id, s.order_id, s.number, p.warehouse_id, s.moved_from, s.state
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state, data)
            SELECT m.order_id, m.id, '{kinds.ALLOCATED}', '{ActorKind.JOB}', 'allocate', m.moved_from, m.state,
                jsonb_build_object('number', m.number, 'warehouse', w.code)
            FROM moved m JOIN inventory_warehouse w ON w.id = m.warehouse_id
            """,
            {
                "ids": array(plan.id for plan in plans),
                "warehouses": array(plan.choice.parts[0][0].warehouse_id for plan in plans),
                "why": text_array(plan.choice.why_text for plan in plans),
            },
        )


def _write_backordered(plans: Sequence[Plan]) -> None:
    """Nothing can be sent: they sleep until stock wakes them. A first shortage is told, a repeated one is not."""
    if not plans:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH plan AS (
                SELECT * FROM unnest(%(ids)s::bigint[], %(from_states)s::text[], %(why)s::jsonb[], %(short)s::jsonb[],
                    %(held)s::boolean[], %(cancel_after)s::float[])
                    AS p(id, from_state, why, short, is_held, cancel_after)
            ), moved AS (
                UPDATE orders_suborder s SET state = '{SubOrderState.BACKORDERED}', sourcing = p.why,
                    shortage = p.short, ready_at = NULL, attempts = 0, last_error = '',
                    needs_person_since = CASE WHEN p.is_held THEN now() END,
                    -- It counts from when it first waited.
                    cancel_short_at = CASE WHEN p.cancel_after IS NOT NULL THEN
                        coalesce(s.cancel_short_at, now() + make_interval(secs => p.cancel_after)) END
                FROM plan p WHERE s.id = p.id
                RETURNING s.id, s.order_id, s.number, p.from_state, p.short
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state, data)
            SELECT order_id, id, '{kinds.BACKORDERED}', '{ActorKind.JOB}', 'allocate', from_state,
                '{SubOrderState.BACKORDERED}', jsonb_build_object('number', number, 'short', short)
            FROM moved WHERE from_state <> '{SubOrderState.BACKORDERED}'
            """,
            {
                "ids": array(plan.id for plan in plans),
                "from_states": text_array(plan.state for plan in plans),
                "why": text_array(plan.choice.why_text for plan in plans),
                "short": text_array(json.dumps(plan.shortage) for plan in plans),
                "held": text_array(str(plan.choice.is_held) for plan in plans),
                "cancel_after": array(_seconds(plan.choice.cancel_after) for plan in plans),
            },
        )


def _seconds(after: timedelta | None) -> float | None:
    return None if after is None else clock.scaled(after).total_seconds()


STAGE = Stage("allocate", run, wakes=("release", "deliver_virtual", "promise"), queue=QUEUE)
