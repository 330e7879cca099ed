"""A month of bills of a provider with the books that belong to them, and differences planted in both."""

import random
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from oms.common.zones import CHINA
from orders.models import Order
from payments.models import BillSource, Payment
from tests import factories
from tests.reconciling import papers
from tests.reconciling.papers import Row
from tests.reconciling.planting import Bills

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
_AMOUNT = Decimal("10.00")


class Month:
    """A month of payments over the source's connection, some with a planted difference."""

    def __init__(self, shop: factories.Shop, source: BillSource, seed: int) -> None:
        self.source = source
        self.random = random.Random(seed)  # noqa: S311 - a test's
        self.bills = Bills(source, papers.WeChat(), papers.fee, self.random)
        self._model = shop.place_order((shop.sku, 1, "10.00"), freight_amount="0.00")
        self._payments: list[Payment] = []
        self._count = 0

    @property
    def planted(self) -> list[tuple[str, str]]:
        """The number of each difference, and its outcome."""
        return self.bills.planted

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
        self.bills.read()

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
        number, order = self._next("PW"), orders.pop()
        row = self._row(number, at)
        if kind != "paid_without_order":
            self._pay(number, order, at, is_captured=kind != "paid_but_pending")
        if not kind:
            self.bills.tell(row)
        elif kind == "refund_not_ours":
            self.bills.tell(row)
            refund = self._next("RX")
            back = Row(refund, f"T{refund}", -_AMOUNT, papers.fee(-_AMOUNT), at, of=number)
            self.bills.plant(kind, back)
        elif kind == "double_payment":
            # The order was paid once more, and our books have both.
            self.bills.tell(row)
            again = self._row(self._next("PW"), at + timedelta(seconds=30))
            self._pay(again.number, order, again.at)
            self.bills.tell(again)
            self.planted.append((again.number, kind))
        else:
            self.bills.plant(kind, row)

    def _next(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:08}"

    def _pay(self, number: str, order_id: int, at: datetime, *, is_captured: bool = True) -> None:
        captured = {"captured_amount": _AMOUNT, "captured_at": at} if is_captured else {}
        self._payments.append(
            Payment(
                number=number,
                order=Order(pk=order_id),
                means="online",
                connection=self.source.connection,
                state="captured" if is_captured else "pending",
                amount=_AMOUNT,
                transaction_number=f"T{number}" if is_captured else "",
                ready_at=None,
                **captured,
            )
        )

    @staticmethod
    def _row(number: str, at: datetime) -> Row:
        return Row(number, f"T{number}", _AMOUNT, papers.fee(_AMOUNT), at)
