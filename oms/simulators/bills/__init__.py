"""The bills of the pretended providers, written from their own books in the providers' forms.

`entries` says what a day's bill has; `alipay` and `wechat` write it down.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from oms.common.zones import CHINA
from oms.simulators import books
from oms.simulators.books import Book, Refund, Trade
from oms.simulators.keys import AlipayKeys
from oms.simulators.mischief import BillTrick, Mischief

FEE_RATE = Decimal("0.006")
# So long a file may be fetched, in seconds.
FETCHED_WITHIN = 30.0


class NotGenerated(Exception):
    """There is no such bill (yet)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a trade bill: a payment, or with `refund` a refund of it. `fen` is positive for both, and so is the fee,
    which a refund gives back."""

    trade: Trade
    fen: int
    fee_fen: int
    at: float
    refund: Refund | None = None

    @property
    def number(self) -> str:
        """The merchant's number of it."""
        return self.refund.number if self.refund else self.trade.number


@dataclass(frozen=True, slots=True)
class _Ready:
    content: bytes
    until: float


@dataclass(slots=True)
class Desk:
    """Who gives out the bills of one peer. A bill is there from the day after on; tests let it be there before, change
    its entries, and plan tricks."""

    book: Callable[[], Book]
    is_early: bool = False
    edit: Callable[[list[Entry]], list[Entry]] = list
    mischief: Mischief[BillTrick] = field(default_factory=Mischief)
    _ready: dict[str, _Ready] = field(default_factory=dict)

    def entries(self, day: date) -> tuple[date, list[Entry], BillTrick | None]:
        """The day that is written on the bill, what it has, and the trick that its file gets. Raises NotGenerated
        where it is not made yet, and for a day without anything."""
        trick = self.mischief.next()
        if trick == BillTrick.NOT_READY or not (day < books.today() or self.is_early):
            raise NotGenerated
        if trick == BillTrick.WRONG_DAY:
            day -= timedelta(days=1)
        found = self.edit(entries(self.book(), day))
        if not found and trick != BillTrick.WRONG_DAY:
            raise NotGenerated
        return day, found, trick

    def put(self, content: bytes) -> str:
        """Lay a file ready; returns the token by which it is fetched."""
        token = secrets.token_urlsafe(12)
        self._ready[token] = _Ready(content, time.monotonic() + FETCHED_WITHIN)
        return token

    def fetch(self, token: str) -> bytes | None:
        """The file, while it lies ready."""
        found = self._ready.get(token)
        return found.content if found and time.monotonic() <= found.until else None


def entries(book: Book, day: date) -> list[Entry]:
    """What was paid and what went back on the day (in China), in the order of time."""
    trades = {trade.number: trade for trade in book.newest_trades(1_000_000)}
    paid = [
        Entry(trade, trade.fen, fee_of(trade.fen), trade.paid_at)
        for trade in trades.values()
        if trade.paid_at and _day_of(trade.paid_at) == day
    ]
    back = [
        Entry(trades[refund.trade], refund.fen, fee_of(refund.fen), refund.ended_at, refund)
        for refund in book.refunds()
        if refund.ended_at and refund.status == books.REFUNDED and _day_of(refund.ended_at) == day
    ]
    return sorted([*paid, *back], key=lambda entry: (entry.at, entry.number))


def alipay_account(keys: AlipayKeys) -> str:
    """How Alipay's bills name the merchant."""
    return f"{keys.seller_id}0156"


def fee_of(fen: int) -> int:
    """The provider's fee on an amount, rounded half up."""
    return int((fen * FEE_RATE).quantize(Decimal(1), ROUND_HALF_UP))


def _day_of(moment: float) -> date:
    return datetime.fromtimestamp(moment, CHINA).date()


def totals(found: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The payments and the refunds of a bill, each once: providers do not count the same row again."""
    once = list(dict.fromkeys(found))
    return [entry for entry in once if not entry.refund], [entry for entry in once if entry.refund]
