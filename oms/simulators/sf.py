"""A peer that speaks as SF's platform 丰桥 does: orders, child numbers, routes that are pushed and answered, sending
back and elsewhere.

What SF's papers leave open is decided here: an order number that comes again is refused with 8016.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

from oms.common.zones import CHINA
from oms.simulators.carrier_peer import CarrierPeer
from oms.simulators.keys import SfKeys
from oms.simulators.mischief import Trick
from oms.simulators.notifying import Posted
from oms.simulators.waybills import TOO_LATE, Entry, Trace, WaybillBook
from oms.simulators.wsgi import Request, Response, tricked

_Content = dict[str, Any]
# What the book says, in SF's codes and words.
_OPERATIONS = {
    "1": ("50", "顺丰速运 已收取快件"),
    "204": ("31", "快件到达集散中心"),
    "205": ("31", "快件到达营业点"),
    "202": ("44", "正在派送途中，请您准备签收（派件人：李四，电话：13700003333）"),
    "301": ("80", "已签收，感谢使用顺丰，期待再次为您服务"),
    "405": ("70", "由于无人在家，派件不成功"),
    "404": ("70", "由于客户拒收，派件不成功"),
    "413": ("648", "应寄件人要求，快件已拦截退回"),
    "407": ("648", "快件已退回"),
    "406": ("80", "退回快件已签收"),
}


class _Refusal(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class SfPeer(CarrierPeer):
    """SF, as seen by a customer with a monthly card."""

    title = "顺丰速运 (模拟) · SF Express (simulated)"

    def __init__(
        self, keys: SfKeys, *, book: WaybillBook | None = None, notify_url: str = "", speed: float = 1.0
    ) -> None:
        super().__init__(book=book, notify_url=notify_url, speed=speed)
        self.keys = keys
        self.tokens: set[str] = set()
        self._services: Mapping[str, Callable[[_Content], Any]] = {
            "EXP_RECE_CREATE_ORDER": self._order,
            "EXP_RECE_SEARCH_ORDER_RESP": self._search,
            "EXP_RECE_UPDATE_ORDER": self._update,
            "EXP_RECE_GET_SUB_MAILNO": self._children,
            "EXP_RECE_FILTER_ORDER_BSP": self._filter,
            "EXP_RECE_SEARCH_ROUTES": self._routes,
            "EXP_RECE_WANTED_INTERCEPT": self._intercept,
        }

    def __call__(self, request: Request) -> Response:
        """Answer a call, or a person's browser."""
        if request.method != "POST":
            return self.page(lambda trace: _OPERATIONS.get(trace.code, ("", trace.text))[1])
        if request.path.endswith("/accessToken"):
            return _json(self._token(request.query))
        return tricked(
            self.mischief,
            lambda: _json(self._answer(request.form)),
            {
                Trick.SYSTEM_ERROR_AFTER: lambda _done: _json(_outer("A1099", "系统异常")),
                Trick.GARBAGE: lambda _done: Response(b"<html>nginx</html>"),
            },
        )

    def _token(self, query: Mapping[str, str]) -> _Content:
        if (query.get("partnerID"), query.get("secret")) != (self.keys.partner_id, self.keys.check_word):
            return _outer("A1006", "数字签名无效")
        self.tokens.add(secrets.token_hex(16))
        return _outer("A1000", "") | {"accessToken": [*self.tokens][-1], "expiresIn": 7200}

    def _answer(self, form: Mapping[str, str]) -> _Content:
        data = form.get("msgData", "")
        given = form.get("msgDigest", "").encode()
        expected = sign(data, form.get("timestamp", ""), self.keys.check_word).encode()
        if form.get("partnerID") != self.keys.partner_id:
            return _outer("A1004", "无对应服务权限")
        if not hmac.compare_digest(expected, given) and form.get("accessToken") not in self.tokens:
            return _outer("A1006", "数字签名无效")
        do = self._services.get(form.get("serviceCode", ""))
        if do is None:
            return _outer("A1004", "无对应服务权限")
        try:
            content = json.loads(data)
            inner = {"success": True, "errorCode": "S0000", "errorMsg": None, "msgData": do(content)}
        except ValueError:
            inner = {"success": False, "errorCode": "S0001", "errorMsg": "非法的JSON格式"}
        except _Refusal as refusal:
            inner = {"success": False, "errorCode": refusal.code, "errorMsg": refusal.reason}
        return _outer("A1000", "") | {"apiResultData": json.dumps(inner, ensure_ascii=False)}

    # --- What it does

    def _order(self, content: _Content) -> _Content:
        code = str(content.get("orderId") or "")
        if self.book.of_order(code) is None:
            self._check(content)
        people = {person.get("contactType"): person for person in content.get("contactInfoList") or []}
        kept = {
            **content,
            "Sender": {"CityName": people.get(1, {}).get("city", "")},
            "Receiver": {"CityName": people.get(2, {}).get("city", "")},
        }
        children = [_number() for _one in range(int(content.get("parcelQty") or 1) - 1)]
        entry, is_new = self.book.enter(code, "SF", _number(), kept, self.now(), is_told=True, children=children)
        if not is_new:
            raise _Refusal("8016", "重复下单")
        return self._made(entry)

    def _check(self, content: _Content) -> None:
        if not content.get("orderId"):
            raise _Refusal("6100", "客户订单号不能为空")
        people = {person.get("contactType"): person for person in content.get("contactInfoList") or []}
        if not {1, 2} <= people.keys():
            raise _Refusal("6104", "收寄双方信息不能为空")
        for person in people.values():
            if not person.get("address") or not (person.get("mobile") or person.get("tel")):
                raise _Refusal("6105", "地址和电话不能为空")
        if not content.get("cargoDetails") or not all(one.get("name") for one in content["cargoDetails"]):
            raise _Refusal("6138", "托寄物名称不能为空")
        if content.get("payMethod") == 1 and content.get("monthlyCard") not in (None, self.keys.monthly_card):
            raise _Refusal("6126", "月结卡号不合法")
        if self.is_closed:
            raise _Refusal("6200", "收件地址暂停服务")

    def _made(self, entry: Entry) -> _Content:
        people = {person.get("contactType"): person for person in entry.content.get("contactInfoList") or []}
        city = str(people.get(2, {}).get("city") or "深圳市")
        numbers = [{"waybillType": 1, "waybillNo": entry.waybill}]
        numbers += [{"waybillType": 2, "waybillNo": one} for one in self.book.children(entry.order_code)]
        data = {
            "waybillNo": entry.waybill,
            "destRouteLabel": f"{city[:2]}-755WE-571A3",
            "codingMapping": "F33",
            "destTransferCode": "755WE",
            "sourceCityCode": "010",
            "sourceDeptCode": "010A",
            "destCityCode": "021",
            "destDeptCode": "021B",
            "proName": "顺丰标快",
        }
        return {
            "orderId": entry.order_code,
            "originCode": "010",
            "destCode": "021",
            "filterResult": 2,
            "remark": "",
            "waybillNoInfoList": numbers,
            "routeLabelInfo": [{"code": "1000", "routeLabelData": data, "message": "SF-ROUTE"}],
        }

    def _known(self, content: _Content) -> Entry:
        entry = self.book.of_order(str(content.get("orderId") or ""))
        if entry is None:
            raise _Refusal("8018", "未获取到订单信息")
        return entry

    def _search(self, content: _Content) -> _Content:
        return self._made(self._known(content))

    def _update(self, content: _Content) -> _Content:
        entry = self._known(content)
        if entry.cancelled_at is not None:
            raise _Refusal("8037", "已消单")
        if int(content.get("dealType") or 1) == 1:
            if self.book.setting(f"confirmed:{entry.order_code}", ""):
                raise _Refusal("8019", "订单已确认")
            self.book.set(f"confirmed:{entry.order_code}", "yes")
        elif any(one.traces(self.now(), self.speed) for one in self.book.of_consignment(entry.order_code)):
            raise _Refusal("8252", "订单已揽收，不能取消")
        else:
            self.book.cancel(entry.order_code, self.now())
        return {"orderId": entry.order_code, "resStatus": 2}

    def _children(self, content: _Content) -> _Content:
        entry = self._known(content)
        new = [_number() for _one in range(int(content.get("parcelQty") or 0))]
        self.book.add_children(entry.order_code, new)
        numbers = [{"waybillType": 2, "waybillNo": one} for one in new]
        return {"orderId": entry.order_code, "parcelQty": len(new), "waybillNoInfoList": numbers}

    def _filter(self, content: Any) -> _Content:
        order = content[0] if isinstance(content, list) and content else content
        return {"orderId": order.get("orderId"), "filterResult": 3 if self.is_closed else 2, "remark": ""}

    def _routes(self, content: _Content) -> _Content:
        wanted = content.get("trackingNumber")
        numbers = wanted if isinstance(wanted, list) else [wanted]
        by_order = str(content.get("trackingType")) == "2"
        told = []
        for number in map(str, numbers):
            entry = self.book.of_order(number) if by_order else self.book.of_waybill(number)
            traces = entry.traces(self.now(), self.speed) if entry and _knows(entry, content) else []
            mail = entry.waybill if entry else number
            told.append({"mailNo": mail, "routes": [_route(trace) for trace in traces]})
        return {"routeResps": told}

    def _intercept(self, content: _Content) -> None:
        entry = self.book.of_waybill(str(content.get("waybillNo") or ""))
        if entry is None:
            raise _Refusal("8018", "运单不存在")
        if not content.get("newDestAddress"):
            raise _Refusal("6106", "新地址不能为空")
        codes = [trace.code for trace in entry.traces(self.now(), self.speed)]
        if entry.turned_at is not None and content.get("serviceCode") == "2":
            return None  # asked before
        if entry.cancelled_at is not None or not codes or codes[-1] in TOO_LATE:
            raise _Refusal("8060", "当前状态不支持该操作")
        if content.get("serviceCode") == "2" and not self.lies:
            self.book.turn_back(entry.waybill, self.now())
        if content.get("serviceCode") == "1":
            place = content["newDestAddress"]
            told = {"newDestAddress": place, "Receiver": {"CityName": place.get("city", "")}}
            self.book.change(entry.order_code, {**entry.content, **told})
        return None

    # --- Pushes

    def push_of(self, waybill: str, traces: int, *, is_forged: bool = False, by_hand: bool = False) -> Posted | None:
        """The push of one route."""
        if not self.notify_url:
            return None
        entry = self.of_waybill(waybill)
        route = _route(entry.story(self.speed)[traces - 1])
        told = {**route, "mailno": waybill, "orderid": entry.mother, "id": f"{traces}", "reasonCode": ""}
        token = "x" if is_forged else self.keys.push_token
        body = json.dumps({"Body": {"WaybillRoute": [told]}}, ensure_ascii=False)
        return Posted(f"{self.notify_url}?token={token}", body, {"content-type": "application/json;charset=UTF-8"})

    def is_heard(self, status: int, text: str) -> bool:
        """Whether an answer ends the repetitions."""
        try:
            return status == 200 and json.loads(text)["return_code"] == "0000"
        except (ValueError, KeyError, TypeError):
            return False


def sign(data: str, timestamp: str, check_word: str) -> str:
    """SF's digest of a JSON text."""
    encoded = quote_plus(f"{data}{timestamp}{check_word}", safe="*").replace("~", "%7E")
    return base64.b64encode(hashlib.md5(encoded.encode(), usedforsecurity=False).digest()).decode()


def _number() -> str:
    return f"SF{secrets.randbelow(10**13):013d}"


def _route(trace: Trace) -> dict[str, str]:
    code, text = _OPERATIONS[trace.code]
    at = datetime.fromtimestamp(trace.at, CHINA).strftime("%Y-%m-%d %H:%M:%S")
    return {"acceptTime": at, "acceptAddress": trace.city, "remark": text, "opCode": code}


def _knows(entry: Entry, content: Mapping[str, Any]) -> bool:
    """Whether the one who asks told the end of a phone that the parcel has, or asks by the order."""
    people = entry.content.get("contactInfoList") or []
    tails = {str(person.get("mobile") or person.get("tel") or "")[-4:] for person in people}
    return str(content.get("trackingType")) == "2" or content.get("checkPhoneNo") in tails


def _outer(code: str, message: str) -> _Content:
    return {"apiResultCode": code, "apiErrorMsg": message, "apiResponseID": secrets.token_hex(16)}


def _json(content: object) -> Response:
    return Response(
        json.dumps(content, ensure_ascii=False).encode(), headers={"content-type": "application/json;charset=UTF-8"}
    )
