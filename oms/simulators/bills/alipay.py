"""Alipay's bills: a zip with files in GBK whose names are GBK too, without saying so."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from oms.common.money import fen_text
from oms.common.zones import CHINA
from oms.simulators.bills import Entry, totals
from oms.simulators.numbers import trade_no

_TIME = "%Y-%m-%d %H:%M:%S"
_TRADE = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
    "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_SUMMARY = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,卡消费金额（元）,"
    "服务费（元）,分润（元）,实收净额（元）"
)
_FUND = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,交易渠道,"
    "业务类型,备注"
)


def trade_bill(account: str, day: date, entries: Sequence[Entry]) -> bytes:
    """业务明细 of the day with its summary beside it, zipped."""
    paid, back = totals(entries)
    lines = [
        *_head("业务明细", account, day),
        _TRADE,
        *(_trade_row(entry) for entry in entries),
        "#-----------------------------------------业务明细列表结束------------------------------------",
        f"#交易合计：{len(paid)}笔，商家实收共{_sum(paid)}元，商家优惠共0.00元",
        f"#退款合计：{len(back)}笔，商家实收退款共-{_sum(back)}元，商家优惠退款共0.00元",
        _exported(day),
    ]
    net = sum(entry.fen for entry in paid) - sum(entry.fen for entry in back)
    fees = sum(entry.fee_fen for entry in back) - sum(entry.fee_fen for entry in paid)
    sums = f"{fen_text(net)},{fen_text(net)},0.00,0.00,0.00,{fen_text(fees)},0.00,{fen_text(net + fees)}"
    summary = [*_head("业务汇总", account, day), _SUMMARY, f"合计,,{len(paid)},{len(back)},{sums}", _exported(day)]
    return _zip({f"{account}_{day:%Y%m%d}_业务明细.csv": lines, f"{account}_{day:%Y%m%d}_业务明细(汇总).csv": summary})


def fund_bill(account: str, day: date, entries: Sequence[Entry]) -> bytes:
    """账务明细 of the day, zipped: each payment and refund, and its fee by itself."""
    rows, balance, income, expense = list[str](), 500_000, list[int](), list[int]()
    for place, entry in enumerate(dict.fromkeys(entries), 1):
        sign = -1 if entry.refund else 1
        for step, (fen, name) in enumerate(((sign * entry.fen, ""), (-sign * entry.fee_fen, "收费")), 1):
            if not fen:
                continue
            balance += fen
            (income if fen > 0 else expense).append(abs(fen))
            sides = f"{fen_text(max(fen, 0))},{fen_text(min(fen, 0))}"
            word = name or ("交易退款" if entry.refund else "在线支付")
            rows.append(
                f"76{day:%Y%m%d}{place:06}{step}\t,{trade_no(entry.trade)}\t,{entry.trade.number}\t,"
                f"{'服务费' if name else entry.trade.subject}\t,{_time(entry.at)},138******01\t,{sides},"
                f"{fen_text(balance)},支付宝,{word},"
            )
    lines = [
        *_head("账务明细", account, day),
        _FUND,
        *rows,
        "#----------------------------------------账务明细列表结束-------------------------------------",
        f"#支出合计：{len(expense)}笔，共{fen_text(sum(expense))}元",
        f"#收入合计：{len(income)}笔，共{fen_text(sum(income))}元",
        _exported(day),
    ]
    return _zip({f"{account}_{day:%Y%m%d}_账务明细.csv": lines})


def _head(title: str, account: str, day: date) -> list[str]:
    end = day + timedelta(days=1)
    return [
        f"#支付宝{title}查询",
        f"#账号：[{account}]",
        f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{end:%Y年%m月%d日} 00:00:00]",
        f"#-----------------------------------------{title}列表----------------------------------------",
    ]


def _trade_row(entry: Entry) -> str:
    trade, sign = entry.trade, -1 if entry.refund else 1
    amount = fen_text(sign * entry.fen)
    request = entry.refund.number if entry.refund else "\t"
    return (
        f"{trade_no(trade)}\t,{trade.number}\t,{'退款' if entry.refund else '交易'},{trade.subject},"
        f"{_time(trade.created_at)},{_time(entry.at)},\t,\t,\t,\t,**(138******01)\t,{amount},{amount},0.00,0.00,0.00,0.00,"
        f"0.00,,0.00\t,0.00,{request},{fen_text(-sign * entry.fee_fen)},0.00,"
    )


def _sum(entries: Iterable[Entry]) -> str:
    return fen_text(sum(entry.fen for entry in entries))


def _exported(day: date) -> str:
    return f"#导出时间：[{day + timedelta(days=1):%Y年%m月%d日} 05:46:49]"


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, CHINA).strftime(_TIME)


def _zip(files: dict[str, list[str]]) -> bytes:
    content, names = io.BytesIO(), {}
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, (name, lines) in enumerate(files.items()):
            # Python marks names beyond ASCII as UTF-8, which Alipay does not: so others stand in for them meanwhile.
            name_bytes = name.encode("gbk")
            names[f"{place}".ljust(len(name_bytes), "@")] = name_bytes
            stand_in = list(names)[-1]
            archive.writestr(stand_in, ("\r\n".join(lines) + "\r\n").encode("gb18030"))
    written = content.getvalue()
    for stand_in, name_bytes in names.items():
        written = written.replace(stand_in.encode(), name_bytes)
    return written
