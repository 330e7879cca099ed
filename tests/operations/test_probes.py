"""Probes mean something: the process, what it needs, and whether the work moves."""

import re
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from oms import probes, tasks
from oms.common import metrics
from oms.common.work import clock, heartbeat
from oms.pipeline import PIPELINE
from orders.models import Order
from payments.providers.defaults import default_connection
from tests import factories, fakes, steps
from tests.api.calls import send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("figures_are_read_anew")]


@pytest.fixture
def broken_database() -> Any:
    with mock.patch.object(connection, "cursor", side_effect=OperationalError("gone")):
        yield


def sample(name: str, **labels: str) -> float:
    """The value of a metric at /metrics; 0 where it was never counted."""
    text = Client().get("/metrics").content.decode()
    for line in text.splitlines():
        if line.startswith((f"{name} ", f"{name}{{")) and all(
            f'{key}="{value}"' in line for key, value in labels.items()
        ):
            return float(line.rpartition(" ")[2])
    return 0.0


def age_all_orders(seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET ready_at = now() - make_interval(secs => %s)", [seconds])


def test_live_asks_nobody(broken_database: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert Client().get("/health/live").status_code == 200


def test_ready_says_what_is_missing(broken_database: None) -> None:
    answer = Client().get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "does not answer"


def test_without_a_broker_the_site_is_degraded_but_ready(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = Client().get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "degraded",
        "checks": {"database": "ok", "broker": "does not answer", "migrations": "ok"},
    }


def test_missing_migrations_make_the_site_unready() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'logistics'")

    answer = Client().get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "3 missing"


def test_progress_fails_until_a_sweep_was_seen() -> None:
    assert Client().get("/health/progress").status_code == 503

    heartbeat.beat(heartbeat.SWEEP)

    assert Client().get("/health/progress").json()["status"] == "ok"


def test_progress_fails_when_the_sweep_has_been_silent_for_too_long() -> None:
    heartbeat.beat(heartbeat.SWEEP)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE common_heartbeat SET seen_at = now() - interval '10 minutes'")

    answer = Client().get("/health/progress")

    assert answer.status_code == 503
    assert not answer.json()["sweep"]["ok"]
    assert answer.json()["stuck"] == []


@pytest.mark.parametrize("task", [tasks.sweep, tasks.sign_of_life])
def test_what_beat_sends_is_the_sign_of_life(task: Any) -> None:
    assert heartbeat.seconds_since(heartbeat.SWEEP) is None

    task()

    assert heartbeat.seconds_since(heartbeat.SWEEP) < 60


def test_a_sweep_that_has_much_to_do_gives_its_sign_of_life_between_stages(monkeypatch: Any) -> None:
    beats: list[str] = []
    clock = mock.Mock(return_value=0.0)
    monkeypatch.setattr(heartbeat, "beat", beats.append)
    monkeypatch.setattr(heartbeat.time, "monotonic", clock)

    def run_for_five_seconds(_name: str) -> None:
        clock.return_value += 5

    monkeypatch.setattr(tasks, "run_stage", run_for_five_seconds)
    tasks.sweep()

    assert beats == [heartbeat.SWEEP] * len(PIPELINE)


def test_a_beat_that_died_is_noticed_after_half_a_minute() -> None:
    heartbeat.beat(heartbeat.SWEEP)
    for seconds, status in ((28, 200), (31, 503)):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE common_heartbeat SET seen_at = now() - make_interval(secs => %s)", [seconds])
        assert Client().get("/health/progress").status_code == status


def test_progress_names_the_stuck_stage_and_no_other(shop: factories.Shop, settings: Any) -> None:
    shop.place_order()
    heartbeat.beat(heartbeat.SWEEP)
    age_all_orders(301)

    answer = Client().get("/health/progress")

    assert answer.status_code == 503
    assert answer.json()["stuck"] == ["request_payment"]
    settings.STAGE_LATE_SECONDS = {"default": 300, "request_payment": 600}
    assert Client().get("/health/progress").status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/health/progress"])
def test_figures_are_for_the_machine_itself_or_the_bearer_of_the_token(path: str, settings: Any) -> None:
    settings.METRICS_TOKEN = "watcher"
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}

    assert Client().get(path).status_code in (200, 503)
    assert Client(**elsewhere).get(path).status_code == 403
    assert Client(headers={"x-forwarded-for": "127.0.0.1"}).get(path).status_code == 403
    assert Client(headers={"authorization": "Bearer wrong"}).get(path).status_code == 403
    assert Client(headers={"authorization": "Bearer watcher"}, **elsewhere).get(path).status_code in (200, 503)


def test_without_a_token_in_the_settings_no_token_opens(settings: Any) -> None:
    settings.METRICS_TOKEN = ""

    answer = Client(headers={"authorization": "Bearer "}, REMOTE_ADDR="203.0.113.9").get("/metrics")

    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_probes_are_not_redirected_and_take_any_host(path: str, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["oms.example"]

    assert Client(headers={"host": "10.0.0.7:8000"}).get(path).status_code == 200
    assert Client(headers={"host": "oms.example"}).get("/admin/").status_code == 301


def test_requests_are_counted_by_the_name_of_their_address(api: Any, shop: factories.Shop) -> None:
    name = "oms_http_request_seconds_count"
    before = sample(name, view="api:order", method="GET", status="2xx")
    number = shop.place_order().number

    api.get(f"/api/v1/orders/{number}")
    api.get("/api/v1/nowhere/13800001111")

    assert sample(name, view="api:order", method="GET", status="2xx") == before + 1
    assert "13800001111" not in Client().get("/metrics").content.decode()


def test_a_method_that_nobody_knows_makes_no_series_of_its_own() -> None:
    metrics.count_request("v", "X" * 30, 200, 0.1)

    assert "XXX" not in Client().get("/metrics").content.decode()


def test_calls_outside_are_counted_by_what_came_of_them(shop: factories.Shop) -> None:
    def items(outcome: str) -> float:
        return sample("oms_outside_call_items_total", system="warehouse", operation="release", outcome=outcome)

    from logistics.warehouses.adapters import Answer, Request, of

    before = {outcome: items(outcome) for outcome in ("done", "refused", "unknown")}
    link = factories.ConnectionFactory()
    works = [Request(f"S-{number}", "WH") for number in range(4)]
    answers = {"S-0": Answer(True), "S-1": Answer(True), "S-2": Answer(False, "full")}
    with fakes.warehouse(fakes.FakeWarehouse(answers.get)):
        of(link).release(link, works)
    with fakes.warehouse(fakes.FakeWarehouse(fakes.lose)), pytest.raises(fakes.Lost):
        of(link).release(link, works)

    after = {outcome: items(outcome) - before[outcome] for outcome in before}
    assert after == {"done": 2, "refused": 1, "unknown": 5}


def test_stages_are_counted_with_what_they_moved_and_what_failed(shop: factories.Shop, settings: Any) -> None:
    settings.MAX_ATTEMPTS = 3
    rows = sample("oms_stage_rows_total", stage="request_payment")
    failed = sample("oms_failed_attempts_total", stage="send_payment", table="payments_payment")
    shop.place_order()

    with clock.skipping_waits(), fakes.provider(fakes.FakeProvider(fakes.lose)):
        tasks.run_stage("request_payment")
        tasks.run_outside("send_payment", default_connection().pk)

    assert sample("oms_stage_rows_total", stage="request_payment") == rows + 1
    # Waits are skipped here, so that it was tried until it needed a person.
    assert sample("oms_failed_attempts_total", stage="send_payment", table="payments_payment") == failed + 3


def test_a_scrape_tells_what_waits_and_what_needs_a_person(shop: factories.Shop) -> None:
    shop.place_order()
    stuck = shop.place_order()
    age_all_orders(100)
    Order.objects.filter(pk=stuck.pk).update(needs_person_since="2026-01-01T00:00:00Z")

    assert sample("oms_stage_waiting", stage="request_payment") == 1
    assert 100 <= sample("oms_stage_oldest_seconds", stage="request_payment") < 200
    assert sample("oms_stage_needing_person", stage="request_payment") == 1
    assert sample("oms_open_tickets", kind="stuck_order", team="technical") == 1
    assert sample("oms_overdue_tickets", kind="stuck_order", team="technical") == 0


@pytest.mark.parametrize("orders", [0, 5])
def test_a_scrape_takes_five_statements_however_many_stages_and_rows_there_are(
    shop: factories.Shop, orders: int
) -> None:
    for _ in range(orders):
        shop.place_order()

    with CaptureQueriesContext(connection) as first:
        Client().get("/metrics")
    with CaptureQueriesContext(connection) as soon_after:
        Client().get("/metrics")

    assert len(first) == 5
    assert len(soon_after) == 0


def test_a_scrape_while_the_database_is_away_says_so(broken_database: None) -> None:
    answer = Client().get("/metrics")

    assert answer.status_code == 200
    assert re.search(rb"^oms_database_up 0\.0$", answer.content, re.MULTILINE)


def test_counting_a_request_costs_little() -> None:
    import time

    rounds = 5_000
    started = time.thread_time()  # other programs' time does not count
    for _ in range(rounds):
        metrics.count_request("api:orders", "POST", 201, 0.01)

    assert (time.thread_time() - started) / rounds < 50e-6


def test_processes_count_together(tmp_path: Any) -> None:
    import os
    import subprocess
    import sys

    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    code = "from oms.common import metrics; metrics.count_stage('review', 7, 0.1)"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)  # noqa: S603

    with mock.patch.dict(os.environ, {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}):
        text = probes.metrics(RequestFactory().get("/metrics")).content.decode()

    assert 'oms_stage_rows_total{stage="review"} 14.0' in text


def test_the_request_id_is_the_callers_or_a_new_one(api: Any, shop: factories.Shop) -> None:
    assert send(api, shop.body(), HTTP_X_REQUEST_ID="abc-1")["X-Request-ID"] == "abc-1"
    assert re.fullmatch("[0-9a-f]{32}", send(api, {}, HTTP_X_REQUEST_ID="a b")["X-Request-ID"])
    assert re.fullmatch("[0-9a-f]{32}", Client().get("/admin/login/")["X-Request-ID"])


def test_nothing_of_an_order_stands_in_the_figures(shop: factories.Shop) -> None:
    steps.approve_and_split()
    order = shop.place_order()
    text = Client().get("/metrics").content.decode() + Client().get("/health/progress").content.decode()

    for secret in (order.recipient_phone, order.recipient_name, order.recipient_address, order.number):
        assert secret not in text
