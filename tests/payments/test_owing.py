"""What is owed: why money goes back, cash at the door, the payment state, what merchants get."""

from dataclasses import dataclass
from decimal import Decimal

import pytest
from django.db import connection

from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Shipment
from logistics.virtual import delivering
from logistics.warehouses import releasing
from oms.common.models import Ticket
from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.fulfilling import allocating, completing, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from payments import kinds
from payments.models import Payment, Refund, RefundReason, SettlementRow
from payments.owing import balancing, owed
from payments.owing.refunding import Paid, share_out
from payments.taking import noticing
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


# --- Why money goes back


def test_a_refused_parcel_is_refunded_as_refused(shop):
    order = shop.place_order()
    steps.pay(order)

    steps.scan(steps.shipped(order), "collected", "rejected", "returning", "returned")
    factories.run(balancing.run)

    assert list(Refund.objects.values_list("amount", "reason")) == [(Decimal("26.00"), "rejected")]
    assert order.events.get(kind="refund_intended").data["reason"] == "rejected"


def test_a_parcel_that_came_back_is_refunded_as_returned(shop):
    order = shop.place_order()
    steps.pay(order)

    steps.scan(steps.shipped(order), "collected", "returned")
    factories.run(balancing.run)

    assert list(Refund.objects.values_list("amount", "reason")) == [(Decimal("26.00"), "returned")]


def test_cancelled_units_are_refunded_as_a_cancelled_part(shop):
    order = shop.place_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"))
    steps.pay(order)
    steps.approve_and_split()

    cancel_units(order.pk, {2: 1}, reason="too many", actor=steps.STAFF)
    factories.run(balancing.run)

    part = SubOrder.objects.get(order=order, state="cancelled")
    assert list(Refund.objects.values_list("amount", "reason")) == [(part.payable_amount, "sub_order_cancelled")]


def test_what_is_due_for_several_reasons_goes_back_as_several_refunds(shop):
    """30.01 more than asked for were paid; then a part is cancelled and the other comes back, before the books are
    looked at."""
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = shop.place_order((shop.sku, 2, "10.00"), (cold, 1, "30.00"), freight_amount="5.00")
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "85.01")
    factories.run(noticing.run)
    steps.approve_and_split()
    parts = {part.storage_class: part for part in SubOrder.objects.filter(order=order)}
    with steps.without_guards():
        steps.put(parts["frozen"], "cancelled")
        steps.put(parts["ambient"], "returned", warehouse=shop.warehouse)
    Order.objects.update(owed_changed_since=steps.NOON)

    factories.run(balancing.run)

    assert list(Refund.objects.order_by("number").values_list("amount", "reason")) == [
        (Decimal("22.00"), "returned"),
        (Decimal("33.00"), "sub_order_cancelled"),
        (Decimal("30.01"), "overpaid"),
    ]


@dataclass(frozen=True)
class _Row:
    """Stands for a payment."""

    pk: int


@pytest.mark.parametrize(
    ("amount", "causes", "payments", "shares"),
    [
        ("10", {}, ["26"], [(0, "10", "overpaid")]),
        ("10", {"returned": "26"}, ["26"], [(0, "10", "returned")]),
        ("10", {"returned": "4"}, ["26"], [(0, "4", "returned"), (0, "6", "overpaid")]),
        (
            "30",
            {"rejected": "12", "sub_order_cancelled": "10"},
            ["20", "15"],
            [
                (0, "12", "rejected"),
                (0, "8", "sub_order_cancelled"),
                (1, "2", "sub_order_cancelled"),
                (1, "8", "overpaid"),
            ],
        ),
        ("30", {"cancelled": "30"}, ["20", "5"], [(0, "20", "cancelled"), (1, "5", "cancelled")]),
        ("10", {"returned": "0"}, [], []),
        # What was paid once more goes back whole, and not in two parts.
        ("30", {"returned": "4"}, ["26", "26"], [(0, "4", "returned"), (1, "26", "overpaid")]),
    ],
)
def test_money_goes_back_by_cause_and_by_payment_and_never_more_than_a_payment_has(amount, causes, payments, shares):
    paid = [Paid(_Row(key), Decimal(left)) for key, left in enumerate(payments)]  # type: ignore[arg-type]
    of_causes = {RefundReason(reason): Decimal(most) for reason, most in causes.items()}

    found = share_out(Decimal(amount), of_causes, paid)

    assert [(share.payment.pk, str(share.amount), share.reason) for share in found] == shares


def test_every_reason_of_a_refund_is_worded_in_the_story():
    for reason in RefundReason:
        told = kinds.REFUND_INTENDED.tell({"number": "R1", "amount": "1.00", "reason": reason.value})
        assert str(reason.label) in told


# --- The sums, each rule alone


def _value(expression: str, order: Order) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression} FROM orders_order o WHERE o.id = %s", [order.pk])
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("method", "states", "owes", "expects", "is_coming"),
    [
        ("prepaid", ("allocated", "allocated"), "55.00", "55.00", True),
        ("prepaid", ("delivered", "completed"), "55.00", "55.00", False),
        ("prepaid", ("cancelled", "delivered"), "33.00", "55.00", False),
        ("prepaid", ("returned", "rejected"), "33.00", "55.00", False),
        ("cod", ("shipped", "allocated"), "55.00", "55.00", True),
        ("cod", ("rejected", "shipped"), "55.00", "33.00", True),
        ("cod", ("rejected", "delivered"), "55.00", "33.00", False),
        ("cod", ("returned", "cancelled"), "0.00", "0.00", False),
    ],
)
def test_what_is_owed_expected_and_still_to_come_follows_from_the_parts(shop, method, states, owes, expects, is_coming):
    """22.00 for what is kept ambient, 33.00 for the frozen part."""
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = shop.place_order((shop.sku, 2, "10.00"), (cold, 1, "30.00"), freight_amount="5.00", payment_method=method)
    if method == "prepaid":
        steps.pay(order)
    steps.approve_and_split()
    with steps.without_guards():
        for part, state in zip(SubOrder.objects.order_by("payable_amount"), states, strict=True):
            steps.put(part, state, warehouse=shop.warehouse)

    assert _value(owed.OWED, order) == Decimal(owes)
    assert _value(owed.EXPECTED, order) == Decimal(expects)
    assert _value(owed.IS_COMING, order) is is_coming
    captured = Decimal("55.00") if method == "prepaid" else Decimal(0)
    assert _value(owed.CAPTURED, order) == captured
    assert _value(owed.TOO_MUCH, order) == captured - Decimal(owes)


@pytest.mark.parametrize(
    ("state", "needs_person", "reserved"),
    [
        ("intended", False, "26.00"),
        ("failed", True, "26.00"),
        ("succeeded", False, "1.00"),
        ("succeeded", True, "26.00"),
    ],
)
def test_a_refund_reserves_what_went_back_or_may_still_go(shop, state, needs_person, reserved):
    order = shop.place_order()
    steps.pay(order)
    payment = Payment.objects.get()
    with steps.without_guards():
        Refund.objects.create(
            number="R",
            order=order,
            payment=payment,
            connection=payment.connection,
            amount=Decimal("26.00"),
            refunded_amount=Decimal("1.00") if state == "succeeded" else Decimal(0),
            succeeded_at=steps.NOON if state == "succeeded" else None,
            state=state,
            reason="cancelled",
            needs_person_since=steps.NOON if needs_person else None,
        )

    assert _value(f"(SELECT {owed.RESERVED} FROM payments_refund r WHERE r.order_id = o.id)", order) == Decimal(
        reserved
    )


# --- Cash on delivery


def test_nothing_is_due_at_the_door_for_a_cancelled_order(shop):
    order = shop.place_order(payment_method="cod")
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    factories.run(balancing.run)

    assert steps.fresh(order).payment_state == "nothing_due"
    assert steps.broken_invariants() == []


def test_nothing_is_due_at_the_door_for_a_refused_parcel_unless_the_buyer_takes_it_after_all(shop):
    order = shop.place_order(payment_method="cod")
    shipment = steps.shipped(order)

    steps.scan(shipment, "collected", "rejected")
    factories.run(balancing.run)
    assert steps.fresh(order).payment_state == "nothing_due"
    assert steps.broken_invariants() == []

    steps.scan(shipment, "signed")
    factories.run(balancing.run)
    assert (steps.fresh(order).payment_state, steps.fresh(order).paid_amount) == ("paid", Decimal("26.00"))
    assert steps.broken_invariants() == []


def _with_a_code(shop: factories.Shop, *goods: tuple) -> Order:  # type: ignore[type-arg]
    """An order on delivery of a code for 15.00, which is delivered, and of goods, whose parcels are under way."""
    code = factories.SkuFactory(merchant=shop.merchant, storage_class="virtual")
    codes = factories.WarehouseFactory(kind="virtual", storage_classes=["virtual"])
    factories.StockFactory(sku=code, warehouse=codes)
    order = shop.place_order((code, 1, "15.00"), *goods, freight_amount="0.00", payment_method="cod")
    factories.run(deciding.run, splitting.run, allocating.run, delivering.run, balancing.run)
    assert SubOrder.objects.get(order=order, storage_class="virtual").state == "delivered"
    return order


def test_a_code_on_delivery_is_paid_at_the_door_with_a_parcel_and_not_when_it_is_sent(shop):
    order = _with_a_code(shop, (shop.sku, 1, "10.00"))
    assert (steps.fresh(order).payment_state, Payment.objects.count()) == ("on_delivery", 0)
    assert steps.broken_invariants() == []

    goods = _ship_goods(order)
    assert Payment.objects.count() == 0
    steps.scan(goods, "collected", "signed")
    factories.run(balancing.run)

    order = steps.fresh(order)
    assert (order.payment_state, order.paid_amount) == ("paid", Decimal("25.00"))
    delivered_at = SubOrder.objects.get(storage_class="ambient").delivered_at
    assert set(Payment.objects.values_list("amount", "means", "captured_at")) == {
        (Decimal("10.00"), "cash", delivered_at),
        (Decimal("15.00"), "cash", delivered_at),
    }
    assert not Ticket.objects.exists()
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("has_goods", [True, False])
def test_a_code_that_nobody_can_collect_the_cash_for_is_shown_to_a_person_once(shop, has_goods):
    order = _with_a_code(shop, *([(shop.sku, 1, "10.00")] if has_goods else []))
    if has_goods:
        steps.scan(_ship_goods(order), "collected", "rejected", "returned")
    factories.run(balancing.run, completing.run, balancing.run)

    part = SubOrder.objects.get(storage_class="virtual")
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.subject_id, ticket.times) == ("cash_not_collected", part.pk, 1)
    assert ticket.values == {"number": part.number, "amount": "15.00"}
    assert (steps.fresh(order).payment_state, Payment.objects.count()) == ("unpaid", 0)
    assert steps.broken_invariants() == []


def _ship(part: SubOrder) -> Shipment:
    """The released part, gone from the warehouse."""
    install_default_carriers()
    steps.warehouse_says(part, "packed")
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    steps.warehouse_says(part, "shipped")
    return Shipment.objects.get(sub_order=part)


def _ship_goods(order: Order) -> Shipment:
    """The goods of an order, gone from the warehouse."""
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(releasing.run)
    return _ship(SubOrder.objects.exclude(storage_class="virtual").get(order=order))


# --- What merchants are owed


def _of_a_seller(shop: factories.Shop) -> tuple[Order, SubOrder]:
    """An order of the shop's own goods and of a marketplace merchant's, whose part the buyer has and confirmed."""
    seller = factories.MerchantFactory()
    theirs = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=theirs)
    order = shop.place_order((shop.sku, 1, "10.00"), (theirs, 1, "30.00"), freight_amount="0.00")
    steps.pay(order)
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run)
    part = SubOrder.objects.get(order=order, merchant=seller)
    steps.scan(_ship(part), "collected", "signed")
    completing.confirm_receipt(part.pk, actor=steps.STAFF)
    return order, part


def test_a_merchants_completed_part_is_settled_while_another_part_is_open(shop):
    order, part = _of_a_seller(shop)

    factories.run(balancing.run)

    assert steps.state_of(order) == "split"
    row = SettlementRow.objects.get()
    assert (row.sub_order, row.net_amount) == (part, Decimal("28.50"))
    assert steps.broken_invariants() == []


def test_the_missing_settlement_of_a_part_is_named(shop):
    _order, part = _of_a_seller(shop)
    factories.run(balancing.run)
    with steps.without_guards():
        SettlementRow.objects.all().delete()

    broken = [finding for finding in steps.broken_invariants() if "are_settled" in finding]

    assert broken == [f"completed_marketplace_sub_orders_are_settled: ['{part.number}']"]


def test_what_came_back_after_completion_is_not_owed_to_the_merchant(shop):
    order, part = _of_a_seller(shop)
    factories.run(balancing.run)

    steps.scan(Shipment.objects.get(sub_order=part), "returned")
    factories.run(balancing.run)

    assert steps.state_of(part) == "returned"
    assert sum(SettlementRow.objects.values_list("net_amount", flat=True)) == 0
    assert list(Refund.objects.values_list("amount", "reason")) == [(Decimal("30.00"), "returned")]
    assert steps.state_of(order) == "split"
    assert steps.broken_invariants() == []
