"""A peer that speaks as kdniao (快递鸟) does: waybills, couriers, scans that are pushed and answered.

What is asked is told by `RequestType`, whatever the path. Business errors have status 200. What kdniao's papers leave
open is decided here: an order code that comes again is answered 106 with the first waybill.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, unquote_plus, urlencode

from oms.common.zones import CHINA
from oms.simulators.keys import KdniaoKeys
from oms.simulators.mischief import Trick
from oms.simulators.notifying import Posted
from oms.simulators.pushing import PushingPeer
from oms.simulators.waybills import Entry, Trace, WaybillBook
from oms.simulators.wsgi import Request, Response, page, tricked

SHIPPERS = {
    "SF": "顺丰速运",
    "JD": "京东快递",
    "ZTO": "中通快递",
    "YTO": "圆通速递",
    "STO": "申通快递",
    "YD": "韵达速递",
}
_NEED_PHONE = ("SF", "ZTO", "KYSY")
_AMOUNT = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")
_REFUSED_CHARACTERS = re.compile("['\"#&+<>%\\\\\U00010000-\U0010ffff]")
_PERSON = ("Name", "ProvinceName", "CityName", "ExpAreaName", "Address")
_FIRST_BALANCE = 100_000
_Content = dict[str, Any]


class _Refusal(Exception):
    def __init__(self, code: str, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.answer = {"Success": False, "ResultCode": code, "Reason": reason, **more}


class KdniaoPeer(PushingPeer):
    """kdniao, as seen by the one who is registered with it; `notify_url` is where it pushes to, empty: nowhere."""

    # kdniao does not say how often it repeats a push that was not heard; in seconds.
    pauses = (60.0, 300.0, 600.0)

    def __init__(
        self, keys: KdniaoKeys, *, book: WaybillBook | None = None, notify_url: str = "", speed: float = 1.0
    ) -> None:
        super().__init__(book, speed)
        self.keys, self.notify_url = keys, notify_url
        self.closed: set[str] = set()  # carriers that take nothing
        self.consigning = {"SF", "JD", "YTO"}  # carriers that give several waybills for an order
        self._methods: Mapping[str, Callable[[_Content], _Content]] = {
            "1007": self._order,
            "1801": self._courier,
            "1001": self._courier,
            "1147": self._cancel,
            "1802": self._cancel,
            "1004": self._cancel,
            "1127": self._balance,
            "2002": self._recognise,
            "1002": self._track,
            "8001": self._track,
            "8002": self._track,
            "1008": self._subscribe,
            "8008": self._subscribe,
        }

    def __call__(self, request: Request) -> Response:
        """Answer a call, or a person's browser."""
        if request.method != "POST":
            return self._list()
        busy = _json({"Success": False, "ResultCode": "999", "Reason": "系统繁忙"})
        return tricked(
            self.mischief,
            lambda: _json({"EBusinessID": self.keys.business_id, **self._answer(request.form)}),
            {
                Trick.SYSTEM_ERROR_AFTER: lambda _done: busy,
                Trick.GARBAGE: lambda _done: Response(b"<html>nginx</html>"),
            },
        )

    def _answer(self, form: Mapping[str, str]) -> _Content:
        data, signature = form.get("RequestData", ""), form.get("DataSign", "")
        if data[:1] not in ("{", "["):  # those who encode by hand encode twice
            data, signature = unquote_plus(data), unquote_plus(signature)
        try:
            if form.get("EBusinessID") != self.keys.business_id:
                raise _Refusal("104", "用户ID不存在")
            if not hmac.compare_digest(sign(data, self.keys.app_key).encode(), signature.encode()):
                raise _Refusal("102", "数据签名错误")
            do = self._methods.get(form.get("RequestType", ""))
            if do is None:
                raise _Refusal("105", "接口指令不存在")
            try:
                content = json.loads(data)
            except ValueError:
                raise _Refusal("401", "RequestData格式有误") from None
            if not isinstance(content, dict):
                raise _Refusal("401", "RequestData格式有误")
            return {"Success": True, "ResultCode": "100", "Reason": "成功", **do(content)}
        except _Refusal as refusal:
            return refusal.answer

    # --- What it does

    def _order(self, content: _Content, prefix: str = "") -> _Content:
        code, shipper = _needed(content, "OrderCode"), _needed(content, "ShipperCode")
        before = self.book.of_order(code)
        if before is None:
            self._check(content, shipper)
        count = int(content.get("Quantity") or 1)
        waybill, *children = (f"{shipper}{prefix}{secrets.randbelow(10**13):013d}" for _one in range(count))
        is_told = str(content.get("IsSubscribe", "1")) == "1"
        entry, is_new = self.book.enter(code, shipper, waybill, content, self.now(), is_told=is_told, children=children)
        if not is_new:
            known = {} if entry.cancelled_at is not None else self._issued(entry)
            raise _Refusal("106", "该订单号已下单成功", **known)
        self._take(shipper, count)
        return self._issued(entry)

    def _issued(self, entry: Entry) -> _Content:
        city = str(entry.content["Receiver"]["CityName"])
        order = {
            "OrderCode": entry.order_code,
            "ShipperCode": entry.shipper,
            "LogisticCode": entry.waybill,
            "MarkDestination": f"{city[:2]} 010-{len(city):02}",
            "SortingCode": "A-07",
            "PackageCode": "P010",
            "PackageName": f"{city[:2]}集包",
            "OriginCode": "010A",
            "OriginName": "始发网点",
            "DestinatioCode": "021B",
            "DestinatioName": f"{city[:2]}目的网点",
        }
        answer: _Content = {"Order": order, "UniquerRequestNumber": entry.order_code}
        if str(entry.content.get("IsReturnPrintTemplate")) == "1":
            answer["PrintTemplate"] = _template(entry, entry.waybill)
        children = self.book.children(entry.order_code)
        if children:
            answer |= {"SubCount": len(children), "SubOrders": children}
            if "PrintTemplate" in answer:
                answer["SubPrintTemplates"] = [_template(entry, one) for one in children]
        return answer

    def _check(self, content: _Content, shipper: str) -> None:
        for side in ("Receiver", "Sender"):
            person = content.get(side)
            if not isinstance(person, dict) or not all(person.get(name) for name in _PERSON):
                raise _Refusal("101", f"缺少必要参数 {side}")
            if not (person.get("Mobile") or person.get("Tel")):
                raise _Refusal("101", f"缺少必要参数 {side}.Mobile")
            if any(_REFUSED_CHARACTERS.search(str(person[name])) for name in _PERSON):
                raise _Refusal("103", f"{side}含有特殊字符")
        goods = content.get("Commodity")
        if not goods or any(not one.get("GoodsName") for one in goods):
            raise _Refusal("101", "缺少必要参数 Commodity.GoodsName")
        if any(_REFUSED_CHARACTERS.search(str(one["GoodsName"])) for one in goods):
            raise _Refusal("103", "GoodsName含有特殊字符")
        if content.get("PayType") not in (1, 2, 3, 4) or int(content.get("Quantity", 0)) < 1:
            raise _Refusal("101", "缺少必要参数 PayType Quantity")
        for service in content.get("AddService") or []:
            if service.get("Name") == "COD" and not re.fullmatch(
                r"[0-9]{1,7}(\.[0-9]{1,2})?", str(service.get("Value"))
            ):
                raise _Refusal("101", "代收货款金额有误")
        if shipper not in SHIPPERS or shipper in self.closed:
            raise _Refusal("105", "网点暂停收件")
        if int(content["Quantity"]) > 1 and shipper not in self.consigning:
            raise _Refusal("105", "该快递公司不支持子母件")
        if self.left(shipper) < int(content["Quantity"]):
            raise _Refusal("105", "电子面单余量不足")

    def left(self, shipper: str) -> int:
        """How many waybills of the carrier are left."""
        return int(self.book.setting(f"left:{shipper}", str(_FIRST_BALANCE)))

    def _take(self, shipper: str, count: int) -> None:
        self.book.set(f"left:{shipper}", str(self.left(shipper) - count))

    def _courier(self, content: _Content) -> _Content:
        if not (content.get("StartDate") and content.get("EndDate")):
            raise _Refusal("101", "缺少必要参数 StartDate EndDate")
        return self._order(content, prefix="9")

    def _cancel(self, content: _Content) -> _Content:
        entry = self.book.of_order(_needed(content, "OrderCode"))
        if entry is None:
            raise _Refusal("105", "订单不存在")
        if any(one.traces(self.now(), self.speed) for one in self.book.of_consignment(entry.order_code)):
            raise _Refusal("105", "快件已揽收，不能取消")
        self.book.cancel(entry.order_code, self.now())
        return {}

    def _balance(self, content: _Content) -> _Content:
        shipper = _needed(content, "ShipperCode")
        return {"EorderBalance": {"ShipperCode": shipper, "AvailableNum": self.left(shipper)}}

    def _recognise(self, content: _Content) -> _Content:
        waybill = _needed(content, "LogisticCode")
        found = [
            {"ShipperCode": code, "ShipperName": name} for code, name in SHIPPERS.items() if waybill.startswith(code)
        ]
        return {"LogisticCode": waybill, "Code": "100", "Shippers": found}

    def _track(self, content: _Content) -> _Content:
        waybill = _needed(content, "LogisticCode")
        entry = self.book.of_waybill(waybill)
        shipper = str(content.get("ShipperCode") or (entry.shipper if entry else ""))
        if entry and shipper in _NEED_PHONE and content.get("CustomerName") not in _tails(entry):
            raise _Refusal("101", "请填写手机号后四位")
        traces = entry.traces(self.now(), self.speed) if entry and entry.shipper == shipper else []
        told = self._told(waybill, shipper, traces)
        return {**told, "OrderCode": str(content.get("OrderCode", "")), "ResultCode": "100"}

    def _subscribe(self, content: _Content) -> _Content:
        waybill, shipper = _needed(content, "LogisticCode"), _needed(content, "ShipperCode")
        if self.book.of_waybill(waybill) is None:
            code = f"subscribed-{waybill}"
            self.book.enter(code, shipper, waybill, content, self.now(), is_told=True)
        self.book.tell(waybill)
        return {"UpdateTime": _time(self.now()), "ShipperCode": shipper, "LogisticCode": waybill}

    # --- Pushes

    def push_of(self, waybill: str, traces: int, *, is_forged: bool = False, by_hand: bool = False) -> Posted | None:
        """See PushingPeer."""
        key = f"{self.keys.app_key}x" if is_forged else self.keys.app_key
        return self.write(waybill, traces, key=key, by_hand=by_hand) if self.notify_url else None

    def is_heard(self, status: int, text: str) -> bool:
        """See PushingPeer."""
        return is_heard_in(status, text)

    def write(self, waybill: str, traces: int, *, key: str = "", by_hand: bool = False) -> Posted:
        """The push of a parcel's first so many traces; `by_hand`: its fields are encoded twice."""
        entry = self.book.of_waybill(waybill)
        assert entry  # noqa: S101 - pushes are of parcels of the book
        told = self._told(waybill, entry.shipper, entry.story(self.speed)[:traces])
        data = json.dumps(
            {
                "EBusinessID": self.keys.business_id,
                "PushTime": _time(self.now()),
                "Count": "1",
                "Data": [{**told, "EBusinessID": self.keys.business_id, "OrderCode": entry.mother}],
            },
            ensure_ascii=False,
        )
        return self.wrapped(data, key=key, by_hand=by_hand)

    def wrapped(self, data: str, *, key: str = "", by_hand: bool = False, request_type: str = "102") -> Posted:
        """A JSON text as a push carries it, signed with its own key unless another one is given."""
        form = {"RequestData": data, "DataSign": sign(data, key or self.keys.app_key), "RequestType": request_type}
        if by_hand:
            form = {name: quote_plus(value) for name, value in form.items()}
        headers = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}
        return Posted(self.notify_url, urlencode(form), headers)

    def _told(self, waybill: str, shipper: str, traces: Sequence[Trace]) -> _Content:
        newest = traces[-1].code if traces else "0"
        return {
            "ShipperCode": shipper,
            "LogisticCode": waybill,
            "Success": True,
            "Reason": "" if traces else "暂无轨迹信息",
            "State": newest[0],
            "StateEx": newest,
            "Location": traces[-1].city if traces else "",
            "Traces": [
                {
                    "AcceptTime": _time(trace.at),
                    "AcceptStation": trace.text,
                    "Location": trace.city,
                    "Action": trace.code,
                }
                for trace in traces
            ],
        }

    def _list(self) -> Response:
        now = self.now()

        def row(entry: Entry) -> str:
            newest = (entry.traces(now, self.speed) or [_NOTHING])[-1].text
            text = "已取消" if entry.cancelled_at else newest
            return f"<tr><td>{entry.order_code}</td><td>{entry.waybill}</td><td>{text}</td></tr>"

        rows = "".join(map(row, reversed(self.book.entries()[-100:])))
        head = "<tr><th>单号 · number</th><th>运单号 · waybill</th><th></th></tr>"
        return page("快递鸟 (模拟) · Kdniao (simulated)", f"<table>{head}{rows}</table>")


_NOTHING = Trace("0", "暂无轨迹信息", "", 0.0)


def sign(data: str, app_key: str) -> str:
    """kdniao's signature of a JSON text."""
    digest = hashlib.md5((data + app_key).encode(), usedforsecurity=False)
    return base64.b64encode(digest.hexdigest().encode()).decode()


def is_heard_in(status: int, text: str) -> bool:
    """Whether an answer ends the repetitions."""
    try:
        return status == 200 and json.loads(text)["Success"] is True
    except (ValueError, KeyError, TypeError):
        return False


def _template(entry: Entry, waybill: str) -> str:
    return f"<div>{waybill} {entry.content['Receiver']['Name']}</div>"


def _needed(content: _Content, name: str) -> str:
    value = str(content.get(name) or "")
    if not value:
        raise _Refusal("101", f"缺少必要参数 {name}")
    return value


def _tails(entry: Entry) -> set[str]:
    people = (entry.content.get(side) or {} for side in ("Sender", "Receiver"))
    return {str(person.get("Mobile") or person.get("Tel") or "")[-4:] for person in people}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _json(content: _Content) -> Response:
    body = json.dumps(content, ensure_ascii=False).encode()
    return Response(body, headers={"content-type": "application/json; charset=utf-8"})
