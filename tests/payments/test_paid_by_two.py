"""An order that two payments of its own paid: what is too much goes back by rule, and a person is told."""

from decimal import Decimal

import pytest

from oms.common.models import Ticket
from payments.models import Payment, Refund
from payments.owing import balancing
from payments.taking import noticing
from tests import factories, steps

pytestmark = pytest.mark.django_db


def asked_twice(shop: factories.Shop) -> list[Payment]:
    """Two payments that the buyer was asked for, as when the way of paying is changed meanwhile."""
    order = shop.place_order()
    steps.ask_for_payment()
    first = Payment.objects.get(order=order)
    second = Payment.objects.create(
        number=f"{order.number}-P2",
        order=order,
        means=first.means,
        connection=first.connection,
        state=first.state,
        amount=first.amount,
        ready_at=None,
    )
    return [first, second]


def told() -> list[tuple[str, str]]:
    return [(one.kind, one.values["number"]) for one in Ticket.objects.open()]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_person_is_told_of_the_second_payment_and_that_it_goes_back(at_once: bool) -> None:
    first, second = asked_twice(factories.make_shop())
    steps.notify(first.number, "26.00")
    if not at_once:
        factories.run(noticing.run)
        assert told() == []
    steps.notify(second.number, "26.00")
    factories.run(noticing.run, balancing.run)

    assert told() == [("order_paid_again", second.number)]
    ticket = Ticket.objects.get()
    assert (ticket.about_id, ticket.values["amount"]) == (first.order_id, "26.00")
    assert [(one.payment, one.amount) for one in Refund.objects.all()] == [(second, Decimal("26.00"))]
    assert steps.broken_invariants() == []


def test_two_payments_that_an_order_was_billed_for_are_nobodys_trouble() -> None:
    first, second = asked_twice(factories.make_shop())
    Payment.objects.filter(pk=first.pk).update(amount=Decimal(20))
    Payment.objects.filter(pk=second.pk).update(amount=Decimal(6))
    steps.notify(first.number, "20.00")
    steps.notify(second.number, "6.00")
    factories.run(noticing.run, balancing.run)
    assert (told(), Refund.objects.count()) == ([], 0)
