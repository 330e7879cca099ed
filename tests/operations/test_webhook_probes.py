"""That nobody sends webhooks shows; that a shop is slow, fails or wants nothing does not."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from oms import figures
from oms.common.work import heartbeat
from oms.merchants.models import DisabledBecause, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import endpoints, serving, telling
from tests import factories
from tests.operations.test_probes import sample
from tests.operations.test_stuck_stages import age
from tests.webhooks.conftest import subscribe
from tests.webhooks.receiver import receiver, says, silence

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _beat_is_alive(settings: Any, monkeypatch: Any) -> None:
    figures.forget()
    heartbeat.beat(heartbeat.SWEEP)
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = settings.WEBHOOKS_ALLOW_HTTP = True
    monkeypatch.setattr(serving, "SHUTDOWN_SECONDS", 0)


def tell(endpoint: WebhookEndpoint, count: int = 1) -> None:
    for _ in range(count):
        telling.tell(endpoint.merchant_id, "order.created", {})


def serve(rounds: int = 1) -> None:
    """A sender at work for so many rounds; what is in flight in the end is in nobody's hands but under lease."""
    left = iter([False] * rounds)
    serving.serve(lambda: next(left, True))


def age_news(seconds: int) -> None:
    age("merchants_webhookdelivery", "ready_at", seconds)


def progress() -> tuple[list[str], dict[str, Any]]:
    """Which stages are stuck, and how sending webhooks stands."""
    answer = Client().get("/health/progress")
    assert (answer.status_code == 200) == (not answer.json()["stuck"])
    return answer.json()["stuck"], answer.json()["stages"]["send_webhooks"]


def test_news_that_no_sender_takes_makes_progress_fail_and_stands_in_the_metrics(shop: factories.Shop) -> None:
    tell(subscribe(shop.merchant), 3)
    age_news(59)
    assert progress()[0] == []

    age_news(61)

    stuck, webhooks = progress()
    assert stuck == ["send_webhooks"]
    assert (webhooks["waiting"], webhooks["leased"]) == (3, 0)
    assert 61 <= webhooks["oldest_seconds"] < 90
    assert sample("oms_stage_waiting", stage="send_webhooks") == 3
    assert sample("oms_stage_oldest_seconds", stage="send_webhooks") > sample(
        "oms_stage_late_seconds", stage="send_webhooks"
    )


def test_a_sender_that_is_frozen_is_noticed_though_it_has_messages_in_hand(shop: factories.Shop) -> None:
    with silence() as url:
        endpoint = subscribe(shop.merchant, url)
        tell(endpoint, 20)
        serve(2)
    assert progress()[1]["leased"] == 16
    tell(endpoint)
    age_news(100)
    assert progress()[0] == []

    # From here on it does nothing more.
    age("common_heartbeat", "seen_at", 61)
    heartbeat.beat(heartbeat.SWEEP)

    stuck, webhooks = progress()
    assert stuck == ["send_webhooks"]
    assert (webhooks["waiting"], webhooks["leased"]) == (5, 16)
    assert 61 <= webhooks["oldest_seconds"] < 90
    assert 61 <= sample("oms_webhooks_age_seconds") < 90


def test_slow_failing_resting_and_disabled_endpoints_are_no_business_of_ours(shop: factories.Shop) -> None:
    merchants = [factories.MerchantFactory() for _ in range(4)]
    with silence() as silent, receiver(says(500)) as failing, receiver(says(429, Retry_After="200")) as busy:
        for merchant, url in zip(merchants, (silent, failing.url, busy.url, failing.url), strict=True):
            endpoint = subscribe(merchant, url)
            tell(endpoint, 50)
        endpoints.disable(endpoint.pk, because=DisabledBecause.STAFF)
        serve(4)
    assert WebhookDelivery.objects.filter(attempts=0).count() > 100
    age_news(3600)

    stuck, webhooks = progress()

    assert stuck == []
    assert webhooks["oldest_seconds"] < 30
    assert webhooks["needing_person"] == 0


def test_a_sender_that_cannot_keep_up_is_noticed(shop: factories.Shop, settings: Any) -> None:
    settings.WEBHOOKS_IN_FLIGHT = 10
    with silence() as url:
        tell(subscribe(shop.merchant, url), 11)
        serve(3)
    age_news(61)

    assert progress()[0] == ["send_webhooks"]


def test_an_endpoint_that_has_rested_is_late_only_from_then_on(shop: factories.Shop) -> None:
    tell(subscribe(shop.merchant))
    age_news(3600)
    WebhookEndpoint.objects.update(paused_until="2999-01-01T00:00Z")
    assert progress()[1]["waiting"] == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE merchants_webhookendpoint SET paused_until = now() - interval '5 seconds'")

    stuck, webhooks = progress()

    assert (stuck, webhooks["waiting"]) == ([], 1)
    assert 5 <= webhooks["oldest_seconds"] < 30


def test_the_oldest_is_found_though_not_all_are_counted(shop: factories.Shop, monkeypatch: Any) -> None:
    monkeypatch.setattr(figures, "MOST_COUNTED", 5)
    busy, quiet = subscribe(shop.merchant), subscribe(factories.MerchantFactory())
    tell(quiet)
    age_news(500)
    tell(busy, 9)

    stuck, webhooks = progress()

    assert (stuck, webhooks["waiting"]) == (["send_webhooks"], 5)
    assert 500 <= webhooks["oldest_seconds"] < 530
