"""Reconciliation: a provider's trade bill of many payments, read, compared, booked, against COPY of what it left."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from django.db import connection

from oms.benchmarks import stage
from oms.common.models import Connection, SystemKind
from payments.models import BillForm, BillMatch, BillSource, LedgerEntry, Means, Outcome, PaymentState
from payments.reconciling import importing

_DAY = date(2026, 11, 23)
_PAID_AT = datetime(2026, 11, 23, 4, tzinfo=UTC)
_TABLES = ("payments_billrow", "payments_billmatch", "payments_ledgerentry", "payments_ledgerline")
_HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
    "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)


def run(data: Path, rows: int) -> dict[str, float]:
    """Read a bill of so many rows; seconds, rows a second, and the ratio to COPY of the rows that it left."""
    with stage.own_database("bench_reconcile"):
        stage.load(data)
        stage.place(stage.order_lines(data, 1))
        link = Connection.objects.create(code="alipay", kind=SystemKind.PAYMENT, protocol="alipay")
        source = BillSource.objects.create(connection=link, form=BillForm.ALIPAY_TRADE, fee_rate=Decimal("0.006"))
        _pay(link, rows)
        content = _bill(rows)
        started = time.perf_counter()
        importing.import_bill(source.pk, content, file_name="bench.csv", by="bench")
        seconds = time.perf_counter() - started
        matched = BillMatch.objects.filter(outcome=Outcome.MATCHED).count()
        if matched != rows or LedgerEntry.objects.count() != rows:
            raise RuntimeError(f"{matched} of {rows} rows were matched, {LedgerEntry.objects.count()} booked")
        started = time.perf_counter()
        importing.import_bill(source.pk, content, file_name="bench.csv", by="bench")
        again = time.perf_counter() - started
        limit = stage.copied_again(_TABLES)
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds),
        "seconds_for_the_same_file_again": round(again, 2),
        "copy_seconds": round(limit, 2),
        "ratio_to_copy": round(limit / seconds, 3),
    }


def _pay(link: Connection, rows: int) -> None:
    """So many orders like the first one, each paid by one payment of 10.00 yuan or more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_name = 'orders_order'"
            " AND column_name NOT IN ('id', 'number', 'external_number') AND is_generated = 'NEVER'"
        )
        columns = cursor.fetchone()[0]
        cursor.execute(
            f"""
            WITH made AS (
                INSERT INTO orders_order (number, external_number, {columns})
                SELECT '9' || lpad(i::text, 15, '0'), 'bench-' || i, {columns}
                FROM (SELECT * FROM orders_order ORDER BY id LIMIT 1) AS o CROSS JOIN generate_series(1, %s) AS i
                RETURNING id, substr(external_number, 7)::bigint AS i
            )
            INSERT INTO payments_payment (number, order_id, means, connection_id, state, amount, captured_amount,
                captured_at, transaction_number, ready_at)
            SELECT 'PB' || i, id, '{Means.ONLINE}', %s, '{PaymentState.CAPTURED}', 10 + i %% 1000, 10 + i %% 1000, %s,
                'T' || i, NULL
            FROM made
            """,
            [rows, link.pk, _PAID_AT],
        )
        cursor.execute("VACUUM ANALYZE orders_order, payments_payment")


def _bill(rows: int) -> bytes:
    """The bill of these payments, as Alipay writes it."""
    lines, total = [], 0
    for i in range(1, rows + 1):
        yuan = 10 + i % 1000
        total += yuan
        fee = Decimal(yuan * 6) / 1000
        lines.append(
            f"T{i}\t,PB{i}\t,交易\t,x,2026-11-23 12:00:00,2026-11-23 12:00:00,,,,,**\t,{yuan}.00,{yuan}.00,"
            f"0.00,0.00,0.00,0.00,0.00,,0.00,0.00,,-{fee.quantize(Decimal('0.01'), 'ROUND_HALF_UP')},0.00,"
        )
    return "\r\n".join(
        [
            "#支付宝业务明细查询",
            "#账号：[2088]",
            "#起始日期：[2026年11月23日 00:00:00]   终止日期：[2026年11月24日 00:00:00]",
            "#----业务明细列表----",
            _HEADER,
            *lines,
            "#----业务明细列表结束----",
            f"#交易合计：{rows}笔，商家实收共{total}.00元，商家优惠共0.00元",
            "#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元",
        ]
    ).encode("gb18030")
