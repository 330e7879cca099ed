"""What an order's sub-orders make of it: the derived fulfilment state, and the order's end."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import connection

from oms.common.states import listed
from oms.common.work import clock
from orders import kinds
from orders.models import ActorKind, FulfilmentState, OrderState, SubOrderState
from orders.models.sub_order import ARRIVED, LEFT_WAREHOUSE, UNDONE

# What counts as shipped, though it may have come back.
_SHIPPED = [state for state in LEFT_WAREHOUSE if state not in UNDONE]
# How the end of an order is told.
_ENDS = ", ".join(
    f"('{state}', '{kind}')"
    for state, kind in {
        OrderState.COMPLETED: kinds.COMPLETED,
        OrderState.CLOSED: kinds.CLOSED,
        OrderState.CANCELLED: kinds.CANCELLED,
    }.items()
)


def refresh(order_ids: Iterable[int]) -> None:
    """Derive `fulfilment_state` of the orders, and end those whose sub-orders are all over. One statement.

    Cancelled and returned sub-orders do not count, unless nothing else is left. An order ends completed if anything of
    it was, closed if it all came back, cancelled if it all was cancelled. The orders must be locked.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH counted AS (
                SELECT order_id,
                    count(*) FILTER (WHERE state NOT IN ({listed(UNDONE)})) AS live,
                    count(*) FILTER (WHERE state IN ({listed(_SHIPPED)})) AS shipped,
                    count(*) FILTER (WHERE state IN ({listed(ARRIVED)})) AS delivered,
                    count(*) FILTER (WHERE state = '{SubOrderState.COMPLETED}') AS completed,
                    count(*) FILTER (WHERE state = '{SubOrderState.RETURNED}') AS returned
                FROM orders_suborder WHERE order_id = ANY(%(ids)s) GROUP BY order_id
            ), derived AS (
                SELECT o.id, o.state,
                    CASE WHEN c.live = 0 AND c.returned > 0 THEN '{FulfilmentState.RETURNED}'
                         WHEN c.live = 0 THEN '{FulfilmentState.CANCELLED}'
                         WHEN c.delivered = c.live THEN '{FulfilmentState.DELIVERED}'
                         WHEN c.delivered > 0 THEN '{FulfilmentState.PARTLY_DELIVERED}'
                         WHEN c.shipped = c.live THEN '{FulfilmentState.SHIPPED}'
                         WHEN c.shipped > 0 THEN '{FulfilmentState.PARTLY_SHIPPED}'
                         ELSE '{FulfilmentState.UNFULFILLED}' END AS fulfilment_state,
                    -- What was completed may come back after all.
                    CASE WHEN o.state = '{OrderState.COMPLETED}' AND c.live = 0 AND c.returned > 0
                              THEN '{OrderState.CLOSED}'
                         WHEN o.state <> '{OrderState.SPLIT}' OR c.completed < c.live THEN o.state
                         WHEN c.completed > 0 THEN '{OrderState.COMPLETED}'
                         WHEN c.returned > 0 THEN '{OrderState.CLOSED}'
                         ELSE '{OrderState.CANCELLED}' END AS new_state
                FROM orders_order o JOIN counted c ON c.order_id = o.id
            ), moved AS (
                UPDATE orders_order o SET
                    fulfilment_state = d.fulfilment_state,
                    state = d.new_state,
                    completed_at = CASE WHEN d.new_state = '{OrderState.COMPLETED}' THEN coalesce(completed_at, now())
                                        ELSE completed_at END,
                    cancelled_at = CASE WHEN d.new_state = '{OrderState.CANCELLED}' THEN coalesce(cancelled_at, now())
                                        ELSE cancelled_at END,
                    owed_changed_since = CASE WHEN d.new_state <> d.state THEN coalesce(owed_changed_since, now())
                                           ELSE owed_changed_since END
                FROM derived d
                WHERE o.id = d.id AND (o.fulfilment_state, o.state) <> (d.fulfilment_state, d.new_state)
                RETURNING o.id, d.state AS from_state, d.new_state AS to_state
            ), to_invoice AS (
                UPDATE orders_invoicerequest r SET due_since = coalesce(r.due_since, now())
                FROM moved m WHERE r.order_id = m.id
            ), gifts AS (
                -- What was promised for afterwards; of orders that did not end well it is looked at at once.
                UPDATE orders_giftgrant g SET ready_at = CASE WHEN m.to_state = '{OrderState.COMPLETED}'
                    THEN now() + g.after_days * make_interval(secs => %(day)s) ELSE now() END
                FROM moved m WHERE g.order_id = m.id AND m.from_state <> m.to_state
                  AND g.line_id IS NULL AND g.dropped = ''
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, from_state, to_state)
            SELECT m.id, e.kind, '{ActorKind.JOB}', 'fulfilment', m.from_state, m.to_state
            FROM moved m JOIN (VALUES {_ENDS}) AS e(state, kind) ON e.state = m.to_state
            WHERE m.from_state <> m.to_state
            """,
            {"ids": list(order_ids), "day": clock.scaled(timedelta(days=1)).total_seconds()},
        )
