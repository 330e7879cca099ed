"""Every address of the API, taken from the table of addresses itself: what is another merchant's is not found.

A new address is tested without anybody thinking of it. Where the test cannot know what to fill in, it fails and says
what to add here.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone
from rest_framework.test import APIClient

import oms.api
from inventory.models import ReplenishmentPolicy
from oms.merchants.calls import scopes
from oms.merchants.calls.views import MerchantView
from orders.models import BuyerNotification, Order, RejectedOrder
from tests import factories
from tests.api.calls import idempotency
from tests.api.samples import Things

pytestmark = pytest.mark.django_db

# What to fill into an address's parameters, by the address's first part.
PARAMETERS: dict[str, Callable[[Things], dict[str, Any]]] = {
    "orders": lambda t: {"number": t.order.number},
    "sub-orders": lambda t: {"number": t.sub_order.number},
    "payments": lambda t: {"number": t.payment.number},
    "refunds": lambda t: {"number": t.refund.number},
    "invoices": lambda t: {"number": t.invoice.number},
    "gift-cards": lambda t: {"number": t.card.card.number},
    "points-accounts": lambda t: {"number": t.points.number},
    "statements": lambda t: {"number": t.statement.number},
    "shipments": lambda t: {"number": t.shipment.number},
    "rejected-orders": lambda t: {"pk": t.rejected.pk},
    "skus": lambda t: {"code": t.shop.sku.code},
    "purchase-orders": lambda t: {"number": t.purchase.number},
    "transfers": lambda t: {"reference": t.transfer.reference},
    "webhook-endpoints": lambda t: {"public_id": t.endpoint.public_id},
    "webhook-deliveries": lambda t: {"public_id": t.delivery.public_id},
    "sku-matches": lambda t: {"channel": t.shop.channel.code, "code": t.match.code},
    "reservations": lambda t: {"number": t.cart.number},
    "returns": lambda t: {"number": t.returned.number},
    "warehouse-orders": lambda t: {"number": t.work.number},
    "warehouses": lambda t: {"code": t.shop.warehouse.code},
    "inventory": lambda t: {"warehouse": t.shop.warehouse.code, "sku": t.shop.sku.code},
}

# Calls that name things in their body or query instead: by the name of the address and the method. The body (or query,
# for GET) names the other merchant's things, and no answer may tell that they exist.
_TIME = "2026-01-02 12:00:00"
BODIES: dict[tuple[str, str], Callable[[Things], dict[str, Any]]] = {
    ("orders", "post"): lambda t: factories.order_body((t.shop.sku, 1, "10.00")),
    ("orders-bulk", "post"): lambda t: {"orders": [factories.order_body((t.shop.sku, 1, "10.00"))]},
    ("orders-cancel", "post"): lambda t: {"orders": [{"number": t.order.number, "reason": "x"}]},
    ("orders-changes", "post"): lambda t: {
        "orders": [{"number": t.order.number, "reason": "x", "actions": [{"do": "freight", "amount": "1.00"}]}]
    },
    ("channel-stock", "get"): lambda t: {"updated_since": "2020-01-01T00:00:00Z"},
    ("channel-shares", "post"): lambda t: {"shares": [{"channel": t.shop.channel.code}]},
    ("reservations", "post"): lambda t: {"lines": [{"sku": t.shop.sku.code, "quantity": 1}]},
    ("warehouses", "post"): lambda t: {
        "name": "x",
        "address": "北京市东城区1号",
        "code": t.shop.warehouse.code,
    },
    ("shipping-reports", "post"): lambda t: {
        "parcels": [{"number": t.work.number, "carrier": "SF", "waybill": "SF100000001"}]
    },
    ("events", "get"): lambda t: {"updated_since": timezone.now().isoformat()},
    # What is nobody's: carriers and regions, and who calls.
    ("carriers", "get"): lambda t: {},
    ("regions", "get"): lambda t: {},
    ("me", "get"): lambda t: {},
    ("inventory", "post"): lambda t: {
        "changes": [{"sku": t.shop.sku.code, "warehouse": t.shop.warehouse.code, "on_hand": 1}]
    },
    ("stock-counts", "post"): lambda t: {
        "reference": "ST-1",
        "warehouse": t.shop.warehouse.code,
        "reason": "x",
        "rows": [{"sku": t.shop.sku.code, "units": 1}],
    },
    ("purchase-orders", "post"): lambda t: {
        "number": t.purchase.number,
        "warehouse": t.shop.warehouse.code,
        "lines": [{"sku": t.shop.sku.code, "quantity": 1}],
    },
    ("transfers", "post"): lambda t: {
        "reference": t.transfer.reference,
        "source": t.shop.warehouse.code,
        "target": t.shop.warehouse.code,
        "lines": [{"sku": t.shop.sku.code, "quantity": 1}],
    },
    ("replenishment-policies", "post"): lambda t: {
        "policies": [{"warehouse": t.shop.warehouse.code, "sku": t.shop.sku.code, "reorder_point": 1, "order_up_to": 2}]
    },
    ("returns", "post"): lambda t: {
        "sub_order": t.sub_order.number,
        "kind": "return_and_refund",
        "reason": "no_reason",
        "lines": [{"position": 1, "quantity": 1}],
    },
    ("refund-preview", "post"): lambda t: {
        "order": t.order.number,
        "reason": "no_reason",
        "lines": [{"position": 1, "quantity": 1}],
    },
    ("merges", "post"): lambda t: {"sub_orders": [t.sub_order.number, f"{t.order.number}-9"]},
    ("exchange-preview", "post"): lambda t: {
        "sub_order": t.sub_order.number,
        "reason": "no_reason",
        "lines": [{"position": 1, "quantity": 1}],
    },
    ("gift-cards", "post"): lambda t: {"batch": "1", "is_sold": True, "cards": [{"amount": "1.00"}]},
    ("gift-card-look-up", "post"): lambda t: {"code": t.card.code},
    ("points-accounts", "post"): lambda t: {"member": t.points.member},
    ("skus", "post"): lambda t: {"code": t.shop.sku.code, "name": "mine", "storage_class": "ambient"},
    ("promise", "post"): lambda t: {
        "region_code": "110101",
        "lines": [{"sku": t.shop.sku.code, "merchant": t.shop.merchant.code, "quantity": 1}],
    },
    ("webhook-endpoints", "post"): lambda t: {"url": t.endpoint.url, "event_types": ["order.*"]},
    ("loc-create", "post"): lambda t: {
        "order_id": t.loc_order.external_number,
        "user_id": "U1",
        "items": [{"item_id": t.shop.sku.code, "quantity": 1}],
        "delivery_address": "北京市东城区",
    },
    ("loc-status", "get"): lambda t: {"order_id": t.loc_order.external_number},
    ("loc-inventory-update", "post"): lambda t: {"item_id": t.shop.sku.code, "quantity": 1},
    ("loc-virtual-delivery", "post"): lambda t: {
        "order_id": t.virtual_order.external_number,
        "virtual_product_type": "激活码",
        "delivery_info": {"activation_code": "X"},
        "delivery_time": _TIME,
    },
    ("loc-notification-send", "post"): lambda t: {
        "user_id": t.loc_order.buyer_reference,
        "notification_type": "x",
        "notification_content": {"message": "x"},
    },
    ("loc-confirm-receipt", "post"): lambda t: {
        "order_id": t.loc_order.external_number,
        "user_id": "U1",
        "confirmation_status": "已确认",
        "confirmation_time": _TIME,
    },
    ("loc-update-status", "post"): lambda t: {
        "order_id": t.loc_order.external_number,
        "order_status": "已取消",
        "update_time": _TIME,
    },
}
# What those answer instead of 404: the call itself is the merchant's own, only the row or field in it is not.
ANSWERS: dict[tuple[str, str], Callable[[int, Any], bool]] = {
    ("returns", "post"): lambda status, _body: status == 404,
    # A warehouse's code is known to the world: it stands in what is shipped from it.
    ("warehouses", "post"): lambda status, body: status == 400 and body["errors"][0]["code"] == "duplicate",
    ("shipping-reports", "post"): lambda status, body: body["results"][0]["errors"][0]["code"] == "not_found",
    ("events", "get"): lambda status, body: status == 200 and body["results"] == [],
    ("carriers", "get"): lambda status, _body: status == 200,
    ("regions", "get"): lambda status, _body: status == 200,
    ("me", "get"): lambda status, body: status == 200 and body["warehouses"] == body["channels"] == [],
    ("replenishment-policies", "post"): lambda status, body: (
        [error["code"] for error in body["results"][0]["errors"]] == ["not_found"] * 2
    ),
    ("exchange-preview", "post"): lambda status, body: status == 404 and body["errors"][0]["code"] == "not_found",
    ("merges", "post"): lambda status, body: status == 400 and body["errors"][0]["code"] == "unknown_sub_order",
    ("refund-preview", "post"): lambda status, body: status == 404 and body["errors"][0]["code"] == "not_found",
    ("orders", "post"): lambda status, body: status == 400 and "unknown_" in body["errors"][0]["code"],
    ("promise", "post"): lambda status, body: status == 400 and body["errors"][0]["code"] == "unknown_sku",
    ("orders-bulk", "post"): lambda status, body: body["results"][0]["status"] == "refused",
    ("orders-cancel", "post"): lambda status, body: body["results"][0]["errors"][0]["code"] == "not_found",
    ("orders-changes", "post"): lambda status, body: body["results"][0]["errors"][0]["code"] == "not_found",
    ("channel-stock", "get"): lambda status, body: status == 200 and body["results"] == [],
    ("channel-shares", "post"): lambda status, body: body["results"][0]["errors"][0]["code"] == "unknown_channel",
    ("reservations", "post"): lambda status, body: status == 400 and "unknown_" in body["errors"][0]["code"],
    ("inventory", "post"): lambda status, body: body["results"][0]["errors"][0]["code"] == "not_found",
    ("stock-counts", "post"): lambda status, body: status == 400 and body["errors"][0]["code"] == "not_found",
    ("purchase-orders", "post"): lambda status, body: status == 400 and body["errors"][0]["code"] == "not_found",
    ("transfers", "post"): lambda status, body: status == 400 and body["errors"][0]["code"] == "not_found",
    ("gift-card-look-up", "post"): lambda status, body: status == 404 and body["errors"][0]["code"] == "not_found",
    # Only the self-operated merchant has such.
    ("gift-cards", "post"): lambda status, body: status == 409,
    ("points-accounts", "post"): lambda status, body: status == 409,
    ("skus", "post"): lambda status, body: status == 201,  # codes are each merchant's own
    ("webhook-endpoints", "post"): lambda status, body: status == 201,  # so are endpoints
}


@dataclass(frozen=True)
class Route:
    """An operation of the API."""

    name: str
    pattern: str
    parameters: frozenset[str]
    method: str
    view: type

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    @property
    def key(self) -> tuple[str, str]:
        """How it is named in the tables above."""
        return self.name, self.method


def _routes() -> Iterator[Route]:
    for pattern, prefix in _patterns(oms.api.urlpatterns, ""):
        view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
        if view is None or not issubclass(view, MerchantView):
            continue
        path = prefix + str(pattern.pattern).removeprefix("^")
        parameters = frozenset(pattern.pattern.converters) | frozenset(pattern.pattern.regex.groupindex)
        for method in view.http_method_names:
            if method != "options" and hasattr(view, method):
                yield Route(pattern.name, path, parameters, method, view)


def _patterns(patterns: list[Any], prefix: str) -> Iterator[tuple[URLPattern, str]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield pattern, prefix


ROUTES = list(_routes())
WITH_PARAMETERS = [route for route in ROUTES if route.parameters]
LISTS = [route for route in ROUTES if not route.parameters and route.method == "get" and route.key not in BODIES]
OTHERS = [route for route in ROUTES if not route.parameters and route not in LISTS]


@pytest.fixture
def stranger(things: Things, db: None) -> APIClient:
    """A merchant of the marketplace that has nothing of all this."""
    return factories.client_of(factories.MerchantFactory())


def _call(client: APIClient, route: Route, url: str, body: dict[str, Any]) -> Any:
    if route.method == "get":
        return client.get(url, body)
    headers = {"HTTP_IF_MATCH": '"1"', **idempotency()}
    return getattr(client, route.method)(url, json.dumps(body), content_type="application/json", **headers)


def filled(route: Route, things: Things) -> str:
    part = route.pattern.removeprefix("v1/").split("/")[0]
    if part not in PARAMETERS:
        pytest.fail(f"Say in PARAMETERS what to fill into the addresses under {part}.")
    values = PARAMETERS[part](things)
    if not route.parameters <= values.keys():
        pytest.fail(f"Say in PARAMETERS what to fill in for {sorted(route.parameters - values.keys())} of {route}.")
    return reverse(f"api:{route.name}", kwargs={name: values[name] for name in route.parameters})


def fields_of(schema: dict[str, Any], route: Route) -> set[str]:
    """The fields that the operation's body may have, by the OpenAPI schema."""
    path = "/api/" + re.sub(r"\(\?P<\w+>(?:\[[^]]*\]|[^)\[])*\)", "{}", route.pattern).removesuffix("$")
    operations = {re.sub(r"\{\w+\}", "{}", name): methods for name, methods in schema["paths"].items()}
    content = operations[path][route.method].get("requestBody", {}).get("content", {}).get("application/json", {})
    return set(_properties(schema, content.get("schema", {})))


def _properties(schema: dict[str, Any], part: dict[str, Any]) -> list[str]:
    if "$ref" in part:
        return _properties(schema, schema["components"]["schemas"][part["$ref"].rpartition("/")[2]])
    names = list(part.get("properties", {}))
    for kind in ("oneOf", "anyOf", "allOf"):
        names += [name for choice in part.get(kind, []) for name in _properties(schema, choice)]
    return names


def test_the_walk_finds_the_api() -> None:
    assert len(ROUTES) > 35
    assert {"get order", "patch order-recipient", "delete rejected-order", "post loc-create"} <= set(map(str, ROUTES))


@pytest.mark.parametrize("route", WITH_PARAMETERS, ids=str)
def test_what_is_anothers_is_not_found(route: Route, things: Things, stranger: APIClient) -> None:
    url = filled(route, things)
    response = _call(stranger, route, url, {})
    assert response.status_code == 404, (url, response.content)
    assert [error["code"] for error in response.json()["errors"]] == ["not_found"]
    if str(route) == "get invoice-document":
        return  # nobody gets it before it is issued; tests/invoicing knows what its owner gets then
    # The owner is answered otherwise, so the address is one that is found.
    own = _call(factories.client_of(things.shop.merchant), route, url, {})
    assert own.status_code not in (401, 403, 404, 405, 500), own.content


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_lists_have_nothing_of_others(route: Route, things: Things, stranger: APIClient) -> None:
    url = reverse(f"api:{route.name}")
    if route.view.scopes[route.method.upper()] in scopes.OF_PLATFORM:
        for caller in (stranger, factories.client_of(things.shop.merchant)):
            assert [error["code"] for error in caller.get(url).json()["errors"]] == ["scope_missing"]
        return
    assert stranger.get(url).json() == {"next": None, "results": []}
    assert factories.client_of(things.shop.merchant).get(url).json()["results"], "the owner's list is empty too"


@pytest.mark.parametrize("route", OTHERS, ids=str)
def test_what_a_body_names_of_others_is_not_found(route: Route, things: Things, stranger: APIClient) -> None:
    if route.key not in BODIES:
        pytest.fail(f"Say in BODIES how {route} could name another merchant's things.")
    before = _of(things)
    response = _call(stranger, route, reverse(f"api:{route.name}"), BODIES[route.key](things))
    body = response.json()
    if route.key in ANSWERS:
        assert ANSWERS[route.key](response.status_code, body), (response.status_code, body)
    else:
        assert response.status_code == 404, body
        assert 40400 <= body["code"] < 40500
    assert _of(things) == before


def _of(things: Things) -> list[object]:
    """What the other merchant has."""
    merchant = things.shop.merchant
    return [
        *Order.objects.visible_to(merchant).order_by("pk").values_list("number", "version", "state"),
        *RejectedOrder.objects.visible_to(merchant).values_list("pk", "version"),
        *merchant.skus.order_by("pk").values_list("pk", "version", "stock__on_hand"),
        *ReplenishmentPolicy.objects.visible_to(merchant).values_list("pk", "version", "reorder_point"),
        *BuyerNotification.objects.filter(merchant=merchant).values_list("pk", flat=True),
    ]
