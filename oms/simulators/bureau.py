"""The books of a pretended tax bureau: what was issued, and the confirmations of red letters."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

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


@dataclass
class Bureau:
    """What was issued, by our numbers and by official ones; nothing is forgotten."""

    by_number: dict[str, Fapiao] = field(default_factory=dict)
    confirmations: dict[str, Confirmation] = field(default_factory=dict)

    def official(self, number: str) -> Fapiao | None:
        """The invoice of that official number."""
        return next((one for one in self.by_number.values() if one.official == number), None)

    def net_issued(self) -> Decimal:
        """What all issued invoices come to, red ones taken off."""
        issued = [one for one in self.by_number.values() if one.status == "2"]
        return sum((one.sum("taxIncludedAmount") for one in issued), Decimal(0))
