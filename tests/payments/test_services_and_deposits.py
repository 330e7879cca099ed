"""What our warehouses cost merchants, and what these leave as a security."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from logistics.models import Shipment
from oms.common.errors import OmsError
from oms.merchants.models import Merchant
from payments.ledger.balances import balances_of
from payments.models import Deposit, DepositKind, DepositMovement, ServiceTerm, SettlementRow, Statement
from payments.owing import balancing
from payments.statements import closing, deposits
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.payments.test_settling import ANNA, BERT, by_hand, rows, sold

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller() -> Merchant:
    return factories.MerchantFactory(commission_rate=Decimal("0.05"), settlement_days=7)


def test_goods_that_a_warehouse_of_ours_sends_cost_the_merchant_its_service(shop, seller):
    """1.50 a parcel, 0.30 a unit and 1 % of 99.90: 1.50 + 0.60 + 1.00 = 3.10."""
    term = {"sub_order_fee": Decimal("1.50"), "unit_fee": Decimal("0.30"), "rate": Decimal("0.01")}
    ServiceTerm.objects.create(merchant=seller, **term)
    with_us = factories.StockFactory(sku__merchant=seller, warehouse__kind="partner").sku
    sold(shop, (with_us, 2, "49.95"))

    assert [(kind, net) for kind, *_rest, net in rows()] == [("sale", "94.90"), ("service", "-3.10")]
    service = SettlementRow.objects.get(kind="service")
    assert (service.quantity, service.due_on) == (2, SettlementRow.objects.get(kind="sale").due_on)
    assert balances_of(["2201", "4005"]) == {"2201": Decimal("91.80"), "4005": Decimal("3.10")}
    assert steps.broken_invariants() == []

    # The parcel that comes back was sent all the same.
    steps.scan(Shipment.objects.get(), "returned")
    factories.run(balancing.run, balancing.run)

    assert sum(SettlementRow.objects.values_list("net_amount", flat=True)) == Decimal("-3.10")
    assert balances_of(["2201"])["2201"] == Decimal("-3.10")
    assert steps.broken_invariants() == []


def test_goods_of_the_merchants_own_warehouse_cost_no_service_nor_do_orders_of_before(shop, seller):
    with_us = factories.StockFactory(sku__merchant=seller).sku
    order = shop.place_order((with_us, 1, "10.00"), freight_amount="0.00")
    ServiceTerm.objects.create(merchant=seller, sub_order_fee=Decimal("1.00"))
    steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run)
    own = factories.StockFactory(sku__merchant=seller, warehouse__kind="merchant").sku
    sold(shop, (own, 1, "10.00"))

    assert {kind for kind, *_rest in rows()} == {"sale"}


def move(seller: Merchant, kind: DepositKind, amount: str, key: str = "1", document: str = "B-1") -> DepositMovement:
    return deposits.move(
        seller.pk, kind, Decimal(amount), reason="contract", actor=ANNA, key=f"{kind}{key}", document=document
    )


def held(seller: Merchant) -> tuple[Decimal, Decimal]:
    deposit = Deposit.objects.get(merchant=seller)
    return deposit.held_amount, deposit.missing_amount


def test_a_deposit_is_paid_in_fined_kept_back_and_paid_back_and_every_step_is_booked(seller):
    Deposit.objects.create(merchant=seller, due_amount=Decimal("1000.00"))
    assert held(seller) == (0, 1000)

    move(seller, DepositKind.PAID_IN, "600.00")
    move(seller, DepositKind.PAID_IN, "600.00")  # told twice
    assert held(seller) == (600, 400)
    move(seller, DepositKind.FINE, "50.00")
    assert held(seller) == (550, 450)
    move(seller, DepositKind.KEPT_BACK, "450.00")
    assert held(seller) == (1000, 0)
    move(seller, DepositKind.PAID_BACK, "100.00")
    assert held(seller) == (900, 100)

    assert rows() == [("deposit", "0.00", "0.00", "0.00", "0.00", "-450.00")]
    assert balances_of(["1003", "2201", "2202", "4004"]) == {
        "1003": Decimal("500.00"),
        "2201": Decimal("-450.00"),
        "2202": Decimal("900.00"),
        "4004": Decimal("50.00"),
    }
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("kind", "amount", "document"),
    [
        (DepositKind.FINE, "100.01", "B-1"),
        (DepositKind.PAID_BACK, "100.01", "B-1"),
        (DepositKind.PAID_IN, "0", "B-1"),
        (DepositKind.PAID_IN, "-1", "B-1"),
        (DepositKind.PAID_IN, "1.001", "B-1"),
        (DepositKind.PAID_IN, "1.00", " "),
    ],
)
def test_a_deposit_is_never_overdrawn_nor_moved_by_nothing(seller, kind, amount, document):
    Deposit.objects.create(merchant=seller, due_amount=Decimal("1000.00"))
    move(seller, DepositKind.PAID_IN, "100.00")
    with pytest.raises(OmsError):
        move(seller, kind, amount, key="2", document=document)
    assert held(seller) == (100, 900)
    assert DepositMovement.objects.count() == 1


def test_who_leaves_no_deposit_cannot_be_fined_from_one(seller):
    with pytest.raises(OmsError):
        move(seller, DepositKind.FINE, "1.00")


def test_the_database_refuses_an_overdrawn_deposit_and_a_changed_movement(seller):
    Deposit.objects.create(merchant=seller, due_amount=Decimal("10.00"))
    move(seller, DepositKind.PAID_IN, "10.00")
    with pytest.raises(IntegrityError, match="overdrawn"), transaction.atomic():
        Deposit.objects.update(held_amount=-1)
    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
        DepositMovement.objects.update(amount=1)


def approved(seller: Merchant) -> Statement:
    by_hand(seller, "12.50")
    today = timezone.localdate()
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        statement = closing.close(seller.pk, closing.Span(today, today + timedelta(days=1)), actor=ANNA)
        return closing.approve(statement.pk, actor=BERT)


def test_while_something_of_the_deposit_is_missing_no_statement_is_paid(seller):
    Deposit.objects.create(merchant=seller, due_amount=Decimal("100.00"))
    statement = approved(seller)
    with pytest.raises(OmsError, match=r"100\.00"):
        closing.pay(statement.pk, bank_serial="B-7", actor=BERT)
    assert Statement.objects.get().state == "approved"

    move(seller, DepositKind.PAID_IN, "100.00")

    assert closing.pay(statement.pk, bank_serial="B-7", actor=BERT).state == "paid"
    assert steps.broken_invariants() == []


def test_a_deposit_that_blocks_nothing_does_not_hold_up_a_statement(seller):
    Deposit.objects.create(merchant=seller, due_amount=Decimal("100.00"), blocks_payout=False)
    assert closing.pay(approved(seller).pk, bank_serial="B-7", actor=BERT).state == "paid"


def test_staff_record_movements_by_their_rights(seller):
    deposit = Deposit.objects.create(merchant=seller, due_amount=Decimal("100.00"))
    path = "/admin/payments/depositmovement/add/"
    form = {"deposit": deposit.pk, "kind": "paid_in", "amount": "60.00", "reason": "contract", "document": "B-9"}
    payer = client_of("view_deposit", "view_depositmovement", "move_deposit")
    assert payer.post(path, form).status_code == 302
    assert held(seller) == (60, 40)
    # Fines are another right.
    assert payer.post(path, {**form, "kind": "fine"}).status_code == 200
    assert held(seller) == (60, 40)
    judge = client_of("view_deposit", "view_depositmovement", "fine_merchant")
    judge.post(path, {**form, "kind": "fine", "amount": "70.00"})
    assert held(seller) == (60, 40)
    judge.post(path, {**form, "kind": "fine", "amount": "10.00"})
    assert held(seller) == (50, 50)
    assert client_of("view_deposit", "view_depositmovement").get(path).status_code == 403
    assert "50.00" in payer.get("/admin/payments/deposit/").content.decode()
