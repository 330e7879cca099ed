"""WeChat Pay's bills: cells with a backtick before them, a second header with the totals at the end."""

from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from payments.models import BillForm, BillRowKind, BillSource
from payments.reconciling.files import RefusedBill, Sheet, bare
from payments.reconciling.forms import Frame, Layout, Total
from payments.reconciling.forms.alipay import kind_of
from payments.reconciling.lines import Line, Malformed, Row

_INCOME, _EXPENSE = "收入", "支出"


def _amount(line: Line) -> Decimal | None:
    return line.amount if line.kind == BillRowKind.PAYMENT else None


def _refund(line: Line) -> Decimal | None:
    return -line.amount if line.kind == BillRowKind.REFUND else None


class _WeChat(Layout):
    is_backticked = True
    account_column = "商户号"
    # The first name of the second header.
    summary: str

    def totals(self, told: dict[str, Decimal]) -> list[Total]:
        """The totals that the file tells, by the names of its second header."""
        raise NotImplementedError

    def frame(self, sheet: Sheet) -> Frame:
        """See Layout."""
        place = next(
            (place for place, line in enumerate(sheet.below) if bare(line.cells[0]) == bare(self.summary)), None
        )
        if place is None or len(sheet.below) < place + 2:
            raise RefusedBill(_("The file has no totals at its end: it was cut off."))
        names, values = sheet.below[place].cells, sheet.below[place + 1].cells
        try:
            told = {bare(name): Decimal(value.replace(",", "")) for name, value in zip(names, values, strict=True)}
            totals = self.totals(told)
        except (InvalidOperation, KeyError, ValueError) as error:
            raise RefusedBill(
                _("Row %(row)s: the totals cannot be read.") % {"row": sheet.below[place].line}
            ) from error
        return Frame(totals=totals, rows=sheet.below[:place])


class _Trade(_WeChat):
    """交易账单, of type ALL or of one of the others: columns are taken by name."""

    summary = "总交易单数"
    required = ("交易时间", "商户号", "微信订单号", "商户订单号", "交易状态", "手续费")
    day_column = "交易时间"
    number_columns = ("商户退款单号", "商户订单号", "微信订单号")

    def allows_earlier(self, line: Line) -> bool:
        """The time of a refund is when it was taken in; it is billed when it succeeded."""
        return line.kind == BillRowKind.REFUND

    def totals(self, told: dict[str, Decimal]) -> list[Total]:
        """See _WeChat."""
        return [
            Total("总交易单数", lambda line: Decimal(0), int(told["总交易单数"])),
            Total("应结订单总金额", _amount, amount=told.get("应结订单总金额", told.get("总交易额"))),
            Total("退款总金额", _refund, amount=told.get("退款总金额")),
            Total("手续费总金额", lambda line: line.fee, amount=told.get("手续费总金额")),
        ]

    def read(self, row: Row) -> Line:
        """See Layout."""
        state, at = row.needed("交易状态"), row.moment("交易时间")
        if state not in ("SUCCESS", "REFUND"):
            raise Malformed("交易状态")
        if (currency := row.text("货币种类")) not in ("", "CNY"):
            raise Malformed(f"货币种类 {currency}")
        of_refund, payment = state == "REFUND", row.text("商户订单号")
        fee = abs(row.amount("手续费", places=5))
        return Line(
            row.line,
            row.cells,
            BillRowKind.REFUND if of_refund else BillRowKind.PAYMENT,
            day=at.date(),
            own_number=row.needed("商户退款单号") if of_refund else payment,
            of_number=payment if of_refund else "",
            transaction_number=row.needed("微信退款单号" if of_refund else "微信订单号"),
            account=row.needed("商户号"),
            amount=-row.amount("退款金额") if of_refund else row.amount("应结订单金额"),
            fee=-fee if of_refund else fee,
            at=at,
            state=row.text("退款状态") if of_refund else state,
            note=row.text("费率备注"),
        )


class _Fund(_WeChat):
    """资金账单: what moved on the account."""

    summary = "资金流水总笔数"
    required = ("记账时间", "微信支付业务单号", "资金流水单号", "业务类型", "收支类型", "收支金额")
    day_column = "记账时间"
    number_columns = ("资金流水单号",)

    def totals(self, told: dict[str, Decimal]) -> list[Total]:
        """See _WeChat."""
        return [
            Total("收入", _income, int(told["收入笔数"]), told["收入金额"]),
            Total("支出", _expense, int(told["支出笔数"]), told["支出金额"]),
        ]

    def read(self, row: Row) -> Line:
        """See Layout."""
        side, amount, at, word = (
            row.needed("收支类型"),
            row.amount("收支金额"),
            row.moment("记账时间"),
            row.needed("业务类型"),
        )
        if side not in (_INCOME, _EXPENSE):
            raise Malformed("收支类型")
        return Line(
            row.line,
            row.cells,
            kind_of(
                word,
                payments=("交易",),
                refunds=("退款",),
                fees=("扣除交易手续费", "退还交易手续费"),
                withdrawals=("提现",),
            ),
            day=at.date(),
            own_number=row.needed("资金流水单号"),
            of_number=row.text("业务凭证号"),
            transaction_number=row.needed("微信支付业务单号"),
            amount=amount if side == _INCOME else -amount,
            at=at,
            state=word[:40],
            note=row.text("备注"),
        )


def _income(line: Line) -> Decimal | None:
    return line.amount if line.amount > 0 else None


def _expense(line: Line) -> Decimal | None:
    return -line.amount if line.amount < 0 else None


def layout(form: BillForm, _source: BillSource) -> Layout:
    """The form's layout."""
    return _Trade() if form == BillForm.WECHAT_TRADE else _Fund()
