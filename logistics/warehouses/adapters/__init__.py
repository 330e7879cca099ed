"""Warehouse systems, each one module behind a small protocol, found by the protocol of its connection.

A call is answered at once with taken or refused; no answer for a reference, or an exception, means unknown: the same
reference is asked again later, which every adapter must recognise. What the warehouse does comes back as facts (see
`logistics.warehouses.notices`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from oms.common.metrics import measured
from oms.common.models import Connection
from oms.common.work.calling import Unclear
from oms.common.work.facts import News


@dataclass(frozen=True, slots=True)
class Answer:
    """What a warehouse said at once: taken or refused. `is_later`: it took the question, the answer is a fact;
    `their_number`: what it calls it, several with commas between them where it made several orders of it."""

    taken: bool
    reason: str = ""
    is_later: bool = False
    their_number: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A warehouse order to be sent: its number is the reference. `waybill` and `carrier` are given where the parcel has
    them already. An adapter that tells the warehouse more reads it by `logistics.warehouses.contents`.

    `receiver_token` (sealed) and `channel_order` are given where the platform hides the recipient and the warehouse
    buys the waybill, so that it must have the platform tell who it is.
    """

    reference: str
    warehouse: str
    carrier: str = ""
    waybill: str = ""
    brings_waybill: bool = False
    receiver_token: str = ""
    channel_order: str = ""


class WarehouseSystem(Protocol):
    """What the OMS needs of a WMS."""

    def release(self, link: Connection, requests: Sequence[Request]) -> Mapping[str, Answer | Unclear]:
        """Hand over warehouse orders to be packed; answers by reference, Unclear for those that wait."""

    def cancel(self, link: Connection, references: Sequence[str]) -> Mapping[str, Answer]:
        """Ask to stop warehouse orders, by number; taken means that it will not leave, or was never known."""

    def stock(self, link: Connection, warehouse: str) -> Mapping[str, Any] | None:
        """What lies in a warehouse (by code) now, as `logistics.warehouses.comparing.StockReport` says it; None where
        it reports by itself."""


@runtime_checkable
class Announces(Protocol):
    """What a WMS can that is told of goods beside orders."""

    def announce(self, link: Connection, wanted: Sequence[Any]) -> Mapping[str, Answer | Unclear]:
        """Say what to expect and to send, and what no more (`logistics.warehouses.announcing.Announcement`); answers by
        reference."""


@runtime_checkable
class Tells(Protocol):
    """What a WMS can that can be asked how far an order is."""

    def query(self, link: Connection, references: Sequence[str]) -> Mapping[str, Sequence[News]]:
        """What became of warehouse orders, by number, as facts whose keys stand for what they say; nothing of those
        of which nothing is known for sure."""


# The module of each protocol that warehouses speak.
_MODULES = {"sandbox": "sandbox", "json": "signed_json", "floor": "floor", "qimen": "qimen", "merchant": "merchant"}
# Protocols of systems that are told of goods beside orders.
ANNOUNCING = ("qimen",)
# Protocols of systems that can be asked how far an order is.
TELLING = ("qimen",)


def of(link: Connection) -> WarehouseSystem:
    """The adapter that speaks the connection's protocol. Raises LookupError where there is none."""
    if link.protocol not in _MODULES:
        raise LookupError(f"no warehouse is asked by the protocol {link.protocol}")
    module = import_module(f"{__name__}.{_MODULES[link.protocol]}")
    return measured(module.WAREHOUSE, system="warehouse", name=link.protocol)


def announcing(link: Connection) -> Announces | None:
    """The adapter, where it is told of goods beside orders."""
    system = of(link)
    return system if isinstance(system, Announces) else None


def telling(link: Connection) -> Tells | None:
    """The adapter, where it can be asked how far an order is."""
    system = of(link)
    return system if isinstance(system, Tells) else None
