"""What peers of carriers of their own have in common beside a book and pushes."""

from collections.abc import Callable

from oms.simulators.pushing import PushingPeer
from oms.simulators.waybills import Entry, Trace, WaybillBook
from oms.simulators.wsgi import Request, Response, page

NOTHING = Trace("0", "暂无轨迹信息", "", 0.0)


class CarrierPeer(PushingPeer):
    """A carrier, as seen by a shipper; `notify_url` is where it pushes to, empty: nowhere."""

    title = ""
    pauses = (60.0, 300.0, 600.0)

    def __init__(self, *, book: WaybillBook | None = None, notify_url: str = "", speed: float = 1.0) -> None:
        super().__init__(book, speed)
        self.notify_url = notify_url
        self.is_closed = False  # it takes no parcels
        self.lies = False  # it says that it turns parcels back, and carries them on

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
