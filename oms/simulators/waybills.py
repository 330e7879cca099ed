"""The book of a pretended carrier platform: parcels by order code, what happens to them, and what is still to be told.

Kept in SQLite, in a file or in memory; one lock makes every entry a step of its own. Times are seconds since 1970.
"""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oms.simulators.books import opened

_SCHEMA = """
CREATE TABLE IF NOT EXISTS parcel (
    order_code TEXT PRIMARY KEY, shipper TEXT NOT NULL, waybill TEXT UNIQUE NOT NULL, content TEXT NOT NULL,
    created_at REAL NOT NULL, cancelled_at REAL, is_told INTEGER NOT NULL, told INTEGER NOT NULL,
    asked INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS push (
    id INTEGER PRIMARY KEY, waybill TEXT NOT NULL, traces INTEGER NOT NULL, due_at REAL NOT NULL,
    tries INTEGER NOT NULL, is_over INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS turned (waybill TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS child (waybill TEXT PRIMARY KEY, order_code TEXT NOT NULL);
"""
_HOUR = 3600.0
# Code, text, and the seconds until it happens after what was before.
_ARRIVES = [
    ("1", "快件已被揽收", 3 * _HOUR),
    ("204", "快件到达转运中心", 8 * _HOUR),
    ("205", "快件到达派件网点", 14 * _HOUR),
    ("202", "快递员派件中", 6 * _HOUR),
]
_SIGNED = [("301", "快件已签收", 3 * _HOUR)]
_MISSED = [("405", "无人签收，改日再派", 3 * _HOUR), ("202", "快递员派件中", 18 * _HOUR), *_SIGNED]
_REFUSED = [
    ("404", "收件人拒收", 3 * _HOUR),
    ("407", "快件退回中", 4 * _HOUR),
    ("406", "退件已签收", 24 * _HOUR),
]
_TURNED = [
    ("413", "应寄件人要求，快件已拦截", 1 * _HOUR),
    ("407", "快件退回中", 4 * _HOUR),
    ("406", "退件已签收", 24 * _HOUR),
]
FINAL = ("301", "406")
# In what was told of a parcel: how many traces it ever has, where it stops on its way.
_STALLS = "StallsAfter"
# In the order code of a child, between its mother's and its place.
_CHILD = "/"
# From here on a parcel is not stopped any more.
TOO_LATE = ("202", "301", "404", "407", "406", "413")


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that happened to a parcel: a code and text of the carrier's, where and when."""

    code: str
    text: str
    city: str
    at: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A parcel of the book. `is_told`: its traces are pushed; `told`: so many of them are on their way to be; `asked`:
    how often a waybill was asked for under its order code; `turned_at`: when it was turned back on its way."""

    order_code: str
    shipper: str
    waybill: str
    content: Mapping[str, Any]
    created_at: float
    cancelled_at: float | None
    is_told: bool
    told: int
    asked: int
    turned_at: float | None = None

    @property
    def mother(self) -> str:
        """The order code under which it was ordered, its own unless it is a child of another parcel."""
        return self.order_code.partition(_CHILD)[0]

    def story(self, speed: float) -> list[Trace]:
        """All that will ever happen to it; decided by its order code."""
        if self.cancelled_at is not None:
            return []
        lot = hashlib.blake2b(self.order_code.encode(), digest_size=4).digest()[0] % 50
        steps = [*_ARRIVES, *(_REFUSED if lot == 0 else _MISSED if lot < 3 else _SIGNED)]
        at, traces = self.created_at, []
        for place, (code, text, after) in enumerate(steps[: self.content.get(_STALLS)]):
            at += after / speed
            side = "Sender" if place < 2 else "Receiver"
            traces.append(Trace(code, text, str(self.content.get(side, {}).get("CityName", "")), at))
        return traces if self.turned_at is None else self._turned(traces, self.turned_at, speed)

    def _turned(self, traces: list[Trace], at: float, speed: float) -> list[Trace]:
        traces = [trace for trace in traces if trace.at <= at]
        for code, text, after in _TURNED:
            at += after / speed
            traces.append(Trace(code, text, str(self.content.get("Sender", {}).get("CityName", "")), at))
        return traces

    def traces(self, now: float, speed: float) -> list[Trace]:
        """What happened until now, oldest first."""
        return [trace for trace in self.story(speed) if trace.at <= now]


@dataclass(frozen=True, slots=True)
class Push:
    """So many traces of a parcel that are to be told."""

    id: int
    waybill: str
    traces: int
    due_at: float
    tries: int


_ENTRY = (
    "order_code, shipper, waybill, content, created_at, cancelled_at, is_told, told, asked,"
    " (SELECT at FROM turned WHERE turned.waybill = parcel.waybill)"
)


class WaybillBook:
    """All parcels of one platform."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._database = opened(path, _SCHEMA)

    def shut(self) -> None:
        """Close the file."""
        self._database.close()

    def of_order(self, order_code: str) -> Entry | None:
        """The parcel of an order code."""
        return self._one("order_code = ?", order_code)

    def of_waybill(self, waybill: str) -> Entry | None:
        """The parcel of a waybill."""
        return self._one("waybill = ?", waybill)

    def entries(self) -> list[Entry]:
        """All parcels, oldest first."""
        return self._many("1 = 1")

    def enter(
        self,
        order_code: str,
        shipper: str,
        waybill: str,
        content: Mapping[str, Any],
        now: float,
        *,
        is_told: bool,
        children: Sequence[str] = (),
    ) -> tuple[Entry, bool]:
        """The parcel of the order code, new unless there is one, with its `children` (waybills); and whether it is
        new."""
        with self._lock:
            changed = self._database.execute(
                "INSERT INTO parcel VALUES (?, ?, ?, ?, ?, NULL, ?, 0, 1) ON CONFLICT (order_code) DO NOTHING",
                (order_code, shipper, waybill, json.dumps(content, ensure_ascii=False), now, is_told),
            ).rowcount
            if changed:
                self.add_children(order_code, children)
            else:
                self._database.execute("UPDATE parcel SET asked = asked + 1 WHERE order_code = ?", (order_code,))
            found = self.of_order(order_code)
            assert found  # noqa: S101 - it was just entered
            return found, bool(changed)

    def cancel(self, order_code: str, now: float) -> None:
        """The parcel will not go, nor will its children."""
        with self._lock:
            self._database.execute(
                "UPDATE parcel SET cancelled_at = coalesce(cancelled_at, ?)"
                " WHERE order_code = ? OR waybill IN (SELECT waybill FROM child WHERE child.order_code = ?)",
                (now, order_code, order_code),
            )

    def stall(self, order_code: str, traces: int) -> None:
        """The parcel stops after so many traces."""
        with self._lock:
            entry = self.of_order(order_code)
            assert entry  # noqa: S101 - whoever stops it knows it
            content = json.dumps({**entry.content, _STALLS: traces}, ensure_ascii=False)
            self._database.execute("UPDATE parcel SET content = ? WHERE order_code = ?", (content, order_code))

    def turn_back(self, waybill: str, now: float) -> None:
        """The parcel comes back from where it is."""
        with self._lock:
            self._database.execute("INSERT OR IGNORE INTO turned VALUES (?, ?)", (waybill, now))

    def add_children(self, order_code: str, waybills: Sequence[str]) -> None:
        """Further waybills of an order, each of a parcel with a story of its own (`Entry.mother`)."""
        with self._lock:
            before = len(self.children(order_code))
            self._database.executemany("INSERT INTO child VALUES (?, ?)", [(one, order_code) for one in waybills])
            self._database.executemany(
                "INSERT INTO parcel SELECT ?, shipper, ?, content, created_at, cancelled_at, is_told, 0, 0"
                " FROM parcel WHERE order_code = ?",
                [(f"{order_code}{_CHILD}{place}", one, order_code) for place, one in enumerate(waybills, before + 1)],
            )

    def children(self, order_code: str) -> list[str]:
        """The further waybills of an order, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT waybill FROM child WHERE order_code = ? ORDER BY rowid", (order_code,)
            )
            return [waybill for (waybill,) in rows.fetchall()]

    def of_consignment(self, order_code: str) -> list[Entry]:
        """The parcel of an order code with its children."""
        return self._many(
            "order_code = ? OR waybill IN (SELECT waybill FROM child WHERE child.order_code = ?)",
            order_code,
            order_code,
        )

    def change(self, order_code: str, content: Mapping[str, Any]) -> None:
        """What was told of a parcel is otherwise now."""
        with self._lock:
            self._database.execute(
                "UPDATE parcel SET content = ? WHERE order_code = ?",
                (json.dumps(content, ensure_ascii=False), order_code),
            )

    def tell(self, waybill: str) -> None:
        """From now on its traces are pushed."""
        with self._lock:
            self._database.execute("UPDATE parcel SET is_told = 1 WHERE waybill = ?", (waybill,))

    def plan(self, now: float, speed: float) -> None:
        """Enter pushes for what happened since the last time, one for each trace."""
        with self._lock:
            for entry in self._many("is_told = 1 AND cancelled_at IS NULL AND told < 8"):
                count = len(entry.traces(now, speed))
                for traces in range(entry.told + 1, count + 1):
                    self._database.execute(
                        "INSERT INTO push VALUES (NULL, ?, ?, ?, 0, 0)", (entry.waybill, traces, now)
                    )
                if count > entry.told:
                    self._database.execute("UPDATE parcel SET told = ? WHERE waybill = ?", (count, entry.waybill))

    def pushes(self, due_before: float) -> list[Push]:
        """Pushes that are due, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, waybill, traces, due_at, tries FROM push WHERE is_over = 0 AND due_at <= ? ORDER BY id",
                (due_before,),
            ).fetchall()
        return [Push(*row) for row in rows]

    def told(self, push: Push, *, is_heard: bool, pauses: Sequence[float], now: float) -> None:
        """A push was sent: it is over where it was heard, or no pause is left; else it is due again after the pause."""
        is_over = is_heard or push.tries >= len(pauses)
        due_at = push.due_at if is_over else now + pauses[push.tries]
        with self._lock:
            self._database.execute(
                "UPDATE push SET tries = tries + 1, is_over = ?, due_at = ? WHERE id = ?", (is_over, due_at, push.id)
            )

    def setting(self, name: str, otherwise: str) -> str:
        """What was set."""
        with self._lock:
            row = self._database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else otherwise

    def set(self, name: str, value: str) -> None:
        """Set something."""
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def _one(self, condition: str, value: str) -> Entry | None:
        found = self._many(condition, value)
        return found[0] if found else None

    def _many(self, condition: str, *values: str) -> list[Entry]:
        with self._lock:
            rows = self._database.execute(
                f"SELECT {_ENTRY} FROM parcel WHERE {condition} ORDER BY created_at, order_code", values
            ).fetchall()
        return [
            Entry(code, shipper, waybill, json.loads(content), created_at, cancelled_at, bool(is_told), told, *rest)
            for code, shipper, waybill, content, created_at, cancelled_at, is_told, told, *rest in rows
        ]
