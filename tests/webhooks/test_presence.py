"""What a dead sender had in hand is taken over soon, what a living one has is left to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import psycopg
import pytest
from django.db import connection

from oms.merchants.models import WebhookDelivery
from oms.merchants.webhooks import claiming, presence, serving, telling
from oms.merchants.webhooks.presence import Presence
from tests import factories
from tests.webhooks.conftest import subscribe
from tests.webhooks.receiver import receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _takes_over_at_once(settings, monkeypatch):
    settings.WEBHOOKS_TAKE_OVER_SECONDS = 0
    monkeypatch.setattr(presence, "LOOK_SECONDS", 0)


@contextmanager
def somebody_else(number: int) -> Iterator[None]:
    """The session of another sender with this number; it dies at the end without a word."""
    with holding_the_lock(number):
        yield
    with holding_the_lock(number):
        pass  # the server has seen its end


@contextmanager
def holding_the_lock(number: int) -> Iterator[None]:
    with psycopg.connect(**connection.get_connection_params()) as session:
        session.execute("SELECT pg_advisory_lock(%s, %s)", [presence.LOCKS, number])
        yield


def tell(url: str, count: int) -> None:
    endpoint = subscribe(factories.make_shop().merchant, url)
    for _ in range(count):
        telling.tell(endpoint.merchant_id, "order.created", {})


def serve_until_all_are_delivered() -> None:
    """A sender at work; it gives up long before a lease ends."""
    end = monotonic() + 20
    serving.serve(lambda: not WebhookDelivery.objects.exclude(state="delivered").exists() or monotonic() > end)


def test_what_a_dead_sender_had_in_hand_is_sent_at_once_and_its_places_are_free(settings):
    settings.WEBHOOKS_TIMEOUT_SECONDS = 300.0
    with receiver() as server:
        # As many as the endpoint may have in flight, and more that wait behind them.
        tell(server.url, 40)
        with somebody_else(7):
            assert len(claiming.claim(100, sender=7)) == 16
        serve_until_all_are_delivered()

    assert WebhookDelivery.objects.filter(state="delivered").count() == 40
    assert len(server.received) == 40


def test_what_a_living_sender_has_in_hand_is_left_to_it():
    tell("http://127.0.0.1:40009/hook", 3)
    with somebody_else(7), Presence() as ours:
        claiming.claim(10, sender=7)
        ours.look()
        assert claiming.claim(10, sender=ours.number) == []


def test_who_is_absent_for_a_moment_is_left_alone(settings):
    """A sender that only lost its session has time to come back."""
    settings.WEBHOOKS_TAKE_OVER_SECONDS = 60
    tell("http://127.0.0.1:40009/hook", 3)
    with somebody_else(7):
        claiming.claim(10, sender=7)
    with Presence() as ours:
        ours.look()
        settings.WEBHOOKS_TAKE_OVER_SECONDS = 0
        with somebody_else(7):
            ours.look()
            assert claiming.claim(10, sender=ours.number) == []


def test_a_sender_that_lost_its_session_is_present_again_under_its_number():
    tell("http://127.0.0.1:40009/hook", 3)
    with Presence() as first, Presence() as second:
        first.look()
        claiming.claim(10, sender=first.number)
        connection.close()
        first.look()
        second.look()
        assert claiming.claim(10, sender=second.number) == []


def test_a_sender_that_ends_leaves_no_lock_behind():
    with Presence() as ours:
        ours.look()
        number = ours.number
    with psycopg.connect(**connection.get_connection_params()) as session:
        row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", [presence.LOCKS, number]).fetchone()
    assert row == (True,)
