"""Merging, un-merging, cancelling and releasing at once, by real threads."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from threading import Barrier, Event
from time import sleep

import pytest
from django.db import connection, transaction

from logistics.models import WarehouseOrder
from logistics.warehouses import releasing
from oms.common.errors import OmsError
from orders.changing import cancelling, merging
from orders.fulfilling import allocating
from orders.models import OrderEvent, SubOrder
from orders.reviewing import holds
from tests import factories, steps
from tests.merging.test_merging import allocated
from tests.pipeline.test_races import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("seed", range(6))
def test_merge_release_cancel_and_unmerge_at_once_leave_every_unit_in_one_place(seed):
    shop = factories.make_shop()
    orders = [shop.place_order((shop.sku, 1, "10.00")) for _ in range(4)]
    for order in orders:
        steps.pay(order)
    steps.approve_and_split()
    factories.run(allocating.run)
    parts = [SubOrder.objects.get(order=order) for order in orders]
    merging.merge([parts[2].pk, parts[3].pk], actor=steps.STAFF)
    chance = Random(seed)  # noqa: S311 - no secret
    start = Barrier(4)

    def at_once(work):  # type: ignore[no-untyped-def]
        wait = chance.random() / 20

        def run():  # type: ignore[no-untyped-def]
            start.wait(10)
            sleep(wait)
            try:
                return work()
            except OmsError as refusal:
                return refusal

        return run

    works = [
        lambda: merging.merge([parts[0].pk, parts[1].pk, parts[2].pk], actor=steps.STAFF),
        lambda: cancelling.cancel_order(orders[1].pk, reason="x", actor=steps.STAFF),
        lambda: releasing.run(10),
        lambda: merging.unmerge(parts[3].pk, actor=steps.STAFF),
    ]
    with ThreadPoolExecutor(4) as pool:
        done = [in_thread(pool, at_once(work)) for work in works]
        for one in done:
            one.result(30)
    factories.run(releasing.run)

    assert steps.broken_invariants() == []
    in_hand = SubOrder.objects.filter(state="released").values_list("pk", flat=True)
    of_works = [
        key
        for work in WarehouseOrder.objects.filter(is_current=True)
        for key in work.lines.values_list("sub_order_line__sub_order", flat=True)
    ]
    assert sorted(of_works) == sorted(in_hand)
    assert parts[0].pk in in_hand
    assert steps.state_of(orders[1]) in ("cancelled", "split")


@pytest.mark.parametrize("who", [(0, 1), (0, 2), (1, 2)])
def test_of_three_the_last_goes_alone_when_the_others_leave_in_the_same_moment(who):
    shop = factories.make_shop()
    parts = [allocated(shop, payment_method="cod") for _ in range(3)]
    merging.merge([part.pk for part in parts], actor=steps.STAFF)
    start, looked = Barrier(2), Event()

    def leave(part, is_first):  # type: ignore[no-untyped-def]
        with transaction.atomic():
            holds.hold_order(part.order_id, reason="x", actor=steps.STAFF)
            # Neither has seen the other leave.
            start.wait(10)
            assert is_first or looked.wait(10)
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            looked.set()
            sleep(0.3 if is_first else 0)

    with ThreadPoolExecutor(2) as pool:
        for one in [in_thread(pool, partial(leave, parts[place], place == who[0])) for place in who]:
            one.result(30)

    left = next(part for place, part in enumerate(parts) if place not in who)
    assert steps.fresh(left).merge_group is None
    alone = OrderEvent.objects.filter(order=left.order_id, kind="unmerged")
    assert list(alone.values_list("data__why", flat=True)) == ["left_alone"]
    assert steps.broken_invariants() == []


def test_both_of_two_that_leave_in_the_same_moment_leave():
    shop = factories.make_shop()
    parts = [allocated(shop, payment_method="cod") for _ in range(2)]
    merging.merge([part.pk for part in parts], actor=steps.STAFF)
    start = Barrier(2)

    def leave(part):  # type: ignore[no-untyped-def]
        start.wait(10)
        holds.hold_order(part.order_id, reason="x", actor=steps.STAFF)

    with ThreadPoolExecutor(2) as pool:
        for one in [in_thread(pool, partial(leave, part)) for part in parts]:
            one.result(30)

    assert [steps.fresh(part).merge_group for part in parts] == [None, None]
    assert steps.broken_invariants() == []
