"""The stage that calls a person where warehouses have not answered a cancellation in time."""

from django.db import connection, transaction

from oms.common import tickets
from oms.common.tickets import Trouble
from oms.common.work.claiming import Stage
from orders.changing import cancellation
from orders.fulfilling.trouble import CANCELLATION_UNANSWERED


def _overdue() -> str:
    """Orders with a request that warehouses did not answer in time, as FROM and what follows; a person who was called
    is not called again."""
    return f"""
        FROM orders_order o JOIN LATERAL (
            SELECT min(s.cancel_requested_at) AS asked_at FROM orders_suborder s
            WHERE s.order_id = o.id AND s.cancel_requested_at IS NOT NULL) a ON a.asked_at < now() - {_patience()}
        WHERE o.id IN (SELECT s.order_id FROM orders_suborder s WHERE s.cancel_requested_at IS NOT NULL)
          AND NOT EXISTS (SELECT FROM common_ticket t WHERE t.about_id = o.id
              AND t.kind = '{CANCELLATION_UNANSWERED.code}' AND t.opened_at >= a.asked_at)
        ORDER BY a.asked_at
    """


def _patience() -> str:
    return f"make_interval(secs => {cancellation.patience().total_seconds()})"


@transaction.atomic
def run(limit: int) -> int:
    """Call a person for up to `limit` orders; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT found.id, array(SELECT s.number FROM orders_suborder s WHERE s.order_id = found.id
                AND s.cancel_requested_at IS NOT NULL ORDER BY s.id)
            FROM (SELECT o.id {_overdue()} LIMIT %s) AS found
            """,
            [limit],
        )
        found = [Trouble(key, values={"numbers": ", ".join(numbers)}, about_id=key) for key, numbers in cursor]
    tickets.open_tickets(CANCELLATION_UNANSWERED, found, opened_by=STAGE.name)
    return len(found)


def backlog() -> str:
    """Cancellations that nobody was called for yet."""
    return f"SELECT a.asked_at + {_patience()} AS due, false AS needs_person {_overdue()}"


STAGE = Stage("chase_cancellations", run, backlog=backlog)
