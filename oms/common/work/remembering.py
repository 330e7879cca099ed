"""What processes remember of rows that seldom change, so that a message from outside costs one statement.

A `Memory` asks each time whether what it remembers is still so: one small statement. Within `trusting()` it does not
ask, but notes what it said; whoever writes because of it has the same statement check that (`Noted.condition`). Where
that fails, or nothing is written, `Outdated` is raised and everything is done again, asking: nobody is refused, and
nothing is written, because of what was so before.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from oms.common.postgresql.preparing import fetch_prepared

T = TypeVar("T")


class Outdated(Exception):
    """What was remembered may not be so any more."""


@dataclass
class Noted:
    """What was said without asking: queries that give a stamp of the rows, with the stamp that is remembered."""

    stamps: dict[str, str] = field(default_factory=dict)

    def condition(self) -> tuple[str, Mapping[str, Any]]:
        """SQL that is true while all of it is still so, and its parameters."""
        parts = [f"({sql}) = %(stamp_{place})s" for place, sql in enumerate(self.stamps)]
        values = {f"stamp_{place}": stamp for place, stamp in enumerate(self.stamps.values())}
        return " AND ".join(parts) or "true", values


_noted: ContextVar[Noted | None] = ContextVar("noted", default=None)


@contextmanager
def trusting() -> Iterator[None]:
    """Within it memories do not ask. Whoever comes to anything but a write under `noted()` calls `ask_first()`."""
    token = _noted.set(Noted())
    try:
        yield
    finally:
        _noted.reset(token)


def noted() -> Noted | None:
    """What was said without asking so far; None where everything was asked for."""
    return _noted.get()


def ask_first() -> None:
    """Raises Outdated where something was said without asking."""
    if _noted.get() is not None:
        raise Outdated


class Memory(Generic[T]):
    """What is read of some rows; `sql` gives one text, which changes with any of them and never comes back."""

    def __init__(self, sql: str, read: Callable[[], T]) -> None:
        self._sql, self._read = sql, read
        self._kept: tuple[str, T] | None = None

    def get(self) -> T:
        """As it is now; within `trusting()` as it was when it was last asked for."""
        kept, trusted = self._kept, _noted.get()
        if trusted is not None:
            if kept is None:
                raise Outdated
            trusted.stamps[self._sql] = kept[0]
            return kept[1]
        [(stamp,)] = fetch_prepared(self._sql, {})
        if kept is None or kept[0] != stamp:
            # The stamp was read before: what changes meanwhile is read anew next time.
            kept = self._kept = (stamp, self._read())
        return kept[1]
