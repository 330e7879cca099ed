"""A peer that speaks as Cainiao's waybill service (菜鸟电子面单) does: waybills, given back and counted.

What Cainiao's papers leave open is decided here: a package that comes again gets its first waybill.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from oms.simulators.carrier_peer import CarrierPeer
from oms.simulators.keys import CainiaoKeys
from oms.simulators.mischief import Trick
from oms.simulators.notifying import Posted
from oms.simulators.waybills import Entry, WaybillBook
from oms.simulators.wsgi import Request, Response, tricked

_Content = dict[str, Any]
_FIRST_BALANCE = 10_000
_MOST_PARCELS = 10


class _Refusal(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class CainiaoPeer(CarrierPeer):
    """Cainiao, as seen by a shipper; its parcels are tracked elsewhere."""

    title = "菜鸟电子面单 (模拟) · Cainiao waybills (simulated)"

    def __init__(self, keys: CainiaoKeys, *, book: WaybillBook | None = None, speed: float = 1.0) -> None:
        super().__init__(book=book, speed=speed)
        self.keys = keys
        self.speaks_xml = False
        self._messages: Mapping[str, Callable[[_Content], _Content]] = {
            "TMS_WAYBILL_GET": self._get,
            "TMS_WAYBILL_DISCARD": self._discard,
            "TMS_WAYBILL_SUBSCRIPTION_QUERY": self._count,
        }

    def push_of(self, waybill: str, traces: int, *, is_forged: bool = False, by_hand: bool = False) -> Posted | None:
        """Cainiao's waybills are not followed here."""
        return None

    def is_heard(self, status: int, text: str) -> bool:
        """Never asked."""
        return True

    def __call__(self, request: Request) -> Response:
        """Answer a call, or a person's browser."""
        if request.method != "POST":
            return self.page()
        busy = {"success": "false", "errorCode": "S07", "errorMsg": "系统繁忙"}
        return tricked(
            self.mischief,
            lambda: self._written(self._answer(request.form)),
            {
                Trick.SYSTEM_ERROR_AFTER: lambda _done: self._written(busy),
                Trick.GARBAGE: lambda _done: Response(b"<html>nginx</br>"),
            },
        )

    def _answer(self, form: Mapping[str, str]) -> _Content:
        data, given = form.get("logistics_interface", ""), form.get("data_digest", "")
        try:
            if form.get("logistic_provider_id") != self.keys.token:
                raise _Refusal("S03", "非法的物流公司")
            if not hmac.compare_digest(sign(data, self.keys.app_secret).encode(), given.encode()):
                raise _Refusal("S02", "非法的数字签名")
            do = self._messages.get(form.get("msg_type", ""))
            if do is None:
                raise _Refusal("S04", "非法的通知类型")
            return {"success": "true", **do(json.loads(data))}
        except ValueError:
            return {"success": "false", "errorCode": "S01", "errorMsg": "非法的内容格式"}
        except _Refusal as refusal:
            return {"success": "false", "errorCode": refusal.code, "errorMsg": refusal.reason}

    def _get(self, content: _Content) -> _Content:
        carrier, parcels = str(content.get("cpCode") or ""), content.get("tradeOrderInfoDtos") or []
        if not carrier or not 1 <= len(parcels) <= _MOST_PARCELS:
            raise _Refusal("PARAM_ERROR", "cpCode或订单数不合法")
        for parcel in parcels:
            self._check(parcel)
        made = []
        for parcel in parcels:
            code = str(parcel["packageInfo"].get("id") or parcel.get("objectId"))
            waybill = f"{carrier}{secrets.randbelow(10**13):013d}"
            kept = {**content, "tradeOrderInfoDtos": [parcel]}
            entry, is_new = self.book.enter(code, carrier, waybill, kept, self.now(), is_told=False)
            if entry.cancelled_at is not None:
                raise _Refusal("BUSINESS_CANCELLED", "面单已取消")
            if is_new:
                self.book.set(f"left:{carrier}", str(self.left(carrier) - 1))
            made.append(self._made(entry, str(parcel.get("objectId") or "")))
        return {"waybillCloudPrintResponseList": made}

    def _check(self, parcel: _Content) -> None:
        if self.is_closed:
            raise _Refusal("BUSINESS_CLOSED", "网点暂停服务")
        recipient = parcel.get("recipient") or {}
        place = recipient.get("address") or {}
        if not recipient.get("oaid") and not (
            recipient.get("name") and (recipient.get("mobile") or recipient.get("phone"))
        ):
            raise _Refusal("PARAM_RECIPIENT", "收件人姓名和电话不能为空")
        if not (place.get("province") and place.get("detail")):
            raise _Refusal("PARAM_ADDRESS", "收件地址不完整")
        if not parcel.get("packageInfo", {}).get("items"):
            raise _Refusal("PARAM_ITEMS", "商品不能为空")
        if not parcel.get("orderInfo", {}).get("tradeOrderList"):
            raise _Refusal("PARAM_TRADE", "订单号不能为空")

    def _made(self, entry: Entry, object_id: str) -> _Content:
        city = str(entry.content["tradeOrderInfoDtos"][0]["recipient"]["address"].get("city") or "")
        data = {
            "data": {
                "cpCode": entry.shipper,
                "waybillCode": entry.waybill,
                "routingInfo": {
                    "sortation": {"name": f"{city[:2]} 010-03"},
                    "routeCode": "380D-56-04",
                    "consolidation": {"name": f"{city[:2]}集包", "code": "P010"},
                    "origin": {"code": "010A", "name": "始发网点"},
                },
            },
            "templateURL": str(entry.content["tradeOrderInfoDtos"][0].get("templateUrl") or ""),
        }
        return {
            "objectId": object_id,
            "waybillCode": entry.waybill,
            "printData": json.dumps(data, ensure_ascii=False),
        }

    def left(self, carrier: str) -> int:
        """How many waybills of the carrier are left."""
        return int(self.book.setting(f"left:{carrier}", str(_FIRST_BALANCE)))

    def _discard(self, content: _Content) -> _Content:
        entry = self.book.of_waybill(str(content.get("waybillCode") or ""))
        if entry is None:
            raise _Refusal("BUSINESS_UNKNOWN", "面单不存在")
        if entry.traces(self.now(), self.speed):
            return {"discardResult": "false"}
        self.book.cancel(entry.order_code, self.now())
        return {"discardResult": "true"}

    def _count(self, content: _Content) -> _Content:
        carrier = str(content.get("cpCode") or "YTO")
        account = {"branchCode": "010A", "branchName": "始发网点", "quantity": str(self.left(carrier))}
        return {"waybillApplySubscriptionCols": [{"cpCode": carrier, "branchAccountCols": [account]}]}

    def _written(self, answer: _Content) -> Response:
        if self.speaks_xml:
            return Response(f"<response>{_xml(answer)}</response>".encode(), headers={"content-type": "text/xml"})
        text = json.dumps(answer, ensure_ascii=False)
        return Response(text.encode(), headers={"content-type": "application/json;charset=UTF-8"})


def sign(data: str, app_secret: str) -> str:
    """Cainiao's digest of a JSON text."""
    return base64.b64encode(hashlib.md5((data + app_secret).encode(), usedforsecurity=False).digest()).decode()


_ELEMENTS = {
    "waybillCloudPrintResponseList": "waybillCloudPrintResponse",
    "waybillApplySubscriptionCols": "waybillApplySubscriptionInfo",
    "branchAccountCols": "waybillBranchAccount",
}


def _xml(value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        return "".join(f"<{key}>{_xml(one, key)}</{key}>" for key, one in value.items())
    if isinstance(value, list):
        return "".join(f"<{_ELEMENTS[name]}>{_xml(one)}</{_ELEMENTS[name]}>" for one in value)
    return escape(str(value))
