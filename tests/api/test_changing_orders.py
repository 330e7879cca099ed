"""Writes on orders: recipient, cancellation in whole and in part, notes, amounts, versions."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.models import Stock
from orders.fulfilling import allocating
from orders.models import Order, OrderEvent, SubOrder
from orders.reviewing import deciding, holds
from orders.telling import timeline
from payments.models import Refund
from payments.owing import balancing
from tests import factories, steps
from tests.api.calls import ORDERS, change, errors_of, send

pytestmark = pytest.mark.django_db


def test_a_slip_in_a_fields_name_is_refused_and_nothing_changes(api, shop):
    order = shop.place_order()
    response = change(api, "patch", f"{ORDERS}/{order.number}/recipient", {"phon": "13900002222"})
    assert (response.status_code, errors_of(response)) == (400, {("phon", "unknown_field")})


def version_of(order):
    return Order.objects.get(pk=order.pk).version


def cancel(api, order, **body):
    body = {"reason": "no longer wanted", **body}
    return change(api, "post", f"{ORDERS}/{order.number}/cancel", body, version=version_of(order))


def nothing_is_broken():
    assert steps.broken_invariants() == []


@pytest.fixture
def far(shop):
    """A region far away with a warehouse and stock of its own."""
    region = factories.RegionFactory(
        code="440305", province="广东省", city="深圳市", district="南山区", longitude=113.9, latitude=22.5
    )
    warehouse = factories.WarehouseFactory(merchant=shop.merchant, region=region, longitude=113.9, latitude=22.5)
    factories.StockFactory(sku=shop.sku, warehouse=warehouse)
    return warehouse


# --- Versions


def test_a_write_names_the_version_that_it_saw(api, shop):
    order = shop.place_order()
    url = f"{ORDERS}/{order.number}"
    read = api.get(url)
    assert read["ETag"] == f'"{read.json()["version"]}"'

    body = {"reason": "x"}
    missing = change(api, "post", f"{url}/cancel", body, version=None)
    assert (missing.status_code, errors_of(missing)) == (428, {(None, "version_required")})
    wrong = change(api, "post", f"{url}/cancel", body, version="newest")
    assert (wrong.status_code, errors_of(wrong)) == (400, {("If-Match", "invalid")})
    holds.hold_order(order.pk, reason="meanwhile", actor=steps.STAFF)
    stale = change(api, "post", f"{url}/cancel", body, version=read["ETag"].strip('"'))
    assert (stale.status_code, errors_of(stale)) == (409, {(None, "changed_meanwhile")})
    assert Order.objects.get().state == "awaiting_payment"

    done = change(api, "post", f"{url}/cancel", body, version=api.get(url).json()["version"])
    assert (done.status_code, done.json()["state"]) == (200, "cancelled")
    assert done["ETag"] == f'"{done.json()["version"]}"'


def test_a_cancellation_that_is_sent_again_gets_the_same_answer(api, shop):
    order = shop.place_order()
    url, body, key = f"{ORDERS}/{order.number}/cancel", {"reason": "x"}, {"HTTP_IDEMPOTENCY_KEY": "c1"}
    first, again = (change(api, "post", url, body, version=1, **key) for _ in range(2))
    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert (again.status_code, again.content, again["ETag"]) == (200, first.content, first["ETag"])
    assert again["Idempotent-Replayed"] == "true"
    assert OrderEvent.objects.filter(order=order, kind="cancelled").count() == 1
    other = change(api, "post", url, {"reason": "y"}, version=1, **key)
    assert (other.status_code, errors_of(other)) == (422, {(None, "idempotency_key_reused")})
    none = change(api, "post", url, body, version=1, HTTP_IDEMPOTENCY_KEY="")
    assert (none.status_code, errors_of(none)) == (400, {("Idempotency-Key", "idempotency_key_required")})


# --- The recipient


def test_another_region_is_sourced_anew(api, shop, far):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    assert SubOrder.objects.get().warehouse == shop.warehouse

    url = f"{ORDERS}/{order.number}/recipient"
    response = change(api, "patch", url, {"region_code": "440305", "address": "科苑路1号"}, version=version_of(order))
    assert response.status_code == 200, response.content
    assert response.json()["recipient"]["city"] == "深圳市"
    assert response.json()["sub_orders"][0]["state"] == "awaiting_allocation"
    assert Stock.objects.get(warehouse=shop.warehouse, sku=shop.sku).reserved == 0
    nothing_is_broken()
    factories.run(allocating.run)
    assert SubOrder.objects.get().warehouse == far
    nothing_is_broken()


def test_the_same_region_keeps_its_stock(api, shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    response = change(api, "patch", f"{ORDERS}/{order.number}/recipient", {"name": "李娜"}, version=version_of(order))
    assert response.json()["recipient"]["name"] == "李娜"
    assert SubOrder.objects.get().state == "allocated"
    event = response.json()["timeline"][-1]
    assert (event["kind"], event["data"]) == ("recipient_changed", {"fields": ["name"]})


def test_after_release_the_recipient_stays(api, shop):
    order = shop.place_order(payment_method="cod")
    steps.released(order)
    response = change(api, "patch", f"{ORDERS}/{order.number}/recipient", {"name": "x"}, version=version_of(order))
    assert (response.status_code, errors_of(response)) == (409, {(None, "cannot_change_recipient")})
    assert Order.objects.get().recipient_name == "张华"


def test_the_deny_list_looks_at_the_new_phone(api, shop):
    factories.review_rule("deny", "on_list", values={"list": "deny"})
    factories.listed(kind="phone", phone="13900009999")
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    response = change(
        api, "patch", f"{ORDERS}/{order.number}/recipient", {"phone": "13900009999"}, version=version_of(order)
    )
    assert response.json()["held"] is True
    nothing_is_broken()


@pytest.mark.parametrize(
    ("body", "attr", "code"),
    [
        ({"phone": "12"}, "phone", "invalid_phone"),
        ({"region_code": "999999"}, "region_code", "unknown_region"),
        ({"address": ""}, "address", "blank"),
        ({"name": "a\u0000"}, "name", "control_character"),
    ],
)
def test_a_wrong_recipient_is_named(api, shop, body, attr, code):
    order = shop.place_order()
    response = change(api, "patch", f"{ORDERS}/{order.number}/recipient", body, version=version_of(order))
    assert response.status_code == 400
    assert attr in {attr for attr, _code in errors_of(response)}


# --- Cancelling units


def test_cancelled_units_take_their_shares_and_the_money_goes_back(api, shop):
    order = shop.place_order((shop.sku, 3, "10.00"), (shop.other_sku, 1, "25.50"), coupon_amount="5.00")
    steps.pay(order)
    steps.approve_and_split()
    factories.run(allocating.run)

    response = cancel(api, order, lines=[{"position": 1, "quantity": 2}])
    assert response.status_code == 200, response.content
    kept, gone = response.json()["sub_orders"]
    assert (kept["state"], gone["state"]) == ("allocated", "cancelled")
    assert [(line["position"], line["quantity"]) for line in gone["lines"]] == [(1, 2)]
    assert Stock.objects.get(sku=shop.sku).reserved == 1
    total = Decimal(kept["payable_amount"]) + Decimal(gone["payable_amount"])
    assert total == order.payable_amount
    factories.run(balancing.run)
    assert Refund.objects.get().amount == Decimal(gone["payable_amount"])
    amounts = api.get(f"{ORDERS}/{order.number}/amounts").json()
    assert amounts["cancelled_amount"] == gone["payable_amount"]
    assert amounts["owed_amount"] == kept["payable_amount"]
    assert [part["quantity"] for part in amounts["lines"][0]["parts"]] == [1, 2]
    assert Decimal(amounts["goods_amount"]) == sum(Decimal(line["goods_amount"]) for line in amounts["lines"])
    nothing_is_broken()


def test_before_the_split_the_wish_is_kept_until_then(api, shop):
    order = shop.place_order((shop.sku, 3, "10.00"), payment_method="cod")
    response = cancel(api, order, lines=[{"position": 1, "quantity": 1}])
    assert (response.status_code, response.json()["units_to_cancel"]) == (200, {"1": 1})
    again = cancel(api, order, lines=[{"position": 1, "quantity": 1}])
    assert again.json()["units_to_cancel"] == {"1": 2}
    too_many = cancel(api, order, lines=[{"position": 1, "quantity": 2}])
    assert (too_many.status_code, errors_of(too_many)) == (409, {("lines", "cannot_cancel")})
    nothing_is_broken()

    steps.approve_and_split()
    assert list(SubOrder.objects.order_by("pk").values_list("state", "total_quantity")) == [
        ("awaiting_allocation", 1),
        ("cancelled", 2),
    ]
    assert Order.objects.get().units_to_cancel is None
    factories.run(allocating.run, balancing.run)
    nothing_is_broken()


def test_all_that_is_left_cancels_the_order(api, shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    assert cancel(api, order, lines=[{"position": 1, "quantity": 1}]).json()["state"] == "split"
    assert cancel(api, order, lines=[{"position": 1, "quantity": 1}]).json()["state"] == "cancelled"
    factories.run(balancing.run)
    nothing_is_broken()


def test_units_that_the_warehouse_has_stay(api, shop):
    order = shop.place_order((shop.sku, 3, "10.00"), payment_method="cod")
    steps.released(order)
    response = cancel(api, order, lines=[{"position": 1, "quantity": 1}])
    assert (response.status_code, errors_of(response)) == (409, {("lines", "cannot_cancel")})
    nothing_is_broken()


def test_units_of_an_unpaid_order_are_not_cancelled(api, shop):
    order = shop.place_order((shop.sku, 3, "10.00"))
    response = cancel(api, order, lines=[{"position": 1, "quantity": 1}])
    assert (response.status_code, errors_of(response)) == (409, {(None, "cannot_cancel")})


def some_lines(shop: factories.Shop) -> st.SearchStrategy[list[tuple[Any, int, str]]]:
    """One to three lines of the shop's goods: SKU, units, and a price that divides badly."""
    skus = st.sampled_from([shop.sku, shop.other_sku])
    return st.lists(
        st.tuples(skus, st.integers(1, 5), st.sampled_from(["0.01", "9.99", "33.33"])), min_size=1, max_size=3
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_fen_is_lost_however_units_are_cancelled(data, shop):
    lines = data.draw(some_lines(shop))
    goods = sum((Decimal(price) * units for _sku, units, price in lines), Decimal(0))
    coupon = data.draw(st.integers(0, int(goods * 100))) / Decimal(100)
    freight = data.draw(st.integers(0, 999)) / Decimal(100)
    is_split_first = data.draw(st.booleans())
    order = shop.place_order(
        *lines, payment_method="cod", coupon_amount=f"{coupon:.2f}", freight_amount=f"{freight:.2f}"
    )
    if is_split_first:
        steps.approve_and_split()
        factories.run(allocating.run)
    api = factories.client_of(shop.merchant)
    for position, (_sku, units, _price) in enumerate(lines, 1):
        count = data.draw(st.integers(0, units))
        if count:
            response = cancel(api, order, lines=[{"position": position, "quantity": count}])
            assert response.status_code in (200, 409), response.content
    factories.run(deciding.run)
    steps.approve_and_split()
    factories.run(allocating.run, balancing.run)
    parts = SubOrder.objects.filter(order=order)
    if parts:
        assert sum(part.payable_amount for part in parts) == order.payable_amount
    nothing_is_broken()


# --- Notes


def test_notes_of_the_merchant_are_its_own_and_staffs_stay_theirs(api, shop):
    order = shop.place_order()
    timeline.add_note(order.pk, text="a difficult customer", actor=steps.STAFF)
    url = f"{ORDERS}/{order.number}/notes"
    added = send(api, {"text": "Please ring first.\nThanks"}, url)
    assert (added.status_code, added.json()["text"]) == (201, "Please ring first.\nThanks")
    assert [note["text"] for note in api.get(url).json()] == ["Please ring first.\nThanks"]
    shown = str(api.get(f"{ORDERS}/{order.number}").json()["timeline"])
    assert "ring first" in shown
    assert "difficult" not in shown
    assert errors_of(send(api, {"text": " "}, url)) == {("text", "blank")}


# --- Lists


def test_fields_and_updated_since(api, shop, settings):
    settings.AMOUNTS_LAG_SECONDS = 0
    old, new = shop.place_order(), shop.place_order()
    assert set(api.get(ORDERS, {"fields": "number,state"}).json()["results"][0]) == {"number", "state"}
    assert set(api.get(f"{ORDERS}/{old.number}", {"fields": "number"}).json()) == {"number"}
    assert errors_of(api.get(ORDERS, {"fields": "number,price"})) == {("fields", "unknown_field")}

    Order.objects.get(pk=old.pk).events.update(created_at="2026-01-01T00:00:00Z")
    found = api.get(ORDERS, {"updated_since": "2026-02-01T00:00:00Z"}).json()["results"]
    assert [order["number"] for order in found] == [new.number]
    timeline.add_note(old.pk, text="for staff only", actor=steps.STAFF)
    assert len(api.get(ORDERS, {"updated_since": "2026-02-01T00:00:00Z"}).json()["results"]) == 1
    holds.hold_order(old.pk, reason="x", actor=steps.STAFF)
    assert len(api.get(ORDERS, {"updated_since": "2026-02-01T00:00:00Z"}).json()["results"]) == 2
