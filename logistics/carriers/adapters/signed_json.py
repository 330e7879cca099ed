"""Carriers that speak the protocol `json` (see `oms.common.work.signed_json`).

Below the connection's base address we post to `parcels`:

    {"parcels": [{"number": "…-1-S1", "carrier": "SF", "weight_g": 520, "recipient": {"name": "…", "phone": "…",
        "province": "…", "city": "…", "district": "…", "address": "…"}}]}

and are answered for each number: `{"answers": [{"number": "…", "taken": true, "waybill": "SF…", "reason": ""}]}`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from logistics.carriers.adapters import Answer, Parcel
from oms.common.models import Connection
from oms.common.work.signed_json import post


class _Said(msgspec.Struct):
    number: str
    taken: bool
    waybill: str = ""
    reason: str = ""


class _Answers(msgspec.Struct):
    answers: list[_Said]


class JsonCarrier:
    """See `logistics.carriers.adapters.CarrierSystem`."""

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Get waybills and pick-ups. Raises msgspec.ValidationError where the answer is no such thing."""
        body = [
            {
                "number": parcel.reference,
                "carrier": parcel.carrier,
                "weight_g": parcel.weight_g,
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


CARRIER = JsonCarrier()
