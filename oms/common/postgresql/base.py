"""The backend, where Django looks for it."""

import select
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Kept connections are looked at before each request without a round trip to the server, and keep what
    PostgreSQL planned."""

    _often: "psycopg.Cursor | None" = None

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
        """The rows of a statement that is run often: PostgreSQL plans it once for each connection.

        Raises Django's database errors.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        if self._often is None or self._often.connection is not self.connection:
            self._often = psycopg.Cursor(self.connection)
        cursor = self._prepare_cursor(self._often)  # type: ignore[attr-defined]
        cursor.execute(sql, params)
        with self.wrap_database_errors:
            return cursor.fetchall()
