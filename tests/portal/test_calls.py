"""Refused calls that a merchant sees, and calls that it pastes: faults are named, nothing is carried out or told."""

import json
import re
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import resolve
from django.utils import timezone, translation

import oms.urls  # noqa: F401 - brings all pages
from oms.client import signing
from oms.merchants.calls import credentials, judging, refused
from oms.merchants.calls.checks import check_scopes
from oms.merchants.calls.deprecating import Deprecated
from oms.merchants.calls.judging import Judgement, Pasted
from oms.merchants.joining.roles import Role
from oms.merchants.models import IdempotencyRecord, Merchant, RefusedCall, SpentNonce, WebhookEndpoint
from orders.models import Order, RejectedOrder
from tests import factories
from tests.portal import world

pytestmark = pytest.mark.django_db
LIST = "/merchant/merchants/refusedcall/"


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """What is told is compared in English."""
    with translation.override("en"):
        yield


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    refused._left.clear()
    return world.make_seller()


@pytest.fixture
def issued(seller: world.Seller) -> Any:
    """Its credential, with the secret."""
    return credentials.issue(seller.merchant, "erp")


def order(seller: world.Seller, **changed: Any) -> str:
    """An order as JSON."""
    told = {"payment_method": "cod", "source": seller.channel.code, **changed}
    return json.dumps(factories.order_body((seller.sku, 1, "10.00"), **told))


def pasted(issued: Any, method: str, address: str, body: str = "", /, **signed: Any) -> Pasted:
    """A call, signed over what `signed` changes of it."""
    path, _question, query = address.partition("?")
    key = str(uuid4()) if method == "POST" else ""
    parts: dict[str, Any] = {
        "key": issued.credential.app_key,
        "timestamp": int(time.time()),
        "nonce": uuid4().hex,
        "method": method,
        "path": path,
        "query": query,
        "body": body.encode(),
        "idempotency_key": key,
        **signed,
    }
    mark = signing.signature(issued.secret, signing.canonical_text(**parts))
    told = f"key={parts['key']}, timestamp={parts['timestamp']}, nonce={parts['nonce']}, signature={mark}"
    headers = [f"Authorization: {signing.SCHEME} {told}", "Content-Type: application/json"]
    return Pasted(method, address, "\n".join(headers + [f"Idempotency-Key: {key}"] * bool(key)), body)


def faults(judgement: Judgement) -> list[tuple[str, str]]:
    """What is wrong."""
    return [(one.about, one.text) for one in judgement.findings if not one.is_fine]


def test_a_good_call_is_found_to_be_good_and_is_not_carried_out(seller, issued):
    call = pasted(issued, "POST", "/api/v1/orders", order(seller))
    judgement = judging.judge(seller.merchant, call)
    assert judgement.is_fine, faults(judgement)
    assert any("201" in one.text for one in judgement.findings)
    assert not Order.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert not SpentNonce.objects.exists()
    # So the call itself can still be made.
    assert judging.judge(seller.merchant, call).is_fine


def test_every_fault_of_the_body_is_named_by_its_field(seller, issued):
    body = json.loads(order(seller))
    body["lines"][0] |= {"sku": "NOBODY", "quantity": 0}
    judgement = judging.judge(seller.merchant, pasted(issued, "POST", "/api/v1/orders", json.dumps(body)))
    assert {"lines.0.sku", "lines.0.quantity"} <= {about for about, _text in faults(judgement)}
    assert not RejectedOrder.objects.exists()
    judgement = judging.judge(seller.merchant, pasted(issued, "POST", "/api/v1/orders", "{"))
    assert "parse_error" in faults(judgement)[0][1]


def test_rows_that_would_be_refused_are_named(seller, issued):
    (work,) = seller.orders(1)
    body = json.dumps({"parcels": [{"number": work.number, "carrier": "NOBODY", "waybill": "SF1"}]})
    judgement = judging.judge(seller.merchant, pasted(issued, "POST", "/api/v1/shipping-reports", body))
    assert {about.split(".")[0] for about, _text in faults(judgement)} == {"0"}
    work.refresh_from_db(fields=["version"])


@pytest.mark.parametrize(
    ("signed", "slip"),
    [
        ({"body": b""}, "You signed an empty body."),
        ({"idempotency_key": ""}, "You signed without the Idempotency-Key."),
        ({"method": "PUT"}, "You signed another method."),
        ({"if_match": "x"}, ""),
    ],
)
def test_a_wrong_signature_is_told_with_the_usual_slip_and_no_secret(seller, issued, signed, slip):
    judgement = judging.judge(seller.merchant, pasted(issued, "POST", "/api/v1/orders", order(seller), **signed))
    ((about, text),) = faults(judgement)
    assert about == "signature"
    assert text.endswith(slip) if slip else "slip" not in text
    right = signing.signature(issued.secret, judgement.canonical.encode())
    told = " ".join([judgement.canonical, judgement.digest, *(one.text for one in judgement.findings)])
    assert issued.secret not in told
    assert right not in told


def test_what_is_wrong_with_the_header_is_named(seller, issued):
    good = pasted(issued, "GET", "/api/v1/orders?limit=2")
    other = credentials.issue(factories.MerchantFactory(), "theirs")

    def said(call: Pasted) -> set[str]:
        return {about for about, _text in faults(judging.judge(seller.merchant, call))}

    assert said(good) == set()
    assert said(Pasted("GET", "/api/v1/orders", "", "")) == {"Authorization", "Call"}
    assert said(Pasted("GET", "/api/v1/orders", "Authorization: OMS1-HMAC-SHA256 key=x", "")) == {
        "Authorization",
        "Call",
    }
    assert "Headers" in said(Pasted("GET", good.address, f"{good.headers}\nno header", ""))
    assert "Headers" in said(Pasted("GET", good.address, f"{good.headers}\n{good.headers}", ""))
    assert said(pasted(issued, "GET", "/api/v1/orders", timestamp=int(time.time()) - 400)) == {"timestamp"}
    assert said(pasted(other, "GET", "/api/v1/orders")) == {"key", "Call"}
    assert said(pasted(issued, "GET", "/api/v2/orders")) == {"Call"}
    assert said(pasted(issued, "GET", "/api/v1/nothing")) == {"Call"}
    assert "Call" in said(pasted(issued, "DELETE", "/api/v1/orders"))
    assert "signature" in said(Pasted("GET", "/api/v1/orders?limit=3", good.headers, ""))
    narrow = credentials.issue(seller.merchant, "narrow", scopes=["payments.read"])
    ((_about, text),) = faults(judging.judge(seller.merchant, pasted(narrow, "GET", "/api/v1/orders")))
    assert "scope_missing" in text
    credentials.revoke(issued.credential.pk)
    assert "key" in said(good)
    Merchant.objects.filter(pk=seller.merchant.pk).update(status="suspended")
    seller.merchant.refresh_from_db()
    assert "Call" in said(pasted(narrow, "GET", "/api/v1/orders"))


def test_a_call_that_makes_a_secret_is_not_even_tried(seller, issued):
    body = json.dumps({"url": "https://shop.example/", "event_types": ["*"]})
    judgement = judging.judge(seller.merchant, pasted(issued, "POST", "/api/v1/webhook-endpoints", body))
    assert any("secret" in one.text for one in judgement.findings)
    assert not WebhookEndpoint.objects.exists()


def test_the_page_shows_what_is_wrong_to_who_may_see_keys(seller, issued):
    li = world.person_of(seller.merchant)
    call = pasted(issued, "POST", "/api/v1/orders", order(seller), body=b"")
    form = {"method": call.method, "address": call.address, "headers": call.headers, "body": call.body}
    page = li.post(f"{LIST}check/", form)
    text = page.content.decode()
    assert "You signed an empty body." in text
    assert "no-store" in page["Cache-Control"]
    assert li.get(f"{LIST}check/").status_code == 200
    assert li.post(f"{LIST}check/", {"method": "X"}).status_code == 400
    assert world.person_of(seller.merchant, Role.LOGISTICS).post(f"{LIST}check/", form).status_code == 403
    assert not Order.objects.exists()


def test_refused_calls_are_kept_with_what_was_wrong_and_nothing_personal(seller):
    client = factories.client_of(seller.merchant)
    client.get("/api/v1/orders", {"strange": "13800001111"})
    body = json.loads(order(seller))
    body["lines"][0]["sku"] = "NOBODY"
    answer = client.post("/api/v1/orders", body, format="json")
    assert client.get("/api/v1/orders").status_code == 200
    first, second = RefusedCall.objects.order_by("pk")
    assert (first.path, first.status, first.code, first.attr) == (
        "/api/v1/orders?strange=…",
        400,
        "unknown_parameter",
        "strange",
    )
    assert (second.method, second.status, second.code, second.attr) == ("POST", 400, "unknown_sku", "lines.0.sku")
    assert second.request_id == answer["X-Request-ID"]
    assert "13800001111" not in f"{first.detail}{first.path}{second.detail}"
    li = world.person_of(seller.merchant)
    page = li.get(LIST).content.decode()
    assert "unknown_sku" in page
    assert "lines.0.sku" in page
    stranger = world.person_of(world.make_seller().merchant)
    assert stranger.get(LIST).context["cl"].result_list == []
    assert world.person_of(seller.merchant, Role.FINANCE).get(LIST).status_code == 403


def test_a_call_that_was_not_admitted_is_kept_for_whose_key_it_names(seller, issued):
    header = f"{signing.SCHEME} key={issued.credential.app_key}, timestamp=1, nonce={'n' * 16}, signature={'0' * 64}"
    client = Client()
    for value in (header, "Bearer nothing", f"{signing.SCHEME} key=ak_nobody, timestamp=1"):
        assert client.get("/api/v1/orders", headers={"Authorization": value}).status_code == 401
    call = RefusedCall.objects.get()
    assert (call.merchant, call.status, call.code) == (seller.merchant, 401, "timestamp_out_of_range")


def test_a_program_that_is_refused_all_the_time_is_kept_some_times(seller):
    client = factories.client_of(seller.merchant)
    for _time in range(40):
        client.get("/api/v1/carriers?strange=1")
    assert 20 <= RefusedCall.objects.count() <= 24


def test_an_answer_that_is_fine_costs_no_statement_more(seller, django_assert_num_queries):
    client = factories.client_of(seller.merchant)
    client.get("/api/v1/me")
    RefusedCall.objects.all().delete()
    client.get("/api/v1/carriers")
    assert not RefusedCall.objects.exists()


def test_what_is_old_or_too_many_is_forgotten(seller, monkeypatch):
    client = factories.client_of(seller.merchant)
    for _time in range(5):
        client.get("/api/v1/carriers?strange=1")
    keys = list(RefusedCall.objects.order_by("pk").values_list("pk", flat=True))
    long_ago = timezone.now() - timedelta(days=settings.API_REFUSALS_KEPT_DAYS, hours=1)
    RefusedCall.objects.filter(pk=keys[0]).update(at=long_ago)
    monkeypatch.setattr(refused, "MOST_OF_A_MERCHANT", 2)
    assert refused.forget() == 3
    assert list(RefusedCall.objects.order_by("pk").values_list("pk", flat=True)) == keys[3:]


def test_an_address_that_is_to_go_says_so_in_every_answer(seller, monkeypatch):
    client = factories.client_of(seller.merchant)
    assert "Deprecation" not in client.get("/api/v1/carriers")
    gone = Deprecated(date(2026, 12, 1), date(2027, 6, 2))
    monkeypatch.setattr(resolve("/api/v1/carriers").func.cls, "deprecated", gone)
    for answer in (client.get("/api/v1/carriers"), client.get("/api/v1/carriers?strange=1")):
        assert (answer["Deprecation"], answer["Sunset"]) == ("@1796083200", "Wed, 02 Jun 2027 00:00:00 GMT")
        assert Client().get(answer["Link"].partition(">")[0][1:]).status_code == 200
    assert [error.id for error in check_scopes()] == []
    monkeypatch.setattr(resolve("/api/v1/carriers").func.cls, "deprecated", Deprecated(gone.since, date(2027, 5, 1)))
    assert [error.id for error in check_scopes()] == ["merchants.E002"]


@pytest.mark.parametrize(
    "address", ["http://[oms/api/v1/orders", "//[", "https://a]b/api/v1/orders", "/api/v1/orders/\x00", "?", "http://"]
)
def test_what_is_no_address_is_told_so_as_a_fault(seller, issued, address) -> None:
    li = world.person_of(seller.merchant)
    call = pasted(issued, "GET", "/api/v1/orders")
    form = {"method": "GET", "address": address, "headers": call.headers, "body": ""}
    answer = li.post(f"{LIST}check/", form)
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or not answer.context["judgement"].is_fine


def test_a_signature_that_is_no_text_of_a_signature_is_wrong_and_does_no_harm(seller, issued) -> None:
    call = pasted(issued, "GET", "/api/v1/orders")
    for mark in ("é" * 64, "签名", "", "x" * 5000):
        told = re.sub("signature=.*", f"signature={mark}", call.headers.split("\n")[0])
        assert faults(judging.judge(seller.merchant, Pasted("GET", "/api/v1/orders", told, "")))
