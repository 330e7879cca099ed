"""Forgetting news that is over: events, their deliveries and tries, after a while and in small batches."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

BATCH = 2000


def purge() -> int:
    """Delete events older than the setting of which nothing is to be sent any more; returns how many.

    What waits for a disabled endpoint goes too: nobody claimed it in all that time. Each batch is a transaction.
    """
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                WITH old AS MATERIALIZED (
                    SELECT v.id FROM merchants_webhookevent v
                    WHERE v.created_at < now() - %s AND NOT EXISTS (
                        SELECT FROM merchants_webhookdelivery d JOIN merchants_webhookendpoint e ON e.id = d.endpoint_id
                        WHERE d.event_id = v.id AND d.state = 'pending' AND e.state = 'enabled')
                    ORDER BY v.created_at LIMIT %s FOR UPDATE SKIP LOCKED
                ), tries AS (
                    DELETE FROM merchants_webhookattempt t USING merchants_webhookdelivery d, old
                    WHERE d.event_id = old.id AND t.delivery_id = d.id
                ), deliveries AS (
                    DELETE FROM merchants_webhookdelivery d USING old WHERE d.event_id = old.id
                )
                DELETE FROM merchants_webhookevent v USING old WHERE v.id = old.id
                """,
                [timedelta(days=settings.WEBHOOKS_KEEP_DAYS), BATCH],
            )
            total += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    with transaction.atomic(), connection.cursor() as cursor:
        # A change that was being written while its endpoint was removed may have come after that.
        cursor.execute(
            """
            UPDATE merchants_webhookdelivery d SET state = 'failed', lease_until = NULL,
                last_error = 'the endpoint was removed'
            FROM merchants_webhookendpoint e WHERE e.id = d.endpoint_id AND e.state = 'removed' AND d.state = 'pending'
            """
        )
        cursor.execute(
            """
            DELETE FROM merchants_webhookendpoint e WHERE e.state = 'removed'
              AND NOT EXISTS (SELECT FROM merchants_webhookdelivery d WHERE d.endpoint_id = e.id)
            """
        )
    return total
