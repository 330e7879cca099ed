"""Scans as SF tells them (路由), by pushes and as answers to queries: a scan has the same key both ways. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from logistics.carriers import scans
from logistics.carriers.adapters import setting_up
from logistics.models import ShipmentState
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable

S = ShipmentState
# SF's code of an operation, what it says, and our word; one without a word is no scan.
STATES: Mapping[str, tuple[str, ShipmentState | None]] = {
    "50": ("已收取快件", S.COLLECTED),
    "43": ("收件入仓", S.COLLECTED),
    "54": ("上门收件", S.COLLECTED),
    "607": ("代理收件", S.COLLECTED),
    "655": ("合作点收件", S.COLLECTED),
    "30": ("快件装车，准备发往下一站", S.IN_TRANSIT),
    "31": ("快件到达", S.IN_TRANSIT),
    "36": ("封车", S.IN_TRANSIT),
    "3036": ("准备送往下一站", S.IN_TRANSIT),
    "77": ("中转滞留", S.IN_TRANSIT),
    "66": ("中转批量滞留", S.IN_TRANSIT),
    "99": ("应客户要求，快件正在转寄中", S.IN_TRANSIT),
    "123": ("快件正送往店/站", S.OUT_FOR_DELIVERY),
    "125": ("快递员派件至柜", S.OUT_FOR_DELIVERY),
    "126": ("快递员将快件取出", S.IN_TRANSIT),
    "130": ("快件到达店/站", S.OUT_FOR_DELIVERY),
    "678": ("快件到达驿站", S.OUT_FOR_DELIVERY),
    "44": ("正在派送途中", S.OUT_FOR_DELIVERY),
    "204": ("派件责任交接", S.OUT_FOR_DELIVERY),
    "880": ("上门派件", S.OUT_FOR_DELIVERY),
    "33": ("派件异常", S.FAILED_DELIVERY),
    "70": ("派件不成功", S.FAILED_DELIVERY),
    "648": ("快件已退回/转寄", S.RETURNING),
    "631": ("新单退回", S.RETURNING),
    "80": ("已签收", S.SIGNED),
    "679": ("驿站完成派件", S.SIGNED),
    "8000": ("签收人信息", None),
    "611": ("理货异常", None),
    "647": ("寄方准备快件中", None),
}
# A parcel that its sender signed for when it came back has the code of any signature: its text tells them apart.
_SIGNED, _CAME_BACK, _REFUSED = "80", "退回", "拒收"

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


def news_of(route: Route, states: Mapping[str, str]) -> News | None:
    """The scan of a route, None where it is none. Raises Unreadable for a time that is none."""
    code = "" if route.opCode is None else str(route.opCode).strip()
    word = word_of(code, route.remark or "", states)
    if word is None:
        return None
    try:
        at = setting_up.read_time(route.acceptTime)
    except ValueError as error:
        raise Unreadable(f"{route.acceptTime[:40]} is no time.") from error
    return scans.told(route.mailno, word, at, code=code, text=route.remark or "", location=route.acceptAddress or "")


def word_of(code: str, text: str, otherwise: Mapping[str, str]) -> str | None:
    """Our word for a code, None where it is no scan; `otherwise` comes before the table, an empty word is no scan. A
    code that is new is its own word, which nobody understands."""
    if code in otherwise:
        return otherwise[code] or None
    if code not in STATES:
        return f"sf:{code}"[:24]
    if code == _SIGNED and _CAME_BACK in text:
        return S.RETURNED.value
    if code in ("33", "70") and _REFUSED in text:
        return S.REJECTED.value
    state = STATES[code][1]
    return state.value if state else None
