"""Carts, orders and time at once, in real threads: nobody gets what another has, and no unit is lost."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, local
from unittest import mock

import pytest
from django.db import connection, transaction

from inventory import holding, reserving
from inventory.hold_plans import Item, NewHold
from inventory.models import HoldPurpose, Stock, StockHold, Warehouse
from oms.common.work.claiming import run_until_empty
from orders.fulfilling import allocating, freeing, splitting
from orders.models import SubOrder
from orders.reviewing import deciding
from orders.stock.stocktaking import count_stock
from tests import factories, steps
from tests.holding import carts

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(works: Iterable[Callable[[], object]], threads: int) -> list[object]:
    """What came of each, or the exception."""

    def run(work: Callable[[], object]) -> object:
        try:
            return work()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, works))


def wanted(shop: factories.Shop, *units: int) -> NewHold:
    """So many units of the shop's SKUs, for a cart."""
    skus = (shop.sku, shop.other_sku)
    items = [
        Item(place, sku.code, sku.pk, sku.merchant_id, sku.storage_class, quantity)
        for place, (sku, quantity) in enumerate(zip(skus, units, strict=False), 1)
    ]
    return NewHold(shop.merchant.pk, shop.channel.pk, HoldPurpose.CART, items, seconds=600)


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def test_of_two_hundred_carts_fifty_get_the_last_fifty_units():
    shop = factories.make_shop()
    scarce = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=scarce, warehouse=shop.warehouse, on_hand=20)
    factories.StockFactory(sku=scarce, warehouse=factories.WarehouseFactory(merchant=shop.merchant), on_hand=30)
    item = Item(1, scarce.code, scarce.pk, shop.merchant.pk, scarce.storage_class, 1)
    new = NewHold(shop.merchant.pk, shop.channel.pk, HoldPurpose.CART, [item], seconds=600)
    before = deadlocks()

    outcomes = at_once([partial(holding.set_aside, new, actor="test")] * 200, threads=8)

    assert [outcome for outcome in outcomes if not isinstance(outcome, holding.Outcome)] == []
    assert sum(outcome.hold_id is not None for outcome in outcomes) == 50
    assert sorted(carts.figures(scarce)) == [(20, 20), (30, 30)]
    assert deadlocks() == before
    assert steps.broken_invariants() == []


def test_two_who_were_overtaken_at_different_warehouses_do_not_wait_for_each_other():
    """Each had planned on another warehouse's units; both were gone when it came to take them."""
    shop = factories.make_shop()
    scarce = factories.SkuFactory(merchant=shop.merchant)
    places = [shop.warehouse, factories.WarehouseFactory(merchant=shop.merchant)]
    for place in places:
        factories.StockFactory(sku=scarce, warehouse=place, on_hand=0)
    item = Item(1, scarce.code, scarce.pk, shop.merchant.pk, scarce.storage_class, 1)
    new = NewHold(shop.merchant.pk, shop.channel.pk, HoldPurpose.CART, [item], seconds=600)
    before = deadlocks()
    both = Barrier(2, timeout=20)
    read, reserve, mine = holding._stock_of, reserving.reserve, local()

    def read_too_early(sku_ids: Iterable[int], *, is_locked: bool) -> object:
        if is_locked:
            return read(sku_ids, is_locked=True)
        return {
            key: (stock, int(key[0] == mine.place.pk)) for key, (stock, _no) in read(sku_ids, is_locked=False).items()
        }

    def reserve_together(*args: object, **options: object) -> set[int]:
        served = reserve(*args, **options)  # type: ignore[arg-type]
        both.wait()
        return served

    def set_aside(place: Warehouse) -> object:
        mine.place = place
        return holding.set_aside(new, actor="test").hold_id

    with (
        mock.patch("inventory.holding._stock_of", read_too_early),
        mock.patch("inventory.reserving.reserve", reserve_together),
    ):
        outcomes = at_once([partial(set_aside, place) for place in places], threads=2)

    assert outcomes == [None, None]
    assert deadlocks() == before


@pytest.mark.parametrize("batch", [20, allocating.HOT + 10])
def test_of_two_hundred_orders_fifty_get_the_last_fifty_units(batch):
    shop = factories.make_shop()
    scarce = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=scarce, warehouse=shop.warehouse, on_hand=50)
    for _order in range(200):
        shop.place_order((scarce, 1, "1.00"), payment_method="cod")
    factories.run(deciding.run, splitting.run)
    before = deadlocks()

    errors = [
        one
        for one in at_once([partial(run_until_empty, allocating.STAGE, batch)] * 4, threads=4)
        if not isinstance(one, int)
    ]

    assert errors == []
    factories.run(allocating.run)
    assert SubOrder.objects.filter(state="allocated").count() == 50
    assert SubOrder.objects.filter(state="backordered").count() == 150
    assert carts.figures(scarce) == [(50, 50)]
    assert deadlocks() == before
    assert steps.broken_invariants() == []


def test_a_hot_batch_that_somebody_overtook_is_taken_back_and_gets_what_is_left():
    """Its plans were written already when it saw that a rival had taken ten units."""
    shop = factories.make_shop()
    for _order in range(allocating.HOT + 5):
        shop.place_order((shop.sku, 1, "1.00"), payment_method="cod")
    factories.run(deciding.run, splitting.run)
    count_stock(shop.sku.stock.get().pk, allocating.HOT, actor=steps.STAFF)
    reserve = reserving.reserve

    rivals: list[Callable[[], object]] = [partial(holding.set_aside, wanted(shop, 10), actor="rival")]

    def reserve_late(*args: object, **options: object) -> set[int]:
        if rivals:
            at_once([rivals.pop()], threads=1)
        return reserve(*args, **options)  # type: ignore[arg-type]

    with mock.patch("inventory.reserving.reserve", reserve_late):
        steps.once(allocating.run)
    factories.run(allocating.run)

    assert SubOrder.objects.filter(state="allocated").count() == allocating.HOT - 10
    assert SubOrder.objects.filter(state="backordered").count() == 15
    assert carts.figures(shop.sku) == [(50, 50)]
    assert steps.broken_invariants() == []


def test_carts_that_want_the_same_two_skus_in_either_order_never_wait_for_each_other():
    shop = factories.make_shop()
    there = wanted(shop, 1, 1)
    back = NewHold(
        there.merchant_id, there.channel_id, there.purpose, list(reversed(there.items)), seconds=600, is_whole=False
    )
    before = deadlocks()

    def give_back(new: NewHold) -> None:
        hold_id = holding.set_aside(new, actor="test").hold_id
        assert hold_id is not None
        holding.release(hold_id, actor="test")

    outcomes = at_once([partial(give_back, new) for new in [there, back] * 40], threads=6)

    assert outcomes == [None] * 80
    assert carts.figures(shop.sku) == carts.figures(shop.other_sku) == [(100, 0)]
    assert deadlocks() == before


def test_kept_longer_ordered_given_back_and_expired_at_once_one_of_them_wins():
    shop = factories.make_shop()
    ends = set()
    for _round in range(12):
        hold_id = holding.set_aside(wanted(shop, 2), actor="test").hold_id
        assert hold_id is not None
        number = StockHold.objects.get(pk=hold_id).number

        def order(number: str = number) -> object:
            return shop.place_order((shop.sku, 2, "10.00"), payment_method="cod", reservation=number)

        def expire(number: str = number) -> int:
            carts.let_time_pass(number)
            return freeing.run(10)

        works = [
            order,
            partial(holding.extend, hold_id, 900),
            expire,
            partial(holding.release, hold_id, actor="test"),
        ]
        outcomes = at_once(works, threads=4)

        state = StockHold.objects.get(pk=hold_id).state
        ends.add(state)
        assert (state == "ordered") == (not isinstance(outcomes[0], BaseException)), (state, outcomes)
        freeing.run(10)
    ordered = StockHold.objects.filter(state="ordered").count()
    assert carts.figures(shop.sku) == [(100, 2 * ordered)]
    assert ends <= {"ordered", "expired", "released"}
    factories.run(deciding.run, splitting.run, allocating.run, freeing.run)
    assert SubOrder.objects.filter(state="allocated").count() == ordered
    assert carts.figures(shop.sku) == [(100, 2 * ordered)]
    assert steps.broken_invariants() == []


def test_between_cart_and_allocation_nobody_else_gets_the_units():
    """Rivals try to set aside and allocate while the orders of all carts are allocated."""
    shop = factories.make_shop()
    numbers = []
    for _cart in range(25):
        hold_id = holding.set_aside(wanted(shop, 4), actor="test").hold_id
        assert hold_id is not None
        numbers.append(StockHold.objects.get(pk=hold_id).number)
    for number in numbers:
        shop.place_order((shop.sku, 4, "10.00"), payment_method="cod", reservation=number)
    for _rival in range(25):
        shop.place_order((shop.sku, 4, "10.00"), payment_method="cod", external_number=f"R-{_rival}")
    factories.run(deciding.run, splitting.run)
    works = [partial(run_until_empty, allocating.STAGE, 3)] * 3 + [
        partial(holding.set_aside, wanted(shop, 1), actor="x")
    ] * 12

    outcomes = at_once(works, threads=5)

    assert not [one for one in outcomes if isinstance(one, BaseException)]
    assert [one.hold_id for one in outcomes if isinstance(one, holding.Outcome)] == [None] * 12
    factories.run(allocating.run, freeing.run)
    parts = SubOrder.objects.filter(order__stock_hold__isnull=False)
    assert set(parts.values_list("state", "total_quantity")) == {("allocated", 4)}
    assert SubOrder.objects.filter(order__stock_hold=None, state="allocated").count() == 0
    assert set(StockHold.objects.values_list("state", flat=True)) == {"used"}
    assert Stock.objects.get(sku=shop.sku).reserved == 100
    assert steps.broken_invariants() == []


def test_a_cart_that_somebody_looks_at_long_is_passed_over_by_its_end():
    shop = factories.make_shop()
    hold_id = holding.set_aside(wanted(shop, 2), actor="test").hold_id
    assert hold_id is not None
    carts.let_time_pass(StockHold.objects.get(pk=hold_id).number)

    with transaction.atomic():
        StockHold.objects.select_for_update().get(pk=hold_id)
        assert at_once([partial(freeing.run, 10)], threads=1) == [0]

    assert freeing.run(10) == 1


def test_units_that_a_count_takes_while_an_order_takes_its_cart_over_do_not_go_back_too():
    shop = factories.make_shop()
    stock = Stock.objects.get(sku=shop.sku)
    for units in (5, 4):
        hold_id = holding.set_aside(wanted(shop, units), actor="test").hold_id
    number = StockHold.objects.get(pk=hold_id).number
    read, counted = holding.pieces, []

    def read_and_be_overtaken(hold_ids: Iterable[int]) -> object:
        found = read(hold_ids)
        if not counted:
            counted.extend(at_once([partial(count_stock, stock.pk, 6, actor=steps.STAFF)], threads=1))
        return found

    with mock.patch("inventory.holding.pieces", read_and_be_overtaken):
        shop.place_order((shop.sku, 1, "10.00"), reservation=number)

    assert [one.on_hand for one in counted] == [6]
    assert steps.fresh(stock).reserved == 6
    assert steps.broken_invariants() == []
