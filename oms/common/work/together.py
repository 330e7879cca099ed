"""What threads write at the same time is written by one of them, in one go: a commit costs the same for many."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError

E = TypeVar("E")
R = TypeVar("R")
MOST = 100


class _Turn(Generic[E, R]):
    """One thread's entry: `leads` once the thread is to write, `result` or `error` once it was written."""

    def __init__(self, entry: E) -> None:
        self.entry = entry
        self.leads = self.is_alone = False
        self.result: list[R] = []
        self.error: BaseException | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class Together(Generic[E, R]):
    """`write` gets the entries of the threads that wait and returns a result for each, and may run again for some of
    them: where it fails for several, each is written by itself, so that none pays for another."""

    def __init__(self, write: Callable[[Sequence[E]], Sequence[R]]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: list[_Turn[E, R]] = []
        self._is_led = False

    def put(self, entry: E) -> R:
        """Have the entry written, by this thread or another; returns when it is. Raises what `write` raises for it."""
        mine: _Turn[E, R] = _Turn(entry)
        with self._lock:
            self._waiting.append(mine)
            mine.leads, self._is_led = not self._is_led, True
        if not mine.leads:
            mine.woken.acquire()
        if mine.leads:
            self._lead()
        if mine.error is None:
            return mine.result[0]
        if mine.is_alone or isinstance(mine.error, OperationalError | InterfaceError):
            raise mine.error
        return self._write([entry])[0]

    def _lead(self) -> None:
        """Write what waits, and have the first of those that came meanwhile write on."""
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            results = self._write([turn.entry for turn in batch])
            for turn, result in zip(batch, results, strict=True):
                turn.result.append(result)
        except BaseException as error:
            for turn in batch:
                turn.error, turn.is_alone = error, len(batch) == 1
            if not isinstance(error, Exception):
                raise
        finally:
            with self._lock:
                self._is_led = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].leads = True
                    self._waiting[0].woken.release()
            for turn in batch:
                if not turn.leads:
                    turn.woken.release()
