"""Transfers by the API: asked for, read and called off by the merchant whose goods they are."""

import json
from typing import Any

import pytest

from inventory import transferring
from inventory.models import Transfer, WarehouseGuest
from tests import factories, steps
from tests.api.calls import errors_of, idempotency, send

pytestmark = pytest.mark.django_db
TRANSFERS = "/api/v1/transfers"


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def wanted(shop: factories.Shop, target: str, **changes: Any) -> dict[str, Any]:
    line = {"sku": shop.sku.code, "quantity": 40}
    return {"reference": "TR-1", "source": shop.warehouse.code, "target": target, "lines": [line], **changes}


def cancel(client: Any, reference: str, version: int) -> Any:
    body, headers = json.dumps({"reason": "not needed"}), {"HTTP_IF_MATCH": f'"{version}"', **idempotency()}
    return client.post(f"{TRANSFERS}/{reference}/cancel", body, content_type="application/json", **headers)


def test_a_merchant_asks_for_a_transfer_follows_it_and_calls_it_off(shop):
    target = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region)
    client = factories.client_of(shop.merchant)
    body = wanted(shop, target.code)
    made = send(client, body, TRANSFERS)
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    late = send(client, wanted(shop, target.code, reference="TR-2", expected_on="2020-01-01"), TRANSFERS)
    assert (late.status_code, errors_of(late)) == (400, {("expected_on", "invalid")})
    assert send(client, body, TRANSFERS).json()["url"] == made.json()["url"], "the same again"
    other = send(client, wanted(shop, target.code, lines=[{"sku": shop.sku.code, "quantity": 1}]), TRANSFERS)
    assert (other.status_code, errors_of(other)) == (409, {("reference", "duplicate")})

    transferring.approve(Transfer.objects.get().pk, actor="lin")

    seen = client.get(f"{TRANSFERS}/TR-1")
    assert (seen.json()["state"], seen["ETag"]) == ("approved", '"2"')
    assert seen.json()["lines"] == [{"sku": shop.sku.code, "quantity": 40, "shipped": 0, "received": 0}]
    assert cancel(client, "TR-1", 1).status_code == 409
    ended = cancel(client, "TR-1", 2)
    assert (ended.status_code, ended.json()["state"]) == (200, "cancelled")
    assert shop.warehouse.stock.get(sku=shop.sku).reserved == 0
    assert cancel(client, "TR-1", 3).status_code == 409
    assert [row["reference"] for row in client.get(TRANSFERS, {"state": "cancelled"}).json()["results"]] == ["TR-1"]
    assert client.get(TRANSFERS, {"sku": shop.other_sku.code}).json()["results"] == []
    assert steps.broken_invariants() == []


def test_goods_move_only_between_warehouses_that_keep_them(shop):
    strange = factories.WarehouseFactory()
    client = factories.client_of(shop.merchant)
    refused = send(client, wanted(shop, strange.code), TRANSFERS)
    assert (refused.status_code, errors_of(refused)) == (400, {("target", "not_found")})
    itself = send(client, wanted(shop, shop.warehouse.code), TRANSFERS)
    assert errors_of(itself) == {("target", "same_warehouse")}
    unknown = wanted(shop, shop.warehouse.code, lines=[{"sku": "none", "quantity": 1}])
    assert errors_of(send(client, unknown, TRANSFERS)) == {("lines.0.sku", "not_found")}
    many = wanted(shop, shop.warehouse.code, lines=[{"sku": shop.sku.code, "quantity": 1.5}])
    assert send(client, many, TRANSFERS).status_code == 400
    WarehouseGuest.objects.create(warehouse=strange, merchant=shop.merchant)
    assert send(client, wanted(shop, strange.code), TRANSFERS).status_code == 201


def test_references_are_each_merchants_own(shop):
    other = factories.make_shop()
    for one in (shop, other):
        target = factories.WarehouseFactory(merchant=one.merchant, region=one.region)
        assert send(factories.client_of(one.merchant), wanted(one, target.code), TRANSFERS).status_code == 201
    assert Transfer.objects.filter(reference="TR-1").count() == 2
