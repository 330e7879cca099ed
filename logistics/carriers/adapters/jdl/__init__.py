"""JD Logistics (京东物流) itself, by its platform LOP: waybills, couriers, traces, interception, other recipients.

Our shipment number is the order number. JD cannot be asked for an order by it: one that is ordered again is refused,
with the waybill of the first time.
"""

from collections.abc import Mapping, Sequence

import msgspec
from django.utils import timezone

from logistics.carriers import contents, words
from logistics.carriers.adapters import (
    Answer,
    Booked,
    CannotDecode,
    Label,
    Parcel,
    Receiver,
    Redirection,
    setting_up,
)
from logistics.carriers.adapters.jdl import bodies, setup, traces, wire
from logistics.carriers.adapters.jdl.setup import Setup
from logistics.carriers.adapters.setting_up import begins, inner, text
from logistics.carriers.contents import Contents
from logistics.carriers.refusing import OwnRefusal
from oms.common.models import Connection
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable
from oms.common.work.singly import Unclear, one_by_one

_MOST_OF_A_WAYBILL = 40


class Jdl:
    """See `logistics.carriers.adapters`."""

    wants_sender_phone = True

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Ask for waybills, and for couriers where the connection says so, one by one. Raises NotSetUp."""
        mine = setup.of(link)
        told = contents.of([parcel.reference for parcel in parcels])

        def book(parcel: Parcel) -> Answer:
            about, options = told[parcel.reference], mine.options
            refusal = _cannot(about, mine)
            if refusal:
                return Answer(taken=False, reason=refusal)
            pick_up = None
            if options.calls_courier:
                pick_up = setting_up.next_pick_up(options.pick_up_from, options.pick_up_until, timezone.now())
            try:
                said = wire.ask(link, mine, wire.CREATE, bodies.order(parcel, about, mine, pick_up))
            except wire.Refused as refused:
                if not begins(refused.code, options.repeated):
                    return _refusal(refused, mine)
                said = refused.data
            waybill = text(said, "waybillCode")
            is_this_one = text(said, "customerOrderId") in ("", parcel.reference)
            if not (is_this_one and 0 < len(waybill) <= _MOST_OF_A_WAYBILL):
                raise Unclear(f"JD told no waybill of {parcel.reference}")
            return Answer(taken=True, waybill=waybill, label=_label(said), pick_up=pick_up)

        return one_by_one([parcel for parcel in parcels if parcel.reference in told], book)

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """JD Logistics knows no platform's tokens. Raises CannotDecode."""
        raise CannotDecode("JD Logistics decodes no receivers")

    def cancel(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Cancel orders; one that JD has by now is intercepted by it."""
        return self._cancel(link, parcels, "商家取消")

    def intercept(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to send parcels back: what cancels an order that JD has."""
        return self._cancel(link, parcels, "买家要求退回")

    def _cancel(self, link: Connection, parcels: Sequence[Booked], reason: str) -> Mapping[str, Answer]:
        mine = setup.of(link)

        def ask(one: Booked) -> Answer:
            try:
                wire.ask(link, mine, wire.CANCEL, bodies.cancelled(one, mine, reason=reason))
            except wire.Refused as refused:
                return _refusal(refused, mine)
            return Answer(taken=True)

        return one_by_one(parcels, ask)

    def redirect(self, link: Connection, parcels: Sequence[Redirection]) -> Mapping[str, Answer]:
        """Ask to bring parcels to another recipient (订单修改)."""
        mine = setup.of(link)

        def ask(one: Redirection) -> Answer:
            try:
                wire.ask(link, mine, mine.options.modify_path, bodies.modified(one, mine))
            except wire.Refused as refused:
                return _refusal(refused, mine)
            return Answer(taken=True)

        return one_by_one(parcels, ask)

    def query(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Sequence[News]]:
        """Ask where parcels are."""
        mine, known = setup.of(link), words.of("jdl")

        def ask(one: Booked) -> Sequence[News]:
            try:
                found = traces.answered(
                    wire.ask(link, mine, mine.options.query_path, bodies.asked(one, mine)), one.waybill
                )
                news = [traces.news_of(trace, known) for trace in found]
            except (wire.Refused, msgspec.ValidationError, Unreadable) as error:
                raise Unclear(str(error)) from error
            return [told for told in news if told is not None]

        return one_by_one(parcels, ask)


def _cannot(about: Contents, mine: Setup) -> str:
    """Why JD cannot be asked at all."""
    if not about.sender.phone:
        return OwnRefusal.NO_SENDER_PHONE.value
    if about.cod_yuan and not mine.options.cod_product:
        return OwnRefusal.NO_COD_SERVICE.value
    if about.has_others:
        return OwnRefusal.COD_IN_PARCELS.value
    return ""


def _refusal(refused: wire.Refused, mine: Setup) -> Answer:
    """Refused, for a reason that asking again does not change. Raises Unclear for all else."""
    if begins(refused.code, mine.options.refusals):
        return Answer(taken=False, reason=str(refused))
    raise Unclear(str(refused)) from refused


def _label(said: Mapping[str, object]) -> Label:
    sorting = inner(said, "presortResult")
    return Label(
        destination_mark=text(sorting, "aging") or text(sorting, "siteName"),
        sorting_code=text(sorting, "road"),
        package_code=text(sorting, "targetSortCenterId"),
        package_name=text(sorting, "targetSortCenterName"),
        origin_name=text(sorting, "sourceSortCenterName"),
        origin_code=text(sorting, "sourceSortCenterId"),
        destination_code=text(sorting, "siteId"),
        destination_name=text(sorting, "siteName"),
    )


CARRIER = Jdl()
