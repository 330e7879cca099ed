"""Scans as JD Logistics tells them (全程跟踪), by pushes and as answers to queries: the same scan has the same key both
ways. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from logistics.carriers import scans
from logistics.carriers.adapters import setting_up
from logistics.models import ShipmentState
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable

S = ShipmentState
# JD's name of a step and our word; one without a word is no scan.
STATES: Mapping[str, ShipmentState | None] = {
    "下单": None,
    "接单": None,
    "取消": None,
    "揽收": S.COLLECTED,
    "已揽收": S.COLLECTED,
    "运输": S.IN_TRANSIT,
    "运输中": S.IN_TRANSIT,
    "派送": S.OUT_FOR_DELIVERY,
    "派送中": S.OUT_FOR_DELIVERY,
    "暂存": S.OUT_FOR_DELIVERY,
    "异常": S.FAILED_DELIVERY,
    "再投": S.FAILED_DELIVERY,
    "拦截": S.INTERCEPTING,
    "拒收": S.REJECTED,
    "退回": S.RETURNING,
    "逆向": S.RETURNING,
    "退回签收": S.RETURNED,
    "妥投": S.SIGNED,
    "签收": S.SIGNED,
    "已签收": S.SIGNED,
    "丢失": S.LOST,
}
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


def news_of(trace: Trace, states: Mapping[str, str]) -> News | None:
    """The scan of a trace, None where it is none. Raises Unreadable for a time that is none."""
    name = (trace.categoryName or "").strip()
    word = word_of(name, states)
    if word is None:
        return None
    told, place = trace.operationRemark or "", trace.operationSite or ""
    return scans.told(trace.waybillCode, word, _moment(trace.operationTime), code=name, text=told, location=place)


def word_of(name: str, otherwise: Mapping[str, str]) -> str | None:
    """Our word for a step, None where it is no scan; `otherwise` comes before the table, an empty word is no scan. A
    step that is new is its own word, which nobody understands."""
    if name in otherwise:
        return otherwise[name] or None
    if name not in STATES:
        return f"jdl:{name}"[:24]
    state = STATES[name]
    return state.value if state else None


def _moment(told: str | int) -> datetime:
    try:
        if isinstance(told, int) or told.isdecimal():
            return datetime.fromtimestamp(int(told) / 1000, UTC)
        return setting_up.read_time(told)
    except (ValueError, OverflowError, OSError) as error:
        raise Unreadable(f"{str(told)[:40]} is no time.") from error
