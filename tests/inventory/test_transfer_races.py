"""What two people do to a transfer at once: one of them does it, and every unit is somewhere."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from inventory import transfer_arrivals, transferring
from inventory.models import Stock, Transfer, TransferState, Warehouse
from inventory.purchasing import Unloaded
from inventory.transferring import Moved
from oms.common.errors import OmsError
from orders.stock import stocktaking
from tests import factories, steps

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 10


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


@pytest.fixture
def target(shop) -> Warehouse:
    return factories.WarehouseFactory(merchant=shop.merchant)


def approved(shop, target, units: int = 5) -> Transfer:
    made = transferring.draft(shop.warehouse, target, [Moved(shop.sku, units)], actor="race")
    return transferring.approve(made.pk, actor="race")


def at_once(*acts: Callable[[], object]) -> list[bool]:
    """Whether each was done; all begin together."""
    ready = Barrier(len(acts))

    def run(act: Callable[[], object]) -> bool:
        try:
            ready.wait()
            act()
        except OmsError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def test_of_shipping_and_cancelling_at_once_one_is_done(shop, target):
    left = 100
    for _ in range(ROUNDS):
        transfer = approved(shop, target)
        done = at_once(
            lambda key=transfer.pk: transferring.ship(key, actor="race"),
            lambda key=transfer.pk: transferring.cancel(key, actor="race"),
        )
        assert sum(done) == 1
        left -= 5 * done[0]
        state = steps.fresh(transfer).state
        assert state == (TransferState.SHIPPED if done[0] else TransferState.CANCELLED)
        assert Stock.objects.get(sku=shop.sku).on_hand == left
    assert steps.broken_invariants() == []


def test_of_receipts_at_once_each_reference_is_booked_once(shop, target):
    booked = 0
    for number in range(ROUNDS):
        transfer = approved(shop, target)
        transferring.ship(transfer.pk, actor="race")

        def receive(reference: str, units: int, key: int = transfer.pk) -> None:
            told = [Unloaded(shop.sku.code, units)]
            transfer_arrivals.receive(key, told, reference=reference, actor="race")

        done = at_once(
            lambda n=number, do=receive: do(f"{n}-a", 3),
            lambda n=number, do=receive: do(f"{n}-a", 3),
            lambda n=number, do=receive: do(f"{n}-b", 2),
        )
        assert done == [True, True, True]
        booked += 5
        assert Stock.objects.get(sku=shop.sku, warehouse=target).on_hand == booked
        assert steps.fresh(transfer).state == TransferState.CLOSED
    assert steps.broken_invariants() == []


def test_of_receipts_at_once_by_people_who_saw_the_same_one_is_booked(shop, target):
    transfer = approved(shop, target)
    version = transferring.ship(transfer.pk, actor="race").version

    def receive(reference: str) -> None:
        told = [Unloaded(shop.sku.code, 3)]
        transfer_arrivals.receive(transfer.pk, told, reference=reference, actor="race", version=version)

    assert sum(at_once(lambda: receive("a"), lambda: receive("b"))) == 1
    assert Stock.objects.get(sku=shop.sku, warehouse=target).on_hand == 3


def test_a_count_that_takes_units_of_a_transfer_while_it_leaves_neither_loses_nor_makes_one(shop, target):
    sent = set()
    for _ in range(ROUNDS):
        stock = factories.StockFactory(
            sku=factories.SkuFactory(merchant=shop.merchant), warehouse=shop.warehouse, on_hand=5
        )
        made = transferring.draft(shop.warehouse, target, [Moved(stock.sku, 5)], actor="race")
        transferring.approve(made.pk, actor="race")
        done = at_once(
            lambda key=made.pk: transferring.ship(key, actor="race"),
            lambda key=stock.pk: stocktaking.find_difference(key, -2, actor=steps.STAFF),
        )
        assert done == [True, True]
        sent.add(made.lines.get().shipped)
        assert Stock.objects.get(pk=stock.pk).on_hand == 0
    assert sent <= {3, 5}
    assert steps.broken_invariants() == []
