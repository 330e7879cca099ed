"""A peer that speaks as kuaidi100 (快递100) does: it knows parcels of all carriers, tells where they are when it is
asked, and pushes the scans of those that were subscribed.

A parcel sets out when it is subscribed, or entered by `carry`. What kuaidi100's papers leave open is decided here: a
subscription that comes again is answered 501, a waybill without scans 500.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

from oms.common.zones import CHINA
from oms.simulators.keys import Kuaidi100Keys
from oms.simulators.mischief import Trick
from oms.simulators.notifying import Posted
from oms.simulators.pushing import PushingPeer
from oms.simulators.waybills import FINAL, Entry, Trace, WaybillBook
from oms.simulators.wsgi import Request, Response, page, tricked

_Content = dict[str, Any]
# What happens in the book, in kuaidi100's codes and words; the first digit but one is its coarse state.
WORDS = {
    "1": ("1", "103", "已揽收"),
    "204": ("0", "1002", "干线"),
    "205": ("0", "1001", "到达派件城市"),
    "202": ("5", "5", "派件"),
    "301": ("3", "301", "本人签收"),
    "405": ("2", "2", "疑难"),
    "404": ("14", "14", "拒签"),
    "407": ("6", "6", "退回"),
    "406": ("4", "4", "退签"),
}
_NEED_PHONE = ("shunfeng", "fengwang", "zhongtong")
_LOCKED_AFTER = 48  # queries of a number in a day
_BEGINNINGS = {"YT": "yuantong", "SF": "shunfeng", "ZTO": "zhongtong", "JT": "jtexpress"}


class Kuaidi100Peer(PushingPeer):
    """kuaidi100, as seen by the one who is registered with it."""

    pauses = (1800.0, 1800.0, 1800.0)

    def __init__(self, keys: Kuaidi100Keys, *, book: WaybillBook | None = None, speed: float = 1.0) -> None:
        super().__init__(book, speed)
        self.keys = keys
        self.asked: dict[tuple[str, int], int] = {}  # how often by number and day

    def __call__(self, request: Request) -> Response:
        """Answer a call, or a person's browser."""
        if request.path.endswith("autonumber/auto"):
            return _json(self._recognise({**request.query, **request.form}))
        if request.method != "POST":
            return self._list()
        do = self._query if request.path.endswith("query.do") else self._subscribe
        return tricked(
            self.mischief,
            lambda: _json(do(request.form)),
            {
                Trick.SYSTEM_ERROR_AFTER: lambda _done: _json(_failed("999", "服务器繁忙")),
                Trick.GARBAGE: lambda _done: Response(b"<html>nginx</html>"),
            },
        )

    def carry(self, com: str, waybill: str) -> None:
        """A carrier carries a parcel of which nobody asked to be told."""
        self.book.enter(waybill, com, waybill, {}, self.now(), is_told=False)

    # --- What it does

    def _query(self, form: Mapping[str, str]) -> _Content:
        param = form.get("param", "")
        if form.get("customer") != self.keys.customer:
            return _failed("502", "customer不存在")
        signature = _digest(f"{param}{self.keys.key}{self.keys.customer}")
        if not hmac.compare_digest(signature.encode(), form.get("sign", "").encode()):
            return _failed("503", "验证签名失败")
        content = _object(param)
        com, number = str(content.get("com") or ""), str(content.get("num") or "")
        if not com or com != com.lower() or not 6 <= len(number) <= 32:
            return _failed("400", "参数错误")
        if com in _NEED_PHONE and not content.get("phone"):
            return _failed("408", "请输入手机号")
        day = (number, int(self.now() // 86400))
        self.asked[day] = self.asked.get(day, 0) + 1
        if self.asked[day] > _LOCKED_AFTER:
            return _failed("604", "单号查询过于频繁，已锁定")
        entry = self.book.of_waybill(number)
        traces = entry.traces(self.now(), self.speed) if entry and entry.shipper == com else []
        if not entry or not traces:
            return _failed("500", "查询无结果，请隔段时间再查")
        return {"message": "ok", **self._told(entry, traces)}

    def _subscribe(self, form: Mapping[str, str]) -> _Content:
        content = _object(form.get("param", ""))
        parameters = content.get("parameters")
        if form.get("schema") != "json" or not isinstance(parameters, dict) or not parameters.get("callbackurl"):
            return _failed("400", "参数错误")
        if content.get("key") != self.keys.key:
            return _failed("600", "您不是合法的订阅者")
        com, number = str(content.get("company") or ""), str(content.get("number") or "")
        if not com or com != com.lower() or not 6 <= len(number) <= 32:
            return _failed("700", "订阅方的订阅数据存在错误")
        entry = self.book.of_waybill(number)
        if entry is None:
            entry, _is_new = self.book.enter(number, com, number, {}, self.now(), is_told=False)
        if entry.is_told:
            return _failed("501", "重复订阅")
        told = {"url": parameters["callbackurl"], "salt": parameters.get("salt", "")}
        self.book.set(f"subscribed:{number}", json.dumps(told))
        self.book.tell(number)
        return {"result": True, "returnCode": "200", "message": "提交成功"}

    def _recognise(self, content: Mapping[str, str]) -> Any:
        if content.get("key") != self.keys.key:
            return _failed("601", "key无效")
        number = content.get("num", "")
        return [{"comCode": com, "noCount": 1} for start, com in _BEGINNINGS.items() if number.startswith(start)]

    # --- Pushes

    def push_of(self, waybill: str, traces: int, *, is_forged: bool = False, by_hand: bool = False) -> Posted | None:
        """See PushingPeer."""
        entry = self.book.of_waybill(waybill)
        told = json.loads(self.book.setting(f"subscribed:{waybill}", "{}"))
        if entry is None or not told:
            return None
        known = entry.story(self.speed)[:traces]
        status = "shutdown" if known[-1].code in FINAL else "polling"
        param = {"status": status, "message": "", "autoCheck": "0", "comOld": "", "comNew": ""}
        text = json.dumps({**param, "lastResult": self._told(entry, known)}, ensure_ascii=False)
        return self.wrapped(told["url"], text, told["salt"] + ("x" if is_forged else ""), by_hand=by_hand)

    @staticmethod
    def wrapped(url: str, param: str, salt: str, *, by_hand: bool = False, in_small: bool = False) -> Posted:
        """A JSON text as a push carries it, signed with the salt; `in_small`: the signature is in small letters."""
        signature = _digest(f"{param}{salt}")
        form = {"param": param, "sign": signature.lower() if in_small else signature}
        if by_hand:
            form["param"] = quote_plus(form["param"])
        return Posted(url, urlencode(form), {"content-type": "application/x-www-form-urlencoded;charset=utf-8"})

    def is_heard(self, status: int, text: str) -> bool:
        """See PushingPeer."""
        try:
            return status == 200 and json.loads(text)["result"] is True
        except (ValueError, KeyError, TypeError):
            return False

    def _told(self, entry: Entry, traces: Sequence[Trace]) -> _Content:
        state = WORDS[traces[-1].code][0]
        return {
            "nu": entry.waybill,
            "com": entry.shipper,
            "ischeck": "1" if state == "3" else "0",
            "status": "200",
            "state": state,
            "condition": "00",
            "data": [
                {
                    "time": _time(trace.at),
                    "ftime": _time(trace.at),
                    "context": trace.text,
                    "location": trace.city,
                    "status": WORDS[trace.code][2],
                    "statusCode": WORDS[trace.code][1],
                }
                for trace in reversed(traces)
            ],
        }

    def _list(self) -> Response:
        now = self.now()
        rows = "".join(
            f"<tr><td>{entry.shipper}</td><td>{entry.waybill}</td>"
            f"<td>{traces[-1].text if (traces := entry.traces(now, self.speed)) else '–'}</td></tr>"
            for entry in reversed(self.book.entries()[-100:])
        )
        head = "<tr><th>快递公司 · carrier</th><th>运单号 · waybill</th><th></th></tr>"
        return page("快递100 (模拟) · Kuaidi100 (simulated)", f"<table>{head}{rows}</table>")


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def _failed(code: str, message: str) -> _Content:
    return {"result": False, "returnCode": code, "message": message}


def _object(text: str) -> _Content:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _json(content: Any) -> Response:
    return Response(json.dumps(content, ensure_ascii=False).encode(), headers={"content-type": "application/json"})
