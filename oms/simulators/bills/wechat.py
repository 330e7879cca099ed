"""WeChat Pay's bills: UTF-8 with a mark at the beginning, cells behind backticks, the totals under a second header."""

from collections.abc import Sequence
from datetime import datetime

from oms.common.money import fen_text
from oms.common.zones import CHINA
from oms.simulators.bills import Entry, totals
from oms.simulators.numbers import refund_id, transaction_id

_TRADE = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
    "申请退款金额,费率备注"
)
_TRADE_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_FUND = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
_FUND_SUMS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


def trade_bill(appid: str, mchid: str, entries: Sequence[Entry]) -> bytes:
    """交易账单 of type ALL."""
    paid, back = totals(entries)
    came, went = (fen_text(sum(entry.fen for entry in of_kind)) for of_kind in (paid, back))
    fees = sum(entry.fee_fen for entry in paid) - sum(entry.fee_fen for entry in back)
    sums = (len(paid) + len(back), came, went, "0.00", f"{fen_text(fees)}000", came, went)
    return _file(_TRADE, [_trade_row(appid, mchid, entry) for entry in entries], _TRADE_SUMS, sums)


def fund_bill(entries: Sequence[Entry]) -> bytes:
    """资金账单: a payment's fee has a row of its own, a refund is less by what comes back of it."""
    rows: list[Sequence[object]] = []
    balance, income, expense = 80_000, list[int](), list[int]()
    for place, entry in enumerate(dict.fromkeys(entries), 1):
        number, transaction = entry.number, transaction_id(entry.trade)
        moves: list[tuple[int, str, str, str]]
        if entry.refund:
            note = f"退款总金额{fen_text(entry.fen)}元;含手续费{fen_text(entry.fee_fen)}元"
            moves = [(entry.fee_fen - entry.fen, "退款", "退款", note)]
        else:
            moves = [(entry.fen, "交易", "交易", ""), (-entry.fee_fen, "交易", "扣除交易手续费", "")]
        for step, (fen, name, kind, note) in enumerate(moves, 1):
            if not fen:
                continue
            balance += fen
            (income if fen > 0 else expense).append(abs(fen))
            flow = f"5000000{_time(entry.at)[:10].replace('-', '')}{place:06}{step}"
            first = refund_id(entry.refund) if entry.refund else transaction
            side = "收入" if fen > 0 else "支出"
            rows.append(
                (
                    *(_time(entry.at), first, flow, name, kind, side, fen_text(abs(fen))),
                    *(fen_text(balance), "system", note, number),
                )
            )
    sums = (
        *(len(income) + len(expense), len(income), fen_text(sum(income))),
        *(len(expense), fen_text(sum(expense))),
    )
    return _file(_FUND, rows, _FUND_SUMS, sums)


def _trade_row(appid: str, mchid: str, entry: Entry) -> Sequence[object]:
    trade, refund, amount = entry.trade, entry.refund, fen_text(entry.fen)
    # A refund has the time at which it was taken in, and its fee comes back.
    at = _time(refund.created_at if refund else entry.at)
    of_refund = (refund_id(refund), refund.number, amount, "0.00", "ORIGINAL", "SUCCESS") if refund else ()
    return (
        *(at, appid, mchid, "0", "", transaction_id(trade), trade.number, "oSimulated0001", "NATIVE"),
        *("REFUND" if refund else "SUCCESS", "OTHERS", "CNY", "0.00" if refund else amount, "0.00"),
        *(of_refund or ("0", "0", "0.00", "0.00", "", "")),
        *(trade.subject, "", f"{'-' if refund else ''}{fen_text(entry.fee_fen)}000", "0.60%"),
        *("0.00" if refund else amount, amount if refund else "0.00", ""),
    )


def _file(header: str, rows: Sequence[Sequence[object]], summary: str, sums: Sequence[object]) -> bytes:
    lines = [header, *(_cells(row) for row in rows), summary, _cells(sums)]
    return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()


def _cells(cells: Sequence[object]) -> str:
    return ",".join(f"`{cell}" for cell in cells)


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, CHINA).strftime("%Y-%m-%d %H:%M:%S")
