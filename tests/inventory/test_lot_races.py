"""Batches, counts, adjustments and promises at once: nothing is sold twice, and the ledgers explain every number."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, transaction

from inventory import adjusting, lots, receiving, reserving, selling
from inventory.adjusting import Action, Adjustment
from inventory.invariants import INVARIANTS
from inventory.models import AdjustmentReason, Stock, StockLot
from inventory.receiving import Arrived
from inventory.reserving import Demand
from oms.common.errors import ChangedMeanwhile, OmsError
from orders.stock import stocktaking
from tests import factories, steps
from tests.invariants import check
from tests.pipeline.test_races import in_thread, wait_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_many_do_to_batches_at_once_adds_up():
    sku = factories.SkuFactory(wants_batches=True)
    stock = factories.StockFactory(sku=sku, on_hand=0)
    for day in (1, 2, 3):
        arrived = Arrived(sku.pk, 20, lot=f"L{day}", best_before=lots.in_days(day))
        receiving.receive_all(stock.warehouse_id, [arrived], actor="test")

    def work(i: int) -> int:
        """Units that came, less those that went."""
        try:
            match i % 4:
                case 0:
                    with transaction.atomic():
                        served = reserving.reserve([Demand(i, i, stock.pk, 2)], actor="race")
                    with transaction.atomic():
                        return -reserving.consume_units({i: 1}, actor="race") if served else 0
                case 1:
                    arrived = Arrived(sku.pk, 1, lot="L2", best_before=lots.in_days(2))
                    receiving.receive_all(stock.warehouse_id, [arrived], actor="race")
                    return 1
                case 2:
                    stocktaking.find_difference(stock.pk, -1, actor=steps.STAFF)
                    return -1
                case _:
                    version = Stock.objects.values_list("version", flat=True).get(pk=stock.pk)
                    wanted = Adjustment(1, AdjustmentReason.FOUND)
                    try:
                        adjusting.adjust(stock.pk, Action.ADD, wanted, actor="race", version=version)
                    except ChangedMeanwhile:
                        return 0
                    return 1
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        change = sum(threads.map(work, range(1, 49)))

    row = Stock.objects.get(pk=stock.pk)
    assert row.on_hand == 60 + change
    assert sum(StockLot.objects.values_list("reserved", flat=True)) == row.reserved
    assert [(finding.invariant.name, finding.examples) for finding in check(INVARIANTS)] == []


def test_of_many_who_change_a_figure_that_they_looked_at_together_one_does():
    stock = factories.StockFactory(on_hand=10)

    def work(_i: int) -> bool:
        try:
            wanted = Adjustment(1, AdjustmentReason.LOST)
            adjusting.adjust(stock.pk, Action.REMOVE, wanted, actor="race", version=stock.version)
        except OmsError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(work, range(16))) == 1

    assert Stock.objects.get(pk=stock.pk).on_hand == 9


@pytest.mark.parametrize("is_received_first", [True, False])
def test_goods_that_come_first_while_their_sku_begins_to_want_batches_have_batches_too(is_received_first):
    sku = factories.SkuFactory()
    warehouse = factories.WarehouseFactory(merchant=sku.merchant)

    def receive() -> None:
        receiving.receive_all(warehouse.pk, [Arrived(sku.pk, 3, lot="L1")], actor="race")

    def switch_on() -> None:
        selling.change_sku(sku.pk, {"wants_batches": True}, version=sku.version)

    first, second = (receive, switch_on) if is_received_first else (switch_on, receive)
    is_done, go_on = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            first()
            is_done.set()
            assert go_on.wait(10)

    with ThreadPoolExecutor(2) as pool:
        holding = in_thread(pool, hold)
        assert is_done.wait(10)
        waiting = in_thread(pool, second)
        wait_for_a_lock()
        go_on.set()
        holding.result(10)
        waiting.result(10)

    assert Stock.objects.get().keeps_lots
    assert list(StockLot.objects.values_list("lot", "on_hand")) == [("" if is_received_first else "L1", 3)]
    assert [finding.invariant.name for finding in check(INVARIANTS)] == []
