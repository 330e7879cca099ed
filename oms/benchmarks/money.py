"""`bench money`: charges and ledger of orders from placing to settlement, against COPY of the rows that they left."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from django.conf import settings
from django.db import connection
from django.test import override_settings

from oms.benchmarks import reconcile, stage
from oms.common.work.claiming import run_until_empty
from oms.pipeline import STAGES
from orders.models import Order, OrderCharge, OrderState, SubOrderState
from orders.models.sub_order import ShippingProof
from orders.reviewing import versions
from payments.ledger import posting
from payments.models import LedgerEntry, SettlementRow

_TABLES = ("orders_ordercharge", "payments_ledgerentry", "payments_ledgerline")
_BILL_ROWS_AN_ORDER = 5


def run(folder: Path, orders: int) -> dict[str, float]:
    """Seconds that the charges and the ledger of so many placed, paid, completed and settled orders take, all of it in
    the database, and the ratio to COPY of the same rows into the same tables with their triggers on (target: at least
    0.3). Then five times as many rows of a provider's bill are reconciled (target for 100,000: within 60 s)."""
    with stage.own_database("oms_bench_money"), stage.without_waits(), override_settings(COMPLETE_AFTER_SECONDS=0):
        stage.load(folder)
        # Nothing holds an order up, nor what it lacks: all of them are completed.
        versions.switch_off()
        charging = _placed(stage.order_lines(folder, orders))
        with _timed_posting() as posted:
            stage.pay(owing=True)
            _run("owing")
            paid = sum(posted)
            _run("review", "split", "allocate")
            _deliver()
            _run("complete", "owing")
        figures = {
            "completed_orders": Order.objects.filter(state=OrderState.COMPLETED).count(),
            "charges": OrderCharge.objects.count(),
            "settlement_rows": SettlementRow.objects.count(),
            "ledger_entries": LedgerEntry.objects.count(),
        }
        limit = stage.copied_again(_TABLES)
    seconds = charging + sum(posted)
    bill = reconcile.run(folder, _BILL_ROWS_AN_ORDER * orders)
    return {
        "orders": orders,
        **figures,
        "charging_seconds": round(charging, 2),
        "posting_paid_seconds": round(paid, 2),
        "posting_completed_seconds": round(sum(posted) - paid, 2),
        "copy_seconds": round(limit, 2),
        "ratio": round(limit / seconds, 3),
        "target": 0.3,
        "bill_rows": bill["rows"],
        "bill_seconds": bill["seconds"],
        "bill_target_seconds": 60,
    }


def _placed(lines: Iterable[bytes]) -> float:
    """Store the orders; seconds that the trigger took which charges them."""
    with connection.cursor() as cursor:
        cursor.execute("SET track_functions = 'pl'")
        cursor.execute("SELECT pg_stat_reset()")
        stage.place(lines)
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("RESET track_functions")
        cursor.execute("SELECT total_time FROM pg_stat_user_functions WHERE funcname = 'orders_charge_placed'")
        (milliseconds,) = cursor.fetchone()
    return milliseconds / 1000


@contextmanager
def _timed_posting() -> Iterator[list[float]]:
    """The seconds of each booking within the block, with the look whether its entries add up, which else comes with
    the commit. One slot a stage: nothing runs beside it."""
    seconds: list[float] = []
    post = posting.post_missing

    def timed(order_ids: Iterable[int]) -> None:
        started = time.perf_counter()
        post(order_ids)
        with connection.cursor() as cursor:
            cursor.execute(f"SET CONSTRAINTS {posting.BALANCES} IMMEDIATE")
        seconds.append(time.perf_counter() - started)

    with mock.patch.object(posting, "post_missing", timed), override_settings(STAGE_SLOTS=1):
        yield seconds


def _run(*stages: str) -> None:
    for name in stages:
        run_until_empty(STAGES[name], settings.STAGE_BATCH)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _deliver() -> None:
    """All parts arrive; what no warehouse has comes from any."""
    moved = {
        SubOrderState.ALLOCATED: "allocated_at = now(), warehouse_id = (SELECT min(id) FROM inventory_warehouse)",
        SubOrderState.RELEASED: "released_at = now()",
        SubOrderState.SHIPPED: f"shipped_at = now(), shipping_proof = '{ShippingProof.WAREHOUSE}'",
        SubOrderState.DELIVERED: "delivered_at = now()",
    }
    before = SubOrderState.BACKORDERED
    with connection.cursor() as cursor:
        for state, columns in moved.items():
            cursor.execute(
                f"UPDATE orders_suborder SET state = '{state}', ready_at = NULL, {columns} WHERE state = '{before}'"
            )
            before = state
