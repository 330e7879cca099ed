"""What WeChat's answers and notifications say, as facts.

A payment or refund is the same fact whether WeChat tells it or is asked: its key is WeChat's number of it, not of the
message.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from oms.common.work.facts import News
from payments.models import NoticeKind
from payments.providers import Complaint
from payments.providers.wechat.wire import as_yuan

# REFUND: paid, and some or all of it went back.
PAID = frozenset({"SUCCESS", "REFUND"})
CLOSED = frozenset({"CLOSED", "REVOKED", "PAYERROR"})
REFUNDED = "SUCCESS"
NOT_REFUNDED = frozenset({"CLOSED", "ABNORMAL"})


def captured(said: Mapping[str, Any]) -> News:
    """An order of WeChat's was paid: its total counts, vouchers of WeChat's included. Raises KeyError or ValueError."""
    number = str(said["transaction_id"])
    body = {"amount": as_yuan(said["amount"]["total"]), "transaction": number}
    at = datetime.fromisoformat(said["success_time"])
    return News(f"{number}:paid", NoticeKind.CAPTURED, str(said["out_trade_no"]), at, body)


def closed(said: Mapping[str, Any]) -> News:
    """An order of WeChat's was closed unpaid; WeChat has a number of its own only for what was paid."""
    number = str(said["out_trade_no"])
    return News(f"{number}:closed", NoticeKind.FAILED, number, timezone.now())


def refunded(said: Mapping[str, Any], status: str, *, attempt: str = "") -> News:
    """A refund arrived, or did not. `attempt` tells failures of one refund that is sent again from each other."""
    number = str(said["refund_id"])
    kind = NoticeKind.REFUNDED if status == REFUNDED else NoticeKind.REFUND_FAILED
    told_at = said.get("success_time")
    at = datetime.fromisoformat(told_at) if told_at else timezone.now()
    body = {"amount": as_yuan(said["amount"]["refund"]), "transaction": number}
    return News(f"{number}:{status.lower()}{attempt}", kind, str(said["out_refund_no"]), at, body)


def complained(said: Mapping[str, Any], key: str) -> News:
    """A buyer complained, or something became of it: WeChat is asked what. `key` is that of the message. Raises
    KeyError."""
    return News(f"notice:{key}", NoticeKind.COMPLAINED, str(said["complaint_id"]), timezone.now())


def complaint(said: Mapping[str, Any]) -> Complaint:
    """What WeChat answers about a complaint: of several orders the first. Raises KeyError, IndexError, ValueError."""
    order, state = said["complaint_order_info"][0], str(said["complaint_state"])
    return Complaint(
        payment=str(order["out_trade_no"]),
        amount=Decimal(as_yuan(order["amount"])),
        text=str(said.get("complaint_detail") or ""),
        complained_at=datetime.fromisoformat(said["complaint_time"]),
        is_answered=state == "PROCESSING",
        is_over=state == "PROCESSED",
    )
