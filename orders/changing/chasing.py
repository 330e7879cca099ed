"""The stage that calls a person where warehouses have not answered a cancellation in time."""

from django.db import connection, transaction

from oms.common import tickets
from oms.common.tickets import Trouble
from oms.common.work.claiming import Stage
from orders.changing import cancellation
from orders.fulfilling.trouble import CANCELLATION_UNANSWERED
from orders.models import Hold


def _overdue() -> str:
    """Cancellations whose deadline is over, as FROM and what follows; a person who was called is not called again."""
    return f"""
        FROM orders_hold h JOIN orders_order o ON o.id = h.order_id
        WHERE h.released_at IS NULL AND h.kind = '{Hold.Kind.CANCELLATION}' AND o.cancel_requested_at IS NOT NULL
          AND h.opened_at < now() - {_patience()}
          AND NOT EXISTS (SELECT FROM common_ticket t WHERE t.about_id = o.id
              AND t.kind = '{CANCELLATION_UNANSWERED.code}' AND t.opened_at >= h.opened_at)
        ORDER BY h.opened_at
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
    return f"SELECT h.opened_at + {_patience()} AS due, false AS needs_person {_overdue()}"


STAGE = Stage("chase_cancellations", run, backlog=backlog)
