"""What orders tell of demand, and the lines that are made of it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from inventory.models import DailyDemand, ReplenishmentPolicy
from inventory.replenishing import demand, levels
from oms import tasks
from orders.actors import Actor
from orders.changing import cancelling
from orders.fulfilling import allocating, waking
from orders.models import ActorKind
from orders.stock import demand as gathering
from tests import factories
from tests.api.samples import virtual_sku
from tests.replenishing import places
from tests.replenishing.places import policy

pytestmark = pytest.mark.django_db


def rows() -> list[tuple[str, str, int, int]]:
    """Warehouse, SKU, units and filled units of today's demand."""
    found = DailyDemand.objects.filter(day=demand.today()).order_by("warehouse__code", "sku__code")
    return list(found.values_list("warehouse__code", "sku__code", "units", "filled"))


def test_demand_is_of_the_place_from_which_goods_should_come_whoever_sent_them(shop):
    far = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region, longitude=121.5, latitude=31.2)
    factories.StockFactory(sku=shop.sku, warehouse=far, on_hand=100)
    factories.allocated_order((shop.sku, 90, "1.00"), merchant=shop.merchant)
    factories.allocated_order((shop.sku, 40, "1.00"), merchant=shop.merchant)

    gathering.gather()

    assert rows() == [(shop.warehouse.code, shop.sku.code, 130, 90)]


@pytest.mark.django_db(transaction=True)  # what waits is allocated at a later time than its order came
def test_what_had_to_wait_is_wanted_and_was_not_filled(shop):
    factories.allocated_order((shop.sku, 103, "1.00"), merchant=shop.merchant)
    gathering.gather()
    assert rows() == [(shop.warehouse.code, shop.sku.code, 103, 100)]
    assert gathering.waiting([(shop.warehouse.pk, shop.sku.pk)]) == {(shop.warehouse.pk, shop.sku.pk): 3}

    places.change(shop.sku, shop.warehouse, 10)
    factories.run(waking.run, allocating.run)
    gathering.gather()
    assert rows() == [(shop.warehouse.code, shop.sku.code, 103, 100)], "they got it late"
    assert gathering.waiting([(shop.warehouse.pk, shop.sku.pk)]) == {}


def test_what_is_cancelled_or_virtual_is_no_demand_and_gathering_twice_counts_once(shop):
    order = factories.allocated_order((shop.sku, 5, "1.00"), merchant=shop.merchant)
    factories.allocated_order((shop.other_sku, 2, "1.00"), merchant=shop.merchant)
    factories.allocated_order((virtual_sku(shop), 1, "1.00"), merchant=shop.merchant)
    gathering.gather()
    assert [row[2] for row in rows()] == sorted([5, 2], reverse=rows()[0][1] == shop.sku.code)
    with transaction.atomic():
        cancelling.cancel_order(order.pk, reason="x", actor=Actor(ActorKind.STAFF, "lin"))

    gathering.gather()
    gathering.gather()

    assert rows() == [(shop.warehouse.code, shop.other_sku.code, 2, 2)]


def test_days_that_are_over_stay_and_those_too_far_back_are_forgotten(shop):
    places.wanted(shop.sku, shop.warehouse, {5: 7, 200: 9})
    gathering.gather()
    assert list(DailyDemand.objects.values_list("units", flat=True)) == [7]


def test_a_computed_line_follows_the_demand_of_the_last_weeks(shop):
    places.wanted(shop.sku, shop.warehouse, dict.fromkeys(range(1, 29), 10))

    made = policy(shop, method="computed", service_percent=95, lead_days=3, lead_deviation_days=1, cover_days=7)

    # d 10, σ √10, L 3 and a day between looks: 40 + 1.645·√(4·10 + 100) = 59.46; a week's demand above it.
    assert (made.reorder_point, made.order_up_to, made.basis) == (60, 130, "demand")
    assert (round(made.mean_per_day, 6), round(made.deviation_per_day, 3)) == (10, 3.162)
    assert made.computed_on == demand.today()


def test_a_computed_line_without_sales_keeps_one_or_two_units_and_says_so(shop):
    made = policy(shop, method="computed")
    assert (made.reorder_point, made.order_up_to, made.basis) == (1, 2, "few_sales")


def test_lines_are_worked_out_anew_each_day_and_fixed_ones_stay(shop):
    computed, fixed = policy(shop, method="computed"), policy(shop, shop.other_sku)
    places.wanted(shop.sku, shop.warehouse, dict.fromkeys(range(1, 29), 10))
    places.wanted(shop.other_sku, shop.warehouse, dict.fromkeys(range(1, 29), 10))
    assert levels.refresh(seconds=60) == 0, "it is of today"
    yesterday = timezone.localdate() - timedelta(days=1)
    ReplenishmentPolicy.objects.filter(pk=computed.pk).update(computed_on=yesterday)

    assert tasks.learn_demand() == 1

    assert ReplenishmentPolicy.objects.get(pk=computed.pk).basis == "demand"
    fixed = ReplenishmentPolicy.objects.get(pk=fixed.pk)
    assert (fixed.reorder_point, fixed.order_up_to, fixed.basis) == (100, 200, "given")


def test_the_measured_service_is_what_a_place_sent_at_once(shop):
    places.wanted(shop.sku, shop.warehouse, {1: 10, 28: 10}, filled=9)
    places.wanted(shop.sku, shop.warehouse, {29: 100}, filled=0)
    place = (shop.warehouse.pk, shop.sku.pk)
    found = demand.service([place, (shop.warehouse.pk, shop.other_sku.pk)])
    assert found == {place: demand.Service(20, 18)}
    assert found[place].share == 0.9


def test_an_absurd_demand_stays_within_what_a_row_can_hold(shop):
    places.wanted(shop.sku, shop.warehouse, dict.fromkeys(range(1, 29), 9_000_000))
    made = policy(shop, method="computed")
    assert (made.reorder_point, made.order_up_to) == (9_999_999, 10_000_000)
