"""How a peer misbehaves, on request."""

import threading
from collections import deque
from enum import StrEnum


class Trick(StrEnum):
    """What a peer does wrongly with the next call."""

    ERROR_BEFORE = "error_before"  # status 500, nothing done
    ERROR_AFTER = "error_after"  # done, then status 500
    DROP_AFTER = "drop_after"  # done, then the line breaks
    SYSTEM_ERROR_AFTER = "system_error_after"  # done, then the protocol's own word for "ask again"
    BAD_SIGNATURE = "bad_signature"  # done, and the answer is signed by somebody else
    UNSIGNED = "unsigned"  # done, and the answer is not signed
    SLOW = "slow"  # done, after a while


class Twist(StrEnum):
    """What is wrong with a notification."""

    NOTHING = ""
    WRONG_AMOUNT = "wrong_amount"
    WRONG_APP = "wrong_app"
    BAD_SIGNATURE = "bad_signature"
    OLD = "old"  # signed long ago


class Mischief:
    """The tricks that the next calls get, one each; harmless when there are none."""

    def __init__(self) -> None:
        self._tricks: deque[Trick] = deque()
        self._lock = threading.Lock()
        self.slow_seconds = 3.0

    def plan(self, *tricks: Trick) -> None:
        """The next calls get these."""
        with self._lock:
            self._tricks.extend(tricks)

    def forget(self) -> None:
        """Behave."""
        with self._lock:
            self._tricks.clear()

    def next(self) -> Trick | None:
        """The trick of this call, if it gets one."""
        with self._lock:
            return self._tricks.popleft() if self._tricks else None
