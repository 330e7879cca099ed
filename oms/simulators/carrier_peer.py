"""What peers of carriers have in common: a book of parcels, a clock of their own, and pushes until they are heard."""

import time
from collections.abc import Callable, Sequence
from threading import Event

from oms.simulators import notifying
from oms.simulators.mischief import Mischief, PushTrick, Trick
from oms.simulators.notifying import Post, Posted
from oms.simulators.waybills import Entry, Push, Trace, WaybillBook
from oms.simulators.wsgi import Request, Response, page

# How long after a push that was not heard it is told again, in seconds.
PAUSES = (60.0, 300.0, 600.0)
NOTHING = Trace("0", "暂无轨迹信息", "", 0.0)


class CarrierPeer:
    """A carrier, as seen by a shipper; `notify_url` is where it pushes to, empty: nowhere."""

    title = ""

    def __init__(self, *, book: WaybillBook | None = None, notify_url: str = "", speed: float = 1.0) -> None:
        self.book, self.notify_url, self.speed = book or WaybillBook(), notify_url, speed
        self.mischief: Mischief[Trick] = Mischief()
        self.push_mischief: Mischief[PushTrick] = Mischief()
        self.is_closed = False  # it takes no parcels
        self.lies = False  # it says that it turns parcels back, and carries them on
        self.turned = 0.0  # by how many seconds its clock was turned

    def now(self) -> float:
        """Its own time."""
        return time.time() + self.turned

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.turned += seconds

    def write(self, waybill: str, traces: int, *, is_forged: bool = False) -> Posted:
        """The push of what was the `traces`th thing that happened to a parcel."""
        raise NotImplementedError

    def is_heard(self, status: int, text: str) -> bool:
        """Whether an answer ends the repetitions."""
        raise NotImplementedError

    def step(self, send: Post = notifying.post, pauses: Sequence[float] = PAUSES) -> None:
        """Push what happened since the last time, and again what was not heard."""
        self.book.plan(self.now(), self.speed)
        for push in self.book.pushes(self.now()):
            self._push(push, send, pauses)

    def live(self, stop: Event, send: Post = notifying.post) -> None:
        """Go on pushing until `stop`."""
        while not stop.wait(0.5):
            self.step(send)

    def _push(self, push: Push, send: Post, pauses: Sequence[float]) -> None:
        trick = self.push_mischief.next()
        is_heard = not self.notify_url or trick == PushTrick.LOST
        if not is_heard:
            posted = self.write(push.waybill, push.traces, is_forged=trick == PushTrick.BAD_SIGNATURE)
            for _time_told in range(2 if trick == PushTrick.TWICE else 1):
                status, text = send(posted)
            is_heard = trick != PushTrick.NOT_HEARD and self.is_heard(status, text)
            if trick == PushTrick.OUT_OF_ORDER and push.traces > 1:
                send(self.write(push.waybill, push.traces - 1))
        self.book.told(push, is_heard=is_heard, pauses=pauses, now=self.now())

    def of_waybill(self, waybill: str) -> Entry:
        """The parcel of a waybill that the book has."""
        entry = self.book.of_waybill(waybill)
        assert entry  # noqa: S101 - who calls it knows it from the book
        return entry

    def page(self, text_of: Callable[[Trace], str] = lambda trace: trace.text) -> Response:
        """The newest parcels, for people."""

        def row(entry: Entry) -> str:
            newest = (entry.traces(self.now(), self.speed) or [NOTHING])[-1]
            text = "已取消" if entry.cancelled_at else text_of(newest)
            return f"<tr><td>{entry.order_code}</td><td>{entry.waybill}</td><td>{text}</td></tr>"

        rows = "".join(map(row, reversed(self.book.entries()[-100:])))
        head = "<tr><th>单号 · number</th><th>运单号 · waybill</th><th></th></tr>"
        return page(self.title, f"<table>{head}{rows}</table>")

    def __call__(self, request: Request) -> Response:
        """Answer a call, or a person's browser."""
        raise NotImplementedError
