"""Calls over connections: batches that fit, leases that last as long as the call, slots, and rows that fail alone."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections as databases

from oms.common.models import Connection, InboundFact, SystemKind, Topic
from oms.common.work import calling, clock, connections, facts
from oms.common.work.claiming import Queue, lease, lock_leased, put_off
from tests import plans, steps

pytestmark = pytest.mark.django_db(transaction=True)
# Any table of work items with connections does.
QUEUE = Queue(InboundFact, "q.state = 'pending'")


@dataclass(frozen=True)
class Item:
    """A row to be sent."""

    reference: str


@dataclass(frozen=True)
class Answer:
    """What the other side says."""

    taken: bool = True
    reason: str = ""


class Outside:
    """Another system that answers after `seconds` a row."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        self.asked: Counter[str] = Counter()
        self.sizes: list[int] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def ask(self, link: Connection, items: Sequence[Item]) -> Mapping[str, Answer]:
        with self.lock:
            self.asked.update(item.reference for item in items)
            self.sizes.append(len(items))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.seconds * len(items))
        with self.lock:
            self.at_once -= 1
        return {item.reference: Answer() for item in items}


def prepare(keys: Sequence[int]) -> dict[int, Item]:
    return {key: Item(subject) for key, subject in InboundFact.objects.filter(pk__in=keys).values_list("pk", "subject")}


def finish(outcomes: calling.Outcomes[Answer]) -> None:
    InboundFact.objects.filter(pk__in=outcomes.taken).update(state="applied", settled_at=steps.NOON, lease_until=None)
    if outcomes.refused:
        put_off(QUEUE, outcomes.reasons())


def call_of(outside: Outside, **changes: Any) -> calling.Call[Item, Answer]:
    return calling.Call(**{"queue": QUEUE, "prepare": prepare, "ask": outside.ask, "finish": finish, **changes})


def make_link(code: str = "wms-1", rows: int = 5, **values: Any) -> Connection:
    link = Connection.objects.create(code=code, name=code, kind=SystemKind.WAREHOUSE, **values)
    news = [facts.News(str(i), "packed", f"{code}-{i}", steps.NOON) for i in range(rows)]
    facts.receive(link.pk, Topic.WAREHOUSE, news)
    return link


def side_by_side(count: int, work: Any) -> None:
    def run() -> None:
        try:
            work()
        finally:
            databases.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_slow_system_gets_batches_that_fit_the_lease_and_each_row_once(settings: Any) -> None:
    settings.LEASE_SECONDS = 1
    link = make_link(rows=80, calls_at_once=2, row_seconds=0.02)
    outside = Outside(seconds=0.02)
    call = call_of(outside)

    side_by_side(2, lambda: calling.over(Connection.objects.get(pk=link.pk), 1000, call))

    assert set(outside.asked.values()) == {1}
    assert len(outside.asked) == 80
    assert max(outside.sizes) <= 1 / 3 / 0.02
    assert outside.most_at_once == 2
    assert not InboundFact.objects.exclude(state="applied").exists()


def test_a_call_that_lasts_longer_than_its_lease_keeps_its_rows(settings: Any) -> None:
    settings.LEASE_SECONDS = 0.3
    link = make_link(rows=4, calls_at_once=2)
    outside = Outside(seconds=0.3)
    call = call_of(outside)

    side_by_side(2, lambda: [calling.over(Connection.objects.get(pk=link.pk), 10, call) for _ in range(3)])

    assert set(outside.asked.values()) == {1}
    assert not InboundFact.objects.exclude(state="applied").exists()


def test_no_more_calls_are_on_their_way_than_the_system_takes(settings: Any) -> None:
    link = make_link(rows=12, calls_at_once=1, batch_size=2)
    outside = Outside(seconds=0.01)
    call = call_of(outside)

    def work() -> None:
        while (
            calling.over(Connection.objects.get(pk=link.pk), 2, call)
            or InboundFact.objects.filter(state="pending").exists()
        ):
            pass

    side_by_side(3, work)

    assert outside.most_at_once == 1
    assert set(outside.asked.values()) == {1}


def test_a_row_that_cannot_be_prepared_fails_alone() -> None:
    link = make_link(rows=5)
    bad = InboundFact.objects.order_by("id")[2]
    outside = Outside()

    def prepare_or_fail(keys: Sequence[int]) -> dict[int, Item]:
        if bad.pk in keys:
            raise ValueError("no address")
        return prepare(keys)

    assert calling.over(link, 10, call_of(outside, prepare=prepare_or_fail)) == 5

    assert InboundFact.objects.filter(state="applied").count() == 4
    failed = InboundFact.objects.get(pk=bad.pk)
    assert (failed.attempts, failed.last_error, failed.lease_until) == (1, "ValueError: no address", None)


def test_a_silent_connection_is_left_alone_after_some_failures_and_others_go_on(settings: Any) -> None:
    settings.MAX_ATTEMPTS = 100
    silent, other = make_link("silent", breaker_failures=2), make_link("other")
    asked: list[str] = []

    def ask(link: Connection, items: Sequence[Item]) -> Mapping[str, Answer]:
        asked.append(link.code)
        if link.code == "silent":
            raise TimeoutError
        return {item.reference: Answer() for item in items}

    stage = calling.outside_stage("x", call_of(Outside(), ask=ask))
    with clock.skipping_waits():
        for _ in range(4):
            stage.run(100)

    assert asked.count("silent") == 2
    assert stage.due_connections() == []
    assert InboundFact.objects.filter(connection=other, state="applied").count() == 5
    assert set(InboundFact.objects.filter(connection=silent).values_list("attempts", flat=True)) == {2}
    Connection.objects.update(paused_until=None)
    with clock.skipping_waits():
        assert stage.due_connections() == [silent.pk]


def test_a_connection_that_is_switched_off_is_not_called() -> None:
    link = make_link(is_active=False)
    stage = calling.outside_stage("x", call_of(Outside()))

    assert stage.due_connections() == []
    Connection.objects.update(is_active=True)
    assert stage.due_connections() == [link.pk]


def test_another_workers_lease_is_not_cleared_by_one_that_lost_it() -> None:
    make_link(rows=1)
    mine = lease(QUEUE, 10)
    key = next(iter(mine))
    InboundFact.objects.update(lease_until=steps.NOON)
    theirs = lease(QUEUE, 10)

    put_off(QUEUE, {key: "late"}, tokens=mine)

    row = InboundFact.objects.get()
    assert (row.lease_token, row.attempts) == (theirs[key], 0)
    assert row.lease_until is not None


def test_finishing_a_batch_reads_its_rows_and_not_all_that_wait() -> None:
    # Without figures about the table PostgreSQL takes few rows to wait, as it does when a crowd has just come.
    make_link(rows=3000)
    mine = lease(QUEUE, 5)

    assert plans.rows_read(lambda: lock_leased(QUEUE, mine), "AS mine") <= 10


def test_a_worker_that_died_gives_its_slot_back_with_its_lease(settings: Any) -> None:
    link = make_link(calls_at_once=1)
    assert connections.take_slot(link) is not None
    assert connections.take_slot(link) is None

    link.slots.update(lease_until=steps.NOON)

    assert connections.take_slot(link) is not None
