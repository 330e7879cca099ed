"""Scans as JD Logistics tells them (全程跟踪), by pushes and as answers to queries: the same scan has the same key both
ways. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from logistics.carriers import scans
from logistics.carriers.adapters import setting_up
from logistics.carriers.words import Words
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable

_Text = Annotated[str, msgspec.Meta(max_length=4000)]


class Trace(msgspec.Struct):
    """Something that happened to a parcel."""

    operationTime: str | int
    waybillCode: Annotated[str, msgspec.Meta(max_length=64)] = ""
    categoryName: _Text | None = None
    operationRemark: _Text | None = None
    operationSite: _Text | None = None


class _Push(msgspec.Struct):
    traceDetails: Annotated[list[Trace], msgspec.Meta(max_length=1000)]


def pushed(body: str) -> list[Trace]:
    """The traces of a push. Raises Unreadable, naming the field that is wrong."""
    if "\0" in body or "\\u0000" in body:
        raise Unreadable("The message has NUL characters.")
    try:
        found = msgspec.json.decode(body, type=_Push).traceDetails
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    if any(not trace.waybillCode for trace in found):
        raise Unreadable("A trace names no waybill.")
    return found


def answered(said: Mapping[str, Any], waybill: str) -> list[Trace]:
    """The traces of a query's answer. Raises msgspec.ValidationError, naming the field that is wrong."""
    found = msgspec.convert(setting_up.objects(said, "traceDetails"), list[Trace])
    for trace in found:
        trace.waybillCode = trace.waybillCode or waybill
    return [trace for trace in found if trace.waybillCode == waybill]


def news_of(trace: Trace, known: Words) -> News | None:
    """The scan of a trace, whose code is JD's name of the step; None where it is not kept. Raises Unreadable for a time
    that is none."""
    name = (trace.categoryName or "").strip()[:20]
    kind = known.kind_of(name)
    if kind is None:
        return None
    told, place = trace.operationRemark or "", trace.operationSite or ""
    at, stop = _moment(trace.operationTime), known.stop_of(name)
    return scans.told(trace.waybillCode, kind, at, code=name, text=told, location=place, stop=stop)


def _moment(told: str | int) -> datetime:
    try:
        if isinstance(told, int) or told.isdecimal():
            return datetime.fromtimestamp(int(told) / 1000, UTC)
        return setting_up.read_time(told)
    except (ValueError, OverflowError, OSError) as error:
        raise Unreadable(f"{str(told)[:40]} is no time.") from error
