"""What the OMS asks of Alipay."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Literal

from oms.common.models import Connection
from oms.common.work.singly import Unclear
from payments.providers import Answer, Charge, Complaint, Found, Question, Standing
from payments.providers.addresses import notify_url, subject
from payments.providers.alipay import bills, facts, wire
from payments.providers.errors import Refused, charge_each

# The product of each kind of page to which a buyer may be sent.
PRODUCTS = {"page": "FAST_INSTANT_TRADE_PAY", "wap": "QUICK_WAP_WAY"}
LONGEST_SUBJECT = 256


class Alipay:
    """See `payments.providers.AnsweringProvider`."""

    def request(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Make a QR code for each charge. Alipay knows the trade only once a buyer has scanned it."""

        def ask(charge: Charge) -> Answer:
            try:
                said = wire.call(link, "alipay.trade.precreate", _trade(charge, link), notify_url=notify_url(link))
            except Refused as refusal:
                if refusal.code == wire.PAID_ALREADY:
                    return Answer(taken=True)
                raise
            return Answer(taken=True, code=str(said["qr_code"]))

        return charge_each(charges, ask)

    def refund(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Send money back. What is asked twice under one number moves once (`fund_change` N)."""

        def ask(charge: Charge) -> Answer:
            content = {
                **_paid_trade(charge),
                "out_request_no": wire.their_number(charge.reference),
                "refund_amount": wire.as_amount(charge.amount),
            }
            wire.call(link, "alipay.trade.refund", content)
            return Answer(taken=True)

        return charge_each(charges, ask)

    def find_payment(self, question: Question, link: Connection) -> Found:
        """How a trade stands."""
        number = wire.their_number(question.reference)
        said = _asked(link, "alipay.trade.query", {"out_trade_no": number})
        if said is None:
            return Found(Standing.MISSING)
        _must_be_about(said, "out_trade_no", number)
        status = str(said.get("trade_status", ""))
        # A trade that was paid and went back whole is closed, too.
        if status in facts.PAID or (status == facts.CLOSED and said.get("send_pay_date")):
            return Found(Standing.DONE, facts.captured(said, str(said["send_pay_date"])))
        if status == facts.CLOSED:
            return Found(Standing.FAILED, facts.closed(said))
        return Found(Standing.WAITING)

    def find_refund(self, question: Question, link: Connection) -> Found:
        """How a refund stands. That the question was answered says nothing: only its status does."""
        number = wire.their_number(question.reference)
        content = {**_paid_trade(question), "out_request_no": number}
        said = _asked(link, "alipay.trade.fastpay.refund.query", content)
        if said is None or not said.get("refund_status"):
            return Found(Standing.MISSING)
        _must_be_about(said, "out_request_no", number)
        if said["refund_status"] != "REFUND_SUCCESS":
            return Found(Standing.WAITING)
        return Found(Standing.DONE, facts.refunded(said))

    def close(self, question: Question, link: Connection) -> None:
        """Close a trade that nobody paid. There is none to close where nobody scanned its code."""
        with suppress(Refused):  # the next question tells why
            wire.call(link, "alipay.trade.close", {"out_trade_no": wire.their_number(question.reference)})

    def complaint(self, question: Question, link: Connection) -> Complaint:
        """How a complaint stands. Raises Unclear where Alipay does not know it."""
        said = _asked(link, "alipay.merchant.tradecomplain.query", {"complain_event_id": question.reference})
        if said is None:
            raise Unclear("Alipay does not know the complaint")
        return facts.complaint(said)

    def page(self, charge: Charge, link: Connection, kind: Literal["page", "wap"], *, return_url: str = "") -> str:
        """The address of Alipay's own page on which a buyer pays the charge: in a browser, or on a phone."""
        content = {**_trade(charge, link), "product_code": PRODUCTS[kind]}
        method = f"alipay.trade.{kind}.pay"
        return wire.address(link, method, content, notify_url=notify_url(link), return_url=return_url)

    def bill(self, link: Connection, day: date, forms: Collection[str]) -> Mapping[str, bytes]:
        """See `payments.providers.BillingProvider`."""
        return bills.bill(link, day, forms)


def _trade(charge: Charge, link: Connection) -> dict[str, str]:
    trade = {
        "out_trade_no": wire.their_number(charge.reference),
        "total_amount": wire.as_amount(charge.amount),
        "subject": subject(link, charge)[:LONGEST_SUBJECT],
    }
    return {**trade, "time_expire": wire.as_time(charge.expires_at)} if charge.expires_at else trade


def _paid_trade(about: Charge | Question) -> dict[str, str]:
    """Of which trade money goes back: by our number, or by Alipay's where ours was paid more than once."""
    return {"trade_no": about.transaction} if about.transaction else {"out_trade_no": wire.their_number(about.of)}


def _asked(link: Connection, method: str, content: Mapping[str, str]) -> dict[str, Any] | None:
    """What Alipay says of a trade, or None where it does not know it. Raises Unclear for every other refusal."""
    try:
        return wire.call(link, method, content)
    except Refused as refusal:
        if refusal.code == wire.NO_SUCH_TRADE:
            return None
        raise Unclear(str(refusal)) from refusal


def _must_be_about(said: Mapping[str, Any], name: str, number: str) -> None:
    if said.get(name) != number:
        raise Unclear(f"Alipay answered about another {name}")
