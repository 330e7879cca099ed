"""The ledger: every fact booked once, in the transaction of the fact, and every entry adds up."""

from collections import defaultdict
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from logistics.models import Shipment
from orders.changing import charging
from orders.changing.cancelling import cancel_order
from orders.fulfilling import completing
from orders.models import ChargeCause, Order
from payments.ledger import posting
from payments.ledger.chart import Code
from payments.models import Account, EntryKind, LedgerEntry, LedgerLine
from payments.owing import balancing
from payments.taking import noticing, requesting
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


def booked(order: Order) -> list[tuple[str, dict[str, str]]]:
    """The order's entries: the fact, and yuan by account, positive in debit."""
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    entries = LedgerEntry.objects.filter(order=order).order_by("id")
    for line in LedgerLine.objects.filter(entry__in=entries):
        found[line.entry_id][line.account_id] += line.fen
    return [
        (entry.kind, {account: f"{Decimal(fen) / 100:.2f}" for account, fen in sorted(found[entry.pk].items())})
        for entry in entries
    ]


def balances(order: Order) -> dict[str, str]:
    """Yuan by account over all entries of the order, those at 0 left out."""
    sums: dict[str, int] = defaultdict(int)
    for line in LedgerLine.objects.filter(entry__order=order):
        sums[line.account_id] += line.fen
    return {account: f"{Decimal(fen) / 100:.2f}" for account, fen in sorted(sums.items()) if fen}


def complete(order: Order) -> None:
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run, balancing.run)


def test_the_chart_is_there_in_both_languages():
    assert set(Account.objects.values_list("code", flat=True)) == set(Code)
    assert str(Account.objects.get(code="2901")) == "2901 待查款项"


def test_a_paid_order_that_is_cancelled_goes_granted_sent_and_arrived(shop):
    order = shop.place_order()
    steps.pay(order)
    assert booked(order) == [("captured", {"1006": "26.00", "2001": "-26.00"})]

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(requesting.refund)
    steps.notify(f"{order.number}-R1", "26.00", "refunded")
    factories.run(noticing.run)

    assert booked(order)[1:] == [
        ("refund_granted", {"2001": "26.00", "2301": "-26.00"}),
        ("refund_sent", {"2301": "26.00", "2302": "-26.00"}),
        ("refunded", {"1006": "-26.00", "2302": "26.00"}),
    ]
    assert balances(order) == {}
    assert steps.broken_invariants() == []


def test_what_is_told_twice_is_booked_once(shop):
    order = shop.place_order()
    steps.pay(order)
    posting.post_missing([order.pk])
    steps.notify(f"{order.number}-P1", "26.00")
    factories.run(noticing.run)

    assert booked(order) == [("captured", {"1006": "26.00", "2001": "-26.00"})]


def test_an_own_sale_becomes_revenue_when_it_is_completed(shop):
    order = shop.place_order((shop.sku, 2, "10.00"), freight_amount="6.00", coupon_amount="3.00")
    steps.pay(order)
    complete(order)

    assert booked(order)[-1] == ("completed", {"2001": "23.00", "4001": "-17.00", "4003": "-6.00"})
    assert balances(order) == {"1006": "23.00", "4001": "-17.00", "4003": "-6.00"}
    assert steps.broken_invariants() == []


def test_a_marketplace_sale_owes_the_merchant_what_is_left_of_the_commission(shop):
    """5 % of 20.00 for goods and freight; the platform bears the coupon."""
    seller = factories.MerchantFactory(commission_rate=Decimal("0.05"))
    sku = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=sku)
    order = shop.place_order((sku, 2, "10.00"), freight_amount="0.00", coupon_amount="3.00")
    steps.pay(order)
    complete(order)

    assert booked(order)[-1] == ("completed", {"2001": "17.00", "2201": "-19.00", "4002": "-1.00", "5001": "3.00"})
    assert LedgerLine.objects.get(account="2201").party == f"merchant:{seller.pk}"
    assert steps.broken_invariants() == []


def test_gift_card_and_points_are_spent_with_what_the_buyer_keeps(shop):
    order = shop.place_order((shop.sku, 2, "10.00"), freight_amount="0.00", gift_card_amount="5.00")
    steps.pay(order)
    complete(order)

    assert booked(order)[-1] == ("completed", {"2001": "15.00", "2101": "5.00", "4001": "-20.00"})
    assert steps.broken_invariants() == []


def test_goodwill_after_completion_is_compensation(shop):
    order = shop.place_order()
    steps.pay(order)
    complete(order)
    charging.give(order.pk, Decimal(5), ChargeCause.GOODWILL, reason="late", actor=steps.STAFF)
    factories.run(balancing.run)

    assert balances(order) == {"1006": "26.00", "2301": "-5.00", "4001": "-20.00", "4003": "-6.00", "5006": "5.00"}
    assert steps.broken_invariants() == []


def test_what_comes_back_after_completion_takes_the_revenue_back(shop):
    order = shop.place_order()
    steps.pay(order)
    complete(order)
    steps.scan(Shipment.objects.get(), "returned")
    factories.run(balancing.run)

    assert [kind for kind, _amounts in booked(order)] == ["captured", "completed", "refund_granted", "came_back"]
    assert balances(order) == {"1006": "26.00", "2301": "-26.00"}
    assert steps.broken_invariants() == []


def test_cash_lies_with_the_carrier(shop):
    order = shop.place_order(payment_method="cod")
    complete(order)

    assert balances(order) == {"1004": "26.00", "4001": "-20.00", "4003": "-6.00"}


def test_a_fact_without_an_order_is_booked_once(db):
    entry = posting.Entry(
        "bill:A:1",
        EntryKind.PROVIDER_FEE,
        [posting.Line(Code.PROVIDER_FEES, 77), posting.Line(Code.ALIPAY, -77)],
        reason="0.6 %",
    )
    assert (posting.post([entry]), posting.post([entry, entry])) == (1, 0)
    assert LedgerLine.objects.count() == 2
    with pytest.raises(ValueError, match="does not add up"):
        posting.post([posting.Entry("bill:A:2", EntryKind.PROVIDER_FEE, [posting.Line(Code.ALIPAY, -77)])])


def test_the_database_refuses_what_does_not_add_up_and_any_change(shop):
    order = shop.place_order()
    steps.pay(order)
    entry = LedgerEntry.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError, match="does not add up"), transaction.atomic():
        LedgerLine.objects.create(entry=entry, account_id=Code.BANK, debit_fen=1)
    for statement in ("UPDATE payments_ledgerline SET party = ''", "DELETE FROM payments_ledgerentry"):
        with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_booking_takes_as_many_statements_for_many_orders_as_for_one(shop, django_assert_num_queries):
    orders = [shop.place_order() for _ in range(5)]
    for order in orders:
        steps.pay(order)
    with django_assert_num_queries(1):
        posting.post_missing([order.pk for order in orders])
