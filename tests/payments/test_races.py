"""Real threads on real rows: however many tell at once, money is booked once and right."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.utils import timezone

from oms.common.errors import OmsError
from oms.common.models import Connection, InboundFact, Ticket
from orders.changing.cancelling import cancel_order
from orders.models import Order, OrderEvent
from payments.models import Payment, Refund
from payments.owing import balancing, paying_out
from payments.providers.defaults import default_connection
from payments.taking import expiring, noticing, requesting
from tests import factories, fakes, steps
from tests.pipeline.test_races import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works) -> None:  # type: ignore[no-untyped-def]
    """Do the works at the same time, each in a thread with a connection of its own."""
    start = Barrier(len(works))

    def wait_and(work) -> object:  # type: ignore[no-untyped-def]
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [in_thread(pool, lambda work=work: wait_and(work)) for work in works]:
            future.result(30)


def test_two_providers_that_tell_of_the_same_payments_at_once_move_each_only_its_own():
    shop = factories.make_shop()
    mine = default_connection()
    other = Connection.objects.create(code="other-pay", name="Other", kind="payment", protocol="sandbox")
    orders = [shop.place_order() for _ in range(10)]
    steps.ask_for_payment()
    Payment.objects.filter(order__in=orders[5:]).update(connection=other)

    def tell(link: Connection) -> None:
        for order in orders:
            steps.notify(f"{order.number}-P1", "26.00", link=link)
            noticing.run(10)

    at_once(lambda: tell(mine), lambda: tell(other))
    factories.run(noticing.run)

    assert set(Order.objects.values_list("state", flat=True)) == {"in_review"}
    assert OrderEvent.objects.filter(kind="paid").count() == 10
    settled = InboundFact.objects.order_by().values_list("state", flat=True)
    assert sorted(settled) == ["applied"] * 10 + ["contradicted"] * 10
    assert Ticket.objects.filter(kind="payment_told_by_another").count() == 10
    assert steps.broken_invariants() == []


def test_a_payment_told_twice_at_once_is_captured_once_and_shown_to_a_person():
    shop = factories.make_shop()
    orders = [shop.place_order() for _ in range(10)]
    steps.ask_for_payment()

    def tell(transaction: str) -> None:
        for order in orders:
            steps.notify(f"{order.number}-P1", "26.00", transaction=transaction)
            noticing.run(10)

    at_once(lambda: tell("T1"), lambda: tell("T2"), lambda: tell("T1"))
    factories.run(noticing.run)

    assert set(Payment.objects.values_list("captured_amount", flat=True)) == {Decimal("26.00")}
    assert OrderEvent.objects.filter(kind="paid").count() == 10
    assert Ticket.objects.filter(kind="payment_captured_again").count() == 10
    assert not InboundFact.objects.filter(state="pending").exists()
    assert steps.broken_invariants() == []


def test_a_refund_that_a_person_pays_while_its_provider_does_is_booked_once_and_shown():
    shop = factories.make_shop()
    orders = [shop.place_order() for _ in range(8)]
    steps.ask_for_payment()
    for order in orders:
        steps.notify(f"{order.number}-P1", "26.00")
    factories.run(noticing.run)
    for order in orders:
        cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(balancing.run, requesting.refund)
    refunds = list(Refund.objects.order_by("id"))
    Refund.objects.update(ready_at=timezone.now() - requesting.REFUND_SILENCE * 1.1)
    factories.run(requesting.chase)

    paid_by_hand = []

    def pay_by_hand() -> None:
        for refund in refunds:
            # Refused where the provider's word came first.
            with contextlib.suppress(OmsError):
                paying_out.confirm_paid_out(refund.pk, note="transfer 7", actor=steps.STAFF)
                paid_by_hand.append(refund.pk)
            noticing.run(10)

    def pay_by_provider() -> None:
        for refund in reversed(refunds):
            steps.notify(refund.number, "26.00", "refunded", transaction=f"R{refund.pk}")

    at_once(pay_by_hand, pay_by_provider)
    factories.run(noticing.run)

    assert set(Refund.objects.values_list("state", "refunded_amount")) == {("succeeded", Decimal("26.00"))}
    assert set(Order.objects.values_list("refunded_amount", flat=True)) == {Decimal("26.00")}
    shown = Ticket.objects.filter(kind="refund_sent_again", state="open")
    assert sorted(shown.values_list("subject_id", flat=True)) == paid_by_hand
    assert steps.broken_invariants() == []


def test_money_that_comes_at_the_deadline_is_either_in_time_or_goes_back():
    shop = factories.make_shop()
    orders = [shop.place_order() for _ in range(12)]
    steps.ask_for_payment()
    Order.objects.update(pay_by=timezone.now())

    def pay() -> None:
        for order in orders:
            steps.notify(f"{order.number}-P1", "26.00")
            noticing.run(10)

    at_once(pay, lambda: [expiring.run(2) for _ in range(12)], lambda: [balancing.run(5) for _ in range(12)])
    factories.run(noticing.run, balancing.run)

    states = set(Order.objects.values_list("state", flat=True))
    assert states <= {"in_review", "cancelled"}
    assert Refund.objects.count() == Order.objects.filter(state="cancelled").count()
    assert not Ticket.objects.exists()
    assert steps.broken_invariants() == []


def test_the_first_connection_is_made_once_however_many_need_it_at_once():
    at_once(*[lambda: default_connection().pk for _ in range(4)])

    assert Connection.objects.count() == 1
