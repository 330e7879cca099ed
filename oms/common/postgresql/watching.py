"""Connections that do not wait for a server that stands still.

A server that hangs, all its processes stopped, closes nothing: what was sent to it waits for an answer for ever, and
TCP's time-outs know nothing of Unix sockets. Whoever waits for long has the server asked whether it answers anybody.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.waiting import Ready

RV = TypeVar("RV")

PATIENCE_SECONDS = 2.0
# How long a new connection may take until the server counts as one that answers nobody.
ANSWER_SECONDS = 3
# How much later than the server's own limit a statement is given up here.
LAG_SECONDS = 5.0
_INTERVAL_SECONDS = 0.1  # psycopg's own


class ServerWatch:
    """Whether the server answers anybody.

    One thread finds out for the whole process: once while somebody waits for long, and again and again while it
    does not answer, so that it is known at once when it does.
    """

    def __init__(self, answers: Callable[[], bool], *, most_seconds: float) -> None:
        self.is_silent = False
        self.most_seconds = most_seconds
        self._answers = answers
        self._lock = threading.Lock()
        self._is_looking = False
        self._looked_at = -PATIENCE_SECONDS

    def gives_up(self, waited_seconds: float) -> bool:
        """Whether to wait no longer, after so many seconds without a byte from the server."""
        if waited_seconds < PATIENCE_SECONDS:
            return False
        self.look()
        return self.is_silent or (bool(self.most_seconds) and waited_seconds > self.most_seconds)

    def look(self) -> None:
        """Have the server asked, unless it just was."""
        with self._lock:
            if self._is_looking or time.monotonic() - self._looked_at < PATIENCE_SECONDS:
                return
            self._is_looking = True
        threading.Thread(target=self._look, name="server-watch", daemon=True).start()

    def _look(self) -> None:
        try:
            while not self._answers():
                self.is_silent = True
        finally:
            self.is_silent, self._looked_at, self._is_looking = False, time.monotonic(), False


_watch: ServerWatch | None = None


def watch_server(statement_seconds: float) -> None:
    """From now on no statement of this process waits for a server that answers nobody, nor much longer than the
    server's own limit in seconds (0: there is none): it ends with an OperationalError, and its connection is closed."""
    global _watch
    most_seconds = statement_seconds + LAG_SECONDS if statement_seconds else 0
    _watch = ServerWatch(_takes_a_connection, most_seconds=most_seconds)


def _takes_a_connection() -> bool:
    """Whether the server answers somebody who comes anew; a refusal is an answer too."""
    params = connections[DEFAULT_DB_ALIAS].get_connection_params()
    try:
        psycopg.connect(**{**params, "connect_timeout": ANSWER_SECONDS}).close()
    except ConnectionTimeout:
        return False
    except psycopg.Error:
        return True
    return True


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that gives up waiting when the process's watch says so."""

    @classmethod
    def connect(cls, *args: Any, **options: Any) -> "WatchedConnection":  # type: ignore[override]
        """As psycopg; refuses at once while the server is known to answer nobody."""
        if _watch is not None and _watch.is_silent:
            raise _no_answer()
        try:
            return super().connect(*args, **options)
        except ConnectionTimeout:
            if _watch is not None:
                _watch.look()
            raise

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL_SECONDS, timeout: float | None = None) -> RV:
        """As psycopg; raises ConnectionTimeout, an OperationalError, where the server stands still."""
        if _watch is None:
            return super().wait(gen, interval, timeout)
        if _watch.is_silent:
            gen.close()
            raise _no_answer()
        return super().wait(self._watched(gen, _watch), interval, timeout)

    def _watched(self, gen: PQGen[RV], watch: ServerWatch) -> PQGen[RV]:
        heard_at = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready != Ready.NONE:
                    heard_at = time.monotonic()
                elif watch.gives_up(time.monotonic() - heard_at):
                    self.close()
                    raise _no_answer()
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: RV = end.value
            return answer


def _no_answer() -> ConnectionTimeout:
    return ConnectionTimeout("the server does not answer")
