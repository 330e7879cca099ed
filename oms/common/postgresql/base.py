"""The backend, where Django looks for it."""

import select
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from django.db.utils import NotSupportedError

from oms.common.postgresql import driver

PREPARED_AFTER = 5  # runs on a connection


class DatabaseWrapper(base.DatabaseWrapper):
    """Kept connections are looked at before each request without a round trip to the server, and keep what
    PostgreSQL planned."""

    Database = driver  # Django connects by it
    _preparing_cursor: "psycopg.Cursor | None" = None

    def is_usable(self) -> bool:
        """Whether the connection can be used.

        A server that ends a connection says so, or closes it: either way there is something to read. Only then is it
        asked; a quiet connection is a good one.
        """
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0) or super().is_usable()

    def fetch_prepared(self, sql: str, params: Sequence[object] | Mapping[str, object]) -> list[tuple[Any, ...]]:
        """The rows of a statement that is run often: after a few runs PostgreSQL keeps its plan for the connection.

        Raises Django's database errors.
        """
        try:
            return self._fetch(sql, params)
        except NotSupportedError:
            # A migration changed the type of a column: the plan is of no use any more, and psycopg would keep it.
            # Within a transaction the rollback makes it forget.
            if self.in_atomic_block:
                raise
            self.close()
            return self._fetch(sql, params)

    def _fetch(self, sql: str, params: Sequence[object] | Mapping[str, object]) -> list[tuple[Any, ...]]:
        self.close_if_health_check_failed()
        self.ensure_connection()
        if self._preparing_cursor is None or self._preparing_cursor.connection is not self.connection:
            self._preparing_cursor = psycopg.Cursor(self.connection)
        cursor = self._prepare_cursor(self._preparing_cursor)  # type: ignore[attr-defined]
        # Only here: else psycopg counts every statement of Django's, and keeps their texts with all values in them.
        self.connection.prepare_threshold = PREPARED_AFTER if settings.PREPARED_STATEMENTS else None
        try:
            cursor.execute(sql, params)
            return cursor.fetchall()
        finally:
            self.connection.prepare_threshold = None
