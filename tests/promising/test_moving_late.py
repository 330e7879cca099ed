"""What missed its cut-off goes to another warehouse, where rules say so and that one keeps the promise."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from logistics.warehouses import moving_away
from orders.fulfilling import allocating
from orders.models import DeliveryPromise, Order, SubOrder
from orders.promising import keeping
from tests import factories, steps

pytestmark = pytest.mark.django_db
LAST = {"on_partial": "allocate", "on_none": "backorder"}


@pytest.fixture
def late(sample, shop):
    """A sub-order that its warehouse should have sent two hours ago; another warehouse has its goods, too."""
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=117.0)
    factories.StockFactory(sku=shop.sku, warehouse=far)
    return late_part(shop, hours=2)


def late_part(shop, hours, **more):
    """A sub-order that its warehouse should have sent so many hours ago, and that nobody expects soon."""
    part = SubOrder.objects.get(order=factories.allocated_order(shop.sku, merchant=shop.merchant, **more))
    now = timezone.now()
    DeliveryPromise.objects.filter(sub_order=part).update(
        cutoff_at=now - timedelta(hours=hours), promised_by=now + timedelta(days=30)
    )
    return part


def backlog():
    """How many sub-orders the stage says that it has left."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({moving_away.backlog()}) AS left_over")
        return cursor.fetchone()[0]


def test_it_goes_to_another_one_that_keeps_the_promise_once(late):
    factories.activate_rules(LAST, moves_after_cutoff=True)

    assert moving_away.run(100) == 1

    factories.run(allocating.run, keeping.run)
    part = steps.fresh(late)
    assert (part.state, part.warehouse.code) == ("allocated", "FAR")
    assert DeliveryPromise.objects.filter(sub_order=part).count() == 2
    assert moving_away.run(100) == 0
    assert steps.broken_invariants() == []


def test_the_warehouse_that_it_came_to_has_until_its_own_next_cut_off(sample, shop):
    for number in range(2):
        other = factories.WarehouseFactory(merchant=shop.merchant, code=f"W{number}", longitude=117.0 + number)
        factories.StockFactory(sku=shop.sku, warehouse=other)
    factories.activate_rules(LAST, moves_after_cutoff=True)
    now = timezone.now()
    order = factories.split_order(
        shop.sku, merchant=shop.merchant, sign_by=(now + timedelta(days=30)).isoformat(timespec="seconds")
    )
    Order.objects.filter(pk=order.pk).update(reviewed_at=now - timedelta(days=2))
    factories.run(allocating.run, keeping.run)
    DeliveryPromise.objects.update(cutoff_at=now - timedelta(hours=2))
    assert moving_away.run(100) == 1
    factories.run(allocating.run, keeping.run)
    part = SubOrder.objects.get(order=order)
    there = part.warehouse

    assert moving_away.run(100) == 0
    factories.run(allocating.run, keeping.run)
    assert (steps.fresh(part).warehouse, there == shop.warehouse) == (there, False)


def test_where_nobody_would_be_in_time_or_no_rule_says_so_it_stays(late):
    assert moving_away.run(100) == 0
    factories.activate_rules(LAST, moves_after_cutoff=True)
    DeliveryPromise.objects.filter(sub_order=late).update(promised_by=timezone.now())

    assert moving_away.run(100) == 0
    assert steps.fresh(late).state == "allocated"
    assert moving_away.run(100) == 0


def test_what_its_own_rules_leave_where_it_is_stands_in_nobodys_way_and_is_no_backlog(late, shop):
    elsewhere = factories.ChannelFactory(merchant=shop.merchant)
    fixed = late_part(shop, hours=3, source=elsewhere.code)
    factories.activate_rules(LAST, moves_after_cutoff=True)
    factories.activate_rules(LAST, channel=elsewhere)
    assert backlog() == 1

    assert moving_away.run(1) == 1

    assert (steps.state_of(late), steps.state_of(fixed)) == ("awaiting_allocation", "allocated")
    assert backlog() == 0


def test_for_whom_nobody_would_be_in_time_stands_in_nobodys_way_either(late, shop):
    hopeless = late_part(shop, hours=3)
    DeliveryPromise.objects.filter(sub_order=hopeless).update(promised_by=timezone.now())
    factories.activate_rules(LAST, moves_after_cutoff=True)
    assert backlog() == 2

    assert (moving_away.run(1), moving_away.run(1)) == (0, 1)

    assert (steps.state_of(late), steps.state_of(hopeless)) == ("awaiting_allocation", "allocated")
    assert backlog() == 0


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (("merchant", "channel"), ("merchant",)),
        (("merchant",), ("channel",)),
        (("channel",), ()),
    ],
)
@pytest.mark.parametrize("moves", [True, False])
def test_the_rules_of_the_narrowest_scope_say_whether_it_moves(late, shop, narrow, wide, moves):
    scope = {"merchant": shop.merchant, "channel": late.order.channel}
    factories.activate_rules(LAST, moves_after_cutoff=moves, **{name: scope[name] for name in narrow})
    factories.activate_rules(LAST, moves_after_cutoff=not moves, **{name: scope[name] for name in wide})

    assert backlog() == moving_away.run(100) == int(moves)
