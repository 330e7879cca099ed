"""Real threads on real rows: nobody takes what another has, nobody waits for ever."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from time import monotonic, sleep
from unittest import mock

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from inventory import receiving, reserving
from inventory.models import Reservation, Stock
from oms.common.models import InboundFact
from oms.common.work import clock
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, waking
from orders.models import Order, OrderEvent, SubOrder
from orders.stock.stocktaking import PromisedElsewhere, count_stock
from payments.taking import noticing
from tests import factories, steps

pytestmark = pytest.mark.django_db(transaction=True)


def in_thread(pool: ThreadPoolExecutor, work: Callable[[], object]) -> Future:  # type: ignore[type-arg]
    """Do the work in another thread with a connection of its own."""

    def run() -> object:
        try:
            with clock.skipping_waits():
                return work()
        finally:
            connection.close()

    return pool.submit(run)


def wait_for_a_lock() -> list[int]:
    """Until some session of the database waits for a lock; the processes of those that do."""
    end = monotonic() + 10
    while monotonic() < end:
        with connection.cursor() as cursor:
            # Within a transaction the activity stays as it was when it was first looked at.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if waiting := [pid for (pid,) in cursor.fetchall()]:
                return waiting
        sleep(0.02)
    raise AssertionError("nobody waits")


def test_an_order_cancelled_while_it_is_being_spread_leaves_no_part_behind():
    """The cancellation waits for the allocation, which adds a part that the waiting statement cannot see."""
    shop = factories.make_shop()
    near = factories.WarehouseFactory(merchant=shop.merchant)
    rare = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=rare, warehouse=near, on_hand=5)
    order = factories.split_order((shop.sku, 1, "1.00"), (rare, 1, "1.00"), merchant=shop.merchant)
    allocated, go_on = Event(), Event()

    def allocate() -> None:
        with transaction.atomic():
            allocating.run(10)
            allocated.set()
            assert go_on.wait(10)

    def cancel() -> None:
        cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    with ThreadPoolExecutor(2) as pool:
        first = in_thread(pool, allocate)
        assert allocated.wait(10)
        second = in_thread(pool, cancel)
        wait_for_a_lock()
        go_on.set()
        first.result(10)
        second.result(10)

    assert SubOrder.objects.filter(order=order).count() == 2
    assert set(SubOrder.objects.values_list("state", flat=True)) == {"cancelled"}
    assert steps.state_of(order) == "cancelled"
    assert set(Stock.objects.values_list("reserved", flat=True)) == {0}
    assert steps.broken_invariants() == []


def test_goods_that_arrive_between_plan_and_reservation_are_not_missed():
    shop = factories.make_shop()
    sku = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=0)
    order = factories.split_order((sku, 2, "1.00"), merchant=shop.merchant)
    reserve = reserving.reserve

    def arrive() -> None:
        receiving.receive(shop.warehouse.pk, sku.pk, 2, actor="test")
        waking.run(10)

    def reserve_late(*args: object, **options: object) -> set[int]:
        with ThreadPoolExecutor(1) as pool:
            in_thread(pool, arrive).result(10)
        return reserve(*args, **options)  # type: ignore[arg-type]

    with mock.patch("inventory.reserving.reserve", reserve_late):
        steps.once(allocating.run)
    assert not Stock.objects.get(sku=sku).wakes_backorders_since
    steps.once(allocating.run)

    assert SubOrder.objects.get(order=order).state == "allocated"


def test_a_row_of_which_less_is_kept_back_is_marked_when_it_is_written_however_long_that_waited(admin_client):
    """Whoever wakes meanwhile clears the mark that he saw: a mark of before his look would tell nobody."""
    stock = factories.StockFactory(on_hand=5, safety_stock=5)
    page = reverse("admin:inventory_stock_change", args=[stock.pk])
    form = {"safety_stock": 0, "reorder_point": 1, "reorder_quantity": 0}
    is_written, go_on = Event(), Event()

    def write() -> datetime:
        with transaction.atomic(), connection.cursor() as cursor:
            Stock.objects.filter(pk=stock.pk).update(reorder_point=1)
            is_written.set()
            assert go_on.wait(10)
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0]

    with ThreadPoolExecutor(2) as pool:
        first = in_thread(pool, write)
        assert is_written.wait(10)
        saved = in_thread(pool, lambda: admin_client.post(page, form).status_code)
        wait_for_a_lock()
        go_on.set()
        assert saved.result(10) == 302

    stock.refresh_from_db()
    assert (stock.safety_stock, stock.wakes_backorders_since > first.result(10)) == (0, True)


def test_goods_that_arrive_while_they_are_looked_at_wake_once_more():
    """A stock row that changed after the look is marked anew, as of that moment."""
    shop = factories.make_shop()
    sku = factories.SkuFactory(merchant=shop.merchant)
    stock = factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=0)
    receiving.receive(shop.warehouse.pk, sku.pk, 1, actor="test")
    long_ago = timezone.now() - timedelta(minutes=5)
    Stock.objects.filter(pk=stock.pk).update(wakes_backorders_since=long_ago)
    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        seen = []

        def note(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
            result = execute(sql, params, many, context)
            if "AS grew_at" in sql and not seen:
                seen.append(sql)
                in_thread(pool, lambda: receiving.receive(shop.warehouse.pk, sku.pk, 1, actor="test")).result(10)
            return result

        with connection.execute_wrapper(note):
            assert waking.run(10) == 1

    stock.refresh_from_db()
    assert stock.on_hand == 2
    assert stock.wakes_backorders_since > long_ago + timedelta(minutes=4)
    factories.run(waking.run)
    stock.refresh_from_db()
    assert not stock.wakes_backorders_since


def test_allocators_on_hot_skus_promise_exactly_what_there_is():
    shop = factories.make_shop()
    factories.WarehouseFactory(merchant=shop.merchant)
    skus = [factories.SkuFactory(merchant=shop.merchant) for _ in range(4)]
    far = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    for sku in skus:
        factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=30)
        factories.StockFactory(sku=sku, warehouse=far, on_hand=10)
    with transaction.atomic():
        for i in range(60):
            first, second = skus[i % 4], skus[(i + 1 + i % 3) % 4]
            shop.place_order((first, 1, "1.00"), (second, 1, "1.00"), payment_method="cod")
    steps.approve_and_split()

    def allocate() -> int:
        return sum(allocating.run(7) for _ in range(40))

    with ThreadPoolExecutor(4) as pool:
        workers = [in_thread(pool, allocate) for _ in range(4)]
        for worker in workers:
            worker.result(60)
    factories.run(allocating.run)

    wanted = {sku.pk: 0 for sku in skus}
    for line in Order.objects.values_list("lines__sku", flat=True):
        wanted[line] += 1
    reserved = {sku.pk: sum(Stock.objects.filter(sku=sku).values_list("reserved", flat=True)) for sku in skus}
    assert reserved == {key: min(units, 40) for key, units in wanted.items()}
    assert not SubOrder.objects.exclude(last_error="").exists()
    assert set(SubOrder.objects.values_list("state", flat=True)) <= {"allocated", "backordered"}
    assert steps.broken_invariants() == []


def test_counting_and_allocating_at_once_neither_deadlock_nor_lose_a_unit():
    shop = factories.make_shop()
    stocks = list(Stock.objects.order_by("id"))
    with transaction.atomic():
        for i in range(40):
            lines = [(shop.sku, 1, "1.00"), (shop.other_sku, 1, "1.00")]
            shop.place_order(*lines[:: 1 if i % 2 else -1], payment_method="cod")
    steps.approve_and_split()

    def allocate() -> None:
        for _ in range(25):
            allocating.run(5)

    def count(stock: Stock) -> int:
        refused = 0
        for counted in (20, 60, 10, 80, 15, 90):
            try:
                count_stock(stock.pk, counted, actor=steps.STAFF)
            except PromisedElsewhere:
                refused += 1
        return refused

    with ThreadPoolExecutor(4) as pool:
        works = [in_thread(pool, allocate), in_thread(pool, allocate)]
        works += [in_thread(pool, lambda stock=stock: count(stock)) for stock in stocks]
        for work in works:
            work.result(60)
    factories.run(waking.run, allocating.run)

    assert steps.broken_invariants() == []
    assert set(Stock.objects.values_list("reserved", flat=True)) == {40}
    assert Reservation.objects.filter(state="active").count() == 80


def test_workers_that_apply_the_same_notices_apply_each_once():
    shop = factories.make_shop()
    with transaction.atomic():
        orders = [shop.place_order() for _ in range(30)]
    steps.ask_for_payment()
    for order in orders:
        steps.notify(f"{order.number}-P1", "26.00")

    with ThreadPoolExecutor(3) as pool:
        workers = [in_thread(pool, lambda: [noticing.run(10) for _ in range(10)]) for _ in range(3)]
        for worker in workers:
            worker.result(60)
    factories.run(noticing.run)

    assert set(Order.objects.values_list("state", flat=True)) == {"in_review"}
    assert OrderEvent.objects.filter(kind="paid").count() == 30
    assert set(InboundFact.objects.values_list("state", flat=True)) == {"applied"}


def test_a_count_locks_its_losers_stock_in_the_one_order():
    """It must not hold the later row while it waits for the earlier one, which an allocator may hold."""
    shop = factories.make_shop()
    factories.allocated_order(shop.sku, shop.other_sku, merchant=shop.merchant)
    earlier, later = Stock.objects.order_by("warehouse_id", "sku_id")
    locked, go_on = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            reserving.lock_stock([earlier.pk])
            locked.set()
            assert go_on.wait(10)

    with ThreadPoolExecutor(2) as pool:
        holder = in_thread(pool, hold)
        assert locked.wait(10)
        counting = in_thread(pool, lambda: count_stock(later.pk, 0, actor=steps.STAFF))
        wait_for_a_lock()
        try:
            with transaction.atomic():
                Stock.objects.select_for_update(nowait=True, no_key=True).get(pk=later.pk)
        finally:
            go_on.set()
        holder.result(10)
        counting.result(10)

    assert SubOrder.objects.get().state == "backordered"
    assert steps.broken_invariants() == []
