"""While PostgreSQL is away, busy or slow: what callers and staff are told, and what stops waiting."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.test import Client
from django.urls import reverse

from inventory import reserving
from oms.common.postgresql import limits
from oms.common.work import claiming
from oms.embedded import CHECKOUT
from orders import locking
from orders.models import Order
from tests import factories
from tests.admin.conftest import client_of
from tests.api.calls import ORDERS, change, errors_of, send
from tests.pipeline.test_races import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def no_database() -> Iterator[None]:
    """Nobody listens where the database was."""
    settings = connection.settings_dict
    before = settings["HOST"], dict(settings["OPTIONS"])
    settings["HOST"] = ""
    settings["OPTIONS"]["host"] = "/nowhere"
    connection.close()
    try:
        yield
    finally:
        settings["HOST"], settings["OPTIONS"] = before
        connection.close()


@contextmanager
def locked(order: Order) -> Iterator[None]:
    """Somebody else holds the order, and locks are waited for 50 ms."""
    held, done = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            Order.objects.select_for_update().get(pk=order.pk)
            held.set()
            done.wait(20)

    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    with ThreadPoolExecutor(1) as pool:
        holder = in_thread(pool, hold)
        assert held.wait(20)
        try:
            yield
        finally:
            done.set()
            holder.result(20)
            connection.close()


@contextmanager
def slow() -> Iterator[None]:
    """No statement may take longer than a millisecond, and one that takes long is among them."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 1")
    try:
        yield
    finally:
        connection.close()


@pytest.fixture
def order(shop: factories.Shop) -> Order:
    """An order that waits for its payment."""
    return shop.place_order()


def test_the_api_says_503_while_the_database_is_away_and_goes_on_when_it_is_back(api, shop, order):
    with no_database():
        for answer in (api.get(ORDERS), send(api, shop.body()), change(api, "post", f"{ORDERS}/{order.number}/cancel")):
            assert (answer.status_code, errors_of(answer)) == (503, {(None, "database_away")})
            assert answer["Retry-After"] == "5"
            assert answer.json()["type"] == "server_error"
        loc = api.get("/api/order/status?order_id=1")
        assert (loc.status_code, loc.json()["code"], loc["Retry-After"]) == (503, 50300, "5")
    assert api.get(ORDERS).status_code == 200


@pytest.mark.parametrize(("language", "words"), [("en", "does not answer just now"), ("zh-hans", "数据库暂时没有响应")])
def test_pages_say_so_too(order, language, words):
    boss = client_of(is_superuser=True)
    boss.raise_request_exception = False
    with no_database():
        for path in ("/admin/", reverse("admin:orders_order_change", args=[order.pk]), "/merchant/", "/apply/A0001/"):
            page = boss.get(path, headers={"accept-language": language})
            assert (page.status_code, page["Retry-After"]) == (503, "5"), path
            assert words in page.content.decode()
            assert f'href="{path}"' in page.content.decode()
        note = boss.post(reverse("admin:orders_order_note", args=[order.pk]), {"text": "x"})
        assert note.status_code == 503
        login = Client(raise_request_exception=False).post("/admin/login/", {"username": "x", "password": "y"})
        assert login.status_code == 503
    assert boss.get("/admin/").status_code == 200


def test_what_somebody_else_holds_is_waited_for_shortly_and_nothing_is_remembered(api, order):
    url = f"{ORDERS}/{order.number}/cancel"
    key = {"HTTP_IDEMPOTENCY_KEY": "c1"}
    with locked(order):
        answer = change(api, "post", url, {"reason": "x"}, version=order.version, **key)
        assert (answer.status_code, errors_of(answer)) == (503, {(None, "busy")})
        assert answer["Retry-After"] == "2"
    again = change(api, "post", url, {"reason": "x"}, version=order.version, **key)
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")


def test_staff_are_told_that_somebody_else_is_at_it(order):
    boss = client_of(is_superuser=True)
    boss.raise_request_exception = False
    boss.get("/admin/")
    with locked(order):
        form = {"reason": "x", "version": order.version}
        page = boss.post(reverse("admin:orders_order_hold", args=[order.pk]), form)
        assert page.status_code == 503
        assert "Somebody else is changing the same rows" in page.content.decode()
        assert "Go back" in page.content.decode()
    assert Order.objects.get(pk=order.pk).state == "awaiting_payment"


def test_a_statement_that_takes_too_long_is_stopped_and_told(api, monkeypatch):
    def sleeps(*_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")

    monkeypatch.setattr("orders.api.orders.OrdersView.get_queryset", sleeps)
    with slow():
        answer = api.get(ORDERS)
    assert (answer.status_code, errors_of(answer)) == (503, {(None, "took_too_long")})


def test_another_mistake_is_still_ours():
    boss = client_of(is_superuser=True, username="one")
    boss.raise_request_exception = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oms.dashboard.add_figures", lambda *_: 1 / 0)
        page = boss.get("/admin/")
    assert page.status_code == 500
    assert "Something went wrong" in page.content.decode()
    assert page["X-Request-ID"] in page.content.decode()
    assert "Retry-After" not in page


# --- What limits the waits --------------------------------------------------------------------------------------------


def shown(name: str) -> str:
    """A setting of a new connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


def test_connections_of_the_web_wait_shortly_from_their_beginning(settings, monkeypatch):
    options = dict(connection.settings_dict["OPTIONS"])
    monkeypatch.setitem(limits.connections.settings["default"], "OPTIONS", options)
    # Whoever loaded the WSGI application before limited this process already.
    options.pop("options", None)
    settings.WEB_LOCK_SECONDS, settings.WEB_STATEMENT_SECONDS = 1.5, 0
    servers_own = shown("statement_timeout")
    limits.limit_waits()

    def look() -> list[str]:
        return [shown(name) for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")]

    with ThreadPoolExecutor(1) as pool:
        assert in_thread(pool, look).result(20) == ["1500ms", servers_own, "1min"]
    assert options["options"] == "-c lock_timeout=1500 -c idle_in_transaction_session_timeout=60000"


@pytest.mark.parametrize(("module", "limited"), [("oms.wsgi", True), ("oms.celery", False), ("oms.urls", False)])
def test_only_the_web_limits_its_waits(module, limited):
    code = (
        f"import django; django.setup(); import {module}; from django.db import connection;"
        "print('lock_timeout' in str(connection.settings_dict['OPTIONS']))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "oms.settings", "ALLOWED_HOSTS": "x"}
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=True
    )
    assert done.stdout.strip() == str(limited)


def test_a_server_that_is_away_is_noticed_in_every_process():
    known = connection.settings_dict["OPTIONS"]
    names = ("connect_timeout", "tcp_user_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count")
    assert [known[name] for name in names] == [5, 20_000, 10, 5, 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda: locking.lock_order(1),
        lambda: locking.lock_sub_orders(1),
        lambda: locking.lock_orders([1]),
        lambda: claiming.claim(claiming.Queue(Order, "true"), 1),
        lambda: claiming.lock_leased(claiming.Queue(Order, "true"), {1: 1}),
        lambda: reserving.lock_stock([1]),
        lambda: reserving.release([1], actor="x"),
        lambda: reserving.consume([1], actor="x"),
    ],
)
def test_what_locks_rows_says_so_where_no_transaction_is_open(call: Callable[[], Any]):
    with pytest.raises(TransactionManagementError, match="needs an open transaction: call it inside"):
        call()
