"""Programs of the platform's own (billing, BI): they read what is everybody's, by what changed; they write nothing, see
no personal data, and what they read is noted."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse

from oms.common.models import SecurityEvent, SecurityEventKind
from oms.merchants.calls import credentials, scopes
from oms.merchants.models import ApiCredential, Merchant
from tests import factories
from tests.api.calls import errors_of, idempotency
from tests.api.samples import Things
from tests.api.test_every_route_is_isolated import BODIES, LISTS, ROUTES, Route, filled
from tests.api.test_following import LONG_AGO, rows

pytestmark = pytest.mark.django_db

READS = [route for route in ROUTES if route.method == "get"]
# By POST, and all the same nothing but reading.
READING_POSTS = {"refund-preview"}
WRITES = [route for route in ROUTES if route.method not in ("get", "head") and route.name not in READING_POSTS]
# Lists that have everybody's rows, each with its merchant.
EVERYBODYS = sorted({route.name for route in LISTS if getattr(route.view, "whose", "")})


@pytest.fixture
def things(standing_things: Things, db: None, settings: Any) -> Things:
    """Another merchant's, of the marketplace as far as its kind decides, told at once."""
    settings.AMOUNTS_LAG_SECONDS = 0
    return standing_things


@pytest.fixture
def program(db: None) -> factories.MerchantClient:
    """A program of the platform's own."""
    own = factories.MerchantFactory(code="OWN", kind=Merchant.Kind.SELF_OPERATED)
    return factories.client_of(own, scopes=scopes.READING)


def test_the_lists_for_all_merchants_are_those_that_billing_needs() -> None:
    wanted = {"orders", "sub-orders", "inventory", "skus", "shipments", "payments", "refunds", "invoices"}
    assert wanted | {"settlements", "statements", "returns"} == set(EVERYBODYS)


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_it_writes_nothing(route: Route, things: Things, program: Any) -> None:
    url = filled(route, things) if route.parameters else reverse(f"api:{route.name}")
    body = BODIES[route.key](things) if route.key in BODIES else {}
    for address in (url, f"{url}?merchant={things.shop.merchant.code}"):
        headers = {"HTTP_IF_MATCH": '"1"', **idempotency()}
        answer = getattr(program, route.method)(address, json.dumps(body), content_type="application/json", **headers)
        assert answer.status_code == 403, answer.content
        assert "only" in answer.content.decode(), answer.content


@pytest.mark.parametrize("route", READS, ids=str)
def test_it_reads_what_any_merchant_reads_but_nothing_personal(route: Route, things: Things, program: Any) -> None:
    merchant = things.shop.merchant
    url = filled(route, things) if route.parameters else reverse(f"api:{route.name}")
    body = {**BODIES.get(route.key, lambda _: {})(things), "merchant": merchant.code}
    answer = program.get(url, body)
    if route.view.scopes["GET"] not in scopes.READING:
        assert errors_of(answer) == {(None, "scope_missing")}
        return
    if route.name == "amounts":
        body["updated_since"] = LONG_AGO
        answer = program.get(url, body)
    expected = (200, 404) if route.name in ("invoice-document", "loc-status") else (200,)
    assert answer.status_code in expected, answer.content
    said = answer.content.decode()
    order = things.order
    for personal in (order.recipient_phone, order.buyer_phone, order.recipient_name, order.recipient_address):
        assert personal
        assert f'"{personal}"' not in said, (personal, said)


@pytest.mark.parametrize("name", EVERYBODYS)
def test_lists_have_everybodys_rows_and_say_whose(name: str, things: Things, program: Any) -> None:
    merchant = things.shop.merchant
    factories.StockFactory(sku=factories.SkuFactory(merchant=factories.MerchantFactory(code="THIRD")))
    everybodys, of_one = rows(program, name, updated_since=LONG_AGO), rows(program, name, merchant=merchant.code)
    own = rows(factories.client_of(merchant), name)
    assert merchant.code in {row["merchant"] for row in everybodys}
    assert len(of_one) == len(own) > 0
    assert len(everybodys) >= len(own)
    if name in ("skus", "inventory"):
        assert "THIRD" in {row["merchant"] for row in everybodys}


def test_codes_that_several_merchants_have_are_asked_about(program: Any) -> None:
    one, two = (factories.SkuFactory(code="TWICE", merchant=factories.MerchantFactory()) for _ in range(2))
    assert errors_of(program.get("/api/v1/skus/TWICE")) == {("merchant", "required")}
    for sku in (one, two):
        assert program.get("/api/v1/skus/TWICE", {"merchant": sku.merchant.code}).json()["name"] == sku.name
    assert errors_of(program.get("/api/v1/skus", {"merchant": "NOBODY"})) == {("merchant", "not_found")}


def test_nobody_else_names_a_merchant(things: Things) -> None:
    for kind in (Merchant.Kind.SELF_OPERATED, Merchant.Kind.MARKETPLACE):
        client = factories.client_of(factories.MerchantFactory(kind=kind))
        answer = client.get("/api/v1/orders", {"merchant": things.shop.merchant.code})
        assert errors_of(answer) == {("merchant", "unknown_parameter")}
        assert client.get(f"/api/v1/orders/{things.order.number}").status_code == 404
    # The scope alone, by whatever way it got there, is not enough: it is the self-operated merchant's.
    stranger = factories.MerchantFactory(kind=Merchant.Kind.MARKETPLACE)
    client = factories.client_of(stranger, scopes=["orders.read"])
    ApiCredential.objects.filter(merchant=stranger).update(scopes=["orders.read", "platform.read"])
    assert client.get(f"/api/v1/orders/{things.order.number}").status_code == 404
    assert client.get("/api/v1/orders").json()["results"] == []


def test_it_has_no_scope_that_writes() -> None:
    own = factories.MerchantFactory(kind=Merchant.Kind.SELF_OPERATED)
    with pytest.raises(ValidationError, match=r"orders\.write"):
        credentials.issue(own, "bi", scopes=["orders.read", "orders.write", "platform.read"])
    issued = credentials.issue(own, "bi", scopes=["orders.read", "platform.read"]).credential
    with pytest.raises(IntegrityError, match="credential_of_the_platform_only_reads"), transaction.atomic():
        ApiCredential.objects.filter(pk=issued.pk).update(scopes=["orders.write", "platform.read"])


def test_what_it_reads_is_noted_once_an_hour(things: Things, program: Any) -> None:
    for _ in range(3):
        program.get("/api/v1/orders")
        program.get("/api/v1/orders", {"merchant": things.shop.merchant.code})
        program.get(f"/api/v1/orders/{things.order.number}")
    factories.client_of(things.shop.merchant).get("/api/v1/orders")
    noted = SecurityEvent.objects.filter(kind=SecurityEventKind.PLATFORM_READ).order_by("id")
    assert list(noted.values_list("subject", "values")) == [
        ("GET /api/v1/orders", {}),
        ("GET /api/v1/orders", {"merchant": things.shop.merchant.code}),
        ("OrderView", {}),
    ]
    assert {one.person for one in noted} == {str(ApiCredential.objects.get(merchant__code="OWN"))[:150]}
