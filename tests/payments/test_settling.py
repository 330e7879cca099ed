"""Settlement with marketplace merchants: signed rows, frozen statements, nothing changed afterwards."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from itertools import pairwise

import pytest
import python_calamine
import time_machine
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from inventory.models import Sku
from logistics.models import Shipment
from oms.common.errors import OmsError
from oms.merchants.models import Channel, Merchant
from orders.actors import Actor
from orders.changing import charging
from orders.changing.cancelling import cancel_order
from orders.fulfilling import completing
from orders.models import ActorKind, ChargeCause, Order, SubOrder
from orders.models.amounts import Bearer
from payments.ledger.balances import balances_of
from payments.ledger.chart import Code
from payments.models import CommissionTerm, LedgerLine, RowKind, SettlementRow, Statement
from payments.owing import balancing
from payments.statements import closing
from payments.statements.workbook import workbook
from payments.taking import recording
from tests import factories, steps

pytestmark = pytest.mark.django_db

ANNA, BERT = Actor(ActorKind.STAFF, "anna"), Actor(ActorKind.STAFF, "bert")
JANUARY = closing.Span(date(2026, 1, 1), date(2026, 2, 1))


@pytest.fixture
def seller() -> Merchant:
    return factories.MerchantFactory(commission_rate=Decimal("0.05"), settlement_days=7)


def goods_of(seller: Merchant, **fields: object) -> Sku:
    sku = factories.SkuFactory(merchant=seller, **fields)
    factories.StockFactory(sku=sku)
    return sku


def sold(shop: factories.Shop, *lines: tuple[Sku, int, str], on: date | None = None, **fields: object) -> Order:
    """An order that was paid, delivered and completed (on that day), with its books."""
    order = shop.place_order(*lines, **{"freight_amount": "0.00", **fields})
    if order.state == "awaiting_payment":
        steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run)
    if on:
        SubOrder.objects.filter(order=order).update(completed_at=at(on))
    factories.run(balancing.run)
    return order


def at(day: date) -> datetime:
    """Ten in the morning of the day."""
    return timezone.make_aware(datetime.combine(day, time(10)))


def rows() -> list[tuple[str, str, str, str, str, str]]:
    """Kind, goods, platform, freight, commission and net of all rows."""
    columns = ("kind", "goods_amount", "platform_amount", "freight_amount", "commission_amount", "net_amount")
    return [tuple(map(str, row)) for row in SettlementRow.objects.order_by("pk").values_list(*columns)]


def test_a_sale_pays_commission_on_goods_and_what_the_platform_bears_but_not_on_freight(shop, seller):
    """The reference's S1: 2 x 49.95, freight 6.00; 5 % of 99.90 = 4.995, rounded half up to 5.00."""
    sold(shop, (goods_of(seller), 2, "49.95"), freight_amount="6.00")

    assert rows() == [("sale", "99.90", "0.00", "6.00", "-5.00", "100.90")]
    assert steps.broken_invariants() == []


def test_a_coupon_that_both_bear_counts_by_its_shares(shop, seller):
    """The reference's S2: 80.00, 10.00 off, of which the platform bears 60 %: 70.00 + 6.00, commission 3.80."""
    promotion = {"id": "C10", "name": "", "rule": {}, "amount": "10.00", "platform_amount": "6.00"}
    sold(shop, (goods_of(seller), 1, "80.00"), promotions=[promotion])

    assert rows() == [("sale", "70.00", "6.00", "0.00", "-3.80", "72.20")]
    assert steps.broken_invariants() == []


def test_what_the_merchant_took_itself_leaves_the_commission_owed(seller):
    """The reference's S4: 200.00 that the merchant's own channel took; it owes 10.00."""
    own = factories.ChannelFactory(merchant=seller)
    sku = goods_of(seller)
    body = factories.order_body((sku, 1, "200.00"), source=own.code, freight_amount="0.00")
    body |= {"collected": {"amount": "200.00", "paid_at": "2026-01-02T10:00:00+08:00", "transaction": "T1"}}
    order = factories.place(body, seller)
    factories.run(recording.book_collected)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run, balancing.run)

    assert [(kind, net) for kind, *_rest, net in rows()] == [("sale", "190.00"), ("collected", "-200.00")]
    assert sum(SettlementRow.objects.filter(statement=None).values_list("net_amount", flat=True)) == Decimal("-10.00")
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("terms", "collected", "expected"),
    [
        # The buyer gave 60.00 to the channel, 20.00 by its gift card, 10.00 by its points: commission on 90.00.
        (None, True, [("sale", "90.00", "0.00", "85.50"), ("collected", "-90.00", "0.00", "-90.00")]),
        # 60.00 came over our provider: only what the channel's own card and points paid is with the merchant.
        (None, False, [("sale", "90.00", "0.00", "85.50"), ("collected", "-30.00", "0.00", "-30.00")]),
        # Coupon, gift card and points are ours by the channel's terms: commission on 100.00, all of it is paid out.
        (True, False, [("sale", "90.00", "10.00", "95.00")]),
    ],
)
def test_coupon_gift_card_and_points_of_a_merchants_channel_are_the_channels_unless_its_terms_say_ours(
    seller, terms, collected, expected
):
    own = factories.ChannelFactory(merchant=seller, platform_may_bear=terms)
    amounts = {"coupon_amount": "10.00", "gift_card_amount": "20.00", "points": {"used": 1000, "amount": "10.00"}}
    sku = goods_of(seller)
    body = factories.order_body((sku, 1, "100.00"), source=own.code, freight_amount="0.00", **amounts)
    body["payable_amount"] = "60.00"
    if collected:
        body["collected"] = {"amount": "60.00", "paid_at": "2026-01-02T10:00:00+08:00", "transaction": "T1"}
    order = factories.place(body, seller)
    factories.run(recording.book_collected)
    if not collected:
        steps.pay(order)
    # What the terms say later is of orders to come.
    Channel.objects.filter(pk=own.pk).update(platform_may_bear=not terms)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run, balancing.run)

    assert [(kind, goods, platform, net) for kind, goods, platform, _f, _c, net in rows()] == expected
    booked = {
        account: sum(line.fen for line in LedgerLine.objects.filter(entry__order=order, account=account))
        for account in (Code.MERCHANTS, Code.MERCHANTS_OWN, Code.GIFT_CARDS, Code.POINTS, Code.PLATFORM_OFFERS)
    }
    owed = sum(SettlementRow.objects.values_list("net_amount", flat=True))
    ours = [2000, 1000, 1000] if terms else [0, 0, 0]
    assert list(booked.values()) == [-int(owed * 100), 0, *ours]
    assert steps.broken_invariants() == []

    steps.scan(Shipment.objects.get(), "returned")
    factories.run(balancing.run)
    assert sum(SettlementRow.objects.values_list("net_amount", flat=True)) == 0
    assert steps.broken_invariants() == []


def test_the_rate_is_that_of_the_category_when_the_order_came_in(shop, seller):
    CommissionTerm.objects.create(merchant=seller, category="茶", rate=Decimal("0.08"))
    order = shop.place_order((goods_of(seller, category="茶"), 1, "100.00"), freight_amount="0.00")
    CommissionTerm.objects.create(merchant=seller, category="茶", rate=Decimal("0.20"))
    steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run, balancing.run)
    sold(shop, (goods_of(seller, category="书"), 1, "100.00"))

    assert [row[4] for row in rows()] == ["-8.00", "-5.00"]


def test_what_comes_back_after_completion_takes_the_row_back(shop, seller):
    sold(shop, (goods_of(seller), 2, "49.95"))
    steps.scan(Shipment.objects.get(), "returned")
    factories.run(balancing.run)

    assert [(kind, net) for kind, *_rest, net in rows()] == [("sale", "94.90"), ("refund", "-94.90")]
    assert SettlementRow.objects.get(kind="refund").corrects == SettlementRow.objects.get(kind="sale")
    assert steps.broken_invariants() == []


def test_what_the_merchant_bears_is_a_row_and_comes_back_when_it_is_netted(seller):
    own = factories.ChannelFactory(merchant=seller)
    body = factories.order_body((goods_of(seller), 1, "100.00"), source=own.code, freight_amount="0.00")
    order = factories.place(body, seller)
    steps.pay(order)
    goodwill = {"reason": "late", "actor": ANNA, "bearer": Bearer.MERCHANT}
    for amount in ("5.00", "3.00"):
        charging.give(order.pk, Decimal(amount), ChargeCause.GOODWILL, **goodwill)
        factories.run(balancing.run)
    assert [(kind, net) for kind, *_rest, net in rows()] == [("compensation", "-5.00"), ("compensation", "-3.00")]
    assert steps.broken_invariants() == []

    cancel_order(order.pk, reason="changed mind", actor=ANNA)
    factories.run(balancing.run)

    assert [net for *_rest, net in rows()] == ["-5.00", "-3.00", "8.00"]
    assert steps.broken_invariants() == []


def by_hand(seller: Merchant, amount: str, kind: RowKind = RowKind.CORRECTION, key: str = "1") -> SettlementRow:
    return closing.add_by_hand(seller.pk, kind, Decimal(amount), reason="weight fee", actor=ANNA, key=key)


def test_three_periods_with_a_refund_after_closing_a_fine_and_a_negative_carry_over(shop, seller):
    today = timezone.localdate()
    days = [today + timedelta(days=days) for days in (-40, -10, 10, 40)]
    spans = [closing.Span(*span) for span in pairwise(days)]
    first = sold(shop, (goods_of(seller), 1, "100.00"), on=days[0])
    one = closing.close(seller.pk, spans[0], actor=ANNA)
    assert (one.rows_amount, one.payable_amount) == (Decimal("95.00"), Decimal("95.00"))

    steps.scan(Shipment.objects.get(sub_order__order=first), "returned")
    factories.run(balancing.run)
    by_hand(seller, "-20.00", RowKind.FINE)
    with time_machine.travel(at(days[2])):
        two = closing.close(seller.pk, spans[1], actor=ANNA)
    assert (two.total_amount, two.payable_amount) == (Decimal("-115.00"), 0)
    assert SettlementRow.objects.get(kind="refund").corrects.statement == one

    sold(shop, (goods_of(seller), 1, "200.00"), on=days[2])
    with time_machine.travel(at(days[3])):
        three = closing.close(seller.pk, spans[2], actor=ANNA)
        closing.approve(three.pk, actor=BERT)
        closing.pay(three.pk, bank_serial="B-77", actor=BERT)
    assert (three.opening_amount, three.rows_amount, three.total_amount) == (
        Decimal("-115.00"),
        Decimal("190.00"),
        Decimal("75.00"),
    )
    assert all(closing.rederived(statement) for statement in Statement.objects.all())
    assert steps.broken_invariants() == []
    # The first statement is still to be paid.
    assert balances_of(["1003", "2201"]) == {"1003": Decimal("-75.00"), "2201": Decimal("95.00")}


def test_a_statement_is_approved_by_a_second_person_and_paid_with_the_banks_serial(shop, seller):
    by_hand(seller, "12.50")
    today = timezone.localdate()
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        statement = closing.close(seller.pk, closing.Span(today, today + timedelta(days=1)), actor=ANNA)
        with pytest.raises(OmsError):
            closing.pay(statement.pk, bank_serial="B-1", actor=BERT)
        with pytest.raises(OmsError):
            closing.approve(statement.pk, actor=ANNA)
        closing.approve(statement.pk, actor=BERT)
        with pytest.raises(OmsError):
            closing.pay(statement.pk, bank_serial=" ", actor=BERT)
        assert closing.pay(statement.pk, bank_serial="B-1", actor=BERT).state == "paid"
        with pytest.raises(OmsError):
            closing.pay(statement.pk, bank_serial="B-1", actor=BERT)
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("starts_on", "ends_on"),
    [
        (date(2026, 1, 1), date(2099, 1, 1)),
        (date(2026, 1, 15), date(2026, 2, 15)),
        (date(2026, 2, 1), date(2026, 3, 1)),
    ],
    ids=["not over", "overlaps", "empty"],
)
def test_a_period_is_closed_once_when_it_is_over_and_has_rows(seller, starts_on, ends_on):
    with time_machine.travel("2026-01-10T10:00:00+08:00"):
        by_hand(seller, "1.00")
    with time_machine.travel("2026-04-01T10:00:00+08:00"):
        statement = closing.close(seller.pk, JANUARY, actor=ANNA)
        with pytest.raises(OmsError):
            closing.close(seller.pk, closing.Span(starts_on, ends_on), actor=ANNA)
    assert Statement.objects.get() == statement
    assert closing.rederived(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments_settlementrow SET net_amount = 1, other_amount = 1",
        "UPDATE payments_settlementrow SET statement_id = NULL",
        "DELETE FROM payments_settlementrow",
    ],
)
def test_a_row_is_never_changed(seller, statement):
    with time_machine.travel("2026-01-10T10:00:00+08:00"):
        by_hand(seller, "1.50")
    with time_machine.travel("2026-02-10T10:00:00+08:00"):
        closing.close(seller.pk, JANUARY, actor=ANNA)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_row_by_hand_is_added_once_and_booked(seller):
    by_hand(seller, "-3.20")
    by_hand(seller, "-3.20")
    assert [net for *_rest, net in rows()] == ["-3.20"]
    assert balances_of(["2201"]) == {"2201": Decimal("-3.20")}
    with pytest.raises(OmsError):
        by_hand(seller, "0", key="2")


@pytest.mark.parametrize(
    ("period", "spans"),
    [
        ("daily", ["2026-01-31", "2026-02-03"]),
        ("weekly", ["2026-01-26", "2026-02-02"]),
        ("monthly", ["2026-01-01"]),
    ],
)
def test_the_periods_that_are_over_are_closed_by_the_merchants_term(seller, period, spans):
    Merchant.objects.filter(pk=seller.pk).update(settlement_period=period)
    for day in ("2026-01-31", "2026-02-03"):
        with time_machine.travel(f"{day}T10:00:00+08:00"):
            by_hand(seller, "1.00", key=day)
    with time_machine.travel("2026-02-09T10:00:00+08:00"):
        merchant = Merchant.objects.get(pk=seller.pk)
        made = closing.close_over(merchant, timezone.localdate(), actor=ANNA)
        assert closing.close_over(merchant, timezone.localdate(), actor=ANNA) == []

    assert [str(statement.starts_on) for statement in made] == spans
    assert steps.broken_invariants() == []


def test_the_workbook_has_summary_rows_and_corrections(shop, seller):
    today = timezone.localdate()
    order = sold(shop, (goods_of(seller), 2, "49.95"), freight_amount="6.00", on=today - timedelta(days=9))
    by_hand(seller, "-3.20")
    with time_machine.travel(at(today + timedelta(days=1))):
        statement = closing.close(seller.pk, closing.Span(today - timedelta(9), today + timedelta(1)), actor=ANNA)

    book = python_calamine.CalamineWorkbook.from_filelike(BytesIO(workbook(statement)))
    summary, listed, corrections = (book.get_sheet_by_index(i).to_python() for i in range(3))
    assert [row[2] for row in summary if row[0] == "合计"] == [97.7]
    assert {row[1] for row in listed[1:]} == {order.number, ""}
    assert [row[1] for row in corrections[1:]] == [-3.2]
