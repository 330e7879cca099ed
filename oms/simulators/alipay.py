"""A peer that speaks as Alipay does: the gateway, notifications, and a page on which a person pays."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from oms.common import signatures
from oms.common.money import fen_text
from oms.common.zones import CHINA
from oms.simulators import bills, books, certificates, counters
from oms.simulators.bills import alipay as forms
from oms.simulators.books import Book, BookError, Notice, Refund, Trade
from oms.simulators.certificates import Certified
from oms.simulators.keys import AlipayKeys
from oms.simulators.mischief import BillTrick, Mischief, Trick, Twist
from oms.simulators.notifying import Posted
from oms.simulators.numbers import trade_no
from oms.simulators.wsgi import Request, Response, page, redirect, tricked

# Alipay repeats what was not heard after these pauses, in seconds.
PAUSES = (240, 600, 600, 3600, 7200, 21600, 54000)
_TIME = "%Y-%m-%d %H:%M:%S"
_Content = dict[str, Any]

_COMPLAINT_STATUS = {
    books.COMPLAINED: "MERCHANT_PROCESSING",
    books.ANSWERED: "MERCHANT_FEEDBACKED",
    books.OVER: "FINISHED",
}
_REFUSALS = {
    books.UNKNOWN: ("ACQ.TRADE_NOT_EXIST", "交易不存在"),
    books.ALREADY_PAID: ("ACQ.TRADE_HAS_SUCCESS", "交易已被支付"),
    books.ALREADY_CLOSED: ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"),
    books.OTHER_AMOUNT: ("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改"),
    books.NOT_PAID: ("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"),
    books.TOO_MUCH: ("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效"),
}


class _Refusal(Exception):
    """Alipay's answer that something cannot be done."""

    def __init__(self, sub_code: str, sub_msg: str, code: str = "40004", msg: str = "Business Failed") -> None:
        super().__init__(sub_code)
        self.content = {"code": code, "msg": msg, "sub_code": sub_code, "sub_msg": sub_msg}


class AlipayPeer:
    """Alipay, as seen by the one merchant that is registered with it."""

    def __init__(self, keys: AlipayKeys, address: str, book: Book | None = None) -> None:
        self.keys, self.address, self.book = keys, address, book or Book()
        self.mischief: Mischief[Trick] = Mischief()
        self.bills = bills.Desk(lambda: self.book)
        self._theirs = signatures.public_key(keys.app.public)
        # In certificate mode: what it has, and how often its certificate was asked for.
        self.certified: Certified | None = None
        self.certificates_asked = 0
        self._methods: Mapping[str, Callable[[_Content, dict[str, str]], _Content]] = {
            "alipay.trade.precreate": self._precreate,
            "alipay.trade.query": self._query,
            "alipay.trade.close": self._close,
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._refund_query,
            "alipay.data.dataservice.bill.downloadurl.query": self._bill,
            "alipay.open.app.alipaycert.download": self._certificate,
            "alipay.merchant.tradecomplain.query": self._complaint,
        }

    def __call__(self, request: Request) -> Response:
        """Answer a request of the merchant's, or of a person's browser."""
        if request.path == "/gateway.do":
            return self._gateway(request)
        if request.path == "/bill":
            return self._file(request.query.get("token", ""))
        return counters.serve(self, "支付宝 (模拟) · Alipay (simulated)", request)

    # --- The gateway

    def _gateway(self, request: Request) -> Response:
        given = {**request.query, **(request.form if request.method == "POST" else {})}
        method = given.get("method", "")
        text = "&".join(f"{name}={value}" for name, value in sorted(given.items()) if name != "sign" and value)
        if given.get("sign_type") != "RSA2" or not signatures.is_signed(self._theirs, text, given.get("sign", "")):
            return _unsigned({"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-signature"})
        if given.get("app_id") != self.keys.app_id:
            return _unsigned({"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-app-id"})
        if not self._names_our_certificates(given):
            return _unsigned({"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-app-cert-sn"})
        content = json.loads(given.get("biz_content") or "{}")
        if method in ("alipay.trade.page.pay", "alipay.trade.wap.pay"):
            return self._cashier(content, given)
        return self._answered(method, lambda: self._do(method, content, given))

    @property
    def _ours(self) -> RSAPrivateKey:
        return signatures.private_key((self.certified.pair if self.certified else self.keys.alipay).private)

    def _names_our_certificates(self, given: Mapping[str, str]) -> bool:
        if self.certified is None:
            return "app_cert_sn" not in given
        numbers = certificates.number(self.certified.app), certificates.number(self.certified.authority.root)
        return (given.get("app_cert_sn"), given.get("alipay_root_cert_sn")) == numbers

    def _certificate(self, content: _Content, _given: dict[str, str]) -> _Content:
        self.certificates_asked += 1
        if self.certified is None or content["alipay_cert_sn"] != certificates.number(self.certified.own):
            raise _Refusal("ACQ.INVALID_PARAMETER", "alipay_cert_sn")
        return {"alipay_cert_content": base64.b64encode(certificates.text(self.certified.own).encode()).decode()}

    def _do(self, method: str, content: _Content, given: dict[str, str]) -> _Content:
        if method not in self._methods:
            return _Refusal("isv.invalid-method", "不存在的方法名", "40004").content
        try:
            return {"code": "10000", "msg": "Success", **self._methods[method](content, given)}
        except BookError as error:
            return _Refusal(*_REFUSALS[error.reason]).content
        except _Refusal as refusal:
            return refusal.content
        except (KeyError, ValueError, InvalidOperation) as error:
            return _Refusal("ACQ.INVALID_PARAMETER", f"参数无效 {error}").content

    def _answered(self, method: str, do: Callable[[], _Content]) -> Response:
        name = f"{method.replace('.', '_')}_response"

        def signed(content: _Content, *, sign: bool = True, rightly: bool = True) -> Response:
            inner = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            signature = signatures.sign(self._ours, inner if rightly else f"{inner} ")
            serial = f',"alipay_cert_sn":"{certificates.number(self.certified.own)}"' if self.certified else ""
            end = f'{serial},"sign":"{signature}"' if sign else serial
            return Response(f'{{"{name}":{inner}{end}}}'.encode(), headers={"content-type": "application/json"})

        said: list[_Content] = []

        def answer() -> Response:
            said.append(do())
            return signed(said[0])

        system_error = _Refusal("ACQ.SYSTEM_ERROR", "系统错误").content
        return tricked(
            self.mischief,
            answer,
            {
                Trick.SYSTEM_ERROR_AFTER: lambda _response: signed(system_error),
                Trick.BAD_SIGNATURE: lambda _response: signed(said[0], rightly=False),
                Trick.UNSIGNED: lambda _response: signed(said[0], sign=False),
            },
        )

    def _open(self, content: _Content, given: dict[str, str], *, is_scanned: bool) -> Trade:
        number, subject = str(content["out_trade_no"]), str(content["subject"])
        if not number or len(number) > 64 or not number.replace("_", "").isalnum():
            raise _Refusal("ACQ.INVALID_PARAMETER", "out_trade_no")
        expires = content.get("time_expire")
        return self.book.open(
            number,
            _fen(content["total_amount"]),
            code=counters.new_code("bax"),
            subject=subject[:256],
            notify_url=given.get("notify_url", ""),
            return_url=given.get("return_url", ""),
            expires_at=_read_time(expires) if expires else None,
            is_scanned=is_scanned,
        )

    def _precreate(self, content: _Content, given: dict[str, str]) -> _Content:
        trade = self._open(content, given, is_scanned=False)
        return {"out_trade_no": trade.number, "qr_code": self.code_of(trade)}

    def code_of(self, trade: Trade) -> str:
        """What the QR code of a trade holds: a page of this peer."""
        return f"{self.address}/qr/{trade.code}"

    def _cashier(self, content: _Content, given: dict[str, str]) -> Response:
        try:
            return redirect(self.code_of(self._open(content, given, is_scanned=True)))
        except (BookError, _Refusal, KeyError, ValueError) as error:
            return page("支付宝 (模拟)", f"<p>{error}</p>")

    def _known(self, content: _Content) -> Trade:
        """A trade exists only once its code was scanned."""
        if content.get("trade_no"):
            found = [trade for trade in self.book.newest_trades(10_000) if trade_no(trade) == content["trade_no"]]
            if not found:
                raise BookError(books.UNKNOWN)
            return found[0]
        trade = self.book.trade(str(content["out_trade_no"]))
        if not trade.is_scanned:
            raise BookError(books.UNKNOWN)
        return trade

    def _query(self, content: _Content, _given: dict[str, str]) -> _Content:
        trade = self._known(content)
        said = {
            "trade_no": trade_no(trade),
            "out_trade_no": trade.number,
            "trade_status": self._status(trade),
            "total_amount": fen_text(trade.fen),
            "buyer_logon_id": "138****0001",
        }
        if trade.paid_at:
            amounts = dict.fromkeys(("receipt_amount", "buyer_pay_amount", "invoice_amount"), fen_text(trade.fen))
            said |= {"send_pay_date": _time(trade.paid_at), "point_amount": "0.00", **amounts}
        return said

    def _status(self, trade: Trade) -> str:
        if trade.status == books.PAID:
            return "TRADE_CLOSED" if self.book.given_back(trade.number) >= trade.fen else "TRADE_SUCCESS"
        return "WAIT_BUYER_PAY" if trade.status == books.WAITING else "TRADE_CLOSED"

    def _close(self, content: _Content, _given: dict[str, str]) -> _Content:
        trade = self._known(content)
        if trade.status == books.PAID:
            raise _Refusal("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        self.book.close(trade.number)
        return {"trade_no": trade_no(trade), "out_trade_no": trade.number}

    def _refund(self, content: _Content, _given: dict[str, str]) -> _Content:
        trade, fen = self._known(content), _fen(content["refund_amount"])
        number = str(content.get("out_request_no") or "")
        if not number and fen != trade.fen:
            raise _Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "部分退款必须有退款请求号")
        _refund, is_new = self.book.refund(trade.number, number or trade.number, fen, status=books.REFUNDED)
        return {
            "trade_no": trade_no(trade),
            "out_trade_no": trade.number,
            "fund_change": "Y" if is_new else "N",
            "refund_fee": fen_text(self.book.given_back(trade.number)),
            "buyer_logon_id": "138****0001",
        }

    def _refund_query(self, content: _Content, _given: dict[str, str]) -> _Content:
        trade = self._known(content)
        try:
            refund = self.book.refund_of(str(content["out_request_no"]))
        except BookError:
            return {}
        return {
            "trade_no": trade_no(trade),
            "out_trade_no": trade.number,
            "out_request_no": refund.number,
            "total_amount": fen_text(trade.fen),
            "refund_amount": fen_text(refund.fen),
            "refund_status": "REFUND_SUCCESS",
            "gmt_refund_pay": _time(refund.ended_at or refund.created_at),
        }

    def _bill(self, content: _Content, _given: dict[str, str]) -> _Content:
        kind, day = str(content["bill_type"]), date.fromisoformat(str(content["bill_date"]))
        write = {"trade": forms.trade_bill, "signcustomer": forms.fund_bill}[kind]
        try:
            told, entries, trick = self.bills.entries(day)
        except bills.NotGenerated:
            raise _Refusal("isp.bill_not_exist", "账单不存在") from None
        file = write(bills.alipay_account(self.keys), told, entries)
        if trick == BillTrick.CORRUPT:
            file = file[: len(file) // 2] + bytes([file[len(file) // 2] ^ 0xFF]) + file[len(file) // 2 + 1 :]
        if trick == BillTrick.CUT_OFF:
            file = file[: len(file) // 2]
        return {"bill_download_url": f"{self.address}/bill?{urlencode({'token': self.bills.put(file)})}"}

    def _file(self, token: str) -> Response:
        file = self.bills.fetch(token)
        return (
            Response(b"expired", 404) if file is None else Response(file, headers={"content-type": "application/zip"})
        )

    def _complaint(self, content: _Content, _given: dict[str, str]) -> _Content:
        complaint = self.book.complaint(str(content["complain_event_id"]))
        trade = self.book.trade(complaint.trade)
        return {
            "complain_event_id": complaint.number,
            "status": _COMPLAINT_STATUS[complaint.status],
            "trade_no": trade_no(trade),
            "merchant_order_no": trade.number,
            "gmt_create": _time(complaint.created_at),
            "gmt_modified": _time(books.now()),
            "complain_reason": "与商家协商",
            "content": complaint.text,
            "trade_amount": fen_text(trade.fen),
        }

    # --- Notifications

    def write(self, notice: Notice, twist: Twist = Twist.NOTHING) -> Posted | None:
        """The notification as it is posted; None where the merchant named no address."""
        refund = self.book.refund_of(notice.subject) if notice.kind == "refund" else None
        complaint = self.book.complaint(notice.subject) if notice.kind == "complaint" else None
        about = refund or complaint
        trade = self.book.trade(about.trade if about else notice.subject)
        if not trade.notify_url:
            return None
        form = self._complaint_form(notice) if complaint else self._form(trade, refund, notice)
        if twist == Twist.WRONG_AMOUNT:
            form["total_amount"] = fen_text(trade.fen + 100)
        if twist == Twist.WRONG_APP:
            form["app_id"] = "2026999999999999"
        if self.certified:
            form["alipay_cert_sn"] = certificates.number(self.certified.own)
        signed = "&".join(f"{name}={form[name]}" for name in sorted(form) if name != "sign_type")
        form["sign"] = signatures.sign(self._ours, signed + (" " if twist == Twist.BAD_SIGNATURE else ""))
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        return Posted(trade.notify_url, urlencode(form), headers)

    def _complaint_form(self, notice: Notice) -> dict[str, str]:
        """Alipay says only that there is something new."""
        return {
            "notify_id": f"complaint{notice.id:06}",
            "utc_timestamp": str(int(books.now() * 1000)),
            "msg_method": "alipay.merchant.tradecomplain.changed",
            "app_id": self.keys.app_id,
            "version": "1.1",
            "charset": "UTF-8",
            "sign_type": "RSA2",
            "biz_content": json.dumps({"complain_event_id": notice.subject}),
        }

    def _form(self, trade: Trade, refund: Refund | None, notice: Notice) -> dict[str, str]:
        amounts = ("total_amount", "receipt_amount", "buyer_pay_amount", "invoice_amount")
        form = {
            "notify_time": _time(books.now()),
            "notify_type": "trade_status_sync",
            "notify_id": f"{trade_no(trade)}{notice.id:06}",
            "app_id": self.keys.app_id,
            "auth_app_id": self.keys.app_id,
            "charset": "utf-8",
            "version": "1.0",
            "sign_type": "RSA2",
            "trade_no": trade_no(trade),
            "out_trade_no": trade.number,
            "buyer_logon_id": "138****0001",
            "seller_id": self.keys.seller_id,
            "trade_status": self._status(trade) if refund or notice.kind != "paid" else "TRADE_SUCCESS",
            **dict.fromkeys(amounts, fen_text(trade.fen)),
            "point_amount": "0.00",
            "subject": trade.subject,
            "body": "",
            "gmt_create": _time(trade.created_at),
        }
        if trade.paid_at:
            form["gmt_payment"] = _time(trade.paid_at)
        if trade.closed_at:
            form["gmt_close"] = _time(trade.closed_at)
        if refund:
            form |= {
                "refund_fee": fen_text(self.book.given_back(trade.number)),
                "gmt_refund": f"{_time(refund.ended_at or refund.created_at)}.123",
                "out_biz_no": refund.number,
            }
        return form

    def is_heard(self, status: int, text: str) -> bool:
        """Whether the answer ends the repetitions."""
        return 200 <= status < 300 and text.strip() == "success"


def _unsigned(content: _Content) -> Response:
    return Response(json.dumps({"error_response": content}).encode(), headers={"content-type": "application/json"})


def _fen(text: Any) -> int:
    amount = Decimal(str(text))
    if not amount.is_finite() or amount <= 0 or amount != round(amount, 2):
        raise _Refusal("ACQ.INVALID_PARAMETER", "金额")
    return int(amount * 100)


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, CHINA).strftime(_TIME)


def _read_time(text: str) -> float:
    return datetime.strptime(text, _TIME).replace(tzinfo=CHINA).timestamp()
