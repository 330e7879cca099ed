"""Each of the fifteen shipped rules: what it fits, what it does not, and where exactly it begins."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import RemoteArea, Stock, StockMovement
from orders.models import Hold, Order, OrderLine, OrderTerms, ReviewDecision, SubOrder
from orders.reviewing import compiling, deciding, shipped, words
from tests import factories, steps

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rules(shop: factories.Shop) -> None:
    shipped.install_default_rules()
    factories.change_review_rules(is_active=True)


def fits(code: str, *orders: Order) -> list[bool]:
    """Whether the shipped rule of the code fits each of the orders now."""
    rules = [rule for rule in compiling.active_rules() if rule.called == code]
    assert len(rules) == 1
    found = {hit.order_id for hit in compiling.find(rules, [order.pk for order in orders], only_new=False)}
    return [order.pk in found for order in orders]


def cod(shop: factories.Shop, *lines: Any, **changes: Any) -> Order:
    return shop.place_order(*lines, payment_method="cod", **changes)


def at(minutes: float) -> str:
    """So many minutes after noon."""
    return (datetime.fromisoformat("2026-01-02T12:00:00+08:00") + timedelta(minutes=minutes)).isoformat()


def with_memo(order: Order, memo: str) -> Order:
    OrderTerms.objects.update_or_create(order=order, defaults={"seller_memo": memo})
    return order


def test_1_an_amount_over_5000(shop):
    at_limit = shop.place_order((shop.sku, 1, "4994.00"))
    over = shop.place_order((shop.sku, 1, "4994.01"))
    assert (at_limit.payable_amount, fits("amount_over", at_limit, over)) == (5000, [False, True])


def test_2_over_100_units_of_one_sku(shop):
    spread = shop.place_order((shop.sku, 100, "1.00"), (shop.other_sku, 100, "1.00"))
    over = shop.place_order((shop.sku, 51, "1.00"), (shop.sku, 50, "1.00"))
    assert fits("sku_units_over", spread, over) == [False, True]


@pytest.mark.parametrize("code", ["address_velocity", "buyer_velocity"])
def test_3_and_4_the_sixth_order_within_an_hour_and_which_ones_it_counts(shop, code):
    orders = [shop.place_order(ordered_at=at(minutes)) for minutes in (0, 10, 20, 30, 40, 59)]
    later = shop.place_order(ordered_at=at(70))
    assert fits(code, *orders, later) == [False, False, False, False, False, True, False]

    rules = [rule for rule in compiling.active_rules() if rule.called == code]
    (hit,) = compiling.find(rules, [orders[5].pk])
    (fact,) = hit.facts
    assert (fact["found"], fact["limit"]) == ("6", "5")
    assert [number for _id, number in fact["orders"]] == [order.number for order in reversed(orders)]


def test_3_counts_no_cancelled_order_and_no_other_address(shop):
    orders = [shop.place_order(ordered_at=at(minutes)) for minutes in range(6)]
    recipient = {**shop.body()["recipient"], "address": "长安街1号"}
    elsewhere = shop.place_order(ordered_at=at(6), recipient=recipient)
    Order.objects.filter(pk=orders[0].pk).update(state="cancelled", cancelled_at=timezone.now())
    assert fits("address_velocity", orders[5], elsewhere) == [False, False]
    assert fits("buyer_velocity", elsewhere) == [True]


_ENTRIES = (
    {"kind": "phone", "phone": "138 0000 1111"},
    {"kind": "address", "region_code": "110101", "address": "中山路 861号13栋837室"},
    {"kind": "buyer", "text": "B1"},
)


@pytest.mark.parametrize("entry", _ENTRIES)
def test_what_a_list_found_does_not_say_whose_phone_or_address_it_is(shop, entry):
    shop.place_order(payment_method="cod")
    factories.listed(**entry, reason="fraud")
    factories.run(deciding.run)

    kept = str(
        [*Hold.objects.values_list("details", flat=True), *ReviewDecision.objects.values_list("hits", flat=True)]
    )
    assert "fraud" in kept
    assert [text for text in ("13800001111", "138", "861号", "837室") if text in kept] == []


@pytest.mark.parametrize("entry", _ENTRIES)
def test_5_the_deny_list_until_an_entry_expires(shop, entry):
    order = shop.place_order()
    other = shop.place_order(
        buyer={"id": "B2", "name": "李雷", "phone": "13900002222"},
        recipient={**shop.body()["recipient"], "phone": "13900002222", "address": "长安街1号"},
    )
    assert fits("deny_list", order, other) == [False, False]
    row = factories.listed(**entry, reason="fraud")
    assert fits("deny_list", order, other) == [True, False]
    type(row).objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert fits("deny_list", order) == [False]


def test_6_a_word_in_the_address(shop):
    recipient = shop.body()["recipient"]
    village = shop.place_order(recipient={**recipient, "address": "王家村12号"})
    assert fits("village_address", shop.place_order(), village) == [False, True]


def test_7_a_remark_that_is_not_empty(shop):
    assert fits("remark", shop.place_order(), shop.place_order(remark="放门口")) == [False, True]


def test_8_the_words_of_a_list_in_the_sellers_memo(shop):
    held, other = with_memo(shop.place_order(), "请先 HOLD 住"), with_memo(shop.place_order(), "加急")
    assert fits("memo", shop.place_order(), other, held) == [False, False, True]


def test_9_cash_on_delivery_over_2000_or_two_refusals(shop):
    at_limit, over = cod(shop, (shop.sku, 1, "1994.00")), cod(shop, (shop.sku, 1, "1994.01"))
    prepaid = shop.place_order((shop.sku, 1, "3000.00"))
    assert fits("cod", at_limit, over, prepaid) == [False, True, False]

    refused = [steps.shipped(cod(shop)).sub_order for _ in range(2)]
    order, not_cod = cod(shop), shop.place_order()
    steps.put(refused[0], "rejected")
    assert fits("cod", order) == [False]
    steps.put(refused[1], "rejected")
    SubOrder.objects.update(shipped_at=timezone.now() - timedelta(days=89))
    assert fits("cod", order, not_cod) == [True, False]
    SubOrder.objects.filter(pk=refused[1].pk).update(shipped_at=timezone.now() - timedelta(days=91))
    assert fits("cod", order) == [False]


def test_10_an_unpaid_sibling_until_it_is_paid_or_half_an_hour_is_over(shop):
    order = cod(shop, ordered_at=at(0))
    assert fits("unpaid_sibling", order) == [False]
    sibling = shop.place_order(ordered_at=at(30))
    assert fits("unpaid_sibling", order) == [True]
    Order.objects.filter(pk=sibling.pk).update(ordered_at=at(31))
    assert fits("unpaid_sibling", order) == [False]
    Order.objects.filter(pk=sibling.pk).update(ordered_at=at(30))
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(minutes=31))
    assert fits("unpaid_sibling", order) == [False]
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now())
    steps.pay(sibling)
    assert fits("unpaid_sibling", order) == [False]


def test_11_a_sibling_for_the_same_parcel_until_its_delay_is_over(shop, settings):
    settings.REVIEW_DELAY_SECONDS = 600
    order = cod(shop)
    assert fits("mergeable_sibling", order) == [False]
    sibling = cod(shop)
    assert fits("mergeable_sibling", order, sibling) == [True, True]
    Order.objects.filter(pk=sibling.pk).update(created_at=timezone.now() - timedelta(seconds=601))
    assert fits("mergeable_sibling", order, sibling) == [False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"recipient": {"name": "李四"}},
        {"recipient": {"phone": "13900002222"}},
        {"recipient": {"address": "中山路862号"}},
        {"payment_method": "prepaid"},
        {"buyer": {"id": "B9", "name": "张华", "phone": "13800001111"}},
        {"lines": "frozen"},
    ],
)
def test_11_whatever_differs_of_the_key_keeps_parcels_apart(shop, settings, change):
    settings.REVIEW_DELAY_SECONDS = 600
    order = cod(shop)
    changes: dict[str, Any] = {"payment_method": "cod", **change}
    if "recipient" in change:
        changes["recipient"] = {**shop.body()["recipient"], **change["recipient"]}
    lines = ()
    if changes.pop("lines", None):
        lines = ((factories.SkuFactory(merchant=shop.merchant, storage_class="frozen"), 1, "5.00"),)
    other = shop.place_order(*lines, **changes)
    if other.state == "awaiting_payment":
        steps.pay(other)
    assert fits("mergeable_sibling", order) == [False]


def test_12_a_recipient_that_is_masked_or_not_served(shop):
    masked, unserved = shop.place_order(), shop.place_order()
    Order.objects.filter(pk=masked.pk).update(recipient_phone="138****1111")
    assert fits("undeliverable", shop.place_order(), masked, unserved) == [False, True, False]
    with_memo(masked, "")
    OrderTerms.objects.filter(order=masked).update(receiver_token="gAAAA-sealed")
    assert fits("undeliverable", masked) == [False]
    type(shop.region).objects.filter(pk=shop.region.pk).update(is_served=False)
    assert fits("undeliverable", unserved) == [True]


def test_13_an_area_that_no_carrier_reaches_where_the_longest_area_decides(shop):
    order = shop.place_order()
    assert fits("unreachable", order) == [False]
    RemoteArea.objects.create(area="11", kind="no_service")
    assert fits("unreachable", order) == [True]
    RemoteArea.objects.create(area="110101", kind="remote")
    assert fits("unreachable", order) == [False]


def test_14_a_gift_of_which_too_few_are_there(shop):
    order = shop.place_order((shop.sku, 1, "10.00"), (shop.other_sku, 3, "0.00"))
    assert fits("gift_short", order) == [False]
    OrderLine.objects.filter(order=order, sku=shop.other_sku).update(is_gift=True)
    assert fits("gift_short", order) == [False]
    stock = Stock.objects.get(sku=shop.other_sku)
    StockMovement.objects.create(stock=stock, kind="adjust", on_hand_change=-97, actor="test")
    assert fits("gift_short", order) == [False]
    StockMovement.objects.create(stock=stock, kind="adjust", on_hand_change=-1, actor="test")
    assert fits("gift_short", order) == [True]


def test_15_a_discount_over_70_percent_of_the_goods(shop):
    at_limit = shop.place_order((shop.sku, 1, "100.00"), coupon_amount="70.00")
    over = shop.place_order((shop.sku, 1, "100.00"), coupon_amount="70.01")
    assert fits("discount_over", at_limit, over) == [False, True]


def test_the_whole_set_is_judged_in_a_fixed_number_of_statements(shop, django_assert_num_queries):
    for count in (1, 10):
        orders = [cod(shop, remark="x") for _ in range(count)]
        rules = compiling.active_rules()
        with django_assert_num_queries(1):
            compiling.find(rules, [order.pk for order in orders])


def test_the_page_names_the_orders_that_a_limit_counted(shop, boss):
    factories.change_review_rules(is_active=False)
    factories.change_review_rules("buyer_velocity", is_active=True)
    orders = [cod(shop, ordered_at=at(minutes)) for minutes in range(6)]
    factories.run(deciding.run)
    hold = orders[5].holds.get()
    assert words.worded(hold).orders[0] == (orders[5].pk, orders[5].number)
    page = boss.get(f"/admin/orders/order/{orders[5].pk}/change/").content.decode()
    assert page.count(f"/admin/orders/order/{orders[0].pk}/change/") >= 1
    assert steps.broken_invariants() == []
