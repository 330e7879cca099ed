"""Scans as kuaidi100 tells them, by pushes and as answers to queries: the same scan has the same key both ways. Pure.

Every time all scans of a parcel are told, the newest first. One without a code of its own has that of its word; where
it has neither, only the newest is told: by the parcel's state.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from logistics.carriers.words import Words
from oms.common.masking import mask_text
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable
from oms.common.zones import CHINA

_State = str | int | None


class _Node(msgspec.Struct):
    time: str | None = None
    ftime: str | None = None
    context: str | None = None
    location: str | None = None
    areaName: str | None = None
    status: str | None = None
    statusCode: _State = None

    @property
    def at(self) -> str:
        """When it happened, as it was told."""
        return self.ftime or self.time or ""


class Parcel(msgspec.Struct):
    """A parcel with its scans."""

    nu: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    com: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    state: _State = None
    data: Annotated[list[_Node], msgspec.Meta(max_length=1000)] | None = None


class _Push(msgspec.Struct):
    status: str
    lastResult: Parcel | None = None
    message: str | None = None


def pushed(param: str) -> Parcel | None:
    """The parcel of a push's JSON text; None where it tells of none. Raises Unreadable, naming the field that is
    wrong."""
    if "\0" in param or "\\u0000" in param:
        raise Unreadable("The message has NUL characters.")
    try:
        return msgspec.json.decode(param, type=_Push).lastResult
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def answered(said: Mapping[str, Any]) -> Parcel:
    """The parcel of a query's answer. Raises msgspec.ValidationError, naming the field that is wrong."""
    return msgspec.convert(said, Parcel)


def news_of(parcel: Parcel, ours: Mapping[str, str], words: Words) -> Iterator[News]:
    """The scans of a parcel. `ours` has our carrier codes by kuaidi100's; one that is in none is not named, as the
    waybill alone tells whose parcel it is. `words` say what kuaidi100's codes mean. Raises Unreadable for what is no
    time."""
    com = parcel.com or ""
    by_text = {word.told: code for code, word in words.known.items()}
    for place, node in enumerate(sorted(parcel.data or [], key=lambda node: moment(node.at), reverse=True)):
        code = _code(node.statusCode) or by_text.get(node.status or "", "")
        if not code and place == 0:
            code = _code(parcel.state)
        kind = words.kind_of(code[:20], *_parents(code)) if code else None
        if kind is None:
            continue
        text = mask_text(node.context or "")[:2000]
        location = (node.location or node.areaName or "")[:200]
        heard = "|".join((parcel.nu, com, node.at, code, kind, text, location))
        digest = hashlib.blake2b(heard.encode(), digest_size=16).hexdigest()
        body = {"carrier": ours.get(com, ""), "text": text, "location": location, "code": code[:20]}
        if stop := words.stop_of(code[:20]):
            body["stop"] = stop
        yield News(f"{parcel.nu}-{digest}", kind, parcel.nu, moment(node.at), body)


def _parents(code: str) -> Sequence[str]:
    """The states that a finer code is one of: 3xx is of 3, 10xx of 0."""
    if len(code) == 4 and code.startswith("10"):
        return ("0",)
    return (code[0],) if len(code) == 3 else ()


def _code(state: _State) -> str:
    return "" if state is None else str(state).strip()


def moment(told: str) -> datetime:
    """A time as kuaidi100 writes it, in China's zone. Raises Unreadable."""
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S"):
        try:
            return datetime.strptime(told.strip(), form).replace(tzinfo=CHINA)
        except ValueError:
            continue
    raise Unreadable(f"{told[:40]} is no time.")
