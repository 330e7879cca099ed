"""Batches: what expires first is promised and sent first, what is expired is not sold, and all adds up."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import translation

from inventory import adjusting, lots, receiving, reserving
from inventory.adjusting import Action, Adjustment
from inventory.models import AdjustmentReason, LotPromise, Stock, StockLot, StockMovement
from inventory.receiving import Arrived
from inventory.reserving import Demand, Withdrawal
from oms.common.errors import ChangedMeanwhile, OmsError
from tests import factories

pytestmark = pytest.mark.django_db
TODAY = lots.today()
SOON, LATER, GONE = (TODAY + timedelta(days) for days in (10, 90, -1))


@pytest.fixture
def stock() -> Stock:
    """12 units in four batches: 3 soon, 4 later, 2 without a date, 3 expired."""
    sku = factories.SkuFactory(wants_batches=True)
    row = factories.StockFactory(sku=sku, on_hand=0)
    arrived = [("L", LATER, 4), ("S", SOON, 3), ("", None, 2), ("G", GONE, 3)]
    receiving.receive_all(
        row.warehouse_id,
        [Arrived(sku.pk, units, lot=lot, best_before=day) for lot, day, units in arrived],
        actor="test",
    )
    return Stock.objects.get(pk=row.pk)


def of_lots(column: str) -> dict[str, int]:
    return dict(StockLot.objects.filter(quality="good").values_list("lot", column))


def test_what_expires_first_is_promised_first_beside_what_others_have_and_nothing_expired(stock):
    assert reserving.reserve([Demand(1, 101, stock.pk, 2)], actor="test") == {1}
    assert reserving.reserve([Demand(2, 102, stock.pk, 3), Demand(3, 103, stock.pk, 5)], actor="test") == {2}
    assert of_lots("reserved") == {"S": 3, "L": 2, "": 0, "G": 0}

    assert reserving.release_units({102: 1}, actor="test") == 1
    assert of_lots("reserved") == {"S": 3, "L": 1, "": 0, "G": 0}, "given back is what expires last"
    assert reserving.consume_units({101: 1, 102: None}, actor="test") == 3
    assert of_lots("reserved") == {"S": 1, "L": 0, "": 0, "G": 0}
    assert of_lots("on_hand") == {"S": 1, "L": 3, "": 2, "G": 3}
    assert list(LotPromise.objects.values_list("demand_id", "lot__lot", "quantity")) == [(101, "S", 1)]
    row = Stock.objects.get(pk=stock.pk)
    assert (row.on_hand, row.reserved) == (9, 1)


def test_what_leaves_unpromised_and_what_a_count_misses_leaves_batches_too(stock):
    assert reserving.withdraw([Withdrawal(stock.pk, 101, 4)], actor="test") == {}
    assert of_lots("on_hand") == {"S": 2, "L": 4, "": 2, "G": 0}

    from inventory import counting

    reserving.lock_stock([stock.pk])
    counting.book([counting.Count(stock.pk, 5)], actor="test")
    assert of_lots("on_hand") == {"S": 1, "L": 4, "": 0, "G": 0}, "units of no batch first"
    counting.book([counting.Count(stock.pk, 6)], actor="test")
    assert of_lots("on_hand") == {"S": 1, "L": 4, "": 1, "G": 0}


def test_batches_that_do_not_add_up_to_their_stock_are_refused_when_the_transaction_ends(stock):
    with transaction.atomic(), connection.cursor() as cursor:
        StockMovement.objects.create(stock=stock, kind="adjustment", on_hand_change=1)
        with pytest.raises(IntegrityError, match="do not add up"), transaction.atomic():
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)
    with pytest.raises(IntegrityError, match="by its ledger only"), transaction.atomic():
        StockLot.objects.update(on_hand=1)


def wanted(units: int, reason: str = "damaged", lot: StockLot | None = None) -> Adjustment:
    return Adjustment(units, AdjustmentReason(reason), lot_id=lot.pk if lot else None)


def test_quality_and_freezing_take_units_from_what_can_be_promised_and_bring_them_back(stock):
    soon = StockLot.objects.get(lot="S")
    row = adjusting.change_quality(
        stock.pk, "good", "defective", wanted(2, lot=soon), actor="lin", version=stock.version
    )
    assert (row.on_hand, of_lots("on_hand")["S"]) == (10, 1)
    assert list(StockLot.objects.filter(quality="defective").values_list("lot", "best_before", "on_hand")) == [
        ("S", SOON, 2)
    ]
    row = adjusting.change_quality(
        stock.pk, "defective", "good", wanted(1, "inspected"), actor="lin", version=row.version
    )
    assert (row.on_hand, of_lots("on_hand")["S"]) == (11, 2)

    later = StockLot.objects.get(lot="L")
    row = adjusting.adjust(stock.pk, Action.FREEZE, wanted(4, "recall", later), actor="lin", version=row.version)
    assert (row.frozen, row.available, of_lots("frozen")["L"]) == (4, 7, 4)
    row = adjusting.adjust(stock.pk, Action.WRITE_OFF, wanted(3, "lost"), actor="lin", version=row.version)
    assert (row.on_hand, row.frozen, of_lots("on_hand")["L"]) == (8, 1, 1)
    row = adjusting.adjust(stock.pk, Action.THAW, wanted(1, "inspected"), actor="lin", version=row.version)
    assert (row.frozen, of_lots("frozen")["L"]) == (0, 0)


def test_an_adjustment_that_is_stale_or_asks_for_too_much_changes_nothing(stock):
    reserving.reserve([Demand(1, 101, stock.pk, 5)], actor="test")
    for action, units in [(Action.REMOVE, 8), (Action.FREEZE, 8), (Action.THAW, 1), (Action.ADD, 0), (Action.ADD, -3)]:
        with pytest.raises(OmsError), transaction.atomic():
            adjusting.adjust(stock.pk, action, wanted(units), actor="lin", version=stock.version)
    with pytest.raises(ChangedMeanwhile), transaction.atomic():
        adjusting.adjust(stock.pk, Action.ADD, wanted(1), actor="lin", version=stock.version - 1)
    row = Stock.objects.get(pk=stock.pk)
    assert (row.on_hand, row.reserved, row.frozen) == (12, 5, 0)


def test_a_batch_that_has_too_few_units_is_refused_with_its_own_number(stock):
    for name in ("S", "L"):
        lot = StockLot.objects.get(lot=name, quality="good")
        row = Stock.objects.get(pk=stock.pk)
        adjusting.change_quality(row.pk, "good", "damaged", wanted(2, lot=lot), actor="lin", version=row.version)
    damaged = StockLot.objects.get(lot="S", quality="damaged")
    row = Stock.objects.get(pk=stock.pk)

    with translation.override("en"), pytest.raises(OmsError, match="only 2 units: Damaged"), transaction.atomic():
        adjusting.change_quality(
            stock.pk, "damaged", "good", wanted(3, "inspected", damaged), actor="lin", version=row.version
        )


def test_goods_of_other_quality_are_on_no_shelf_that_sells():
    row = factories.StockFactory(on_hand=2)
    receiving.receive_all(
        row.warehouse_id,
        [Arrived(row.sku_id, 5), Arrived(row.sku_id, 3, "damaged", lot="X", best_before=date(2030, 1, 1))],
        actor="test",
    )
    row = Stock.objects.get(pk=row.pk)
    assert (row.on_hand, row.available) == (7, 7)
    assert list(StockLot.objects.values_list("quality", "lot", "on_hand")) == [("damaged", "", 3)]
