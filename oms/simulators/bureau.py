"""The books of a pretended tax bureau: what was issued, and the confirmations of red letters.

Kept in SQLite, in a file or in memory, as the books of payment providers are.
"""

import json
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from oms.simulators.books import opened

Content = dict[str, Any]


@dataclass
class Fapiao:
    """An invoice, blue or red (`of` is the blue one)."""

    number: str
    order: Content
    created_at: float
    due_at: float
    serial: str
    of: "Fapiao | None" = None
    status: str = "20"
    official: str = ""
    issued_at: float = 0.0
    cause: str = ""

    @property
    def lines(self) -> list[Content]:
        """Its lines."""
        return list(self.order["invoiceDetail"])

    def sum(self, name: str) -> Decimal:
        """What its lines come to."""
        return sum((Decimal(line[name]) for line in self.lines), Decimal(0))


@dataclass
class Confirmation:
    """A confirmation of a red letter; `status` by the bureau's codes."""

    number: str
    blue: Fapiao
    order: Content
    entered_at: float
    status: str
    red: Fapiao | None = None


_SCHEMA = """
CREATE TABLE IF NOT EXISTS invoice (id INTEGER PRIMARY KEY, number TEXT UNIQUE NOT NULL, entry TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS confirmation (id INTEGER PRIMARY KEY, number TEXT UNIQUE NOT NULL, entry TEXT NOT NULL);
"""
# Entries that name others by their numbers.
_NAMES = ("of", "blue", "red")


class Bureau:
    """What was issued, by our numbers and by official ones; nothing is forgotten that was kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._database = opened(path, _SCHEMA)
        self.by_number: dict[str, Fapiao] = {}
        for entry in self._entries("invoice"):
            self.by_number[entry["number"]] = Fapiao(**entry | {"of": self.by_number.get(entry["of"])})
        self.confirmations: dict[str, Confirmation] = {}
        for entry in self._entries("confirmation"):
            named = {"blue": self.by_number[entry["blue"]], "red": self.by_number.get(entry["red"])}
            self.confirmations[entry["number"]] = Confirmation(**entry | named)

    def _entries(self, table: str) -> list[dict[str, Any]]:
        rows = self._database.execute(f"SELECT entry FROM {table} ORDER BY id").fetchall()
        return [json.loads(entry) for (entry,) in rows]

    def keep(self, one: Fapiao | Confirmation) -> None:
        """Enter it, or how it stands by now."""
        values = {field.name: getattr(one, field.name) for field in fields(one)}
        values |= {name: named.number if (named := values[name]) else "" for name in _NAMES if name in values}
        table = "invoice" if isinstance(one, Fapiao) else "confirmation"
        self._database.execute(
            f"INSERT INTO {table} (number, entry) VALUES (?, ?)"
            " ON CONFLICT (number) DO UPDATE SET entry = excluded.entry",
            (one.number, json.dumps(values, ensure_ascii=False)),
        )
        if isinstance(one, Fapiao):
            self.by_number[one.number] = one
        else:
            self.confirmations[one.number] = one

    def shut(self) -> None:
        """Close the file."""
        self._database.close()

    def official(self, number: str) -> Fapiao | None:
        """The invoice of that official number."""
        return next((one for one in self.by_number.values() if one.official == number), None)

    def net_issued(self) -> Decimal:
        """What all issued invoices come to, red ones taken off."""
        issued = [one for one in self.by_number.values() if one.status == "2"]
        return sum((one.sum("taxIncludedAmount") for one in issued), Decimal(0))
