"""Stock-takes by the API: a whole count of the merchant's own warehouse, booked row by row, once a reference."""

import json
from typing import Any

import pytest
from django.utils import translation

from inventory.models import SkuBarcode, Stock, StockCount, StockMovement
from oms.common.models import Ticket
from orders.models import SubOrder
from orders.stock import stocktaking
from tests import factories, steps
from tests.api.calls import idempotency

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def tell(shop: factories.Shop, *rows: tuple[Any, Any], **changes: Any) -> Any:
    body = {"reference": "ST-1", "warehouse": shop.warehouse.code, "reason": "yearly"}
    body["rows"] = [{"sku": sku, "units": units} for sku, units in rows]
    url, client = "/api/v1/stock/counts", factories.client_of(shop.merchant)
    return client.post(url, json.dumps({**body, **changes}), content_type="application/json", **idempotency())


def test_a_count_is_booked_row_by_row_and_the_ledger_says_by_whom(shop):
    stranger = factories.SkuFactory()
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.other_sku, code="690001")

    rows = [(shop.sku.code, 93), ("690001", 104), (stranger.code, 5), (shop.other_sku.code, 1)]
    answer = tell(shop, *rows)

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert results[:2] == [
        {"index": 0, "sku": shop.sku.code, "status": "counted", "expected": 100, "counted": 93, "missing": 0},
        {"index": 1, "sku": "690001", "status": "counted", "expected": 100, "counted": 104, "missing": 0},
    ]
    refused = [(row["index"], row["status"], row["errors"][0]["attr"], row["errors"][0]["code"]) for row in results[2:]]
    assert refused == [(2, "refused", "sku", "not_found"), (3, "refused", "sku", "named_twice")]
    assert dict(Stock.objects.values_list("sku_id", "on_hand")) == {shop.sku.pk: 93, shop.other_sku.pk: 104}
    (count,) = StockCount.objects.all()
    assert (count.state, count.reference, count.reason) == ("approved", "ST-1", "yearly")
    actors = StockMovement.objects.filter(kind="stock_take").values_list("actor", flat=True)
    assert {actor.split()[0] for actor in (*actors, count.counted_by, count.decided_by)} == {shop.merchant.code}
    assert steps.broken_invariants() == []


def test_a_count_told_twice_is_booked_once_and_another_under_its_reference_is_refused(shop):
    first = tell(shop, (shop.sku.code, 93))
    again = tell(shop, (shop.sku.code, 93))
    other = tell(shop, (shop.sku.code, 92))

    assert again.json() == first.json()
    assert (other.status_code, other.json()["errors"][0]["code"]) == (409, "duplicate")
    assert Stock.objects.get(sku=shop.sku).on_hand == 93
    assert StockCount.objects.count() == 1


def test_what_lacks_for_waiting_orders_backorders_them_and_for_those_at_the_warehouse_is_told(shop):
    steps.released(shop.place_order((shop.sku, 3, "1.00"), payment_method="cod"))
    waits = SubOrder.objects.get(order=factories.allocated_order((shop.sku, 2, "1.00"), merchant=shop.merchant))

    (result,) = tell(shop, (shop.sku.code, 1)).json()["results"]

    assert (result["counted"], result["missing"]) == (1, 2)
    stock = Stock.objects.get(sku=shop.sku)
    assert (stock.on_hand, stock.reserved, stock.frozen, steps.state_of(waits)) == (3, 3, 2, "backordered")
    assert Ticket.objects.filter(kind="units_missing").count() == 1
    assert steps.broken_invariants() == []


def test_of_a_count_that_makes_no_sense_or_is_of_anothers_warehouse_nothing_is_booked(shop):
    elsewhere = factories.WarehouseFactory()
    for units in (-1, 1.5, 1_000_000_001, "many"):
        (result,) = tell(shop, (shop.sku.code, units)).json()["results"]
        assert (result["status"], result["errors"][0]["attr"]) == ("refused", "units")
    assert tell(shop, (shop.sku.code, 1), warehouse=elsewhere.code).json()["errors"][0]["attr"] == "warehouse"
    assert tell(shop, (shop.sku.code, 1), reason=" ").json()["errors"][0]["attr"] == "reason"
    assert tell(shop, ("none", 1)).json()["results"][0]["status"] == "refused"

    assert not StockCount.objects.exists()
    assert set(Stock.objects.values_list("on_hand", flat=True)) == {100}


def test_a_figure_of_a_count_that_is_none_refuses_its_row_alone(shop):
    rows = [(shop.other_sku.code, -1), (shop.sku.code, 93), ("none", 1), (shop.other_sku.code, "ten"), (None, 4)]

    results = tell(shop, *rows).json()["results"]

    refused = [(row["index"], row["errors"][0]["attr"]) for row in results if row["status"] == "refused"]
    assert refused == [(0, "units"), (2, "sku"), (3, "units"), (4, "sku")]
    assert (results[1]["status"], results[1]["counted"]) == ("counted", 93)
    assert dict(Stock.objects.values_list("sku_id", "on_hand")) == {shop.sku.pk: 93, shop.other_sku.pk: 100}


def test_a_count_whose_reference_is_taken_is_called_so_in_chinese(shop):
    tell(shop, (shop.sku.code, 93))
    with translation.override("zh-hans"):
        answer = tell(shop, (shop.sku.code, 92))
    assert answer.json()["errors"][0]["detail"] == "盘点单号 ST-1 已用于另一次盘点。"


def test_a_count_that_waited_for_another_books_only_what_that_one_left(shop, monkeypatch):
    lock = stocktaking.lock_for_counting

    def wait_and_lock(*args: Any) -> Any:
        monkeypatch.setattr(stocktaking, "lock_for_counting", lock)
        tell(shop, (shop.sku.code, 90), reference="ST-FIRST")
        return lock(*args)

    monkeypatch.setattr(stocktaking, "lock_for_counting", wait_and_lock)

    (result,) = tell(shop, (shop.sku.code, 90)).json()["results"]

    assert (result["expected"], result["counted"]) == (90, 90)
    assert Stock.objects.get(sku=shop.sku).on_hand == 90
    assert steps.broken_invariants() == []
