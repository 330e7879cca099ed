"""What arrives, what is tried again and when, and what a bad endpoint cannot do to others."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from django.core import mail
from django.db import connection
from standardwebhooks import Webhook, WebhookVerificationError

from oms.merchants.models import (
    DeliveryState,
    EndpointState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from oms.merchants.webhooks import claiming, endpoints, purging, recording, sending, telling
from oms.merchants.webhooks.messages import SCHEDULE, USER_AGENT
from tests import factories, steps
from tests.webhooks.conftest import make_due, secret_of, send, subscribe
from tests.webhooks.receiver import receiver, says, silence

pytestmark = pytest.mark.django_db


def tell(merchant, count=1):
    """So many messages to the merchant."""
    for number in range(count):
        telling.tell(merchant.pk, "order.created", {"order": str(number)})


def only_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def due_in(delivery: WebhookDelivery) -> float:
    """Seconds until the next try."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM ready_at - statement_timestamp()) FROM merchants_webhookdelivery WHERE id = %s",
            [delivery.pk],
        )
        return float(cursor.fetchone()[0])


def test_a_shop_verifies_what_it_gets_with_the_standard_package(shop):
    with receiver() as server:
        endpoint = subscribe(shop.merchant, server.url)
        order = factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
        assert send() == 1
        (got,) = server.received

    message = Webhook(secret_of(endpoint)).verify(got.body, got.headers)
    assert message["type"] == "order.created"
    assert message["data"]["order"] == order.number
    assert datetime.fromisoformat(message["timestamp"]) == WebhookEvent.objects.get().occurred_at
    assert got.message_id == WebhookEvent.objects.get().message_id
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == USER_AGENT
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(endpoint)).verify(got.body + b" ", got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoints.new_secret()).verify(got.body, got.headers)
    delivery = only_delivery()
    assert (delivery.state, delivery.response_status, delivery.attempts) == ("delivered", 204, 1)
    assert steps.broken_invariants() == []


def test_during_a_rotation_both_secrets_verify(shop):
    with receiver() as server:
        endpoint = subscribe(shop.merchant, server.url)
        old = secret_of(endpoint)
        new = endpoints.rotate_secret(endpoint.pk)
        tell(shop.merchant)
        send()
        WebhookEndpoint.objects.update(old_secret_until=datetime.now(UTC) - timedelta(minutes=1))
        tell(shop.merchant)
        send()
        during, after = server.received

    for secret in (old, new):
        Webhook(secret).verify(during.body, during.headers)
    Webhook(new).verify(after.body, after.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(after.body, after.headers)


def test_the_database_keeps_no_secret_in_the_clear(shop):
    endpoint, secret = endpoints.create(shop.merchant, url="http://127.0.0.1:40009/hook", event_types=["*"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(e)::text FROM merchants_webhookendpoint e")
        (row,) = cursor.fetchone()

    assert secret == secret_of(endpoint)
    assert secret.removeprefix("whsec_").encode().hex() not in row
    assert secret not in row


def test_failures_are_tried_again_on_the_schedule_until_the_last(shop):
    with receiver(says(500, b"no\0 good")) as server:
        subscribe(shop.merchant, server.url)
        tell(shop.merchant)
        for number, wait in enumerate((*SCHEDULE[1:], None), 1):
            assert send() == 1
            delivery = only_delivery()
            assert delivery.attempts == number
            assert delivery.response_excerpt == "no good"
            if wait:
                assert delivery.state == DeliveryState.PENDING
                assert wait * 0.89 <= due_in(delivery) <= wait * 1.11
                make_due()
        assert delivery.state == DeliveryState.FAILED
        assert send() == 0
        ids = {got.message_id for got in server.received}

    assert len(server.received) == 10
    assert len(ids) == 1
    assert list(WebhookAttempt.objects.values_list("number", "response_status")) == [(n, 500) for n in range(1, 11)]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_an_endpoint_says_when_to_come_again(shop, form):
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=1001), usegmt=True) if form == "date" else "1000"
    with receiver(says(429, Retry_After=when)) as server:
        subscribe(shop.merchant, server.url)
        tell(shop.merchant)
        send()

    assert 990 <= due_in(only_delivery()) <= 1001


def test_redirects_are_not_followed(shop):
    with receiver() as elsewhere, receiver(says(302, Location=elsewhere.url)) as server:
        subscribe(shop.merchant, server.url)
        tell(shop.merchant)
        send()

    assert elsewhere.received == []
    assert (only_delivery().state, only_delivery().response_status) == ("pending", 302)


def test_who_is_gone_is_disabled_at_once_and_its_contact_told(shop):
    with receiver(says(410)) as server:
        endpoint = subscribe(shop.merchant, server.url, contact_email="shop@example.com")
        tell(shop.merchant, 3)
        send()
        endpoint = WebhookEndpoint.objects.get(pk=endpoint.pk)
        assert (endpoint.state, endpoint.disabled_because) == (EndpointState.DISABLED, "gone")
        make_due()
        assert send() == 0

        assert endpoints.send_notices() == 1
        assert endpoints.send_notices() == 0
        (letter,) = mail.outbox
        assert letter.to == ["shop@example.com"]
        assert endpoint.public_id in letter.subject

        # Nothing is lost: enabled again, it gets what waited.
        server.answer = says(200)
        endpoints.enable(endpoint.pk)
        make_due()
        assert send() == 3
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_days_of_nothing_but_failures_disable_an_endpoint(shop):
    with receiver(says(500)) as server:
        endpoint = subscribe(shop.merchant, server.url)
        tell(shop.merchant)
        send()
        for days, state in ((4.9, "enabled"), (5.1, "disabled")):
            WebhookEndpoint.objects.update(failing_since=datetime.now(UTC) - timedelta(days=days))
            make_due()
            send()
            assert WebhookEndpoint.objects.get(pk=endpoint.pk).state == state
        assert WebhookEndpoint.objects.get(pk=endpoint.pk).disabled_because == "failing"
        assert WebhookEndpoint.objects.get(pk=endpoint.pk).notice_due
    assert only_delivery().state == "pending"


def test_one_success_ends_a_row_of_failures(shop):
    with receiver(says(500)) as server:
        endpoint = subscribe(shop.merchant, server.url)
        tell(shop.merchant)
        for _ in range(3):
            send()
            make_due()
        failing = WebhookEndpoint.objects.get(pk=endpoint.pk)
        assert failing.failures == 3
        server.answer = says(200)
        send()

    well = WebhookEndpoint.objects.get(pk=endpoint.pk)
    assert (well.failures, well.failing_since, well.paused_until) == (0, None, None)
    assert well.last_success_at
    # How it fares is no change of what the merchant set.
    assert well.version == endpoint.version


def test_an_endpoint_that_fails_is_asked_one_message_at_a_time_after_a_pause(shop):
    with receiver(says(500)) as server:
        subscribe(shop.merchant, server.url)
        tell(shop.merchant, 50)
        assert send() == 16
        assert send() == 0
        make_due()
        assert send() == 1
        assert len(server.received) == 17


def test_a_message_that_never_gets_an_answer_is_given_up_and_tried_again(shop, settings):
    settings.WEBHOOKS_TIMEOUT_SECONDS = 0.3
    with silence() as url:
        subscribe(shop.merchant, url)
        tell(shop.merchant)
        started = time.monotonic()
        send()

    assert time.monotonic() - started < 2
    delivery = only_delivery()
    assert (delivery.state, delivery.response_status) == ("pending", None)
    assert delivery.last_error == "no answer within 0.3 s"


def test_an_answer_that_trickles_does_not_hold_a_sender(shop, settings):
    settings.WEBHOOKS_TIMEOUT_SECONDS = 0.5
    with receiver(says(200, b"x" * 50_000_000)) as server:
        subscribe(shop.merchant, server.url)
        tell(shop.merchant)
        send()

    assert only_delivery().state == "delivered"
    assert len(only_delivery().response_excerpt) == sending.EXCERPT_BYTES


def test_slow_and_dead_endpoints_take_no_place_from_a_healthy_one(shop, settings):
    """Thousands wait for a dead endpoint; the newest message to a healthy one is in the next claim."""
    settings.WEBHOOKS_IN_FLIGHT = 40
    dead = [subscribe(shop.merchant) for _ in range(3)]
    tell(shop.merchant, 300)
    healthy = subscribe(factories.MerchantFactory())
    tell(healthy.merchant)

    claimed = claiming.claim(40)

    per_endpoint = {endpoint.pk: sum(m.endpoint_id == endpoint.pk for m in claimed) for endpoint in (*dead, healthy)}
    # The three share what one endpoint of a merchant may have in flight.
    assert per_endpoint == {dead[0].pk: 5, dead[1].pk: 5, dead[2].pk: 5, healthy.pk: 1}
    assert claiming.claim(100) == []


def test_a_sender_that_dies_after_sending_leaves_the_message_to_the_next(shop):
    with receiver() as server:
        subscribe(shop.merchant, server.url)
        tell(shop.merchant)
        (message,) = claiming.claim(10)
        with sending.Sender() as sender:
            sender.start([message])
            (outcome,) = sender.collect(5)
        # It dies here: sent, not recorded. While its lease lasts nobody takes the message.
        assert claiming.claim(10) == []
        WebhookDelivery.objects.update(lease_until=datetime.now(UTC) - timedelta(hours=1))
        assert send() == 1

    assert len(server.received) == 2
    assert len({got.message_id for got in server.received}) == 1
    # The dead sender's word comes late and changes nothing.
    recording.finish([outcome])
    assert only_delivery().attempts == 1
    assert WebhookAttempt.objects.count() == 1


def test_a_message_is_sent_again_when_somebody_asks(shop):
    with receiver() as server:
        endpoint = subscribe(shop.merchant, server.url)
        tell(shop.merchant)
        send()
        endpoints.resend(only_delivery().pk)
        send()
        assert len({got.message_id for got in server.received}) == 1
        assert len(server.received) == 2
        endpoints.disable(endpoint.pk, because="merchant")
        with pytest.raises(endpoints.NotEnabled):
            endpoints.resend(only_delivery().pk)


def test_a_ping_reaches_an_endpoint_whatever_it_subscribed_to(shop):
    with receiver() as server:
        endpoint = subscribe(shop.merchant, server.url, "refund.*")
        other = subscribe(shop.merchant, server.url)
        endpoints.ping(endpoint.pk)
        assert send() == 1

    assert json.loads(server.received[0].body)["type"] == "webhook.ping"
    assert not other.deliveries.exists()


def test_what_is_over_is_forgotten_and_what_waits_is_kept(shop, settings):
    settings.WEBHOOKS_KEEP_DAYS = 30
    with receiver() as server:
        healthy = subscribe(shop.merchant, server.url)
        tell(shop.merchant, 2)
        send()
        endpoints.remove(healthy.pk)
        subscribe(shop.merchant, "http://127.0.0.1:40009/hook")
        tell(shop.merchant)
        assert purging.purge() == 0
        WebhookEvent.objects.update(created_at=datetime.now(UTC) - timedelta(days=31))

        assert purging.purge() == 2

    assert only_delivery().state == "pending"
    assert not WebhookEndpoint.objects.filter(pk=healthy.pk).exists()
    assert not WebhookAttempt.objects.exists()


def test_slow_answers_are_waited_for_side_by_side(shop):
    together = threading.Barrier(16)

    def answer(_received):
        """Only when all are there."""
        together.wait(10)
        return 200, {}, b""

    with receiver(answer) as server:
        subscribe(shop.merchant, server.url)
        tell(shop.merchant, 16)
        assert send() == 16

    assert WebhookDelivery.objects.filter(state="delivered", attempts=1).count() == 16
