"""Rehearsing gift rules over the last orders: the same arithmetic, nothing written, and quick."""

from time import monotonic

import pytest

from orders.changing import gift_rehearsing
from orders.models import GiftGrant, GiftRule, OrderLine
from tests import crowds, factories

pytestmark = pytest.mark.django_db


def test_ten_thousand_orders_are_rehearsed_in_seconds_and_limits_count_by_the_days_of_the_orders(
    shop, django_assert_max_num_queries
):
    order = factories.split_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    crowds.copy_order(order, 9_999)
    every = GiftRule.objects.create(name="every", gift=shop.other_sku, min_amount="20.00", gift_units=2)
    once = GiftRule.objects.create(name="once", gift=shop.other_sku, most_per_buyer=1, within_days=30)
    lines = OrderLine.objects.count()

    begun = monotonic()
    with django_assert_max_num_queries(40):
        found = gift_rehearsing.rehearse(every.pk, 10_000)
    seconds = monotonic() - begun

    assert (found.orders, found.served, found.units, len(found.examples)) == (10_000, 10_000, 20_000, 20)
    assert seconds < 20, seconds
    print(f"10,000 orders in {seconds:.1f} s")
    limited = gift_rehearsing.rehearse(once.pk, 10_000)
    assert (limited.orders, limited.served) == (10_000, 1)
    assert (GiftGrant.objects.count(), OrderLine.objects.count()) == (0, lines)
