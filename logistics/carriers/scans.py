"""What carriers tell us, whatever their protocol.

A message of a carrier is a fact with the topic `carrier`. Its `subject` is a waybill number, its `kind` one of
`ShipmentState` from `collected` on, or `noted` where it says nothing of where the parcel is, and its key unique in the
connection, such as the waybill with the number of the scan. Everything in the body may be left out:

    {"carrier": "SF", "text": "已揽收", "location": "北京", "code": "50"}

`carrier` is a carrier's code here, told by connections that speak for several; `code` is the carrier's own for what
happened; `stop` says where the parcel waits, finer than the kind: `branch` with `in_transit` (at the branch of
delivery), `locker` with `out_for_delivery` (in a locker or station).
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec

from logistics.models import ShipmentState, WaitingPlace
from oms.common.masking import mask_text
from oms.common.work.facts import News

# The kind of a scan that is kept, but moves nothing: its code has no state of ours, or nobody knows it yet.
NOTED = "noted"

_Text = Annotated[str, msgspec.Meta(max_length=2000)]
_Short = Annotated[str, msgspec.Meta(max_length=200)]


class Scan(msgspec.Struct, frozen=True):
    """The body of a carrier's message."""

    carrier: Annotated[str, msgspec.Meta(max_length=20)] = ""
    text: _Text = ""
    location: _Short = ""
    code: _Short = ""
    stop: Annotated[str, msgspec.Meta(max_length=10)] = ""


NOTHING_SAID = Scan()


def read(body: Mapping[str, Any]) -> Scan:
    """The body of a message. Raises msgspec.ValidationError naming the field that is wrong."""
    return msgspec.convert(body, Scan) if body else NOTHING_SAID


# In which state a parcel can wait there.
_STATE_AT = {
    WaitingPlace.BRANCH.value: ShipmentState.IN_TRANSIT,
    WaitingPlace.LOCKER.value: ShipmentState.OUT_FOR_DELIVERY,
}


def stop_at(state: str, stop: str) -> str:
    """The stop, where a parcel in this state can wait there; else none."""
    return stop if _STATE_AT.get(stop) == state else ""


def told(
    waybill: str, word: str, at: datetime, *, code: str, text: str, location: str, carrier: str = "", stop: str = ""
) -> News:
    """A scan as it is received: known again by what it says, so that it has one key however often and by whichever way
    it is told. Phone numbers in its text are not kept."""
    body = {"text": mask_text(text)[:2000], "location": location[:200], "code": code[:20]}
    heard = "|".join((waybill, carrier, at.isoformat(), word, *body.values()))
    digest = hashlib.blake2b(heard.encode(), digest_size=16).hexdigest()
    more = {name: value for name, value in (("carrier", carrier), ("stop", stop)) if value}
    return News(f"{waybill}-{digest}", word, waybill, at, body | more)
