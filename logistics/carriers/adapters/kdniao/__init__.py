"""kdniao (快递鸟), a platform before many carriers: waybills, couriers, scans, subscriptions.

Our shipment number is the order code, which kdniao takes once: asked again it answers 106 and the same waybill.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from django.utils import timezone

from logistics.carriers import codes, contents, words
from logistics.carriers.adapters import (
    Answer,
    Booked,
    Candidate,
    CannotDecode,
    ChildWaybill,
    DoorOrder,
    Label,
    Parcel,
    PickUp,
    Receiver,
)
from logistics.carriers.adapters.kdniao import bodies, setup, traces, wire
from logistics.carriers.adapters.kdniao.setup import Setup, text
from logistics.carriers.refusing import OwnRefusal
from oms.common.models import Connection
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable
from oms.common.work.singly import Unclear, one_by_one

PROTOCOL = "kdniao"
_LABEL = {
    "destination_mark": "MarkDestination",
    "sorting_code": "SortingCode",
    "package_code": "PackageCode",
    "package_name": "PackageName",
    "origin_code": "OriginCode",
    "origin_name": "OriginName",
    "destination_code": "DestinatioCode",  # spelt so
    "destination_name": "DestinatioName",
}
_MOST_OF_A_WAYBILL = 40


class Kdniao:
    """See `logistics.carriers.adapters`: all that a protocol may have but interception."""

    wants_sender_phone = True

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Ask for waybills, or for couriers where the connection says so, one by one. Raises NotSetUp."""
        mine = setup.of(link)
        theirs, goods = codes.theirs(PROTOCOL), contents.of([parcel.reference for parcel in parcels])
        by = mine.options.books_by
        comes = by == "1801" or mine.options.notifies_courier

        def book(parcel: Parcel) -> Answer:
            about = goods[parcel.reference]
            if not about.sender.phone:
                return Answer(taken=False, reason=OwnRefusal.NO_SENDER_PHONE.value)
            if about.has_others:
                return Answer(taken=False, reason=OwnRefusal.COD_IN_PARCELS.value)
            pick_up = bodies.next_pick_up(mine, timezone.now()) if comes else None
            carrier = theirs.get(parcel.carrier, parcel.carrier)
            body = bodies.order(parcel, about, carrier, mine, pick_up)
            return _booked(wire.ask(link, mine, by, body), parcel, carrier, mine, pick_up)

        return one_by_one([parcel for parcel in parcels if parcel.reference in goods], book)

    def consigns(self, link: Connection, carrier: str) -> bool:
        """Of e-waybills (1007), where the connection names the carrier: kdniao does not say whose can."""
        options = setup.of(link).options
        return options.books_by == "1007" and codes.theirs(PROTOCOL).get(carrier, carrier) in options.children

    def extends(self, link: Connection) -> bool:
        """An order is made once."""
        return False

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """kdniao knows no platform's tokens. Raises CannotDecode."""
        raise CannotDecode("kdniao decodes no receivers")

    def cancel(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Cancel waybills, or the couriers; only before the carrier has the parcel."""
        by = {"1007": "1147", "1801": "1802"}

        def ask(one: Booked, carrier: str, mine: Setup) -> Answer:
            account = mine.accounts.get(carrier, {})
            body = {
                "ShipperCode": carrier,
                "OrderCode": one.reference,
                "ExpNo": one.waybill,
                "LogisticCode": one.waybill,
                **{name: account[name] for name in ("CustomerName", "CustomerPwd") if name in account},
            }
            return _plain(wire.ask(link, mine, by[mine.options.books_by], body), mine)

        return _each(link, parcels, ask)

    def book_pick_ups(self, link: Connection, wanted: Sequence[DoorOrder]) -> Mapping[str, Answer]:
        """Book couriers who fetch goods at a door (1801), one by one. Raises NotSetUp."""
        mine, theirs = setup.of(link), codes.theirs(PROTOCOL)

        def book(one: DoorOrder) -> Answer:
            carrier = theirs.get(one.parcel.carrier, one.parcel.carrier)
            body = bodies.order(one.parcel, one.contents, carrier, mine, one.pick_up)
            return _booked(wire.ask(link, mine, "1801", body), one.parcel, carrier, mine, one.pick_up)

        return one_by_one(wanted, book)

    def cancel_pick_ups(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Call couriers off (1802); only before they have the goods."""

        def ask(one: Booked, carrier: str, mine: Setup) -> Answer:
            body = {"ShipperCode": carrier, "OrderCode": one.reference, "LogisticCode": one.waybill}
            return _plain(wire.ask(link, mine, "1802", body), mine)

        return _each(link, parcels, ask)

    def query(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Sequence[News]]:
        """Ask where parcels are; one whose carrier is not named is recognised by its waybill (8002)."""
        tables = words.tables()
        ours, known = tables.ours(PROTOCOL), tables.of(PROTOCOL)

        def ask(one: Booked, carrier: str, mine: Setup) -> Sequence[News]:
            body = {"LogisticCode": one.waybill, "OrderCode": one.reference, **_optional(carrier, one.phone_tail)}
            said = wire.ask(link, mine, mine.options.queries_by if carrier else "8002", body)
            if not wire.succeeded(said):
                raise wire.unclear(said)
            try:
                found = traces.answered(said)
                if found.LogisticCode != one.waybill:
                    raise Unclear(f"kdniao told of {found.LogisticCode} instead of {one.waybill}")
                return list(traces.news_of(found, ours, known))
            except (msgspec.ValidationError, Unreadable) as error:
                raise Unclear(str(error)) from error

        return _each(link, parcels, ask)

    def subscribe(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to be told of parcels whose waybill was bought elsewhere."""

        def ask(one: Booked, carrier: str, mine: Setup) -> Answer:
            body = {"LogisticCode": one.waybill, "OrderCode": one.reference, **_optional(carrier, one.phone_tail)}
            return _plain(wire.ask(link, mine, mine.options.subscribes_by, body), mine)

        return _each(link, parcels, ask)

    def tells_of_its_own(self, link: Connection) -> bool:
        """An e-waybill's order (1007) subscribes to it; a courier's (1801) is not known to."""
        return setup.of(link).options.books_by == "1007"

    def recognise(self, link: Connection, waybill: str) -> Sequence[Candidate]:
        """The carriers that a waybill may be of. Raises Unclear, httpx.HTTPError or NotSetUp."""
        said = wire.ask(link, setup.of(link), "2002", {"LogisticCode": waybill})
        if not wire.succeeded(said):
            raise wire.unclear(said)
        ours = codes.ours(PROTOCOL)
        found = [one for one in said.get("Shippers") or () if isinstance(one, dict) and text(one, "ShipperCode")]
        return [
            Candidate(ours.get(code, code), text(one, "ShipperName"))
            for one, code in ((one, text(one, "ShipperCode")) for one in found)
        ]

    def balance(self, link: Connection, carrier: str) -> int:
        """How many waybills of the carrier are left. Raises Unclear, httpx.HTTPError or NotSetUp."""
        mine = setup.of(link)
        code = codes.theirs(PROTOCOL).get(carrier, carrier)
        said = wire.ask(link, mine, "1127", {"ShipperCode": code, **mine.accounts.get(code, {})})
        inner = said.get("EorderBalance")
        left = text(inner if isinstance(inner, dict) else said, "AvailableNum")
        if not wire.succeeded(said) or not left.isdecimal():
            raise wire.unclear(said)
        return int(left)


def _each(link: Connection, parcels: Sequence[Booked], ask: Callable[[Booked, str, Setup], Any]) -> dict[str, Any]:
    mine, theirs = setup.of(link), codes.theirs(PROTOCOL)
    return one_by_one(parcels, lambda one: ask(one, theirs.get(one.carrier, one.carrier), mine))


def _booked(said: Mapping[str, Any], parcel: Parcel, carrier: str, mine: Setup, pick_up: PickUp | None) -> Answer:
    inner = said.get("Order")
    order: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    waybill, is_repeated = text(order, "LogisticCode"), text(said, "ResultCode") in mine.options.repeated
    if not wire.succeeded(said) and not is_repeated:
        return _plain(said, mine)
    is_this_one = text(order, "OrderCode") in ("", parcel.reference) and text(order, "ShipperCode") in ("", carrier)
    if not (is_this_one and 0 < len(waybill) <= _MOST_OF_A_WAYBILL):
        raise wire.unclear(said)
    label = Label(**{ours: text(order, name) for ours, name in _LABEL.items()}, template=text(said, "PrintTemplate"))
    children = _children(said, parcel, waybill, label)
    return Answer(taken=True, waybill=waybill, label=label, pick_up=pick_up, children=children)


def _children(said: Mapping[str, Any], parcel: Parcel, mother: str, label: Label) -> dict[str, ChildWaybill]:
    """The further parcels' waybills, in their order; each with its own template where there is one for each."""
    numbers, templates = _texts(said, "SubOrders"), _texts(said, "SubPrintTemplates")
    numbers = [number for number in numbers if number != mother and len(number) <= _MOST_OF_A_WAYBILL]
    own = templates if len(templates) == len(numbers) else [""] * len(numbers)
    return {
        child.reference: ChildWaybill(number, replace(label, template=template))
        for child, number, template in zip(parcel.children, numbers, own, strict=False)
    }


def _texts(said: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts, or texts with commas between them."""
    value = said.get(name)
    parts = value.split(",") if isinstance(value, str) and name == "SubOrders" else value
    return [one.strip() for one in parts if isinstance(one, str) and one.strip()] if isinstance(parts, list) else []


def _plain(said: Mapping[str, Any], mine: Setup) -> Answer:
    """Done, or refused for a reason that asking again does not change. Raises Unclear for all else, such as a wrong
    signature, which is about the connection and no parcel."""
    if wire.succeeded(said):
        return Answer(taken=True)
    if text(said, "ResultCode") in mine.options.refusals:
        return Answer(taken=False, reason=f"{text(said, 'ResultCode')} {text(said, 'Reason')}"[:300])
    raise wire.unclear(said)


def _optional(carrier: str, phone_tail: str) -> Mapping[str, str]:
    return {name: value for name, value in (("ShipperCode", carrier), ("CustomerName", phone_tail)) if value}


CARRIER = Kdniao()
