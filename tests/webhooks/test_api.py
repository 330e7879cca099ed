"""What a merchant does with its endpoints over the API, and that it reaches nobody else's."""

import socket
import threading
import time

import pytest
from standardwebhooks import Webhook

from oms.merchants.models import EndpointState, IdempotencyRecord, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import addresses, telling
from tests import factories
from tests.api.calls import change, errors_of
from tests.webhooks.conftest import secret_of, send, subscribe
from tests.webhooks.receiver import receiver

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/webhook-endpoints"
DELIVERIES = "/api/v1/webhook-deliveries"
URL = "http://127.0.0.1:40009/hook"


def create(api, **changes):
    return api.post(ENDPOINTS, {"url": URL, "event_types": ["order.*"], **changes}, format="json")


def test_a_merchant_subscribes_and_verifies_its_first_message(api, shop):
    with receiver() as server:
        created = create(api, url=server.url)
        assert created.status_code == 201
        order = factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
        send()
        (got,) = server.received

    message = Webhook(created.json()["secret"]).verify(got.body, got.headers)
    assert message["data"]["order"] == order.number
    shown = api.get(f"{ENDPOINTS}/{created.json()['id']}").json()
    assert "secret" not in shown
    assert shown == {key: value for key, value in created.json().items() if key != "secret"} | {
        "last_success_at": shown["last_success_at"]
    }
    assert api.get(ENDPOINTS).json() == {"next": None, "results": [shown]}


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"url": "https://10.0.0.1/"}, {("url", "bad_address")}),
        ({"url": "ftp://shop.example/"}, {("url", "bad_address")}),
        ({"event_types": ["orders.*"]}, {("event_types", "unknown_event_type")}),
        ({"event_types": ["order.creatd"]}, {("event_types", "unknown_event_type")}),
        ({"event_types": []}, {("event_types", "min_length")}),
        ({"event_types": "*"}, {("event_types", "not_a_list")}),
        ({"contact_email": "nobody"}, {("contact_email", "invalid")}),
        ({"URL": "x", "kind": 1}, {("URL", "unknown_field"), ("kind", "unknown_field")}),
    ],
)
def test_bad_input_names_the_field(api, settings, changes, errors):
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = "10.0.0.1" not in str(changes)

    response = create(api, **changes)

    assert response.status_code == 400, response.json()
    assert errors_of(response) == errors
    assert not WebhookEndpoint.objects.exists()


def test_changes_need_the_version_that_was_read(api):
    endpoint = create(api).json()
    path = f"{ENDPOINTS}/{endpoint['id']}"

    changed = change(api, "patch", path, {"event_types": ["*"], "state": "disabled"}, version=1)
    assert changed.status_code == 200
    assert (changed.json()["event_types"], changed.json()["state"]) == (["*"], "disabled")
    assert changed.json()["disabled_because"] == "merchant"
    assert changed.json()["version"] > 1

    stale = change(api, "patch", path, {"description": "late"}, version=1)
    assert (stale.status_code, errors_of(stale)) == (409, {(None, "changed_meanwhile")})
    missing = change(api, "patch", path, {"description": "late"}, version=None)
    assert (missing.status_code, errors_of(missing)) == (428, {(None, "version_required")})

    again = change(api, "patch", path, {"state": "enabled"}, version=changed.json()["version"])
    assert again.json()["state"] == "enabled"


def test_a_removed_endpoint_is_gone_with_what_waited(api, shop):
    endpoint = create(api).json()
    telling.tell(shop.merchant.pk, "order.created", {})

    assert change(api, "delete", f"{ENDPOINTS}/{endpoint['id']}").status_code == 204

    assert api.get(f"{ENDPOINTS}/{endpoint['id']}").status_code == 404
    assert api.get(ENDPOINTS).json()["results"] == []
    assert api.get(DELIVERIES).json()["results"] == []
    assert WebhookDelivery.objects.get().state == "failed"
    assert WebhookEndpoint.objects.get().state == EndpointState.REMOVED


def test_ping_rotation_log_and_resend(api, shop):
    with receiver() as server:
        endpoint = create(api, url=server.url).json()
        path = f"{ENDPOINTS}/{endpoint['id']}"
        ping = api.post(f"{path}/ping")
        assert (ping.status_code, ping.json()["type"], ping.json()["state"]) == (202, "webhook.ping", "pending")
        send()
        rotated = change(api, "post", f"{path}/rotate-secret").json()
        assert rotated["secret"] == secret_of(WebhookEndpoint.objects.get())
        assert rotated["secret"] != endpoint["secret"]
        again = api.post(f"{DELIVERIES}/{ping.json()['id']}/resend")
        assert (again.status_code, again.json()["state"], again.json()["attempts"]) == (202, "pending", 0)
        send()
        first, second = server.received

    assert first.message_id == second.message_id == ping.json()["message_id"]
    for secret in (rotated["secret"], endpoint["secret"]):
        Webhook(secret).verify(second.body, second.headers)
    shown = api.get(f"{DELIVERIES}/{ping.json()['id']}").json()
    assert [row["response_status"] for row in shown["tries"]] == [204, 204]
    assert shown["state"] == "delivered"
    assert shown["next_try_at"] is None


def test_the_answer_with_the_secret_is_kept_sealed(api):
    body, key = {"url": URL, "event_types": ["*"]}, {"HTTP_IDEMPOTENCY_KEY": "k1"}
    created = api.post(ENDPOINTS, body, format="json", **key)
    path = f"{ENDPOINTS}/{created.json()['id']}/rotate-secret"
    rotated = change(api, "post", path, HTTP_IDEMPOTENCY_KEY="k2")

    kept = [bytes(body) for body in IdempotencyRecord.objects.values_list("body", flat=True)]
    assert len(kept) == 2
    assert not any(b"whsec_" in body for body in kept)
    again = api.post(ENDPOINTS, body, format="json", **key)
    assert (again.content, again["Idempotent-Replayed"]) == (created.content, "true")
    assert "sealed" not in again
    assert change(api, "post", path, HTTP_IDEMPOTENCY_KEY="k2").json() == rotated.json()


def test_the_log_is_filtered_and_paged(api, shop):
    endpoint, other = subscribe(shop.merchant), subscribe(shop.merchant, URL, "refund.*")
    for number in range(3):
        telling.tell(shop.merchant.pk, "order.created", {"order": str(number)})
    telling.tell(shop.merchant.pk, "refund.created", {})

    def listed(**parameters):
        return [row["data"].get("order") for row in api.get(DELIVERIES, parameters).json()["results"]]

    assert listed(endpoint=endpoint.public_id) == [None, "2", "1", "0"]
    assert listed(endpoint=other.public_id) == [None]
    assert listed(type="order.created") == ["2", "1", "0"]
    assert listed(state="delivered") == []
    page = api.get(DELIVERIES, {"type": "order.created", "limit": 2}).json()
    assert [row["data"]["order"] for row in api.get(page["next"]).json()["results"]] == ["0"]
    assert api.get(DELIVERIES, {"stat": "x"}).status_code == 400


def test_what_is_anothers_is_not_found(api, shop):
    stranger = factories.MerchantFactory()
    theirs = subscribe(stranger)
    telling.tell(stranger.pk, "order.created", {"order": "1"})
    delivery = WebhookDelivery.objects.get()
    path, log = f"{ENDPOINTS}/{theirs.public_id}", f"{DELIVERIES}/{delivery.public_id}"

    answers = [
        api.get(path),
        change(api, "patch", path, {"state": "disabled"}, version=1),
        change(api, "delete", path),
        api.post(f"{path}/ping"),
        change(api, "post", f"{path}/rotate-secret"),
        api.get(log),
        api.post(f"{log}/resend"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 7
    assert api.get(ENDPOINTS).json()["results"] == api.get(DELIVERIES).json()["results"] == []
    assert api.get(DELIVERIES, {"endpoint": theirs.public_id}).json()["results"] == []
    untouched = WebhookEndpoint.objects.get()
    assert (untouched.version, untouched.state) == (1, "enabled")
    assert WebhookDelivery.objects.count() == 1


def test_a_merchant_has_only_so_many_endpoints(api, shop, settings):
    settings.WEBHOOKS_ENDPOINTS_PER_MERCHANT = 3
    paths = [f"{ENDPOINTS}/{create(api).json()['id']}" for _ in range(3)]

    response = create(api)

    assert (response.status_code, errors_of(response)) == (409, {(None, "too_many_endpoints")})
    assert " 3 " in response.json()["errors"][0]["detail"]
    change(api, "delete", paths[0])
    assert create(api).status_code == 201


def test_a_change_is_one_step_of_the_version_or_nothing(api, settings):
    path = f"{ENDPOINTS}/{create(api).json()['id']}"
    everything = {"description": "new", "event_types": ["*"], "contact_email": "it@shop.example"}

    changed = change(api, "patch", path, {**everything, "state": "disabled"}, version=1).json()
    assert (changed["version"], changed["state"], changed["description"]) == (2, "disabled", "new")

    # The last thing that can be refused is the address; nothing of the rest may stay.
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = False
    refused = change(api, "patch", path, {"description": "newer", "state": "enabled"}, version=2)
    assert (refused.status_code, errors_of(refused)) == (400, {("url", "bad_address")})
    assert api.get(path).json() == changed

    same = change(api, "patch", path, {**everything, "state": "disabled"}, version=2).json()
    assert same["version"] == 2


def test_a_name_server_that_hangs_costs_a_request_so_much_time_and_no_more(api, settings, monkeypatch):
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = False
    settings.WEBHOOKS_LOOKUP_SECONDS = 0.2
    monkeypatch.setattr(addresses, "_lookups_left", threading.BoundedSemaphore(2))
    goes_on, asked = threading.Event(), []
    real = socket.getaddrinfo

    def hang(host, *args, **options):
        if host == "slow.example":
            asked.append(host)
            goes_on.wait(30)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started = time.monotonic()
    answers = [create(api, url="https://slow.example/") for _ in range(4)]
    took = time.monotonic() - started

    assert {answer.status_code for answer in answers} == {503}
    assert {answer["Retry-After"] for answer in answers} == {"1"}
    assert errors_of(answers[0]) == {("url", "lookup_unfinished")}
    assert "0.2" in answers[0].json()["errors"][0]["detail"]
    assert took < 4
    # Two threads hang; the others were not even started.
    assert len(asked) == 2
    assert not WebhookEndpoint.objects.exists()

    goes_on.set()
    settings.WEBHOOKS_LOOKUP_SECONDS = 5.0
    assert create(api, url="https://slow.example/").status_code == 201


@pytest.mark.parametrize("rows", [1, 5])
def test_the_log_takes_as_many_statements_for_one_row_as_for_five(api, shop, django_assert_num_queries, rows):
    subscribe(shop.merchant)
    for number in range(rows):
        telling.tell(shop.merchant.pk, "order.created", {"order": str(number)})
    api.get(DELIVERIES)

    with django_assert_num_queries(3):
        assert len(api.get(DELIVERIES).json()["results"]) == rows
