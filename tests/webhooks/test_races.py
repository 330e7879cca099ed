"""An endpoint is changed and taken away while its messages are on their way: nobody waits for the other for ever."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event
from time import monotonic

import pytest
from django.db import connection

from oms.common.errors import ChangedMeanwhile
from oms.merchants.calls import credentials
from oms.merchants.models import DisabledBecause, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import claiming, endpoints, purging, recording, telling
from oms.merchants.webhooks.messages import Outcome
from tests import factories
from tests.pipeline.test_races import in_thread
from tests.webhooks.conftest import subscribe

pytestmark = pytest.mark.django_db(transaction=True)


def outcome(message, status):
    return Outcome(message, datetime.now(UTC), 5, status, error="" if status < 300 else f"answered {status}")


def somebody_waits():
    """Whether some session of the database waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return cursor.fetchone()[0]


def make_messages(count):
    """An endpoint of a new shop with so many messages in a sender's hands."""
    endpoint = subscribe(factories.make_shop().merchant)
    for _ in range(count):
        telling.tell(endpoint.merchant_id, "order.created", {})
    return endpoint, claiming.claim(count)


@pytest.mark.parametrize(
    "do",
    [
        lambda key: endpoints.remove(key),
        lambda key: endpoints.change(key, description="new", state="disabled"),
        lambda key: endpoints.disable(key, because=DisabledBecause.STAFF),
        lambda key: endpoints.rotate_secret(key),
        lambda key: purging.purge(),
    ],
    ids=["remove", "change", "disable", "rotate", "purge"],
)
@pytest.mark.parametrize("status", [204, 500, 410])
def test_what_is_done_to_a_busy_endpoint_does_not_deadlock_with_the_sender(monkeypatch, settings, do, status):
    """The sender stands between its two locks, the deliveries and their endpoint, while the other begins."""
    settings.WEBHOOKS_KEEP_DAYS = -1
    endpoint, messages = make_messages(3)
    telling.tell(endpoint.merchant_id, "order.created", {})  # one that nobody has claimed
    between, go_on = Event(), Event()
    note = recording._note_health

    def pause(outcomes):
        between.set()
        assert go_on.wait(10)
        note(outcomes)

    monkeypatch.setattr(recording, "_note_health", pause)
    with ThreadPoolExecutor(2) as pool:
        sender = in_thread(pool, lambda: recording.finish([outcome(message, status) for message in messages]))
        assert between.wait(10)
        other = in_thread(pool, lambda: do(endpoint.pk))
        # It ends by itself, or waits for what the sender holds.
        end = monotonic() + 10
        while not other.done() and not somebody_waits():
            assert monotonic() < end
        go_on.set()
        sender.result(10)
        other.result(10)

    if WebhookEndpoint.objects.filter(pk=endpoint.pk, state="removed").exists():
        states = sorted(WebhookDelivery.objects.values_list("state", flat=True))
        assert states == (["delivered"] * 3 + ["failed"] if status == 204 else ["failed"] * 4)


def test_senders_changes_removals_and_purges_side_by_side_all_come_to_an_end(settings):
    """Four senders record how it went to twelve endpoints that others change, remove and purge meanwhile."""
    settings.WEBHOOKS_KEEP_DAYS = -1
    settings.WEBHOOKS_ENDPOINTS_PER_MERCHANT = 50
    merchant = factories.make_shop().merchant
    keys = [subscribe(merchant).pk for _ in range(12)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE merchants_webhookendpoint SET last_success_at = now()")
    stop = Event()

    def tell():
        while not stop.is_set():
            telling.tell(merchant.pk, "order.created", {})

    def send(number):
        recorded = 0
        while not stop.is_set():
            messages = claiming.claim(40, keys)
            statuses = (204, 204, 500, 410) if number == 0 else (204, 500)
            # As they happen to end: not by id.
            messages.reverse()
            recording.finish([outcome(m, statuses[m.delivery_id % len(statuses)]) for m in messages])
            recorded += len(messages)
        return recorded

    def change(number):
        done = 0
        while not stop.is_set():
            key = keys[done % 10]
            endpoints.change(key, description=str(done), state="enabled" if (done + number) % 3 else "disabled")
            done += 1
        return done

    def purge():
        while not stop.is_set():
            purging.purge()

    def remove():
        for key in keys[10:]:
            stop.wait(0.7)
            endpoints.remove(key)
        stop.wait(0.7)
        stop.set()

    with ThreadPoolExecutor(9) as pool:
        senders = [in_thread(pool, lambda n=n: send(n)) for n in range(4)]
        changers = [in_thread(pool, lambda n=n: change(n)) for n in range(2)]
        others = [in_thread(pool, work) for work in (tell, purge, remove)]
        try:
            for work in (*others, *senders, *changers):
                work.result(60)
        finally:
            stop.set()

    assert sum(work.result() for work in senders) > 0
    assert all(work.result() > 0 for work in changers)
    purging.purge()
    assert not WebhookEndpoint.objects.filter(pk__in=keys[10:]).exclude(state="removed").exists()
    assert not WebhookDelivery.objects.filter(endpoint__state="removed", state="pending").exists()


def test_of_two_who_take_the_last_place_for_a_credential_one_is_refused(settings):
    settings.CREDENTIALS_PER_MERCHANT = 2
    merchant = factories.make_shop().merchant
    first = credentials.issue(merchant, "first").credential

    with ThreadPoolExecutor(4) as pool:
        tries = [in_thread(pool, lambda: credentials.issue(merchant, "next")) for _ in range(4)]
        refusals = [work.exception(20) for work in tries]

    refused = [error for error in refusals if error is not None]
    assert len(refused) == 3
    assert {type(error) for error in refused} == {credentials.TooManyCredentials}
    assert " 2 " in str(refused[0])
    # A revoked one makes room.
    credentials.revoke(first.pk)
    credentials.issue(merchant, "again")


def test_who_removes_an_endpoint_twice_at_once_is_told(settings):
    endpoint, _messages = make_messages(1)

    with ThreadPoolExecutor(4) as pool:
        tries = [in_thread(pool, lambda: endpoints.remove(endpoint.pk)) for _ in range(4)]
        outcomes = [work.exception(20) for work in tries]

    assert sorted(type(error).__name__ for error in outcomes) == ["ChangedMeanwhile"] * 3 + ["NoneType"]
    assert any(isinstance(error, ChangedMeanwhile) for error in outcomes)
    assert not WebhookAttempt.objects.exists()
