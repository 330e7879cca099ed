"""Signs of life of what must happen all the time.

They are kept in PostgreSQL, not in the broker: so they outlive an emptied Valkey, and a sweep that is seen proves the
whole chain from beat over the broker and a worker to the database.
"""

from django.db import connection

SWEEP = "sweep"


def beat(name: str) -> None:
    """Note that it happens now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO common_heartbeat (name, seen_at) VALUES (%s, clock_timestamp())"
            " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
            [name],
        )


def seconds_since(name: str) -> float | None:
    """How many seconds ago it happened last; None if never."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - seen_at) FROM common_heartbeat WHERE name = %s", [name]
        )
        row = cursor.fetchone()
    return float(row[0]) if row else None
