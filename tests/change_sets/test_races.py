"""Two people at once: each of them confirms another change of one order, or one cancels while the other confirms."""

import random
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from oms.common.errors import OmsError
from orders.changing import charging
from orders.changing.choosing import WHOLE, cancel
from orders.fulfilling import allocating, splitting
from orders.models import ChangeSet, Order, OrderEvent
from orders.reviewing import deciding
from payments.models import Refund
from payments.owing import balancing
from tests import factories, steps
from tests.change_sets.helpers import adjust, change, seen, units
from tests.pipeline.test_races import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


def paid(shop):
    order = shop.place_order((shop.sku, 3, "10.00"), freight_amount="0.00")
    steps.pay(order)
    with factories.clock.skipping_waits():
        for stage in (deciding.run, splitting.run, allocating.run):
            stage(100)
    return Order.objects.get(pk=order.pk)


def at_once(*acts):
    """Do these at about the same time, each in a thread of its own; returns for each what it raised, or None."""
    dice = random.Random(7)  # noqa: S311 - delays

    def later(act):
        sleep(dice.uniform(0, 0.03))
        try:
            act()
        except OmsError as refusal:
            return refusal.code
        return None

    with ThreadPoolExecutor(len(acts)) as pool:
        asked = [in_thread(pool, lambda act=act: later(act)) for act in acts]
        return [one.result() for one in asked]


def test_of_two_who_looked_at_the_same_order_one_wins_and_the_other_is_told(shop):
    for _round in range(8):
        order = paid(shop)
        stamp = seen(order, units(1, 2)).stamp
        told = at_once(
            lambda order=order, stamp=stamp: change(order, units(1, 2), stamp=stamp),
            lambda order=order, stamp=stamp: change(order, adjust("-3.00"), stamp=stamp),
        )
        assert sorted(map(str, told)) == ["None", "changed_meanwhile"]
        assert ChangeSet.objects.filter(order=order, state="confirmed").count() == 1
        assert OrderEvent.objects.filter(order=order, kind="changed").count() == 1
        assert charging.owed(order.pk) in (20, 27)
    assert steps.broken_invariants() == []


def test_a_cancellation_against_a_change_leaves_nothing_owed_twice(shop):
    for _round in range(8):
        order = paid(shop)
        told = at_once(
            lambda order=order: change(order, adjust("-3.00")),
            lambda order=order: cancel(order.pk, WHOLE, reason="x", actor=steps.STAFF),
        )
        assert told[1] is None
        assert told[0] in (None, "cannot_change")
        assert Order.objects.get(pk=order.pk).state == "cancelled"
        steps.once(balancing.run)
        assert sum(Refund.objects.filter(order=order).values_list("amount", flat=True)) == 30
    assert steps.broken_invariants() == []
