"""The book of a pretended warehouse: goods that it knows, documents, what lies there, and what is still to be told.

Kept in SQLite, in a file or in memory; one lock makes every entry a step of its own. Times are seconds since 1970.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oms.simulators.books import opened

_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (owner TEXT, code TEXT, name TEXT NOT NULL, told INTEGER NOT NULL,
    PRIMARY KEY (owner, code));
CREATE TABLE IF NOT EXISTS document (code TEXT PRIMARY KEY, state TEXT NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS document_state ON document (state);
CREATE TABLE IF NOT EXISTS stock (owner TEXT, code TEXT, quality TEXT, units INTEGER NOT NULL,
    PRIMARY KEY (owner, code, quality));
CREATE TABLE IF NOT EXISTS push (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, method TEXT NOT NULL, content TEXT NOT NULL, due_at REAL NOT NULL,
    tries INTEGER NOT NULL, is_over INTEGER NOT NULL);
"""
DELIVERY, ENTRY, OUT, BACK = "delivery", "entry", "out", "back"
# How far a document is; what is over stays so.
NEW, ACCEPTED, PICKING, PACKED, PARTLY, DONE, CANCELED = "NEW", "ACCEPT", "PICK", "PACKAGE", "PART", "DONE", "CANCELED"
OVER = (DONE, CANCELED)


@dataclass(slots=True)
class Line:
    """Units of an article: asked for, and gone or come."""

    number: str
    sku: str
    planned: int
    moved: int = 0


@dataclass(slots=True)
class Document:
    """Something that the warehouse is to do. `asked`: how often it was asked for; `told`: its steps that were told."""

    code: str
    kind: str
    order_type: str
    own_id: str
    owner: str
    warehouse: str
    carrier: str
    waybill: str
    created_at: float
    lines: list[Line]
    state: str = NEW
    asked: int = 1
    told: int = 0
    confirms: int = 0
    waybills: list[str] = field(default_factory=list)
    packages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def left(self) -> dict[str, int]:
        """Units by article that have not moved."""
        found: dict[str, int] = {}
        for line in self.lines:
            found[line.sku] = found.get(line.sku, 0) + line.planned - line.moved
        return found

    @property
    def moved(self) -> dict[str, int]:
        """Units by article that have."""
        found: dict[str, int] = {}
        for line in self.lines:
            found[line.sku] = found.get(line.sku, 0) + line.moved
        return found


@dataclass(frozen=True, slots=True)
class Push:
    """A message that is to be told."""

    id: int
    code: str
    method: str
    content: Mapping[str, Any]
    due_at: float
    tries: int


class Depot:
    """The book of one warehouse."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._database = opened(path, _SCHEMA)

    def shut(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Within it, nobody else writes."""
        with self._lock:
            yield

    def tell_item(self, owner: str, code: str, name: str) -> None:
        """An article is known from now on."""
        with self._lock:
            self._database.execute(
                "INSERT INTO item VALUES (?, ?, ?, 1)"
                " ON CONFLICT (owner, code) DO UPDATE SET name = excluded.name, told = told + 1",
                (owner, code, name),
            )

    def forget_items(self) -> None:
        """No article is known any more."""
        with self._lock:
            self._database.execute("DELETE FROM item")

    def items(self) -> dict[tuple[str, str], int]:
        """How often each article was told of, by owner and code."""
        with self._lock:
            rows = self._database.execute("SELECT owner, code, told FROM item").fetchall()
        return {(owner, code): told for owner, code, told in rows}

    def find(self, code: str) -> Document | None:
        """The document of that number."""
        found = self._documents("code = ?", code)
        return found[0] if found else None

    def documents(self) -> list[Document]:
        """All of them, oldest first."""
        return self._documents("1 = 1")

    def open_documents(self) -> list[Document]:
        """Those that are not over, oldest first."""
        return self._documents("state NOT IN (?, ?)", *OVER)

    def keep(self, document: Document) -> None:
        """Write it."""
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO document VALUES (?, ?, ?)",
                (document.code, document.state, json.dumps(asdict(document), ensure_ascii=False)),
            )

    def put(self, owner: str, code: str, units: int, quality: str = "ZP") -> None:
        """So many units more lie there; only what was put is known to lie there at all."""
        with self._lock:
            self._database.execute(
                "INSERT INTO stock VALUES (?, ?, ?, ?)"
                " ON CONFLICT (owner, code, quality) DO UPDATE SET units = units + excluded.units",
                (owner, code, quality, units),
            )

    def take(self, owner: str, code: str, units: int) -> None:
        """So many good units fewer lie there, where it is known what lies there."""
        with self._lock:
            self._database.execute(
                "UPDATE stock SET units = units - ? WHERE owner = ? AND code = ? AND quality = 'ZP'",
                (units, owner, code),
            )

    def lying(self) -> dict[tuple[str, str, str], int]:
        """Units by owner, code and quality."""
        with self._lock:
            rows = self._database.execute("SELECT owner, code, quality, units FROM stock ORDER BY 1, 2, 3").fetchall()
        return {(owner, code, quality): units for owner, code, quality, units in rows}

    def say(self, code: str, method: str, content: Mapping[str, Any], due_at: float) -> None:
        """Something is to be told."""
        with self._lock:
            self._database.execute(
                "INSERT INTO push VALUES (NULL, ?, ?, ?, ?, 0, 0)",
                (code, method, json.dumps(content, ensure_ascii=False), due_at),
            )

    def pushes(self, due_before: float, *, again: bool = False) -> list[Push]:
        """Messages that are due, oldest first; `again`: those that are over, too."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, code, method, content, due_at, tries FROM push"
                " WHERE (is_over = 0 OR ?) AND due_at <= ? ORDER BY id",
                (again, due_before),
            ).fetchall()
        return [
            Push(key, code, method, json.loads(content), due, tries) for key, code, method, content, due, tries in rows
        ]

    def told(self, push: Push, *, is_heard: bool, pauses: Sequence[float], now: float) -> None:
        """A message was sent: it is over where it was heard, or no pause is left; else due again after the pause."""
        is_over = is_heard or push.tries >= len(pauses)
        due_at = push.due_at if is_over else now + pauses[push.tries]
        with self._lock:
            self._database.execute(
                "UPDATE push SET tries = tries + 1, is_over = ?, due_at = ? WHERE id = ?", (is_over, due_at, push.id)
            )

    def _documents(self, condition: str, *values: str) -> list[Document]:
        with self._lock:
            rows = self._database.execute(
                f"SELECT content FROM document WHERE {condition} ORDER BY rowid", values
            ).fetchall()
        found = [json.loads(content) for (content,) in rows]
        return [Document(**{**one, "lines": [Line(**line) for line in one["lines"]]}) for one in found]
