"""Changing placed orders by the API: previews, balances, many at once, and refusals."""

from decimal import Decimal

import pytest

from orders.changing import charging
from orders.models import ChangeSet, Order
from tests import steps
from tests.api.calls import ORDERS, change, errors_of
from tests.change_sets.helpers import pay_balance

pytestmark = pytest.mark.django_db


def paid(shop):
    order = shop.place_order((shop.sku, 2, "10.00"), freight_amount="0.00")
    steps.pay(order)
    return order


def post(api, order, *actions, **more):
    version = more.pop("version", None) or Order.objects.get(pk=order.pk).version
    body = {"reason": "the buyer called", "actions": list(actions), **more}
    return change(api, "post", f"{ORDERS}/{order.number}/changes", body, version=version)


def test_a_preview_says_what_it_costs_and_the_balance_is_asked_for_first(api, shop):
    order = paid(shop)
    wish = {"do": "add", "sku": shop.other_sku.code, "quantity": 1}
    seen = post(api, order, wish, preview=True)
    assert seen.status_code == 200
    told = seen.json()
    assert (told["owed_before"], told["owed_after"], told["to_pay"]) == ("20.00", "45.50", "25.50")
    assert [(line["sku"], line["units_after"], line["sellable"]) for line in told["lines"]] == [
        (shop.other_sku.code, 1, 100)
    ]
    assert not ChangeSet.objects.exists()

    done = post(api, order, wish)

    assert done.status_code == 202
    row = ChangeSet.objects.get()
    assert errors_of(post(api, order, wish)) == {(None, "cannot_change")}
    assert pay_balance(row).state == "confirmed"
    assert Order.objects.get(pk=order.pk).payable_amount == Decimal("45.50")


def test_what_is_cheaper_is_done_at_once_and_a_stale_version_is_refused(api, shop):
    order = paid(shop)
    stale = Order.objects.get(pk=order.pk).version
    done = post(api, order, {"do": "quantity", "line": 1, "quantity": 1})
    assert done.status_code == 200
    assert done.json()["number"] == order.number
    assert charging.owed(order.pk) == Decimal(10)
    late = post(api, order, {"do": "freight", "amount": "-1.00"}, version=stale)
    assert late.status_code == 409
    assert errors_of(late) == {(None, "changed_meanwhile")}


def test_wrong_actions_are_named(api, shop):
    order = paid(shop)
    wrong = post(
        api, order, {"do": "add", "sku": "nothing", "quantity": 1}, {"do": "quantity", "line": 7, "quantity": 0}
    )
    assert wrong.status_code == 400
    assert errors_of(wrong) == {("actions.0.sku", "unknown_sku"), ("actions.1.line", "unknown_line")}
    assert errors_of(post(api, order, {"do": "nonsense"})) == {("actions.0.do", "invalid_choice")}
    assert errors_of(post(api, order)) == {("actions", "empty")}


def test_what_waits_can_be_given_up(api, shop):
    order = paid(shop)
    url = f"{ORDERS}/{order.number}/changes"
    assert api.delete(url).status_code == 409
    post(api, order, {"do": "add", "sku": shop.other_sku.code, "quantity": 1})
    assert api.delete(url).status_code == 200
    assert ChangeSet.objects.get().state == "discarded"


def test_many_are_changed_each_by_itself(api, shop):
    first, second = paid(shop), paid(shop)
    gift = {"do": "gift", "sku": shop.other_sku.code, "quantity": 1}
    rows = [
        {"number": first.number, "reason": "x", "actions": [{"do": "quantity", "line": 1, "quantity": 1}]},
        {"number": second.number, "reason": "x", "actions": [{"do": "quantity", "line": 9, "quantity": 1}]},
        {
            "number": second.number,
            "reason": "x",
            "actions": [gift],
        },
        {"number": second.number, "reason": "x", "actions": [{"do": "freight", "amount": "3.00"}]},
        {"number": "1", "reason": "x", "actions": [{"do": "freight", "amount": "3.00"}]},
    ]
    told = change(api, "post", f"{ORDERS}/changes", {"orders": rows}).json()["results"]
    assert [row["status"] for row in told] == ["changed", "refused", "changed", "waits", "refused"]
    assert told[1]["errors"][0]["attr"] == "actions.0.line"
    assert told[3]["balance"] == "3.00"
    assert charging.owed(first.pk) == Decimal(10)
    assert steps.broken_invariants() == []
