"""Which bills are compared with what."""

from collections.abc import Callable, Mapping, Sequence

from payments.models import BillForm, BillSource
from payments.reconciling import accounts, carriage, collected, trades
from payments.reconciling.verdicts import Fresh, Verdict

_JUDGES: Mapping[BillForm, Callable[[BillSource, Sequence[Fresh]], list[Verdict]]] = {
    BillForm.ALIPAY_TRADE: trades.judge,
    BillForm.WECHAT_TRADE: trades.judge,
    BillForm.ALIPAY_FUND: accounts.judge_funds,
    BillForm.WECHAT_FUND: accounts.judge_funds,
    BillForm.COD: collected.judge,
    BillForm.SETTLEMENT: collected.judge,
    BillForm.BANK: accounts.judge_bank,
    BillForm.FREIGHT: carriage.judge,
}


def judge(source: BillSource, rows: Sequence[Fresh]) -> list[Verdict]:
    """What came of each row of the source's bills; of an account's rows that bills of trades explain, nothing."""
    return _JUDGES[BillForm(source.form)](source, rows)
