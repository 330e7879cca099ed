"""Purchase orders and receipts by the API; sizes, barcodes and batches of SKUs."""

import json
from typing import Any

import pytest
import time_machine

from inventory import lots, purchasing
from inventory.models import PurchaseOrder, Receipt, Stock, StockLot
from tests import factories, steps
from tests.api.calls import idempotency

pytestmark = pytest.mark.django_db
ORDERS = "/api/v1/purchase-orders"


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def send(shop: factories.Shop, url: str, body: dict[str, Any], method: str = "post", **headers: str) -> Any:
    client = factories.client_of(shop.merchant)
    call = getattr(client, method)
    return call(url, json.dumps(body), content_type="application/json", **idempotency(), **headers)


def test_a_merchant_buys_and_books_what_came(shop):
    lines = [{"sku": shop.sku.code, "quantity": 10}]
    body = {"number": "PO-1", "warehouse": shop.warehouse.code, "expected_on": str(lots.in_days(300)), "lines": lines}
    made = send(shop, ORDERS, body)
    assert (made.status_code, made.json()["state"]) == (201, "open")
    assert send(shop, ORDERS, {**body, "lines": [{"sku": shop.sku.code, "quantity": 11}]}).status_code == 409

    came = {"reference": "G1", "lines": [{"sku": shop.sku.code, "quantity": 4}]}
    damaged = {"sku": shop.sku.code, "quantity": 1, "quality": "damaged"}
    came["lines"].append(damaged)
    booked = send(shop, f"{ORDERS}/PO-1/receipts", came)
    again = send(shop, f"{ORDERS}/PO-1/receipts", came)

    assert [booked.status_code, again.status_code] == [201, 201]
    assert again.json()["lines"] == [{"sku": shop.sku.code, "quantity": 10, "received": 5, "expected_on": None}]
    assert Stock.objects.get(sku=shop.sku).on_hand == 104
    place = (shop.warehouse.pk, shop.sku.pk)
    assert purchasing.on_order({place}) == {place: 5}
    listed = factories.client_of(shop.merchant).get(ORDERS).json()
    assert [row["number"] for row in listed["results"]] == ["PO-1"]
    assert steps.broken_invariants() == []


def test_nothing_is_expected_on_days_that_are_over(shop):
    line = {"sku": shop.sku.code, "quantity": 3}
    body = {"number": "PO-1", "warehouse": shop.warehouse.code, "expected_on": "2026-01-05", "lines": [line]}
    far = {**body, "expected_on": "9999-12-31"}
    answer = send(shop, ORDERS, far, HTTP_ACCEPT_LANGUAGE="en")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["attr"]) == (400, "expected_on")
    assert "more than two years ahead" in error["detail"]
    late_line = {**body, "expected_on": None, "lines": [{**line, "expected_on": "2026-01-05"}]}

    for wrong, field in ((body, "expected_on"), (late_line, "lines.0.expected_on")):
        answer = send(shop, ORDERS, wrong, HTTP_ACCEPT_LANGUAGE="en")
        detail = "The day is over already: give today or a later one."
        assert (answer.status_code, answer.json()["errors"]) == (
            400,
            [{"code": "invalid", "detail": detail, "attr": field}],
        )
    assert not PurchaseOrder.objects.exists()

    # What was bought in time is the same order when it is told again after its day.
    with time_machine.travel("2026-01-05T10:00:00+08:00"):
        assert send(shop, ORDERS, body).status_code == 201
    assert send(shop, ORDERS, body).status_code == 201
    assert PurchaseOrder.objects.count() == 1


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 10_000_001, "many"])
def test_units_that_make_no_sense_are_refused(shop, quantity):
    body = {"number": "PO-1", "warehouse": shop.warehouse.code, "lines": [{"sku": shop.sku.code, "quantity": 3}]}
    send(shop, ORDERS, body)

    answer = send(shop, f"{ORDERS}/PO-1/receipts", {"reference": "G", "lines": [{"sku": "x", "quantity": quantity}]})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith("lines.0.quantity")
    assert not Receipt.objects.exists()


def test_what_is_unknown_is_named_by_its_row(shop):
    body = {"number": "PO-1", "warehouse": shop.warehouse.code, "lines": [{"sku": "none", "quantity": 1}]}
    answer = send(shop, ORDERS, body)
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "lines.0.sku")
    assert send(shop, ORDERS, {**body, "warehouse": "none"}).json()["errors"][0]["attr"] == "warehouse"


def test_a_merchant_gives_its_sku_a_size_barcodes_and_batches(shop):
    url = f"/api/v1/skus/{shop.sku.code}"
    half = send(shop, url, {"length_mm": 10}, "patch", HTTP_IF_MATCH='"1"')
    assert (half.status_code, half.json()["errors"][0]["attr"]) == (409, "length_mm")

    size = {"length_mm": 100, "width_mm": 200, "height_mm": 300}
    changed = send(shop, url, {**size, "barcodes": ["690001"], "wants_batches": True}, "patch", HTTP_IF_MATCH='"1"')
    assert changed.status_code == 200
    shown = factories.client_of(shop.merchant).get(url).json()
    assert {name: shown[name] for name in size} == size
    assert (shown["barcodes"], shown["wants_batches"]) == (["690001"], True)
    assert list(StockLot.objects.values_list("on_hand", flat=True)) == [100]

    taken = send(shop, f"/api/v1/skus/{shop.other_sku.code}", {"barcodes": ["690001"]}, "patch", HTTP_IF_MATCH='"1"')
    assert (taken.status_code, taken.json()["errors"][0]["attr"]) == (409, "barcodes")
    found = factories.client_of(shop.merchant).get("/api/v1/skus?barcode=690001").json()
    assert [row["code"] for row in found["results"]] == [shop.sku.code]
    assert steps.broken_invariants() == []
