"""Connected systems at work: which may be called, how many calls at once, how they fare, and when they are left alone.

Everything is kept in rows, so that it holds for all processes on all machines.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.utils.translation import gettext_lazy

from oms.common import tickets
from oms.common.masking import mask_text
from oms.common.models import Connection, Team

# How much of the newest measurement goes into a connection's `row_seconds`.
_WEIGHT = 0.3
LONGEST_PAUSE_SECONDS = 600

CONNECTION_DOWN = tickets.register_kind(
    tickets.TicketKind(
        "connection_down",
        gettext_lazy("Connection does not answer"),
        "connection",
        team=Team.TECHNICAL,
        due_within=timedelta(hours=1),
        reasons={"": gettext_lazy("%(connection)s failed %(failures)d times in a row.")},
        remedies=gettext_lazy("Test it on its page, switch it off, or call the other side. It is tried again anyway."),
    )
)


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to have one call on its way; `token` proves that it is still ours."""

    id: int
    token: int


def take_slot(link: Connection) -> Slot | None:
    """A free slot of the connection, held for `settings.LEASE_SECONDS`; None while all its calls are on their way.

    With a slot `link` knows how the connection fares now, however long ago it was read.
    """
    slot = _take(link)
    if slot is None:
        _add_slots(link)
        slot = _take(link)
    return slot


def _take(link: Connection) -> Slot | None:
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE common_connectionslot SET lease_until = now() + make_interval(secs => %s),
                lease_token = lease_token + 1
            WHERE id = (
                SELECT id FROM common_connectionslot
                WHERE connection_id = %s AND number <= %s AND (lease_until IS NULL OR lease_until < now())
                ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, lease_token, (SELECT failures FROM common_connection c WHERE c.id = connection_id),
                (SELECT row_seconds FROM common_connection c WHERE c.id = connection_id)
            """,
            [settings.LEASE_SECONDS, link.pk, link.calls_at_once],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    slot_id, token, link.failures, link.row_seconds = row
    return Slot(slot_id, token)


def _add_slots(link: Connection) -> None:
    """Make the slots that are missing; another process may do so at the same time."""
    with database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO common_connectionslot (connection_id, number)
            SELECT %s, number FROM generate_series(1, %s) AS number ON CONFLICT DO NOTHING
            """,
            [link.pk, link.calls_at_once],
        )


def keep_slot(slot: Slot) -> None:
    """Hold the slot longer, if it is still ours."""
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE common_connectionslot SET lease_until = now() + make_interval(secs => %s)"
            " WHERE id = %s AND lease_token = %s",
            [settings.LEASE_SECONDS, slot.id, slot.token],
        )


def give_back(slot: Slot) -> None:
    """Let others have the slot, if it is still ours."""
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE common_connectionslot SET lease_until = NULL WHERE id = %s AND lease_token = %s",
            [slot.id, slot.token],
        )


@contextmanager
def slot_of(link: Connection) -> Iterator[Slot | None]:
    """A slot for the time of the block, or None."""
    slot = take_slot(link)
    try:
        yield slot
    finally:
        if slot is not None:
            give_back(slot)


def chunk_size(link: Connection) -> int:
    """How many rows one call should have: what the system answers within a third of the lease, at most its batch."""
    if link.row_seconds is None:
        return min(link.batch_size, 50)
    fitting = int(settings.LEASE_SECONDS / 3 / max(link.row_seconds, 1e-6))
    return max(1, min(link.batch_size, fitting))


def note_answer(link: Connection, rows: int, seconds: float) -> None:
    """The system answered `rows` rows in so many seconds; `link` is brought up to date along with its row."""
    measured = seconds / max(rows, 1)
    known = link.row_seconds
    # Up at once, down slowly: a system that became slow must not be asked for too much.
    link.row_seconds = measured if known is None or measured > known else known + _WEIGHT * (measured - known)
    was_down = link.failures >= link.breaker_failures
    if was_down:
        with transaction.atomic():
            _write_answer(link)
            tickets.close_tickets([CONNECTION_DOWN], [link.pk])
    else:
        _write_answer(link)
    link.failures = 0


def _write_answer(link: Connection) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE common_connection SET failures = 0, failing_since = NULL, paused_until = NULL,
                last_success_at = now(), row_seconds = %s, last_error = ''
            WHERE id = %s
            """,
            [link.row_seconds, link.pk],
        )


def note_failure(link: Connection, error: str, seconds: float) -> None:
    """A call failed as a whole. After `breaker_failures` in a row the connection rests, and a person is told."""
    with transaction.atomic():
        with database.cursor() as cursor:
            cursor.execute(
                """
                UPDATE common_connection SET failures = failures + 1, failing_since = coalesce(failing_since, now()),
                    last_error = %(error)s,
                    row_seconds = greatest(row_seconds, %(row_seconds)s),
                    paused_until = CASE WHEN failures + 1 >= breaker_failures THEN now() + make_interval(secs =>
                        least(breaker_seconds * 2 ^ least(failures + 1 - breaker_failures, 10), %(most)s)) END
                WHERE id = %(id)s RETURNING failures, breaker_failures, row_seconds
                """,
                {
                    "error": mask_text(error)[:1000],
                    "id": link.pk,
                    "most": max(LONGEST_PAUSE_SECONDS, link.breaker_seconds),
                    # A call that ran into its time-out asked for too much at once, or for anything at all.
                    "row_seconds": seconds / chunk_size(link) if seconds >= link.timeout_seconds else 0,
                },
            )
            link.failures, most, link.row_seconds = cursor.fetchone()
        if link.failures >= most:
            trouble = tickets.Trouble(link.pk, "", {"connection": link.code, "failures": link.failures})
            tickets.open_tickets(CONNECTION_DOWN, [trouble], opened_by="connections")


# Connections that may be called now, as an SQL condition on the table's alias `c`.
CALLABLE = "c.is_active AND (c.paused_until IS NULL OR c.paused_until <= now())"
