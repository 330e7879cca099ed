"""A real sender, real orders, and six shops of which one is healthy: it must not notice the others."""

import json
import os
import signal
import statistics
import threading
from collections import Counter
from contextlib import ExitStack
from time import monotonic, sleep

import msgspec
import pytest
from django.db import connection
from django.test import Client
from standardwebhooks import Webhook

from oms.embedded.processes import wait_until
from oms.merchants.models import EndpointState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from oms.merchants.webhooks import endpoints
from orders.actors import Actor
from orders.intake.bodies import decode
from orders.intake.placing import Placed, place_orders
from orders.models import ActorKind
from tests import factories, steps
from tests.webhooks.conftest import secret_of, subscribe
from tests.webhooks.receiver import receiver, says, silence, slowly

pytestmark = pytest.mark.django_db(transaction=True)

ALLOWED = {"OMS_WEBHOOKS_ALLOW_PRIVATE_ADDRESSES": "1", "OMS_WEBHOOKS_ALLOW_HTTP": "1"}
BATCH = 10
# The merchant must wait no longer than this for 95 of 100 messages, from the commit on.
LIMIT_SECONDS = 5.0


def start_sender(start):
    """A sender with the time-outs of production."""
    return start("manage.py", "send_webhooks", **ALLOWED)


def place(shop, count, per_second, *, in_the_middle=lambda: None):
    """Place so many orders at that pace; returns when each (by number) was committed, in monotonic seconds."""
    committed = {}
    begun = monotonic()
    for index in range(0, count, BATCH):
        if index == count // BATCH // 2 * BATCH:
            in_the_middle()
        bodies = [
            decode(msgspec.json.encode(shop.body((shop.sku, 1, "10.00")))) for _ in range(min(BATCH, count - index))
        ]
        placed = place_orders(bodies, shop.merchant, actor=Actor(ActorKind.MERCHANT, "test"))
        at = monotonic()
        for outcome in placed:
            assert isinstance(outcome, Placed)
            committed[outcome.number] = at
        sleep(max(begun + (index + BATCH) / per_second - monotonic(), 0))
    return committed


def test_what_a_killed_sender_had_in_hand_is_sent_by_the_next_long_before_its_lease_ends(start, settings):
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = settings.WEBHOOKS_ALLOW_HTTP = True
    shop = factories.make_shop()
    killed = threading.Event()

    def answer(_received):
        """Not before the sender was killed."""
        killed.wait(60)
        return 204, {}, b""

    with receiver(answer) as server:
        endpoint = subscribe(shop.merchant, server.url)
        place(shop, 40, 1000)
        first = start_sender(start)
        assert server.wait_for(16, 60)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait(30)
        killed.set()
        start_sender(start)
        # The leases end after 70 seconds only.
        assert wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), 45)
        repeated = Counter(got.message_id for got in server.received)

    assert sorted(repeated.values()) == [1] * 24 + [2] * 16
    connection.close()


def test_a_frozen_sender_makes_progress_fail_until_it_goes_on(start, settings):
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = settings.WEBHOOKS_ALLOW_HTTP = True
    settings.STAGE_LATE_SECONDS = {"default": 300, "send_webhooks": 1}
    shop = factories.make_shop()

    def stuck():
        return "send_webhooks" in Client().get("/health/progress").json()["stuck"]

    with receiver() as server:
        endpoint = subscribe(shop.merchant, server.url)
        sender = start_sender(start)
        endpoints.ping(endpoint.pk)
        # It has no transaction open once the outcome is seen: frozen in one, it would keep the endpoint locked.
        assert wait_until(lambda: endpoint.deliveries.filter(state="delivered").exists(), 60)
        sender.send_signal(signal.SIGSTOP)
        endpoints.ping(endpoint.pk)
        assert wait_until(stuck, 30)
        sender.send_signal(signal.SIGCONT)
        assert server.wait_for(2, 30)
        assert wait_until(lambda: not stuck(), 30)
    connection.close()


@pytest.mark.parametrize(
    ("count", "per_second"), [(300, 100), pytest.param(10_000, 50, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_healthy_shop_is_told_in_time_while_five_others_are_slow_failing_or_gone(
    start, settings, capsys, count, per_second
):
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = settings.WEBHOOKS_ALLOW_HTTP = True
    shop = factories.make_shop()
    with ExitStack() as stack:
        healthy = stack.enter_context(receiver(says(204)))
        bad = {
            "slow": stack.enter_context(receiver(slowly(10))).url,
            "failing": stack.enter_context(receiver(says(500))).url,
            "redirecting": stack.enter_context(receiver(says(301, Location=healthy.url))).url,
            "silent": stack.enter_context(silence()),
            "gone": stack.enter_context(receiver(says(410))).url,
        }
        others = {name: subscribe(shop.merchant, url, "order.created") for name, url in bad.items()}
        endpoint = subscribe(shop.merchant, healthy.url, "order.created")
        senders = [start_sender(start)]
        endpoints.ping(endpoint.pk)
        assert healthy.wait_for(1, 60)
        healthy.received.clear()

        def kill_and_replace():
            """A sender is killed with messages in hand; another takes its place."""
            os.killpg(senders[-1].pid, signal.SIGKILL)
            senders.append(start_sender(start))

        committed = place(shop, count, per_second, in_the_middle=kill_and_replace if count > 1000 else lambda: None)
        arrived = {}
        wait_until(lambda: len({got.message_id for got in healthy.received}) >= count, 120)
        assert wait_until(lambda: not endpoint.deliveries.filter(state="pending").exists(), 120)

        verifier = Webhook(secret_of(endpoint))
        for got in list(healthy.received):
            message = json.loads(got.body) if count > 1000 else verifier.verify(got.body, got.headers)
            arrived.setdefault(message["data"]["order"], got.at)
        assert set(arrived) == set(committed)
        delays = [arrived[number] - committed[number] for number in committed]
        p95 = statistics.quantiles(delays, n=100)[94]
        senders[-1].send_signal(signal.SIGTERM)
        assert senders[-1].wait(30) == 0

    states = Counter(WebhookDelivery.objects.values_list("endpoint", "state"))
    with capsys.disabled():
        print(
            f"\n{count} events: healthy p50 {statistics.median(delays):.2f} s, p95 {p95:.2f} s,"
            f" max {max(delays):.2f} s, {len(healthy.received) - count} repeated;",
            ", ".join(
                f"{name}: {states[row.pk, 'delivered']} delivered, {states[row.pk, 'pending']} pending"
                for name, row in others.items()
            ),
        )
    assert p95 <= LIMIT_SECONDS
    # None lost: each is delivered or waits for its next try.
    assert WebhookEvent.objects.filter(type="order.created").count() == count
    assert states[endpoint.pk, "delivered"] == count + 1
    for name, row in others.items():
        told = states[row.pk, "delivered"] + states[row.pk, "pending"]
        if name == "gone":
            assert WebhookEndpoint.objects.get(pk=row.pk).state == EndpointState.DISABLED
            assert 0 < told <= count
        else:
            assert told == count, name
    assert not WebhookDelivery.objects.filter(state="failed").exists()
    assert steps.broken_invariants() == []
    connection.close()
