"""Transfers between warehouses: every unit is somewhere, and told once."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.utils import IntegrityError
from django.utils import timezone

from inventory import lots, receiving, transfer_arrivals, transferring
from inventory.models import (
    Lane,
    Receipt,
    Reservation,
    Stock,
    StockLot,
    StockMovement,
    Transfer,
    TransferBatch,
    TransferState,
    TransferStep,
    Warehouse,
)
from inventory.purchasing import OtherContents, Unloaded
from inventory.receiving import Arrived
from inventory.transferring import Moved, NotPossible, TooFew
from oms.common.errors import ChangedMeanwhile, OmsError, WrongFields
from orders.models import SubOrder, SubOrderState
from orders.stock import expiring, stocktaking
from tests import factories, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


@pytest.fixture
def target(shop) -> Warehouse:
    return factories.WarehouseFactory(merchant=shop.merchant)


@pytest.fixture
def transfer(shop, target) -> Transfer:
    """Ten of one SKU and four of the other, approved."""
    return approved(shop, target, Moved(shop.sku, 10), Moved(shop.other_sku, 4))


def approved(shop, target, *lines: Moved) -> Transfer:
    made = transferring.draft(shop.warehouse, target, lines, actor="lin")
    return transferring.approve(made.pk, actor="wang")


def shipped(transfer: Transfer) -> Transfer:
    return transferring.ship(transfer.pk, actor="zhao")


def figures(sku, warehouse) -> tuple[int, int]:
    row = Stock.objects.filter(sku=sku, warehouse=warehouse).first()
    return (row.on_hand, row.reserved) if row else (0, 0)


def receive(transfer: Transfer, *unloaded: Unloaded, reference: str = "IN-1") -> Receipt:
    return transfer_arrivals.receive(transfer.pk, unloaded, reference=reference, actor="sun")


def test_it_is_expected_on_a_day_that_is_said_else_on_that_of_its_lane(shop, target):
    days = {f"{speed}_days_{share}": 2 for speed in ("premium", "economy") for share in ("p50", "p95")}
    area = shop.warehouse.region_id[:2]
    lane = Lane.objects.create(origin=area, destination=area, road_km=150, zone=1, **{**days, "economy_days_p95": 5})
    today = timezone.localdate()
    made = [approved(shop, target, Moved(shop.sku, 2)) for _ in range(3)]

    assert shipped(made[0]).expected_on == today + timedelta(days=5)
    for wrong in (today - timedelta(days=1), today + timedelta(days=366)):
        with pytest.raises(WrongFields), transaction.atomic():
            transferring.ship(made[1].pk, actor="zhao", expected_on=wrong)
    assert Transfer.objects.get(pk=made[1].pk).state == TransferState.APPROVED
    assert transferring.ship(made[1].pk, actor="zhao", expected_on=today).expected_on == today
    # A day that was said before, and is over when it leaves, says nothing.
    Transfer.objects.filter(pk=made[2].pk).update(expected_on=today - timedelta(days=3))
    lane.delete()
    assert shipped(made[2]).expected_on is None, "no lane is known"

    moved = transferring.expect(made[0].pk, today + timedelta(days=1), actor="zhao")
    assert (moved.expected_on, moved.steps.latest("id").kind) == (today + timedelta(days=1), TransferStep.Kind.EXPECTED)
    with pytest.raises(ChangedMeanwhile):
        transferring.expect(made[0].pk, None, actor="zhao", version=moved.version - 1)
    transferring.close(made[0].pk, reason="lost", actor="zhao")
    with pytest.raises(NotPossible):
        transferring.expect(made[0].pk, today, actor="zhao")


def test_units_are_set_aside_then_on_their_way_then_there(shop, target, transfer):
    place = (target.pk, shop.sku.pk)
    assert transfer.state == TransferState.APPROVED
    assert (figures(shop.sku, shop.warehouse), figures(shop.sku, target)) == ((100, 10), (0, 0))
    assert (transferring.moving_in({place}), transferring.in_transit({place})) == ({place: 10}, {place: 0})

    shipped(transfer)

    assert (figures(shop.sku, shop.warehouse), figures(shop.sku, target)) == ((90, 0), (0, 0))
    assert (transferring.moving_in({place}), transferring.in_transit({place})) == ({place: 10}, {place: 10})
    assert steps.broken_invariants() == []

    receive(transfer, Unloaded(shop.sku.code, 10), Unloaded(shop.other_sku.code, 4))

    assert (figures(shop.sku, target), figures(shop.other_sku, target)) == ((10, 0), (4, 0))
    assert transferring.moving_in({place}) == transferring.in_transit({place}) == {place: 0}
    assert steps.fresh(transfer).state == TransferState.CLOSED
    assert list(transfer.steps.values_list("kind", "units", "actor")) == [
        ("drafted", 14, "lin"),
        ("approved", 14, "wang"),
        ("shipped", 14, "zhao"),
        ("received", 14, "sun"),
        ("closed", 0, "sun"),
    ]
    arrived = StockMovement.objects.filter(stock__warehouse=target, stock__sku=shop.sku).get()
    line = transfer.lines.get(sku=shop.sku)
    assert (arrived.kind, arrived.on_hand_change, arrived.demand_kind, arrived.demand_id) == (
        "transfer",
        10,
        "transfer",
        line.pk,
    )
    assert steps.broken_invariants() == []


def test_what_is_on_its_way_cannot_be_sold_anywhere(shop, target):
    shipped(approved(shop, target, Moved(shop.sku, 100)))
    order = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    assert SubOrder.objects.get(order=order).state == SubOrderState.BACKORDERED


def test_it_arrives_in_parts_short_over_and_damaged_and_is_closed_with_a_reason(shop, target, transfer):
    shipped(transfer)
    place = (target.pk, shop.sku.pk)

    receive(transfer, Unloaded(shop.sku.code, 6), Unloaded(shop.sku.code, 1, "damaged"))

    assert steps.fresh(transfer).state == TransferState.PARTLY_RECEIVED
    assert transferring.in_transit({place}) == {place: 3}
    assert figures(shop.sku, target) == (6, 0)
    assert list(StockLot.objects.values_list("quality", "on_hand")) == [("damaged", 1)]
    receive(transfer, Unloaded(shop.other_sku.code, 5), reference="IN-2")
    assert figures(shop.other_sku, target) == (5, 0), "one more than was sent"
    with pytest.raises(OmsError), transaction.atomic():
        transferring.close(transfer.pk, reason=" ", actor="sun")
    transferring.close(transfer.pk, reason="三件途中丢失", actor="sun")
    assert steps.fresh(transfer).state == TransferState.CLOSED
    assert transferring.in_transit({place}) == {place: 0}
    assert [line.difference for line in transfer.lines.order_by("sku_id")] == [-3, 1]
    assert transfer.steps.last().units == -2
    receive(transfer, Unloaded(shop.sku.code, 3), reference="IN-3")
    assert figures(shop.sku, target) == (9, 0), "what turns up later is booked, too"
    assert steps.fresh(transfer).state == TransferState.CLOSED
    assert steps.broken_invariants() == []


def test_a_receipt_told_twice_is_booked_once(shop, target, transfer):
    version = shipped(transfer).version
    told = [Unloaded(shop.sku.code, 6)]
    how = {"reference": "IN-1", "actor": "sun", "version": version}
    first = transfer_arrivals.receive(transfer.pk, told, **how)

    assert transfer_arrivals.receive(transfer.pk, told, **how) == first
    with pytest.raises(OtherContents), transaction.atomic():
        receive(transfer, Unloaded(shop.sku.code, 7))
    with pytest.raises(ChangedMeanwhile), transaction.atomic():
        transfer_arrivals.receive(transfer.pk, told, **{**how, "reference": "IN-2"})
    assert figures(shop.sku, target) == (6, 0)
    assert steps.broken_invariants() == []


def test_cancelling_gives_the_units_back_until_they_left(shop, target, transfer):
    other = approved(shop, target, Moved(shop.sku, 90))
    transferring.cancel(other.pk, actor="lin", reason="不需要了")
    assert figures(shop.sku, shop.warehouse) == (100, 10)
    shipped(transfer)
    with pytest.raises(NotPossible), transaction.atomic():
        transferring.cancel(transfer.pk, actor="lin")
    with pytest.raises(NotPossible), transaction.atomic():
        shipped(transfer)
    assert figures(shop.sku, shop.warehouse) == (90, 0)
    assert steps.broken_invariants() == []


def test_what_the_source_cannot_spare_is_named_and_nothing_is_set_aside(shop, target):
    Stock.objects.filter(sku=shop.sku).update(safety_stock=95)
    made = transferring.draft(shop.warehouse, target, [Moved(shop.other_sku, 4), Moved(shop.sku, 6)], actor="lin")
    with pytest.raises(TooFew, match=f"{shop.sku.code}.* 6 .* 5 "), transaction.atomic():
        transferring.approve(made.pk, actor="wang")
    assert steps.fresh(made).state == TransferState.DRAFT
    assert not Reservation.objects.exists()


def test_rows_that_cannot_be_moved_are_named(shop, target):
    foreign, chilled = factories.SkuFactory(), factories.SkuFactory(merchant=shop.merchant, storage_class="chilled")
    lines = [Moved(shop.sku, 0), Moved(shop.sku, 1), Moved(foreign, 1), Moved(chilled, 1)]
    with pytest.raises(WrongFields) as refusal, transaction.atomic():
        transferring.draft(shop.warehouse, target, lines, actor="lin")
    assert [(error.attr, error.code) for error in refusal.value.errors] == [
        ("lines.0.quantity", "invalid"),
        ("lines.1.sku", "named_twice"),
        ("lines.2.sku", "other_merchant"),
        ("lines.2.sku", "merchant_not_kept"),
        ("lines.2.sku", "merchant_not_kept"),
        ("lines.3.sku", "storage_class_not_kept"),
    ]
    with pytest.raises(WrongFields), transaction.atomic():
        transferring.draft(shop.warehouse, shop.warehouse, [Moved(shop.sku, 1)], actor="lin")
    with pytest.raises(WrongFields), transaction.atomic():
        transferring.draft(shop.warehouse, factories.WarehouseFactory(), [Moved(shop.sku, 1)], actor="lin")
    assert not Transfer.objects.exists()


def test_the_same_reference_makes_one_transfer(shop, target):
    first = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 3)], actor="lin", reference="R1")
    assert transferring.draft(shop.warehouse, target, [Moved(shop.sku, 3)], actor="lin", reference="R1") == first
    with pytest.raises(OtherContents), transaction.atomic():
        transferring.draft(shop.warehouse, target, [Moved(shop.sku, 4)], actor="lin", reference="R1")
    assert Transfer.objects.count() == TransferStep.objects.count() == 1


def test_batches_leave_first_expiring_first_and_arrive_as_they_left(shop, target):
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    soon, later = lots.in_days(5), lots.in_days(50)
    for lot, day in (("B", later), ("A", soon)):
        receiving.receive_all(shop.warehouse.pk, [Arrived(sku.pk, 4, lot=lot, best_before=day)], actor="test")
    transfer = shipped(approved(shop, target, Moved(sku, 6)))
    assert list(TransferBatch.objects.order_by("best_before").values_list("lot", "best_before", "quantity")) == [
        ("A", soon, 4),
        ("B", later, 2),
    ]

    receive(transfer, Unloaded(sku.code, 3), Unloaded(sku.code, 1, "damaged", "B"))
    receive(transfer, Unloaded(sku.code, 3), reference="IN-2")

    there = StockLot.objects.filter(stock__warehouse=target, on_hand__gt=0).order_by("best_before", "quality")
    assert list(there.values_list("lot", "best_before", "quality", "on_hand")) == [
        ("A", soon, "good", 4),
        ("B", later, "damaged", 1),
        ("B", later, "good", 1),
        ("", None, "good", 1),
    ], "the seventh unit is of no batch that was sent"
    assert steps.fresh(transfer).state == TransferState.PARTLY_RECEIVED, "one too many: a person closes it"
    assert steps.broken_invariants() == []


def test_a_batch_that_expired_since_it_was_set_aside_does_not_leave(shop, target):
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    receiving.receive_all(shop.warehouse.pk, [Arrived(sku.pk, 4, lot="A", best_before=lots.in_days(1))], actor="test")
    transfer = approved(shop, target, Moved(sku, 4))
    StockLot.objects.update(best_before=lots.in_days(-1))
    assert expiring.expire() == 0, "what is set aside stays until the transfer is over"
    with pytest.raises(NotPossible), transaction.atomic():
        shipped(transfer)
    transferring.cancel(transfer.pk, actor="lin")
    assert expiring.expire() == 4


def test_a_count_that_finds_less_takes_from_transfers_before_orders(shop, target, transfer):
    order = factories.allocated_order((shop.sku, 5, "10.00"), merchant=shop.merchant)
    stock = Stock.objects.get(sku=shop.sku)

    stocktaking.count_stock(stock.pk, 9, actor=steps.STAFF)

    assert SubOrder.objects.get(order=order).state == SubOrderState.ALLOCATED
    assert figures(shop.sku, shop.warehouse) == (9, 9)
    shipped(transfer)
    assert list(transfer.lines.order_by("sku_id").values_list("quantity", "shipped")) == [(10, 4), (4, 4)]
    assert transfer.steps.filter(kind="taken_away").values_list("units", flat=True).get() == 6
    receive(transfer, Unloaded(shop.sku.code, 4), Unloaded(shop.other_sku.code, 4))
    assert steps.fresh(transfer).state == TransferState.CLOSED
    assert steps.broken_invariants() == []


def test_a_transfer_of_which_a_count_took_all_does_not_leave(shop, target):
    transfer = approved(shop, target, Moved(shop.sku, 10))
    stocktaking.count_stock(Stock.objects.get(sku=shop.sku).pk, 0, actor=steps.STAFF)
    with pytest.raises(NotPossible), transaction.atomic():
        shipped(transfer)
    transferring.cancel(transfer.pk, actor="lin")
    assert steps.broken_invariants() == []


def test_goods_that_are_not_part_of_it_are_named(shop, target):
    transfer = shipped(approved(shop, target, Moved(shop.sku, 10)))
    with pytest.raises(WrongFields) as refusal, transaction.atomic():
        receive(transfer, Unloaded(shop.sku.code, 10), Unloaded(shop.other_sku.code, 1), Unloaded("none", 1))
    assert [(error.attr, error.code) for error in refusal.value.errors] == [
        ("lines.2.sku", "not_found"),
        ("lines.1.sku", "not_expected"),
    ]
    assert figures(shop.sku, target) == (0, 0)


def test_nothing_is_done_on_figures_that_are_stale(shop, target):
    made = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 3)], actor="lin")
    transferring.approve(made.pk, actor="wang", version=made.version)
    for act in (transferring.approve, transferring.ship, transferring.cancel):
        with pytest.raises(ChangedMeanwhile), transaction.atomic():
            act(made.pk, actor="wang", version=made.version)
    assert figures(shop.sku, shop.warehouse) == (100, 3)


def test_the_story_of_a_transfer_is_never_changed(transfer):
    with pytest.raises(IntegrityError), transaction.atomic():
        TransferStep.objects.filter(transfer=transfer).update(actor="nobody")
    with pytest.raises(IntegrityError), transaction.atomic():
        Transfer.objects.filter(pk=transfer.pk).update(target=transfer.source)
