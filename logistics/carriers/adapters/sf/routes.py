"""Scans as SF tells them (路由), by pushes and as answers to queries: a scan has the same key both ways. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from logistics.carriers import scans
from logistics.carriers.adapters import setting_up
from logistics.carriers.words import Words
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable

# What SF's one code for a signature, or for a failure, means where its text says more.
_MORE = {"80": ("退回", "80back"), "33": ("拒收", "33refused"), "70": ("拒收", "70refused")}

_Text = Annotated[str, msgspec.Meta(max_length=4000)]
_Code = str | int | None


class Route(msgspec.Struct):
    """Something that happened to a parcel."""

    acceptTime: str
    opCode: _Code = None
    remark: _Text | None = None
    acceptAddress: _Text | None = None
    mailno: Annotated[str, msgspec.Meta(max_length=64)] = ""


class _Routes(msgspec.Struct):
    WaybillRoute: Annotated[list[Route], msgspec.Meta(max_length=1000)]


class _Push(msgspec.Struct):
    Body: _Routes


def pushed(body: str) -> list[Route]:
    """The routes of a push. Raises Unreadable, naming the field that is wrong."""
    if "\0" in body or "\\u0000" in body:
        raise Unreadable("The message has NUL characters.")
    try:
        found = msgspec.json.decode(body, type=_Push).Body.WaybillRoute
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    if any(not route.mailno for route in found):
        raise Unreadable("A route names no waybill.")
    return found


def answered(said: Mapping[str, Any], waybill: str) -> list[Route]:
    """The routes of a query's answer. Raises msgspec.ValidationError, naming the field that is wrong."""
    found: list[Route] = []
    for one in setting_up.objects(said, "routeResps"):
        if setting_up.text(one, "mailNo") == waybill:
            found += msgspec.convert(one.get("routes") or [], list[Route])
    for route in found:
        route.mailno = waybill
    return found


def news_of(route: Route, known: Words) -> News | None:
    """The scan of a route, None where it is not kept. Raises Unreadable for a time that is none."""
    text = route.remark or ""
    code = code_of("" if route.opCode is None else str(route.opCode).strip(), text)
    kind = known.kind_of(code)
    if kind is None:
        return None
    try:
        at = setting_up.read_time(route.acceptTime)
    except ValueError as error:
        raise Unreadable(f"{route.acceptTime[:40]} is no time.") from error
    stop = known.stop_of(code)
    return scans.told(route.mailno, kind, at, code=code, text=text, location=route.acceptAddress or "", stop=stop)


def code_of(code: str, text: str) -> str:
    """The code by which `models.ScanWord` knows it: SF's own, but where the text says that the parcel came back or was
    refused."""
    mark, more = _MORE.get(code, ("", ""))
    return more if mark and mark in text else code[:20]
