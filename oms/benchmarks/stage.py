"""What the measurements share: a database of their own, real data in it, and the limit that they compare with."""

import gzip
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings

from inventory.loading import load_folder
from inventory.models import StockMovement
from logistics.warehouses.defaults import connect_warehouses
from oms.common.work import nudging
from oms.merchants.models import Merchant
from orders.actors import job
from orders.intake.bodies import OrderBody, decode
from orders.intake.placing import Placed, place_orders
from orders.models import OrderPaymentState, OrderState
from orders.reviewing.shipped import install_default_rules
from payments.models import Means, PaymentState
from payments.providers.defaults import default_connection

INTAKE_TABLES = ("orders_order", "orders_orderline", "orders_orderevent")
ROUNDS = 3


@contextmanager
def own_database(name: str) -> Iterator[None]:
    """A fresh, migrated database beside the configured one; dropped at the end."""
    settings = connections["default"].settings_dict
    original = settings["NAME"]
    _administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
    connections["default"].close()
    settings["NAME"] = name
    nudging.disable()
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connections["default"].close()
        settings["NAME"] = original
        _administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def milliseconds(work: Callable[[], object]) -> float:
    """How long it takes, the best of some rounds."""
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - begun))
    return min(spent)


def without_waits() -> AbstractContextManager[Any]:
    """No order waits before or after its review: what is measured is work."""
    return override_settings(REVIEW_DELAY_SECONDS=0, GRACE_PERIOD_SECONDS=0)


@contextmanager
def another_database(name: str) -> Iterator[None]:
    """One more database of its own; the connection to the one in use stays open and comes back at the end."""
    first = connections["default"]
    # The wrappers share their settings; this one must keep its name.
    first.settings_dict = dict(first.settings_dict)
    del connections["default"]
    try:
        with own_database(name):
            second = connections["default"]
            yield
            connections["default"] = second
    finally:
        connections["default"] = first


def _administer(*statements: str) -> None:
    parameters = {**connections["default"].get_connection_params(), "dbname": "postgres"}
    for ours in ("cursor_factory", "context"):
        parameters.pop(ours, None)
    with psycopg.connect(**parameters, autocommit=True) as administrator:
        for statement in statements:
            administrator.execute(statement)


def load(folder: Path, *, stock_factor: int = 1) -> None:
    """The folder's reference data, with its stock multiplied so that repeated orders find goods."""
    load_folder(folder, progress=lambda rows, _name: rows)
    # Of the orders of a merchant that only the catalogue names, none would be taken.
    Merchant.objects.update(status=Merchant.Status.ACTIVE, accepts_cod=True)
    install_default_rules()
    connect_warehouses()
    with connection.cursor() as cursor:
        if stock_factor != 1:
            cursor.execute(
                "INSERT INTO inventory_stockmovement (stock_id, kind, on_hand_change, actor)"
                f" SELECT id, '{StockMovement.Kind.OPENING}', on_hand * %s, 'bench' FROM inventory_stock"
                " WHERE on_hand > 0",
                [stock_factor - 1],
            )
        cursor.execute("VACUUM ANALYZE")


def order_lines(folder: Path, count: int) -> list[bytes]:
    """`count` orders as lines of JSON; a shorter file is read again, with other external numbers and buyers."""
    path = next(iter(sorted(folder.glob("orders*.jsonl.gz"))))
    with gzip.open(path, "rb") as file:
        lines = list(islice(file, count))
    rounds = -(-count // len(lines))
    repeated = [
        line.replace(b'"external_number":"', b'"external_number":"%dx' % i).replace(
            b'"buyer":{"id":"', b'"buyer":{"id":"%dx' % i
        )
        for i in range(1, rounds)
        for line in lines
    ]
    return [*lines, *repeated][:count]


def place(lines: Iterable[bytes], *, batch: int = 1000) -> int:
    """Intake as the import command does it; returns how many orders were stored."""
    seller = Merchant.objects.get(kind=Merchant.Kind.SELF_OPERATED)
    actor, rows, stored = job("bench"), iter(lines), 0
    while chunk := list(islice(rows, batch)):
        stored += _placed(place_orders([decode(line) for line in chunk], seller, actor=actor))
    return stored


def place_bodies(bodies: Sequence[OrderBody], *, batch: int = 1000) -> int:
    """Intake of orders that are built already; returns how many were stored."""
    seller = Merchant.objects.get(kind=Merchant.Kind.SELF_OPERATED)
    return sum(
        _placed(place_orders(bodies[i : i + batch], seller, actor=job("bench"))) for i in range(0, len(bodies), batch)
    )


def _placed(outcomes: Sequence[object]) -> int:
    refused = next((outcome for outcome in outcomes if not isinstance(outcome, Placed)), None)
    if refused is not None:
        raise RuntimeError(f"an order of the benchmark was not stored: {refused}")
    return len(outcomes)


def pay(*, owing: bool = False) -> None:
    """Let all orders that wait for it be paid, as the payment stage leaves them; with `owing`, their books are due."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO payments_payment
                (number, order_id, means, connection_id, state, amount, captured_amount, captured_at)
            SELECT number || '-P1', id, '{Means.ONLINE}', %s, '{PaymentState.CAPTURED}', payable_amount, payable_amount,
                now()
            FROM orders_order WHERE state = '{OrderState.AWAITING_PAYMENT}'
            """,
            [default_connection().pk],
        )
        cursor.execute(
            f"""
            UPDATE orders_order SET state = '{OrderState.IN_REVIEW}', payment_state = '{OrderPaymentState.PAID}',
                paid_amount = payable_amount, paid_at = now(), pay_by = NULL,
                owed_changed_since = CASE WHEN %s THEN now() END
            WHERE state = '{OrderState.AWAITING_PAYMENT}'
            """,
            [owing],
        )


def empty_orders() -> None:
    """Take everything out that came after the reference data, and all reservations."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE orders_order, orders_orderevent, orders_suborderline, orders_stockwait, common_sandboxjob,"
            " inventory_reservation, common_inboundfact, logistics_warehouseorder, logistics_warehouseorderline,"
            " logistics_shipmentline, orders_deliverypromise, orders_promisetomake, orders_ordercharge,"
            " payments_ledgerentry, payments_ledgerline, payments_settlementrow"
            " RESTART IDENTITY CASCADE"
        )
        # Not by the ledger: what was booked is to be gone, and the pages are to be as before.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE inventory_stock SET reserved = 0 WHERE reserved > 0")
        cursor.execute("DELETE FROM inventory_stockmovement WHERE kind <> 'opening'")
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE inventory_stock, inventory_stockmovement")


def copy_limit() -> float:
    """L: seconds that raw COPY takes for the finished rows that intake left in its tables, which are emptied first."""
    return copied_again(INTAKE_TABLES)


def copied_again(tables: Sequence[str]) -> float:
    """Seconds that raw COPY takes for the rows that these tables have, with triggers and indexes; they are emptied
    first."""
    with connection.cursor() as cursor:
        rows = {}
        for table in tables:
            with cursor.copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT") as copy:
                rows[table] = [bytes(block) for block in copy]
        cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        started = time.perf_counter()
        cursor.execute("BEGIN")
        for table, blocks in rows.items():
            joined = b"".join(blocks)
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for start in range(0, len(joined), 1 << 16):
                    copy.write(joined[start : start + (1 << 16)])
        cursor.execute("COMMIT")
        return time.perf_counter() - started


def deadlocks() -> int:
    """How many deadlocks the database has seen."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def timed(work: Callable[[], object]) -> float:
    """Seconds that the work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)
