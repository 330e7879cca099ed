"""Calls that create something happen once, whatever is sent again and whenever."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier, Event
from unittest import mock

import pytest
from django.db import connection, transaction
from django.utils import timezone

from oms.merchants.calls import idempotency
from oms.merchants.models import IdempotencyRecord
from oms.merchants.tasks import purge_api_records
from orders.api import bulk as bulk_views
from orders.api import orders as order_views
from orders.models import Order
from tests import factories
from tests.api.calls import BULK, ORDERS, errors_of, send
from tests.pipeline.test_races import in_thread, wait_for_a_lock

pytestmark = pytest.mark.django_db


def keyed(client, body, key, url=ORDERS):
    """POST the body under the key."""
    return send(client, body, url, HTTP_IDEMPOTENCY_KEY=key)


@pytest.mark.parametrize("url", [ORDERS, BULK])
def test_without_a_key_nothing_is_created_and_the_header_is_named(api, shop, url):
    response = keyed(api, shop.body(), "", url)
    assert (response.status_code, errors_of(response)) == (400, {("Idempotency-Key", "idempotency_key_required")})
    assert "Idempotency-Key" in response.json()["errors"][0]["detail"]
    assert not Order.objects.exists()


@pytest.mark.parametrize("key", ["a b", "x" * 256, "é", "钥", "a\tb"])
def test_a_key_that_is_none_is_refused(api, shop, key):
    response = keyed(api, shop.body(), key.encode().decode("latin-1"))
    assert (response.status_code, errors_of(response)) == (400, {("Idempotency-Key", "invalid_idempotency_key")})


def test_the_same_call_gets_the_same_answer(api, shop):
    body = json.dumps(shop.body())
    first, *others = (keyed(api, body, "k1") for _ in range(3))
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first
    for other in others:
        assert (other.status_code, other.content) == (201, first.content)
        assert other["Location"] == first["Location"]
        assert other["Content-Type"] == first["Content-Type"] == "application/json"
        assert other["Content-Language"] == first["Content-Language"]
        assert other["Idempotent-Replayed"] == "true"
        assert other["X-Request-ID"] != first["X-Request-ID"]
    assert Order.objects.count() == IdempotencyRecord.objects.count() == 1


def test_an_answer_keeps_its_language(api, shop):
    first = send(api, {}, HTTP_IDEMPOTENCY_KEY="k", HTTP_ACCEPT_LANGUAGE="zh-hans")
    again = send(api, {}, HTTP_IDEMPOTENCY_KEY="k", HTTP_ACCEPT_LANGUAGE="en")
    assert (first.content, first["Content-Language"]) == (again.content, again["Content-Language"])


def test_bulk_is_answered_once(api, shop):
    body = json.dumps({"orders": [shop.body(), shop.body()]})
    first, second = (keyed(api, body, "bulk-1", BULK) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert {row["status"] for row in second.json()["results"]} == {"created"}


@pytest.mark.parametrize("change", ["body", "path", "query"])
def test_a_key_for_another_call_is_422(api, shop, change):
    body = shop.body()
    assert keyed(api, body, "k1").status_code == 201
    if change == "body":
        response = keyed(api, shop.body(), "k1")
    else:
        response = keyed(api, body, "k1", BULK if change == "path" else f"{ORDERS}?")
        if change == "query":
            assert response.status_code == 201  # an empty query is none
            return
    assert (response.status_code, errors_of(response)) == (422, {(None, "idempotency_key_reused")})
    assert Order.objects.count() == 1


def test_a_refusal_is_answered_the_same_and_a_corrected_call_takes_a_new_key(api, shop):
    body = shop.body(payable_amount="1.00")
    first, again = keyed(api, body, "k1"), keyed(api, body, "k1")
    assert first.status_code == again.status_code == 400
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert keyed(api, shop.body(), "k1").status_code == 422
    assert keyed(api, shop.body(), "k2").status_code == 201


def test_the_merchants_order_number_is_unique_whatever_the_key(api, shop):
    body = shop.body()
    first, second = keyed(api, body, "k1"), keyed(api, body, "k2")
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["order"]["number"] == first.json()["number"]
    assert "Idempotent-Replayed" not in second


def test_what_went_wrong_on_our_side_is_not_kept_and_the_repetition_works(api, shop):
    body = shop.body()
    with mock.patch.object(order_views, "represent_stored", side_effect=ZeroDivisionError):
        assert keyed(api, body, "k1").status_code == 500
    assert not Order.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert keyed(api, body, "k1").status_code == 201


def test_who_may_not_call_spends_no_key(shop):
    body = shop.body()
    reader = factories.client_of(shop.merchant, scopes=["orders.read"])
    assert keyed(reader, body, "k1").status_code == 403
    writer = factories.client_of(shop.merchant)
    assert send(writer, body, f"{ORDERS}?x=1", HTTP_IDEMPOTENCY_KEY="k1").status_code == 400
    assert keyed(writer, body, "k1").status_code == 201


def test_a_key_belongs_to_the_merchant_with_any_of_its_credentials_and_to_no_other(shop):
    body = shop.body()
    first, again = (keyed(factories.client_of(shop.merchant), body, "k1") for _ in range(2))
    assert again["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    other = factories.make_shop()
    response = keyed(factories.client_of(other.merchant), other.body(), "k1")
    assert response.status_code == 201
    assert "Idempotent-Replayed" not in response


def test_expired_records_are_purged_in_batches(api, shop, settings):
    settings.IDEMPOTENCY_KEPT_SECONDS = 24 * 3600
    for _ in range(5):
        send(api, {})
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert keyed(api, shop.body(), "fresh").status_code == 201
    assert [idempotency.purge(3), idempotency.purge(3)] == [3, 2]
    assert IdempotencyRecord.objects.get().key == "fresh"
    assert purge_api_records() == 0


def test_a_repetition_takes_two_statements(api, shop, django_assert_num_queries):
    """The credential, and the kept answer."""
    body = json.dumps(shop.body())
    keyed(api, body, "k1")
    with django_assert_num_queries(2):
        keyed(api, body, "k1")


@pytest.mark.django_db(transaction=True)
def test_a_copy_of_a_call_that_is_running_is_409_at_once():
    shop = factories.make_shop()
    body, running, go_on = json.dumps({"orders": [shop.body()]}), Event(), Event()
    place = bulk_views.place_orders

    def place_slowly(*args, **options):
        outcomes = place(*args, **options)
        running.set()
        assert go_on.wait(20)
        return outcomes

    first, second = factories.client_of(shop.merchant), factories.client_of(shop.merchant)
    with ThreadPoolExecutor(1) as pool, mock.patch.object(bulk_views, "place_orders", place_slowly):
        call = in_thread(pool, lambda: keyed(first, body, "k1", BULK))
        assert running.wait(20)
        copy = keyed(second, body, "k1", BULK)
        other = keyed(second, shop.body(), "k2")
        go_on.set()
        answer = call.result(20)

    assert (copy.status_code, errors_of(copy)) == (409, {(None, "idempotency_key_in_use")})
    assert copy["Retry-After"] == "1"
    assert other.status_code == 201
    assert answer.json()["results"][0]["status"] == "created"
    assert keyed(second, body, "k1", BULK).content == answer.content


@contextmanager
def held_up(shop, body):
    """Within it another transaction has stored the same order and not yet said whether it stays.

    Yields a function that sends the order under a key, in a thread, and returns the call and its database process once
    the database holds it up.
    """
    stored, go_on = Event(), Event()
    client = factories.client_of(shop.merchant)

    def store():
        with transaction.atomic():
            factories.place(body, shop.merchant)
            stored.set()
            assert go_on.wait(20)
            transaction.set_rollback(True)

    def send_until_held_up(key):
        call = in_thread(pool, lambda: keyed(client, json.dumps(body), key))
        (backend,) = wait_for_a_lock()
        return call, backend

    with ThreadPoolExecutor(2) as pool:
        other = in_thread(pool, store)
        assert stored.wait(20)
        try:
            yield send_until_held_up
        finally:
            go_on.set()
            other.result(20)


@pytest.mark.django_db(transaction=True)
def test_a_copy_of_a_single_order_that_the_database_holds_up_is_409_at_once():
    shop = factories.make_shop()
    body, second = shop.body(), factories.client_of(shop.merchant)
    with held_up(shop, body) as send_until_held_up:
        call, _backend = send_until_held_up("k1")
        copy = keyed(second, json.dumps(body), "k1")
    answer = call.result(20)

    assert (copy.status_code, errors_of(copy)) == (409, {(None, "idempotency_key_in_use")})
    assert copy["Retry-After"] == "1"
    assert answer.status_code == 201
    assert keyed(second, json.dumps(body), "k1").content == answer.content
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_single_order_that_dies_halfway_leaves_nothing_and_is_taken_over_at_once():
    """The connection is cut while the statement runs, as when the process or the server dies."""
    shop = factories.make_shop()
    body, second = shop.body(), factories.client_of(shop.merchant)
    with held_up(shop, body) as send_until_held_up:
        call, backend = send_until_held_up("k1")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
        assert call.result(20).status_code == 503
    assert not Order.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert keyed(second, json.dumps(body), "k1").status_code == 201
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_call_that_dies_halfway_leaves_nothing_and_is_taken_over_at_once():
    """The connection is cut before the commit."""
    shop = factories.make_shop()
    client, body = factories.client_of(shop.merchant), json.dumps({"orders": [shop.body()]})
    keep = idempotency._keep

    def die(*args):
        keep(*args)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with mock.patch.object(idempotency, "_keep", die):
        response = keyed(client, body, "k1", BULK)
    connection.close()
    assert response.status_code == 503
    assert not Order.objects.exists()
    assert keyed(client, body, "k1", BULK).status_code == 200
    assert Order.objects.count() == 1


@pytest.mark.parametrize("url", [ORDERS, BULK])
@pytest.mark.django_db(transaction=True)
def test_an_answer_kept_between_the_look_and_the_lock_wins(url):
    """The look's statement does not see what is committed after it began; the unique constraint does."""
    shop = factories.make_shop()
    client, other = factories.client_of(shop.merchant), factories.client_of(shop.merchant)
    body = json.dumps(shop.body() if url == ORDERS else {"orders": [shop.body()]})
    look, answers = idempotency._look, []

    def look_too_early(*args):
        found = look(*args)
        if not answers:
            answers.append(None)
            # The copy ran while this one's statement was on its way to the lock.
            with ThreadPoolExecutor(1) as pool, mock.patch.object(idempotency._Call, "lock", 1):
                answers.append(in_thread(pool, lambda: keyed(other, body, "k1", url)).result(20))
        return found

    with mock.patch.object(idempotency, "_look", look_too_early):
        late = keyed(client, body, "k1", url)

    assert answers[1].status_code == late.status_code == (201 if url == ORDERS else 200)
    assert late.content == answers[1].content
    assert late["Idempotent-Replayed"] == "true"
    assert Order.objects.count() == IdempotencyRecord.objects.count() == 1


def test_an_order_that_opens_a_channel_takes_the_long_way_to_the_same_answer(api, shop):
    body = {**shop.body(), "source": "NEW"}
    answer = keyed(api, body, "k1")
    assert answer.status_code == 201
    assert answer["Location"] == answer.json()["url"]
    assert keyed(api, body, "k1").content == answer.content
    assert Order.objects.get().channel.code == "NEW"


def test_a_single_order_takes_four_statements(shop, django_assert_num_queries):
    """The credential with its nonce, a look for an earlier answer, what the order refers to, and all rows at once."""
    client = factories.signed_client_of(shop.merchant)
    keyed(client, json.dumps(shop.body()), "k1")
    with django_assert_num_queries(4):
        keyed(client, json.dumps(shop.body()), "k2")


def copies_at_once(keys, copies=8):
    """Send each order under its key from so many threads at once, repeating what is told to come again."""
    shop = factories.make_shop()
    clients = [factories.signed_client_of(shop.merchant) for _ in range(copies)]
    bodies = [json.dumps(shop.body(external_number=f"E-{number}")) for number in range(keys)]
    start = Barrier(copies)

    def call(client):
        found = []
        for number, body in enumerate(bodies):
            start.wait(60)
            for _attempt in range(200):
                answer = keyed(client, body, f"key-{number}")
                found.append((answer.status_code, number, answer.content, answer.get("Idempotent-Replayed")))
                if answer.status_code != 409:
                    break
                assert answer["Retry-After"]
        return found

    with ThreadPoolExecutor(copies) as pool:
        works = [in_thread(pool, lambda client=client: call(client)) for client in clients]
        return [answer for work in works for answer in work.result(300)]


def check_copies(keys, copies, answers):
    """Exactly one order a key, every copy answered alike, and one of them not replayed."""
    assert {status for status, *_ in answers} <= {201, 409}
    created = [answer for answer in answers if answer[0] == 201]
    assert len(created) == keys * copies
    assert len({(number, content) for _status, number, content, _replayed in created}) == keys
    assert sum(1 for answer in created if answer[3] is None) == keys
    assert Order.objects.count() == IdempotencyRecord.objects.count() == keys


@pytest.mark.django_db(transaction=True)
def test_eight_copies_of_forty_calls_at_once_make_forty_orders():
    check_copies(40, 8, copies_at_once(40))


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_eight_copies_of_five_hundred_calls_at_once_make_five_hundred_orders():
    check_copies(500, 8, copies_at_once(500))
