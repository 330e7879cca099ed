"""A peer that speaks as JD Logistics' platform LOP does: orders, traces that are pushed and answered, interception,
other recipients.

What JD's papers leave open is decided here: an order number that comes again is refused with 3001 and its first
waybill, and pushes have the form of answers.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from oms.common.zones import CHINA
from oms.simulators.carrier_peer import CarrierPeer
from oms.simulators.keys import JdlKeys
from oms.simulators.mischief import Trick
from oms.simulators.notifying import Posted
from oms.simulators.waybills import TOO_LATE, Entry, Trace, WaybillBook
from oms.simulators.wsgi import Request, Response, tricked

_Content = dict[str, Any]
# What the book says, in JD's words: the step, and what is told.
_STEPS = {
    "1": ("揽收", "您的快件已揽收"),
    "204": ("运输", "您的快件已到达分拣中心"),
    "205": ("运输", "您的快件已到达营业部"),
    "202": ("派送", "您的快件正在派送，快递员李四 13700003333"),
    "301": ("妥投", "您的快件已签收"),
    "405": ("再投", "无人签收，改日再派"),
    "404": ("拒收", "收件人拒收"),
    "413": ("拦截", "应商家要求，快件已拦截"),
    "407": ("退回", "您的快件正在退回"),
    "406": ("退回签收", "退回的快件已签收"),
}
_ALGORITHMS = {"HMacMD5": "md5", "HMacSHA1": "sha1", "HMacSHA256": "sha256", "HMacSHA512": "sha512"}


class _Refusal(Exception):
    def __init__(self, code: str, reason: str, data: _Content | None = None) -> None:
        super().__init__(reason)
        self.answer = {"success": False, "code": code, "msg": reason, "data": data}


class JdlPeer(CarrierPeer):
    """JD Logistics, as seen by a customer."""

    title = "京东物流 (模拟) · JD Logistics (simulated)"

    def __init__(
        self, keys: JdlKeys, *, book: WaybillBook | None = None, notify_url: str = "", speed: float = 1.0
    ) -> None:
        super().__init__(book=book, notify_url=notify_url, speed=speed)
        self.keys = keys
        self._paths: Mapping[str, Callable[[_Content], Any]] = {
            "/ecap/v1/orders/precheck": self._precheck,
            "/ecap/v1/orders/create": self._create,
            "/ecap/v1/orders/cancel": self._cancel,
            "/ecap/v1/orders/modify": self._modify,
            "/ecap/v1/orders/trace/query": self._traces,
            "/ecap/v1/orders/actualfee/query": self._fee,
        }

    def __call__(self, request: Request) -> Response:
        """Answer a call, or a person's browser."""
        if request.method != "POST":
            return self.page(lambda trace: _STEPS.get(trace.code, ("", trace.text))[1])
        return tricked(
            self.mischief,
            lambda: _json(self._answer(request)),
            {
                Trick.SYSTEM_ERROR_AFTER: lambda _done: _json({"success": False, "code": "9999", "msg": "系统繁忙"}),
                Trick.GARBAGE: lambda _done: Response(b"<html>nginx</html>"),
            },
        )

    def _answer(self, request: Request) -> _Content:
        query, body = request.query, request.body.decode()
        try:
            if (query.get("app_key"), query.get("access_token")) != (self.keys.app_key, self.keys.access_token):
                raise _Refusal("2001", "access_token无效")
            expected = sign(request.path, body, query, self.keys.app_secret)
            if not hmac.compare_digest(expected.encode(), query.get("sign", "").encode()):
                raise _Refusal("2002", "签名错误")
            do = self._paths.get(request.path)
            if do is None:
                raise _Refusal("2003", "接口不存在")
            content = json.loads(body)
            if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
                raise _Refusal("1001", "参数格式错误")
            return {"success": True, "code": "0", "msg": "成功", "data": do(content[0])}
        except ValueError:
            return _Refusal("1001", "参数格式错误").answer
        except _Refusal as refusal:
            return refusal.answer

    # --- What it does

    def _precheck(self, content: _Content) -> _Content:
        self._check(content)
        return {"pickupTimes": [], "products": [{"productCode": "ed-m-0001"}]}

    def _create(self, content: _Content) -> _Content:
        code = str(content.get("orderId") or "")
        if not code:
            raise _Refusal("1002", "orderId不能为空")
        if self.book.of_order(code) is None:
            self._check(content)
        kept = {**content, "Sender": {"CityName": "始发"}, "Receiver": {"CityName": "目的"}}
        waybill = f"JDV{secrets.randbelow(10**12):012d}"
        entry, is_new = self.book.enter(code, "JD", waybill, kept, self.now(), is_told=True)
        if not is_new:
            raise _Refusal("3001", "订单号重复", self._made(entry) if entry.cancelled_at is None else None)
        return self._made(entry)

    def _check(self, content: _Content) -> None:
        for side in ("senderContact", "receiverContact"):
            person = content.get(side) or {}
            if not person.get("name") or not person.get("fullAddress"):
                raise _Refusal("1003", f"{side}不完整")
            if not (person.get("mobile") or person.get("phone")):
                raise _Refusal("1004", f"{side}电话不能为空")
        if content.get("orderOrigin") in (1, 2) and content.get("customerCode") != self.keys.customer_code:
            raise _Refusal("1005", "customerCode不正确")
        if self.is_closed:
            raise _Refusal("1100", "收件地址超区")

    def _made(self, entry: Entry) -> _Content:
        return {
            "customerOrderId": entry.order_code,
            "orderCode": f"ECO{entry.waybill[3:]}",
            "waybillCode": entry.waybill,
            "presortResult": {
                "aging": "B1",
                "road": "12",
                "siteId": "021B",
                "siteName": "目的营业部",
                "sourceSortCenterId": "010A",
                "sourceSortCenterName": "始发分拣中心",
                "targetSortCenterId": "021A",
                "targetSortCenterName": "目的分拣中心",
            },
        }

    def _known(self, content: _Content) -> Entry:
        entry = self.book.of_waybill(str(content.get("waybillCode") or ""))
        if entry is None:
            entry = self.book.of_order(str(content.get("customerOrderId") or ""))
        if entry is None or content.get("customerCode") not in (None, self.keys.customer_code):
            raise _Refusal("1200", "订单不存在")
        return entry

    def _cancel(self, content: _Content) -> _Content:
        entry = self._known(content)
        codes = [trace.code for trace in entry.traces(self.now(), self.speed)]
        if entry.turned_at is not None or entry.cancelled_at is not None:
            return {"resultType": 1 if entry.turned_at else 0}
        if not codes:
            self.book.cancel(entry.order_code, self.now())
            return {"resultType": 0}
        if codes[-1] in TOO_LATE:
            raise _Refusal("1201", "当前状态不能拦截")
        if not self.lies:
            self.book.turn_back(entry.waybill, self.now())
        return {"resultType": 1}

    def _modify(self, content: _Content) -> _Content:
        entry = self._known(content)
        codes = [trace.code for trace in entry.traces(self.now(), self.speed)]
        if entry.cancelled_at is not None or entry.turned_at is not None or (codes and codes[-1] in TOO_LATE):
            raise _Refusal("1202", "当前状态不能修改")
        self.book.change(entry.order_code, {**entry.content, "receiverContact": content.get("receiverContact")})
        return {"waybillCode": entry.waybill}

    def _traces(self, content: _Content) -> _Content:
        entry = self._known(content)
        traces = entry.traces(self.now(), self.speed)
        return {"waybillCode": entry.waybill, "traceDetails": [_trace(one, entry.waybill) for one in traces]}

    def _fee(self, content: _Content) -> _Content:
        entry = self._known(content)
        return {"waybillCode": entry.waybill, "sumMoney": 12.0}

    # --- Pushes

    def push_of(self, waybill: str, traces: int, *, is_forged: bool = False, by_hand: bool = False) -> Posted | None:
        """The push of one trace."""
        if not self.notify_url:
            return None
        trace = self.of_waybill(waybill).story(self.speed)[traces - 1]
        token = "x" if is_forged else self.keys.push_token
        body = json.dumps({"traceDetails": [_trace(trace, waybill)]}, ensure_ascii=False)
        return Posted(f"{self.notify_url}?token={token}", body, {"content-type": "application/json;charset=UTF-8"})

    def is_heard(self, status: int, text: str) -> bool:
        """Whether an answer ends the repetitions."""
        try:
            return status == 200 and json.loads(text)["success"] is True
        except (ValueError, KeyError, TypeError):
            return False


def sign(path: str, body: str, query: Mapping[str, str], secret: str) -> str:
    """JD's signature of a call."""
    parts = ("access_token", query.get("access_token", ""), "app_key", query.get("app_key", ""), "method", path)
    more = ("param_json", body, "timestamp", query.get("timestamp", ""), "v", "2.0")
    content = f"{secret}{''.join((*parts, *more))}{secret}".encode()
    algorithm = query.get("algorithm", "md5-salt")
    if algorithm not in _ALGORITHMS:
        return hashlib.md5(content, usedforsecurity=False).hexdigest()
    return base64.b64encode(hmac.digest(secret.encode(), content, _ALGORITHMS[algorithm])).decode()


def _trace(trace: Trace, waybill: str) -> dict[str, str]:
    step, text = _STEPS[trace.code]
    at = datetime.fromtimestamp(trace.at, CHINA).strftime("%Y-%m-%d %H:%M:%S")
    told = {"operationTime": at, "categoryName": step, "operationRemark": text, "operationSite": trace.city}
    return {"waybillCode": waybill, **told}


def _json(content: object) -> Response:
    return Response(
        json.dumps(content, ensure_ascii=False).encode(), headers={"content-type": "application/json;charset=UTF-8"}
    )
