"""Merged orders that are paid on delivery: one parcel's cash covers several orders, from the door to the bank."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from django.db import transaction

from logistics.carriers import contents, dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.carriers.rules import reading
from logistics.models import Shipment, WarehouseOrder
from logistics.warehouses import events, stopping
from logistics.warehouses.adapters.qimen import contents as of_qimen
from orders.changing import cancelling, merging
from orders.fulfilling import allocating
from orders.models import SubOrder
from payments.models import BillForm, BillMatch, BillShare, BillSource, LedgerEntry, LedgerLine, Payment
from payments.owing import balancing
from payments.reconciling import importing, refreshing, remitting, resolving
from payments.reconciling.remitting import Remittance
from tests import factories, fakes, steps
from tests.merging.test_merging import allocated, of_work, release
from tests.reconciling.papers import Cash

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
DAY = "2026-01-20"


def two(shop: factories.Shop) -> list[SubOrder]:
    """Two orders of a buyer, merged and at their warehouse: 16.00 and 31.50 are due at the door."""
    parts = [allocated(shop, payment_method="cod"), allocated(shop, (shop.other_sku, 1, "25.50"), payment_method="cod")]
    merging.merge([part.pk for part in parts], actor=steps.STAFF)
    release()
    return parts


def sent() -> Shipment:
    """Their one parcel, which left the warehouse."""
    install_default_carriers()
    work = WarehouseOrder.objects.get(is_current=True)
    steps.tell(work, "packed")
    factories.run(events.run)
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    steps.tell(work, "shipped", minutes=5)
    factories.run(events.run)
    return Shipment.objects.exclude(state="cancelled").get()


def paid_for() -> Shipment:
    """Their one parcel, signed for, with its cash in the books."""
    parcel = sent()
    steps.scan(parcel, "collected", "signed")
    factories.run(balancing.run)
    return parcel


def remit(source: BillSource, *rows: tuple[str, str, str], name: str = "a.csv") -> None:
    """The carrier remits these: waybill, number of the order, amount; without a fee."""
    lines = [
        f"FK1,{DAY},{waybill},{number},{DAY} 10:00:00,{amount},0.00,{amount},已返款,"
        for waybill, number, amount in rows
    ]
    total = sum(Decimal(amount) for *_rest, amount in rows)
    lines.append(f"合计,,,,,{total},0.00,{total},{len(rows)}笔,")
    importing.import_bill(source.pk, "\r\n".join([Cash.HEADER, *lines]).encode(), file_name=name, by="li")


def source_of(parcel: Shipment) -> BillSource:
    assert parcel.carrier
    assert parcel.carrier.connection
    return BillSource.objects.create(connection=parcel.carrier.connection, form=BillForm.COD)


def cash(*parts: SubOrder) -> Sequence[Payment]:
    return [Payment.objects.get(sub_order=part) for part in parts]


def with_carrier() -> int:
    """What carriers still owe by the ledger, in fen."""
    return sum(line.fen for line in LedgerLine.objects.filter(account="1004"))


def test_one_parcels_cash_is_told_to_the_carrier_and_the_warehouse_and_booked_for_each_order(shop):
    one, other = two(shop)
    number = WarehouseOrder.objects.get().number
    assert of_qimen.orders([number])[number].to_collect == Decimal("47.50")
    parcel = sent()

    assert contents.of([parcel.number])[parcel.number].cod_yuan == Decimal("47.50")
    assert reading.parcels([parcel.pk])[0].way.cod_fen == 4750
    steps.scan(parcel, "collected", "signed")
    factories.run(balancing.run)

    assert [str(payment.captured_amount) for payment in cash(one, other)] == ["16.00", "31.50"]
    assert {steps.fresh(part.order).payment_state for part in (one, other)} == {"paid"}
    assert with_carrier() == 4750
    assert steps.broken_invariants() == []


def test_a_row_of_the_remittance_stands_for_all_its_payments_and_the_bank_for_the_row(shop):
    one, other = two(shop)
    parcel = paid_for()
    source = source_of(parcel)

    remit(source, (parcel.waybill_number or "", "", "47.50"))

    match = BillMatch.objects.get()
    assert (match.outcome, match.booked_fen, match.difference_fen, match.unexplained_fen) == ("matched", 4750, 0, 0)
    assert {match.payment_id, *match.shares.values_list("payment", flat=True)} == {p.pk for p in cash(one, other)}
    assert with_carrier() == 0
    assert set(remitting.standing([payment.pk for payment in cash(one, other)]).values()) == {Remittance.REMITTED}
    assert steps.tickets() == []
    assert steps.broken_invariants() == []
    with transaction.atomic():
        BillMatch.objects.update(booked_fen=1600)
        assert "cash_of_a_parcel_is_shared" in steps.broken_invariants()[0]
        transaction.set_rollback(True)

    remit(source, (parcel.waybill_number or "", "again", "47.50"), name="b.csv")
    assert list(BillMatch.objects.order_by("pk").values_list("outcome", flat=True)) == ["matched", "double_payment"]
    assert BillShare.objects.count() == 1
    assert steps.broken_invariants() == []


def test_the_number_of_one_of_the_orders_finds_the_cash_of_all(shop):
    one, other = two(shop)
    parcel = paid_for()

    remit(source_of(parcel), ("NOT-OURS", one.order.external_number, "47.50"))

    match = BillMatch.objects.get(row__isnull=False)
    assert (match.outcome, match.booked_fen) == ("matched", 4750)
    assert [share.payment.order_id for share in match.shares.all()] == [other.order_id]
    assert steps.broken_invariants() == []


def test_less_or_more_than_all_of_it_is_a_difference(shop):
    two(shop)
    parcel = paid_for()

    remit(source_of(parcel), (parcel.waybill_number or "", "", "16.00"))

    match = BillMatch.objects.get()
    assert (match.outcome, match.difference_fen, match.shares.count()) == ("amount_differs", -3150, 1)
    assert with_carrier() == 3150
    assert steps.tickets() == [("bill_difference", "amount_differs")]
    assert steps.broken_invariants() == []
    resolving.write_off(match.pk, reason="lost by the courier", actor=steps.STAFF)
    assert with_carrier() == 0
    assert steps.broken_invariants() == []


def test_a_row_that_comes_before_one_of_the_orders_is_booked_is_matched_once_that_is(shop):
    one, other = two(shop)
    parcel = paid_for()
    later = Payment.objects.filter(sub_order=other)
    entry = LedgerEntry.objects.filter(subject=f"payment:{later.get().pk}")
    row = later.values().get()
    with steps.without_guards():
        LedgerLine.objects.filter(entry__in=entry).delete()
        entry.delete()
        later.delete()

    remit(source_of(parcel), (parcel.waybill_number or "", "", "47.50"))
    match = BillMatch.objects.get()
    assert (match.outcome, match.difference_fen, match.payment_id) == ("amount_differs", 3150, cash(one)[0].pk)
    with steps.without_guards():
        Payment.objects.create(**row)
    refreshing.refresh()

    match = BillMatch.objects.get()
    assert (match.outcome, match.resolution, match.unexplained_fen) == ("matched", "by_itself", 0)
    assert [share.payment_id for share in match.shares.all()] == [row["id"]]
    assert steps.tickets() == []


def test_a_missed_payment_of_the_parcel_is_missed_no_longer_once_the_row_is_there(shop):
    two(shop)
    parcel = paid_for()
    Payment.objects.update(captured_at="2026-01-10T10:00:00+08:00")
    source = source_of(parcel)
    remit(source, ("ELSEWHERE", "", "1.00"))
    assert sorted(BillMatch.objects.filter(row=None).values_list("key", "outcome")) == [
        (parcel.waybill_number, "order_without_money"),
        (parcel.waybill_number, "order_without_money"),
    ]

    remit(source, (parcel.waybill_number or "", "", "47.50"), name="b.csv")

    missed = BillMatch.objects.filter(row=None)
    assert set(missed.values_list("resolution", flat=True)) == {"by_itself"}
    assert steps.broken_invariants() == []


def test_what_is_refused_at_the_door_is_paid_by_nobody(shop):
    one, other = two(shop)
    parcel = sent()

    steps.scan(parcel, "collected", "rejected", "returned")
    factories.run(balancing.run)

    assert {steps.state_of(part) for part in (one, other)} == {"returned"}
    assert not Payment.objects.exists()
    remit(source_of(parcel), (parcel.waybill_number or "", "", "0.00"))
    assert BillMatch.objects.get().outcome == "matched"
    assert with_carrier() == 0
    assert steps.broken_invariants() == []


def test_parted_again_each_parcel_collects_its_own(shop):
    parts = [allocated(shop, payment_method="cod"), allocated(shop, (shop.other_sku, 1, "25.50"), payment_method="cod")]
    merging.merge([part.pk for part in parts], actor=steps.STAFF)
    merging.unmerge(parts[0].pk, actor=steps.STAFF)
    release()

    works = WarehouseOrder.objects.order_by("pk")
    assert [of_qimen.orders([work.number])[work.number].to_collect for work in works] == [
        Decimal("16.00"),
        Decimal("31.50"),
    ]


def test_an_order_that_is_cancelled_at_the_warehouse_leaves_the_others_their_own_cash(shop):
    one, other = two(shop)
    work = WarehouseOrder.objects.get()
    cancelling.cancel_order(one.order_id, reason="x", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    steps.tell(work, "stopped")
    factories.run(events.run, allocating.run)
    release()

    parcel = sent()

    assert of_work(WarehouseOrder.objects.get(is_current=True)) == [other.order_id]
    assert contents.of([parcel.number])[parcel.number].cod_yuan == Decimal("31.50")
    steps.scan(parcel, "collected", "signed")
    factories.run(balancing.run)
    assert [str(payment.amount) for payment in Payment.objects.all()] == ["31.50"]
    assert steps.broken_invariants() == []


def test_in_two_boxes_the_cash_of_each_order_is_with_its_first(shop):
    one, other = two(shop)
    install_default_carriers()
    work = WarehouseOrder.objects.get()
    steps.tell(work, "packed")
    boxes = [
        {"waybill": "SF1", "carrier": "SF", "lines": [{"sku": shop.sku.code, "quantity": 1}]},
        {"waybill": "SF2", "carrier": "SF", "lines": [{"sku": shop.other_sku.code, "quantity": 1}]},
    ]
    steps.tell(work, "shipped", minutes=5, parcels=boxes)
    factories.run(events.run)
    for parcel in Shipment.objects.order_by("pk"):
        steps.scan(parcel, "collected", "signed")
    factories.run(balancing.run)

    remit(source_of(Shipment.objects.first()), ("SF1", "", "16.00"), ("SF2", "", "31.50"))  # type: ignore[arg-type]

    assert set(BillMatch.objects.values_list("outcome", "unexplained_fen")) == {("matched", 0)}
    assert [match.payment_id for match in BillMatch.objects.order_by("pk")] == [
        payment.pk for payment in cash(one, other)
    ]
    assert not BillShare.objects.exists()
    assert steps.broken_invariants() == []
