"""What a granted return does to settlement and ledger: the merchant that bears it loses the sale of those units, once,
in the open period, and where the platform bears it the merchant keeps the sale."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from inventory.models import StockMovement
from logistics.models import Shipment
from oms.merchants.models import Merchant
from orders.fulfilling import completing
from orders.models import Order
from orders.models.amounts import Bearer
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.ledger.balances import balances_of
from payments.ledger.chart import Code
from payments.models import GrantKind, LedgerEntry, RowKind, SettlementRow
from payments.owing import balancing
from payments.statements import closing
from payments.taking import recording
from tests import factories, steps
from tests.payments.grants import actor, member
from tests.payments.test_promotions_lost import promotion
from tests.payments.test_settling import ANNA, at, by_hand, goods_of, rows, sold

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None) -> None:
    limits.install_defaults()


@pytest.fixture
def seller() -> Merchant:
    return factories.MerchantFactory(commission_rate=Decimal("0.05"), settlement_days=7)


@pytest.fixture
def lead() -> User:
    return member("finance")


def send_back(
    order: Order, units: dict[int, int], user: User, *, bearer: Bearer | None = None, reason: str = "no_reason"
) -> None:
    wanted = Wanted(GrantKind.RETURN, units=units)
    by = {"actor": actor(user), "user": user, "bearer": bearer}
    deciding.propose(order.pk, wanted, reason=reason, note="came back", **by)  # type: ignore[arg-type]
    factories.run(balancing.run)


def payable_to_merchants() -> Decimal:
    return balances_of(["2201"]).get("2201", Decimal(0))


def test_one_of_two_units_takes_half_of_the_sale_back_and_half_of_the_commission(shop, seller, lead):
    """The reference's S3: goods -49.95, commission +2.50, net -47.45; the rest later takes the rest."""
    order = sold(shop, (goods_of(seller), 2, "49.95"), freight_amount="6.00")
    movements = StockMovement.objects.count()

    send_back(order, {1: 1}, lead, reason="sellers_fault")

    assert rows() == [
        ("sale", "99.90", "0.00", "6.00", "-5.00", "100.90"),
        ("refund", "-49.95", "0.00", "-3.00", "2.50", "-50.45"),
    ]
    row = SettlementRow.objects.get(kind="refund")
    assert (row.quantity, row.corrects) == (-1, SettlementRow.objects.get(kind="sale"))
    assert payable_to_merchants() == Decimal("50.45")
    assert steps.broken_invariants() == []
    # Stock moves when the goods are there.
    assert StockMovement.objects.count() == movements

    send_back(order, {1: 1}, lead, reason="sellers_fault")

    assert rows()[2] == ("refund", "-49.95", "0.00", "-3.00", "2.50", "-50.45")
    assert payable_to_merchants() == 0
    assert balances_of(["4002"])["4002"] == 0
    assert steps.broken_invariants() == []


def test_the_worked_statement_of_the_reference(shop, seller, lead):
    """S1 to S5: goods 119.95, platform 6.00, freight 6.00, commission -16.30, in all 112.45."""
    first = sold(shop, (goods_of(seller), 2, "49.95"), freight_amount="6.00")
    coupon = {"id": "C10", "name": "", "rule": {}, "amount": "10.00", "platform_amount": "6.00"}
    sold(shop, (goods_of(seller), 1, "80.00"), promotions=[coupon])
    send_back(first, {1: 1}, lead)
    own = factories.ChannelFactory(merchant=seller)
    body = factories.order_body((goods_of(seller), 1, "200.00"), source=own.code, freight_amount="0.00")
    body |= {"collected": {"amount": "200.00", "paid_at": "2026-01-02T10:00:00+08:00", "transaction": "T1"}}
    order = factories.place(body, seller)
    factories.run(recording.book_collected)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run, balancing.run)
    by_hand(seller, "-3.20")
    after = timezone.localdate() + timedelta(days=8)
    with time_machine.travel(at(after)):
        statement = closing.close(seller.pk, closing.Span(after - timedelta(days=30), after), actor=ANNA)

    columns = ("goods_amount", "platform_amount", "freight_amount", "commission_amount", "net_amount")
    sums = {name: sum(statement.rows.values_list(name, flat=True)) for name in columns}
    assert {name: str(amount) for name, amount in sums.items()} == {
        "goods_amount": "119.95",
        "platform_amount": "6.00",
        "freight_amount": "6.00",
        "commission_amount": "-16.30",
        "net_amount": "112.45",
    }
    assert statement.payable_amount == Decimal("112.45")
    assert steps.broken_invariants() == []


def test_the_last_unit_takes_the_rest_of_the_commission(shop, seller, lead):
    """5 % of 99.99 is 5.00: back come floor(5.00 / 3) = 1.66, then floor(3.34 / 2) = 1.67, then 1.67."""
    order = sold(shop, (goods_of(seller), 3, "33.33"))
    for _unit in range(3):
        send_back(order, {1: 1}, lead)

    assert [row[4] for row in rows()] == ["-5.00", "1.66", "1.67", "1.67"]
    assert steps.broken_invariants() == []


def test_what_is_granted_before_completion_is_settled_with_it_once(shop, seller, lead):
    order = shop.place_order((goods_of(seller), 2, "50.00"), freight_amount="0.00")
    steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    send_back(order, {1: 1}, lead)
    assert rows() == []

    factories.run(balancing.run, completing.run, balancing.run, balancing.run)

    assert [(kind, net) for kind, *_rest, net in rows()] == [("sale", "95.00"), ("refund", "-47.50")]
    assert payable_to_merchants() == Decimal("47.50")
    assert steps.broken_invariants() == []


def test_where_the_platform_bears_it_the_merchant_keeps_the_sale(shop, seller, lead):
    order = sold(shop, (goods_of(seller), 2, "50.00"))

    send_back(order, {1: 1}, lead, bearer=Bearer.PLATFORM)

    assert [kind for kind, *_rest in rows()] == ["sale"]
    assert balances_of(["2201", "5006", "2301"]) == {
        "2201": Decimal("95.00"),
        "5006": Decimal("50.00"),
        "2301": Decimal("50.00"),
    }
    assert steps.broken_invariants() == []


def test_the_parcel_that_comes_back_after_a_unit_was_granted_takes_only_the_rest(shop, seller, lead):
    order = sold(shop, (goods_of(seller), 3, "33.33"), coupon_amount="10.00")
    send_back(order, {1: 1}, lead)
    steps.scan(Shipment.objects.get(), "returned")
    factories.run(balancing.run)

    assert [kind for kind, *_rest in rows()] == ["sale", "refund", "refund"]
    assert sum(SettlementRow.objects.values_list("net_amount", flat=True)) == 0
    assert sum(SettlementRow.objects.values_list("quantity", flat=True)) == 0
    assert payable_to_merchants() == 0
    assert steps.broken_invariants() == []


def test_the_ledger_says_of_a_parcel_of_the_marketplace_that_it_came_back(shop, seller):
    order = sold(shop, (goods_of(seller), 1, "50.00"))
    steps.scan(Shipment.objects.get(), "returned")
    factories.run(balancing.run)

    told = LedgerEntry.objects.filter(order=order, lines__account="2201").order_by("pk")
    assert list(told.values_list("kind", flat=True)) == ["completed", "came_back"]


def test_a_return_after_closing_is_in_the_open_period_and_names_the_sale(shop, seller, lead):
    today = timezone.localdate()
    order = sold(shop, (goods_of(seller), 2, "50.00"), on=today - timedelta(days=17))
    with time_machine.travel(at(today)):
        one = closing.close(seller.pk, closing.Span(today - timedelta(days=30), today), actor=ANNA)
    assert (one.total_amount, one.row_count) == (Decimal("95.00"), 1)

    send_back(order, {1: 1}, lead)

    row = SettlementRow.objects.get(kind="refund")
    assert (row.net_amount, row.due_on, row.statement) == (Decimal("-47.50"), today, None)
    assert row.corrects is not None
    assert row.corrects.statement == one
    assert closing.rederived(one)
    assert steps.broken_invariants() == []


def test_what_is_lost_of_a_promotion_goes_to_who_bore_it(shop, seller, lead):
    """Example 1: 34.00 of the sale go back, 10.00 to the buyer; of the other 24.00 the merchant bore two thirds."""
    warehouse = factories.WarehouseFactory(merchant=seller)
    skus = [factories.StockFactory(warehouse=warehouse, sku__merchant=seller).sku for _line in range(3)]
    lines = [(sku, 1, price) for sku, price in zip(skus, ("100.00", "60.00", "40.00"), strict=True)]
    order = sold(shop, *lines, promotions=[promotion("30.00", "200.00", platform_amount="10.00")])
    send_back(order, {3: 1}, lead)

    kept = SettlementRow.objects.get(kind=RowKind.KEPT)
    assert kept.net_amount == Decimal("16.00")
    assert steps.broken_invariants() == []

    send_back(order, {1: 1, 2: 1}, lead)

    assert sum(SettlementRow.objects.filter(kind=RowKind.KEPT).values_list("net_amount", flat=True)) == 0
    assert payable_to_merchants() == 0
    assert steps.broken_invariants() == []


def test_freight_that_the_buyer_does_not_get_back_stays_the_merchants(shop, seller, lead):
    order = sold(shop, (goods_of(seller), 2, "50.00"), freight_amount="6.00")
    send_back(order, {1: 1}, lead)

    assert [(kind, net) for kind, *_rest, net in rows()] == [("sale", "101.00"), ("refund", "-50.50"), ("kept", "3.00")]
    assert payable_to_merchants() == Decimal("53.50")
    assert steps.broken_invariants() == []


def test_gift_card_and_points_of_the_units_go_back_to_where_they_came_from(shop, seller, lead):
    order = sold(
        shop, (goods_of(seller), 2, "50.00"), gift_card_amount="40.00", points={"used": 1000, "amount": "10.00"}
    )
    send_back(order, {1: 1}, lead)

    assert balances_of(["2101", "2102", "2201"]) == {
        "2101": Decimal("-20.00"),
        "2102": Decimal("-5.00"),
        "2201": Decimal("47.50"),
    }
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(("bearer", "net"), [(Bearer.MERCHANT, "-5.00"), (Bearer.PLATFORM, "90.00")])
def test_a_merchant_that_took_the_money_itself_owes_the_commission_of_what_was_kept(seller, lead, bearer, net):
    """200.00 taken; one of two units goes back, which the merchant itself pays: it owes 5 % of 100.00, or, where the
    platform bears it, has 100.00 coming less 10.00."""
    own = factories.ChannelFactory(merchant=seller)
    body = factories.order_body((goods_of(seller), 2, "100.00"), source=own.code, freight_amount="0.00")
    body |= {"collected": {"amount": "200.00", "paid_at": "2026-01-02T10:00:00+08:00", "transaction": "T1"}}
    order = factories.place(body, seller)
    factories.run(recording.book_collected)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run, balancing.run)
    send_back(order, {1: 1}, lead, bearer=bearer)

    assert sum(SettlementRow.objects.values_list("net_amount", flat=True)) == Decimal(net)
    assert steps.broken_invariants() == []


def test_what_the_merchant_gave_back_itself_beside_the_price_is_not_taken_twice(seller, lead):
    own = factories.ChannelFactory(merchant=seller)
    body = factories.order_body((goods_of(seller), 1, "200.00"), source=own.code, freight_amount="0.00")
    body |= {"collected": {"amount": "200.00", "paid_at": "2026-01-02T10:00:00+08:00", "transaction": "T1"}}
    order = factories.place(body, seller)
    factories.run(recording.book_collected)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run, balancing.run)
    wanted = Wanted(GrantKind.GOODWILL, Decimal("5.00"))
    by = {"actor": actor(lead), "user": lead, "bearer": Bearer.MERCHANT}
    deciding.propose(order.pk, wanted, reason="late", note="late", **by)  # type: ignore[arg-type]
    factories.run(balancing.run)

    assert sum(SettlementRow.objects.values_list("net_amount", flat=True)) == Decimal("-10.00")
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("is_collected", "bearer", "net"),
    [
        # 140.00 in money, 60.00 by gift card and points of the channel's platform: all of it the merchant's already.
        (True, Bearer.MERCHANT, "-5.00"),
        (True, Bearer.PLATFORM, "90.00"),
        # The money came to us: of 95.00, or of 190.00, the merchant has 30.00 from its channel.
        (False, Bearer.MERCHANT, "65.00"),
        (False, Bearer.PLATFORM, "160.00"),
    ],
)
def test_what_the_channels_own_gift_card_and_points_paid_goes_back_by_its_merchant(
    seller, lead, is_collected, bearer, net
):
    own = factories.ChannelFactory(merchant=seller)
    tenders = {"gift_card_amount": "40.00", "points": {"used": 2000, "amount": "20.00"}}
    body = factories.order_body((goods_of(seller), 2, "100.00"), source=own.code, freight_amount="0.00", **tenders)
    if is_collected:
        body |= {"collected": {"amount": "140.00", "paid_at": "2026-01-02T10:00:00+08:00", "transaction": "T1"}}
    order = factories.place(body, seller)
    factories.run(recording.book_collected)
    if not is_collected:
        steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run, completing.run, balancing.run)
    send_back(order, {1: 1}, lead, bearer=bearer)

    assert sum(SettlementRow.objects.values_list("net_amount", flat=True)) == Decimal(net)
    assert payable_to_merchants() == Decimal(net)
    assert not any(balances_of([Code.GIFT_CARDS, Code.POINTS]).values())
    assert steps.broken_invariants() == []
