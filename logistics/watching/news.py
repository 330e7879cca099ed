"""News closes alerts: whatever they waited for came, or is not waited for any more."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import connection

from logistics import kinds

NEWS = "news"


def close(column: str, waited_for: Mapping[int, Sequence[tuple[str, datetime]]]) -> None:
    """Close the open alerts on rows (`column` of an alert names them, by id) but those on what is still waited for, by
    kind and since when."""
    kept = [
        {"id": key, "kind": kind, "since": since.isoformat()}
        for key, waits in waited_for.items()
        for kind, since in set(waits)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH kept AS (
                SELECT * FROM json_to_recordset(%s::json) AS k(id bigint, kind text, since timestamptz)
            ), closed AS (
                UPDATE logistics_logisticsalert a SET closed_at = now(), closed_by = '{NEWS}'
                WHERE a.closed_at IS NULL AND a.{column} = ANY(%s::bigint[])
                  AND NOT EXISTS (SELECT FROM kept k WHERE (k.id, k.kind, k.since) = (a.{column}, a.kind, a.since))
                RETURNING a.sub_order_id, a.kind, a.level
            )
            {TOLD}
            """,
            [json.dumps(kept), list(waited_for)],
        )


# Puts the alerts of the query `closed` on the timeline.
TOLD = f"""
    INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
    SELECT s.order_id, s.id, '{kinds.ALERT_CLOSED}', 'job', 'watch',
        jsonb_build_object('number', s.number, 'alert', c.kind, 'level', c.level)
    FROM closed c JOIN orders_suborder s ON s.id = c.sub_order_id
"""
