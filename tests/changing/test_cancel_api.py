"""Cancelling by the API: parts, previews, reasons by code, many orders at once."""

import pytest

from orders.changing import reasons
from orders.models import Order, SubOrder
from tests import factories, steps
from tests.api.calls import ORDERS, change, errors_of
from tests.changing.test_cancelling_parts import two_parts

pytestmark = pytest.mark.django_db


def post(api, order, body):
    version = Order.objects.get(pk=order.pk).version
    return change(api, "post", f"{ORDERS}/{order.number}/cancel", body, version=version)


def test_the_rest_is_cancelled_and_a_preview_says_before_what_that_does(api, shop):
    order, sent, waits = two_parts(shop)
    steps.warehouse_says(sent, "packed", "shipped")
    seen = post(api, order, {"reason": "waited too long", "rest": True, "preview": True})
    assert seen.status_code == 200
    told = seen.json()
    assert (told["refunded"], told["not_to_be_paid"], told["parcels"]) == ("0.00", "65.00", 1)
    assert [(line["position"], line["units"]) for line in told["lines"] if line["units"]] == [(2, 3)]
    assert SubOrder.objects.get(pk=waits.pk).state == "backordered"

    done = post(api, order, {"reason": "waited too long", "rest": True})

    assert done.status_code == 200
    assert SubOrder.objects.get(pk=waits.pk).state == "cancelled"
    assert errors_of(post(api, order, {"reason": "x", "rest": True})) == {(None, "cannot_cancel")}


def test_sub_orders_are_named_by_their_numbers(api, shop):
    order, sent, waits = two_parts(shop)
    wrong = post(api, order, {"reason": "x", "sub_orders": [waits.number, "nonsense"]})
    assert errors_of(wrong) == {("sub_orders.1", "unknown_sub_order")}
    asked = post(api, order, {"reason": "x", "sub_orders": [sent.number]})
    assert asked.status_code == 202
    assert asked.json()["cancellation"]["state"] == "asked"
    assert [part["sub_order"] for part in asked.json()["cancellation"]["asked"]] == [sent.number]


def test_a_reason_may_be_one_of_the_list(api, shop):
    reasons.install_defaults()
    order = shop.place_order()
    assert errors_of(post(api, order, {})) == {("reason", "required")}
    assert errors_of(post(api, order, {"reason_code": "suspicious"})) == {("reason_code", "refused")}
    assert errors_of(post(api, order, {"reason": "x", "rest": True, "lines": [{"position": 1, "quantity": 1}]})) == {
        ("rest", "invalid")
    }
    done = post(api, order, {"reason_code": "changed_mind"})
    assert done.json()["cancel_reason"] == "买家改变主意"
    assert Order.objects.get(pk=order.pk).cancel_reason_code == "changed_mind"


def test_many_are_cancelled_each_by_itself(api, shop):
    reasons.install_defaults()
    _order, sent, _waits = two_parts(shop)
    orders = [shop.place_order(payment_method="cod") for _ in range(3)]
    foreign = factories.place_order()
    rows = [
        {"number": orders[2].number, "reason_code": "out_of_stock"},
        {"number": orders[0].number, "reason": "x", "lines": [{"position": 1, "quantity": 1}]},
        {"number": orders[1].number, "reason": "x", "version": 99},
        {"number": foreign.number, "reason": "x"},
        {"number": sent.order.number, "reason": "x", "sub_orders": [sent.number]},
        {"number": orders[0].number, "reason": "x", "lines": [{"position": 1, "quantity": 5}]},
    ]
    answer = api.post(f"{ORDERS}/cancel", {"orders": rows}, format="json")
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [row["status"] for row in results] == ["cancelled", "cancelled", "refused", "refused", "asked", "refused"]
    assert [row["errors"][0]["code"] for row in results if row["status"] == "refused"] == [
        *("changed_meanwhile", "not_found", "cannot_cancel")
    ]
    assert Order.objects.get(pk=orders[1].pk).state == "in_review"
    assert Order.objects.get(pk=orders[0].pk).units_to_cancel == {"1": 1}
    assert Order.objects.get(pk=foreign.pk).state == "awaiting_payment"
    assert steps.broken_invariants() == []
