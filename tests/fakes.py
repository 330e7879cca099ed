"""Outside systems that keep the adapters' contract and answer what a test tells them to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

from logistics import adapters
from oms.common.models import Connection
from payments import providers


class Lost(Exception):
    """The connection broke: nobody knows what the other side did."""


class FakeProvider:
    """A payment provider; `answer` decides by charge, None means that it says nothing of this one."""

    def __init__(self, answer: Callable[[providers.Charge], providers.Answer | None] | None = None) -> None:
        self.answer = answer or (lambda charge: providers.Answer(taken=True))
        self.asked: list[providers.Charge] = []
        self.refunds: list[providers.Charge] = []

    def request(self, charges: Sequence[providers.Charge], link: Connection) -> dict[str, providers.Answer]:
        """Ask for money."""
        self.asked += charges
        return self._answers(charges)

    def refund(self, charges: Sequence[providers.Charge], link: Connection) -> dict[str, providers.Answer]:
        """Send money back."""
        self.refunds += charges
        return self._answers(charges)

    def _answers(self, charges: Sequence[providers.Charge]) -> dict[str, providers.Answer]:
        return {charge.reference: said for charge in charges if (said := self.answer(charge)) is not None}


class FakeWarehouse:
    """A warehouse system; `answer` and `cancel_answer` decide by reference."""

    def __init__(
        self,
        answer: Callable[[str], adapters.Answer | None] | None = None,
        cancel_answer: Callable[[str], adapters.Answer | None] | None = None,
    ) -> None:
        self.answer = answer or (lambda reference: adapters.Answer(taken=True))
        self.cancel_answer = cancel_answer or (lambda reference: adapters.Answer(taken=True))
        self.released: list[str] = []
        self.cancelled: list[str] = []

    def release(self, works: Sequence[adapters.Work]) -> dict[str, adapters.Answer]:
        """Take sub-orders."""
        self.released += [work.reference for work in works]
        return {work.reference: said for work in works if (said := self.answer(work.reference)) is not None}

    def cancel(self, references: Sequence[str]) -> dict[str, adapters.Answer]:
        """Stop sub-orders."""
        self.cancelled += references
        return {ref: said for ref in references if (said := self.cancel_answer(ref)) is not None}


class FakeCarrier:
    """A carrier system; by default it gives each parcel a waybill made of its reference."""

    def __init__(self, answer: Callable[[adapters.Parcel], adapters.Answer | None] | None = None) -> None:
        self.answer = answer or (lambda parcel: adapters.Answer(taken=True, waybill=f"W{parcel.reference}"))
        self.booked: list[adapters.Parcel] = []

    def book(self, parcels: Sequence[adapters.Parcel]) -> dict[str, adapters.Answer]:
        """Give waybills."""
        self.booked += parcels
        return {parcel.reference: said for parcel in parcels if (said := self.answer(parcel)) is not None}


def lose(*_: object) -> None:
    """An answer that never comes: for the fakes' `answer`."""
    raise Lost("connection reset")


@contextmanager
def provider(fake: FakeProvider) -> Iterator[FakeProvider]:
    """Within it, the fake stands behind the adapter that the settings name."""
    with mock.patch("payments.providers.sandbox.PROVIDER", fake):
        yield fake


@contextmanager
def warehouse(fake: FakeWarehouse) -> Iterator[FakeWarehouse]:
    """Within it, the fake stands behind the adapter that the settings name."""
    with mock.patch("logistics.adapters.sandbox.WAREHOUSE", fake):
        yield fake


@contextmanager
def carrier(fake: FakeCarrier) -> Iterator[FakeCarrier]:
    """Within it, the fake stands behind the adapter that the carriers name."""
    with mock.patch("logistics.adapters.sandbox.CARRIER", fake):
        yield fake
