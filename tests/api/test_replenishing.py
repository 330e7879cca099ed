"""Alert lines and suggestions by the API."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from inventory.models import ReplenishmentPolicy, ReplenishmentSuggestion, WarehouseGuest
from inventory.replenishing import deciding
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
def test_figures_that_make_no_sense_refuse_their_row_only(shop, row):
    good = {"sku": shop.other_sku.code, "reorder_point": 1, "order_up_to": 5}
    answer = send(shop, row, good)
    assert answer.status_code == 200
    refused, changed = answer.json()["results"]
    assert (refused["status"], refused["sku"], changed["status"]) == ("refused", shop.sku.code, "changed")
    assert refused["errors"][0]["attr"] in row
    assert list(ReplenishmentPolicy.objects.values_list("sku__code", flat=True)) == [shop.other_sku.code]


@pytest.mark.parametrize("body", [{}, {"policies": []}, {"policies": {}}, {"policies": [{}], "more": 1}, []])
def test_a_body_without_rows_is_refused_as_a_whole(shop, body):
    client = factories.client_of(shop.merchant)
    answer = client.post(POLICIES, json.dumps(body), content_type="application/json", **idempotency())
    assert answer.status_code == 400


def test_what_is_no_row_is_refused_by_its_place(shop):
    client = factories.client_of(shop.merchant)
    body = json.dumps({"policies": [7, {}]})
    answer = client.post(POLICIES, body, content_type="application/json", **idempotency())
    assert [(row["status"], row["sku"]) for row in answer.json()["results"]] == [("refused", "")] * 2


def test_a_line_of_another_version_than_was_read_stays_as_it_is(shop):
    line = {"reorder_point": 5, "order_up_to": 9}
    send(shop, line)
    (stale,) = send(shop, {**line, "order_up_to": 20, "version": 7}).json()["results"]
    assert [error["code"] for error in stale["errors"]] == ["changed_meanwhile"]
    (new,) = send(shop, {**line, "sku": shop.other_sku.code, "version": 1}).json()["results"]
    assert new["status"] == "refused", "there is none yet"
    assert send(shop, {**line, "order_up_to": 20, "version": 1}).json()["results"][0]["status"] == "changed"
    assert ReplenishmentPolicy.objects.get().order_up_to == 20


def test_a_line_can_be_snoozed_for_a_year_at_most(shop):
    line = {"reorder_point": 5, "order_up_to": 9}
    (far,) = send(shop, {**line, "snoozed_until": "9999-12-31T00:00:00Z"}).json()["results"]
    assert [(error["attr"], error["code"]) for error in far["errors"]] == [("snoozed_until", "out_of_range")]
    in_a_month = (timezone.now() + timedelta(days=30)).isoformat()
    assert send(shop, {**line, "snoozed_until": in_a_month}).json()["results"][0]["status"] == "changed"


def test_what_changed_since_a_moment_is_listed(shop):
    send(shop, {"reorder_point": 100, "order_up_to": 160}, {"sku": shop.other_sku.code, "method": "computed"})
    ReplenishmentPolicy.objects.update(changed_at=timezone.now() - timedelta(days=1))
    client, since = factories.client_of(shop.merchant), (timezone.now() - timedelta(hours=1)).isoformat()

    def changed(path: str) -> list[str]:
        return [row["sku"] for row in client.get(path, {"updated_since": since}).json()["results"]]

    assert changed(POLICIES) == []
    watch()
    assert changed(POLICIES) == changed(SUGGESTIONS) == [shop.sku.code]
    ReplenishmentSuggestion.objects.update(created_at=timezone.now() - timedelta(days=1))
    assert changed(SUGGESTIONS) == []
    deciding.reject([ReplenishmentSuggestion.objects.get().pk], reason="no", actor="lin")
    assert changed(SUGGESTIONS) == [shop.sku.code]
    assert client.get(POLICIES, {"updated_since": "soon"}).status_code == 400


def test_goods_in_a_warehouse_of_others_may_have_a_line_where_their_merchant_is_a_guest(shop):
    elsewhere = factories.WarehouseFactory()
    line = {"warehouse": elsewhere.code, "reorder_point": 1, "order_up_to": 2}
    assert send(shop, line).json()["results"][0]["status"] == "refused"
    WarehouseGuest.objects.create(warehouse=elsewhere, merchant=shop.merchant)
    assert send(shop, line).json()["results"][0]["status"] == "changed"
    WarehouseGuest.objects.update(ended_at=Now())
    assert send(shop, line).json()["results"][0]["status"] == "refused"
    assert send(shop, {**line, "is_active": False}).json()["results"][0]["status"] == "changed"
    assert not ReplenishmentPolicy.objects.get().is_active
    other = {**line, "sku": shop.other_sku.code, "is_active": False}
    assert send(shop, other).json()["results"][0]["status"] == "refused", "there is nothing to switch off"


def test_thousands_of_rows_take_a_handful_of_statements(shop, django_assert_max_num_queries):
    rows = [{"sku": f"none-{n}", "reorder_point": 1, "order_up_to": 2} for n in range(4_990)]
    for _ in range(10):
        sku = factories.SkuFactory(merchant=shop.merchant)
        rows.append({"sku": sku.code, "method": "computed"})
    with django_assert_max_num_queries(30):
        answer = send(shop, *rows)
    assert [row["status"] for row in answer.json()["results"]].count("changed") == 10
