"""Goods of merchants in warehouses of others: kept, counted, sourced and sent there as their own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from inventory import adjusting, cod, hosting, lots, purchase_arrivals, purchasing, receiving, sharing, transferring
from inventory.adjusting import Action, Adjustment
from inventory.models import (
    AdjustmentReason,
    Sku,
    SkuBarcode,
    Stock,
    StockMovement,
    StorageClass,
    Warehouse,
    WarehouseGuest,
)
from inventory.purchasing import Bought, Unloaded
from inventory.sourcing import checking
from inventory.transferring import Moved
from oms.common.errors import ChangedMeanwhile, OmsError, WrongFields
from oms.merchants.models import Merchant
from orders.changing.cancelling import cancel_order
from orders.models import SubOrder, SubOrderState
from orders.stock import changes, counts
from tests import factories, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    """The self-operated merchant with its warehouse."""
    return factories.make_shop()


@pytest.fixture
def seller() -> Merchant:
    return factories.MerchantFactory()


@pytest.fixture
def sku(seller) -> Sku:
    return factories.SkuFactory(merchant=seller, list_price=10)


def stay(shop, seller) -> WarehouseGuest:
    return hosting.begin(shop.warehouse, seller, actor="lin")


def receive(shop, sku, units: int, reference: str = "IN-1") -> None:
    told = [Unloaded(sku.code, units)]
    purchase_arrivals.receive_goods(shop.warehouse, told, reference=reference, actor="gate", merchant=sku.merchant)


def test_goods_of_a_merchant_come_only_where_it_is_a_guest(shop, seller, sku):
    with pytest.raises(WrongFields) as refusal, transaction.atomic():
        receive(shop, sku, 5)
    assert [(error.attr, error.code) for error in refusal.value.errors] == [("lines.0.sku", "merchant_not_kept")]
    with pytest.raises(WrongFields), transaction.atomic():
        purchasing.order(seller, "PO-1", shop.warehouse, [Bought(sku.code, 5)], actor="lin")
    (refused,) = changes.change_many(
        seller, [changes.Change(sku.code, shop.warehouse.code, on_hand=5)], actor=steps.STAFF, everywhere=True
    )
    assert isinstance(refused, hosting.NotKept)
    taken = counts.begin(shop.warehouse, actor=steps.STAFF)
    assert [error.code for error in counts.count(taken.pk, [counts.Counted(sku.code, 5)])] == ["not_found"]
    assert not Stock.objects.filter(sku=sku).exists()

    stay(shop, seller)

    receive(shop, sku, 5)
    purchasing.order(seller, "PO-1", shop.warehouse, [Bought(sku.code, 5)], actor="lin")
    (changed,) = changes.change_many(
        seller, [changes.Change(sku.code, shop.warehouse.code, change=2)], actor=steps.STAFF, everywhere=True
    )
    assert counts.count(taken.pk, [counts.Counted(sku.code, 8)]) == []
    assert changed.on_hand == 7
    assert steps.broken_invariants() == []


def test_the_database_takes_no_units_in_where_they_are_not_kept(shop, sku):
    place = (shop.warehouse.pk, sku.pk)
    row = Stock.objects.get(pk=receiving.rows_of([place])[place])
    with pytest.raises(IntegrityError), transaction.atomic():
        StockMovement.objects.create(stock=row, kind="receipt", on_hand_change=1)
    key = lots.LotKey(row.pk, "damaged")
    lot = lots.rows_of({key})[key]
    with pytest.raises(IntegrityError, match="keeps no goods"), transaction.atomic():
        lots.book([lots.LotMove(lot, 1)], StockMovement.Kind.RECEIPT, actor="x")
    for quality in ("good", "damaged"):
        with pytest.raises(hosting.NotKept), transaction.atomic():
            receiving.receive_all(shop.warehouse.pk, [receiving.Arrived(sku.pk, 1, quality)], actor="x")
    wanted = Adjustment(1, AdjustmentReason.FOUND)
    with pytest.raises(hosting.NotKept), transaction.atomic():
        adjusting.adjust(row.pk, Action.ADD, wanted, actor="x", version=row.version)
    assert steps.fresh(row).on_hand == 0


def test_its_goods_are_sourced_there_as_its_own_and_sent_by_that_warehouse(shop, seller, sku):
    stay(shop, seller)
    receive(shop, sku, 5)

    order = shop.place_order((sku, 2, "10.00"), payment_method="cod")
    part = steps.released(order)

    assert (part.merchant, part.warehouse) == (seller, shop.warehouse)
    assert steps.work_of(part).warehouse.connection == shop.warehouse.connection
    assert Stock.objects.get(sku=sku).reserved == 2
    assert sharing.sellable_units({shop.channel.pk: [sku.pk]}) == {(shop.channel.pk, sku.pk): 3}
    assert steps.broken_invariants() == []


def test_what_lies_nowhere_but_at_a_stranger_is_not_sent(shop, seller, sku):
    order = factories.allocated_order((sku, 2, "10.00"), merchant=shop.merchant)
    assert SubOrder.objects.get(order=order).state == SubOrderState.BACKORDERED
    assert SubOrder.objects.get(order=order).warehouse is None


def test_a_stay_ends_only_when_nothing_of_the_merchant_is_there(shop, seller, sku):
    there = stay(shop, seller)
    bought = purchasing.order(seller, "PO-1", shop.warehouse, [Bought(sku.code, 5)], actor="lin")
    home = factories.WarehouseFactory(merchant=seller)
    moved = transferring.draft(shop.warehouse, home, [Moved(sku, 1)], actor="lin")
    receive(shop, sku, 5)
    order = factories.allocated_order((sku, 5, "10.00"), merchant=shop.merchant)
    taken = counts.begin(shop.warehouse, actor=steps.STAFF)
    counts.count(taken.pk, [counts.Counted(sku.code, 5)])
    with pytest.raises(hosting.StillThere) as refusal, transaction.atomic():
        hosting.end(there.pk, actor="lin")
    assert str(refusal.value).count("1") == 5, "goods, a purchase order, a transfer, a count, a sub-order"

    purchasing.end(bought.pk, is_cancelled=True, actor="test")
    transferring.cancel(moved.pk, actor="lin")
    counts.dismiss(taken.pk, reason="x", actor=steps.STAFF, version=steps.fresh(taken).version)
    part = SubOrder.objects.get(order=order)
    with pytest.raises(hosting.StillThere), transaction.atomic():
        hosting.end(there.pk, actor="lin")
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    stock = Stock.objects.get(sku=sku)
    gone = Adjustment(5, AdjustmentReason.LOST)
    adjusting.adjust(stock.pk, Action.REMOVE, gone, actor="x", version=stock.version)
    assert steps.state_of(part) == SubOrderState.CANCELLED

    ended = hosting.end(there.pk, actor="lin", version=there.version)

    assert (ended.ended_by, ended.ended_at is None) == ("lin", False)
    with pytest.raises(ChangedMeanwhile), transaction.atomic():
        hosting.end(there.pk, actor="lin")
    with pytest.raises(WrongFields), transaction.atomic():
        receive(shop, sku, 1, reference="IN-2")
    again = stay(shop, seller)
    assert again != ended
    assert stay(shop, seller) == again
    assert steps.broken_invariants() == []


def test_an_owner_and_a_virtual_warehouse_have_no_guests(shop, seller):
    virtual = factories.WarehouseFactory(
        merchant=shop.merchant, kind=Warehouse.Kind.VIRTUAL, storage_classes=[StorageClass.VIRTUAL]
    )
    for warehouse, merchant in ((shop.warehouse, shop.merchant), (virtual, seller)):
        with pytest.raises(WrongFields), transaction.atomic():
            hosting.begin(warehouse, merchant, actor="lin")
    code = factories.SkuFactory(merchant=seller, storage_class=StorageClass.VIRTUAL)
    assert hosting.host(virtual).may_keep(seller.pk, StorageClass.VIRTUAL)
    factories.StockFactory(sku=code, warehouse=virtual, on_hand=5)
    assert not WarehouseGuest.objects.exists()
    assert steps.broken_invariants() == []


def test_goods_move_between_warehouses_of_the_merchant_and_those_where_it_is_a_guest(shop, seller, sku):
    home = factories.WarehouseFactory(merchant=seller)
    factories.StockFactory(sku=sku, warehouse=home, on_hand=9)
    with pytest.raises(WrongFields), transaction.atomic():
        transferring.draft(home, shop.warehouse, [Moved(sku, 4)], actor="lin")
    stay(shop, seller)
    transfer = transferring.draft(home, shop.warehouse, [Moved(sku, 4)], actor="lin")
    transferring.approve(transfer.pk, actor="lin")
    assert transfer.merchant == seller
    assert Stock.objects.get(sku=sku, warehouse=home).reserved == 4


def test_rules_of_a_merchant_may_name_warehouses_where_it_is_a_guest(shop, seller):
    rules = factories.activate_rules({"warehouses": [shop.warehouse.code]}, merchant=seller)
    assert {problem.code for problem in checking.problems(rules)} == {"others_warehouse", "matches_nothing"}
    stay(shop, seller)
    assert checking.problems(rules) == []


def test_goods_that_lie_with_us_may_be_paid_on_delivery_while_the_merchant_is_a_guest(shop, seller, sku):
    there = stay(shop, seller)
    receiving.rows_of([(shop.warehouse.pk, sku.pk)])
    assert cod.lying_with_us({sku.pk}) == {sku.pk}
    hosting.end(there.pk, actor="lin")
    assert cod.lying_with_us({sku.pk}) == frozenset()


@pytest.mark.django_db(transaction=True)
def test_of_a_stay_that_ends_and_goods_that_come_at_once_one_is_done(shop, seller, sku):
    for number in range(8):
        there = stay(shop, seller)
        ready = Barrier(2)

        def run(act, ready=ready) -> bool:
            try:
                ready.wait()
                act()
            except (OmsError, IntegrityError):
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(2) as threads:
            done = list(
                threads.map(
                    run,
                    [
                        lambda n=number: receive(shop, sku, 1, reference=f"IN-{n}"),
                        lambda key=there.pk: hosting.end(key, actor="lin"),
                    ],
                )
            )
        assert sum(done) == 1
        assert steps.broken_invariants() == []
        stock = Stock.objects.filter(sku=sku, on_hand__gt=0).first()
        if stock is not None:
            gone = Adjustment(stock.on_hand, AdjustmentReason.LOST)
            adjusting.adjust(stock.pk, Action.REMOVE, gone, actor="x", version=stock.version)


def test_goods_of_one_code_are_counted_for_the_merchant_that_the_count_names(shop, seller):
    theirs = factories.SkuFactory(merchant=seller, code=shop.sku.code)
    stay(shop, seller)
    receive(shop, theirs, 5)
    of_all = counts.begin(shop.warehouse, actor=steps.STAFF)
    assert [error.code for error in counts.count(of_all.pk, [counts.Counted(shop.sku.code, 4)])] == ["not_found"]
    with pytest.raises(hosting.NotKept):
        counts.begin(shop.warehouse, merchant=factories.MerchantFactory(), actor=steps.STAFF)

    taken = counts.begin(shop.warehouse, merchant=seller, actor=steps.STAFF)
    assert counts.count(taken.pk, [counts.Counted(shop.sku.code, 4)]) == []
    submitted = counts.submit(taken.pk, version=steps.fresh(taken).version)
    counts.approve(taken.pk, reason="found", actor=steps.STAFF, version=steps.fresh(submitted).version)

    assert (Stock.objects.get(sku=theirs).on_hand, Stock.objects.get(sku=shop.sku).on_hand) == (4, 100)


def test_a_code_counts_before_a_barcode_of_the_same_merchant(shop):
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.other_sku, code=shop.sku.code)
    taken = counts.begin(shop.warehouse, actor=steps.STAFF)
    assert counts.count(taken.pk, [counts.Counted(shop.sku.code, 4)]) == []
    assert taken.lines.get().stock.sku == shop.sku
