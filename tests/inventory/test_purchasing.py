"""Purchase orders and the receipts that come of them."""

from unittest import mock

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from inventory import lots, purchase_arrivals, purchasing
from inventory.models import PurchaseOrder, PurchaseState, Receipt, SkuBarcode, Stock, StockLot
from inventory.purchasing import Bought, Expected, Unloaded
from oms.common.errors import ChangedMeanwhile, WrongFields
from tests import factories, steps

pytestmark = pytest.mark.django_db
FRIDAY, MONDAY = (lots.in_days(days) for days in (300, 303))


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


@pytest.fixture
def bought(shop) -> PurchaseOrder:
    lines = [Bought(shop.sku.code, 10), Bought(shop.other_sku.code, 4, MONDAY)]
    return purchasing.order(shop.merchant, "PO-1", shop.warehouse, lines, expected_on=FRIDAY, actor="lin")


def receive(shop, bought, *unloaded: Unloaded, reference: str = "GRN-1") -> Receipt:
    return purchase_arrivals.receive_goods(
        shop.warehouse,
        unloaded,
        reference=reference,
        actor="lin",
        merchant=shop.merchant,
        purchase_order=bought,
    )


def test_what_was_bought_is_on_order_by_its_day_until_it_came(shop, bought):
    place, other = (shop.warehouse.pk, shop.sku.pk), (shop.warehouse.pk, shop.other_sku.pk)
    assert purchasing.expected({place[0]}, {place[1], other[1]}) == [
        Expected(*place, FRIDAY, 10),
        Expected(*other, MONDAY, 4),
    ]

    receive(shop, bought, Unloaded(shop.sku.code, 6), Unloaded(shop.sku.code, 1, "damaged"))

    assert purchasing.on_order({place, other}) == {place: 3, other: 4}
    assert Stock.objects.get(sku=shop.sku).on_hand == 106
    assert list(StockLot.objects.values_list("quality", "on_hand")) == [("damaged", 1)]
    receive(shop, bought, Unloaded(shop.sku.code, 5), Unloaded(shop.other_sku.code, 4), reference="GRN-2")
    assert purchasing.on_order({place, other}) == {place: 0, other: 0}, "more than was bought came"
    assert PurchaseOrder.objects.get(pk=bought.pk).state == PurchaseState.CLOSED
    assert steps.broken_invariants() == []


def test_a_receipt_told_twice_is_booked_once_and_other_goods_under_its_reference_are_refused(shop, bought):
    first = receive(shop, bought, Unloaded(shop.sku.code, 6))
    assert receive(shop, bought, Unloaded(shop.sku.code, 6)) == first
    with pytest.raises(purchasing.OtherContents), transaction.atomic():
        receive(shop, bought, Unloaded(shop.sku.code, 7))
    with pytest.raises(purchasing.OtherContents), transaction.atomic():
        purchasing.order(shop.merchant, "PO-1", shop.warehouse, [Bought(shop.sku.code, 11)], actor="lin")
    assert Stock.objects.get(sku=shop.sku).on_hand == 106
    assert bought.lines.get(sku=shop.sku).received == 6


def test_a_receipt_of_many_lines_takes_no_statement_more_than_one_of_few(shop):
    skus = factories.SkuFactory.create_batch(5, merchant=shop.merchant)
    lines = [Bought(sku.code, 2) for sku in skus]
    counts = []
    for number, some in (("PO-2", lines[:2]), ("PO-3", lines[2:])):
        made = purchasing.order(shop.merchant, number, shop.warehouse, some, actor="lin")
        with CaptureQueriesContext(connection) as queries:
            receive(shop, made, *[Unloaded(line.sku, 1) for line in some * 2], reference=number)
        counts.append(len(queries))
        assert list(made.lines.values_list("received", flat=True)) == [2] * len(some)

    assert counts[0] == counts[1]


def test_rows_that_cannot_be_taken_are_named_and_nothing_is_booked(shop, bought):
    with pytest.raises(WrongFields) as refusal, transaction.atomic():
        receive(
            shop,
            bought,
            Unloaded(shop.sku.code, 6),
            Unloaded("none", 1),
            Unloaded(shop.sku.code, -2),
            Unloaded(shop.sku.code, 10_000_001),
            Unloaded(shop.sku.code, 1, "shiny"),
        )
    assert [(error.attr, error.code) for error in refusal.value.errors] == [
        ("lines.1.sku", "not_found"),
        ("lines.2.quantity", "invalid"),
        ("lines.3.quantity", "invalid"),
        ("lines.4.quality", "invalid"),
    ]
    with pytest.raises(WrongFields), transaction.atomic():
        purchasing.order(shop.merchant, "PO-2", shop.warehouse, [Bought(shop.sku.code, 0)], actor="lin")
    assert (Receipt.objects.count(), Stock.objects.get(sku=shop.sku).on_hand) == (0, 100)


def test_goods_are_found_by_barcode_and_their_batch_is_kept_where_wanted(shop):
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    SkuBarcode.objects.create(merchant=shop.merchant, sku=sku, code="690001")

    receive(shop, None, Unloaded("690001", 3, lot="B7", best_before=MONDAY), Unloaded(shop.sku.code, 1, lot="B7"))

    assert list(StockLot.objects.values_list("stock__sku", "lot", "best_before", "on_hand")) == [
        (sku.pk, "B7", MONDAY, 3)
    ]


def test_a_purchase_order_that_was_called_off_is_expected_no_more_and_takes_no_goods(shop, bought):
    with pytest.raises(ChangedMeanwhile), transaction.atomic():
        purchasing.end(bought.pk, is_cancelled=True, actor="test", version=bought.version - 1)
    purchasing.end(bought.pk, is_cancelled=True, actor="test", version=bought.version)
    assert purchasing.expected({shop.warehouse.pk}, {shop.sku.pk}) == []
    with pytest.raises(purchasing.NotExpected), transaction.atomic():
        receive(shop, bought, Unloaded(shop.sku.code, 1))
    with pytest.raises(purchasing.NotExpected), transaction.atomic():
        purchasing.end(bought.pk, is_cancelled=False, actor="test")


def test_nothing_of_a_receipt_stays_where_booking_it_fails(shop, bought):
    with mock.patch("inventory.receiving.receive_all", side_effect=KeyError), pytest.raises(KeyError):
        receive(shop, bought, Unloaded(shop.sku.code, 1))
    assert (Receipt.objects.count(), bought.lines.get(sku=shop.sku).received) == (0, 0)
