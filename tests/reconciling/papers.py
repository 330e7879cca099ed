"""Bills as WeChat Pay, Alipay and carriers write them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

from oms.common.zones import CHINA


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a bill, in yuan; money that went back, and the fee that came back with it, are negative.

    `number` is ours: of the payment or refund, or the waybill of collected cash; `of` the number of the payment that a
    refund is of, or of the order whose cash it is.
    """

    number: str
    transaction: str
    amount: Decimal
    fee: Decimal
    at: datetime
    of: str = ""
    state: str = "SUCCESS"

    @property
    def is_refund(self) -> bool:
        """Whether it is money that went back."""
        return self.amount < 0


class Form(Protocol):
    """How somebody writes bills."""

    def line(self, row: Row) -> str:
        """The row as a line of the file."""

    def broken(self, row: Row) -> str:
        """The row as a line that nobody can read but for its number."""

    def file(self, day: date, lines: Sequence[str], counted: Sequence[Row]) -> bytes:
        """The file of a day with these lines, whose totals are those of `counted`."""


@dataclass(slots=True)
class Paper:
    """The bill of a day: its lines, and the rows that its totals count."""

    form: Form
    day: date
    lines: list[str] = field(default_factory=list)
    counted: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """One more row."""
        self.lines.append(self.form.line(row))
        self.counted.append(row)

    def repeat(self, row: Row) -> None:
        """The same row once more, which no total counts."""
        self.lines.append(self.form.line(row))

    def add_broken(self, row: Row) -> None:
        """One more row that cannot be read; the totals count it all the same."""
        self.lines.append(self.form.broken(row))
        self.counted.append(row)

    def remove(self, number: str) -> None:
        """Leave out the row of this number."""
        (row,) = [one for one in self.counted if one.number == number]
        self.lines.remove(self.form.line(row))
        self.counted.remove(row)

    def file(self) -> bytes:
        """The bill."""
        return self.form.file(self.day, self.lines, self.counted)


def fee(amount: Decimal, rate: str = "0.006", least: str = "0.00") -> Decimal:
    """The fee that was agreed on, in yuan; below 0 where it comes back."""
    share = (abs(amount) * Decimal(rate)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    share = max(share, Decimal(least))
    return -share if amount < 0 else share


def _sum(amounts: Sequence[Decimal]) -> Decimal:
    return sum(amounts, Decimal("0.00"))


class WeChat:
    """WeChat Pay's 交易账单."""

    HEADER = (
        "交易时间,公众账号ID,商户号,微信订单号,商户订单号,交易类型,交易状态,货币种类,应结订单金额,微信退款单号,商户退款单号,"
        "退款金额,退款状态,商品名称,手续费,费率,订单金额,申请退款金额,费率备注"
    )
    SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"

    def line(self, row: Row) -> str:
        """See Form."""
        back, zero = abs(row.amount), "0.00"
        payment = (row.of, f"T{row.of}") if row.is_refund else (row.number, row.transaction)
        cells = (
            *(f"{row.at:%Y-%m-%d %H:%M:%S}", "wx1", "1900000001", payment[1], payment[0], "NATIVE"),
            *(
                ("REFUND", "CNY", zero, row.transaction, row.number, back, row.state)
                if row.is_refund
                else ("SUCCESS", "CNY", row.amount, "0", "0", zero, "")
            ),
            *("goods, blue", row.fee, "0.60%", back, back if row.is_refund else zero, ""),
        )
        return ",".join(f"`{cell}" for cell in cells)

    def broken(self, row: Row) -> str:
        """See Form."""
        return self.line(row).rsplit(",`", 4)[0]

    def file(self, day: date, lines: Sequence[str], counted: Sequence[Row]) -> bytes:
        """See Form."""
        paid = _sum([row.amount for row in counted if not row.is_refund])
        back = -_sum([row.amount for row in counted if row.is_refund])
        sums = (len(counted), paid, back, "0.00", _sum([row.fee for row in counted]), paid, back)
        text = [self.HEADER, *lines, self.SUMMARY, ",".join(f"`{told}" for told in sums)]
        return ("\ufeff" + "\r\n".join(text) + "\r\n").encode()


class Alipay:
    """Alipay's 业务明细. It takes no hyphens in our numbers."""

    HEADER = (
        "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
        "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
        "退款批次号/请求号,服务费（元）,分润（元）,备注"
    )

    def line(self, row: Row) -> str:
        """See Form."""
        return self._line(row, str(row.amount))

    def broken(self, row: Row) -> str:
        """See Form."""
        return self._line(row, "?")

    @staticmethod
    def _line(row: Row, amount: str) -> str:
        at = f"{row.at:%Y-%m-%d %H:%M:%S}"
        number, of = row.number.replace("-", "_"), row.of.replace("-", "_")
        return (
            f"{row.transaction}\t,{of if row.is_refund else number}\t,{'退款' if row.is_refund else '交易'}\t,货,"
            f"{at},{at},,,,,**\t,{amount},{amount},0.00,0.00,0.00,0.00,0.00,,0.00,0.00,"
            f"{number if row.is_refund else ''},{-row.fee},0.00,"
        )

    def file(self, day: date, lines: Sequence[str], counted: Sequence[Row]) -> bytes:
        """See Form."""
        paid = [row.amount for row in counted if not row.is_refund]
        back = [row.amount for row in counted if row.is_refund]
        text = [
            "#支付宝业务明细查询",
            "#账号：[2088]",
            f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{day + timedelta(days=1):%Y年%m月%d日} 00:00:00]",
            "#----业务明细列表----",
            self.HEADER,
            *lines,
            "#----业务明细列表结束----",
            f"#交易合计：{len(paid)}笔，商家实收共{_sum(paid)}元，商家优惠共0.00元",
            f"#退款合计：{len(back)}笔，商家实收退款共{_sum(back)}元，商家优惠退款共0.00元",
        ]
        return "\r\n".join(text).encode("gb18030")


class Cash:
    """What a carrier remits of the cash that it collected."""

    HEADER = "返款批次号,返款日期,运单号,商家订单号,签收时间,代收金额（元）,手续费（元）,实返金额（元）,状态,备注"

    def line(self, row: Row) -> str:
        """See Form."""
        return self._line(row, str(row.amount))

    def broken(self, row: Row) -> str:
        """See Form."""
        return self._line(row, "?")

    @staticmethod
    def _line(row: Row, amount: str) -> str:
        day, at = f"{row.at:%Y-%m-%d}", f"{row.at:%Y-%m-%d %H:%M:%S}"
        net = row.amount - row.fee
        return f"{row.transaction},{day},{row.number},{row.of},{at},{amount},{row.fee},{net},已返款,"

    def file(self, day: date, lines: Sequence[str], counted: Sequence[Row]) -> bytes:
        """See Form."""
        amount, fees = _sum([row.amount for row in counted]), _sum([row.fee for row in counted])
        total = f"合计,,,,,{amount},{fees},{amount - fees},{len(counted)}笔,"
        return ("\ufeff" + "\r\n".join([self.HEADER, *lines, total]) + "\r\n").encode()


def china(moment: datetime) -> datetime:
    """The moment as bills tell it."""
    return moment.astimezone(CHINA)
