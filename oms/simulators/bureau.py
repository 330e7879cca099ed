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

    @property
    def is_open(self) -> bool:
        """Whether it is still to be issued or refused."""
        return self.status == "20"

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

    @property
    def is_open(self) -> bool:
        """Whether it moves by itself: it is being entered, waits for the buyer, or is to become a red invoice."""
        return self.status in ("15", "02") or (self.status in ("01", "04") and self.red is None)


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
        self.confirmations: dict[str, Confirmation] = {}
        # So that no call looks through all that was ever issued: what moves by itself, whose official number is whose,
        # and what was asked for of a blue invoice.
        self._open: dict[str, Fapiao] = {}
        self._open_confirmations: dict[str, Confirmation] = {}
        self._official: dict[str, Fapiao] = {}
        self._of_blue: dict[str, dict[str, Confirmation]] = {}
        for entry in self._entries("invoice"):
            self._note(Fapiao(**entry | {"of": self.by_number.get(entry["of"])}))
        for entry in self._entries("confirmation"):
            named = {"blue": self.by_number[entry["blue"]], "red": self.by_number.get(entry["red"])}
            self._note(Confirmation(**entry | named))

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
        self._note(one)

    def _note(self, one: Fapiao | Confirmation) -> None:
        if isinstance(one, Fapiao):
            self.by_number[one.number] = one
            if one.official:
                self._official[one.official] = one
            _enter_if(one.is_open, self._open, one.number, one)
        else:
            self.confirmations[one.number] = one
            self._of_blue.setdefault(one.blue.number, {})[one.number] = one
            _enter_if(one.is_open, self._open_confirmations, one.number, one)

    def open_invoices(self) -> list[Fapiao]:
        """Those that are still to be issued or refused, oldest first."""
        return [one for one in self._open.values() if one.number in self.by_number]

    def open_confirmations(self) -> list[Confirmation]:
        """Those that move by themselves, oldest first."""
        return list(self._open_confirmations.values())

    def confirmations_of(self, blue: Fapiao) -> list[Confirmation]:
        """All that were entered for the invoice, oldest first."""
        return list(self._of_blue.get(blue.number, {}).values())

    def shut(self) -> None:
        """Close the file."""
        self._database.close()

    def official(self, number: str) -> Fapiao | None:
        """The invoice of that official number."""
        return self._official.get(number)

    def net_issued(self) -> Decimal:
        """What all issued invoices come to, red ones taken off."""
        issued = [one for one in self.by_number.values() if one.status == "2"]
        return sum((one.sum("taxIncludedAmount") for one in issued), Decimal(0))


def _enter_if(belongs: bool, among: dict[str, Any], number: str, one: Fapiao | Confirmation) -> None:
    if belongs:
        among[number] = one
    else:
        among.pop(number, None)
