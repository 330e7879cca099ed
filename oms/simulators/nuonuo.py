"""A peer that speaks as 诺诺 does: tokens, invoices that take their time, red letters to be confirmed, documents.

It keeps its invoices in a book, in memory unless one is given, and works by a clock of its own, which a test may turn.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from oms.simulators import fapiao
from oms.simulators.bureau import Bureau, Confirmation, Content, Fapiao
from oms.simulators.keys import NuonuoKeys
from oms.simulators.mischief import Mischief, Trick
from oms.simulators.wsgi import Request, Response, page, tricked

ISSUES_AFTER_SECONDS = 8.0
CONFIRM_WITHIN_SECONDS = 72 * 3600.0
SUCCESS, DUPLICATE, NOT_FOUND, INVALID, DISCOUNT = "E0000", "E9106", "E9500", "E9101", "E9105"
# Titles that the bureau refuses once it is asked to issue.
REFUSED_TITLES = "不存在"
# Titles of companies that book what they get at once: a red letter then needs their confirmation.
BOOKING_TITLES = "已入账"


class _Refusal(Exception):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.answer = {"code": code, "describe": text}


class NuonuoPeer:
    """诺诺, as seen by the one who is registered with it."""

    def __init__(self, keys: NuonuoKeys, address: str, bureau: Bureau | None = None, *, speed: float = 1.0) -> None:
        self.keys, self.address, self.speed = keys, address, speed
        self.bureau, self.tokens = bureau or Bureau(), set[str]()
        self.mischief: Mischief[Trick] = Mischief()
        self.token_calls = 0
        self.turned = 0.0  # by how many seconds its clock was turned
        self._lock = threading.RLock()
        self._methods: dict[str, Callable[[Content], Any]] = {
            "nuonuo.OpeMplatform.requestBillingNew": self._request,
            "nuonuo.OpeMplatform.queryInvoiceResult": self._query,
            "nuonuo.OpeMplatform.reInvoice": self._seal_again,
            "nuonuo.OpeMplatform.saveInvoiceRedConfirm": self._confirm,
            "nuonuo.OpeMplatform.queryInvoiceRedConfirm": self._query_confirmation,
        }

    def now(self) -> float:
        """Its own time."""
        return time.time() + self.turned

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.turned += seconds

    def __call__(self, request: Request) -> Response:
        """Answer a call, or a person's browser."""
        with self._lock:
            self._work()
            match [part for part in request.path.split("/") if part]:
                case ["accessToken"]:
                    return self._token(request)
                case ["open", "v1", "services"]:
                    return tricked(self.mischief, lambda: self._call(request), {Trick.SYSTEM_ERROR_AFTER: _busy})
                case ["pdf", name]:
                    return self._pdf(name.removesuffix(".pdf"))
                case []:
                    return self._list()
            return Response(b"not found", 404)

    # --- The gateway

    def _token(self, request: Request) -> Response:
        self.token_calls += 1
        form = request.form
        if (form.get("client_id"), form.get("client_secret")) != (self.keys.app_key, self.keys.app_secret):
            return _json({"error": "070304", "error_description": "bad credentials"}, 400)
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return _json({"access_token": token, "expires_in": "86400"})

    def _call(self, request: Request) -> Response:
        query, body = request.query, request.body.decode()
        text = (
            f"a=services&l=v1&p=open&k={query.get('appkey')}&i={query.get('senid')}&n={query.get('nonce')}"
            f"&t={query.get('timestamp')}&f={body}"
        )
        wanted = base64.b64encode(hmac.new(self.keys.app_secret.encode(), text.encode(), hashlib.sha1).digest())
        if query.get("appkey") != self.keys.app_key:
            return _json({"code": "070101", "describe": "appkey无效"})
        if not hmac.compare_digest(wanted.decode(), request.headers.get("x-nuonuo-sign", "")):
            return _json({"code": "070201", "describe": "签名错误"})
        if request.headers.get("accesstoken") not in self.tokens:
            return _json({"code": "070304", "describe": "bad credentials"})
        do = self._methods.get(request.headers.get("method", ""))
        if do is None:
            return _json({"code": "070102", "describe": "method不存在"})
        try:
            return _json({"code": SUCCESS, "describe": "成功", "result": do(json.loads(body))})
        except _Refusal as refusal:
            return _json(refusal.answer)
        except (KeyError, ValueError, ArithmeticError) as error:
            return _json({"code": INVALID, "describe": f"参数无效 {error}"})

    # --- What it does

    def _request(self, content: Content) -> Content:
        order = content["order"]
        number = str(order["orderNo"])
        if not number or len(number) > 64:
            raise _Refusal(INVALID, "订单号")
        if number in self.bureau.by_number:
            raise _Refusal(DUPLICATE, "订单编号不能重复")
        if order.get("salerTaxNum") != self.keys.tax_number:
            raise _Refusal(INVALID, "销方税号与授权税号不一致")
        if order["invoiceLine"] == "bs" and not order.get("buyerTaxNum"):
            raise _Refusal(INVALID, "专票购方税号不能为空")
        _check(order["invoiceDetail"])
        made = self._make(number, order)
        return {"invoiceSerialNum": made.serial}

    def _make(self, number: str, order: Content, of: Fapiao | None = None) -> Fapiao:
        now = self.now()
        made = Fapiao(number, order, now, now + ISSUES_AFTER_SECONDS / self.speed, secrets.token_hex(10), of)
        self.bureau.keep(made)
        return made

    def _work(self) -> None:
        """What became due by its clock: invoices are issued or refused, confirmations end."""
        now = self.now()
        for one in self.bureau.open_invoices():
            if one.due_at <= now:
                if REFUSED_TITLES in str(one.order.get("buyerName", "")):
                    one.status, one.cause = "22", "购方名称与税务登记信息不一致"
                else:
                    one.status, one.issued_at = "2", now
                    one.official = f"26{len(self.bureau.by_number):06}{secrets.randbelow(10**12):012}"
                self.bureau.keep(one)
        for confirmation in self.bureau.open_confirmations():
            before = confirmation.status, confirmation.red
            if confirmation.status == "15":
                needs_buyer = BOOKING_TITLES in str(confirmation.blue.order.get("buyerName", ""))
                confirmation.status = "02" if needs_buyer else "01"
            if confirmation.status == "02" and confirmation.entered_at + CONFIRM_WITHIN_SECONDS / self.speed <= now:
                confirmation.status = "07"
            if confirmation.status in ("01", "04") and confirmation.red is None:
                number = str(confirmation.order.get("orderNo") or confirmation.number)
                confirmation.red = self._make(number, _red_order(confirmation), confirmation.blue)
            if before != (confirmation.status, confirmation.red):
                self.bureau.keep(confirmation)

    def agree(self, number: str, *, to: bool = True) -> None:
        """The buyer confirms a red letter, or refuses it."""
        confirmation = self.bureau.confirmations[number]
        confirmation.status = "04" if to else "05"
        self.bureau.keep(confirmation)

    def _query(self, content: Content) -> list[Content]:
        found = [self.bureau.by_number.get(str(number)) for number in content["orderNos"]]
        if not any(found):
            raise _Refusal(NOT_FOUND, "未查询到开票结果")
        return [self._shown(one) for one in found if one]

    def _shown(self, one: Fapiao) -> Content:
        shown: Content = {
            "serialNo": one.serial,
            "orderNo": one.number,
            "status": one.status,
            "statusMsg": {"2": "开票完成", "22": "开票失败"}.get(one.status, "开票中"),
            "failCause": one.cause,
            "exTaxAmount": str(one.sum("taxExcludedAmount")),
            "taxAmount": str(one.sum("tax")),
            "orderAmount": str(one.sum("taxIncludedAmount")),
        }
        if one.status == "2":
            shown |= {
                "allElectronicInvoiceNumber": one.official,
                "invoiceTime": int(one.issued_at * 1000),
                "pdfUrl": f"{self.address}/pdf/{one.official}.pdf",
            }
        return shown

    def _seal_again(self, content: Content) -> str:
        one = self.bureau.by_number.get(str(content.get("orderno")))
        if one is None or one.status != "24":
            raise _Refusal(NOT_FOUND, "没有可重试的发票")
        one.status, one.due_at = "20", self.now()
        self.bureau.keep(one)
        return ""

    def _confirm(self, content: Content) -> str:
        number = str(content["billId"])
        if not number or len(number) > 32 or len(str(content.get("orderNo", ""))) > 20:
            raise _Refusal(INVALID, "红字确认单申请号")
        if number in self.bureau.confirmations:
            raise _Refusal(DUPLICATE, "红字确认单申请号不能重复")
        blue = self.bureau.official(str(content["blueElecInvoiceNumber"]))
        if blue is None or blue.of is not None:
            raise _Refusal(INVALID, "未找到对应蓝票")
        self._check_red(blue, content)
        self.bureau.keep(Confirmation(number, blue, content, self.now(), "15"))
        return number

    def _check_red(self, blue: Fapiao, content: Content) -> None:
        """No line goes below what is left of it; one made out wrongly is taken back whole."""
        if content["redReason"] not in ("1", "2", "3", "4"):
            raise _Refusal(INVALID, "冲红原因")
        details = content.get("detail")
        if not details:
            if self._taken(blue):
                raise _Refusal(INVALID, "该发票已部分冲红")
            return
        taken = self._taken(blue)
        for line in details:
            place = int(line["blueDetailIndex"])
            net, tax = taken.get(place, (Decimal(0), Decimal(0)))
            left_net, left_tax = _pair(blue, place)
            net, tax = net + Decimal(line["taxExcludedAmount"]), tax + Decimal(line["taxAmount"])
            if net > 0 or tax > 0 or left_net + net < 0 or left_tax + tax < 0:
                raise _Refusal(INVALID, f"第{place}行冲红金额超过剩余金额")
            taken[place] = net, tax

    def _taken(self, blue: Fapiao) -> dict[int, tuple[Decimal, Decimal]]:
        """What confirmations in force take back of each line: net and tax, below 0."""
        taken: dict[int, tuple[Decimal, Decimal]] = {}
        for one in self.bureau.confirmations_of(blue):
            if one.status not in ("01", "02", "03", "04", "15"):
                continue
            for line in _red_order(one)["invoiceDetail"]:
                net, tax = taken.get(line["place"], (Decimal(0), Decimal(0)))
                taken[line["place"]] = net + Decimal(line["taxExcludedAmount"]), tax + Decimal(line["tax"])
        return taken

    def _query_confirmation(self, content: Content) -> Content:
        found = self.bureau.confirmations.get(str(content["billId"]))
        if found is None:
            return {"total": 0, "list": []}
        return {
            "total": 1,
            "list": [
                {
                    "billNo": found.number,
                    "billStatus": found.status,
                    "openStatus": int(found.red is not None),
                    "blueInvoiceNumber": found.blue.official,
                }
            ],
        }

    def _pdf(self, official: str) -> Response:
        one = self.bureau.official(official)
        if one is None:
            return Response(b"not found", 404)
        return Response(fapiao.draw(one), headers={"content-type": "application/pdf"})

    def _list(self) -> Response:
        rows = "".join(
            f"<tr><td>{one.number}</td><td>{one.official}</td><td>{one.sum('taxIncludedAmount')}</td>"
            f"<td>{one.status} {one.cause}</td></tr>"
            for one in reversed(list(self.bureau.by_number.values())[-100:])
        )
        head = "<tr><th>单号 · number</th><th>发票号码 · invoice</th><th>元 · yuan</th><th></th></tr>"
        return page("诺诺 (模拟) · Nuonuo (simulated)", f"<table>{head}{rows}</table>")


def _check(lines: list[Content]) -> None:
    """The bureau's rules of lines: sums, tax by rate, discounts next to their goods."""
    if not lines or len(lines) > 2000:
        raise _Refusal(INVALID, "明细行数")
    for place, line in enumerate(lines):
        net, tax, gross = (Decimal(line[name]) for name in ("taxExcludedAmount", "tax", "taxIncludedAmount"))
        if net + tax != gross or abs(net * Decimal(line["taxRate"]) - tax) > Decimal("0.06"):
            raise _Refusal(INVALID, f"第{place + 1}行金额税额不符")
        if len(str(line["goodsCode"])) != 19:
            raise _Refusal(INVALID, f"第{place + 1}行税收分类编码")
        role = line["invoiceLineProperty"]
        goods = lines[place - 1] if place else {}
        if role == "1" and (
            goods.get("invoiceLineProperty") != "2"
            or any(goods.get(name) != line.get(name) for name in ("goodsName", "goodsCode", "taxRate"))
            or gross > 0
            or line.get("num")
            or gross + Decimal(goods["taxIncludedAmount"]) < 0
        ):
            raise _Refusal(DISCOUNT, f"第{place + 1}行折扣行有误")
        following = lines[place + 1] if place + 1 < len(lines) else {}
        if role == "2" and following.get("invoiceLineProperty") != "1":
            raise _Refusal(DISCOUNT, f"第{place + 1}行被折扣行后没有折扣行")
        if role != "1" and gross <= 0:
            raise _Refusal(INVALID, f"第{place + 1}行金额")
    if sum(Decimal(line["taxIncludedAmount"]) for line in lines) <= 0:
        raise _Refusal(INVALID, "合计金额不能为0")


def _pair(blue: Fapiao, place: int) -> tuple[Decimal, Decimal]:
    """Net and tax of the line at a place (from 1), with its discount."""
    line = blue.lines[place - 1]
    net, tax = Decimal(line["taxExcludedAmount"]), Decimal(line["tax"])
    if line["invoiceLineProperty"] == "2":
        discount = blue.lines[place]
        net, tax = net + Decimal(discount["taxExcludedAmount"]), tax + Decimal(discount["tax"])
    return net, tax


def _red_order(confirmation: Confirmation) -> Content:
    """The red invoice of a confirmation: whole lines of the blue one, or those that it names."""
    blue = confirmation.blue
    details = confirmation.order.get("detail")
    if not details:
        places = [place for place, line in enumerate(blue.lines, 1) if line["invoiceLineProperty"] != "1"]
        amounts = {place: tuple(-amount for amount in _pair(blue, place)) for place in places}
    else:
        amounts = {
            int(line["blueDetailIndex"]): (Decimal(line["taxExcludedAmount"]), Decimal(line["taxAmount"]))
            for line in details
        }
    lines = [
        {
            **{name: blue.lines[place - 1][name] for name in ("goodsName", "goodsCode", "taxRate")},
            "invoiceLineProperty": "0",
            "place": place,
            "taxExcludedAmount": str(net),
            "tax": str(tax),
            "taxIncludedAmount": str(net + tax),
        }
        for place, (net, tax) in amounts.items()
        if net or tax
    ]
    names = ("buyerName", "buyerTaxNum", "salerTaxNum", "invoiceLine")
    return {**{name: blue.order.get(name, "") for name in names}, "invoiceDetail": lines, "of": blue.official}


def _busy(_response: Response) -> Response:
    return _json({"code": "070001", "describe": "系统繁忙"})


def _json(content: Content, status: int = 200) -> Response:
    body = json.dumps(content, ensure_ascii=False).encode()
    return Response(body, status, {"content-type": "application/json; charset=utf-8"})


def issued_on(one: Fapiao) -> str:
    """The day on which it was issued."""
    return f"{datetime.fromtimestamp(one.issued_at, UTC):%Y-%m-%d}"
