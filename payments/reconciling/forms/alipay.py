"""Alipay's bills: GBK, lines that begin with # around the table, tabs behind numbers (业务明细 and 账务明细)."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from payments.models import BillForm, BillRowKind, BillSource
from payments.providers.alipay.wire import our_number
from payments.reconciling.files import Cells, RefusedBill, Sheet
from payments.reconciling.forms import Frame, Layout, Total
from payments.reconciling.lines import Line, Malformed, Row, moment_of

_ACCOUNT = re.compile(r"#账号[：:]\s*\[([^\]]*)\]")
_PERIOD = re.compile(r"#起始日期[：:]\s*\[([^\]]*)\]\s*终止日期[：:]\s*\[([^\]]*)\]")
_TOTAL = re.compile(r"#(交易|退款|支出|收入)合计[：:]\s*(\d+)\s*笔[，,]\s*(?:商家实收(?:退款)?)?共\s*(-?[\d,.]+)\s*元")
# A payment or refund of ours, as Alipay takes its number.
_OURS = re.compile(r"\d{16}_[PR]\d+")
# What the kinds of an account's movements are called.
_PAYMENTS = ("在线支付", "交易付款", "交易")
_REFUNDS = ("交易退款", "退款")
_FEES = ("收费", "服务费", "退费")
_WITHDRAWALS = ("提现",)


class _Alipay(Layout):
    totals: dict[str, Callable[[Line], Decimal | None]]

    def ours(self, number: str) -> str:
        """Alipay takes no hyphens; other numbers of the account stay as they are."""
        return our_number(number) if _OURS.fullmatch(number) else number

    def frame(self, sheet: Sheet) -> Frame:
        """See Layout."""
        above = [",".join(line.cells).rstrip(",") for line in sheet.above]
        account = next((found[1] for text in above if (found := _ACCOUNT.match(text))), "")
        period = next((found for text in above if (found := _PERIOD.match(text))), None)
        first, end = (moment_of(part) for part in period.groups()) if period else (None, None)
        if not account or first is None or end is None:
            raise RefusedBill(_("The file's first lines do not name account and days."))
        footer = [",".join(line.cells).rstrip(",") for line in sheet.below if _is_framing(line)]
        told = {found[1]: found for text in footer if (found := _TOTAL.match(text))}
        return Frame(
            account,
            first.date(),
            (end - timedelta(seconds=1)).date() if end > first else first.date(),
            [
                # Some say what went back and out as a negative sum.
                Total(f"{name}合计", part, int(told[name][2]), abs(Decimal(told[name][3].replace(",", ""))))
                for name, part in self.totals.items()
                if name in told
            ],
            [line for line in sheet.below if not _is_framing(line)],
        )


def _is_framing(line: Cells) -> bool:
    return line.cells[0].startswith("#")


class _Trade(_Alipay):
    """业务明细: what was paid and refunded."""

    wanted = "业务明细"
    required: Sequence[str] = (
        "支付宝交易号",
        "商户订单号",
        "业务类型",
        "完成时间",
        "商家实收",
        "退款批次号/请求号",
        "服务费",
    )
    day_column = "完成时间"
    number_columns = ("退款批次号/请求号", "商户订单号", "支付宝交易号")
    totals = {
        "交易": lambda line: line.amount if line.kind == BillRowKind.PAYMENT else None,
        "退款": lambda line: abs(line.amount) if line.kind == BillRowKind.REFUND else None,
    }

    def read(self, row: Row) -> Line:
        """See Layout."""
        word = row.needed("业务类型")
        if word not in ("交易", "退款"):
            raise Malformed("业务类型")
        amount, at = row.amount("商家实收"), row.moment("完成时间")
        # Either sign occurs: a payment's fee costs us, a refund gives it back.
        fee = abs(row.amount("服务费", is_needed=False))
        payment, note = self.ours(row.text("商户订单号")), row.text("备注")
        of_refund = word == "退款"
        if of_refund != (amount < 0) and amount:
            raise Malformed("商家实收")
        return Line(
            row.line,
            row.cells,
            BillRowKind.REFUND if of_refund else BillRowKind.PAYMENT,
            day=at.date(),
            own_number=self.ours(row.needed("退款批次号/请求号")) if of_refund else payment,
            of_number=payment if of_refund else "",
            transaction_number=row.needed("支付宝交易号"),
            amount=amount,
            fee=-fee if of_refund else fee,
            at=at,
            note=note,
        )


class _Fund(_Alipay):
    """账务明细: what moved on the account."""

    wanted = "账务明细"
    required = ("账务流水号", "业务流水号", "商户订单号", "发生时间", "收入金额", "支出金额", "业务类型")
    day_column = "发生时间"
    number_columns = ("账务流水号",)
    totals = {
        "支出": lambda line: -line.amount if line.amount < 0 else None,
        "收入": lambda line: line.amount if line.amount > 0 else None,
    }

    def read(self, row: Row) -> Line:
        """See Layout."""
        income, expense = row.amount("收入金额", is_needed=False), row.amount("支出金额", is_needed=False)
        if (income > 0) == (expense != 0):
            raise Malformed("收入金额" if income < 0 else "支出金额")
        at, word = row.moment("发生时间"), row.needed("业务类型")
        return Line(
            row.line,
            row.cells,
            kind_of(word, payments=_PAYMENTS, refunds=_REFUNDS, fees=_FEES, withdrawals=_WITHDRAWALS),
            day=at.date(),
            own_number=row.needed("账务流水号"),
            of_number=self.ours(row.text("商户订单号")),
            transaction_number=row.text("业务流水号"),
            amount=income if income else -abs(expense),
            at=at,
            state=word[:40],
            note=row.text("备注"),
        )


def kind_of(
    word: str,
    *,
    payments: Sequence[str],
    refunds: Sequence[str],
    fees: Sequence[str],
    withdrawals: Sequence[str],
) -> BillRowKind:
    """What an account's movement of this name is."""
    kinds = {
        BillRowKind.FEE: fees,
        BillRowKind.REFUND: refunds,
        BillRowKind.PAYMENT: payments,
    }
    if any(name in word for name in withdrawals):
        return BillRowKind.WITHDRAWAL
    return next((kind for kind, names in kinds.items() if word in names), BillRowKind.OTHER)


def layout(form: BillForm, _source: BillSource) -> Layout:
    """The form's layout."""
    return _Trade() if form == BillForm.ALIPAY_TRADE else _Fund()
