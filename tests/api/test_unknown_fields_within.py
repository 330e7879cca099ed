"""A slip in the name of a field is told wherever it stands: also in the lines and rows of a body, which stay undone."""

import pytest

from inventory.models import PurchaseOrder, Stock
from tests import factories
from tests.api.calls import errors_of, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def test_a_slip_in_a_line_refuses_the_body(shop):
    line = {"sku": shop.sku.code, "quantity": 3, "expectd_on": "2099-01-01"}
    body = {"number": "PO-1", "warehouse": shop.warehouse.code, "lines": [{**line, "quantity": 1}, line]}

    answer = send(factories.client_of(shop.merchant), body, "/api/v1/purchase-orders")

    assert (answer.status_code, errors_of(answer)) == (
        400,
        {("lines.0.expectd_on", "unknown_field"), ("lines.1.expectd_on", "unknown_field")},
    )
    assert not PurchaseOrder.objects.exists()


def test_a_slip_in_a_row_refuses_that_row_alone(shop):
    place = {"sku": shop.sku.code, "warehouse": shop.warehouse.code}
    other = {**place, "sku": shop.other_sku.code}
    rows = [{**place, "on_hand": 7, "versoin": 9}, {**other, "on_hand": 8}, {**place, "change": -1000}]

    results = send(factories.client_of(shop.merchant), {"changes": rows}, "/api/v1/inventory").json()["results"]

    assert [row["status"] for row in results] == ["refused", "changed", "refused"]
    told = [(error["attr"], error["code"]) for row in results for error in row.get("errors", ())]
    assert told == [("versoin", "unknown_field"), ("change", "refused")]
    assert Stock.objects.get(sku=shop.sku).on_hand == 100


def test_stock_tells_all_that_makes_up_what_is_available(shop):
    Stock.objects.filter(sku=shop.sku).update(safety_stock=4)
    factories.allocated_order((shop.sku, 3, "1.00"), merchant=shop.merchant)

    url = f"/api/v1/inventory/{shop.warehouse.code}/{shop.sku.code}"
    told = factories.client_of(shop.merchant).get(url).json()

    figures = {name: told[name] for name in ("on_hand", "reserved", "frozen", "safety_stock", "available")}
    assert figures == {"on_hand": 100, "reserved": 3, "frozen": 0, "safety_stock": 4, "available": 93}
