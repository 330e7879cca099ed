"""The book of a pretended payment provider: trades, refunds, and what is still to be told.

Kept in SQLite, in a file or in memory; one lock makes every entry a step of its own. Amounts are whole fen.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from oms.common.zones import CHINA

WAITING, PAID, CLOSED = "waiting", "paid", "closed"
PROCESSING, REFUNDED, FAILED = "processing", "refunded", "failed"
COMPLAINED, ANSWERED, OVER = "complained", "answered", "over"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS trade (
    id INTEGER PRIMARY KEY, number TEXT UNIQUE NOT NULL, fen INTEGER NOT NULL, subject TEXT NOT NULL,
    notify_url TEXT NOT NULL, code TEXT UNIQUE NOT NULL, status TEXT NOT NULL, is_scanned INTEGER NOT NULL,
    expires_at REAL, created_at REAL NOT NULL, paid_at REAL, closed_at REAL, return_url TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS refund (
    id INTEGER PRIMARY KEY, number TEXT UNIQUE NOT NULL, trade TEXT NOT NULL REFERENCES trade (number),
    fen INTEGER NOT NULL, status TEXT NOT NULL, notify_url TEXT NOT NULL, created_at REAL NOT NULL, ended_at REAL);
CREATE TABLE IF NOT EXISTS notice (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, due_at REAL NOT NULL, tries INTEGER NOT NULL,
    is_over INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS complaint (
    number TEXT PRIMARY KEY, trade TEXT NOT NULL REFERENCES trade (number), text TEXT NOT NULL, status TEXT NOT NULL,
    created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class BookError(Exception):
    """The book does not allow an entry; `reason` is one of the constants below."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


UNKNOWN, OTHER_AMOUNT, ALREADY_PAID, ALREADY_CLOSED = "unknown", "other_amount", "already_paid", "already_closed"
NOT_PAID, TOO_MUCH = "not_paid", "too_much"


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade, by the number that the merchant gave it; times are in seconds since 1970."""

    id: int
    number: str
    fen: int
    subject: str
    notify_url: str
    code: str
    status: str
    is_scanned: bool
    expires_at: float | None
    created_at: float
    paid_at: float | None
    closed_at: float | None
    return_url: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Money of a trade on its way back."""

    id: int
    number: str
    trade: str
    fen: int
    status: str
    notify_url: str
    created_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a buyer complains of about a trade."""

    number: str
    trade: str
    text: str
    status: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told to the merchant: `kind` is paid, closed, refund or complaint; `subject` the number of it."""

    id: int
    kind: str
    subject: str
    due_at: float
    tries: int


def now() -> float:
    """Seconds since 1970."""
    return datetime.now(UTC).timestamp()


def today() -> date:
    """The day that it is in China."""
    return datetime.now(CHINA).date()


def opened(path: Path | None, schema: str) -> sqlite3.Connection:
    """A book with these tables, in a file or in memory. Each statement is a transaction unless one is begun."""
    database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(schema)
    return database


class Book:
    """All trades of one provider."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._database = opened(path, _SCHEMA)

    def shut(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def _entry(self) -> Iterator[None]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    # --- Trades

    def open(
        self,
        number: str,
        fen: int,
        *,
        code: str,
        subject: str = "",
        notify_url: str = "",
        return_url: str = "",
        expires_at: float | None = None,
        is_scanned: bool = False,
    ) -> Trade:
        """A new trade, or the one of that number, from where the buyer now goes back to `return_url`. Raises BookError
        where that has another amount, or is over."""
        with self._entry():
            known = self._find("number", number)
            if known is None:
                self._database.execute(
                    "INSERT INTO trade (number, fen, subject, notify_url, code, status, is_scanned, expires_at,"
                    " created_at, return_url) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (number, fen, subject, notify_url, code, WAITING, is_scanned, expires_at, now(), return_url),
                )
                return self.trade(number)
            if known.status == PAID:
                raise BookError(ALREADY_PAID)
            if known.status == CLOSED:
                raise BookError(ALREADY_CLOSED)
            if known.fen != fen:
                raise BookError(OTHER_AMOUNT)
            if return_url or is_scanned:
                self._database.execute(
                    "UPDATE trade SET return_url = ?, is_scanned = ? WHERE number = ?",
                    (return_url or known.return_url, is_scanned or known.is_scanned, number),
                )
            return self.trade(number)

    def _find(self, column: str, value: str) -> Trade | None:
        """The trade, closed if its time is over."""
        with self._lock:
            rows = self._rows(f"SELECT * FROM trade WHERE {column} = ?", value)
            trade = Trade(*rows[0]) if rows else None
            if trade and trade.status == WAITING and trade.expires_at is not None and trade.expires_at <= now():
                self._end(trade)
                return self._find(column, value)
            return trade

    def trade(self, number: str) -> Trade:
        """The trade of that number. Raises BookError."""
        found = self._find("number", number)
        if found is None:
            raise BookError(UNKNOWN)
        return found

    def by_code(self, code: str) -> Trade:
        """The trade whose QR code holds the code. Raises BookError."""
        found = self._find("code", code)
        if found is None:
            raise BookError(UNKNOWN)
        return found

    def scan(self, number: str) -> Trade:
        """A buyer's app read the code."""
        with self._entry():
            self._database.execute("UPDATE trade SET is_scanned = 1 WHERE number = ?", (number,))
            return self.trade(number)

    def pay(self, number: str) -> Trade:
        """The buyer pays. Raises BookError for a trade that is paid or closed."""
        with self._entry():
            trade = self.trade(number)
            if trade.status != WAITING:
                raise BookError(ALREADY_PAID if trade.status == PAID else ALREADY_CLOSED)
            self._database.execute(
                "UPDATE trade SET status = ?, is_scanned = 1, paid_at = ? WHERE number = ?", (PAID, now(), number)
            )
            self._tell("paid", number)
            return self.trade(number)

    def close(self, number: str) -> Trade:
        """Let nobody pay any more. Raises BookError for a trade that is paid."""
        with self._entry():
            trade = self.trade(number)
            if trade.status == PAID:
                raise BookError(ALREADY_PAID)
            if trade.status == WAITING:
                self._end(trade)
            return self.trade(number)

    def _end(self, trade: Trade) -> None:
        self._database.execute(
            "UPDATE trade SET status = ?, closed_at = ? WHERE number = ?", (CLOSED, now(), trade.number)
        )
        self._tell("closed", trade.number)

    def newest_trades(self, limit: int = 100) -> list[Trade]:
        """The newest trades first."""
        return [Trade(*row) for row in self._rows("SELECT * FROM trade ORDER BY id DESC LIMIT ?", limit)]

    def waiting_since(self, moment: float) -> list[str]:
        """Numbers of trades that wait for their buyers, made before the moment."""
        rows = self._rows("SELECT number FROM trade WHERE status = ? AND created_at <= ? ORDER BY id", WAITING, moment)
        return [number for (number,) in rows]

    def captured(self) -> dict[str, int]:
        """What came in by each paid trade, in fen."""
        return dict(self._rows("SELECT number, fen FROM trade WHERE status = ?", PAID))

    # --- Refunds

    def refund(
        self, trade_number: str, number: str, fen: int, *, status: str, notify_url: str = ""
    ) -> tuple[Refund, bool]:
        """Give money of a trade back, and whether that is new: one number moves money once. `status` is how it stands
        then. Raises BookError where it was of another amount, more than there is left, or nothing was paid."""
        with self._entry():
            trade = self.trade(trade_number)
            known = self._rows("SELECT * FROM refund WHERE number = ?", number)
            if known:
                refund = Refund(*known[0])
                if refund.fen != fen or refund.trade != trade_number:
                    raise BookError(OTHER_AMOUNT)
                if refund.status != FAILED:
                    return refund, False
            if trade.status != PAID:
                raise BookError(NOT_PAID)
            if self.given_back(trade_number) + fen > trade.fen:
                raise BookError(TOO_MUCH)
            self._database.execute(
                "INSERT INTO refund (number, trade, fen, status, notify_url, created_at) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (number) DO UPDATE SET status = excluded.status, ended_at = NULL",
                (number, trade_number, fen, status, notify_url or trade.notify_url, now()),
            )
            if status != PROCESSING:
                self._end_refund(number, status)
            return self.refund_of(number), True

    def refund_of(self, number: str) -> Refund:
        """The refund of that number. Raises BookError."""
        rows = self._rows("SELECT * FROM refund WHERE number = ?", number)
        if not rows:
            raise BookError(UNKNOWN)
        return Refund(*rows[0])

    def finish_refund(self, number: str, status: str = REFUNDED) -> Refund:
        """The refund arrives, or fails. Raises BookError for one that is over."""
        with self._entry():
            if self.refund_of(number).status != PROCESSING:
                raise BookError(ALREADY_CLOSED)
            self._end_refund(number, status)
            return self.refund_of(number)

    def _end_refund(self, number: str, status: str) -> None:
        self._database.execute("UPDATE refund SET status = ?, ended_at = ? WHERE number = ?", (status, now(), number))
        self._tell("refund", number)

    def processing_since(self, moment: float) -> list[str]:
        """Numbers of refunds that are on their way, made before the moment."""
        statement = "SELECT number FROM refund WHERE status = ? AND created_at <= ? ORDER BY id"
        return [number for (number,) in self._rows(statement, PROCESSING, moment)]

    def given_back(self, trade_number: str) -> int:
        """What of a trade went back or is on its way, in fen."""
        statement = "SELECT coalesce(sum(fen), 0) FROM refund WHERE trade = ? AND status <> ?"
        return self._rows(statement, trade_number, FAILED)[0][0]

    def refunds(self, trade_number: str | None = None) -> list[Refund]:
        """All refunds, or those of a trade, oldest first."""
        if trade_number is None:
            return [Refund(*row) for row in self._rows("SELECT * FROM refund ORDER BY id")]
        return [Refund(*row) for row in self._rows("SELECT * FROM refund WHERE trade = ? ORDER BY id", trade_number)]

    # --- Complaints

    def complain(self, trade_number: str, text: str) -> Complaint:
        """A buyer complains about a trade. Raises BookError where nothing was paid."""
        with self._entry():
            if self.trade(trade_number).status != PAID:
                raise BookError(NOT_PAID)
            ((count,),) = self._rows("SELECT count(*) FROM complaint")
            number = f"20000{count + 1:010}"
            values = (number, trade_number, text, COMPLAINED, now())
            self._database.execute("INSERT INTO complaint VALUES (?, ?, ?, ?, ?)", values)
            self._tell("complaint", number)
            return self.complaint(number)

    def complaint(self, number: str) -> Complaint:
        """The complaint of that number. Raises BookError."""
        rows = self._rows("SELECT * FROM complaint WHERE number = ?", number)
        if not rows:
            raise BookError(UNKNOWN)
        return Complaint(*rows[0])

    def move_complaint(self, number: str, status: str) -> None:
        """The merchant answered it, it is over, or the buyer is not content and comes back."""
        with self._entry():
            self._database.execute("UPDATE complaint SET status = ? WHERE number = ?", (status, number))
            self._tell("complaint", number)

    # --- What is to be told

    def _tell(self, kind: str, subject: str) -> None:
        self._database.execute(
            "INSERT INTO notice (kind, subject, due_at, tries, is_over) VALUES (?, ?, ?, 0, 0)", (kind, subject, now())
        )

    def notices(self, *, due_before: float | None = None) -> list[Notice]:
        """What was not told yet, oldest first."""
        statement = "SELECT id, kind, subject, due_at, tries FROM notice WHERE is_over = 0 AND due_at <= ? ORDER BY id"
        return [Notice(*row) for row in self._rows(statement, float("inf") if due_before is None else due_before)]

    def told(self, notice: Notice, *, is_heard: bool, pauses: Sequence[float]) -> None:
        """A notice was sent. Where it was not heard, it is sent again after the next of the pauses (seconds)."""
        is_over = is_heard or notice.tries >= len(pauses)
        due_at = now() if is_over else now() + pauses[notice.tries]
        with self._entry():
            self._database.execute(
                "UPDATE notice SET tries = tries + 1, is_over = ?, due_at = ? WHERE id = ?",
                (is_over, due_at, notice.id),
            )

    # --- Settings of the peer's page

    def setting(self, name: str, default: str) -> str:
        """A setting."""
        rows = self._rows("SELECT value FROM setting WHERE name = ?", name)
        return rows[0][0] if rows else default

    def set(self, name: str, value: str) -> None:
        """Change a setting."""
        with self._entry():
            self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))
