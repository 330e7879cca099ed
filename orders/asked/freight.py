"""What carriage of parcels should cost and what bills have of it: kept by the app that ships them, for the one that
reads bills."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Carried:
    """A parcel that a carrier has: `expected_fen` is what it should cost, None where nobody can say; `counted_g` the
    weight that this is by; `billed_fen` what bills have of it so far."""

    waybill: str
    parcel_id: int
    sub_order_id: int
    order_id: int
    carrier_id: int
    expected_fen: int | None
    counted_g: int | None
    billed_fen: int
    left_at: datetime | None


@dataclass(frozen=True, slots=True)
class Billed:
    """A row of a bill about a parcel: what it costs, and the weight that the carrier counts (0: it does not say)."""

    parcel_id: int
    fen: int
    grams: int


class Books(Protocol):
    """Who keeps the freight of parcels."""

    def find(self, connection_id: int, waybills: Collection[str]) -> Sequence[Carried]:
        """The parcels with these waybills that go over the carrier's connection. One statement."""

    def unbilled(
        self, connection_id: int, carriers: Collection[int], since: datetime, until: datetime
    ) -> Sequence[Carried]:
        """Parcels of these carriers over the connection that left in this time, should cost something, and are in no
        bill. One statement."""

    def record(self, billed: Sequence[Billed]) -> None:
        """Note what bills have of parcels. A few statements."""


_books: list[Books] = []


def register(books: Books) -> None:
    """Let the app that ships parcels answer."""
    _books[:] = [books]


def books() -> Books | None:
    """Who keeps it; None where nobody ships."""
    return _books[0] if _books else None
