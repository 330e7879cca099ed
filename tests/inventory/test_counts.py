"""Counts with a second look, and batches that expire: facts, also where orders lose by them."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from inventory import lots, receiving
from inventory.models import LotMovement, SkuBarcode, Stock, StockCountLine, StockLot
from inventory.receiving import Arrived
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import Ticket
from orders.fulfilling import allocating
from orders.models import SubOrder
from orders.stock import counts, expiring
from orders.stock.counts import Counted
from tests import factories, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def counted(shop: factories.Shop, *rows: Counted) -> counts.StockCount:
    taken = counts.begin(shop.warehouse, actor=steps.STAFF)
    assert counts.count(taken.pk, rows) == []
    return counts.submit(taken.pk, version=counts.StockCount.objects.get(pk=taken.pk).version)


def approve(taken: counts.StockCount, reason: str = "yearly") -> counts.StockCount:
    version = counts.StockCount.objects.get(pk=taken.pk).version
    return counts.approve(taken.pk, reason=reason, actor=steps.STAFF, version=version)


def test_the_difference_is_booked_so_what_came_meanwhile_stays(shop):
    taken = counted(shop, Counted(shop.sku.code, 97), Counted(shop.other_sku.code, 100))
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 20, actor="gate")

    with pytest.raises(OmsError), transaction.atomic():
        approve(taken, reason=" ")
    with pytest.raises(ChangedMeanwhile), transaction.atomic():
        counts.approve(taken.pk, reason="yearly", actor=steps.STAFF, version=1)
    approve(taken)

    assert Stock.objects.get(sku=shop.sku).on_hand == 117, "3 lack of the 100 that were there, and 20 came"
    assert Stock.objects.get(sku=shop.other_sku).on_hand == 100
    with pytest.raises(OmsError), transaction.atomic():
        counts.count(taken.pk, [Counted(shop.sku.code, 1)])
    assert steps.broken_invariants() == []


def test_of_two_counts_of_a_sku_the_later_one_books_what_the_other_left(shop):
    first, second = counted(shop, Counted(shop.sku.code, 103)), counted(shop, Counted(shop.sku.code, 103))
    third = counted(shop, Counted(shop.sku.code, 100), Counted(shop.other_sku.code, 99))
    approve(first)
    approve(second)
    assert Stock.objects.get(sku=shop.sku).on_hand == 103, "not 106"
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 20, actor="gate")
    approve(third)
    assert Stock.objects.get(sku=shop.sku).on_hand == 120, "100 were counted before the 20 came"
    assert Stock.objects.get(sku=shop.other_sku).on_hand == 99
    approve(counted(shop, Counted(shop.sku.code, 121)))
    assert Stock.objects.get(sku=shop.sku).on_hand == 121, "what was booked before it was counted is in the books"
    assert steps.broken_invariants() == []


def test_a_long_count_takes_no_statement_more_than_a_short_one(shop):
    skus = factories.SkuFactory.create_batch(6, merchant=shop.merchant)
    for sku in skus:
        factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=10)
    statements = []
    for some in (skus[:2], skus[2:]):
        taken = counts.begin(shop.warehouse, actor=steps.STAFF)
        rows = [Counted(sku.code, 12) for sku in some]
        with CaptureQueriesContext(connection) as noting:
            assert counts.count(taken.pk, [Counted(some[0].code, 1), *rows]) == []
        counts.submit(taken.pk, version=taken.version)
        with CaptureQueriesContext(connection) as booking:
            approve(taken)
        statements.append((len(noting), len(booking)))
        lines = taken.lines.values_list("stock__sku", "expected", "counted")
        assert list(lines) == [(sku.pk, 10, 12) for sku in some], "the newer figure"

    assert set(Stock.objects.filter(sku__in=skus).values_list("on_hand", flat=True)) == {12}
    assert statements[0] == statements[1]
    assert steps.broken_invariants() == []


def test_a_scanner_adds_and_what_it_cannot_read_is_named(shop):
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.sku, code="690001")
    taken = counts.begin(shop.warehouse, actor=steps.STAFF)
    for _ in range(3):
        assert counts.count(taken.pk, [Counted("690001", 1)], adds=True) == []
    wrong = counts.count(taken.pk, [Counted("none", 1), Counted(shop.other_sku.code, 5), Counted(shop.sku.code, -1)])

    assert [(error.attr, error.code) for error in wrong] == [("rows.0.code", "not_found"), ("rows.2.units", "invalid")]
    assert list(StockCountLine.objects.values_list("stock__sku", "expected", "counted")) == [
        (shop.sku.pk, 100, 3),
        (shop.other_sku.pk, 100, 5),
    ]


def test_the_ledger_of_batches_says_as_that_of_stock_does_that_a_count_changed_them(shop):
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    receiving.receive_all(shop.warehouse.pk, [Arrived(sku.pk, 4, lot="S")], actor="gate")

    approve(counted(shop, Counted(sku.code, 3)))

    assert list(LotMovement.objects.filter(kind="stock_take").values_list("on_hand_change", "note")) == [
        (-1, "stock_take")
    ]


def test_what_lacks_for_waiting_orders_backorders_them_and_for_those_at_the_warehouse_is_frozen(shop):
    at_work = steps.released(shop.place_order((shop.sku, 3, "1.00"), payment_method="cod"))
    waits = SubOrder.objects.get(order=factories.allocated_order((shop.sku, 2, "1.00"), merchant=shop.merchant))

    approve(counted(shop, Counted(shop.sku.code, 1)))

    stock = Stock.objects.get(sku=shop.sku)
    assert (stock.on_hand, stock.reserved, stock.frozen, stock.available) == (3, 3, 2, 0)
    assert [steps.state_of(part) for part in (at_work, waits)] == ["released", "backordered"]
    ticket = Ticket.objects.get(kind="units_missing")
    assert (ticket.subject_id, ticket.values["units"]) == (stock.pk, 2)
    assert StockCountLine.objects.get().missing == 2
    assert steps.broken_invariants() == []


def test_what_is_expired_is_sold_no_longer_and_orders_that_had_it_are_sourced_anew(shop):
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    place = shop.warehouse.pk
    soon, later = lots.today() + timedelta(1), lots.today() + timedelta(60)
    arrived = [Arrived(sku.pk, 4, lot="S", best_before=soon), Arrived(sku.pk, 6, lot="L", best_before=later)]
    receiving.receive_all(place, arrived, actor="gate")
    part = SubOrder.objects.get(order=factories.allocated_order((sku, 3, "1.00"), merchant=shop.merchant))
    assert expiring.expire() == 0

    StockLot.objects.filter(lot="S").update(best_before=lots.today() - timedelta(1))
    assert expiring.expire() == 4

    stock = Stock.objects.get(sku=sku)
    assert (stock.on_hand, stock.reserved, steps.state_of(part)) == (6, 0, "backordered")
    assert StockLot.objects.get(quality="expired").on_hand == 4
    assert steps.broken_invariants() == []
    factories.run(allocating.run)
    assert dict(StockLot.objects.filter(quality="good").values_list("lot", "reserved"))["S"] == 0
    assert expiring.expire() == 0
