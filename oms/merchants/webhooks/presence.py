"""Which senders are there: the work of one that died is taken over at once, not at the end of its leases.

Each sender holds an advisory lock under a number of its own, which stands on its leases. PostgreSQL drops the lock with
the sender's session. A sender that lives and only lost its session takes the lock again before the others take over.
"""

import logging
import random
import time
from types import TracebackType

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from oms.merchants.models import DeliveryState

logger = logging.getLogger(__name__)

# The first key of the locks; the second is the sender's number.
LOCKS = 0x5E4D
LOOK_SECONDS = 0.5


class Presence:
    """A sender's place among the others; use it in a `with`. Through a pool of transactions nobody sees its end, and
    only the end of its leases frees what it had in hand."""

    def __init__(self) -> None:
        self.number = random.randrange(1, 2**31)  # noqa: S311 - no secret
        self._next_look = 0.0
        self._absent_since: dict[int, float] = {}

    def __enter__(self) -> "Presence":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCKS, self.number])
        except (DatabaseError, InterfaceError):
            connection.close()  # its session ends, and with it the lock

    def look(self) -> None:
        """Twice a second: see that our own lock is held, and free what senders had in hand that have been absent for
        `settings.WEBHOOKS_TAKE_OVER_SECONDS`. To be called before anything is claimed."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        is_here, absent = self._see()
        if not is_here:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCKS, self.number])
        self._absent_since = {number: self._absent_since.get(number, now) for number in absent}
        grace = settings.WEBHOOKS_TAKE_OVER_SECONDS
        if gone := [number for number, since in self._absent_since.items() if now - since >= grace]:
            _free_leases(gone)

    def _see(self) -> tuple[bool, list[int]]:
        """Whether our lock is held, and the numbers on running leases whose sender is absent."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH present AS MATERIALIZED (
                    SELECT objid::bigint AS number FROM pg_locks
                    WHERE locktype = 'advisory' AND classid::bigint = %(locks)s AND objsubid = 2 AND granted
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                )
                SELECT EXISTS (SELECT FROM present WHERE number = %(mine)s), ARRAY(
                    SELECT DISTINCT leased_by FROM merchants_webhookdelivery
                    WHERE state = '{DeliveryState.PENDING}' AND lease_until >= statement_timestamp()
                      AND leased_by <> %(mine)s AND leased_by NOT IN (SELECT number FROM present))
                """,
                {"locks": LOCKS, "mine": self.number},
            )
            return cursor.fetchone()


def _free_leases(senders: list[int]) -> None:
    """End the leases of these senders. What one of them still records counts, unless another try has begun."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH left_behind AS MATERIALIZED (
                SELECT id FROM merchants_webhookdelivery
                WHERE state = '{DeliveryState.PENDING}' AND lease_until >= statement_timestamp()
                  AND leased_by = ANY(%s)
                ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE merchants_webhookdelivery d SET lease_until = NULL FROM left_behind WHERE d.id = left_behind.id
            """,
            [senders],
        )
        logger.warning("took over %d webhook deliveries of a sender that is gone", cursor.rowcount)
