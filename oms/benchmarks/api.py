"""`bench api`: orders over HTTP, signed and idempotent, against the database doing the same writes alone."""

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote

import psycopg
from django.conf import settings
from django.db import connection

from oms.benchmarks import stage
from oms.client import signing
from oms.merchants.calls import credentials
from oms.merchants.models import Merchant

CLIENTS = 8
WEB_WORKERS = 2
THREADS_A_WORKER = 4
LINES = 3
BULK = 500
BULK_CALLS = 8
WARM_UP = 200
HOST = "127.0.0.1"
SINGLE, MANY = "/api/v1/orders", "/api/v1/orders/bulk"
# What one call writes; the limit writes the same rows, taken from what the calls left.
_TABLES = ("orders_order", "orders_orderline", "orders_orderevent", "merchants_idempotencyrecord")


def run(folder: Path, orders: int) -> dict[str, float]:
    """Medians of three. `single_ratio`: signed creates with two web workers and 8 connections, against 8 clients that
    write the same rows with prepared statements (target 0.15, aim 0.25); CPU of the web workers for an order
    (target 6 ms), p99 to p50 (target 4). `bulk_ratio`: calls of 500, against raw COPY of the same rows (0.30, 0.45)."""
    count = min(orders, 4000)
    singles, cpu, tails, limits, bulks, copies = [], [], [], [], [], []
    with stage.own_database("oms_bench_api"):
        stage.load(folder)
        caller = _Caller(folder)
        with web_server() as server:
            caller.send_singles(server, WARM_UP)
            for _round in range(stage.ROUNDS):
                _empty()
                before = server.cpu_seconds()
                seconds, latencies = caller.send_singles(server, count)
                cpu.append((server.cpu_seconds() - before) / count * 1000)
                singles.append(count / seconds)
                ordered = sorted(latencies)
                tails.append(ordered[int(len(ordered) * 0.99)] / statistics.median(ordered))
                limits.append(count / _write_again(count))
                _empty()
                bulks.append(BULK * BULK_CALLS / caller.send_bulks(server))
                copies.append(BULK * BULK_CALLS / stage.copy_limit())
    return {
        "orders": count,
        "single_orders_per_second": round(stage.median(singles), 1),
        "database_orders_per_second": round(stage.median(limits), 1),
        "single_ratio": round(stage.median([a / b for a, b in zip(singles, limits, strict=True)]), 3),
        "single_target": 0.15,
        "cpu_ms_per_order": round(stage.median(cpu), 2),
        "cpu_target_ms": 6,
        "p99_to_p50": round(stage.median(tails), 2),
        "p99_target": 4,
        "bulk_orders_per_second": round(stage.median(bulks), 1),
        "copy_orders_per_second": round(stage.median(copies), 1),
        "bulk_ratio": round(stage.median([a / b for a, b in zip(bulks, copies, strict=True)]), 3),
        "bulk_target": 0.3,
    }


def _empty() -> None:
    stage.empty_orders()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE merchants_idempotencyrecord, merchants_spentnonce")


class _Caller:
    """A merchant's program: orders of three lines, each with a number, key and nonce of its own."""

    def __init__(self, folder: Path) -> None:
        merchant = Merchant.objects.get(kind=Merchant.Kind.SELF_OPERATED)
        issued = credentials.issue(merchant, "bench", calls_per_minute=0)
        self.key, self.secret = issued.credential.app_key, issued.secret
        self.templates = [_shortened(json.loads(line)) for line in stage.order_lines(folder, 500)]

    def send_singles(self, server: "Server", count: int) -> tuple[float, list[float]]:
        """Create `count` orders, one a call, over 8 kept connections; returns the seconds and each call's."""
        calls = [self._call(server, SINGLE, self._order(i)) for i in range(count)]
        latencies: list[float] = []

        def client(mine: Sequence[bytes]) -> None:
            with socket.create_connection((HOST, server.port)) as connected:
                for call in mine:
                    began = time.perf_counter()
                    exchange(connected, call, b"HTTP/1.1 201")
                    latencies.append(time.perf_counter() - began)

        def work() -> None:
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(client, [calls[i::CLIENTS] for i in range(CLIENTS)]))

        return stage.timed(work), latencies

    def send_bulks(self, server: "Server") -> float:
        """Create orders, 500 a call, two calls at a time; returns the seconds."""
        calls = [
            self._call(server, MANY, {"orders": [self._order(i) for i in range(BULK)]}) for _call in range(BULK_CALLS)
        ]

        def client(mine: Sequence[bytes]) -> None:
            with socket.create_connection((HOST, server.port)) as connected:
                for call in mine:
                    exchange(connected, call, b"HTTP/1.1 200")

        def work() -> None:
            with ThreadPoolExecutor(WEB_WORKERS) as pool:
                list(pool.map(client, [calls[i::WEB_WORKERS] for i in range(WEB_WORKERS)]))

        return stage.timed(work)

    def _order(self, i: int) -> dict[str, object]:
        return {**self.templates[i % len(self.templates)], "external_number": uuid.uuid4().hex}

    def _call(self, server: "Server", path: str, body: object) -> bytes:
        raw = json.dumps(body).encode()
        key = str(uuid.uuid4())
        proof = signing.authorization(self.key, self.secret, "POST", path, raw, idempotency_key=key)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(raw)}\r\nIdempotency-Key: {key}\r\nAuthorization: {proof}\r\n\r\n"
        )
        return head.encode() + raw


def _shortened(order: dict[str, object]) -> dict[str, object]:
    """The order with its first lines only, and without what was taken off the whole."""
    lines = order["lines"][:LINES]  # type: ignore[index]
    fen = sum(
        line["quantity"] * round(float(line["unit_price"]) * 100) - round(float(line.get("line_discount", 0)) * 100)
        for line in lines
    )
    kept = {name: order[name] for name in ("ordered_at", "buyer", "recipient", "payment_method", "source")}
    return {**kept, "lines": lines, "payable_amount": f"{fen / 100:.2f}"}


def exchange(connected: socket.socket, call: bytes, wanted: bytes) -> None:
    """Send one call and read its answer whole. Raises RuntimeError unless the answer begins as wanted."""
    connected.sendall(call)
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connected)
    head, _gap, body = received.partition(b"\r\n\r\n")
    (length,) = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < length:
        body += _more(connected)
    if not head.startswith(wanted):
        raise RuntimeError(f"the API answered {head[:40]!r} {body[:400]!r}")


def _more(connected: socket.socket) -> bytes:
    more = connected.recv(65536)
    if not more:
        raise RuntimeError("the API closed the connection in the middle of an answer")
    return more


class Server:
    """The site as `make run` starts it, on the measured database."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port = port
        self.process = process

    def cpu_seconds(self) -> float:
        """CPU time that its processes have used so far."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == self.process.pid or stat.parent.name == str(self.process.pid):
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def web_server() -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    database = settings.DATABASES["default"]
    parameters = connection.get_connection_params()
    host = parameters.get("host", "")
    url = f"postgresql://{quote(parameters.get('user', ''))}:{quote(parameters.get('password') or '')}@"
    url += f"/{database['NAME']}?host={quote(host, safe='/')}" if host.startswith("/") else f"{host}/{database['NAME']}"
    if parameters.get("port") and not host.startswith("/"):
        url = url.replace(f"@{host}/", f"@{host}:{parameters['port']}/")
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
        "HTTPS_ONLY": "0",
        "DEBUG": "0",
        "SECRET_KEY": settings.SECRET_KEY,
        "ORDER_NUMBER_KEY": settings.ORDER_NUMBER_KEY,
        "ALLOWED_HOSTS": HOST,
    }
    command = [sys.executable, "-m", "gunicorn", "oms.wsgi:application", "--bind", f"{HOST}:{port}"]
    command += [
        "--worker-class",
        "oms.web_worker.Worker",
        "--workers",
        str(WEB_WORKERS),
        "--threads",
        str(THREADS_A_WORKER),
    ]
    command += ["--keep-alive", "30", "--log-level", "error", "--no-control-socket"]
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR)  # noqa: S603 - our own command
    try:
        _wait_for(port, process)
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the web server did not start")


def _write_again(count: int) -> float:
    """Seconds in which 8 clients write the rows of the last `count` calls once more, a call a transaction.

    Each client is a process with one connection and two prepared statements: the nonce by itself, as the API spends
    it, and everything else in one statement and one transaction.
    """
    calls = _take_out()
    context = get_context("fork")
    parameters = {k: v for k, v in connection.get_connection_params().items() if k not in ("cursor_factory", "context")}
    connection.close()
    gate = context.Barrier(CLIENTS + 1)
    clients = [
        context.Process(target=_client, args=(parameters, calls[i::CLIENTS], gate), daemon=True) for i in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    gate.wait(60)
    started = time.perf_counter()
    for client in clients:
        client.join()
    if any(client.exitcode for client in clients):
        raise RuntimeError("a client of the database failed")
    return time.perf_counter() - started


def _take_out() -> list[list[str]]:
    """The rows of each call as JSON, a list for each table; the tables are emptied, their sequences go on."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT to_jsonb(o)::text, (SELECT jsonb_agg(to_jsonb(l) - 'id')::text FROM orders_orderline l
                                       WHERE l.order_id = o.id),
                   (SELECT jsonb_agg(to_jsonb(e) - 'id')::text FROM orders_orderevent e WHERE e.order_id = o.id),
                   to_jsonb(r)::text
            FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM orders_order) AS o
            JOIN (SELECT *, row_number() OVER (ORDER BY id) AS n FROM merchants_idempotencyrecord) AS r USING (n)
            """
        )
        calls = [list(row) for row in cursor.fetchall()]
        cursor.execute(f"TRUNCATE {', '.join(_TABLES)}, merchants_spentnonce CASCADE")
    return calls


def _client(parameters: dict[str, object], calls: list[list[str]], gate: threading.Barrier) -> None:
    # Plain columns, prepared once: what the planner does is what it does for the API.
    with psycopg.connect(**parameters, autocommit=True) as connected:  # type: ignore[arg-type]
        columns = {table: _columns(connected, table) for table in _TABLES}
        statement, rows = _statement(columns), [_values(columns, call) for call in calls]
        nonce = """
            WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
            INSERT INTO merchants_spentnonce (credential_id, nonce, expires_at) SELECT 1, %s, now() FROM quick
        """
        gate.wait(60)
        for values in rows:
            connected.execute(nonce, [uuid.uuid4().hex], prepare=True)
            connected.execute(statement, values, prepare=True)


def _columns(connected: psycopg.Connection, table: str) -> list[tuple[str, str]]:
    found = connected.execute(
        """
        SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        """,
        [table],
    )
    return found.fetchall()


def _statement(columns: dict[str, list[tuple[str, str]]]) -> str:
    """One statement for a call: an order and a record of one row, lines and events as arrays."""
    parts = []
    for table in _TABLES:
        wanted = _wanted(columns, table)
        names = ", ".join(name for name, _type in wanted)
        many = table in ("orders_orderline", "orders_orderevent")
        values = (
            f"SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for _name, kind in wanted)})"
            if many
            else f"VALUES ({', '.join(f'%s::{kind}' for _name, kind in wanted)})"
        )
        parts.append(f"INSERT INTO {table} ({names}) {values}")
    *first, last = parts
    return "WITH " + ", ".join(f"w{i} AS ({part})" for i, part in enumerate(first)) + f" {last}"


def _wanted(columns: dict[str, list[tuple[str, str]]], table: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind in columns[table] if name != "id" or table == "orders_order"]


def _values(columns: dict[str, list[tuple[str, str]]], call: list[str]) -> list[object]:
    values: list[object] = []
    for table, text in zip(_TABLES, call, strict=True):
        row = json.loads(text)
        for name, _type in _wanted(columns, table):
            if isinstance(row, list):
                values.append([_plain(one[name]) for one in row])
            else:
                values.append(_plain(row[name]))
    return values


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list) else value
