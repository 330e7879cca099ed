"""Reading what may hang without hanging: for probes, which many ask at once."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

T = TypeVar("T")


class NoAnswer(Exception):
    """The reading takes longer than it may."""


class SharedReading(Generic[T]):
    """Something that one thread at a time reads, for all who ask meanwhile.

    Nobody waits for longer than the deadline, counted from when the reading began: a reading that hangs holds that one
    thread, and until it comes back everybody is told at once that there is no answer.
    """

    def __init__(self, read: Callable[[], T], *, deadline_seconds: float) -> None:
        self.deadline_seconds = deadline_seconds
        self._read = read
        self._lock = threading.Lock()
        self._latest: _Attempt[T] | None = None

    def get(self, *, max_age_seconds: float) -> T:
        """What was read at most so many seconds ago, or is being read. Raises NoAnswer, and what the reading raised."""
        with self._lock:
            attempt = self._latest
            is_mine = attempt is None or attempt.is_over(max_age_seconds)
            if attempt is None or is_mine:
                attempt = self._latest = _Attempt(self._read)
        left = attempt.began_at + self.deadline_seconds - time.monotonic()
        try:
            return attempt.answer.result(max(left, 0))
        except TimeoutError:
            if attempt.answer.done():
                return attempt.answer.result()  # in the last moment, or a time-out of the reading itself
            if is_mine:
                attempt.abandon()
            raise NoAnswer from None

    def forget(self) -> None:
        """Read anew at the next call."""
        self._latest = None


class _Attempt(Generic[T]):
    """One reading, on a thread of its own, which borrows the database connection of the thread that began it."""

    def __init__(self, read: Callable[[], T]) -> None:
        self.began_at = time.monotonic()
        self.answer: Future[T] = Future()
        self._connection = connections[DEFAULT_DB_ALIAS]
        self._connection.inc_thread_sharing()
        self._lock = threading.Lock()
        self._ended_at: float | None = None
        self._keeps_connection = False
        threading.Thread(target=self._run, args=[read], name="shared-reading", daemon=True).start()

    def is_over(self, max_age_seconds: float) -> bool:
        """Whether it ended longer ago than that."""
        return self._ended_at is not None and time.monotonic() - self._ended_at > max_age_seconds

    def abandon(self) -> None:
        """The thread that began it waits no longer and gets another connection, unless this one is just given back."""
        with self._lock:
            if self._ended_at is None:
                self._keeps_connection = True
                del connections[DEFAULT_DB_ALIAS]

    def _run(self, read: Callable[[], T]) -> None:
        connections[DEFAULT_DB_ALIAS] = self._connection
        try:
            value = read()
        except Exception as error:
            self._end()
            self.answer.set_exception(error)
        else:
            self._end()
            self.answer.set_result(value)

    def _end(self) -> None:
        with self._lock:
            self._ended_at = time.monotonic()
        if self._keeps_connection:
            self._connection.close()
        else:
            self._connection.dec_thread_sharing()
