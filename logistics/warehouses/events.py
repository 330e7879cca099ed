"""Notices of warehouses: stored as they come, applied once; where a sub-order is follows from all of them.

A late or lost notice does no harm: "packed" implies "accepted" and "picking", and nothing moves back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from inventory import reserving
from logistics import kinds
from logistics.models import WarehouseEvent
from logistics.watching import alerts, deadlines
from oms.common.work import nudging
from oms.common.work.claiming import Stage
from orders import isolating, timeline
from orders.actors import Actor
from orders.fulfilling import derived as fulfilment
from orders.models import ActorKind, SubOrderLine, SubOrderState

_ACTOR = Actor(ActorKind.WAREHOUSE, "warehouse")
# How far each notice brings a sub-order, and each state is.
_RANK = {"accepted": 1, "picking": 2, "packed": 3, "shipped": 4}
_STATE_RANK = {"released": 0, "allocated": 0, **_RANK}
# Until it is packed, a warehouse may find that it cannot do it.
_REFUSABLE = ("allocated", "released", "accepted", "picking")


@dataclass(frozen=True, slots=True)
class Notice:
    """What a warehouse says of a sub-order (by our number); `key` is its own key for this notice."""

    key: str
    sub_order: str
    kind: str
    occurred_at: datetime
    text: str = ""


def receive(notices: Sequence[Notice]) -> None:
    """Store the notices; repeated ones and those of unknown numbers are ignored. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_warehouseevent (sub_order_id, event_key, kind, occurred_at, text)
            SELECT s.id, n.key, n.kind, n.occurred_at, n.text
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
                WITH ORDINALITY AS n(key, number, kind, occurred_at, text, place)
            JOIN orders_suborder s ON s.number = n.number
            ORDER BY n.place
            ON CONFLICT DO NOTHING
            """,
            [
                [notice.key for notice in notices],
                [notice.sub_order for notice in notices],
                [notice.kind for notice in notices],
                [notice.occurred_at for notice in notices],
                [notice.text for notice in notices],
            ],
        )
    nudging.nudge("warehouse_events")


_FRESH = """
    FROM logistics_warehouseevent e JOIN orders_suborder s ON s.id = e.sub_order_id
    WHERE e.applied_at IS NULL ORDER BY e.id
"""


def run(limit: int) -> int:
    """Apply up to `limit` stored notices; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT e.id, s.order_id {_FRESH} LIMIT %s", [limit])
        found = cursor.fetchall()
    return isolating.work_on("warehouse_events", found, _apply_fresh)


def backlog() -> str:
    """Notices that are not applied yet."""
    return f"SELECT e.received_at AS due, {isolating.needs_person('s.order_id')} AS needs_person {_FRESH}"


def _apply_fresh(event_ids: list[int], order_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.id, e.kind, e.text, s.id, s.state
            FROM logistics_warehouseevent e JOIN orders_suborder s ON s.id = e.sub_order_id
            WHERE e.id = ANY(%s) AND e.applied_at IS NULL
            ORDER BY s.id, e.id FOR NO KEY UPDATE OF s
            """,
            [event_ids],
        )
        rows = cursor.fetchall()
    if rows:
        _apply(rows)
        fulfilment.refresh(order_ids)
    return len(rows)


def _apply(rows: Sequence[tuple[int, str, str, int, str]]) -> None:
    outcomes: dict[int, str] = {}
    reached: dict[int, str] = {}
    refused: dict[int, str] = {}
    for event_id, kind, text, sub_order_id, state in rows:
        now_at = "refused" if sub_order_id in refused else reached.get(sub_order_id, state)
        if kind == WarehouseEvent.Kind.REFUSED and now_at in _REFUSABLE:
            refused[sub_order_id] = text
            reached.pop(sub_order_id, None)
            outcomes[event_id] = "applied"
        elif kind in _RANK and now_at in _STATE_RANK and _STATE_RANK[now_at] < _RANK[kind]:
            reached[sub_order_id] = kind
            outcomes[event_id] = "applied"
        else:
            outcomes[event_id] = "no_effect"
    # A warehouse may be quicker than our own note that it has the sub-order.
    early = [row[3] for row in rows if row[4] == SubOrderState.ALLOCATED and row[3] in reached]
    _mark_released(early)
    for kind in _RANK:
        moved = sorted(key for key, reached_kind in reached.items() if reached_kind == kind)
        if moved:
            _MOVES[kind](moved)
            alerts.close_for_sub_orders(moved)
    _return_refused(refused)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_warehouseevent e SET applied_at = now(), outcome = o.outcome
            FROM unnest(%s::bigint[], %s::text[]) AS o(id, outcome) WHERE e.id = o.id
            """,
            [list(outcomes), list(outcomes.values())],
        )


def _mark_released(sub_order_ids: list[int]) -> None:
    if sub_order_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE orders_suborder SET state = 'released', released_at = now(), lease_until = NULL,
                    ready_at = CASE WHEN cancel_requested_at IS NOT NULL THEN now() END
                WHERE id = ANY(%s) AND state = 'allocated'
                """,
                [sub_order_ids],
            )
        timeline.record_of_sub_orders(sub_order_ids, kinds.RELEASED, _ACTOR)


_TOLD = {
    "accepted": kinds.WAREHOUSE_ACCEPTED,
    "picking": kinds.WAREHOUSE_PICKING,
    "packed": kinds.WAREHOUSE_PACKED,
    "shipped": kinds.WAREHOUSE_SHIPPED,
}


def _move(sub_order_ids: list[int], state: str, changes: str, expected: deadlines.Deadline | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborder SET state = %(state)s, expected_event = %(event)s,
                next_event_due = now() + %(within)s, attempts = 0, last_error = '' {changes}
            WHERE id = ANY(%(ids)s)
            """,
            {
                "state": state,
                "ids": sub_order_ids,
                "event": expected.event if expected else "",
                "within": expected.within if expected else None,
            },
        )
    timeline.record_of_sub_orders(sub_order_ids, _TOLD[state], _ACTOR)


def _accept(sub_order_ids: list[int]) -> None:
    _move(sub_order_ids, "accepted", "", deadlines.PACKED)


def _pick(sub_order_ids: list[int]) -> None:
    _move(sub_order_ids, "picking", "", deadlines.PACKED)


def _pack(sub_order_ids: list[int]) -> None:
    _move(sub_order_ids, "packed", ", packed_at = now(), ready_at = now()", deadlines.WAYBILL)
    nudging.nudge("dispatch")


def ship(sub_order_ids: list[int]) -> None:
    """The goods left: take them out of the stock and move the locked sub-orders to shipped."""
    _move(sub_order_ids, "shipped", ", shipped_at = now(), packed_at = coalesce(packed_at, now())", None)
    lines = SubOrderLine.objects.filter(sub_order_id__in=sub_order_ids).values_list("id", flat=True)
    reserving.consume(list(lines), actor="warehouse")


_MOVES = {"accepted": _accept, "picking": _pick, "packed": _pack, "shipped": ship}


def _return_refused(refused: dict[int, str]) -> None:
    """The warehouse will not do it: the stock is freed; a person decides what next, unless it is being cancelled."""
    if not refused:
        return
    ids = sorted(refused)
    lines = SubOrderLine.objects.filter(sub_order_id__in=ids).values_list("id", flat=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_suborder s SET state = 'awaiting_allocation', lease_until = NULL,
                needs_person_since = CASE WHEN s.cancel_requested_at IS NULL THEN now() END,
                ready_at = now(), last_error = r.reason, expected_event = '', next_event_due = NULL
            FROM unnest(%s::bigint[], %s::text[]) AS r(id, reason) WHERE s.id = r.id
            """,
            [ids, [refused[key] for key in ids]],
        )
    reserving.release(list(lines), actor="warehouse", note="refused by the warehouse")
    alerts.close_for_sub_orders(ids)
    for key in ids:
        timeline.record_of_sub_orders([key], kinds.WAREHOUSE_REFUSED, _ACTOR, text=refused[key])


STAGE = Stage("warehouse_events", run, wakes=("dispatch", "wake"), backlog=backlog)
