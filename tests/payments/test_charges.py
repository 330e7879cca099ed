"""What is owed is a sum of charges: placed, taken back, and given beside the price."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from oms.common.errors import OmsError
from orders.changing import charging
from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.models import ChargeCause, Order, OrderCharge, SubOrder
from payments.models import Refund
from payments.owing import balancing
from tests import factories, steps

pytestmark = pytest.mark.django_db


def give(order: Order, amount: str, cause: ChargeCause = ChargeCause.GOODWILL, **more: object) -> OrderCharge:
    return charging.give(order.pk, Decimal(amount), cause, reason="late", actor=steps.STAFF, **more)  # type: ignore[arg-type]


def refunds() -> list[tuple[str, str]]:
    """What goes back and why, after the books were looked at."""
    factories.run(balancing.run)
    return [(str(amount), reason) for amount, reason in Refund.objects.order_by("pk").values_list("amount", "reason")]


def rows(order: Order) -> list[tuple[str, str, str]]:
    found = OrderCharge.objects.filter(order=order).values_list("cause", "component", "amount")
    return [(cause, component, str(amount)) for cause, component, amount in found]


def paid(shop: factories.Shop, *lines: tuple[object, int, str]) -> Order:
    """A paid order of these lines without freight, else one of 26.00."""
    order = shop.place_order(*lines, freight_amount="0.00") if lines else shop.place_order()
    steps.pay(order)
    return order


def test_an_order_is_charged_component_by_component_as_it_comes_in(shop, api):
    order = shop.place_order(
        (shop.sku, 2, "10.00"), freight_amount="6.00", coupon_amount="3.00", gift_card_amount="5.00"
    )

    assert rows(order) == [
        ("placed", "goods", "20.00"),
        ("placed", "freight", "6.00"),
        ("placed", "coupon", "-3.00"),
        ("placed", "gift_card", "-5.00"),
    ]
    told = api.get(f"/api/v1/orders/{order.number}/amounts").json()
    assert told["owed_amount"] == "18.00"
    assert [charge["amount"] for charge in told["charges"]] == ["20.00", "6.00", "-3.00", "-5.00"]


def test_goodwill_and_a_later_cancellation_add_up(shop):
    order = paid(shop, (shop.sku, 1, "100.00"), (shop.other_sku, 1, "100.00"))
    steps.approve_and_split()

    give(order, "30.00")
    assert refunds() == [("30.00", "goodwill")]
    cancel_units(order.pk, {1: 1}, reason="too many", actor=steps.STAFF)

    assert refunds() == [("30.00", "goodwill"), ("100.00", "sub_order_cancelled")]
    assert charging.owed(order.pk) == 70
    assert steps.broken_invariants() == []


def test_all_that_comes_back_after_goodwill_gives_back_no_more_than_was_paid(shop):
    order = paid(shop, (shop.sku, 1, "100.00"))
    give(order, "30.00")
    refunds()

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    assert refunds() == [("30.00", "goodwill"), ("70.00", "cancelled")]
    assert rows(order)[-1] == ("netted", "extra", "30.00")
    assert charging.owed(order.pk) == 0
    assert steps.broken_invariants() == []


def test_a_line_whose_price_was_protected_gives_back_what_is_left_of_it(shop):
    """Reference, rule R10: 100.00, 12.00 back, later return: 88.00."""
    order = paid(shop, (shop.sku, 1, "100.00"), (shop.other_sku, 1, "50.00"))
    steps.approve_and_split()
    line = order.lines.get(position=1)
    give(order, "12.00", ChargeCause.PRICE_PROTECTION, line_id=line.pk)

    cancel_units(order.pk, {1: 1}, reason="too many", actor=steps.STAFF)

    assert refunds() == [("88.00", "sub_order_cancelled"), ("12.00", "price_protection")]
    assert charging.owed(order.pk) == 50
    assert steps.broken_invariants() == []


def test_of_a_protected_line_each_unit_takes_its_part_along(shop):
    order = paid(shop, (shop.sku, 3, "10.00"), (shop.other_sku, 1, "50.00"))
    steps.approve_and_split()
    give(order, "1.00", ChargeCause.PRICE_PROTECTION, line_id=order.lines.get(position=1).pk)

    owed = []
    for _unit in range(3):
        cancel_units(order.pk, {1: 1}, reason="too many", actor=steps.STAFF)
        owed.append(charging.owed(order.pk))

    assert owed == [Decimal("69.33"), Decimal("59.66"), Decimal("50.00")]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "26.01"])
def test_no_more_is_given_than_is_owed_and_no_part_of_a_fen(shop, amount):
    order = paid(shop)
    with pytest.raises(OmsError) as refused:
        give(order, amount)
    assert refused.value.attr == "amount"
    assert charging.owed(order.pk) == 26


def test_what_comes_back_names_whether_it_was_refused(shop):
    order = paid(shop)
    steps.scan(steps.shipped(order), "collected", "rejected", "returning", "returned")

    assert set(OrderCharge.objects.exclude(cause="placed").values_list("cause", flat=True)) == {"refused"}
    assert refunds() == [("26.00", "rejected")]


def test_units_are_never_taken_back_twice(shop):
    order = paid(shop)
    steps.approve_and_split()
    part = SubOrder.objects.get(order=order)
    charging.take_back([part.pk], ChargeCause.CANCELLED, actor=steps.STAFF)
    with pytest.raises(DatabaseError), transaction.atomic():
        charging.take_back([part.pk], ChargeCause.CANCELLED, actor=steps.STAFF)


@pytest.mark.parametrize("statement", ["UPDATE orders_ordercharge SET amount = 1", "DELETE FROM orders_ordercharge"])
def test_a_charge_is_never_changed(shop, statement):
    shop.place_order()
    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_orders_of_the_past_are_charged_nothing(shop):
    importer = factories.client_of(shop.merchant, scopes=["orders.import"])
    past = {**shop.body(), "state": "completed", "finished_at": "2026-01-06T18:00:00+08:00"}

    answer = importer.post("/api/v1/orders/bulk?mode=historical", {"orders": [past]}, format="json")

    assert answer.status_code == 200
    assert Order.objects.get().is_historical
    assert not OrderCharge.objects.exists()
    assert steps.broken_invariants() == []
