"""Pushes of scans over HTTP, signed and stored, against the database alone committing one such row at a time."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from urllib.parse import urlencode

import psycopg
from django.db import connection

from logistics.carriers.adapters.kdniao import envelope
from oms.benchmarks import stage
from oms.benchmarks.api import CLIENTS, HOST, Server, exchange, web_server
from oms.common.models import Connection, InboundFact, SystemKind
from oms.common.zones import CHINA

CODE, BUSINESS_ID, APP_KEY = "bench-kdniao", "1000001", "BENCH-KEY"
WARM_UP = 200
TARGET = 0.5
# What a push leaves, taken from the last one.
_COLUMNS = "connection_id, topic, fact_key, kind, subject, occurred_at, body, raw, ready_at"


def measure(pushes: int) -> dict[str, float]:
    """Medians of three: pushes of one parcel with one new scan, 8 kept connections and two web workers, against 8
    clients that write as many such rows with a prepared statement, a commit each (target 0.5)."""
    link = Connection(code=CODE, kind=SystemKind.CARRIER, protocol="kdniao")
    link.set_secrets({"ebusiness_id": BUSINESS_ID, "app_key": APP_KEY}).save()
    stored, limits = [], []
    with web_server() as server:
        _send(server, WARM_UP)
        for _round in range(stage.ROUNDS):
            before = InboundFact.objects.count()
            stored.append(pushes / _send(server, pushes))
            if InboundFact.objects.count() - before != pushes:
                raise RuntimeError("pushes were lost")
            limits.append(pushes / _write_rows(pushes))
    return {
        "pushes": pushes,
        "pushes_per_second": round(stage.median(stored), 1),
        "one_row_commits_per_second": round(stage.median(limits), 1),
        "push_ratio": round(stage.median([a / b for a, b in zip(stored, limits, strict=True)]), 3),
        "push_target": TARGET,
    }


def _send(server: Server, pushes: int) -> float:
    calls = [_call(server.port) for _push in range(pushes)]

    def client(mine: Sequence[bytes]) -> None:
        with socket.create_connection((HOST, server.port)) as connected:
            for call in mine:
                exchange(connected, call, b"HTTP/1.1 200")

    def work() -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(client, [calls[place::CLIENTS] for place in range(CLIENTS)]))

    return stage.timed(work)


def _call(port: int) -> bytes:
    waybill = f"YT{uuid.uuid4().int % 10**12:012d}"
    at = (datetime.now(CHINA) - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")
    trace = {"AcceptTime": at, "AcceptStation": "快件已到达 武汉转运中心", "Location": "武汉市", "Action": "204"}
    parcel = {"ShipperCode": "YTO", "LogisticCode": waybill, "State": "2", "StateEx": "204", "Traces": [trace]}
    data = json.dumps({"EBusinessID": BUSINESS_ID, "PushTime": at, "Count": "1", "Data": [parcel]}, ensure_ascii=False)
    form = envelope.fields(data, business_id=BUSINESS_ID, request_type="102", app_key=APP_KEY)
    body = urlencode(form).encode()
    head = (
        f"POST /callbacks/{CODE}/ HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _write_rows(rows: int) -> float:
    """Seconds in which 8 processes write so many rows as the pushes left, a commit each."""
    context = get_context("fork")
    parameters = {k: v for k, v in connection.get_connection_params().items() if k not in ("cursor_factory", "context")}
    connection.close()
    gate = context.Barrier(CLIENTS + 1)
    clients = [
        context.Process(target=_client, args=(parameters, rows // CLIENTS, gate), daemon=True)
        for _client_of in range(CLIENTS)
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


def _client(parameters: dict[str, object], rows: int, gate: threading.Barrier) -> None:
    with psycopg.connect(**parameters, autocommit=True) as connected:  # type: ignore[arg-type]
        row = connected.execute(f"SELECT {_COLUMNS} FROM common_inboundfact ORDER BY id DESC LIMIT 1").fetchone()
        if row is None:
            raise RuntimeError("no push was stored")
        values = [json.dumps(value) if isinstance(value, dict) else value for value in row]
        marks = ", ".join(["%s"] * len(values))
        statement = f"INSERT INTO common_inboundfact ({_COLUMNS}) VALUES ({marks})"
        gate.wait(60)
        for _row in range(rows):
            values[2] = uuid.uuid4().hex
            connected.execute(statement, values, prepare=True)
