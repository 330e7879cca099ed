"""What Alipay's answers and notifications say, as facts.

A payment is the same fact whether Alipay tells it or is asked: its key is that of the trade, not of the message.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone

from oms.common.work.facts import News
from payments.models import NoticeKind
from payments.providers import Complaint
from payments.providers.alipay.wire import our_number, read_time

PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
CLOSED = "TRADE_CLOSED"
# Of complaints: we have answered, and it is over. All others wait for us, or for Alipay.
_ANSWERED = frozenset({"MERCHANT_FEEDBACKED"})
_OVER = frozenset({"FINISHED", "CANCELLED", "PLATFORM_FINISH", "CLOSED"})


def captured(said: Mapping[str, Any], paid_at: str) -> News:
    """A trade was paid. Raises KeyError or ValueError where what must be said is missing."""
    trade = str(said["trade_no"])
    body = {"amount": str(said["total_amount"]), "transaction": trade}
    return News(f"{trade}:paid", NoticeKind.CAPTURED, our_number(str(said["out_trade_no"])), read_time(paid_at), body)


def closed(said: Mapping[str, Any]) -> News:
    """A trade was closed unpaid. Raises KeyError where its number is missing."""
    number = our_number(str(said["out_trade_no"]))
    return News(f"{said['trade_no']}:closed", NoticeKind.FAILED, number, timezone.now())


def refunded(said: Mapping[str, Any]) -> News:
    """A refund arrived, as Alipay answers when it is asked for it."""
    trade, number = str(said["trade_no"]), str(said["out_request_no"])
    at = str(said.get("gmt_refund_pay") or "")
    return News(
        f"{trade}:{number}:refunded",
        NoticeKind.REFUNDED,
        our_number(number),
        read_time(at) if at else timezone.now(),
        {"amount": str(said["refund_amount"]), "transaction": f"{trade}:{number}"[:64]},
    )


def complained(form: Mapping[str, str]) -> News:
    """A buyer complained, or something became of it: Alipay is asked what. Raises KeyError or ValueError."""
    number = str(json.loads(form["biz_content"])["complain_event_id"])
    return News(f"notice:{form['notify_id']}", NoticeKind.COMPLAINED, number, timezone.now())


def complaint(said: Mapping[str, Any]) -> Complaint:
    """What Alipay answers about a complaint. Raises KeyError or ValueError where what must be said is missing."""
    status = str(said["status"])
    return Complaint(
        payment=our_number(str(said.get("merchant_order_no") or "")),
        amount=Decimal(str(said.get("trade_amount") or 0)),
        text=f"{said.get('complain_reason') or ''} {said.get('content') or ''}".strip(),
        complained_at=read_time(str(said["gmt_create"])),
        is_answered=status in _ANSWERED,
        is_over=status in _OVER,
    )


def told(form: Mapping[str, str]) -> News:
    """What a notification says. Raises KeyError or ValueError where what must be said is missing.

    The money of a refund is told as the sum of all of the trade's refunds so far, so Alipay is asked for the one.
    """
    number, status = form["out_trade_no"], form["trade_status"]
    at = read_time(form["notify_time"])
    if form.get("out_biz_no") or form.get("gmt_refund") or float(form.get("refund_fee") or 0):
        refund = our_number(form.get("out_biz_no") or number)
        return News(f"notice:{form['notify_id']}", NoticeKind.REFUND_CHANGED, refund, at)
    if status in PAID:
        return captured(form, form.get("gmt_payment") or form["notify_time"])
    if status == CLOSED:
        return closed(form)
    return News(f"notice:{form['notify_id']}", NoticeKind.CHANGED, our_number(number), at)
