"""Many ask, one thread reads, nobody waits for what hangs."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, connections

from oms.common.shared_reading import NoAnswer, SharedReading
from oms.embedded.processes import wait_until


class Slow:
    """A reading that ends when it is let go, and counts how often it began."""

    def __init__(self) -> None:
        self.began = 0
        self.go_on = Event()

    def __call__(self) -> int:
        self.began += 1
        assert self.go_on.wait(30)
        return self.began


def test_all_who_ask_meanwhile_share_one_reading() -> None:
    slow = Slow()
    reading = SharedReading(slow, deadline_seconds=30)
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(reading.get, max_age_seconds=0) for _ in range(10)]
        assert wait_until(lambda: slow.began, 10)
        slow.go_on.set()

        # Who asks only after its end begins the next one.
        assert asked[0].result(30) == 1
        assert all(answer.result(30) <= slow.began for answer in asked)
    assert reading.get(max_age_seconds=60) == slow.began
    assert reading.get(max_age_seconds=0) == slow.began


def test_what_was_read_is_kept_for_a_while_and_so_is_a_failure() -> None:
    answers = iter([None, 1, 2])

    def read() -> int:
        answer = next(answers)
        if answer is None:
            raise ValueError("no")
        return answer

    reading = SharedReading(read, deadline_seconds=30)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            reading.get(max_age_seconds=60)
    reading.forget()
    assert [reading.get(max_age_seconds=60), reading.get(max_age_seconds=60)] == [1, 1]
    reading.forget()
    assert reading.get(max_age_seconds=60) == 2


def test_a_reading_that_hangs_is_begun_once_and_told_of_until_it_comes_back() -> None:
    slow = Slow()
    reading = SharedReading(slow, deadline_seconds=0.05)
    for _ in range(20):
        with pytest.raises(NoAnswer):
            reading.get(max_age_seconds=0)
    assert slow.began == 1

    slow.go_on.set()

    def is_back() -> bool:
        try:
            return reading.get(max_age_seconds=60) == 1
        except NoAnswer:
            return False

    assert wait_until(is_back, 10)
    assert slow.began == 1


def test_a_time_out_of_what_is_read_is_not_our_deadline() -> None:
    def read() -> int:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        SharedReading(read, deadline_seconds=30).get(max_age_seconds=0)


@pytest.mark.django_db(transaction=True)
def test_the_reading_works_with_the_callers_connection_and_keeps_it_if_it_hangs() -> None:
    go_on, used = Event(), []

    def read() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        used.append(connections["default"])
        assert go_on.wait(30)

    mine = connections["default"]
    reading = SharedReading(read, deadline_seconds=30)
    go_on.set()
    reading.get(max_age_seconds=0)
    assert connections["default"] is mine
    assert used == [mine]

    go_on.clear()
    reading.deadline_seconds = 0.05
    with pytest.raises(NoAnswer):
        reading.get(max_age_seconds=0)
    # The thread that waited goes on with another one; the hanging one is closed when it is free.
    assert connections["default"] is not mine
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    go_on.set()
    assert wait_until(lambda: mine.connection is None, 10)
    assert used == [mine, mine]
