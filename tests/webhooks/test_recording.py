"""How tries end is written down: together where that goes, each by itself where it does not."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from unittest import mock

import pytest
from django.db import OperationalError

from oms.common.postgresql.base import DatabaseWrapper
from oms.merchants.models import Merchant, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import claiming, recording, serving
from oms.merchants.webhooks.messages import Message, Outcome
from tests import factories
from tests.webhooks.conftest import subscribe
from tests.webhooks.receiver import receiver, says
from tests.webhooks.test_sending import due_in, tell

pytestmark = pytest.mark.django_db


def outcome(message: Message, status: int = 204, excerpt: str = "", retry_after: float | None = None):
    error = "" if status < 300 else f"answered {status}"
    return Outcome(message, datetime.now(UTC), 5, status, excerpt, error, retry_after)


def claim_for(*merchants: Merchant) -> list[Message]:
    """A message to an endpoint of each, in their order, in a sender's hands."""
    endpoints = [subscribe(merchant) for merchant in merchants]
    for merchant in merchants:
        tell(merchant)
    messages = {message.endpoint_id: message for message in claiming.claim(10)}
    return [messages[endpoint.pk] for endpoint in endpoints]


def delivery_of(message: Message) -> WebhookDelivery:
    return WebhookDelivery.objects.get(pk=message.delivery_id)


def serve_until_delivered(cursor: Callable[[DatabaseWrapper], object] = DatabaseWrapper.cursor) -> None:
    """A sender at work, which gets at the database by this; it gives up after a while."""
    end = monotonic() + 20
    real_cursor = DatabaseWrapper.cursor

    def is_over() -> bool:
        with mock.patch.object(DatabaseWrapper, "cursor", real_cursor):
            return WebhookDelivery.objects.filter(state="delivered").exists() or monotonic() > end

    with mock.patch.object(DatabaseWrapper, "cursor", cursor):
        serving.serve(is_over)


def test_a_shop_that_says_when_to_come_again_costs_no_other_shop_its_outcome(shop):
    busy, well = claim_for(shop.merchant, factories.MerchantFactory())

    recording.finish([outcome(busy, 429, retry_after=100.0), outcome(well)])

    assert delivery_of(well).state == "delivered"
    assert (delivery_of(busy).state, delivery_of(busy).attempts) == ("pending", 1)
    assert 98 <= due_in(delivery_of(busy)) <= 100
    assert WebhookEndpoint.objects.get(pk=well.endpoint_id).last_success_at
    assert WebhookEndpoint.objects.get(pk=busy.endpoint_id).paused_until


@pytest.mark.parametrize(("status", "state"), [(200, "delivered"), (500, "pending")])
def test_an_outcome_that_cannot_be_recorded_takes_no_other_with_it(shop, caplog, status, state):
    bad, well, failing = claim_for(shop.merchant, factories.MerchantFactory(), factories.MerchantFactory())

    recording.finish([outcome(well), outcome(bad, status, excerpt="a\0b"), outcome(failing, 500, excerpt="no")])

    assert delivery_of(well).state == "delivered"
    assert (delivery_of(failing).attempts, delivery_of(failing).response_excerpt) == (1, "no")
    # What can be said of the bad one is said: it is not sent again as if nothing had been answered.
    assert (delivery_of(bad).state, delivery_of(bad).attempts) == (state, 1)
    assert (delivery_of(bad).response_status, delivery_of(bad).lease_until) == (status, None)
    assert delivery_of(bad).last_error == "what was answered could not be recorded: DataError"
    assert WebhookAttempt.objects.count() == 3
    assert "3 outcomes could not be recorded together" in caplog.text
    assert f"the outcome of webhook delivery {bad.delivery_id} could not be recorded" in caplog.text
    assert "database cannot be reached" not in caplog.text


def test_an_outcome_that_is_recorded_twice_counts_once(shop):
    (message,) = claim_for(shop.merchant)

    for _ in range(2):
        recording.finish([outcome(message, 500)])

    assert delivery_of(message).attempts == 1
    assert WebhookAttempt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_outcomes_wait_for_a_database_that_is_away_and_nothing_is_sent_again(caplog):
    merchant = factories.make_shop().merchant
    with receiver() as server:
        subscribe(merchant, server.url)
        tell(merchant)
        real_cursor, refused = DatabaseWrapper.cursor, []

        def cursor(self: DatabaseWrapper):
            # Gone when the answer is there, back at the next try.
            if server.received and not refused:
                refused.append(True)
                raise OperationalError("server closed the connection unexpectedly")
            return real_cursor(self)

        serve_until_delivered(cursor)

    assert len(server.received) == 1
    assert WebhookAttempt.objects.count() == 1
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "the database cannot be reached" in line.getMessage()


@pytest.mark.django_db(transaction=True)
def test_a_round_that_fails_for_another_reason_is_not_called_an_absent_database(monkeypatch, caplog):
    merchant = factories.make_shop().merchant
    claim, failed = claiming.claim, []

    def broken_claim(*args, **kwargs):
        if not failed:
            failed.append(True)
            WebhookDelivery.objects.extra(where=["nobody_knows_me"]).exists()
        return claim(*args, **kwargs)

    monkeypatch.setattr(serving, "claim", broken_claim)
    with receiver(says(204)) as server:
        subscribe(merchant, server.url)
        tell(merchant)
        serve_until_delivered()

    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "a round of sending failed" in line.getMessage()
