"""A PostgreSQL that hangs, all its processes stopped: a real web server still answers."""

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil
import pytest

from oms import figures, probes
from oms.embedded import addresses
from oms.embedded.processes import wait_until

# The probes look at the list of migrations only.
PREPARE = """
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
executor = MigrationExecutor(connection)
executor.migrate(executor.loader.graph.leaf_nodes(), fake=True)
"""
READERS = 10
THREADS = 4
STATEMENT_SECONDS = 2


@pytest.fixture
def site(folder: Any, run: Callable[..., Any], run_user: Callable[..., Any]) -> str:
    """The address of a web server with four threads on the folder's PostgreSQL; there is no broker."""
    environment = {"DEBUG": "1", "DJANGO_SETTINGS_MODULE": "oms.settings", "REDIS_URL": "redis://127.0.0.1:1/0"}
    environment["OMS_WEB_STATEMENT_SECONDS"] = str(STATEMENT_SECONDS)
    user = run_user(PREPARE, **environment)
    user.wait_for("attached")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    web = ["-m", "gunicorn", "oms.wsgi:application", "--bind", f"127.0.0.1:{port}", "--worker-class"]
    web += ["oms.web_worker.Worker"]
    run(
        *web,
        "--threads",
        str(THREADS),
        "--no-control-socket",
        DATABASE_URL=addresses.database_url(folder.path),
        **environment,
    )
    address = f"http://127.0.0.1:{port}"
    assert wait_until(lambda: answers(f"{address}/health/live"), 60)
    return address


def answers(address: str) -> bool:
    try:
        return ask(address)[0] == 200
    except OSError:
        return False


def has_a_thread(site: str) -> bool:
    """Whether anything but a probe is answered; given up after seconds."""
    try:
        with urllib.request.urlopen(f"{site}/api/v1/nothing", timeout=3):  # noqa: S310 - our own server
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def ask(address: str) -> tuple[int, str]:
    """Status and body; an answer that takes much longer than it may is an error."""
    try:
        with urllib.request.urlopen(address, timeout=15) as response:  # noqa: S310 - our own server
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@contextmanager
def stopped(*processes: psutil.Process) -> Iterator[None]:
    """Within it the processes stand still."""
    try:
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def whole(server: int) -> list[psutil.Process]:
    """All processes of a PostgreSQL."""
    return [psutil.Process(server), *psutil.Process(server).children(recursive=True)]


def serving(server: int) -> list[psutil.Process]:
    """Those processes of a PostgreSQL that serve a connection each."""
    return [process for process in whole(server) if " oms " in " ".join(process.cmdline())]


def what_came_of(site: str) -> list[tuple[int, str | None, str]]:
    """Status, when to come again, and code of as many calls at once as there are threads, each with a statement."""

    def call(_number: int) -> tuple[int, str | None, str]:
        request = urllib.request.Request(f"{site}/api/v1/orders", headers={"Authorization": "Bearer x.y"})  # noqa: S310
        try:
            urllib.request.urlopen(request, timeout=20).close()  # noqa: S310 - our own server
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Retry-After"], json.loads(error.read())["errors"][0]["code"]
        raise AssertionError("a call without a right was answered")

    with ThreadPoolExecutor(THREADS) as callers:
        return list(callers.map(call, range(THREADS)))


def refusals(address: str) -> list[str]:
    """Five answers that were no success, in a row after those that were kept from before."""
    assert wait_until(lambda: ask(address)[0] == 503, 30)
    found = [ask(address) for _ in range(5)]
    assert {status for status, _body in found} == {503}
    return [body for _status, body in found]


def test_while_postgresql_hangs_live_answers_and_ready_says_503_however_many_ask(folder: Any, site: str) -> None:
    assert wait_until(lambda: answers(f"{site}/health/ready"), 30)

    with ThreadPoolExecutor(2 * READERS) as readers, stopped(*whole(folder.server_pid())):
        ready = [readers.submit(refusals, f"{site}/health/ready") for _ in range(READERS)]
        others = [readers.submit(ask, f"{site}/{path}") for path in ("metrics", "health/progress") * (READERS // 2)]
        everything: list[Future[Any]] = [*ready, *others]
        while not all(asked.done() for asked in everything):
            assert ask(f"{site}/health/live") == (200, '{"status": "ok"}')

    for body in (body for asked in ready for body in asked.result()):
        assert json.loads(body)["checks"]["database"] == "does not answer"
    assert [status for status, _body in (asked.result() for asked in others)] == [200, 503] * (READERS // 2)
    assert all("\noms_database_up 0.0\n" in asked.result()[1] for asked in others[::2])
    # It goes on when the database does.
    assert wait_until(lambda: answers(f"{site}/health/ready"), 30)


@pytest.mark.parametrize("which", [whole, serving], ids=["the server", "only the connections"])
def test_requests_with_a_statement_under_way_end_with_503_and_give_their_threads_back(
    folder: Any, site: str, which: Callable[[int], list[psutil.Process]]
) -> None:
    before = what_came_of(site)  # every thread has a connection now

    with stopped(*which(folder.server_pid())):
        assert what_came_of(site) == [(503, "5", "database_away")] * THREADS
        assert ask(f"{site}/health/live") == (200, '{"status": "ok"}')

    assert wait_until(lambda: answers(f"{site}/health/ready"), 30)
    assert what_came_of(site) == before


@contextmanager
def unfinished_requests(site: str) -> Iterator[None]:
    """Within it every thread of the web server reads a request that does not end."""
    host, port = site.removeprefix("http://").split(":")
    sockets = [socket.create_connection((host, int(port)), timeout=30) for _ in range(THREADS)]
    try:
        for one in sockets:
            one.sendall(b"POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
        yield
    finally:
        for one in sockets:
            one.close()


def test_probes_are_answered_while_every_thread_is_taken(folder: Any, site: str) -> None:
    assert wait_until(lambda: answers(f"{site}/health/ready"), 30)

    with unfinished_requests(site):
        assert not has_a_thread(site)
        assert ask(f"{site}/health/live") == (200, '{"status": "ok"}')
        assert ask(f"{site}/health/ready")[0] == 200
        with stopped(*whole(folder.server_pid())):
            assert {json.loads(body)["checks"]["database"] for body in refusals(f"{site}/health/ready")} == {
                "does not answer"
            }
            assert ask(f"{site}/health/live") == (200, '{"status": "ok"}')

    assert wait_until(lambda: has_a_thread(site), 30)


def test_a_connection_that_asks_nothing_takes_no_thread(site: str) -> None:
    host, port = site.removeprefix("http://").split(":")
    with ExitStack() as silent:
        for _ in range(2 * THREADS):
            silent.enter_context(socket.create_connection((host, int(port)), timeout=30))
        assert has_a_thread(site)


def test_no_probe_waits_for_longer_than_two_seconds() -> None:
    assert probes.DATABASE.deadline_seconds + probes.BROKER.deadline_seconds < 2
    assert figures.FIGURES.deadline_seconds <= 2
