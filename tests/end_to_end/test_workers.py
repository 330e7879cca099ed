"""A real Celery worker on a real broker, which forgets everything in the middle; then the worker is killed as well."""

import os
import signal
import subprocess
from time import monotonic, sleep

import pytest
from valkey import Valkey

from oms.embedded import valkey
from oms.embedded.addresses import redis_url, valkey_socket
from oms.embedded.processes import wait_until
from orders.models import Order, SubOrder
from tests.end_to_end.test_drains import assert_all_is_at_its_right_end, import_orders

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.soak]

# A day lasts about a second; the deadlines of payments are those of the test's own process.
SPEED = {"OMS_TIME_SPEED": "100000", "OMS_STAGE_BATCH": "40"}


@pytest.fixture
def broker(tmp_path):
    """A Valkey of its own; gives its address."""
    process = subprocess.Popen(valkey.command(tmp_path))  # noqa: S603 - our own binary
    assert wait_until(lambda: valkey.is_ready(tmp_path), 30)
    yield redis_url(tmp_path)
    process.terminate()
    process.wait(30)


def start_worker(start, broker, tmp_path):
    """A worker with its beat, in a process group of its own."""
    command = ("-m", "celery", "-A", "oms", "worker", "-B", "--concurrency", "2", "--loglevel", "ERROR")
    command += ("--queues", "celery,outside")
    schedule = ("--schedule", str(tmp_path / "schedule"))
    return start(*command, *schedule, REDIS_URL=broker, OMS_DATA_DIR=str(tmp_path), **SPEED)


def unfinished() -> int:
    """Orders that can still go on: neither over, nor held, nor waiting for goods."""
    waiting = SubOrder.objects.filter(state="backordered").values("order")
    on_their_way = SubOrder.objects.exclude(state__in=["backordered", "completed", "returned", "cancelled"])
    going = Order.objects.exclude(state__in=["completed", "closed", "cancelled"]).filter(open_holds=0)
    return going.exclude(pk__in=waiting).count() + on_their_way.filter(order__in=waiting).count()


def wait_for(condition, seconds: float) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, f"{unfinished()} orders did not come to their end"
        sleep(0.2)


def test_losing_the_queue_and_a_worker_loses_no_order(start, sample, broker, tmp_path):
    imported = import_orders(200)
    first = start_worker(start, broker, tmp_path)
    wait_for(lambda: SubOrder.objects.exclude(state="awaiting_allocation").count() > 40, 60)

    Valkey(unix_socket_path=str(valkey_socket(tmp_path))).flushall()
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=30)
    assert unfinished() > 0, "nothing was left to do"
    start_worker(start, broker, tmp_path)

    wait_for(lambda: unfinished() == 0, 150)
    # Refunds, books and settlements follow.
    wait_for(lambda: not Order.objects.exclude(owed_changed_since=None).exists(), 30)
    sleep(5)
    assert_all_is_at_its_right_end(imported)
