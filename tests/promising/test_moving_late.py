"""What missed its cut-off goes to another warehouse, where rules say so and that one keeps the promise."""

from datetime import timedelta

import pytest
from django.utils import timezone

from logistics.warehouses import moving_away
from orders.fulfilling import allocating
from orders.models import DeliveryPromise, SubOrder
from orders.promising import keeping
from tests import factories, steps

pytestmark = pytest.mark.django_db
LAST = {"on_partial": "allocate", "on_none": "backorder"}


@pytest.fixture
def late(sample, shop):
    """A sub-order that its warehouse should have sent two hours ago; another warehouse has its goods, too."""
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=117.0)
    factories.StockFactory(sku=shop.sku, warehouse=far)
    part = SubOrder.objects.get(order=factories.allocated_order(shop.sku, merchant=shop.merchant))
    promise = DeliveryPromise.objects.filter(sub_order=part)
    now = timezone.now()
    promise.update(cutoff_at=now - timedelta(hours=2), promised_by=now + timedelta(days=30))
    return part


def test_it_goes_to_another_one_that_keeps_the_promise_once(late):
    factories.activate_rules(LAST, moves_after_cutoff=True)

    assert moving_away.run(100) == 1

    factories.run(allocating.run, keeping.run)
    part = steps.fresh(late)
    assert (part.state, part.warehouse.code) == ("allocated", "FAR")
    assert DeliveryPromise.objects.filter(sub_order=part).count() == 2
    assert moving_away.run(100) == 0
    assert steps.broken_invariants() == []


def test_where_nobody_would_be_in_time_or_no_rule_says_so_it_stays(late):
    assert moving_away.run(100) == 0
    factories.activate_rules(LAST, moves_after_cutoff=True)
    DeliveryPromise.objects.filter(sub_order=late).update(promised_by=timezone.now())

    assert moving_away.run(100) == 0
    assert steps.fresh(late).state == "allocated"
    assert moving_away.run(100) == 0
