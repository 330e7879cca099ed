"""Sending goods again, the log of gifts, and merging, by the API: with rights, isolation and repeated calls."""

import pytest

from orders.changing import gifts
from orders.fulfilling import allocating
from orders.models import GiftRule, Order, OrderLink, SubOrder
from tests import factories, steps
from tests.api.calls import idempotency

pytestmark = pytest.mark.django_db


def test_a_missing_unit_is_sent_again_once_however_often_it_is_asked(api, shop):
    order = shop.place_order((shop.sku, 2, "10.00"), payment_method="cod")
    steps.shipped(order)
    address, key = f"/api/v1/orders/{order.number}/reissues", idempotency()
    body = {"lines": [{"position": 1, "quantity": 1}], "reason": "missing"}

    made = api.post(address, body, format="json", **key)
    again = api.post(address, body, format="json", **key)

    assert (made.status_code, again.json()) == (201, made.json())
    link = OrderLink.objects.select_related("order").get()
    assert made.json()["order"] == link.order.number
    assert (link.bearer, link.units, link.order.payable_amount) == ("merchant", {"1": 1}, 0)
    assert api.get(address).json() == [made.json()]
    for wrong, status, attr in (
        ({**body, "lines": [{"position": 1, "quantity": 2}]}, 409, "units"),
        ({**body, "reason": "other"}, 409, "note"),
        ({**body, "reason": "nonsense"}, 400, "reason"),
    ):
        refused = api.post(address, wrong, format="json", **idempotency())
        assert (refused.status_code, refused.json()["errors"][0]["attr"]) == (status, attr)
    assert OrderLink.objects.count() == 1
    assert steps.broken_invariants() == []


def test_goods_of_others_are_not_sent_again_by_the_shop(shop):
    owner = factories.MerchantFactory()
    sku = factories.SkuFactory(merchant=owner)
    factories.StockFactory(sku=sku, warehouse=shop.warehouse)
    shop.merchant.kind = "self_operated"
    shop.merchant.save()
    order = shop.place_order(
        payable_amount="16.00",
        lines=[{"sku": sku.code, "merchant": owner.code, "quantity": 1, "unit_price": "10.00", "name": "x"}],
    )
    body = {"lines": [{"position": 1, "quantity": 1}], "reason": "missing"}
    address = f"/api/v1/orders/{order.number}/reissues"
    refused = factories.client_of(shop.merchant).post(address, body, format="json", **idempotency())
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "not_yours")


def test_the_log_of_gifts_is_read(api, shop):
    rule = GiftRule.objects.create(name="满赠", is_active=True, gift=shop.other_sku)
    order = shop.place_order()
    steps.pay(order)
    steps.approve_and_split()
    gifts.switch(rule.pk, on=False)
    (shown,) = api.get(f"/api/v1/orders/{order.number}/gifts").json()
    assert (shown["rule"], shown["sku"], shown["quantity"], shown["position"]) == ("满赠", shop.other_sku.code, 1, 2)


def test_two_orders_go_together_and_by_themselves_again(api, shop):
    orders = [shop.place_order() for _ in range(2)]
    for order in orders:
        steps.pay(order)
    steps.approve_and_split()
    factories.run(allocating.run)
    numbers = list(SubOrder.objects.order_by("pk").values_list("number", flat=True))

    (pair,) = api.get(f"/api/v1/orders/{orders[0].number}/mergeable").json()
    assert (pair["sub_order"], pair["other"], pair["fit"], pair["is_merged"]) == (*numbers, "certain", False)
    made = api.post("/api/v1/merges", {"sub_orders": numbers}, format="json", **idempotency())
    assert (made.status_code, made.json()) == (201, {"sub_orders": numbers})
    assert api.get(f"/api/v1/orders/{orders[0].number}/mergeable").json()[0]["is_merged"]
    assert steps.broken_invariants() == []

    address = f"/api/v1/orders/{orders[0].number}/unmerge"
    assert api.post(address, {"sub_order": numbers[0]}, format="json", **idempotency()).status_code == 200
    assert not SubOrder.objects.filter(merge_group__isnull=False).exists()
    again = api.post(address, {"sub_order": numbers[0]}, format="json", **idempotency())
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "cannot_merge")
    wrong = api.post("/api/v1/merges", {"sub_orders": [numbers[0], "9" * 16]}, format="json", **idempotency())
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "sub_orders.1")
    stranger = factories.client_of(factories.MerchantFactory())
    foreign = stranger.post("/api/v1/merges", {"sub_orders": numbers}, format="json", **idempotency())
    assert (foreign.status_code, foreign.json()["errors"][0]["code"]) == (400, "unknown_sub_order")
    assert Order.objects.count() == 2
    assert steps.broken_invariants() == []
