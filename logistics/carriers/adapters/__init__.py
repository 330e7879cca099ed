"""Carriers, each one module behind a small protocol, found by the protocol of the carrier's connection.

A call is answered at once with taken (and a waybill) or refused; no answer for a reference, or an exception, means
unknown: the same reference is asked again later, which every adapter must recognise. Where the parcels are comes back
as facts (see `logistics.carriers.scans`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Protocol

from oms.common.errors import OmsError
from oms.common.metrics import measured
from oms.common.models import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """What a carrier said: taken, with a waybill number, or refused. `carrier` is the code of the carrier that was
    asked; it need not be filled in by adapters."""

    taken: bool
    reason: str = ""
    waybill: str = ""
    carrier: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel for a carrier: `reference` is our shipment number, `warehouse_order` what the warehouse knows it by."""

    reference: str
    sub_order: str
    warehouse_order: str
    carrier: str
    weight_g: int
    recipient_name: str
    recipient_phone: str
    province: str
    city: str
    district: str
    address: str
    # Sealed; where the recipient is hidden, `decode_receiver` tells who it is before the parcel is booked.
    receiver_token: str = ""
    # When the buyer wants it, where the order says so.
    deliver_from: datetime | None = None
    deliver_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom a platform's token means; an empty address is the one that we know."""

    name: str
    phone: str
    address: str = ""


class CannotDecode(OmsError):
    """The platform does not tell who is meant by the token, or not now."""

    code = "cannot_decode"


class CarrierSystem(Protocol):
    """What the OMS needs of a carrier."""

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Get waybills and pick-ups; answers by reference."""

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """Whom the platform's token means. Raises CannotDecode."""


# The module of each protocol that carriers speak.
_MODULES = {"sandbox": "sandbox", "json": "signed_json"}


def of(link: Connection) -> CarrierSystem:
    """The adapter that speaks the connection's protocol. Raises LookupError where there is none."""
    if link.protocol not in _MODULES:
        raise LookupError(f"no carrier is asked by the protocol {link.protocol}")
    module = import_module(f"{__name__}.{_MODULES[link.protocol]}")
    return measured(module.CARRIER, system="carrier", name=link.protocol)
