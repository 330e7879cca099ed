"""A peer that speaks as WeChat Pay's version 3 does, and a page on which a person pays."""

import base64
import gzip
import hashlib
import json
import re
import secrets
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding

from oms.common import signatures
from oms.common.zones import CHINA
from oms.simulators import bills, books, counters, keys
from oms.simulators.bills import wechat as forms
from oms.simulators.books import Book, BookError, Notice, Refund, Trade
from oms.simulators.keys import WechatKeys
from oms.simulators.mischief import BillTrick, Mischief, Trick, Twist
from oms.simulators.notifying import Posted
from oms.simulators.numbers import refund_id, transaction_id
from oms.simulators.wsgi import Request, Response, tricked

# WeChat repeats what was not heard after these pauses, in seconds.
PAUSES = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
SCHEME = "WECHATPAY2-SHA256-RSA2048"
_Said = tuple[int, dict[str, Any] | None]
_AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')
_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{6,32}")

_REFUSALS = {
    books.UNKNOWN: (404, "ORDER_NOT_EXIST", "订单不存在"),
    books.ALREADY_PAID: (400, "ORDERPAID", "订单已支付"),
    books.ALREADY_CLOSED: (400, "ORDER_CLOSED", "订单已关闭"),
    books.OTHER_AMOUNT: (400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致"),
    books.NOT_PAID: (400, "INVALID_REQUEST", "订单未支付"),
    books.TOO_MUCH: (403, "NOT_ENOUGH", "可退金额不足"),
}
_COMPLAINT_STATE = {books.COMPLAINED: "PENDING", books.ANSWERED: "PROCESSING", books.OVER: "PROCESSED"}
_REFUND_STATUS = {books.PROCESSING: "PROCESSING", books.REFUNDED: "SUCCESS", books.FAILED: "ABNORMAL"}


class _Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.said: _Said = (status, {"code": code, "message": message})


class WechatPeer:
    """WeChat Pay, as seen by the one merchant that is registered with it."""

    def __init__(self, known: WechatKeys, address: str, book: Book | None = None) -> None:
        self.keys, self.address, self.book = known, address, book or Book()
        self.mischief: Mischief[Trick] = Mischief()
        self.bills = bills.Desk(lambda: self.book)
        self._ours = signatures.private_key(known.platform.private)
        self._theirs = signatures.public_key(known.merchant.public)
        self.certificate = keys.certificate(known.platform)
        self.certificate_serial = f"{self.certificate.serial_number:X}"
        # Whose key signs notifications, and how often the certificates were asked for.
        self.notice_serial, self.certificates_asked = known.public_key_id, 0

    def __call__(self, request: Request) -> Response:
        """Answer a request of the merchant's, or of a person's browser."""
        if not request.path.startswith("/v3/"):
            return counters.serve(self, "微信支付 (模拟) · WeChat Pay (simulated)", request)
        if request.path == "/v3/billdownload/file":
            return self._file(request)
        return self._answered(request, lambda: self._checked(request))

    # --- Requests

    def _is_merchants(self, request: Request) -> bool:
        """Whether the merchant signed the request, just now."""
        given = dict(_AUTHORIZATION.findall(request.headers.get("authorization", "")))
        lines = (request.method, request.target, given.get("timestamp", ""), given.get("nonce_str", ""))
        text = "".join(f"{line}\n" for line in (*lines, request.body.decode()))
        is_fresh = abs(books.now() - float(given.get("timestamp") or 0)) < 300
        is_known = (given.get("mchid"), given.get("serial_no")) == (self.keys.mchid, self.keys.merchant_serial)
        signed = signatures.is_signed(self._theirs, text, given.get("signature", ""))
        return is_fresh and is_known and signed and bool(request.headers.get("user-agent"))

    def _checked(self, request: Request) -> _Said:
        if not self._is_merchants(request):
            return 401, {"code": "SIGN_ERROR", "message": "签名错误"}
        try:
            return self._do(request, json.loads(request.body) if request.body else {})
        except BookError as error:
            status, code, message = _REFUSALS[error.reason]
            return status, {"code": code, "message": message}
        except _Refusal as refusal:
            return refusal.said
        except (KeyError, ValueError, TypeError) as error:
            return 400, {"code": "PARAM_ERROR", "message": f"参数错误 {error}"}

    def _do(self, request: Request, content: dict[str, Any]) -> _Said:
        match request.method, [unquote(part) for part in request.path.split("/")[2:]]:
            case "GET", ["certificates"]:
                return 200, self._certificates()
            case "POST", ["pay", "transactions", "native" | "jsapi" | "h5" | "app" as way]:
                return 200, self._order(content, way)
            case "GET", ["pay", "transactions", "out-trade-no", number]:
                self._must_be_ours(request.query)
                return 200, self._shown(self.book.trade(number))
            case "GET", ["pay", "transactions", "id", transaction]:
                self._must_be_ours(request.query)
                return 200, self._shown(self._by_transaction(transaction))
            case "POST", ["pay", "transactions", "out-trade-no", number, "close"]:
                self._must_be_ours(content)
                self.book.close(number)
                return 204, None
            case "POST", ["refund", "domestic", "refunds"]:
                return 200, self._refund(content)
            case "GET", ["refund", "domestic", "refunds", number]:
                return 200, self._refund_shown(self._refund_of(number))
            case "GET", ["merchant-service", "complaints-v2", number]:
                return 200, self._complaint(number)
            case "GET", ["bill", "tradebill" | "fundflowbill" as kind]:
                return 200, self._bill(kind, request.query)
        return 404, {"code": "RESOURCE_NOT_EXISTS", "message": "资源不存在"}

    def _complaint(self, number: str) -> dict[str, Any]:
        try:
            complaint = self.book.complaint(number)
        except BookError:
            raise _Refusal(404, "RESOURCE_NOT_EXISTS", "投诉单不存在") from None
        trade = self.book.trade(complaint.trade)
        order = {"transaction_id": transaction_id(trade), "out_trade_no": trade.number, "amount": trade.fen}
        return {
            "complaint_id": complaint.number,
            "complaint_time": _time(complaint.created_at),
            "complaint_detail": complaint.text,
            "complaint_state": _COMPLAINT_STATE[complaint.status],
            "complaint_order_info": [order],
        }

    def _bill(self, kind: str, given: dict[str, str]) -> dict[str, Any]:
        try:
            _told, entries, trick = self.bills.entries(date.fromisoformat(given["bill_date"]))
        except bills.NotGenerated:
            raise _Refusal(400, "STATEMENT_CREATING", "账单生成中") from None
        is_trade = kind == "tradebill"
        file = forms.trade_bill(self.keys.appid, self.keys.mchid, entries) if is_trade else forms.fund_bill(entries)
        digest = hashlib.sha1(file, usedforsecurity=False).hexdigest()
        if trick == BillTrick.CORRUPT:
            file = file.replace(b"1", b"7", 1)
        if trick == BillTrick.CUT_OFF:
            file = file[: len(file) // 2]
        if given.get("tar_type") == "GZIP":
            file = gzip.compress(file)
        url = f"{self.address}/v3/billdownload/file?token={self.bills.put(file)}"
        return {"download_url": url, "hash_type": "SHA1", "hash_value": digest}

    def _file(self, request: Request) -> Response:
        """The file itself: asked for with a signature, answered without one."""
        if not self._is_merchants(request):
            return Response(b'{"code": "SIGN_ERROR"}', 401)
        file = self.bills.fetch(request.query.get("token", ""))
        return Response(b'{"code": "INVALID_REQUEST"}', 400) if file is None else Response(file)

    def _must_be_ours(self, given: Any) -> None:
        if given.get("mchid") != self.keys.mchid:
            raise _Refusal(400, "MCH_NOT_EXISTS", "商户号不存在")

    def _order(self, content: dict[str, Any], way: str) -> dict[str, Any]:
        self._must_be_ours(content)
        number, fen, url = str(content["out_trade_no"]), content["amount"]["total"], str(content["notify_url"])
        if content["appid"] != self.keys.appid:
            raise _Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
        if not _NUMBER.fullmatch(number) or not isinstance(fen, int) or fen < 1 or "?" in url:
            raise ValueError("out_trade_no, amount, notify_url")
        if not 0 < len(content["description"]) <= 127 or (way == "jsapi" and not content["payer"]["openid"]):
            raise ValueError("description, payer")
        expires = content.get("time_expire")
        trade = self.book.open(
            number,
            fen,
            code=counters.new_code("wx"),
            subject=content["description"],
            notify_url=url,
            expires_at=datetime.fromisoformat(expires).timestamp() if expires else None,
            is_scanned=True,
        )
        if way == "native":
            return {"code_url": self.code_of(trade)}
        return {"h5_url": self.code_of(trade)} if way == "h5" else {"prepay_id": f"wx{trade.code}"}

    def code_of(self, trade: Trade) -> str:
        """What the QR code of an order holds: a page of this peer."""
        return f"{self.address}/qr/{trade.code}"

    def _by_transaction(self, transaction: str) -> Trade:
        for trade in self.book.newest_trades(10_000):
            if transaction_id(trade) == transaction:
                return trade
        raise BookError(books.UNKNOWN)

    def _shown(self, trade: Trade) -> dict[str, Any]:
        state = {books.WAITING: "NOTPAY", books.CLOSED: "CLOSED"}.get(trade.status) or (
            "REFUND" if self.book.given_back(trade.number) else "SUCCESS"
        )
        shown = {
            "appid": self.keys.appid,
            "mchid": self.keys.mchid,
            "out_trade_no": trade.number,
            "trade_state": state,
            "trade_state_desc": state,
            "amount": {"total": trade.fen, "currency": "CNY"},
        }
        if trade.paid_at:
            shown |= {
                "transaction_id": transaction_id(trade),
                "trade_type": "NATIVE",
                "bank_type": "OTHERS",
                "attach": "",
                "success_time": _time(trade.paid_at),
                "payer": {"openid": "oSimulated0001"},
                "amount": {
                    "total": trade.fen,
                    "payer_total": trade.fen,
                    "currency": "CNY",
                    "payer_currency": "CNY",
                },
            }
        return shown

    def _refund(self, content: dict[str, Any]) -> dict[str, Any]:
        amount = content["amount"]
        if content.get("transaction_id"):
            trade = self._by_transaction(content["transaction_id"])
        else:
            trade = self.book.trade(str(content["out_trade_no"]))
        if amount["total"] != trade.fen:
            raise _Refusal(400, "INVALID_REQUEST", "订单金额与原订单不一致")
        if not isinstance(amount["refund"], int) or amount["refund"] < 1:
            raise ValueError("refund")
        url = str(content.get("notify_url") or "")
        refund, _is_new = self.book.refund(
            trade.number, str(content["out_refund_no"]), amount["refund"], status=books.PROCESSING, notify_url=url
        )
        return self._refund_shown(refund)

    def _refund_of(self, number: str) -> Refund:
        try:
            return self.book.refund_of(number)
        except BookError:
            raise _Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在") from None

    def _refund_shown(self, refund: Refund) -> dict[str, Any]:
        trade = self.book.trade(refund.trade)
        shown = {
            "refund_id": refund_id(refund),
            "out_refund_no": refund.number,
            "transaction_id": transaction_id(trade),
            "out_trade_no": trade.number,
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "create_time": _time(refund.created_at),
            "status": _REFUND_STATUS[refund.status],
            "amount": _refund_amount(trade, refund),
        }
        return {**shown, "success_time": _time(refund.ended_at)} if refund.status == books.REFUNDED else shown

    def _certificates(self) -> dict[str, Any]:
        self.certificates_asked += 1
        pem = self.certificate.public_bytes(Encoding.PEM).decode()
        one = {
            "serial_no": self.certificate_serial,
            "effective_time": self.certificate.not_valid_before_utc.astimezone(CHINA).isoformat(timespec="seconds"),
            "expire_time": self.certificate.not_valid_after_utc.astimezone(CHINA).isoformat(timespec="seconds"),
            "encrypt_certificate": self._sealed(pem, "certificate"),
        }
        return {"data": [one]}

    def _sealed(self, text: str, beside: str) -> dict[str, str]:
        nonce = secrets.token_hex(6)
        sealed = AESGCM(self.keys.api_v3_key.encode()).encrypt(nonce.encode(), text.encode(), beside.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": nonce,
            "associated_data": beside,
            "ciphertext": base64.b64encode(sealed).decode(),
        }

    # --- Answers and notifications

    def _answered(self, request: Request, do: Callable[[], _Said]) -> Response:
        # Who names our public key is answered with it, others with the certificate.
        is_by_key = request.headers.get("wechatpay-serial") == self.keys.public_key_id
        serial = self.keys.public_key_id if is_by_key else self.certificate_serial

        def signed(said: _Said, *, rightly: bool = True) -> Response:
            status, content = said
            body = "" if content is None else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            headers = {
                "content-type": "application/json; charset=utf-8",
                **self._headers(body, serial, rightly=rightly),
            }
            return Response(body.encode(), status, headers)

        def badly(response: Response) -> Response:
            return Response(
                response.body, response.status, self._headers(response.body.decode(), serial, rightly=False)
            )

        return tricked(
            self.mischief,
            lambda: signed(do()),
            {
                Trick.SYSTEM_ERROR_AFTER: lambda _: signed((500, {"code": "SYSTEM_ERROR", "message": "系统错误"})),
                Trick.BAD_SIGNATURE: badly,
                Trick.UNSIGNED: lambda response: Response(response.body, response.status),
            },
        )

    def _headers(self, body: str, serial: str, *, rightly: bool = True, at: float | None = None) -> dict[str, str]:
        moment, nonce = str(int(at or books.now())), secrets.token_hex(16).upper()
        text = f"{moment}\n{nonce}\n{body}\n"
        return {
            "Wechatpay-Timestamp": moment,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": serial,
            "Wechatpay-Signature-Type": SCHEME,
            "Wechatpay-Signature": signatures.sign(self._ours, text if rightly else f"{text} "),
        }

    def write(self, notice: Notice, twist: Twist = Twist.NOTHING) -> Posted | None:
        """The notification as it is posted; None where the merchant named no address, and for what is not told."""
        if notice.kind == "closed":
            return None
        if notice.kind == "complaint":
            return self._complaint_told(notice, twist)
        refund = self.book.refund_of(notice.subject) if notice.kind == "refund" else None
        trade = self.book.trade(refund.trade if refund else notice.subject)
        url = refund.notify_url if refund else trade.notify_url
        if not url:
            return None
        told = self._refund_told(trade, refund) if refund else {**self._shown(trade), "trade_state": "SUCCESS"}
        if twist == Twist.WRONG_AMOUNT:
            told["amount"] = {**told["amount"], "refund" if refund else "total": trade.fen + 100}
        if twist == Twist.WRONG_APP:
            told["mchid"] = "1999999999"
        event = f"REFUND.{told['refund_status']}" if refund else "TRANSACTION.SUCCESS"
        return self._posted(url, notice, event, "refund" if refund else "transaction", told, twist)

    def _complaint_told(self, notice: Notice, twist: Twist) -> Posted:
        complaint = self.book.complaint(notice.subject)
        is_new = complaint.status == books.COMPLAINED
        event = "COMPLAINT.CREATE" if is_new else "COMPLAINT.STATE_CHANGE"
        action = "CREATE_COMPLAINT" if is_new else "MERCHANT_RESPONSE"
        told = {"complaint_id": complaint.number, "action_type": action}
        return self._posted(self.book.trade(complaint.trade).notify_url, notice, event, "complaint", told, twist)

    def _posted(self, url: str, notice: Notice, event: str, beside: str, told: dict[str, Any], twist: Twist) -> Posted:
        sealed = self._sealed(json.dumps(told, ensure_ascii=False), beside)
        body = json.dumps(
            {
                "id": f"EV-{notice.id}-{secrets.token_hex(4)}",
                "create_time": _time(books.now()),
                "resource_type": "encrypt-resource",
                "event_type": event,
                "summary": "通知",
                "resource": {"original_type": beside, **sealed},
            },
            ensure_ascii=False,
        )
        at = books.now() - 3600 if twist == Twist.OLD else None
        rightly = twist != Twist.BAD_SIGNATURE
        headers = self._headers(body, self.notice_serial, rightly=rightly, at=at)
        return Posted(url, body, {"content-type": "application/json", **headers})

    def _refund_told(self, trade: Trade, refund: Refund) -> dict[str, Any]:
        told = {
            "mchid": self.keys.mchid,
            "out_trade_no": trade.number,
            "transaction_id": transaction_id(trade),
            "out_refund_no": refund.number,
            "refund_id": refund_id(refund),
            "refund_status": _REFUND_STATUS[refund.status],
            "user_received_account": "支付用户零钱",
            "amount": _refund_amount(trade, refund),
        }
        return {**told, "success_time": _time(refund.ended_at)} if refund.status == books.REFUNDED else told

    def is_heard(self, status: int, text: str) -> bool:
        """Whether the answer ends the repetitions."""
        return status in (200, 204)


def _refund_amount(trade: Trade, refund: Refund) -> dict[str, int]:
    return {"total": trade.fen, "refund": refund.fen, "payer_total": trade.fen, "payer_refund": refund.fen}


def _time(moment: float | None) -> str:
    return datetime.fromtimestamp(moment or 0, CHINA).isoformat(timespec="seconds")
