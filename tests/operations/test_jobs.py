"""Several jobs at once, so many of a kind and an owner; what a worker finished before it died is kept."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection, connections
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test import Client
from django.test.utils import CaptureQueriesContext

from oms import figures
from oms.common.files import exporting
from oms.common.models import Job, JobState
from oms.common.work import jobs
from orders.models import Order
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.operations.test_exporting import ORDERS, content_of, csv_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk(db: None) -> Client:
    return client_of("view_order", "export_orders")


def begin_export(client: Client, orders: int, shop: factories.Shop, form: str = "csv") -> list[str]:
    """Ask for the export of so many orders; their numbers as the file must have them."""
    numbers = [shop.place_order(payment_method="cod").number for _ in range(orders)]
    client.post(ORDERS, {"form": form})
    return numbers[::-1]


def end_lease() -> None:
    """The worker that had the job is taken for dead."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE common_job SET lease_until = now() - interval '1 second'")


def run_until_killed_at_part(number: int) -> None:
    """A worker takes the export up and dies while it writes this part (from 1)."""
    parts = []
    save = exporting._save_part

    def save_part(*args: Any) -> None:
        parts.append(args)
        if len(parts) == number:
            raise KeyboardInterrupt  # like a signal, it goes past every handler
        save(*args)

    with (
        mock.patch.object(exporting, "BATCH", 2),
        mock.patch.object(exporting, "_save_part", save_part),
        pytest.raises(KeyboardInterrupt),
    ):
        steps.once(jobs.run)


def test_a_killed_workers_export_goes_on_with_the_part_that_was_lost(clerk: Client, shop: factories.Shop) -> None:
    numbers = begin_export(clerk, 7, shop)
    run_until_killed_at_part(3)
    job = Job.objects.get()
    assert (job.state, job.total, job.done) == (JobState.RUNNING, 7, 4)
    Order.objects.update(external_number=Concat(Value("later-"), F("external_number")))

    end_lease()
    with mock.patch.object(exporting, "BATCH", 2), CaptureQueriesContext(connection) as captured:
        steps.once(jobs.run)

    # Parts three and four, and the look that finds no more.
    assert len([q for q in captured if '"recipient_phone"' in q["sql"] and "LIMIT 2" in q["sql"]]) == 3
    job = Job.objects.get()
    assert (job.state, job.done) == (JobState.SUCCEEDED, 7)
    rows = csv_rows(content_of(clerk, job))
    assert [row["order number"] for row in rows] == numbers
    assert [row["external number"].startswith("later-") for row in rows] == [False] * 4 + [True] * 3
    assert default_storage.listdir(f"jobs/{job.folder}")[1] == [job.result.name.rsplit("/")[-1]]


def test_a_part_that_is_gone_makes_the_export_begin_anew(clerk: Client, shop: factories.Shop) -> None:
    """As after a power cut, which the database's memory outlives and a file's may not."""
    numbers = begin_export(clerk, 5, shop, "xlsx")
    run_until_killed_at_part(3)
    job = Job.objects.get()
    default_storage.delete(f"jobs/{job.folder}/part-00001")

    end_lease()
    with mock.patch.object(exporting, "BATCH", 2):
        factories.run(jobs.run)

    job = Job.objects.get()
    assert (job.state, job.done, job.total) == (JobState.SUCCEEDED, 5, 5)
    assert len(numbers) == 5


def test_a_long_export_lets_others_jobs_between(clerk: Client, shop: factories.Shop, work: Callable[..., Job]) -> None:
    begin_export(clerk, 5, shop)
    short = work("short", lambda turn: True)

    with mock.patch.object(exporting, "BATCH", 2), mock.patch.object(jobs, "SLICE_SECONDS", -1.0):
        steps.once(jobs.run)
        assert (Job.objects.get(kind="export").done, state_of(short)) == (2, JobState.QUEUED)
        steps.once(jobs.run)
        assert (Job.objects.get(kind="export").done, state_of(short)) == (2, JobState.SUCCEEDED)
        factories.run(jobs.run)

    assert Job.objects.get(kind="export").state == JobState.SUCCEEDED


# --- Several at once


@pytest.fixture
def work() -> Iterator[Callable[..., Job]]:
    """Queues a job that does what it is told, of a kind and an owner; each gets an owner of its own unless named."""
    with mock.patch.dict(jobs.KINDS):

        def work(kind: str, do: Callable[[jobs.Turn], bool], owner: str | None = None) -> Job:
            jobs.KINDS[kind] = jobs.JobKind(kind, kind, "", do)
            name = owner or f"user{User.objects.count()}"
            user, _made = User.objects.get_or_create(username=name)
            return jobs.create(jobs.KINDS[kind], user)

        yield work


@pytest.fixture
def workers() -> Iterator[Callable[[], "Future[int]"]]:
    """Starts workers that run the stage once, each with a connection of its own."""

    def run() -> int:
        try:
            return jobs.run(1)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        yield lambda: pool.submit(run)


class Gate:
    """Work that is begun and then waits to be let go on."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, turn: jobs.Turn) -> bool:
        """See JobKind.work."""
        self.begun.release()
        assert self.open.wait(60)
        return True


def state_of(job: Job) -> str:
    return Job.objects.get(pk=job.pk).state


@pytest.mark.django_db(transaction=True)
def test_a_colleagues_export_does_not_block_a_bulk_action(work: Any, workers: Any) -> None:
    gate = Gate()
    export, second_export = work("export", gate), work("export", gate)
    action = work("bulk", lambda turn: True)
    running = workers()
    assert gate.begun.acquire(timeout=60)

    assert workers().result(60) == 1  # past the second export, which waits for the first
    assert [state_of(job) for job in (export, second_export, action)] == ["running", "queued", "succeeded"]
    assert workers().result(60) == 0

    gate.open.set()
    assert running.result(60) == 1
    assert workers().result(60) == 1
    assert {state_of(job) for job in (export, second_export)} == {"succeeded"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("at_once", "of_owner", "of_kind", "in_hand"),
    [(3, 9, {"default": 9}, 3), (9, 2, {"default": 9}, 4), (9, 9, {"default": 1, "bulk": 2}, 3)],
)
def test_however_many_workers_come_at_once_the_limits_hold(
    at_once: int, of_owner: int, of_kind: dict[str, int], in_hand: int, work: Any, workers: Any, settings: Any
) -> None:
    """Eight jobs: of two owners, and of two kinds."""
    settings.JOBS_AT_ONCE, settings.JOBS_AT_ONCE_OF_OWNER, settings.JOBS_AT_ONCE_OF_KIND = at_once, of_owner, of_kind
    gate = Gate()
    for number in range(8):
        work("export" if number % 2 else "bulk", gate, owner="ann" if number < 4 else "bob")

    running = [workers() for _ in range(8)]
    for _ in range(in_hand):
        assert gate.begun.acquire(timeout=60)
    idle = as_completed(running, timeout=60)
    assert [next(idle).result() for _ in range(8 - in_hand)] == [0] * (8 - in_hand)
    assert Job.objects.filter(state=JobState.RUNNING).count() == in_hand
    gate.open.set()
    assert sorted(future.result(60) for future in running) == [0] * (8 - in_hand) + [1] * in_hand
    assert Job.objects.filter(state=JobState.SUCCEEDED).count() == in_hand


@pytest.mark.django_db(transaction=True)
def test_jobs_that_wait_for_the_limits_are_neither_waiting_nor_late(work: Any, workers: Any) -> None:
    gate = Gate()
    work("export", gate)
    work("export", gate)
    running = workers()
    assert gate.begun.acquire(timeout=60)

    (found,) = figures.stage_figures([jobs.STAGE])

    assert (found.waiting, found.leased) == (0, 1)
    gate.open.set()
    assert running.result(60) == 1
