"""Outside systems that keep the adapters' contract and answer what a test tells them to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from logistics.carriers import adapters as carriers
from logistics.warehouses import adapters as warehouses
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
        answer: Callable[[str], warehouses.Answer | None] | None = None,
        cancel_answer: Callable[[str], warehouses.Answer | None] | None = None,
    ) -> None:
        self.answer = answer or (lambda reference: warehouses.Answer(taken=True))
        self.cancel_answer = cancel_answer or (lambda reference: warehouses.Answer(taken=True))
        self.requests: list[warehouses.Request] = []
        self.cancelled: list[str] = []

    @property
    def released(self) -> list[str]:
        """The numbers that it was sent."""
        return [request.reference for request in self.requests]

    def release(self, link: Connection, requests: Sequence[warehouses.Request]) -> dict[str, warehouses.Answer]:
        """Take warehouse orders."""
        self.requests += requests
        return {one.reference: said for one in requests if (said := self.answer(one.reference)) is not None}

    def cancel(self, link: Connection, references: Sequence[str]) -> dict[str, warehouses.Answer]:
        """Stop warehouse orders."""
        self.cancelled += references
        return {ref: said for ref in references if (said := self.cancel_answer(ref)) is not None}


class FakeCarrier:
    """A carrier system; by default it gives each parcel a waybill made of its reference."""

    def __init__(self, answer: Callable[[carriers.Parcel], carriers.Answer | None] | None = None) -> None:
        self.answer = answer or (lambda parcel: carriers.Answer(taken=True, waybill=f"W{parcel.reference}"))
        self.booked: list[carriers.Parcel] = []
        self.receivers: dict[str, carriers.Receiver] = {}
        self.decoded: list[str] = []
        self.recalled: list[Any] = []
        self.recall_answer: Callable[[Any], carriers.Answer | None] = lambda _one: carriers.Answer(taken=True)
        self.urged: list[carriers.Booked] = []
        self.urge_answer: Callable[[Any], carriers.Answer | None] = lambda _one: carriers.Answer(taken=True)

    def book(self, link: Connection, parcels: Sequence[carriers.Parcel]) -> dict[str, carriers.Answer]:
        """Give waybills."""
        self.booked += parcels
        return {parcel.reference: said for parcel in parcels if (said := self.answer(parcel)) is not None}

    def intercept(self, link: Connection, parcels: Sequence[carriers.Booked]) -> dict[str, carriers.Answer]:
        """Send parcels back."""
        return self._recall(parcels)

    def redirect(self, link: Connection, parcels: Sequence[carriers.Redirection]) -> dict[str, carriers.Answer]:
        """Bring parcels elsewhere."""
        return self._recall(parcels)

    def _recall(self, parcels: Sequence[Any]) -> dict[str, carriers.Answer]:
        self.recalled += parcels
        return {one.reference: said for one in parcels if (said := self.recall_answer(one)) is not None}

    def urge(self, link: Connection, parcels: Sequence[carriers.Booked]) -> dict[str, carriers.Answer]:
        """Hurry parcels on."""
        self.urged += parcels
        return {one.reference: said for one in parcels if (said := self.urge_answer(one)) is not None}

    def decode_receiver(self, link: Connection, token: str) -> carriers.Receiver:
        """Tell whom the token means."""
        self.decoded.append(token)
        receiver = self.receivers.get(token)
        if receiver is None:
            raise carriers.CannotDecode("the platform says nothing")
        return receiver


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
    """Within it, the fake stands behind every warehouse's connection of the sandbox."""
    with mock.patch("logistics.warehouses.adapters.sandbox.WAREHOUSE", fake):
        yield fake


@contextmanager
def carrier(fake: FakeCarrier) -> Iterator[FakeCarrier]:
    """Within it, the fake stands behind every carrier's connection of the sandbox."""
    with mock.patch("logistics.carriers.adapters.sandbox.CARRIER", fake):
        yield fake
