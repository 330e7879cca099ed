"""Several people and the watch at once: what is suggested is bought once, and told once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from inventory.models import PurchaseOrder, ReplenishmentSuggestion
from inventory.replenishing import deciding, watching
from oms.common.models import Ticket
from tests import factories, steps
from tests.replenishing import places
from tests.replenishing.places import policy, suggested, watch

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 4


def at_once(*works: object) -> list[object]:
    """What each of the works returns, all done by threads at once."""

    def run(work):  # type: ignore[no-untyped-def]
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def _low(shop: factories.Shop, count: int) -> None:
    for _ in range(count):
        sku = factories.SkuFactory(merchant=shop.merchant)
        factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=5)
        policy(shop, sku)


def test_looks_at_the_same_time_tell_of_a_dip_once():
    shop = factories.make_shop()
    _low(shop, 20)

    at_once(*[watch] * THREADS)
    watch()

    assert len(suggested()) == Ticket.objects.filter(kind=watching.STOCK_LOW.code).count() == 20
    assert set(Ticket.objects.values_list("times", flat=True)) == {1}
    assert steps.broken_invariants() == []


def test_what_several_people_approve_and_reject_at_once_is_decided_once():
    shop = factories.make_shop()
    _low(shop, 12)
    watch()
    ids = list(ReplenishmentSuggestion.objects.order_by("pk").values_list("pk", flat=True))

    def approve():  # type: ignore[no-untyped-def]
        return deciding.approve(ids[:8], actor="lin")

    def reject():  # type: ignore[no-untyped-def]
        return deciding.reject(ids[4:][::-1], reason="enough", actor="wang")

    at_once(approve, reject, approve, watch)

    states = [state for *_rest, state in suggested()]
    assert states[:4] == ["done"] * 4
    assert states[8:] == ["rejected"] * 4
    assert set(states[4:8]) in ({"done"}, {"rejected"})
    assert PurchaseOrder.objects.count() == 1
    assert PurchaseOrder.objects.get().lines.count() == states.count("done")
    assert steps.broken_invariants() == []


def test_lines_that_are_set_while_they_are_watched_wait_for_each_other_in_one_order():
    shop = factories.make_shop()
    _low(shop, 10)
    watch()
    ids = list(ReplenishmentSuggestion.objects.values_list("pk", flat=True))

    def set_again():  # type: ignore[no-untyped-def]
        for sku in shop.merchant.skus.order_by("-pk")[:10]:
            places.policy(shop, sku, reorder_point=3)

    at_once(set_again, lambda: deciding.approve(ids, actor="lin"), watch, watch)

    watch()
    assert Ticket.objects.open().filter(kind=watching.STOCK_LOW.code).count() == 0
    assert steps.broken_invariants() == []
