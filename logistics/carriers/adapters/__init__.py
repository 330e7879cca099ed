"""Carriers, each one module behind a small protocol, found by the protocol of the carrier's connection.

A call is answered at once with taken (and a waybill) or refused; no answer for a reference, or an exception, means
unknown: the same reference is asked again later, which every adapter must recognise. Where the parcels are comes back
as facts (see `logistics.carriers.scans`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Protocol, TypeVar, runtime_checkable

from logistics.carriers.contents import Contents
from oms.common.errors import OmsError
from oms.common.metrics import measured
from oms.common.models import Connection
from oms.common.work.facts import News

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Label:
    """What a carrier wants on the label beside the waybill, as it said it; `template` is its own label in HTML."""

    destination_mark: str = ""
    sorting_code: str = ""
    package_code: str = ""
    package_name: str = ""
    origin_code: str = ""
    origin_name: str = ""
    destination_code: str = ""
    destination_name: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class PickUp:
    """When a courier was booked to come."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Child:
    """A further parcel of a consignment: our shipment number, and its place among the parcels of the warehouse order
    from the mother on (the mother's is 0)."""

    reference: str
    place: int


@dataclass(frozen=True, slots=True)
class ChildWaybill:
    """The waybill that a further parcel got with its mother's."""

    waybill: str
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a carrier said: taken, with a waybill number, or refused. `children` are the waybills of the parcel's
    further ones by reference; one that is left out got none. `carrier` is the code of the carrier that was asked,
    `account` the connection over which; they need not be filled in by adapters."""

    taken: bool
    reason: str = ""
    waybill: str = ""
    carrier: str = ""
    account: int = 0
    label: Label | None = None
    pick_up: PickUp | None = None
    children: Mapping[str, ChildWaybill] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel for a carrier: `reference` is our shipment number, `warehouse_order` what the warehouse knows it by.
    With `children` it is the mother of a consignment, and `weight_g` is that of all its parcels."""

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
    # Where the recipient is hidden: sealed until the parcel is booked, by an adapter that `takes_tokens`, or after
    # `decode_receiver` told who it is.
    receiver_token: str = ""
    # When the buyer wants it, where the order says so.
    deliver_from: datetime | None = None
    deliver_until: datetime | None = None
    children: Sequence[Child] = ()


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


@dataclass(frozen=True, slots=True)
class Booked:
    """A parcel that has a waybill: `reference` is our shipment number, `carrier` our code, `phone_tail` the last four
    digits of the sender's or the recipient's phone, which some carriers ask for."""

    reference: str
    carrier: str
    waybill: str
    phone_tail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A carrier that a waybill may be of: our code, where we know the carrier, and its name, where it was told."""

    carrier: str
    name: str


@dataclass(frozen=True, slots=True)
class Redirection:
    """A parcel that has a waybill, as `Booked`, and to whom and where it is to go instead."""

    reference: str
    carrier: str
    waybill: str
    phone_tail: str
    name: str
    phone: str
    province: str
    city: str
    district: str
    address: str


# What only some protocols have. Ask for it by the functions below.


@runtime_checkable
class Consigns(Protocol):
    """Sells several waybills with one order: mother and children (子母件)."""

    def consigns(self, link: Connection, carrier: str) -> bool:
        """Whether the account does so for the carrier (our code)."""

    def extends(self, link: Connection) -> bool:
        """Whether an order that was made may get further children later."""


@runtime_checkable
class Cancels(Protocol):
    """Gives waybills back that no parcel will carry."""

    def cancel(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to cancel waybills; answers by reference. Taken also where it was cancelled before."""


@runtime_checkable
class Queries(Protocol):
    """Tells where parcels are when it is asked."""

    def query(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Sequence[News]]:
        """The scans of each parcel by reference, for `oms.common.work.facts.receive`: under the same keys as those that
        are told by themselves. A parcel without scans has none; one that is left out is unknown."""


@runtime_checkable
class Subscribes(Protocol):
    """Tells of parcels whose waybill was bought elsewhere, once it is asked to."""

    def subscribe(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to be told of parcels; answers by reference."""

    def tells_of_its_own(self, link: Connection) -> bool:
        """Whether it tells of parcels whose waybill it sold without being asked to."""


@runtime_checkable
class Recognises(Protocol):
    """Tells by a waybill number whose it may be."""

    def recognise(self, link: Connection, waybill: str) -> Sequence[Candidate]:
        """The carriers that it may be of, the likeliest first. Raises what went wrong."""


@runtime_checkable
class HasBalance(Protocol):
    """Sells waybills that were paid for before."""

    def balance(self, link: Connection, carrier: str) -> int:
        """How many waybills of the carrier (our code) are left. Raises what went wrong."""


@runtime_checkable
class Intercepts(Protocol):
    """Sends shipped parcels back to their sender."""

    def intercept(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to send parcels back; answers by reference. Taken: the carrier tries, and scans tell what becomes of it;
        also where it was asked before."""


@runtime_checkable
class Redirects(Protocol):
    """Brings shipped parcels to another recipient or place."""

    def redirect(self, link: Connection, parcels: Sequence[Redirection]) -> Mapping[str, Answer]:
        """Ask to bring parcels elsewhere; answers by reference. Taken: they go there, and where it was asked before."""


@runtime_checkable
class Urges(Protocol):
    """Takes that a parcel is late, and sees to it."""

    def urge(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to hurry parcels on; answers by reference. Taken: the carrier looks into it, also where it does
        already."""


@dataclass(frozen=True, slots=True)
class DoorOrder:
    """Goods that a courier is to fetch at a door, in a window: from whom is in the contents, to whom in the parcel.
    `calls_off`: no courier is to come any more for what is `booked`."""

    parcel: Parcel
    contents: Contents
    pick_up: PickUp
    booked: Booked
    calls_off: bool = False

    @property
    def reference(self) -> str:
        """Our number for it."""
        return self.parcel.reference


@runtime_checkable
class PicksUp(Protocol):
    """Sends couriers to fetch goods at somebody's door."""

    def book_pick_ups(self, link: Connection, wanted: Sequence[DoorOrder]) -> Mapping[str, Answer]:
        """Book couriers; answers by reference, with the waybill."""

    def cancel_pick_ups(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask that no courier comes; answers by reference. Taken also where it was called off before."""


@runtime_checkable
class WantsSenderPhone(Protocol):
    """Its carriers take nothing whose sender has no phone, so they are not asked for it."""

    wants_sender_phone: bool


# The module of each protocol that carriers speak.
_MODULES = {
    "sandbox": "sandbox",
    "json": "signed_json",
    "kdniao": "kdniao",
    "kuaidi100": "kuaidi100",
    "sf": "sf",
    "jdl": "jdl",
    "cainiao": "cainiao",
    "courier": "courier",
}


def of(link: Connection) -> CarrierSystem:
    """The adapter that speaks the connection's protocol. Raises LookupError where there is none."""
    return _measured(link, _adapter(link))


def takes_tokens(link: Connection) -> bool:
    """Whether a recipient whom a platform hides is told by the platform's token, and not decoded before."""
    return bool(getattr(_adapter(link), "takes_tokens", False))


def protocols_of(capability: type) -> Sequence[str]:
    """The protocols whose adapters have the capability, such as `Queries`."""
    return [protocol for protocol in _MODULES if isinstance(_module_of(protocol), capability)]


def tells_of_its_own(link: Connection) -> bool:
    """Whether parcels whose waybill the account sold need no subscription. False where what the connection says of
    itself is wrong: then it is asked to tell."""
    adapter = _adapter(link)
    try:
        return isinstance(adapter, Subscribes) and adapter.tells_of_its_own(link)
    except OmsError:
        return False


def consigns(link: Connection, carrier: str) -> bool:
    """Whether several parcels may go with one order of the carrier (our code) over the connection. False where what the
    connection says of itself is wrong."""
    try:
        adapter = _adapter(link)
        return isinstance(adapter, Consigns) and adapter.consigns(link, carrier)
    except (OmsError, LookupError):
        return False


def extends(link: Connection, carrier: str) -> bool:
    """Whether, beyond that, an order that was made may get further parcels."""
    adapter = _adapter(link) if consigns(link, carrier) else None
    return isinstance(adapter, Consigns) and adapter.extends(link)


def cancelling(link: Connection) -> Cancels | None:
    """The adapter, where the connection's protocol cancels waybills."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, Cancels) else None


def querying(link: Connection) -> Queries | None:
    """The adapter, where the connection's protocol can be asked for scans."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, Queries) else None


def subscribing(link: Connection) -> Subscribes | None:
    """The adapter, where the connection's protocol takes subscriptions."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, Subscribes) else None


def recognising(link: Connection) -> Recognises | None:
    """The adapter, where the connection's protocol recognises waybills."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, Recognises) else None


def counting(link: Connection) -> HasBalance | None:
    """The adapter, where the connection's protocol tells how many waybills are left."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, HasBalance) else None


def intercepting(link: Connection) -> Intercepts | None:
    """The adapter, where the connection's protocol sends shipped parcels back."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, Intercepts) else None


def redirecting(link: Connection) -> Redirects | None:
    """The adapter, where the connection's protocol brings shipped parcels elsewhere."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, Redirects) else None


def urging(link: Connection) -> Urges | None:
    """The adapter, where the connection's protocol takes that a parcel is late."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, Urges) else None


def picking_up(link: Connection) -> PicksUp | None:
    """The adapter, where the connection's protocol sends couriers."""
    adapter = _adapter(link)
    return _measured(link, adapter) if isinstance(adapter, PicksUp) else None


def _adapter(link: Connection) -> CarrierSystem:
    if link.protocol not in _MODULES:
        raise LookupError(f"no carrier is asked by the protocol {link.protocol}")
    return _module_of(link.protocol)


def _module_of(protocol: str) -> CarrierSystem:
    adapter: CarrierSystem = import_module(f"{__name__}.{_MODULES[protocol]}").CARRIER
    return adapter


def _measured(link: Connection, adapter: A) -> A:
    return measured(adapter, system="carrier", name=link.protocol)
