"""The stage that puts right what is owed for an order.

What should be ours is the payable amount of what was neither cancelled nor came back. Captured money beyond it goes
back, and so does what gift cards and points paid beyond it; cash that a carrier collected is booked; what marketplace
merchants are owed for completed sub-orders is written down.
"""

from collections.abc import Sequence

from django.db import connection

from oms.common.work.claiming import Stage
from orders import isolating
from payments.balances import following
from payments.invoicing import planning
from payments.owing import collecting, derived, refunding, settling
from payments.taking import dropping


def run(limit: int) -> int:
    """Put right the books of up to `limit` orders that are marked due; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, id FROM orders_order WHERE owed_changed_since IS NOT NULL ORDER BY owed_changed_since LIMIT %s",
            [limit],
        )
        found = cursor.fetchall()
    return isolating.work_on("owing", found, lambda _keys, orders: _put_right(orders))


def backlog() -> str:
    """Orders whose books are due."""
    return """
        SELECT owed_changed_since AS due, needs_person_since IS NOT NULL AS needs_person
        FROM orders_order WHERE owed_changed_since IS NOT NULL ORDER BY owed_changed_since
    """


def _put_right(order_ids: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order SET owed_changed_since = NULL WHERE id = ANY(%s) AND owed_changed_since IS NOT NULL"
            " RETURNING id",
            [list(order_ids)],
        )
        due = [key for (key,) in cursor.fetchall()]
    if due:
        collecting.collect_cash(due)
        collecting.show_uncollected(due)
        dropping.drop_needless(due)
        refunding.intend_refunds(due)
        following.follow(due)
        settling.settle(due)
        derived.refresh(due)
        planning.mark(due)
    return len(due)


STAGE = Stage("owing", run, wakes=("send_refund", "invoice"), backlog=backlog)
