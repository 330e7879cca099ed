"""Promising units, giving them back, taking them out; the ledger explains every figure."""

from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore

import pytest
from django.db import IntegrityError, connection, transaction

from inventory import receiving, reserving
from inventory.invariants import INVARIANTS
from inventory.models import DemandKind, Reservation, Stock, StockMovement
from inventory.reserving import Demand, Shortage
from oms.common.errors import OmsError
from tests import factories, steps
from tests.invariants import check

pytestmark = pytest.mark.django_db


def test_a_group_gets_all_its_units_or_none(shop):
    plenty, scarce = shop.sku.stock.get(), factories.StockFactory(on_hand=1)

    served = reserving.reserve(
        [Demand(1, 101, plenty.pk, 5), Demand(1, 102, scarce.pk, 2), Demand(2, 103, scarce.pk, 1)], actor="test"
    )

    assert served == {2}
    assert steps.fresh(plenty).reserved == 0
    assert steps.fresh(scarce).reserved == 1
    assert list(Reservation.objects.values_list("demand_id", "quantity", "state")) == [(103, 1, "active")]


def test_first_come_first_served(shop):
    stock = factories.StockFactory(on_hand=3)

    served = reserving.reserve([Demand(group, 100 + group, stock.pk, 2) for group in (1, 2, 3)], actor="test")

    assert served == {1}
    assert steps.fresh(stock).reserved == 2


def test_a_plan_whose_shortage_is_over_is_not_served(shop):
    stock = factories.StockFactory(on_hand=5)

    assert reserving.reserve([], shortages=[Shortage(1, stock.pk, 5)], actor="test") == {1}
    assert reserving.reserve([], shortages=[Shortage(1, stock.pk, 4)], actor="test") == set()


def test_released_units_can_be_promised_again_and_wake_who_waits(shop):
    stock = factories.StockFactory(on_hand=3)
    reserving.reserve([Demand(1, 101, stock.pk, 3)], actor="test")
    assert not steps.fresh(stock).wakes_backorders_since

    assert reserving.release([101], actor="test", note="cancelled") == 3
    assert reserving.release([101], actor="test") == 0

    stock = steps.fresh(stock)
    assert (stock.on_hand, stock.reserved, bool(stock.wakes_backorders_since)) == (3, 0, True)
    assert reserving.reserve([Demand(1, 101, stock.pk, 3)], actor="test") == {1}


def test_some_of_the_units_of_a_demand_can_be_given_back(shop):
    stock = factories.StockFactory(on_hand=5)
    reserving.reserve([Demand(1, 101, stock.pk, 3), Demand(1, 102, stock.pk, 2)], actor="test")

    assert reserving.release_units({101: 1, 102: None, 103: 4}, actor="test") == 3

    assert steps.fresh(stock).reserved == 2
    assert set(Reservation.objects.values_list("demand_id", "quantity", "state")) == {
        (101, 2, "active"),
        (102, 2, "released"),
    }
    assert broken_stock() == []


@pytest.mark.parametrize("end", [reserving.release_units, reserving.consume_units])
def test_no_more_units_are_given_back_or_taken_out_than_are_promised(end):
    stock = factories.StockFactory(on_hand=9)
    reserving.reserve([Demand(1, 101, stock.pk, 3), Demand(1, 102, stock.pk, 5)], actor="test")

    with pytest.raises(reserving.MoreThanPromised, match=r"sub_order_line \[101\]"), transaction.atomic():
        end({101: 4, 102: 4}, actor="test")

    assert (steps.fresh(stock).on_hand, steps.fresh(stock).reserved) == (9, 8)
    assert end({101: 3, 102: 3}, actor="test") == 6
    assert broken_stock() == []


def test_demands_of_different_kinds_may_have_the_same_id(shop):
    stock = factories.StockFactory(on_hand=5)
    reserving.reserve([Demand(1, 101, stock.pk, 2)], actor="test")
    reserving.reserve([Demand(1, 101, stock.pk, 3)], kind=DemandKind.TRANSFER, actor="test")

    assert reserving.release([101], kind=DemandKind.HOLD, actor="test") == 0
    assert reserving.consume([101], kind=DemandKind.TRANSFER, actor="test") == 3

    stock = steps.fresh(stock)
    assert (stock.on_hand, stock.reserved) == (2, 2)
    assert set(Reservation.objects.values_list("demand_kind", "quantity", "state")) == {
        ("sub_order_line", 2, "active"),
        ("transfer", 3, "consumed"),
    }
    assert list(
        StockMovement.objects.filter(stock=stock)
        .exclude(kind="opening")
        .order_by("id")
        .values_list("kind", "demand_kind", "demand_id")
    ) == [("reserve", "sub_order_line", 101), ("reserve", "transfer", 101), ("ship", "transfer", 101)]
    assert broken_stock() == []


def test_a_demand_of_one_kind_has_one_active_reservation(shop):
    stock = factories.StockFactory(on_hand=5)
    reserving.reserve([Demand(1, 101, stock.pk, 2)], actor="test")

    with pytest.raises(IntegrityError, match="reservation_one_active_for_a_demand"), transaction.atomic():
        reserving.reserve([Demand(2, 101, stock.pk, 2)], actor="test")

    assert steps.fresh(stock).reserved == 2


def broken_stock() -> list[str]:
    """Invariants of stock that do not hold; the demands of these tests belong to no sub-order."""
    return [finding.invariant.name for finding in check(INVARIANTS)]


def test_consumed_units_are_gone_once(shop):
    stock = factories.StockFactory(on_hand=3)
    reserving.reserve([Demand(1, 101, stock.pk, 2)], actor="test")

    assert reserving.consume([101], actor="test") == 2
    assert reserving.consume([101], actor="test") == 0

    stock = steps.fresh(stock)
    assert (stock.on_hand, stock.reserved, bool(stock.wakes_backorders_since)) == (1, 0, False)
    ledger = StockMovement.objects.filter(stock=stock).order_by("id")
    assert list(ledger.values_list("kind", "on_hand_change", "reserved_change")) == [
        ("opening", 3, 0),
        ("reserve", 0, 2),
        ("ship", -2, -2),
    ]


def test_goods_received_are_booked_and_wake_who_waits(shop):
    stock = shop.sku.stock.get()

    assert receiving.receive(shop.warehouse.pk, shop.sku.pk, 7, actor="test") == 107

    stock = steps.fresh(stock)
    assert (stock.on_hand, bool(stock.wakes_backorders_since)) == (107, True)
    new = factories.SkuFactory(merchant=shop.merchant)
    assert receiving.receive(shop.warehouse.pk, new.pk, 4, actor="test") == 4
    for units in (0, -1):
        with pytest.raises(OmsError):
            receiving.receive(shop.warehouse.pk, shop.sku.pk, units, actor="test")


@pytest.mark.django_db(transaction=True)
def test_two_hundred_threads_that_want_the_last_hundred_units_get_exactly_a_hundred():
    stock = factories.StockFactory(on_hand=100)
    places = Semaphore(20)

    def want(demand: int) -> bool:
        with places:
            try:
                with transaction.atomic():
                    return bool(reserving.reserve([Demand(demand, demand, stock.pk, 1)], actor="race"))
            finally:
                connection.close()

    with ThreadPoolExecutor(200) as threads:
        outcomes = list(threads.map(want, range(1, 201)))

    assert outcomes.count(True) == 100
    stock = Stock.objects.get()
    assert (stock.on_hand, stock.reserved) == (100, 100)
    assert Reservation.objects.filter(state="active").count() == 100
    assert StockMovement.objects.filter(kind="reserve").count() == 100


@pytest.mark.django_db(transaction=True)
def test_groups_that_want_the_same_rows_in_opposite_order_do_not_deadlock():
    stocks = [factories.StockFactory(on_hand=1000) for _ in range(4)]

    def want(i: int) -> int:
        rows = stocks if i % 2 else stocks[::-1]
        try:
            with transaction.atomic():
                demands = [Demand(i, i * 10 + n, stock.pk, 1) for n, stock in enumerate(rows)]
                served = len(reserving.reserve(demands, actor="race"))
            if i % 3 == 0:
                with transaction.atomic():
                    reserving.release([demand.demand_id for demand in reversed(demands)], actor="race")
            return served
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(want, range(1, 121))) == 120

    assert [stock.reserved for stock in Stock.objects.all()] == [80] * 4
