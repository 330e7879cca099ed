"""The pretended providers' own numbers of what is in their books."""

from datetime import datetime

from oms.common.zones import CHINA
from oms.simulators.books import Refund, Trade


def trade_no(trade: Trade) -> str:
    """Alipay's number of a trade."""
    return f"{_day(trade.created_at)}22001400{trade.id:012}"


def transaction_id(trade: Trade) -> str:
    """WeChat's number of an order."""
    return f"4200002600{_day(trade.created_at)}{trade.id:010}"


def refund_id(refund: Refund) -> str:
    """WeChat's number of a refund."""
    return f"50300002602{_day(refund.created_at)}{refund.id:09}"


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, CHINA).strftime("%Y%m%d")
