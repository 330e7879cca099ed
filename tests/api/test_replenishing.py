"""Alert lines and suggestions by the API."""

import json
from typing import Any

import pytest

from inventory.models import ReplenishmentPolicy, WarehouseGuest
from tests import factories
from tests.api.calls import idempotency
from tests.replenishing.places import watch

pytestmark = pytest.mark.django_db
POLICIES, SUGGESTIONS = "/api/v1/replenishment/policies", "/api/v1/replenishment/suggestions"


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def send(shop: factories.Shop, *rows: dict[str, Any]) -> Any:
    client = factories.client_of(shop.merchant)
    filled = [{"warehouse": shop.warehouse.code, "sku": shop.sku.code, **row} for row in rows]
    return client.post(POLICIES, json.dumps({"policies": filled}), content_type="application/json", **idempotency())


def test_a_merchant_sets_lines_and_sees_what_is_suggested(shop):
    fixed = {"reorder_point": 100, "order_up_to": 160, "pack_size": 24}
    computed = {"sku": shop.other_sku.code, "method": "computed", "service_percent": "97.5", "lead_days": "3"}

    answer = send(shop, fixed, computed)

    assert answer.status_code == 200
    assert [(row["status"], row["reorder_point"], row["order_up_to"]) for row in answer.json()["results"]] == [
        ("changed", 100, 160),
        ("changed", 1, 2),
    ]
    client = factories.client_of(shop.merchant)
    assert client.get(POLICIES, {"is_below": "true"}).json()["results"] == []
    watch()
    (below,) = client.get(POLICIES, {"is_below": "true"}).json()["results"]
    assert (below["sku"], below["pack_size"], below["version"]) == (shop.sku.code, 24, 1)
    assert below["below_since"]
    (suggestion,) = client.get(SUGGESTIONS, {"state": "open"}).json()["results"]
    assert {name: suggestion[name] for name in ("warehouse", "sku", "kind", "source", "quantity", "position")} == {
        "warehouse": shop.warehouse.code,
        "sku": shop.sku.code,
        "kind": "buy",
        "source": None,
        "quantity": 72,
        "position": 100,
    }
    assert client.get(SUGGESTIONS, {"state": "rejected"}).json()["results"] == []


def test_each_row_is_taken_or_refused_for_itself(shop):
    chilled = factories.SkuFactory(merchant=shop.merchant, storage_class="chilled")
    line = {"reorder_point": 1, "order_up_to": 2}

    answer = send(
        shop,
        {"sku": "none", **line},
        {"warehouse": "none", **line},
        {"sku": chilled.code, **line},
        {"reorder_point": 5, "order_up_to": 5},
        {"reorder_point": 5},
        line,
        {"method": "computed"},
    )

    codes = [[error["code"] for error in row.get("errors", [])] for row in answer.json()["results"]]
    assert codes == [
        ["not_found"],
        ["not_found"],
        ["storage_class_not_kept"],
        ["invalid"],
        ["required"],
        [],
        ["named_twice"],
    ]
    assert list(ReplenishmentPolicy.objects.values_list("sku__code", "reorder_point")) == [(shop.sku.code, 1)]


def test_said_again_it_is_another_policy_for_the_same_place(shop):
    send(shop, {"reorder_point": 5, "order_up_to": 9, "runs_by": "rule"})
    send(shop, {"method": "computed"})
    (policy,) = ReplenishmentPolicy.objects.all()
    assert (policy.method, policy.runs_by, policy.version) == ("computed", "approval", 2)


@pytest.mark.parametrize(
    "row",
    [
        {"reorder_point": -1, "order_up_to": 5},
        {"reorder_point": 1.5, "order_up_to": 5},
        {"reorder_point": 1, "order_up_to": 10_000_001},
        {"method": "computed", "service_percent": "100"},
        {"method": "computed", "lead_days": "-1"},
        {"method": "guess"},
        {"reorder_point": 1, "order_up_to": 5, "pack_size": 0},
    ],
)
def test_figures_that_make_no_sense_are_refused(shop, row):
    answer = send(shop, row)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith("policies.0.")
    assert not ReplenishmentPolicy.objects.exists()


def test_goods_in_a_warehouse_of_others_may_have_a_line_where_their_merchant_is_a_guest(shop):
    elsewhere = factories.WarehouseFactory()
    line = {"warehouse": elsewhere.code, "reorder_point": 1, "order_up_to": 2}
    assert send(shop, line).json()["results"][0]["status"] == "refused"
    WarehouseGuest.objects.create(warehouse=elsewhere, merchant=shop.merchant)
    assert send(shop, line).json()["results"][0]["status"] == "changed"


def test_thousands_of_rows_take_a_handful_of_statements(shop, django_assert_max_num_queries):
    rows = [{"sku": f"none-{n}", "reorder_point": 1, "order_up_to": 2} for n in range(4_990)]
    for _ in range(10):
        sku = factories.SkuFactory(merchant=shop.merchant)
        rows.append({"sku": sku.code, "method": "computed"})
    with django_assert_max_num_queries(30):
        answer = send(shop, *rows)
    assert [row["status"] for row in answer.json()["results"]].count("changed") == 10
