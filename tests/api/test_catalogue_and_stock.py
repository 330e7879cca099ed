"""SKUs, stock and refused rows by the REST API, and orders of the past."""

import json

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory.models import Sku, SkuCost, Stock, StockMovement
from oms.management.commands.check_invariants import ALL
from orders.intake import rejecting
from orders.models import Order, OrderEvent, RejectedOrder
from tests import factories, steps
from tests.api.calls import BULK, ORDERS, change, errors_of, send, send_bulk
from tests.invariants import check

pytestmark = pytest.mark.django_db

SKUS, INVENTORY, REJECTED = "/api/v1/skus", "/api/v1/inventory", "/api/v1/rejected-orders"


def test_a_sku_is_added_read_and_changed(api, shop):
    body = {"code": "NEW-1", "name": "新品", "storage_class": "ambient", "list_price": "12.50"}
    added = send(api, body, SKUS)
    assert (added.status_code, added["ETag"], added.json()["list_price"]) == (201, '"1"', "12.50")
    assert errors_of(send(api, body, SKUS)) == {("code", "duplicate")}

    url = added.json()["url"]
    changed = change(api, "patch", url, {"list_price": "13.00", "is_active": False})
    assert (changed.status_code, changed["ETag"], changed.json()["list_price"]) == (200, '"2"', "13.00")
    assert change(api, "patch", url, {"name": "x"}).status_code == 409
    assert errors_of(change(api, "patch", url, {"storage_class": "frozen"}, version=2)) == {("storage_class", "fixed")}
    assert api.get(SKUS, {"is_active": "false"}).json()["results"] == [changed.json()]
    assert Sku.objects.get(code="NEW-1").version == 2


def test_stock_is_set_in_its_version_and_wakes_nobody_wrongly(api, shop):
    url = f"{INVENTORY}/{shop.warehouse.code}/{shop.sku.code}"
    assert api.get(url).json()["available"] == 100
    factories.allocated_order((shop.sku, 5, "10.00"), merchant=shop.merchant)
    assert api.get(url).json()["version"] == 1, "promises make no new version"

    done = change(api, "patch", url, {"on_hand": 40})
    assert (done.status_code, done.json()["available"], done["ETag"]) == (200, 35, '"2"')
    assert change(api, "patch", url, {"on_hand": 41}).status_code == 409
    assert change(api, "patch", url, {"change": -38}, version=2).json()["on_hand"] == 2
    assert Stock.objects.get(sku=shop.sku).reserved == 0, "the order waits for stock again"
    assert errors_of(change(api, "patch", url, {"on_hand": 1, "change": 1}, version=3)) == {("on_hand", "one_of")}
    assert steps.broken_invariants() == []


def test_many_changes_have_a_result_each(api, shop, django_assert_max_num_queries):
    factories.allocated_order((shop.sku, 5, "10.00"), merchant=shop.merchant)
    elsewhere = factories.StockFactory(sku=shop.sku, warehouse=factories.WarehouseFactory())
    new = factories.SkuFactory(merchant=shop.merchant)
    row = {"sku": shop.sku.code, "warehouse": shop.warehouse.code}
    changes = [
        {**row, "on_hand": 3},
        {**row, "sku": shop.other_sku.code, "change": 7, "version": 1},
        {**row, "sku": new.code, "on_hand": 9},
        {**row, "sku": "none", "on_hand": 1},
        {**row, "warehouse": elsewhere.warehouse.code, "on_hand": 1},
        {**row, "sku": shop.other_sku.code, "change": 1, "version": 1},
    ]
    results = send(api, {"changes": changes[:5]}, INVENTORY).json()["results"]
    assert [row.get("on_hand") for row in results] == [3, 107, 9, None, None]
    assert [row["status"] for row in results] == ["changed"] * 3 + ["refused"] * 2
    assert results[0]["reserved"] == 0
    (stale,) = send(api, {"changes": changes[5:]}, INVENTORY).json()["results"]
    assert [error["code"] for error in stale["errors"]] == ["changed_meanwhile"]
    assert steps.broken_invariants() == []

    skus = [factories.SkuFactory(merchant=shop.merchant) for _ in range(50)]
    with django_assert_max_num_queries(18):
        many = [{**row, "sku": sku.code, "on_hand": 5} for sku in skus]
        assert {r["status"] for r in send(api, {"changes": many}, INVENTORY).json()["results"]} == {"changed"}


def test_rows_that_name_one_stock_again_are_done_in_their_order_and_together(api, shop):
    factories.allocated_order((shop.sku, 5, "10.00"), merchant=shop.merchant)
    row = {"warehouse": shop.warehouse.code}
    first, other = shop.sku.code, shop.other_sku.code
    changes = [
        {**row, "sku": first, "on_hand": 9, "note": "one"},
        {**row, "sku": other, "change": 1},
        {**row, "sku": first, "change": -7, "note": "two"},  # 2 are left, of which 5 were promised
        {**row, "sku": first, "change": 4, "note": "three"},
        {**row, "sku": other, "change": -1000},
        {**row, "sku": first, "change": 1, "version": 1},
        {**row, "sku": other, "change": 2},
    ]
    results = send(api, {"changes": changes}, INVENTORY).json()["results"]
    assert [one.get("on_hand") for one in results] == [9, 101, 2, 6, None, None, 103]
    assert [one.get("reserved") for one in results] == [5, 0, 0, 0, None, None, 0]
    counted = StockMovement.objects.filter(stock__sku=shop.sku, note__in=["one", "two", "three"]).order_by("id")
    assert [one.note for one in counted] == ["one", "two", "three"]
    assert steps.broken_invariants() == []

    skus = [factories.SkuFactory(merchant=shop.merchant) for _ in range(20)]

    def statements(times: int, of: int) -> int:
        many = [{**row, "sku": sku.code, "change": 1} for _ in range(times) for sku in skus[:of]]
        with CaptureQueriesContext(connection) as captured:
            assert {r["status"] for r in send(api, {"changes": many}, INVENTORY).json()["results"]} == {"changed"}
        return len(captured)

    statements(1, 20)
    assert statements(3, 20) == statements(3, 2)


def test_a_figure_of_a_change_that_is_none_refuses_its_row_alone(api, shop):
    row = {"sku": shop.sku.code, "warehouse": shop.warehouse.code}
    wrong = [
        *({**row, "on_hand": units} for units in (-1, 1.5, 10**12, "ten", None, True)),
        *({**row, "change": units} for units in (0.5, -(10**12), [])),
        *(row, {**row, "on_hand": 1, "change": 1}, {**row, "sku": 7 * "0123456789", "change": 1}, "x", None),
    ]

    results = send(api, {"changes": [*wrong[:5], {**row, "change": -1}, *wrong[5:]]}, INVENTORY).json()["results"]

    assert results.pop(5) == {"index": 5, **row, "status": "changed", **stock_figures(shop)}
    assert [result["status"] for result in results] == ["refused"] * len(wrong)
    attrs = [error["attr"] for result in results for error in result["errors"]]
    assert attrs == ["on_hand"] * 6 + ["change"] * 3 + ["on_hand"] * 2 + ["sku"] + [None] * 2
    assert Stock.objects.get(sku=shop.sku).on_hand == 99
    assert send(api, {"changes": []}, INVENTORY).status_code == 400
    assert errors_of(send(api, {"changes": [row], "x": 1}, INVENTORY)) == {("x", "unknown_field")}


def stock_figures(shop):
    stock = Stock.objects.get(sku=shop.sku)
    return {name: getattr(stock, name) for name in ("version", "on_hand", "reserved", "available")}


@pytest.mark.parametrize("units", [{"on_hand": 5}, {"change": 5}])
def test_a_warehouse_takes_only_goods_that_it_keeps_and_gives_back_the_others(api, shop, units):
    frozen = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    row = {"sku": frozen.code, "warehouse": shop.warehouse.code}
    (refused,) = send(api, {"changes": [{**row, **units}]}, INVENTORY).json()["results"]
    assert [(error["code"], error["attr"]) for error in refused["errors"]] == [("storage_class_not_kept", "warehouse")]
    factories.StockFactory(sku=frozen, warehouse=shop.warehouse, on_hand=3)
    for less in ({"change": -1}, {"on_hand": 0}):
        (result,) = send(api, {"changes": [{**row, **less}]}, INVENTORY).json()["results"]
        assert result["status"] == "changed"


def test_refused_rows_are_kept_corrected_and_replayed(api, shop):
    wrong = shop.body((shop.sku, 0, "10.00"))
    send_bulk(api, wrong, shop.body())
    send_bulk(api, wrong)
    (row,) = api.get(REJECTED).json()["results"]
    assert (row["state"], row["door"], row["times"], row["external_number"]) == (
        *("open", "bulk", 2),
        wrong["external_number"],
    )
    assert row["body"] == wrong
    assert "lines.0.quantity" in {error["attr"] for error in row["errors"]}

    again = change(api, "post", f"{row['url']}/replay", {}, version=row["version"])
    assert again.status_code == 400
    right = {**shop.body(), "external_number": wrong["external_number"]}
    version = api.get(row["url"]).json()["version"]
    done = change(api, "post", f"{row['url']}/replay", {"order": right}, version=version)
    assert (done.status_code, done.json()["external_number"]) == (201, wrong["external_number"])
    closed = api.get(row["url"]).json()
    assert (closed["state"], closed["order"]) == ("replayed", done.json()["number"])
    assert change(api, "delete", row["url"], version=closed["version"]).status_code == 409


def test_a_refused_row_is_discarded_and_forgotten_in_time(api, shop):
    send(api, {"external_number": "\u0000bad", "remark": "\ud800"})
    send(api, '{"external_number": "half')
    rows = api.get(REJECTED).json()["results"]
    assert len(rows) == 2
    assert change(api, "delete", rows[0]["url"], version=1).status_code == 204
    assert api.get(rows[0]["url"]).json()["body"] == ""
    assert rejecting.forget() == 0
    RejectedOrder.objects.update(keep_until="2026-01-01T00:00:00Z")
    assert rejecting.forget() == 2


def test_abort_stores_nothing_if_any_is_wrong(api, shop):
    bodies = [shop.body(), shop.body((shop.sku, 0, "10.00")), shop.body()]
    answer = send(api, {"orders": bodies}, f"{BULK}?on_error=abort")
    assert (answer.status_code, [r["status"] for r in answer.json()["results"]]) == (
        422,
        ["aborted", "refused", "aborted"],
    )
    assert not Order.objects.exists()
    assert send(api, {"orders": [bodies[0], bodies[2]]}, f"{BULK}?on_error=abort").status_code == 200
    assert errors_of(send(api, {"orders": bodies}, f"{BULK}?on_error=x")) == {("on_error", "invalid_choice")}


def past(shop, **changes):
    return {**shop.body(), "state": "completed", "finished_at": "2026-01-06T18:00:00+08:00", **changes}


def test_orders_of_the_past_need_a_right_of_their_own(shop):
    writer = factories.client_of(shop.merchant, scopes=["orders.write"])
    importer = factories.client_of(shop.merchant, scopes=["orders.import"])
    answers = [
        send(client, {"orders": [body]}, url)
        for client in (writer, importer)
        for body, url in [(past(shop), f"{BULK}?mode=historical"), (shop.body(), BULK)]
    ]
    assert [answer.status_code for answer in answers] == [403, 200, 200, 403]
    assert "orders.import" in answers[0].json()["errors"][0]["detail"]
    assert "orders.write" in answers[3].json()["errors"][0]["detail"]


def test_orders_of_the_past_are_stored_as_they_ended_and_left_alone(api, shop):
    bodies = [
        past(shop),
        past(shop, state="cancelled"),
        past(shop, state="closed", payment_method="cod"),
        past(shop, state="split"),
        past(shop, finished_at="2025-01-01T00:00:00Z"),
        past(shop, paid_amount="1.00"),
    ]
    results = send(api, {"orders": bodies}, f"{BULK}?mode=historical").json()["results"]
    assert [row["status"] for row in results] == ["created"] * 3 + ["refused"] * 3
    wrong = [{(error["attr"], error["code"]) for error in row["errors"]} for row in results[3:]]
    assert wrong == [
        {("state", "invalid_choice")},
        {("finished_at", "out_of_range")},
        {("paid_amount", "too_little")},
    ]
    order = Order.objects.order_by("pk")[0]
    assert (order.state, order.payment_state, order.fulfilment_state, order.paid_amount) == (
        *("completed", "paid", "delivered"),
        order.payable_amount,
    )
    assert Stock.objects.get(sku=shop.sku).reserved == 0
    call_command("drain", verbosity=0)
    assert set(OrderEvent.objects.values_list("kind", flat=True)) == {"received", "imported"}
    assert steps.broken_invariants() == []
    assert api.get(f"{ORDERS}/{order.number}").json()["is_historical"] is True


def test_orders_of_the_past_come_from_files_too(shop, tmp_path, capsys):
    file = tmp_path / "past.jsonl"
    file.write_text("\n".join(json.dumps(past(shop)) for _ in range(3)))
    call_command("import_orders", str(file), historical=True, merchant=shop.merchant.code, verbosity=0)
    assert Order.objects.filter(is_historical=True, state="completed").count() == 3
    assert check(ALL) == [] or steps.broken_invariants() == []


def test_abort_undoes_a_row_and_its_repetition(api, shop):
    row = shop.body()
    answer = send(api, {"orders": [row, row, shop.body((shop.sku, 0, "10.00"))]}, f"{BULK}?on_error=abort")

    assert [result["status"] for result in answer.json()["results"]] == ["aborted", "aborted", "refused"]
    assert "number" not in answer.json()["results"][1]


@pytest.mark.parametrize("url", ["/api/v1/skus/%00", "/api/v1/inventory/W/%00", "/api/v1/inventory/%00/S"])
def test_a_nul_in_an_address_leads_nowhere(api, url):
    assert api.get(url).status_code == 404


def test_a_replay_that_fails_keeps_what_is_wrong_now(api, shop):
    wrong = shop.body((shop.sku, 0, "10.00"))
    send_bulk(api, wrong)
    (row,) = api.get(REJECTED).json()["results"]
    still = {"order": {**wrong, "payable_amount": "-1.00"}}

    assert change(api, "post", f"{row['url']}/replay", still, version=row["version"]).status_code == 400

    assert "payable_amount" in {error["attr"] for error in api.get(row["url"]).json()["errors"]}


def test_a_refused_row_that_was_discarded_is_kept_when_it_comes_again(api, shop):
    wrong = shop.body((shop.sku, 0, "10.00"))
    send_bulk(api, wrong)
    (row,) = api.get(REJECTED).json()["results"]
    change(api, "delete", row["url"], version=row["version"])

    send_bulk(api, wrong)

    again = api.get(row["url"]).json()
    assert (again["state"], again["body"]) == ("open", wrong)


def test_a_bulk_change_that_takes_promises_away_backorders_them(api, shop):
    order = factories.allocated_order((shop.sku, 5, "10.00"), merchant=shop.merchant)
    row = {"sku": shop.sku.code, "warehouse": shop.warehouse.code}

    (result,) = send(api, {"changes": [{**row, "on_hand": 2}]}, INVENTORY).json()["results"]

    assert (result["status"], result["on_hand"]) == ("changed", 2)
    assert order.sub_orders.get().state == "backordered"
    assert steps.broken_invariants() == []


def test_what_a_sku_costs_is_said_by_day_and_read_as_of_today(api, shop):
    url = f"{SKUS}/{shop.sku.code}"
    assert api.get(url).json()["cost_price"] is None, "nobody said it, so it is not 0"
    changed = change(api, "patch", url, {"cost_price": "6.20", "cost_from": "2026-01-01"})
    assert (changed.status_code, changed.json()["cost_price"]) == (200, "6.20")
    version = changed.json()["version"]
    later = change(api, "patch", url, {"cost_price": "7.00", "cost_from": "2999-01-01"}, version=version)
    assert later.json()["cost_price"] == "6.20"
    assert api.get(SKUS).json()["results"][-1]["cost_price"] == "6.20"
    said = SkuCost.objects.order_by("valid_from").values_list("valid_from__year", "cost", "entered_by")
    assert [(year, str(cost), by) for year, cost, by in said] == [
        (2026, "6.20", shop.merchant.code),
        (2999, "7.00", shop.merchant.code),
    ]
    alone = change(api, "patch", url, {"cost_from": "2026-05-01"}, version=later.json()["version"])
    assert SkuCost.objects.count() == 2
    assert {attr for attr, _code in errors_of(alone)} == {"cost_price"}
    refused = change(api, "patch", url, {"cost_price": "-1"}, version=later.json()["version"])
    assert {attr for attr, _code in errors_of(refused)} == {"cost_price"}
    body = {"code": "NEW-2", "name": "新品", "storage_class": "ambient", "cost_price": "3.30"}
    assert send(api, body, SKUS).json()["cost_price"] == "3.30"
