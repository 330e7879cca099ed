"""What pretended carrier platforms have in common: a clock that can be turned, and pushes of what happened."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from threading import Event
from typing import ClassVar

from oms.simulators import notifying
from oms.simulators.mischief import Mischief, PushTrick, Trick
from oms.simulators.notifying import Post, Posted
from oms.simulators.waybills import Push, WaybillBook


class PushingPeer(ABC):
    """A platform with a book of parcels, whose scans it pushes until they are heard. `speed` is by how much its parcels
    are quicker than real ones."""

    # In seconds, between the tries of a push that is not heard.
    pauses: ClassVar[Sequence[float]]

    def __init__(self, book: WaybillBook | None, speed: float) -> None:
        self.book, self.speed = book or WaybillBook(), speed
        self.mischief: Mischief[Trick] = Mischief()
        self.push_mischief: Mischief[PushTrick] = Mischief()
        self.turned = 0.0  # by how many seconds its clock was turned

    def now(self) -> float:
        """Its own time."""
        return time.time() + self.turned

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.turned += seconds

    @abstractmethod
    def push_of(self, waybill: str, traces: int, *, is_forged: bool = False, by_hand: bool = False) -> Posted | None:
        """The push of a parcel's first so many traces; None where nobody is to be told. `is_forged`: signed by somebody
        else; `by_hand`: its fields are encoded twice."""

    @abstractmethod
    def is_heard(self, status: int, text: str) -> bool:
        """Whether an answer ends the repetitions."""

    def step(self, send: Post = notifying.post, pauses: Sequence[float] | None = None) -> None:
        """Push what happened since the last time, and again what was not heard."""
        self.book.plan(self.now(), self.speed)
        for push in self.book.pushes(self.now()):
            self._push(push, send, self.pauses if pauses is None else pauses)

    def live(self, stop: Event, send: Post = notifying.post) -> None:
        """Go on pushing until `stop`."""
        while not stop.wait(0.5):
            self.step(send)

    def _push(self, push: Push, send: Post, pauses: Sequence[float]) -> None:
        trick = self.push_mischief.next()
        posted = self.push_of(
            push.waybill, push.traces, is_forged=trick == PushTrick.BAD_SIGNATURE, by_hand=push.id % 2 == 0
        )
        is_heard = posted is None or trick == PushTrick.LOST
        if posted is not None and not is_heard:
            for _time_told in range(2 if trick == PushTrick.TWICE else 1):
                status, text = send(posted)
            is_heard = trick != PushTrick.NOT_HEARD and self.is_heard(status, text)
            before = self.push_of(push.waybill, push.traces - 1) if push.traces > 1 else None
            if trick == PushTrick.OUT_OF_ORDER and before is not None:
                send(before)
        self.book.told(push, is_heard=is_heard, pauses=pauses, now=self.now())
