"""How a peer misbehaves, on request."""

import threading
from collections import deque
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Trick(StrEnum):
    """What a peer does wrongly with the next call."""

    ERROR_BEFORE = "error_before"  # status 500, nothing done
    ERROR_AFTER = "error_after"  # done, then status 500
    DROP_AFTER = "drop_after"  # done, then the line breaks
    SYSTEM_ERROR_AFTER = "system_error_after"  # done, then the protocol's own word for "ask again"
    BAD_SIGNATURE = "bad_signature"  # done, and the answer is signed by somebody else
    UNSIGNED = "unsigned"  # done, and the answer is not signed
    SLOW = "slow"  # done, after a while
    GARBAGE = "garbage"  # done, and the answer is nothing of the protocol


class Twist(StrEnum):
    """What is wrong with a notification."""

    NOTHING = ""
    WRONG_AMOUNT = "wrong_amount"
    WRONG_APP = "wrong_app"
    BAD_SIGNATURE = "bad_signature"
    OLD = "old"  # signed long ago


class PushTrick(StrEnum):
    """What is wrong with a push of scans."""

    LOST = "lost"  # never sent
    NOT_HEARD = "not_heard"  # sent, and the answer is lost
    TWICE = "twice"
    OUT_OF_ORDER = "out_of_order"  # an older one comes after it
    BAD_SIGNATURE = "bad_signature"


class BillTrick(StrEnum):
    """What is wrong with a bill that is asked for."""

    NOT_READY = "not_ready"  # not made yet
    WRONG_DAY = "wrong_day"  # the day before's
    CORRUPT = "corrupt"  # a byte of the file is another one
    CUT_OFF = "cut_off"  # the end of the file is missing


class Mischief(Generic[T]):
    """The tricks that the next calls get, one each; harmless when there are none."""

    def __init__(self) -> None:
        self._tricks: deque[T] = deque()
        self._lock = threading.Lock()
        self.slow_seconds = 3.0

    def plan(self, *tricks: T) -> None:
        """The next calls get these."""
        with self._lock:
            self._tricks.extend(tricks)

    def forget(self) -> None:
        """Behave."""
        with self._lock:
            self._tricks.clear()

    @property
    def is_harmless(self) -> bool:
        """Whether no call gets any more."""
        with self._lock:
            return not self._tricks

    def next(self) -> T | None:
        """The trick of this call, if it gets one."""
        with self._lock:
            return self._tricks.popleft() if self._tricks else None
