"""What backordered sub-orders are told while their goods are on order."""

from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from inventory import purchasing, receiving, transferring
from inventory.models import PurchaseOrder
from inventory.promising.expecting import ready_at
from inventory.purchasing import Bought
from inventory.transferring import Moved
from orders.fulfilling import allocating, waking
from orders.models import GoodsPromise, OrderEvent, SubOrder
from orders.promising import awaiting
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.promising.world import populate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def day(ahead: int) -> date:
    return timezone.localdate() + timedelta(days=ahead)


def buy(shop: factories.Shop, number: str, units: int, ahead: int, **more: Any) -> PurchaseOrder:
    lines = [Bought(shop.sku.code, units)]
    return steps.buy(shop.merchant, number, shop.warehouse, lines, expected_on=day(ahead), **more)


def waits(shop: factories.Shop, units: int) -> SubOrder:
    """A sub-order that waits for so many units: all that was there is gone."""
    order = factories.allocated_order((shop.sku, units, "1.00"), merchant=shop.merchant)
    return SubOrder.objects.get(order=order, state="backordered")


def said(part: SubOrder) -> list[tuple[int, int]]:
    """Each promise of the part: its number, and the days from now on which the goods should come."""
    rows = GoodsPromise.objects.filter(sub_order=part).order_by("number")
    return [(one.number, (one.expected_on - day(0)).days) for one in rows]


def told(part: SubOrder) -> list[tuple[str, str]]:
    rows = OrderEvent.objects.filter(sub_order=part, kind__startswith="goods_").order_by("id")
    return [(one.kind, one.data["day"]) for one in rows]


def test_who_waits_longest_is_promised_what_comes_first_and_a_day_that_moves_is_promised_anew_and_told(shop):
    factories.allocated_order((shop.sku, 100, "1.00"), merchant=shop.merchant)
    first, second = waits(shop, 30), waits(shop, 20)
    assert awaiting.run() == 0, "nothing is on order"
    early, late = buy(shop, "PO-1", 35, 3), buy(shop, "PO-2", 15, 9)
    buy(shop, "PO-3", 50, 1, is_draft=True)

    assert [awaiting.run(), awaiting.run()] == [2, 0]

    assert (said(first), said(second)) == ([(1, 3)], [(1, 9)])
    assert told(first) == [("goods_expected", str(day(3)))]
    PurchaseOrder.objects.filter(pk=early.pk).update(expected_on=day(5))
    assert awaiting.run() == 1
    assert (said(first), said(second)) == ([(1, 3), (2, 5)], [(1, 9)])
    assert told(first)[1:] == [("goods_day_moved", str(day(5)))]
    purchasing.end(late.pk, is_cancelled=True, actor="lin")
    assert awaiting.run() == 1
    assert told(second) == [("goods_expected", str(day(9))), ("goods_day_moved", "")]
    assert GoodsPromise.objects.get(sub_order=second).ended_at is not None
    assert GoodsPromise.objects.filter(ended_at=None).get().number == 2
    page = client_of(is_superuser=True).get(reverse("admin:orders_order_change", args=[first.order_id]))
    assert f"are promised for {day(5)} (promise 2)" in page.content.decode()
    assert steps.broken_invariants() == []


def test_a_promise_ends_untold_when_the_goods_are_there(shop):
    factories.allocated_order((shop.sku, 100, "1.00"), merchant=shop.merchant)
    part = waits(shop, 30)
    buy(shop, "PO-1", 30, 3)
    awaiting.run()
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 30, actor="gate")
    factories.run(waking.run, allocating.run)
    assert steps.state_of(part) == "allocated"
    assert awaiting.run() == 0
    assert not GoodsPromise.objects.filter(ended_at=None).exists()
    assert told(part) == [("goods_expected", str(day(3)))]


def test_goods_on_their_way_from_another_warehouse_are_promised_and_shown(shop):
    factories.allocated_order((shop.sku, 100, "1.00"), merchant=shop.merchant)
    part = waits(shop, 30)
    far = factories.WarehouseFactory(merchant=shop.merchant, storage_classes=["frozen"])
    factories.StockFactory(sku=shop.sku, warehouse=far, on_hand=30)
    made = transferring.draft(far, shop.warehouse, [Moved(shop.sku, 30)], actor="lin")
    transferring.approve(made.pk, actor="lin")
    assert awaiting.run() == 0, "it has not left"
    transferring.ship(made.pk, actor="lin", expected_on=day(2))
    assert (awaiting.run(), said(part)) == (1, [(1, 2)])
    page = client_of(is_superuser=True).get(reverse("admin:orders_order_change", args=[part.order_id]))
    assert (
        f"On its way: 30 of {shop.sku.code} to warehouse {shop.warehouse} by {day(2)} ({made.reference})."
        in unescape(page.content.decode())
    )
    transferring.expect(made.pk, day(4), actor="lin")
    assert (awaiting.run(), said(part)) == (1, [(1, 2), (2, 4)])


def test_a_day_that_is_over_or_too_far_is_none(shop):
    factories.allocated_order((shop.sku, 100, "1.00"), merchant=shop.merchant)
    part = waits(shop, 30)
    buy(shop, "PO-1", 30, -1)
    buy(shop, "PO-2", 30, 400)
    assert (awaiting.run(), said(part)) == (0, [])


def test_by_when_the_buyer_has_it_follows_from_the_day(shop):
    populate(shop.warehouse)
    factories.allocated_order((shop.sku, 100, "1.00"), merchant=shop.merchant)
    part = waits(shop, 30)
    buy(shop, "PO-1", 30, 3)
    awaiting.run()
    promise = GoodsPromise.objects.get(sub_order=part)
    assert promise.deliver_by is not None
    assert ready_at(day(3)) < promise.deliver_by < ready_at(day(3)) + timedelta(days=14)
