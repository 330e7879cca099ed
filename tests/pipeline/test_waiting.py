"""Who waits for stock, or is held: it costs the others nothing, and units go to those that wait longest."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from unittest import mock

import pytest
from django.db import transaction

from inventory import receiving, reserving
from inventory.models import Sku, Stock
from logistics.carriers import dispatching
from logistics.warehouses import releasing
from oms.common.work.claiming import Queue, claim
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, waking
from orders.models import Order, StockWait, SubOrder
from orders.reviewing.holds import hold_order, release_hold
from tests import crowds, factories, plans, steps
from tests.pipeline.test_races import in_thread, wait_for_a_lock

pytestmark = pytest.mark.django_db

CROWD = 2000


@pytest.fixture
def rare(shop: factories.Shop) -> Sku:
    """A SKU of which the shop's warehouse has nothing."""
    sku = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=0)
    return sku


def waiter(sku: Sku, units: int = 1) -> Order:
    """An order that waits for units of the SKU."""
    return factories.allocated_order((sku, units, "1.00"), merchant=sku.merchant)


def arrive(shop: factories.Shop, sku: Sku, units: int) -> None:
    """Units come to the shop's warehouse."""
    receiving.receive(shop.warehouse.pk, sku.pk, units, actor="test")


def allocated(*orders: Order) -> list[int]:
    """How many units of each order have a warehouse now."""
    parts = SubOrder.objects.filter(state="allocated")
    return [sum(parts.filter(order=order).values_list("total_quantity", flat=True)) for order in orders]


def awake() -> int:
    """How many backordered sub-orders are to be tried."""
    return SubOrder.objects.filter(state="backordered", ready_at__isnull=False).count()


def test_one_unit_wakes_one_of_a_crowd_the_one_that_waits_longest(shop, rare):
    first = waiter(rare)
    crowds.copy_order(first, CROWD)
    assert awake() == 0
    arrive(shop, rare, 1)

    assert plans.rows_read(lambda: waking.run(1000), "AS grew_at") <= 5
    assert waking.run(1000) == 1

    assert SubOrder.objects.get(state="backordered", ready_at__isnull=False).order_id == first.pk
    assert steps.once(allocating.run) == 1
    assert allocated(first) == [1]
    assert steps.once(allocating.run) == 0
    assert not Stock.objects.exclude(wakes_backorders_since=None).exists()
    assert StockWait.objects.count() == CROWD


def test_units_wake_as_many_as_they_can_serve(shop, rare):
    waiters = [waiter(rare, units) for units in (2, 3, 1, 1, 1)]
    arrive(shop, rare, 4)

    waking.run(1000)

    assert awake() == 2
    factories.run(waking.run, allocating.run)
    assert allocated(*waiters) == [2, 2, 0, 0, 0]
    arrive(shop, rare, 2)
    factories.run(waking.run, allocating.run)
    assert allocated(*waiters) == [2, 3, 1, 0, 0]
    assert awake() == 0
    assert steps.broken_invariants() == []


def test_many_units_wake_everybody_a_batch_at_a_time(shop, rare):
    first = waiter(rare)
    crowds.copy_order(first, 50)
    arrive(shop, rare, 1000)

    assert waking.run(20) == 20
    assert awake() == 20
    factories.run(allocating.run)

    assert SubOrder.objects.filter(state="allocated").count() == 51


def test_what_was_split_off_keeps_its_place(shop, rare):
    """Its number and id are younger than those of orders that came after its own."""
    arrive(shop, rare, 1)
    old = factories.split_order((rare, 3, "1.00"), merchant=shop.merchant)
    young = factories.split_order((rare, 1, "1.00"), merchant=shop.merchant)
    in_between = old.sub_orders.get().waiting_since + timedelta(microseconds=1)
    SubOrder.objects.filter(order=young).update(waiting_since=in_between)
    factories.run(allocating.run)
    part = SubOrder.objects.get(order=old, state="backordered")
    assert part.pk > SubOrder.objects.get(order=young).pk
    assert part.waiting_since == old.sub_orders.get(parent=None).waiting_since

    arrive(shop, rare, 1)
    factories.run(waking.run, allocating.run)

    assert allocated(old, young) == [2, 0]
    waking.wake_all()
    arrive(shop, rare, 1)
    factories.run(allocating.run)
    assert allocated(old, young) == [3, 0]
    assert steps.broken_invariants() == []


def test_an_order_that_only_just_came_does_not_take_what_others_wait_for(shop, rare):
    old = waiter(rare)
    arrive(shop, rare, 1)
    new = factories.split_order((rare, 1, "1.00"), merchant=shop.merchant)

    factories.run(allocating.run)

    assert allocated(old, new) == [1, 0]
    assert steps.broken_invariants() == []


def test_units_that_the_first_does_not_take_go_to_the_next(shop, rare):
    first, second, third = waiter(rare), waiter(rare), waiter(rare)
    arrive(shop, rare, 1)
    waking.run(1000)
    cancel_order(first.pk, reason="no more", actor=steps.STAFF)

    factories.run(allocating.run)

    assert allocated(first, second, third) == [0, 1, 0]
    assert awake() == 0
    assert steps.broken_invariants() == []


def test_one_that_needs_a_person_keeps_no_units_from_the_next(shop, rare):
    first, second = waiter(rare), waiter(rare)
    stuck = SubOrder.objects.get(order=first)
    SubOrder.objects.filter(pk=stuck.pk).update(ready_at=stuck.created_at, needs_person_since=stuck.created_at)
    arrive(shop, rare, 1)

    factories.run(waking.run, allocating.run)

    assert allocated(first, second) == [0, 1]
    assert not Stock.objects.exclude(wakes_backorders_since=None).exists()


def test_goods_that_the_first_may_not_have_go_to_the_next(shop, rare):
    """Sourcing decides who may have them: a warehouse that serves another province is none of the first one's, where
    rules ask the region's alone."""
    factories.activate_rules({"needs": ["serves_region"], "on_partial": "allocate", "on_none": "backorder"})
    far = factories.RegionFactory(code="440106", province="广东省", city="广州市", district="天河区")
    south = factories.WarehouseFactory(merchant=shop.merchant, region=far, serves=["广东省"])
    first = waiter(rare)
    body = shop.body((rare, 1, "1.00"), payment_method="cod")
    body["recipient"] |= {"region_code": "440106", "province": "广东省", "city": "广州市", "district": "天河区"}
    second = factories.place(body, shop.merchant)
    steps.approve_and_split()
    factories.run(allocating.run)

    receiving.receive(south.pk, rare.pk, 1, actor="test")
    assert waking.run(1000) == 1

    factories.run(allocating.run)
    assert allocated(first, second) == [0, 1]
    assert steps.broken_invariants() == []


def test_one_that_is_held_lets_others_pass_and_takes_its_place_again(shop, rare):
    first, second, third = waiter(rare), waiter(rare), waiter(rare)
    hold = hold_order(first.pk, reason="look", actor=steps.STAFF)
    assert not StockWait.objects.filter(sub_order__order=first).exists()
    assert steps.broken_invariants() == []
    arrive(shop, rare, 1)
    factories.run(waking.run, allocating.run)
    assert allocated(first, second, third) == [0, 1, 0]

    release_hold(hold.pk, note="", actor=steps.STAFF)
    factories.run(allocating.run)
    assert StockWait.objects.filter(sub_order__order=first).count() == 1
    arrive(shop, rare, 1)
    factories.run(waking.run, allocating.run)

    assert allocated(first, second, third) == [1, 1, 0]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("queue", "state"),
    [(allocating.QUEUE, "awaiting_allocation"), (releasing.QUEUE, "allocated"), (dispatching.QUEUE, "packed")],
)
def test_what_is_held_costs_a_claim_nothing(shop, queue: Queue, state: str):
    order = factories.split_order(shop.sku, merchant=shop.merchant)
    hold_order(order.pk, reason="look", actor=steps.STAFF)
    with steps.without_guards():
        SubOrder.objects.filter(order=order).update(
            state=state, warehouse=shop.warehouse, allocated_at=steps.NOON, released_at=steps.NOON
        )
    crowds.copy_order(order, CROWD)
    assert SubOrder.objects.filter(is_held=True, state=state).count() == CROWD + 1

    assert plans.rows_read(lambda: claim(queue, 1000), "SKIP LOCKED") == 0


def test_a_hold_does_not_change_the_version_of_a_sub_order(shop):
    order = factories.split_order(shop.sku, merchant=shop.merchant)
    before = SubOrder.objects.get(order=order).version

    hold = hold_order(order.pk, reason="look", actor=steps.STAFF)
    assert SubOrder.objects.get(order=order).is_held
    release_hold(hold.pk, note="", actor=steps.STAFF)

    part = SubOrder.objects.get(order=order)
    assert (part.is_held, part.version) == (False, before)


def test_the_net_tries_everybody_in_batches_one_part_at_a_time(shop, rare, settings):
    first = waiter(rare)
    crowds.copy_order(first, 44)
    settings.STAGE_BATCH = 10

    assert waking.wake_all(3) == awake() == 3
    assert {key % 15 for key in SubOrder.objects.exclude(ready_at=None).values_list("pk", flat=True)} == {3}
    assert waking.wake_all() == 42
    assert waking.wake_all() == 0


@pytest.mark.django_db(transaction=True)
def test_goods_that_come_to_a_new_place_while_an_allocation_looks_elsewhere_are_not_missed():
    """There was no stock row that the allocation could lock."""
    shop = factories.make_shop()
    sku = factories.SkuFactory(merchant=shop.merchant)
    order = factories.split_order((sku, 2, "1.00"), merchant=shop.merchant)
    reserve = reserving.reserve

    def reserve_late(*args: object, **options: object) -> set[int]:
        with ThreadPoolExecutor(1) as pool:
            in_thread(pool, lambda: (arrive(shop, sku, 2), waking.run(10))).result(10)
        return reserve(*args, **options)  # type: ignore[arg-type]

    with mock.patch("inventory.reserving.reserve", reserve_late):
        steps.once(allocating.run)
    assert steps.state_of(SubOrder.objects.get(order=order)) == "backordered"
    factories.run(allocating.run)

    assert allocated(order) == [2]
    assert steps.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
def test_an_order_held_while_it_is_being_spread_is_held_with_all_its_parts():
    shop = factories.make_shop()
    sku = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=1)
    order = factories.split_order((sku, 3, "1.00"), merchant=shop.merchant)
    spread, go_on = Event(), Event()

    def allocate() -> None:
        with transaction.atomic():
            allocating.run(10)
            spread.set()
            assert go_on.wait(10)

    with ThreadPoolExecutor(2) as pool:
        first = in_thread(pool, allocate)
        assert spread.wait(10)
        second = in_thread(pool, lambda: hold_order(order.pk, reason="look", actor=steps.STAFF))
        wait_for_a_lock()
        go_on.set()
        first.result(10)
        second.result(10)

    assert list(SubOrder.objects.filter(order=order).values_list("is_held", flat=True)) == [True, True]
    assert steps.broken_invariants() == []
