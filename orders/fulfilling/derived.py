"""What an order's sub-orders make of it: the derived fulfilment state, and the order's end."""

from collections.abc import Iterable

from django.db import connection

from orders import kinds
from orders.models import OrderState

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
                    count(*) FILTER (WHERE state NOT IN ('cancelled', 'returned')) AS live,
                    count(*) FILTER (WHERE state IN ('shipped', 'rejected', 'delivered', 'completed')) AS shipped,
                    count(*) FILTER (WHERE state IN ('delivered', 'completed')) AS delivered,
                    count(*) FILTER (WHERE state = 'completed') AS completed,
                    count(*) FILTER (WHERE state = 'returned') AS returned
                FROM orders_suborder WHERE order_id = ANY(%(ids)s) GROUP BY order_id
            ), derived AS (
                SELECT o.id, o.state,
                    CASE WHEN c.live = 0 THEN CASE WHEN c.returned > 0 THEN 'returned' ELSE 'cancelled' END
                         WHEN c.delivered = c.live THEN 'delivered'
                         WHEN c.delivered > 0 THEN 'partly_delivered'
                         WHEN c.shipped = c.live THEN 'shipped'
                         WHEN c.shipped > 0 THEN 'partly_shipped'
                         ELSE 'unfulfilled' END AS fulfilment_state,
                    -- What was completed may come back after all.
                    CASE WHEN o.state = 'completed' AND c.live = 0 AND c.returned > 0 THEN 'closed'
                         WHEN o.state <> 'split' OR c.completed < c.live THEN o.state
                         WHEN c.completed > 0 THEN 'completed'
                         WHEN c.returned > 0 THEN 'closed'
                         ELSE 'cancelled' END AS new_state
                FROM orders_order o JOIN counted c ON c.order_id = o.id
            ), moved AS (
                UPDATE orders_order o SET
                    fulfilment_state = d.fulfilment_state,
                    state = d.new_state,
                    completed_at = CASE WHEN d.new_state = 'completed' THEN coalesce(completed_at, now())
                                        ELSE completed_at END,
                    cancelled_at = CASE WHEN d.new_state = 'cancelled' THEN coalesce(cancelled_at, now())
                                        ELSE cancelled_at END,
                    owed_changed_since = CASE WHEN d.new_state <> d.state THEN coalesce(owed_changed_since, now())
                                           ELSE owed_changed_since END
                FROM derived d
                WHERE o.id = d.id AND (o.fulfilment_state, o.state) <> (d.fulfilment_state, d.new_state)
                RETURNING o.id, d.state AS from_state, d.new_state AS to_state
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, from_state, to_state)
            SELECT m.id, e.kind, 'job', 'fulfilment', m.from_state, m.to_state
            FROM moved m JOIN (VALUES {_ENDS}) AS e(state, kind) ON e.state = m.to_state
            WHERE m.from_state <> m.to_state
            """,
            {"ids": list(order_ids)},
        )
