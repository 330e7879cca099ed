"""A broker that is down or frozen hurts nobody."""

import socket
from collections.abc import Iterator
from time import monotonic
from unittest import mock

import pytest
from django.db import transaction
from kombu import Connection

from oms import tasks
from oms.common.work import nudging
from orders.models import Order
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nudges are sent, as in production, by a producer of its own."""
    monkeypatch.setattr(nudging, "_enabled", True)
    monkeypatch.setattr(nudging, "_silent_until", 0.0)
    monkeypatch.setattr(nudging, "_sent_at", {})
    nudging._producer_app.cache_clear()
    yield
    nudging._producer_app.cache_clear()


def seconds_to_place_an_order() -> float:
    shop = factories.make_shop()
    body_of = shop.place_order
    started = monotonic()
    body_of()
    return monotonic() - started


def test_a_frozen_broker_costs_half_a_second_once(settings, nudges):
    """It listens, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        settings.REDIS_URL = f"redis://127.0.0.1:{frozen.getsockname()[1]}/0"
        nudging.prepare()
        first = seconds_to_place_an_order()
        later = [seconds_to_place_an_order() for _ in range(5)]

    assert 0.5 <= first < 0.8
    assert sum(later) < 0.5
    assert Order.objects.count() == 6


def test_a_broker_that_is_down_costs_nothing(settings, nudges):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"

    assert seconds_to_place_an_order() < 0.6

    assert Order.objects.count() == 1


def test_after_a_rest_the_broker_is_tried_again(settings, nudges, monkeypatch):
    with mock.patch.object(nudging, "_producer_app") as app:
        app.return_value.send_task.side_effect = [ConnectionError("down"), None, None]
        nudging.nudge("review", "split")
        assert app.return_value.send_task.call_count == 1
        now = monotonic()
        monkeypatch.setattr(nudging.time, "monotonic", lambda: now + 5.1)
        nudging.nudge("review", "split")

    assert [call.kwargs["args"] for call in app.return_value.send_task.call_args_list] == [
        ["review"],
        ["review"],
        ["split"],
    ]


def test_a_stage_is_nudged_at_once_and_then_only_now_and_then(nudges):
    with mock.patch.object(nudging, "_producer_app") as app:
        for stage in ["review", "review", "split", "review"]:
            nudging.nudge(stage)

    assert [call.kwargs["args"] for call in app.return_value.send_task.call_args_list] == [["review"], ["split"]]


def test_the_sign_of_life_does_not_wait_for_nudges_and_sweeps(nudges, settings, valkey_url, monkeypatch):
    settings.REDIS_URL = valkey_url
    monkeypatch.setattr(nudging, "SPACING_SECONDS", 0)
    for _ in range(5):
        nudging.nudge("review")
    with Connection(valkey_url) as broker:
        # As beat sends them.
        for name, task in (("sweep", tasks.sweep), ("sign-of-life", tasks.sign_of_life)):
            task.apply_async(connection=broker, **settings.CELERY_BEAT_SCHEDULE[name]["options"])
        queue = broker.SimpleQueue("celery")
        taken = [queue.get(timeout=10).headers["task"] for _ in range(7)]

    assert taken == ["oms.sign_of_life", *["oms.run_stage"] * 5, "oms.sweep"]


def test_nothing_is_sent_for_what_was_rolled_back(nudges):
    with mock.patch.object(nudging, "_producer_app") as app:
        with transaction.atomic():
            nudging.nudge("review")
            transaction.set_rollback(True)
        assert app.return_value.send_task.call_count == 0
        with transaction.atomic():
            nudging.nudge("review")
            assert app.return_value.send_task.call_count == 0
        assert app.return_value.send_task.call_count == 1
