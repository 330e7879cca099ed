"""Writing news and its deliveries, in the transaction of the change that it tells of.

Apps above say what is news, for whom and in which words (for orders: `orders.telling.events`); here it meets the
endpoints that want it. News that no enabled endpoint wants is not written at all.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from oms.merchants.models import DeliveryState, EndpointState

# A setting of the running transaction: while it is on, nothing is told.
_SILENT = "oms.without_messages"

# Whether anything must be told at all: the one cheap question that every batch of changes pays.
NOBODY_LISTENS = f"""
    current_setting('{_SILENT}', true) = 'on'
    OR NOT EXISTS (SELECT FROM merchants_webhookendpoint WHERE state = '{EndpointState.ENABLED}')
"""

# Whether the endpoint `e` wants news of the type `n.type`: `*`, the type itself, or its beginning as in `order.*`.
_WANTS = """EXISTS (
    SELECT FROM unnest(e.event_types) AS wanted
    WHERE wanted IN ('*', n.type) OR (right(wanted, 2) = '.*' AND starts_with(n.type, left(wanted, -1))))"""


@contextmanager
def without_messages() -> Iterator[None]:
    """Within it, this connection's changes are told to nobody: for the import of what happened long ago.

    Opens a transaction, or a savepoint of the running one: what was switched off ends with it, whatever happens.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s, true)", [_SILENT])
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config(%s, 'on', true)", [_SILENT])
        yield
        cursor.execute("SELECT set_config(%s, %s, true)", [_SILENT, before or ""])


def statement(news: str) -> str:
    """The SQL statement that writes news and a delivery of it for each endpoint that wants it.

    `news` is a query of the columns position (the order in which it happened), merchant_id, type, occurred_at and
    data (jsonb); of equal rows one is told.
    """
    return f"""
        WITH n AS (SELECT DISTINCT ON (position, merchant_id, type, data) * FROM ({news}) AS news),
        wanted AS MATERIALIZED (
            SELECT nextval(pg_get_serial_sequence('merchants_webhookevent', 'id')) AS id,
                'msg_' || replace(gen_random_uuid()::text, '-', '') AS message_id, n.*
            FROM (SELECT * FROM n
                  WHERE EXISTS (
                      SELECT FROM merchants_webhookendpoint e
                      WHERE e.merchant_id = n.merchant_id AND e.state = '{EndpointState.ENABLED}' AND {_WANTS})
                  ORDER BY position) AS n
        ), event AS (
            INSERT INTO merchants_webhookevent (id, message_id, merchant_id, type, occurred_at, data)
            SELECT id, message_id, merchant_id, type, occurred_at, data FROM wanted
        )
        INSERT INTO merchants_webhookdelivery (public_id, event_id, endpoint_id, state)
        SELECT 'dlv_' || left(replace(gen_random_uuid()::text, '-', ''), 24), n.id, e.id,
            '{DeliveryState.PENDING}'
        FROM wanted n JOIN merchants_webhookendpoint e
          ON e.merchant_id = n.merchant_id AND e.state = '{EndpointState.ENABLED}' AND {_WANTS}
        ORDER BY n.id, e.id
    """


def tell(merchant_id: int, event_type: str, data: dict[str, Any]) -> None:
    """Write one piece of news in the running transaction, for a caller that has no set of them."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {NOBODY_LISTENS}")
        if cursor.fetchone()[0]:
            return
        cursor.execute(
            statement(
                "SELECT 0 AS position, %(merchant)s::bigint AS merchant_id, %(type)s AS type, now() AS occurred_at,"
                " %(data)s::jsonb AS data"
            ),
            {"merchant": merchant_id, "type": event_type, "data": json.dumps(data)},
        )
