"""How many calls a credential may make."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from oms.client import signing
from oms.merchants.calls import rate_limits
from oms.merchants.models import SpentNonce
from orders.models import Order
from tests import factories
from tests.api.calls import ORDERS, errors_of, send

pytestmark = pytest.mark.django_db


def test_calls_beyond_the_limit_are_429_until_there_is_room_again(shop, emptied_valkey, settings):
    settings.API_CALLS_PER_MINUTE = 120
    client = factories.client_of(shop.merchant, calls_per_minute=3)
    left = []
    for _ in range(3):
        response = client.get(ORDERS)
        assert response.status_code == 200
        assert response["RateLimit-Limit"] == "3"
        left.append(response["RateLimit-Remaining"])
    assert left == ["2", "1", "0"]
    assert 40 <= int(response["RateLimit-Reset"]) <= 60

    response = client.get(ORDERS)
    assert (response.status_code, errors_of(response)) == (429, {(None, "too_many_calls")})
    assert 15 <= int(response["Retry-After"]) <= 20
    assert response["RateLimit-Remaining"] == "0"

    other = factories.client_of(shop.merchant)
    assert other.get(ORDERS)["RateLimit-Limit"] == "120"


def test_a_refused_call_does_nothing_and_spends_no_idempotency_key(shop, emptied_valkey):
    client = factories.client_of(shop.merchant, calls_per_minute=1)
    client.get(ORDERS)
    body = shop.body()
    assert send(client, body, HTTP_IDEMPOTENCY_KEY="k").status_code == 429
    assert not Order.objects.exists()
    assert send(factories.client_of(shop.merchant), body, HTTP_IDEMPOTENCY_KEY="k").status_code == 201


def test_the_bucket_fills_evenly(emptied_valkey):
    started = time.monotonic()
    left = [rate_limits.take(1, 600).remaining for _ in range(600)][-1]
    # Ten calls a second come back, also while the bucket is being emptied.
    assert left <= 10 * (time.monotonic() - started) + 1
    time.sleep(1.05)
    got = 0
    while not rate_limits.take(1, 600).wait_seconds:
        got += 1
    assert 10 <= got <= 10 * (time.monotonic() - started) + 1


def test_many_at_once_get_exactly_the_limit(emptied_valkey):
    start = threading.Barrier(8)

    def calls():
        start.wait(20)
        return sum(1 for _ in range(50) if not rate_limits.take(2, 60).wait_seconds)

    with ThreadPoolExecutor(8) as pool:
        allowed = sum(work.result(60) for work in [pool.submit(calls) for _ in range(8)])
    assert 60 <= allowed <= 65  # one a second comes back


def test_no_limit_counts_nothing(shop, emptied_valkey, settings):
    settings.API_CALLS_PER_MINUTE = 0
    response = factories.client_of(shop.merchant).get(ORDERS)
    assert "RateLimit-Limit" not in response
    assert emptied_valkey.keys() == []


def test_a_call_takes_one_round_trip(shop, emptied_valkey, settings):
    settings.API_CALLS_PER_MINUTE = 1000
    client = factories.client_of(shop.merchant)
    client.get(ORDERS)
    before = emptied_valkey.info("stats")["total_commands_processed"]
    client.get(ORDERS)
    after = emptied_valkey.info("stats")["total_commands_processed"]
    # EVALSHA, the four commands that it runs inside the server, and this INFO.
    assert after - before == 6


def test_without_valkey_calls_go_through_and_it_is_left_alone_for_a_while(shop, settings, tmp_path, caplog):
    settings.API_CALLS_PER_MINUTE = 1
    settings.REDIS_URL = f"redis+socket://{tmp_path}/nobody.sock"
    rate_limits.forget_server()
    client = factories.client_of(shop.merchant)
    assert [client.get(ORDERS).status_code for _ in range(5)] == [200] * 5
    assert caplog.text.count("calls are not counted") == 1
    rate_limits.forget_server()


def test_a_thousand_replays_are_without_effect_also_after_flushall(shop, emptied_valkey, settings):
    settings.API_CALLS_PER_MINUTE = 1_000_000
    client = factories.signed_client_of(shop.merchant)
    raw = json.dumps(shop.body()).encode()
    header = signing.authorization(client.app_key, client.secret, "POST", ORDERS, raw, idempotency_key="k")
    call = {"HTTP_AUTHORIZATION": header, "HTTP_IDEMPOTENCY_KEY": "k"}
    assert send(client, raw, **call).status_code == 201
    assert emptied_valkey.keys() != []

    answers = []
    for number in range(1000):
        if number % 100 == 50:
            emptied_valkey.flushall()
            assert emptied_valkey.keys() == []
        answers.append(send(client, raw, **call))

    assert {(answer.status_code, *errors_of(answer)) for answer in answers} == {(401, (None, "nonce_reused"))}
    assert Order.objects.count() == SpentNonce.objects.count() == 1
