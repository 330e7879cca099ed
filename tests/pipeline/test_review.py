"""Interception rules, holds, and the grace period."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.translation import override

from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.virtual import delivering
from logistics.warehouses import releasing
from oms.common.errors import ChangedMeanwhile, OmsError
from orders.fulfilling import allocating, splitting
from orders.models import Hold, Order, ReviewRule, SubOrder
from orders.reviewing import deciding, words
from orders.reviewing.holds import CannotHold, CannotRelease, hold_order, release_hold
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


def cod(shop: factories.Shop, *lines: object, **changes: object) -> Order:
    """An order that starts in review."""
    return shop.place_order(*lines, payment_method="cod", **changes)


def rule(is_: str, outcome: str = "hold", **values: object) -> ReviewRule:
    return factories.review_rule(f"rule {is_}", is_, values=values, outcome=outcome)


def held() -> set[int]:
    """Ids of orders with an open hold, after a review."""
    factories.run(deciding.run)
    return set(Order.objects.filter(open_holds__gt=0).values_list("id", flat=True))


def test_an_amount_over_the_limit_is_held_and_one_at_the_limit_is_not(shop):
    rule("amount_over", amount="100.00")
    at = cod(shop, (shop.sku, 1, "94.00"))
    over = cod(shop, (shop.sku, 1, "94.01"))

    assert held() == {over.pk}

    assert (steps.state_of(at), steps.state_of(over)) == ("ready_to_split", "in_review")
    hold = Hold.objects.get()
    assert (hold.kind, hold.reason, hold.opened_by) == ("rule", "100.01 > 100.00", "rule amount_over")
    with override("en"):
        assert words.why(hold) == "rule amount_over: 100.01 > 100.00"


def test_the_order_over_a_buyers_limit_is_held_and_those_within_are_not(shop):
    rule("buyer_orders", orders=2, minutes=10)
    buyer = {"id": "B7", "name": "李雷", "phone": "13800002222"}
    orders = [cod(shop, buyer=buyer, ordered_at=f"2026-01-02T09:0{minute}:00+08:00") for minute in (0, 1, 2)]
    later = cod(shop, buyer=buyer, ordered_at="2026-01-02T09:11:00+08:00")
    cod(shop, buyer={**buyer, "id": "B8"}, ordered_at="2026-01-02T09:03:00+08:00")

    assert held() == {orders[2].pk}

    assert steps.state_of(later) == "ready_to_split"


def test_the_order_over_an_addresss_limit_is_held_however_the_address_is_written(shop):
    rule("address_orders", orders=1, minutes=10)
    recipient = shop.body()["recipient"]
    first = cod(shop, recipient={**recipient, "address": "中山路861号13栋A室"}, ordered_at="2026-01-02T09:00:00+08:00")
    second = cod(
        shop,
        recipient={**recipient, "address": "中山路 861号-13栋,a室"},
        buyer={"id": "other", "name": "李雷", "phone": "13800002222"},
        ordered_at="2026-01-02T09:01:00+08:00",
    )

    assert held() == {second.pk}
    assert steps.state_of(first) == "ready_to_split"


def test_too_many_units_of_a_sku_are_held_also_over_several_lines(shop):
    rule("sku_units_over", units=5)
    cod(shop, (shop.sku, 5, "1.00"), (shop.other_sku, 5, "1.00"))
    over = cod(shop, (shop.sku, 3, "1.00"), (shop.sku, 3, "1.00"))

    assert held() == {over.pk}


def test_a_rule_for_one_sku_lets_others_pass(shop):
    rule("sku_units_over", units=5, skus=[shop.sku.code])
    cod(shop, (shop.other_sku, 6, "1.00"))
    over = cod(shop, (shop.sku, 6, "1.00"))

    assert held() == {over.pk}


def test_an_inactive_rule_holds_nothing(shop):
    rule("amount_over", amount="1.00")
    factories.change_review_rules(is_active=False)
    cod(shop)

    assert held() == set()


@pytest.mark.parametrize("denied", ["13800009999", "138 0000 9999", "+8613800009999", "86-138-0000-9999"])
@pytest.mark.parametrize("written", ["13800009999", "+8613800009999", "86 13800009999"])
def test_a_denied_phone_is_held_however_it_is_written(shop, denied, written):
    rule("on_list", list="deny")
    factories.listed(kind="phone", phone=denied, reason="fraud")
    other = cod(shop)
    as_recipient = cod(shop, recipient={**shop.body()["recipient"], "phone": written})
    as_buyer = cod(shop, buyer={"id": "B2", "name": "李雷", "phone": written})

    assert held() == {as_recipient.pk, as_buyer.pk}
    assert steps.state_of(other) == "ready_to_split"


def test_a_denied_address_is_held_however_it_is_written(shop):
    rule("on_list", list="deny")
    factories.listed(kind="address", region_code="110101", address="中山路 861号 13栋-837室", reason="fraud")
    denied = cod(shop)
    cod(shop, recipient={**shop.body()["recipient"], "address": "中山路862号"})

    assert held() == {denied.pk}


def test_a_released_hold_is_not_opened_again_by_the_same_rule(shop):
    rule("amount_over", amount="1.00")
    order = cod(shop)
    held()

    release_hold(Hold.objects.get().pk, note="looks fine", actor=steps.STAFF)

    assert held() == set()
    assert steps.state_of(order) == "ready_to_split"
    assert Hold.objects.count() == 1


def test_several_holds_are_released_one_by_one(shop):
    rule("amount_over", amount="1.00")
    rule("sku_units_over", units=1)
    order = cod(shop)
    held()
    assert steps.fresh(order).open_holds == 2
    first, second = Hold.objects.order_by("id")

    release_hold(first.pk, note="", actor=steps.STAFF)
    release_hold(first.pk, note="", actor=steps.STAFF)
    factories.run(deciding.run)
    assert (steps.fresh(order).open_holds, steps.state_of(order)) == (1, "in_review")

    release_hold(second.pk, note="", actor=steps.STAFF)
    factories.run(deciding.run)
    assert (steps.fresh(order).open_holds, steps.state_of(order)) == (0, "ready_to_split")
    assert steps.broken_invariants() == []


def test_an_order_waits_out_its_grace_period(shop, settings):
    settings.GRACE_PERIOD_SECONDS = 300
    order = cod(shop)
    Order.objects.update(ready_at=timezone.now() - timedelta(seconds=1))

    assert deciding.run(10) == 1
    order = steps.fresh(order)
    assert order.state == "in_review"
    left = order.ready_at - timezone.now()
    assert timedelta(seconds=290) < left <= timedelta(seconds=300)
    assert deciding.run(10) == 0

    Order.objects.update(ready_at=timezone.now() - timedelta(seconds=1))
    assert deciding.run(10) == 1
    assert steps.state_of(order) == "ready_to_split"


def test_a_hold_within_the_grace_period_stops_the_order(shop, settings):
    settings.GRACE_PERIOD_SECONDS = 300
    order = cod(shop)
    deciding.run(10)

    hold_order(order.pk, reason="the buyer called", actor=steps.STAFF)
    factories.run(deciding.run)

    assert steps.state_of(order) == "in_review"


@pytest.mark.parametrize(
    ("prepare", "stage", "before", "after"),
    [
        ("in_review", splitting.run, "ready_to_split", "split"),
        ("split", allocating.run, "awaiting_allocation", "allocated"),
        ("allocated", releasing.run, "allocated", "released"),
    ],
)
def test_a_hold_stops_every_stage_until_it_is_released(shop, prepare, stage, before, after):
    order = cod(shop)
    if prepare == "in_review":
        factories.run(deciding.run)
    if prepare in ("split", "allocated"):
        steps.approve_and_split()
    if prepare == "allocated":
        factories.run(allocating.run)
    row = SubOrder.objects.filter(order=order).first() or order
    hold = hold_order(order.pk, reason="look", actor=steps.STAFF)

    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(stage)
        assert steps.state_of(row) == before
        release_hold(hold.pk, note="", actor=steps.STAFF)
        factories.run(stage)

    assert steps.state_of(row) == after


def test_a_hold_stops_the_waybill(shop):
    install_default_carriers()
    order = cod(shop)
    sub_order = steps.released(order)
    steps.warehouse_says(sub_order, "packed")
    hold = hold_order(order.pk, reason="look", actor=steps.STAFF)

    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        factories.run(dispatching.run)
        assert carrier.booked == []
        release_hold(hold.pk, note="", actor=steps.STAFF)
        factories.run(dispatching.run)
        assert len(carrier.booked) == 1


def test_a_hold_stops_virtual_goods(shop):
    code = factories.SkuFactory(merchant=shop.merchant, storage_class="virtual")
    warehouse = factories.WarehouseFactory(kind="virtual", storage_classes=["virtual"])
    factories.StockFactory(sku=code, warehouse=warehouse)
    order = factories.allocated_order(code, merchant=shop.merchant, freight_amount="0.00")
    hold = hold_order(order.pk, reason="look", actor=steps.STAFF)

    factories.run(delivering.run)
    assert SubOrder.objects.get().state == "allocated"
    release_hold(hold.pk, note="", actor=steps.STAFF)
    factories.run(delivering.run)

    assert SubOrder.objects.get().state == "delivered"


def test_an_order_that_is_over_cannot_be_held(shop):
    from orders.changing.cancelling import cancel_order

    order = shop.place_order()
    cancel_order(order.pk, reason="x", actor=steps.STAFF)

    with pytest.raises(CannotHold):
        hold_order(order.pk, reason="look", actor=steps.STAFF)

    assert not Hold.objects.exists()


def test_a_hold_needs_a_reason_and_a_fresh_page(shop):
    order = shop.place_order()
    with pytest.raises(OmsError):
        hold_order(order.pk, reason=" ", actor=steps.STAFF)
    with pytest.raises(ChangedMeanwhile):
        hold_order(order.pk, reason="x", actor=steps.STAFF, version=order.version + 1)

    assert steps.fresh(order).open_holds == 0


def test_the_hold_of_a_cancellation_is_not_a_persons_to_release(shop):
    from orders.changing.cancelling import cancel_order

    order = cod(shop)
    steps.released(order)
    cancel_order(order.pk, reason="x", actor=steps.STAFF)

    with pytest.raises(CannotRelease):
        release_hold(Hold.objects.get().pk, note="", actor=steps.STAFF)

    assert steps.fresh(order).open_holds == 1
