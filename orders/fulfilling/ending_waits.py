"""The cancel_short stage: what a sourcing rule does not let wait for longer is cancelled, with its money."""

from django.db import connection

from oms.common.copying import array
from oms.common.work.claiming import Stage
from orders import isolating
from orders.actors import job
from orders.changing.cancelling import cancel_sub_orders
from orders.fulfilling import derived
from orders.models import SubOrderState

NAME = "cancel_short"
_DUE = f"q.cancel_short_at <= now() AND q.state = '{SubOrderState.BACKORDERED}' AND NOT q.is_held"


def run(limit: int) -> int:
    """Cancel up to `limit` sub-orders that waited too long; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before its sub-orders, so this only reads.
        cursor.execute(
            f"SELECT q.id, q.order_id FROM orders_suborder q WHERE {_DUE} ORDER BY q.cancel_short_at LIMIT %s", [limit]
        )
        found = cursor.fetchall()
    return isolating.work_on(NAME, found, _cancel)


def backlog() -> str:
    """What waited too long."""
    return (
        f"SELECT q.cancel_short_at AS due, {isolating.needs_person('q.order_id')} AS needs_person"
        f" FROM orders_suborder q WHERE {_DUE}"
    )


def _cancel(sub_order_ids: list[int], order_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT q.id FROM orders_suborder q WHERE q.id = ANY(%s::bigint[]) AND {_DUE}"
            " ORDER BY q.id FOR NO KEY UPDATE SKIP LOCKED",
            [array(sub_order_ids)],
        )
        mine = [key for (key,) in cursor.fetchall()]
    cancel_sub_orders(mine, actor=job(NAME))
    derived.refresh(order_ids)
    return len(mine)


STAGE = Stage(NAME, run, wakes=("owing", "wake"), backlog=backlog)
