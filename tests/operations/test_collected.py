"""What a channel took before it sent the order: booked once, asked for by nobody, given back when it is cancelled."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import transaction

from orders.changing import cancelling
from orders.intake.collecting import Collected, note_collected
from orders.models import Order
from payments.models import Payment, Refund
from payments.owing import balancing
from payments.taking import expiring, recording, requesting
from tests import factories, steps

pytestmark = pytest.mark.django_db
PAID_AT = datetime(2026, 1, 2, 1, tzinfo=UTC)


def collected(shop: factories.Shop, amount: Decimal | None = None, **changes: object) -> Order:
    order = shop.place_order(**changes)
    with transaction.atomic():
        note_collected({order.pk: Collected(PAID_AT, "4200001", amount)})
    return steps.fresh(order)


def test_money_that_the_channel_has_is_booked_and_the_order_goes_to_its_review(shop: factories.Shop) -> None:
    order = collected(shop)
    assert (order.state, order.pay_by) == ("awaiting_payment", None)

    factories.run(requesting.intend, expiring.run, recording.book_collected)

    order = steps.fresh(order)
    assert (order.state, order.payment_state, str(order.paid_amount)) == ("in_review", "paid", "26.00")
    payment = Payment.objects.get()
    assert (payment.provider, payment.state, payment.captured_at) == ("external", "captured", PAID_AT)
    assert (str(payment.captured_amount), payment.transaction_number) == ("26.00", "4200001")
    assert steps.once(recording.book_collected) == 0
    assert steps.broken_invariants() == []


def test_money_of_an_order_that_was_cancelled_before_it_was_booked_goes_back(shop: factories.Shop) -> None:
    order = collected(shop)
    cancelling.cancel_order(order.pk, reason="changed their mind", actor=steps.STAFF)

    factories.run(recording.book_collected, balancing.run)

    assert str(steps.fresh(order).paid_amount) == "26.00"
    assert str(Refund.objects.get(order=order).amount) == "26.00"
    assert steps.broken_invariants() == []


def test_less_than_the_order_costs_does_not_let_it_go_on(shop: factories.Shop) -> None:
    order = collected(shop, Decimal("20.00"))
    assert order.pay_by is not None

    factories.run(requesting.intend, recording.book_collected)

    order = steps.fresh(order)
    assert (order.state, order.payment_state, str(order.paid_amount)) == ("awaiting_payment", "partly_paid", "20.00")


def test_an_order_on_delivery_has_nothing_collected(shop: factories.Shop) -> None:
    order = collected(shop, payment_method="cod")

    assert (order.collected_at, order.state) == (None, "in_review")


def test_what_nobody_booked_is_found(shop: factories.Shop) -> None:
    order = collected(shop)
    assert steps.broken_invariants() == []

    Order.objects.filter(pk=order.pk).update(ready_at=None)

    (broken,) = steps.broken_invariants()
    assert broken.startswith("what_channels_took_is_booked")
