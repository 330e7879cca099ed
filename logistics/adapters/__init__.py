"""Warehouse systems and carriers, each one module behind a small protocol.

A call is answered at once with taken or refused; no answer for a reference, or an exception, means unknown: the same
reference is asked again later, which every adapter must recognise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from oms.common.metrics import measured


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other system said at once: taken (with a waybill number, where one was asked for), or refused."""

    taken: bool
    reason: str = ""
    waybill: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """A sub-order for a warehouse: its number is the reference."""

    reference: str
    warehouse: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel for a carrier: `reference` is our shipment number, `sub_order` what the warehouse knows it by."""

    reference: str
    sub_order: str
    carrier: str
    weight_g: int
    recipient_name: str
    recipient_phone: str
    province: str
    city: str
    district: str
    address: str


class WarehouseSystem(Protocol):
    """What the OMS needs of a WMS; its progress comes back as warehouse events."""

    def release(self, works: Sequence[Work]) -> dict[str, Answer]:
        """Hand over sub-orders to be packed; answers by reference."""

    def cancel(self, references: Sequence[str]) -> dict[str, Answer]:
        """Ask to stop sub-orders; taken means that it will not be packed, or was never known."""


class CarrierSystem(Protocol):
    """What the OMS needs of a carrier; its scans come back as tracking events."""

    def book(self, parcels: Sequence[Parcel]) -> dict[str, Answer]:
        """Get waybills and pick-ups; answers by reference."""


def warehouse(name: str) -> WarehouseSystem:
    """The warehouse adapter of that name."""
    return measured(import_module(f"logistics.adapters.{name}").WAREHOUSE, system="warehouse", name=name)


def carrier(name: str) -> CarrierSystem:
    """The carrier adapter of that name."""
    return measured(import_module(f"logistics.adapters.{name}").CARRIER, system="carrier", name=name)
