"""What is owed where units go that a promotion needs: charges that come and go with what is kept."""

from decimal import Decimal
from typing import Any

import pytest

from orders.changing import charging
from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.models import ChargeCause, Order, OrderCharge, SubOrder
from payments.ledger.account_of_order import account_of
from payments.models import Refund
from payments.owing import balancing
from tests import factories, steps

pytestmark = pytest.mark.django_db


def promotion(amount: str, least: str, **more: Any) -> dict[str, Any]:
    rule = {"kind": "amount_off", "from": least, "off": amount}
    return {"id": "P1", "amount": amount, "rule": rule, **more}


def bought(shop: factories.Shop, prices: list[str], *, splits: bool = True, **terms: Any) -> Order:
    """A paid order with a line of one unit for each price; split unless told otherwise."""
    skus = [factories.SkuFactory(merchant=shop.merchant) for _price in prices]
    for sku in skus:
        factories.StockFactory(sku=sku, warehouse=shop.warehouse)
    lines = [(sku, 1, price) for sku, price in zip(skus, prices, strict=True)]
    order = shop.place_order(*lines, **{"freight_amount": "0.00", **terms})
    steps.pay(order)
    if splits:
        steps.approve_and_split()
    return order


def cancel(order: Order, position: int) -> None:
    cancel_units(order.pk, {position: 1}, reason="too many", actor=steps.STAFF)


def went_back() -> list[str]:
    """The amounts that go back since the books were looked at last."""
    known = set(Refund.objects.values_list("pk", flat=True))
    factories.run(balancing.run)
    return [str(refund.amount) for refund in Refund.objects.exclude(pk__in=known).order_by("pk")]


def lost(order: Order) -> Decimal:
    rows = OrderCharge.objects.filter(order=order, cause=ChargeCause.PROMOTION_LOST)
    return sum((row.amount for row in rows), Decimal(0))


def test_a_promotion_is_lost_with_the_units_that_it_needs_and_comes_back_with_the_rest(shop):
    """Example 2 of the reference, before shipping: 70.00, 60.00, 40.00."""
    order = bought(shop, ["100.00", "60.00", "40.00"], promotions=[promotion("30.00", "200.00")])

    cancel(order, 1)
    assert went_back() == ["70.00"]
    assert (lost(order), charging.owed(order.pk)) == (15, 100)
    row = OrderCharge.objects.get(order=order, cause=ChargeCause.PROMOTION_LOST)
    assert (row.component, row.reference, row.amount) == ("promotion", "P1", 15)
    assert steps.broken_invariants() == []

    cancel(order, 2)
    assert went_back() == ["60.00"]
    assert steps.broken_invariants() == []

    cancel(order, 3)
    assert went_back() == ["40.00"]
    assert (lost(order), charging.owed(order.pk)) == (0, 0)
    assert steps.broken_invariants() == []


def test_units_cancelled_before_the_split_lose_it_too(shop):
    order = bought(shop, ["100.00", "60.00", "40.00"], splits=False, promotions=[promotion("30.00", "200.00")])
    cancel(order, 3)
    assert went_back() == ["10.00"]
    assert charging.owed(order.pk) == 160
    assert steps.broken_invariants() == []

    steps.approve_and_split()

    assert went_back() == []
    assert (lost(order), charging.owed(order.pk)) == (24, 160)
    assert steps.broken_invariants() == []


def test_what_was_forgiven_before_the_split_is_not_asked_for_at_the_split(shop):
    """Example 5 of the reference: 0.00 goes back and 40.10 cannot be collected; then 99.00 for the rest."""
    order = bought(shop, ["59.90", "59.90", "79.20"], splits=False, promotions=[promotion("100.00", "199.00")])
    cancel(order, 1)
    assert went_back() == []
    steps.approve_and_split()
    assert went_back() == []
    assert charging.owed(order.pk) == 99
    assert steps.broken_invariants() == []

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    assert went_back() == ["99.00"]
    assert steps.broken_invariants() == []


def test_units_cancelled_one_by_one_before_the_split_take_along_what_they_leave_with(shop):
    """Three units of 33.33 less 10.00: 30.00 for one, 59.99 for two, as they part from their line."""
    order = shop.place_order((shop.sku, 3, "33.33"), freight_amount="0.00", coupon_amount="10.00")
    steps.pay(order)
    cancel(order, 1)
    assert went_back() == ["30.00"]
    cancel(order, 1)
    assert went_back() == ["30.00"]
    assert charging.owed(order.pk) == Decimal("29.99")
    assert steps.broken_invariants() == []

    steps.approve_and_split()
    factories.run(balancing.run)

    assert charging.owed(order.pk) == Decimal("29.99")
    assert {
        state: str(amount)
        for state, amount in SubOrder.objects.filter(order=order).values_list("state", "payable_amount")
    } == {"cancelled": "60.00", "awaiting_allocation": "29.99"}
    money = account_of(list(order.charges.all()), [], [], payment_state=order.payment_state)
    assert [str(item.charged) for item in money.items] == ["89.99", "-30.00", "-30.00"]
    assert steps.broken_invariants() == []


def test_an_order_that_is_cancelled_before_the_split_after_a_part_of_it_gives_back_the_rest(shop):
    order = bought(
        shop,
        ["100.00", "60.00", "40.00"],
        splits=False,
        promotions=[promotion("30.00", "200.00")],
        gift_card_amount="50.00",
    )
    cancel(order, 3)
    first = went_back()
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    assert sum(map(Decimal, [*first, *went_back()])) == 120
    assert charging.owed(order.pk) == 0
    assert steps.broken_invariants() == []
    assert steps.broken_invariants() == []


def test_what_cannot_be_collected_is_forgiven_until_the_rest_comes_back(shop):
    """Example 5: 0.00, then 99.00."""
    order = bought(shop, ["59.90", "59.90", "79.20"], promotions=[promotion("100.00", "199.00")])

    cancel(order, 1)
    assert went_back() == []
    assert charging.owed(order.pk) == 99
    assert steps.broken_invariants() == []

    cancel_order(order.pk, reason="all of it", actor=steps.STAFF)
    assert went_back() == ["99.00"]
    assert steps.broken_invariants() == []


def test_without_a_rule_the_rest_keeps_its_share(shop):
    order = bought(shop, ["100.00", "60.00", "40.00"], promotions=[{"id": "P1", "amount": "30.00"}])
    cancel(order, 1)
    assert went_back() == ["85.00"]
    assert not OrderCharge.objects.filter(cause=ChargeCause.PROMOTION_LOST).exists()
    assert steps.broken_invariants() == []


def test_a_promotion_counts_only_the_lines_that_it_covers(shop):
    """It covers the two dear lines: the cheap one's cancellation takes nothing from them."""
    order = bought(shop, ["120.00", "90.00", "80.00"], promotions=[promotion("30.00", "200.00", lines=[1, 2])])
    cancel(order, 3)
    assert went_back() == ["80.00"]
    cancel(order, 2)
    assert went_back() == ["60.00"]
    assert charging.owed(order.pk) == 120
    assert steps.broken_invariants() == []


def test_what_cash_cannot_bear_is_taken_from_the_gift_card(shop):
    """A card pays all but 10.00: of the lost 30.00, 10.00 are cash that was paid and the rest is the card's."""
    order = bought(shop, ["100.00", "100.00"], promotions=[promotion("60.00", "200.00")], gift_card_amount="130.00")
    cancel(order, 1)

    # Kept: 100.00, of which 10.00 are cash and 90.00 the card's; 40.00 of the card are free.
    assert went_back() == []
    assert charging.owed(order.pk) == 10
    rows = OrderCharge.objects.filter(order=order, cause=ChargeCause.PROMOTION_LOST).order_by("component")
    assert [(row.component, str(row.amount)) for row in rows] == [("gift_card", "-25.00"), ("promotion", "30.00")]
    assert steps.broken_invariants() == []

    cancel(order, 2)
    assert went_back() == ["10.00"]
    assert charging.owed(order.pk) == 0
    assert steps.broken_invariants() == []


def test_goods_that_come_back_lose_it_as_cancelled_ones_do(shop):
    """Two parcels, of which one comes back."""
    frozen = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = shop.place_order(
        (shop.sku, 1, "120.00"), (frozen, 1, "90.00"), freight_amount="0.00", promotions=[promotion("30.00", "200.00")]
    )
    steps.pay(order)
    steps.approve_and_split()
    part = order.sub_orders.get(storage_class="frozen")
    with steps.without_guards():
        steps.put(part, "returned", warehouse=shop.warehouse)
    Order.objects.update(owed_changed_since=steps.NOON)

    assert went_back() == ["60.00"]
    assert list(Refund.objects.values_list("reason", flat=True)) == ["returned"]


def test_free_shipping_that_is_lost_is_charged_where_the_operator_wants_it(shop, settings):
    settings.RETURN_POLICIES = {shop.channel.code: {"charges_lost_free_shipping": True}}
    rule = {"kind": "free_shipping", "from": "99.00", "freight": "6.00"}
    order = bought(shop, ["60.00", "50.00"], promotions=[{"id": "FREE", "amount": "0.00", "rule": rule}])
    cancel(order, 2)
    assert went_back() == ["44.00"]
    assert charging.owed(order.pk) == 66
    assert steps.broken_invariants() == []


def test_goods_on_delivery_are_not_asked_for_more_than_their_shares_before_the_door(shop):
    order = shop.place_order(
        (shop.sku, 1, "120.00"),
        (shop.other_sku, 1, "90.00"),
        freight_amount="0.00",
        payment_method="cod",
        promotions=[promotion("30.00", "200.00")],
    )
    steps.approve_and_split()
    cancel(order, 2)
    assert charging.owed(order.pk) == Decimal("103.00")  # 120.00 less its share of 17.00
    assert steps.broken_invariants() == []


def test_a_rule_that_cannot_be_understood_is_refused_with_its_field(shop, api):
    body = shop.body((shop.sku, 1, "100.00"), promotions=[{"id": "P1", "amount": "1.00", "rule": {"kind": "bundle"}}])
    answer = api.post("/api/v1/orders", body, format="json")
    assert answer.status_code == 400
    assert [(error["attr"], error["code"]) for error in answer.json()["errors"]] == [
        ("promotions.0.rule.quantity", "required"),
        ("promotions.0.rule.price", "required"),
    ]


def test_lines_that_are_covered_are_kept_with_the_promotion(shop):
    order = bought(
        shop,
        ["10.00", "20.00", "30.00"],
        promotions=[promotion("3.00", "20.00", lines=[3, 2]), {"id": "X", "amount": "1"}],
    )
    assert list(order.promotions.order_by("position").values_list("covered", flat=True)) == [[2, 3], []]
