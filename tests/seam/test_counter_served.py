"""Callbacks over HTTP, by gunicorn as `up` starts it: each is stored once and answered, however its bytes come."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from oms.common.models import Connection, InboundFact, SystemKind, Ticket
from oms.common.work.signed_json import SECRET, new_secret
from tests.seam.test_callbacks import body
from tests.seam.test_counter import call

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "127.0.0.1"
WHOLE = 25


@pytest.fixture
def port() -> Iterator[int]:
    """Where one worker with two threads answers, on the database of the test."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    known = connection.get_connection_params()
    url = f"postgresql://{quote(known.get('user', ''))}:{quote(known.get('password') or '')}@/{known['dbname']}"
    url += f"?host={quote(known['host'], safe='/')}" + (f"&port={known['port']}" if known.get("port") else "")
    command = [sys.executable, "-m", "gunicorn", "oms.wsgi:application", "--bind", f"{HOST}:{port}"]
    command += ["--worker-class", "oms.web_worker.Worker", "--threads", "2", "--no-control-socket"]
    environment = {"DEBUG": "1", "REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": url}
    environment |= {"SECRET_KEY": settings.SECRET_KEY, "ORDER_NUMBER_KEY": settings.ORDER_NUMBER_KEY}
    web = subprocess.Popen(command, env={**os.environ, **environment}, cwd=settings.BASE_DIR)  # noqa: S603
    try:
        deadline = time.monotonic() + 120
        while not _lives(port):
            assert web.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port
    finally:
        web.terminate()
        web.wait(30)


def _lives(port: int) -> bool:
    """Whether the worker has loaded the site and answers; asking costs none of its threads."""
    try:
        with socket.create_connection((HOST, port), timeout=5) as sock:
            sock.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
            return sock.recv(65536).startswith(b"HTTP/1.0 200")
    except OSError:
        return False


def request(link: Connection, text: str, *more: str, length: bool = True, version: str = "1.1") -> bytes:
    """The bytes of a signed message."""
    environ = call(link, text)
    signed = [f"{name}: {environ['HTTP_' + name.upper().replace('-', '_')]}" for name in _SIGNED]
    lengths = [f"Content-Length: {len(text.encode())}"] if length else []
    lines = [f"POST /callbacks/{link.code}/ HTTP/{version}", f"Host: {HOST}", *signed, *lengths, *more, ""]
    return ("\r\n".join([*lines, text])).encode()


_SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


def answered(sock: socket.socket, times: int = 1) -> list[str]:
    """The status lines of answers, read whole."""
    there, lines = b"", []
    while len(lines) < times:
        head, gap, rest = there.partition(b"\r\n\r\n")
        lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if gap and len(rest) >= lengths[0]:
            lines.append(head.split(b"\r\n")[0].decode())
            there = rest[lengths[0] :]
            continue
        more = sock.recv(65536)
        if not more:
            break
        there += more
    return lines


def test_each_is_stored_once_and_answered_however_its_bytes_come(port: int) -> None:
    link = Connection(code="wms-s", kind=SystemKind.WAREHOUSE, protocol="json")
    link.set_secrets({SECRET: new_secret()}).save()
    good = "HTTP/1.1 200 OK"

    def ask(*parts: bytes, times: int = 1) -> list[str]:
        with socket.create_connection((HOST, port), timeout=20) as sock:
            for part in parts:
                sock.sendall(part)
                time.sleep(0.2 if len(parts) > 1 else 0)
            return answered(sock, times)

    def many(numbers: Sequence[int]) -> list[str]:
        with socket.create_connection((HOST, port), timeout=20) as sock:
            lines: list[str] = []
            for number in numbers:
                sock.sendall(request(link, body(f"k{number}")))
                lines += answered(sock)
            return lines

    assert ask(request(link, body("first"))) == [good]
    with ThreadPoolExecutor(8) as pool:
        lines = list(pool.map(many, [range(place, 8 * WHOLE, 8) for place in range(8)]))
    assert lines == [[good] * WHOLE] * 8

    in_two = request(link, body("in-two"))
    text = body("in-chunks")
    chunked = request(link, text, "Transfer-Encoding: chunked", length=False).removesuffix(text.encode())
    chunked += f"{len(text.encode()):x}\r\n{text}\r\n0\r\n\r\n".encode()
    long = body("long", body={"text": "x" * 70_000})
    other = Connection(code="wms-s", kind=SystemKind.WAREHOUSE, protocol="json").set_secrets({SECRET: new_secret()})
    assert ask(in_two[:40], in_two[40:]) == [good]
    assert ask(in_two[:-5], in_two[-5:]) == [good]  # told again, too
    assert ask(chunked) == [good]
    assert ask(request(link, long)) == [good]
    # Two at once on one connection, and one that is refused between others.
    assert ask(request(link, body("p1")) + request(link, body("p2")), times=2) == [good] * 2
    forged = request(other, body("forged"))
    assert ask(request(link, body("p3")) + forged + request(link, body("p4")), times=3) == [
        good,
        "HTTP/1.1 401 Unauthorized",
        good,
    ]
    # Those that end with their answer.
    assert ask(request(link, body("closes"), "Connection: close"), times=2) == [good]
    assert ask(request(link, body("old"), version="1.0"), times=2) == ["HTTP/1.0 200 OK"]
    # What is no request, or one whose end is not plain.
    assert ask(request(link, body("x"), "Content-Length: 5"))[0].startswith("HTTP/1.1 400")
    assert ask(b"POST /callbacks/wms-s/ HTTP/1.1\r\nContent-Length: 0\r\nno header\r\n\r\n")[0].startswith(
        "HTTP/1.1 400"
    )
    # Who goes away is not missed, and one who reads nothing keeps nobody waiting.
    with socket.create_connection((HOST, port), timeout=20) as gone:
        gone.sendall(request(link, body("gone")))
    with socket.create_connection((HOST, port), timeout=20) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.settimeout(0.5)
        try:
            for number in range(3000):
                deaf.sendall(request(link, body(f"deaf{number % 7}")))
        except OSError:
            pass
        assert ask(request(link, body("last"))) == [good]

    keys = set(InboundFact.objects.exclude(fact_key__startswith="deaf").values_list("fact_key", flat=True))
    by_itself = {"first", "in-two", "in-chunks", "long", "p1", "p2", "p3", "p4", "closes", "old", "gone", "last"}
    assert keys == {f"k{number}" for number in range(8 * WHOLE)} | by_itself
    assert not Ticket.objects.exists()
