"""Carriers that speak the protocol `json` (see `oms.common.work.signed_json`).

Below the connection's base address we post to `parcels`:

    {"parcels": [{"number": "…-1-S1", "carrier": "SF", "weight_g": 520, "recipient": {"name": "…", "phone": "…",
        "province": "…", "city": "…", "district": "…", "address": "…"}}]}

with `deliver_from` and `deliver_until` (or null) where the buyer wants it at a certain time, and are answered for each
number: `{"answers": [{"number": "…", "taken": true, "waybill": "SF…", "reason": ""}]}`.

To send a parcel back we post `{"parcels": [{"number", "carrier", "waybill"}]}` to `parcels/return`, to bring it
elsewhere the same with a `recipient` to `parcels/redirect`, to hurry it on the same to `parcels/urge`, and are
answered in the same form, without a waybill. What becomes of it is told by scans.

Where a platform hides the recipient, we post `{"token": "…"}` to `receivers/decode` first, and are answered with
`{"name": "…", "phone": "…", "address": "…"}`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from logistics.carriers.adapters import Answer, Booked, CannotDecode, Parcel, Receiver, Redirection
from oms.common.models import Connection
from oms.common.work.signed_json import post


class _Said(msgspec.Struct):
    number: str
    taken: bool
    waybill: str = ""
    reason: str = ""


class _Answers(msgspec.Struct):
    answers: list[_Said]


class _Told(msgspec.Struct):
    name: str
    phone: str
    address: str = ""


class JsonCarrier:
    """See `logistics.carriers.adapters.CarrierSystem`."""

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Get waybills and pick-ups. Raises msgspec.ValidationError where the answer is no such thing."""
        body = [
            {
                "number": parcel.reference,
                "carrier": parcel.carrier,
                "weight_g": parcel.weight_g,
                "deliver_from": parcel.deliver_from,
                "deliver_until": parcel.deliver_until,
                "recipient": {
                    "name": parcel.recipient_name,
                    "phone": parcel.recipient_phone,
                    "province": parcel.province,
                    "city": parcel.city,
                    "district": parcel.district,
                    "address": parcel.address,
                },
            }
            for parcel in parcels
        ]
        said = msgspec.convert(post(link, "parcels", {"parcels": body}), _Answers)
        # Taken without a waybill is no answer that helps: it is asked again.
        return {
            one.number: Answer(one.taken, one.reason[:300], one.waybill)
            for one in said.answers
            if one.waybill or not one.taken
        }

    def intercept(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to send parcels back. Raises msgspec.ValidationError where the answer is no such thing."""
        return _answered(post(link, "parcels/return", _named(parcels)))

    def urge(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to hurry parcels on. Raises msgspec.ValidationError where the answer is no such thing."""
        return _answered(post(link, "parcels/urge", _named(parcels)))

    def redirect(self, link: Connection, parcels: Sequence[Redirection]) -> Mapping[str, Answer]:
        """Ask to bring parcels elsewhere. Raises msgspec.ValidationError where the answer is no such thing."""
        body = [
            {
                "number": one.reference,
                "carrier": one.carrier,
                "waybill": one.waybill,
                "recipient": {
                    "name": one.name,
                    "phone": one.phone,
                    "province": one.province,
                    "city": one.city,
                    "district": one.district,
                    "address": one.address,
                },
            }
            for one in parcels
        ]
        return _answered(post(link, "parcels/redirect", {"parcels": body}))

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """Whom the platform's token means. Raises CannotDecode where the answer tells nobody."""
        try:
            told = msgspec.convert(post(link, "receivers/decode", {"token": token}), _Told)
        except msgspec.ValidationError as error:
            raise CannotDecode("the platform does not tell who is meant by the token") from error
        return Receiver(told.name, told.phone, told.address)


def _named(parcels: Sequence[Booked]) -> dict[str, object]:
    return {"parcels": [{"number": one.reference, "carrier": one.carrier, "waybill": one.waybill} for one in parcels]}


def _answered(said: object) -> Mapping[str, Answer]:
    return {one.number: Answer(one.taken, one.reason[:300]) for one in msgspec.convert(said, _Answers).answers}


CARRIER = JsonCarrier()
