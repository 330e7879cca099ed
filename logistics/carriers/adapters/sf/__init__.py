"""SF (顺丰) itself, by its platform 丰桥: waybills, couriers, routes, sending back and elsewhere.

Our shipment number is the order number, which SF takes once: one that may have been taken is searched for before it is
ordered (again). The children of a consignment (子母件) get the child numbers of their mother's order, each by its
place, so that a number is never asked for twice; one that joins her later gets a further number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.utils import timezone

from logistics.carriers import contents, words
from logistics.carriers.adapters import (
    Answer,
    Booked,
    CannotDecode,
    ChildWaybill,
    Label,
    Parcel,
    PickUp,
    Receiver,
    Redirection,
    setting_up,
)
from logistics.carriers.adapters.setting_up import begins, inner, objects, text
from logistics.carriers.adapters.sf import bodies, routes, setup, wire
from logistics.carriers.adapters.sf.setup import Setup
from logistics.carriers.contents import Contents
from logistics.carriers.refusing import OwnRefusal
from oms.common.models import Connection
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable
from oms.common.work.singly import Unclear, one_by_one

CREATE, SEARCH, UPDATE = "EXP_RECE_CREATE_ORDER", "EXP_RECE_SEARCH_ORDER_RESP", "EXP_RECE_UPDATE_ORDER"
CHILDREN, ROUTES, INTERCEPT = "EXP_RECE_GET_SUB_MAILNO", "EXP_RECE_SEARCH_ROUTES", "EXP_RECE_WANTED_INTERCEPT"
_FIRST, _CHILD = "1", "2"  # kinds of waybills of an order
_NOT_DELIVERED_THERE = "3"  # of its check whether it delivers there
_MOST_OF_A_WAYBILL = 40


class Sf:
    """See `logistics.carriers.adapters`."""

    wants_sender_phone = True

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Ask for waybills, and for couriers where the connection says so, one by one. Raises NotSetUp."""
        mine = setup.of(link)
        told = contents.of([parcel.reference for parcel in parcels])

        def book(parcel: Parcel) -> Answer:
            about = told[parcel.reference]
            if about.mother:
                return _child(link, mine, parcel, about)
            refusal = _cannot(about, mine)
            if refusal:
                return Answer(taken=False, reason=refusal)
            return _order(link, mine, parcel, about)

        return one_by_one([parcel for parcel in parcels if parcel.reference in told], book)

    def consigns(self, link: Connection, carrier: str) -> bool:
        """Unless the connection says otherwise."""
        return setup.of(link).options.children

    def extends(self, link: Connection) -> bool:
        """Further numbers are asked for by the mother's order."""
        return True

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """SF knows no platform's tokens. Raises CannotDecode."""
        raise CannotDecode("SF decodes no receivers")

    def cancel(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Cancel orders; only before SF has the parcel."""
        mine = setup.of(link)

        def ask(one: Booked) -> Answer:
            try:
                wire.ask(link, mine, UPDATE, {"orderId": one.reference, "dealType": 2})
            except wire.Refused as refused:
                return Answer(begins(refused.code, mine.options.cancelled), str(refused))
            return Answer(taken=True)

        return one_by_one(parcels, ask)

    def query(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Sequence[News]]:
        """Ask where parcels are."""
        mine, known = setup.of(link), words.of("sf")

        def ask(one: Booked) -> Sequence[News]:
            body = {
                "language": "0",
                "trackingType": "1",
                "trackingNumber": [one.waybill],
                "methodType": "1",
                "checkPhoneNo": one.phone_tail,
            }
            try:
                found = routes.answered(wire.ask(link, mine, ROUTES, body), one.waybill)
                news = [routes.news_of(route, known) for route in found]
            except (wire.Refused, msgspec.ValidationError, Unreadable) as error:
                raise Unclear(str(error)) from error
            return [told for told in news if told is not None]

        return one_by_one(parcels, ask)

    def intercept(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to send parcels back to the warehouse (退回)."""
        mine, told = setup.of(link), contents.of([one.reference for one in parcels])
        known = [one for one in parcels if one.reference in told]
        return one_by_one(
            known,
            lambda one: _intercepted(link, mine, bodies.returned(one.waybill, told[one.reference].sender, mine)),
        )

    def redirect(self, link: Connection, parcels: Sequence[Redirection]) -> Mapping[str, Answer]:
        """Ask to bring parcels elsewhere (转寄)."""
        mine = setup.of(link)
        return one_by_one(parcels, lambda one: _intercepted(link, mine, bodies.redirected(one, mine)))


def _cannot(about: Contents, mine: Setup) -> str:
    """Why SF cannot be asked at all."""
    if not about.sender.phone:
        return OwnRefusal.NO_SENDER_PHONE.value
    if about.cod_yuan and not (mine.options.cod_card or mine.monthly_card):
        return OwnRefusal.NO_COD_CARD.value
    if about.has_others:
        return OwnRefusal.COD_IN_PARCELS.value
    return ""


def _order(link: Connection, mine: Setup, parcel: Parcel, about: Contents) -> Answer:
    found = _search(link, mine, parcel.reference) if about.was_asked else None
    pick_up: PickUp | None = None
    if found is None:
        if mine.options.calls_courier:
            pick_up = setting_up.next_pick_up(mine.options.pick_up_from, mine.options.pick_up_until, timezone.now())
        try:
            found = wire.ask(link, mine, CREATE, bodies.order(parcel, about, mine, pick_up))
        except wire.Refused as refused:
            if not begins(refused.code, mine.options.repeated):
                return _refusal(refused, mine)
            found = _search(link, mine, parcel.reference)
            if found is None:
                raise Unclear(str(refused)) from refused
    if text(found, "orderId") not in ("", parcel.reference):
        raise Unclear(f"SF told of {text(found, 'orderId')[:64]} instead of {parcel.reference}")
    if text(found, "filterResult") == _NOT_DELIVERED_THERE:
        return Answer(taken=False, reason=f"{_NOT_DELIVERED_THERE} {text(found, 'remark')}".strip()[:300])
    waybills = _waybills(found, _FIRST)
    if not waybills:
        raise Unclear("SF took the order and gave no waybill yet")
    if mine.options.confirms:
        _confirm(link, mine, parcel.reference, waybills[0])
    label, numbers = _label(found), _waybills(found, _CHILD)
    children = {
        child.reference: ChildWaybill(numbers[child.place - 1], label)
        for child in parcel.children
        if child.place <= len(numbers)
    }
    return Answer(taken=True, waybill=waybills[0], label=label, pick_up=pick_up, children=children)


def _child(link: Connection, mine: Setup, parcel: Parcel, about: Contents) -> Answer:
    """The child number at the parcel's place; numbers that there are not yet are asked for."""
    found = _search(link, mine, about.mother)
    if found is None:
        raise Unclear(f"{parcel.reference} waits for the waybill of {about.mother}")
    numbers = _waybills(found, _CHILD)
    if len(numbers) < about.place:
        body = {"orderId": about.mother, "parcelQty": about.place - len(numbers)}
        try:
            wire.ask(link, mine, CHILDREN, body)
        except wire.Refused as refused:
            return _refusal(refused, mine)
        numbers = _waybills(_search(link, mine, about.mother) or {}, _CHILD)
    if len(numbers) < about.place:
        raise Unclear(f"SF has no child number for {parcel.reference} yet")
    return Answer(taken=True, waybill=numbers[about.place - 1], label=_label(found))


def _search(link: Connection, mine: Setup, reference: str) -> Mapping[str, Any] | None:
    """What SF made of an order number; None where it does not know it. Raises Unclear."""
    try:
        return wire.ask(link, mine, SEARCH, {"orderId": reference, "searchType": "1", "language": "zh-CN"})
    except wire.Refused as refused:
        if begins(refused.code, mine.options.unknown):
            return None
        raise Unclear(str(refused)) from refused


def _confirm(link: Connection, mine: Setup, reference: str, waybill: str) -> None:
    """Confirm an order (确认) where the contract wants it. Raises Unclear."""
    numbers = [{"waybillType": 1, "waybillNo": waybill}]
    try:
        wire.ask(link, mine, UPDATE, {"orderId": reference, "dealType": 1, "waybillNoInfoList": numbers})
    except wire.Refused as refused:
        if not begins(refused.code, mine.options.confirmed):
            raise Unclear(str(refused)) from refused


def _intercepted(link: Connection, mine: Setup, body: Mapping[str, Any]) -> Answer:
    try:
        wire.ask(link, mine, INTERCEPT, body)
    except wire.Refused as refused:
        return _refusal(refused, mine, *mine.options.too_late)
    return Answer(taken=True)


def _refusal(refused: wire.Refused, mine: Setup, *more: str) -> Answer:
    """Refused, for a reason that asking again does not change. Raises Unclear for all else."""
    if begins(refused.code, (*mine.options.refusals, *more)):
        return Answer(taken=False, reason=str(refused))
    raise Unclear(str(refused)) from refused


def _waybills(found: Mapping[str, Any], kind: str) -> list[str]:
    numbers = [
        text(one, "waybillNo") for one in objects(found, "waybillNoInfoList") if text(one, "waybillType") == kind
    ]
    return [number for number in numbers if 0 < len(number) <= _MOST_OF_A_WAYBILL]


def _label(found: Mapping[str, Any]) -> Label:
    data = next((inner(one, "routeLabelData") for one in objects(found, "routeLabelInfo")), {})
    return Label(
        destination_mark=text(data, "destRouteLabel"),
        sorting_code=text(data, "codingMapping"),
        package_code=text(data, "destTransferCode"),
        package_name=text(data, "proName"),
        origin_code=text(found, "originCode") or text(data, "sourceCityCode"),
        origin_name=text(data, "sourceDeptCode"),
        destination_code=text(found, "destCode") or text(data, "destCityCode"),
        destination_name=text(data, "destDeptCode"),
    )


CARRIER = Sf()
