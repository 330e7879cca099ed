"""What the OMS asks of WeChat Pay."""

import secrets as random
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import quote

from django.utils import timezone

from oms.common import signatures
from oms.common.models import Connection
from oms.common.money import to_fen
from oms.common.work.singly import Unclear
from payments.providers import Answer, Charge, Complaint, Found, Question, Standing
from payments.providers.addresses import notify_url, subject
from payments.providers.errors import NotSetUp, Refused, charge_each
from payments.providers.wechat import bills, facts, wire
from payments.providers.wechat.calls import call

LONGEST_DESCRIPTION = 127
_ORDERS, _REFUNDS = "/v3/pay/transactions", "/v3/refund/domestic/refunds"
_COMPLAINTS = "/v3/merchant-service/complaints-v2"


class WechatPay:
    """See `payments.providers.AnsweringProvider`."""

    def request(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Make a QR code for each charge."""

        def ask(charge: Charge) -> Answer:
            try:
                said = call(link, "POST", f"{_ORDERS}/native", _order(charge, link))
            except Refused as refusal:
                if refusal.code in wire.PAID_ALREADY:
                    return Answer(taken=True)
                raise
            return Answer(taken=True, code=str(said["code_url"]))

        return charge_each(charges, ask)

    def refund(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Send money back. That it is taken says only that WeChat will try."""

        def ask(charge: Charge) -> Answer:
            amount = {
                "refund": to_fen(charge.amount),
                "total": to_fen(charge.of_amount or charge.amount),
                "currency": "CNY",
            }
            content: dict[str, Any] = {
                **({"transaction_id": charge.transaction} if charge.transaction else {"out_trade_no": charge.of}),
                "out_refund_no": charge.reference,
                "amount": amount,
            }
            if url := notify_url(link):
                content["notify_url"] = url
            call(link, "POST", _REFUNDS, content)
            return Answer(taken=True)

        return charge_each(charges, ask)

    def find_payment(self, question: Question, link: Connection) -> Found:
        """How an order of WeChat's stands."""
        us = wire.account(link)
        said = _asked(link, f"{_ORDERS}/out-trade-no/{quote(question.reference)}?mchid={us.mchid}")
        if said is None:
            return Found(Standing.MISSING)
        _must_be(said, out_trade_no=question.reference, mchid=us.mchid, appid=us.appid)
        state = said.get("trade_state")
        if state in facts.PAID:
            return Found(Standing.DONE, facts.captured(said))
        if state in facts.CLOSED:
            return Found(Standing.FAILED, facts.closed(said))
        return Found(Standing.WAITING)

    def find_refund(self, question: Question, link: Connection) -> Found:
        """How a refund stands."""
        said = _asked(link, f"{_REFUNDS}/{quote(question.reference)}")
        if said is None:
            return Found(Standing.MISSING)
        of = {"transaction_id": question.transaction} if question.transaction else {"out_trade_no": question.of}
        _must_be(said, out_refund_no=question.reference, **of)
        status = str(said.get("status", ""))
        if status == facts.REFUNDED:
            return Found(Standing.DONE, facts.refunded(said, status))
        if status in facts.NOT_REFUNDED:
            return Found(Standing.FAILED, facts.refunded(said, status, attempt=f":{question.version}"))
        return Found(Standing.WAITING)

    def close(self, question: Question, link: Connection) -> None:
        """Close an order that nobody paid."""
        target = f"{_ORDERS}/out-trade-no/{quote(question.reference)}/close"
        with suppress(Refused):  # the next question tells why
            call(link, "POST", target, {"mchid": wire.account(link).mchid})

    def complaint(self, question: Question, link: Connection) -> Complaint:
        """How a complaint stands. Raises Unclear where WeChat does not know it."""
        said = _asked(link, f"{_COMPLAINTS}/{quote(question.reference)}")
        if said is None:
            raise Unclear("WeChat does not know the complaint")
        _must_be(said, complaint_id=question.reference)
        return facts.complaint(said)

    def mobile_page(self, charge: Charge, link: Connection, *, buyer_address: str) -> str:
        """The address that a phone's browser opens to pay in WeChat (H5). `buyer_address` is the phone's IP address."""
        scene = {"payer_client_ip": buyer_address, "h5_info": {"type": "Wap"}}
        return str(call(link, "POST", f"{_ORDERS}/h5", {**_order(charge, link), "scene_info": scene})["h5_url"])

    def in_app(self, charge: Charge, link: Connection, *, openid: str) -> dict[str, str]:
        """What a page within WeChat (JSAPI) hands on to pay the charge, signed. `openid` is the buyer's."""
        us = wire.account(link)
        said = call(link, "POST", f"{_ORDERS}/jsapi", {**_order(charge, link), "payer": {"openid": openid}})
        at, nonce = str(int(timezone.now().timestamp())), random.token_hex(16).upper()
        return in_app_parameters(us, str(said["prepay_id"]), at, nonce)

    def bill(self, link: Connection, day: date, forms: Collection[str]) -> Mapping[str, bytes]:
        """See `payments.providers.BillingProvider`."""
        return bills.bill(link, day, forms)


def in_app_parameters(us: wire.Account, prepay_id: str, at: str, nonce: str) -> dict[str, str]:
    """The signed parameters of a payment within WeChat."""
    package = f"prepay_id={prepay_id}"
    return {
        "appId": us.appid,
        "timeStamp": at,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": signatures.sign(us.key, wire.signed_text(us.appid, at, nonce, package)),
    }


def _order(charge: Charge, link: Connection) -> dict[str, Any]:
    us, url = wire.account(link), notify_url(link)
    if not url:
        raise NotSetUp("WeChat Pay must know where to tell what happened: set OMS_PUBLIC_URL.")
    order: dict[str, Any] = {
        "appid": us.appid,
        "mchid": us.mchid,
        "description": subject(link, charge)[:LONGEST_DESCRIPTION],
        "out_trade_no": charge.reference,
        "notify_url": url,
        "amount": {"total": to_fen(charge.amount), "currency": "CNY"},
    }
    return {**order, "time_expire": wire.as_time(charge.expires_at)} if charge.expires_at else order


def _asked(link: Connection, target: str) -> dict[str, Any] | None:
    """What WeChat says of an order or refund, or None where it does not know it. Raises Unclear otherwise."""
    try:
        return call(link, "GET", target)
    except Refused as refusal:
        if refusal.code in wire.NO_SUCH:
            return None
        raise Unclear(str(refusal)) from refusal


def _must_be(said: Mapping[str, Any], **expected: str) -> None:
    for name, value in expected.items():
        if said.get(name) != value:
            raise Unclear(f"WeChat answered about another {name}")
