"""Real threads on the choice of warehouses: a day's last places, refusals that cross, moves that cross news."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from inventory import receiving
from inventory.models import CapacityBucket
from logistics.models import WarehouseOrder
from logistics.warehouses import events, moving_away, releasing, sending, stopping
from oms.common.zones import CHINA
from orders.fulfilling import allocating, splitting
from orders.fulfilling.moving import CannotMove
from orders.models import DeliveryPromise, SubOrder
from orders.promising import keeping
from orders.reviewing import deciding
from tests import factories, steps
from tests.pipeline.test_races import in_thread
from tests.promising.conftest import load_sample

pytestmark = pytest.mark.django_db(transaction=True)
LAST = {"on_partial": "allocate", "on_none": "backorder"}


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do all of them at the same time, each with a connection of its own."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(120) for future in [in_thread(pool, work) for work in works]]


def until_nothing_is_left(stage: Callable[[int], int], limit: int) -> None:
    while stage(limit):
        pass


def test_two_hundred_orders_at_once_get_the_last_fifty_places_of_a_warehouses_day():
    shop = factories.make_shop()
    near = shop.warehouse
    receiving.receive(near.pk, shop.sku.pk, 900, actor="test")
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=104.0, daily_capacity=0)
    factories.StockFactory(sku=shop.sku, warehouse=far, on_hand=1000)
    factories.activate_rules({"needs": ["room_today"], **LAST})
    today = timezone.now().astimezone(CHINA).date()
    CapacityBucket.objects.create(warehouse=near, day=today, capacity=50)
    for _ in range(200):
        shop.place_order((shop.sku, 1, "1.00"), payment_method="cod")
    factories.run(deciding.run, splitting.run)

    at_once(*[lambda: until_nothing_is_left(allocating.run, 20)] * 4)
    until_nothing_is_left(lambda limit: steps.once(allocating.run), 1)

    assert CapacityBucket.objects.get(warehouse=near, day=today).taken == 50
    assert SubOrder.objects.filter(warehouse=near, state="allocated").count() == 50
    assert SubOrder.objects.filter(warehouse=far, state="allocated").count() == 150
    assert shop.sku.stock.get(warehouse=near).reserved == 50
    assert steps.broken_invariants() == []


def test_two_refusals_that_cross_are_one_and_the_third_warehouse_alone_sends():
    shop = factories.make_shop()
    for code, longitude in (("FAR", 104.0), ("THIRD", 90.0)):
        one = factories.WarehouseFactory(merchant=shop.merchant, code=code, longitude=longitude)
        factories.StockFactory(sku=shop.sku, warehouse=one)
    part = steps.released(shop.place_order(payment_method="cod"))
    for _ in range(2):
        work = WarehouseOrder.objects.get(is_current=True)
        steps.tell(work, "refused", key=f"a{work.pk}")
        steps.tell(work, "refused", key=f"b{work.pk}")
        at_once(*[lambda: until_nothing_is_left(events.run, 1)] * 2)
        SubOrder.objects.filter(pk=part.pk).update(needs_person_since=None)
        factories.run(allocating.run, releasing.run, sending.run)

    part = steps.fresh(part)
    assert (part.state, part.warehouse.code, len(part.refused_by)) == ("released", "THIRD", 2)
    assert WarehouseOrder.objects.filter(is_current=True).count() == 1
    assert WarehouseOrder.objects.count() == 3
    assert steps.broken_invariants() == []


def test_a_move_and_the_goods_leaving_cross_and_it_is_sent_once():
    shop = factories.make_shop()
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=104.0)
    factories.StockFactory(sku=shop.sku, warehouse=far)
    part = steps.released(shop.place_order(payment_method="cod"))
    steps.tell(WarehouseOrder.objects.get(), "shipped")

    def move() -> str:
        try:
            return str(moving_away.move(part.pk, to=far.pk, actor=steps.STAFF).state)
        except CannotMove:
            return "refused"

    at_once(move, lambda: until_nothing_is_left(events.run, 10))
    factories.run(events.run, allocating.run, releasing.run)

    assert steps.state_of(part) == "shipped"
    assert steps.fresh(part).warehouse == shop.warehouse
    assert WarehouseOrder.objects.count() == 1
    assert shop.sku.stock.get(warehouse=far).reserved == 0
    assert steps.broken_invariants() == []


def test_of_two_people_who_move_it_at_once_one_is_told_that_it_moved():
    shop = factories.make_shop()
    for code, longitude in (("FAR", 104.0), ("THIRD", 90.0)):
        one = factories.WarehouseFactory(merchant=shop.merchant, code=code, longitude=longitude)
        factories.StockFactory(sku=shop.sku, warehouse=one)
    order = factories.allocated_order(shop.sku, merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)

    def move() -> str:
        try:
            moving_away.move(part.pk, actor=steps.STAFF)
        except CannotMove:
            return "refused"
        return "moved"

    assert sorted(at_once(move, move)) == ["moved", "refused"]
    factories.run(allocating.run)
    assert SubOrder.objects.get(order=order).warehouse.code == "FAR"
    assert steps.broken_invariants() == []


def test_cut_offs_that_are_missed_while_the_warehouse_accepts_move_each_part_once_or_not_at_all():
    load_sample()
    shop = factories.make_shop()
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=117.0)
    factories.StockFactory(sku=shop.sku, warehouse=far)
    factories.activate_rules(LAST, moves_after_cutoff=True)
    goods = (shop.sku, 1, "1.00")
    parts = [steps.released(shop.place_order(goods, payment_method="cod")) for _ in range(24)]
    factories.run(keeping.run)
    now = timezone.now()
    DeliveryPromise.objects.update(cutoff_at=now - timedelta(hours=2), promised_by=now + timedelta(days=30))
    for work in WarehouseOrder.objects.order_by("pk")[:12]:
        steps.tell(work, "accepted")

    at_once(
        *[lambda: until_nothing_is_left(moving_away.run, 3)] * 3,
        lambda: until_nothing_is_left(events.run, 2),
    )
    factories.run(events.run, stopping.run, events.run, moving_away.run, allocating.run, releasing.run, sending.run)

    found = [steps.fresh(part) for part in parts]
    assert {part.warehouse.code for part in found} <= {shop.warehouse.code, "FAR"}
    assert {part.warehouse.code for part in found[12:]} == {"FAR"}, "nobody accepted these in time"
    current = WarehouseOrder.objects.filter(is_current=True)
    assert sorted(current.values_list("sub_order", flat=True)) == sorted(part.pk for part in found)
    assert all(work.warehouse_id == work.sub_order.warehouse_id for work in current.select_related("sub_order"))
    reserved = dict(shop.sku.stock.values_list("warehouse__code", "reserved"))
    assert sum(reserved.values()) == 24
    assert reserved["FAR"] == sum(part.warehouse.code == "FAR" for part in found)
    assert steps.broken_invariants() == []
