"""Merging, un-merging, cancelling and releasing at once, by real threads."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier
from time import sleep

import pytest

from logistics.models import WarehouseOrder
from logistics.warehouses import releasing
from oms.common.errors import OmsError
from orders.changing import cancelling, merging
from orders.fulfilling import allocating
from orders.models import SubOrder
from tests import factories, steps
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
