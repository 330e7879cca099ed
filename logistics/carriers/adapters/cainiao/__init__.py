"""Waybills of Cainiao (菜鸟电子面单), which stands before many carriers: bought, given back, counted.

Our shipment number is the package's, for which Cainiao gives the same waybill however often it is asked. A recipient
whom a platform hides goes to Cainiao by the platform's token. Where the parcels are, others tell.
"""

from collections.abc import Mapping, Sequence

from logistics.carriers import contents, words
from logistics.carriers.adapters import Answer, Booked, CannotDecode, Label, Parcel, Receiver
from logistics.carriers.adapters.cainiao import bodies, setup, wire
from logistics.carriers.adapters.cainiao.setup import Setup
from logistics.carriers.adapters.setting_up import begins, inner, objects, text
from logistics.carriers.contents import Contents
from logistics.carriers.refusing import OwnRefusal
from oms.common.models import Connection
from oms.common.work.singly import Unclear, one_by_one

PROTOCOL = "cainiao"
GET, DISCARD, COUNT = "TMS_WAYBILL_GET", "TMS_WAYBILL_DISCARD", "TMS_WAYBILL_SUBSCRIPTION_QUERY"
_MOST_OF_A_WAYBILL = 40


class Cainiao:
    """See `logistics.carriers.adapters`."""

    wants_sender_phone = True
    takes_tokens = True

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Ask for waybills, one by one. Raises NotSetUp."""
        mine, theirs = setup.of(link), words.tables().theirs(PROTOCOL)
        told = contents.of([parcel.reference for parcel in parcels])

        def book(parcel: Parcel) -> Answer:
            about, carrier = told[parcel.reference], theirs.get(parcel.carrier, parcel.carrier)
            refusal = _cannot(about, mine)
            if refusal:
                return Answer(taken=False, reason=refusal)
            try:
                said = wire.ask(link, mine, GET, bodies.order(parcel, about, carrier, mine))
            except wire.Refused as refused:
                return _refusal(refused, mine)
            one = next(
                (made for made in objects(said, "waybillCloudPrintResponseList") if _is_of(made, parcel.reference)), {}
            )
            waybill = text(one, "waybillCode")
            if not 0 < len(waybill) <= _MOST_OF_A_WAYBILL:
                raise Unclear(f"Cainiao told no waybill of {parcel.reference}")
            return Answer(taken=True, waybill=waybill, label=_label(text(one, "printData")))

        return one_by_one([parcel for parcel in parcels if parcel.reference in told], book)

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """Cainiao takes tokens and tells nobody whom they mean. Raises CannotDecode."""
        raise CannotDecode("Cainiao decodes no receivers")

    def cancel(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Give waybills back; only before the carrier has the parcel."""
        mine, theirs = setup.of(link), words.tables().theirs(PROTOCOL)

        def ask(one: Booked) -> Answer:
            body = {"cpCode": theirs.get(one.carrier, one.carrier), "waybillCode": one.waybill}
            try:
                said = wire.ask(link, mine, DISCARD, body)
            except wire.Refused as refused:
                return _refusal(refused, mine)
            if text(said, "discardResult").lower() == "true":
                return Answer(taken=True)
            return Answer(taken=False, reason="discardResult false")

        return one_by_one(parcels, ask)

    def balance(self, link: Connection, carrier: str) -> int:
        """How many waybills of the carrier are left at all branches. Raises Unclear, Refused or NotSetUp."""
        code = words.tables().theirs(PROTOCOL).get(carrier, carrier)
        said = wire.ask(link, setup.of(link), COUNT, {"cpCode": code})
        ours = [one for one in objects(said, "waybillApplySubscriptionCols") if text(one, "cpCode") in ("", code)]
        left = [text(branch, "quantity") for one in ours for branch in objects(one, "branchAccountCols")]
        if not left or not all(count.isdecimal() for count in left):
            raise Unclear("Cainiao did not say how many waybills are left")
        return sum(map(int, left))


def _cannot(about: Contents, mine: Setup) -> str:
    """Why Cainiao cannot be asked at all."""
    if not about.sender.phone:
        return OwnRefusal.NO_SENDER_PHONE.value
    if about.cod_yuan and not mine.options.cod_service:
        return OwnRefusal.NO_COD_SERVICE.value
    if about.has_others:
        return OwnRefusal.COD_IN_PARCELS.value
    return ""


def _refusal(refused: wire.Refused, mine: Setup) -> Answer:
    """Refused, for a reason that asking again does not change. Raises Unclear for all else."""
    if begins(refused.code, mine.options.refusals):
        return Answer(taken=False, reason=str(refused))
    raise Unclear(str(refused)) from refused


def _is_of(made: Mapping[str, object], reference: str) -> bool:
    return text(made, "objectId") in ("", reference)


def _label(print_data: str) -> Label:
    """What stands on the label, of the data for Cainiao's own printing, which is kept whole."""
    if not print_data:
        return Label()
    try:
        data = inner(wire.opened(print_data), "data")
    except Unclear:
        data = {}
    routing = inner(data, "routingInfo")
    return Label(
        destination_mark=text(inner(routing, "sortation"), "name"),
        sorting_code=text(routing, "routeCode"),
        package_code=text(inner(routing, "consolidation"), "code"),
        package_name=text(inner(routing, "consolidation"), "name"),
        origin_code=text(inner(routing, "origin"), "code"),
        origin_name=text(inner(routing, "origin"), "name"),
        template=print_data,
    )


CARRIER = Cainiao()
