"""The order's page tells its money as one list: what was owed, paid and given back, and what nobody can explain."""

from decimal import Decimal

import pytest
from django.urls import reverse

from orders.changing import charging
from orders.changing.cancelling import cancel_order
from orders.models import ChargeCause, Order, OrderCharge
from payments.ledger.account_of_order import Account, account_of
from payments.models import Payment, Refund
from payments.owing import balancing
from payments.taking import noticing
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def account(order: Order) -> Account:
    return account_of(
        list(OrderCharge.objects.filter(order=order).select_related("sub_order").order_by("id")),
        list(Payment.objects.filter(order=order).select_related("connection")),
        list(Refund.objects.filter(order=order)),
        payment_state=steps.fresh(order).payment_state,
    )


def sums(order: Order) -> dict[str, str]:
    found = account(order)
    names = ("owed", "paid", "refunded", "under_way", "to_pay", "unexplained")
    return {name: str(getattr(found, name)) for name in names if getattr(found, name)}


def test_an_unpaid_order_is_to_be_paid_and_a_paid_one_is_even(shop):
    order = shop.place_order()
    assert sums(order) == {"owed": "26.00", "to_pay": "26.00"}

    steps.pay(order)

    assert sums(order) == {"owed": "26.00", "paid": "26.00"}
    assert [item.text for item in account(order).items] == [
        "Ordered: Goods 20.00, Freight 6.00",
        f"Paid: {order.number}-P1, Payment provider",
    ]


def test_every_fact_moves_the_sums_that_it_should(shop):
    order = shop.place_order()
    steps.pay(order)
    charging.give(order.pk, Decimal(5), ChargeCause.GOODWILL, reason="late", actor=steps.STAFF)
    factories.run(balancing.run)
    assert sums(order) == {"owed": "21.00", "paid": "26.00", "under_way": "5.00"}

    steps.notify(f"{order.number}-R1", "5.00", "refunded")
    factories.run(noticing.run)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)

    assert sums(order) == {"paid": "26.00", "refunded": "5.00", "under_way": "21.00"}
    assert "Goodwill: late" in [item.text for item in account(order).items]


def test_what_nothing_explains_is_shown(shop):
    """A provider gave back more than it was asked to."""
    order = shop.place_order()
    steps.pay(order)
    charging.give(order.pk, Decimal(5), ChargeCause.GOODWILL, reason="late", actor=steps.STAFF)
    factories.run(balancing.run)
    steps.notify(f"{order.number}-R1", "7.00", "refunded")
    factories.run(noticing.run)

    assert sums(order) == {"owed": "21.00", "paid": "26.00", "refunded": "7.00", "unexplained": "-2.00"}
    page = client_of("view_order").get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "Unexplained" in page
    assert "-2.00" in page
