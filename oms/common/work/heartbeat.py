"""Signs of life of what must happen all the time.

They are kept in PostgreSQL, not in the broker: so they outlive an emptied Valkey, and a sweep that is seen proves the
whole chain from beat over the broker and a worker to the database.
"""

import time

from django.db import connection

SWEEP = "sweep"
# A sender of webhooks had taken all that could be taken.
WEBHOOKS = "webhooks"


def beat(name: str) -> None:
    """Note that it happens now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO common_heartbeat (name, seen_at) VALUES (%s, clock_timestamp())"
            " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
            [name],
        )


class Pulse:
    """Notes something that happens often, at most once a second."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next_at = 0.0

    def beat(self) -> None:
        """Note that it happens now, unless that was noted just before."""
        now = time.monotonic()
        if now >= self._next_at:
            beat(self._name)
            self._next_at = now + 1


def ages() -> dict[str, float]:
    """How many seconds ago each thing happened last, by name; without those that never did."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, extract(epoch FROM clock_timestamp() - seen_at)::float8 FROM common_heartbeat")
        return dict(cursor.fetchall())


def seconds_since(name: str) -> float | None:
    """How many seconds ago it happened last; None if never."""
    return ages().get(name)
