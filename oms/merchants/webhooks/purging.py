"""Forgetting news that is over: events, their deliveries and tries, after a while and in small batches."""

from django.conf import settings
from django.db import connection, transaction

from oms.merchants.models import DeliveryState, EndpointState

BATCH = 2000
# Of the event `v` nothing is to be sent any more.
_OVER = f"""NOT EXISTS (
    SELECT FROM merchants_webhookdelivery d JOIN merchants_webhookendpoint e ON e.id = d.endpoint_id
    WHERE d.event_id = v.id AND d.state = '{DeliveryState.PENDING}' AND e.state = '{EndpointState.ENABLED}')"""


def purge() -> int:
    """Delete events older than the setting of which nothing is to be sent any more; returns how many.

    What waits for a disabled endpoint goes too: nobody claimed it in all that time. Each batch is a transaction.
    """
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT v.id FROM merchants_webhookevent v
                WHERE v.created_at < now() - make_interval(days => %s) AND {_OVER}
                ORDER BY v.created_at LIMIT %s FOR UPDATE SKIP LOCKED
                """,
                [settings.WEBHOOKS_KEEP_DAYS, BATCH],
            )
            old = [key for (key,) in cursor.fetchall()]
            cursor.execute(
                "SELECT id FROM merchants_webhookdelivery WHERE event_id = ANY(%s) ORDER BY id FOR UPDATE", [old]
            )
            # A statement of its own: it sees what was recorded of them, or asked for, before they were locked.
            cursor.execute(
                f"""
                WITH gone AS MATERIALIZED (
                    SELECT v.id FROM merchants_webhookevent v WHERE v.id = ANY(%s) AND {_OVER}
                ), theirs AS MATERIALIZED (
                    SELECT d.id FROM merchants_webhookdelivery d JOIN gone ON gone.id = d.event_id
                ), tries AS (
                    DELETE FROM merchants_webhookattempt t USING theirs WHERE t.delivery_id = theirs.id
                ), deliveries AS (
                    DELETE FROM merchants_webhookdelivery d USING theirs WHERE d.id = theirs.id
                )
                DELETE FROM merchants_webhookevent v USING gone WHERE v.id = gone.id
                """,
                [old],
            )
            total += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    with transaction.atomic(), connection.cursor() as cursor:
        # A change that was being written while its endpoint was removed may have come after that.
        cursor.execute(
            f"""
            WITH left_over AS MATERIALIZED (
                SELECT d.id FROM merchants_webhookdelivery d JOIN merchants_webhookendpoint e ON e.id = d.endpoint_id
                WHERE e.state = '{EndpointState.REMOVED}' AND d.state = '{DeliveryState.PENDING}'
                ORDER BY d.id FOR NO KEY UPDATE OF d
            )
            UPDATE merchants_webhookdelivery d SET state = '{DeliveryState.FAILED}', lease_until = NULL,
                last_error = 'the endpoint was removed'
            FROM left_over WHERE d.id = left_over.id
            """
        )
        cursor.execute(
            f"""
            DELETE FROM merchants_webhookendpoint e WHERE e.state = '{EndpointState.REMOVED}'
              AND NOT EXISTS (SELECT FROM merchants_webhookdelivery d WHERE d.endpoint_id = e.id)
            """
        )
    return total
