"""Scans as kdniao tells them, by pushes and as answers to queries: the same scan has the same key both ways. Pure.

Every time all traces of a parcel are told, so most were heard before. Where its traces have no state of their own, only
the newest one is told: by the parcel's state.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from logistics.carriers.words import Words
from oms.common.masking import mask_text
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable
from oms.common.zones import CHINA

_Code = Annotated[str, msgspec.Meta(max_length=64)]
Told = TypeVar("Told")
# The table speaks of words and numbers alike.
_State = str | int | None


class _Trace(msgspec.Struct):
    AcceptTime: str
    AcceptStation: str | None = None
    Location: str | None = None
    Action: _State = None


class Parcel(msgspec.Struct):
    """A parcel with its traces."""

    LogisticCode: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    ShipperCode: _Code | None = None
    State: _State = None
    StateEx: _State = None
    Traces: Annotated[list[_Trace], msgspec.Meta(max_length=1000)] | None = None


class _Push(msgspec.Struct):
    Data: Annotated[list[Parcel], msgspec.Meta(max_length=1000)]
    EBusinessID: str | None = None


class _Money(msgspec.Struct):
    LogisticCode: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    OrderState: str | int
    ShipperCode: _Code | None = None


class _MoneyPush(msgspec.Struct):
    PushTime: str
    Data: Annotated[list[_Money], msgspec.Meta(max_length=1000)]


def pushed(data: str) -> list[Parcel]:
    """The parcels of a push's JSON text. Raises Unreadable, naming the field that is wrong."""
    return _read(data, _Push).Data


def money_pushed(data: str, ours: Mapping[str, str], words: Words) -> Iterator[News]:
    """What became of the cash that was taken for parcels (push 107), as scans that move nothing: our books follow the
    carrier's remittance. Raises Unreadable, naming what is wrong."""
    push = _read(data, _MoneyPush)
    at = moment(push.PushTime)
    for parcel in push.Data:
        theirs, code = parcel.ShipperCode or "", f"107-{parcel.OrderState}"[:20]
        if word := words.kind_of(code):
            body = {"carrier": ours.get(theirs, theirs), "text": "", "location": "", "code": code}
            yield News(f"{parcel.LogisticCode}-{theirs}-{code}", word, parcel.LogisticCode, at, body)


def _read(data: str, kind: type[Told]) -> Told:
    if "\0" in data or "\\u0000" in data:
        raise Unreadable("The message has NUL characters.")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def answered(said: Mapping[str, Any]) -> Parcel:
    """The parcel of a query's answer. Raises msgspec.ValidationError, naming the field that is wrong."""
    return msgspec.convert(said, Parcel)


def news_of(parcel: Parcel, ours: Mapping[str, str], words: Words) -> Iterator[News]:
    """The scans of a parcel. `ours` has our carrier codes by kdniao's where they differ, `words` say what kdniao's
    codes (StateEx) mean; one that is new means what its first digit means. Raises Unreadable for what is no time."""
    theirs = parcel.ShipperCode or ""
    traces = sorted(((moment(trace.AcceptTime), trace) for trace in parcel.Traces or []), key=lambda told: told[0])
    for place, (at, trace) in enumerate(traces):
        code = _code(trace.Action)
        if not code and place == len(traces) - 1:
            code = _code(parcel.StateEx) or _code(parcel.State)
        word = words.kind_of(code[:20], code[0]) if code else None
        if word is None:
            continue
        told = mask_text(trace.AcceptStation or "")[:2000]
        location = (trace.Location or "")[:200]
        heard = "|".join((parcel.LogisticCode, theirs, trace.AcceptTime, code, word, told, location))
        digest = hashlib.blake2b(heard.encode(), digest_size=16).hexdigest()
        body = {"carrier": ours.get(theirs, theirs), "text": told, "location": location, "code": code[:20]}
        if stop := words.stop_of(code[:20]):
            body["stop"] = stop
        yield News(f"{parcel.LogisticCode}-{digest}", word, parcel.LogisticCode, at, body)


def _code(state: _State) -> str:
    return "" if state is None else str(state).strip()


def moment(told: str) -> datetime:
    """A time as kdniao writes it, in China's zone. Raises Unreadable."""
    for form in ("%Y-%m-%d %H:%M:%S", "%a %b %d %H:%M:%S CST %Y", "%Y/%m/%d %H:%M:%S"):
        try:
            return datetime.strptime(told.strip(), form).replace(tzinfo=CHINA)
        except ValueError:
            continue
    raise Unreadable(f"{told[:40]} is no time.")
