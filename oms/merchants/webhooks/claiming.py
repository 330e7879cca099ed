"""Who is told next: messages that are due, leased endpoint by endpoint.

An endpoint has only so many messages in flight, more where it answers quickly; one whose last tries failed has a
single one, after a pause that grows: a slow or dead shop takes no place from the others.
"""

import json
from collections.abc import Collection
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from oms.common.outbound import MAY_GO_OUT
from oms.common.work import heartbeat
from oms.common.work.claiming import MOST_COUNTED
from oms.merchants.models import DeliveryState, EndpointState
from oms.merchants.webhooks.messages import Message

# After so many failures in a row an endpoint gets one try at a time, with a pause between two.
SUSPECT_AFTER = 3
# A quick endpoint gets so many times the usual number of messages in flight.
QUICK_TIMES = 4


def claim(limit: int, quick: Collection[int] = (), sender: int | None = None) -> list[Message]:
    """Lease up to `limit` messages that are due, taking turns among endpoints; commits at once. `quick` are the ids of
    endpoints that may have more in flight, `sender` the number under which the caller is present, if it is.

    The lease outlives the time-out of a try, so that only a sender that died lets one run out. Times are those of
    the statement, not of a transaction that a caller may have begun long before.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH slot AS MATERIALIZED (
                SELECT e.id, CASE WHEN e.failures >= %(suspect)s THEN 1
                    WHEN e.id = ANY(%(quick)s::bigint[]) THEN %(more)s
                    -- The slow ones of a merchant share what one would have.
                    ELSE greatest(%(each)s / (SELECT count(*) FROM merchants_webhookendpoint o
                                              WHERE o.merchant_id = e.merchant_id
                                                AND o.state = '{EndpointState.ENABLED}'), 1) END - (
                    SELECT count(*) FROM merchants_webhookdelivery f WHERE f.endpoint_id = e.id
                      AND f.state = '{DeliveryState.PENDING}' AND f.lease_until >= statement_timestamp()) AS free
                FROM merchants_webhookendpoint e
                WHERE e.state = '{EndpointState.ENABLED}'
                  AND (e.paused_until IS NULL OR e.paused_until <= statement_timestamp())
                  AND {MAY_GO_OUT}
            ), locked AS MATERIALIZED (
                SELECT q.* FROM slot CROSS JOIN LATERAL (
                    SELECT d.id, d.endpoint_id, d.ready_at FROM merchants_webhookdelivery d
                    WHERE d.endpoint_id = slot.id AND d.state = '{DeliveryState.PENDING}'
                      AND d.ready_at <= statement_timestamp()
                      AND (d.lease_until IS NULL OR d.lease_until < statement_timestamp())
                    ORDER BY d.ready_at, d.id LIMIT greatest(slot.free, 0)
                    FOR NO KEY UPDATE OF d SKIP LOCKED
                ) AS q
            ), due AS (
                SELECT id FROM (SELECT id, ready_at, row_number() OVER (PARTITION BY endpoint_id ORDER BY ready_at, id)
                                    AS place FROM locked) AS ranked
                ORDER BY place, ready_at LIMIT %(limit)s
            )
            UPDATE merchants_webhookdelivery d
            SET lease_until = statement_timestamp() + make_interval(secs => %(lease)s),
                lease_token = d.lease_token + 1, leased_by = %(sender)s
            FROM due, merchants_webhookevent v, merchants_webhookendpoint e
            WHERE d.id = due.id AND v.id = d.event_id AND e.id = d.endpoint_id
            RETURNING d.id AS delivery_id, d.lease_token, d.attempts + 1 AS number, e.id AS endpoint_id, e.url,
                e.secret, CASE WHEN e.old_secret_until > statement_timestamp() THEN e.old_secret END AS old_secret,
                v.message_id, v.type, v.occurred_at, v.data
            """,
            {
                "suspect": SUSPECT_AFTER,
                "quick": list(quick),
                "each": settings.WEBHOOKS_IN_FLIGHT_PER_ENDPOINT,
                "more": settings.WEBHOOKS_IN_FLIGHT_PER_ENDPOINT * QUICK_TIMES,
                "limit": limit,
                "sender": sender,
                "lease": settings.WEBHOOKS_TIMEOUT_SECONDS * 2 + 30,
            },
        )
        columns = [column.name for column in cursor.description]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return [_message(**row) for row in sorted(rows, key=itemgetter("delivery_id"))]


def _message(*, secret: bytes, old_secret: bytes | None, data: str, **columns: Any) -> Message:
    secrets = tuple(bytes(sealed) for sealed in (secret, old_secret) if sealed)
    return Message(secrets=secrets, data=json.loads(data), **columns)


def backlog() -> str:
    """An SQL query over the messages that are due and in nobody's hands, with `due`: since when a sender could have
    taken them.

    That is not before a sender last had nothing left to take: what waits behind a slow endpoint's other messages is not
    late. What waits for its next try, or for an endpoint that rests or is disabled, is not due.
    """
    waiting = f"""
        SELECT greatest(d.ready_at, e.paused_until, (
            SELECT seen_at FROM common_heartbeat WHERE name = '{heartbeat.WEBHOOKS}')) AS due, false AS needs_person
        FROM merchants_webhookendpoint e CROSS JOIN LATERAL (
            SELECT w.ready_at FROM merchants_webhookdelivery w
            WHERE w.endpoint_id = e.id AND w.state = '{DeliveryState.PENDING}' AND w.ready_at <= statement_timestamp()
              AND (w.lease_until IS NULL OR w.lease_until < statement_timestamp())
            ORDER BY w.ready_at, w.id {{part}}
        ) AS d
        WHERE e.state = '{EndpointState.ENABLED}'
          AND (e.paused_until IS NULL OR e.paused_until <= statement_timestamp()) AND {MAY_GO_OUT}
    """
    # Where the rest is too much to be counted, the oldest of every endpoint was seen already.
    return f"({waiting.format(part='LIMIT 1')}) UNION ALL ({waiting.format(part=f'OFFSET 1 LIMIT {MOST_COUNTED}')})"
