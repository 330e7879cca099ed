"""A month of bills of a provider with the books that belong to them, and differences planted in both."""

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.db import connection

from oms.common.zones import CHINA
from orders.models import Order
from payments.models import BillSource, Payment
from payments.reconciling import importing
from tests import factories

_HEADER = (
    "交易时间,公众账号ID,商户号,微信订单号,商户订单号,交易类型,交易状态,货币种类,应结订单金额,微信退款单号,商户退款单号,退款金额,"
    "退款状态,商品名称,手续费,费率,订单金额,申请退款金额,费率备注"
)
_SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
# What can be planted, and the outcome that must come of it.
KINDS = (
    "amount_differs",
    "fee_differs",
    "paid_without_order",
    "order_without_money",
    "paid_but_pending",
    "double_payment",
    "refund_not_ours",
    "duplicate_row",
    "malformed_row",
)


@dataclass(slots=True)
class Day:
    """What a day's bill says: its rows, and what they come to."""

    rows: list[str] = field(default_factory=list)
    count: int = 0
    paid: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)

    def add(self, row: str, paid: Decimal, refunded: Decimal, fee: Decimal) -> None:
        """One more row that counts."""
        self.rows.append(row)
        self.count += 1
        self.paid += paid
        self.refunded += refunded
        self.fees += fee

    def file(self) -> bytes:
        """The bill, as WeChat Pay writes it."""
        sums = f"`{self.count},`{self.paid},`{self.refunded},`0.00,`{self.fees},`{self.paid},`{self.refunded}"
        return ("\ufeff" + "\r\n".join([_HEADER, *self.rows, _SUMMARY, sums]) + "\r\n").encode()


class Month:
    """A month of payments over the source's connection, some with a planted difference."""

    def __init__(self, shop: factories.Shop, source: BillSource, seed: int) -> None:
        self.source = source
        self.random = random.Random(seed)  # noqa: S311 - a test's
        self.days: dict[date, Day] = {}
        self.planted: list[tuple[str, str]] = []
        self._model = shop.place_order((shop.sku, 1, "10.00"), freight_amount="0.00")
        self._payments: list[Payment] = []
        self._count = 0

    def make(self, rows: int, differences: int) -> None:
        """So many payments in the month, so many of them with a difference each."""
        wrong = set(self.random.sample(range(rows), differences))
        orders = self._orders(2 * rows)
        for place in range(rows):
            kind = self.random.choice(KINDS) if place in wrong else ""
            self._one(kind, orders)
        Payment.objects.bulk_create(self._payments)

    def read(self) -> None:
        """Read the month's bills, the first day first."""
        for day, bill in sorted(self.days.items()):
            importing.import_bill(self.source.pk, bill.file(), file_name=f"{day}.csv", by="li", day=day)

    def _orders(self, count: int) -> list[int]:
        """Orders of 10.00 yuan like the first one."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT string_agg(column_name, ', ') FROM information_schema.columns"
                " WHERE table_name = 'orders_order' AND column_name NOT IN ('id', 'number', 'external_number')"
            )
            columns = cursor.fetchone()[0]
            cursor.execute(
                f"""
                INSERT INTO orders_order (number, external_number, {columns})
                SELECT '9' || lpad(i::text, 15, '0'), 'made-' || i, {columns}
                FROM orders_order, generate_series(1, %s) AS i WHERE orders_order.id = %s RETURNING id
                """,
                [count, self._model.pk],
            )
            return [key for (key,) in cursor.fetchall()]

    def _one(self, kind: str, orders: list[int]) -> None:
        at = datetime(2026, 10, 1, tzinfo=CHINA) + timedelta(
            days=self.random.randrange(30), minutes=self.random.randrange(23 * 60)
        )
        day = self.days.setdefault(at.date(), Day())
        amount = Decimal(10)
        number = self._next("PW")
        if kind == "refund_not_ours":
            self._pay(number, orders.pop(), amount, at)
            day.add(self._row(number, at, amount), amount, Decimal(0), _fee(amount))
            refund = self._next("RX")
            day.add(self._row(number, at, amount, refund=refund), Decimal(0), amount, -_fee(amount))
            self.planted.append((refund, kind))
            return
        if kind != "paid_without_order":
            self._pay(number, order := orders.pop(), amount, at, is_captured=kind != "paid_but_pending")
        billed = (
            amount + self.random.choice([Decimal("0.01"), Decimal("-0.01")]) if kind == "amount_differs" else amount
        )
        fee = _fee(billed) + (Decimal("0.01") if kind == "fee_differs" else 0)
        row = self._row(number, at, billed, fee)
        if kind == "malformed_row":
            day.rows.append(row.rsplit(",`", 4)[0])
            day.count, day.paid, day.fees = day.count + 1, day.paid + billed, day.fees + fee
        elif kind != "order_without_money":
            day.add(row, billed, Decimal(0), fee)
        if kind == "duplicate_row":
            day.rows.append(row)
        if kind == "double_payment":
            number = self._next("PW")
            self._pay(number, order, amount, at + timedelta(seconds=30))
            day.add(self._row(number, at + timedelta(seconds=30), amount), amount, Decimal(0), _fee(amount))
        if kind:
            self.planted.append((number, kind))

    def _next(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:08}"

    def _pay(self, number: str, order_id: int, amount: Decimal, at: datetime, *, is_captured: bool = True) -> None:
        captured = {"captured_amount": amount, "captured_at": at} if is_captured else {}
        self._payments.append(
            Payment(
                number=number,
                order=Order(pk=order_id),
                means="online",
                connection=self.source.connection,
                state="captured" if is_captured else "pending",
                amount=amount,
                transaction_number=f"T{number}" if is_captured else "",
                ready_at=None,
                **captured,
            )
        )

    @staticmethod
    def _row(number: str, at: datetime, amount: Decimal, fee: Decimal | None = None, refund: str = "") -> str:
        fee = _fee(amount) if fee is None else fee
        cells = (
            *(f"{at:%Y-%m-%d %H:%M:%S}", "wx1", "1900000001", f"T{number}", number, "NATIVE"),
            *(("REFUND", "CNY", "0.00", f"T{refund}", refund, amount, "SUCCESS") if refund else ()),
            *(() if refund else ("SUCCESS", "CNY", amount, "0", "0", "0.00", "")),
            *("goods, blue", -fee if refund else fee, "0.60%", amount, amount if refund else "0.00", ""),
        )
        return ",".join(f"`{cell}" for cell in cells)


def _fee(amount: Decimal) -> Decimal:
    return (amount * Decimal("0.006")).quantize(Decimal("0.01"), ROUND_HALF_UP)
