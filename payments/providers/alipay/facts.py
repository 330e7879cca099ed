"""What Alipay's answers and notifications say, as facts.

A payment is the same fact whether Alipay tells it or is asked: its key is that of the trade, not of the message.
"""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from oms.common.work.facts import News
from payments.models import NoticeKind
from payments.providers.alipay.wire import our_number, read_time

PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
CLOSED = "TRADE_CLOSED"


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
