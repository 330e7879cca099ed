"""Money that comes in: intents, notices, deadlines, cash at the door."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F
from django.utils import timezone

from logistics.carriers import tracking
from oms.common.models import Connection, InboundFact, Ticket
from oms.common.work import sandbox
from oms.pipeline import SANDBOX_STAGE
from orders.fulfilling import completing
from orders.models import Order, OrderEvent
from payments.models import Payment, Refund
from payments.owing import balancing, retrying
from payments.providers import Answer
from payments.taking import expiring, noticing, requesting
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


def test_the_sandboxs_buyer_pays_and_the_order_goes_to_review(shop):
    order = shop.place_order()

    factories.run(requesting.intend, requesting.request, SANDBOX_STAGE.run, noticing.run)

    order = steps.fresh(order)
    assert (order.state, order.payment_state, order.paid_amount) == ("in_review", "paid", Decimal("26.00"))
    assert order.paid_at is not None
    payment = Payment.objects.get()
    assert (payment.number, payment.state, payment.captured_amount) == (
        f"{order.number}-P1",
        "captured",
        Decimal("26.00"),
    )


def test_an_order_asks_for_payment_once(shop):
    shop.place_order()

    with fakes.provider(fakes.FakeProvider()) as provider:
        for _ in range(3):
            factories.run(requesting.intend, requesting.request)

    assert len(provider.asked) == 1
    assert Payment.objects.get().state == "pending"


def test_a_repeated_notice_counts_once(shop):
    order = shop.place_order()
    steps.ask_for_payment()

    for _ in range(2):
        steps.notify(f"{order.number}-P1", "26.00", key="same")
        factories.run(noticing.run)
    steps.notify(f"{order.number}-P1", "26.00", key="another of the same")
    factories.run(noticing.run)

    assert InboundFact.objects.count() == 2
    assert steps.fresh(order).paid_amount == Decimal("26.00")
    assert OrderEvent.objects.filter(order=order, kind="paid").count() == 1
    again = InboundFact.objects.get(fact_key="another of the same")
    assert (again.state, again.outcome) == ("contradicted", "captured_again")


def test_money_for_an_unknown_reference_waits_and_then_is_shown_to_a_person(shop, settings):
    settings.MAX_ATTEMPTS = 3
    order = shop.place_order()
    steps.notify("nobody-knows", "26.00")

    for attempts in (1, 2, 3):
        steps.once(noticing.run)
        fact = InboundFact.objects.get()
        assert (fact.state, fact.attempts, fact.last_error) == ("pending", attempts, "unknown subject")

    assert fact.needs_person_since is not None
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.subject_kind, ticket.subject_id) == ("fact_of_unknown", "fact", fact.pk)
    assert steps.fresh(order).state == "awaiting_payment"


def test_money_told_before_we_know_its_payment_is_booked_once_we_do(shop):
    order = shop.place_order()
    steps.notify(f"{order.number}-P1", "26.00")
    steps.once(noticing.run)
    assert InboundFact.objects.get().attempts == 1

    steps.ask_for_payment()
    steps.once(noticing.run)

    assert (InboundFact.objects.get().state, steps.state_of(order)) == ("applied", "in_review")
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("kinds", [("failed", "captured"), ("captured", "failed")])
@pytest.mark.parametrize("together", [True, False])
def test_money_counts_whether_a_failure_is_told_before_or_after_it(shop, kinds, together):
    order = shop.place_order()
    steps.ask_for_payment()

    for kind in kinds:
        steps.notify(f"{order.number}-P1", "26.00", kind)
        if not together:
            factories.run(noticing.run)
    factories.run(noticing.run)

    order = steps.fresh(order)
    assert (order.state, order.payment_state) == ("in_review", "paid")
    assert Payment.objects.get().state == "captured"


def test_after_a_failed_payment_the_buyer_is_asked_anew(shop):
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "26.00", "failed")
    factories.run(noticing.run)

    with fakes.provider(fakes.FakeProvider()) as provider:
        factories.run(requesting.intend, requesting.request)
    steps.notify(f"{order.number}-P2", "26.00")
    factories.run(noticing.run)

    assert [charge.reference for charge in provider.asked] == [f"{order.number}-P2"]
    order = steps.fresh(order)
    assert (order.state, order.paid_amount, order.attempts) == ("in_review", Decimal("26.00"), 0)


def test_money_for_a_cancelled_order_goes_back(shop):
    order = shop.place_order()
    steps.ask_for_payment()
    expire(order)
    factories.run(expiring.run, balancing.run)
    assert Payment.objects.get().state == "expired"

    steps.notify(f"{order.number}-P1", "26.00")
    factories.run(noticing.run, balancing.run, requesting.refund, SANDBOX_STAGE.run, noticing.run, balancing.run)

    order = steps.fresh(order)
    assert (order.state, order.payment_state) == ("cancelled", "refunded")
    assert (order.paid_amount, order.refunded_amount) == (Decimal("26.00"), Decimal("26.00"))
    refund = Refund.objects.get()
    assert (refund.number, refund.state, refund.amount, refund.reason) == (
        f"{order.number}-R1",
        "succeeded",
        Decimal("26.00"),
        "cancelled",
    )
    assert steps.broken_invariants() == []


def test_what_was_paid_too_much_goes_back_once(shop):
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "30.01")

    factories.run(noticing.run, balancing.run, balancing.run)
    Order.objects.update(owed_changed_since=timezone.now())
    factories.run(balancing.run)

    refund = Refund.objects.get()
    assert (refund.amount, refund.reason) == (Decimal("4.01"), "overpaid")
    assert steps.fresh(order).state == "in_review"
    factories.run(requesting.refund, SANDBOX_STAGE.run, noticing.run, balancing.run)
    order = steps.fresh(order)
    assert (order.refunded_amount, order.payment_state, order.owed_changed_since) == (
        Decimal("4.01"),
        "partly_refunded",
        None,
    )


def test_too_little_money_does_not_start_the_review(shop):
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "25.99")

    factories.run(noticing.run)

    order = steps.fresh(order)
    assert (order.state, order.payment_state) == ("awaiting_payment", "partly_paid")


def expire(order: Order) -> None:
    """The deadline for payment was a moment ago."""
    Order.objects.filter(pk=order.pk).update(pay_by=timezone.now() - timedelta(seconds=1))


def test_an_order_not_paid_in_time_is_cancelled(shop):
    late, in_time = shop.place_order(), shop.place_order()
    steps.ask_for_payment()
    expire(late)

    factories.run(expiring.run)

    late = steps.fresh(late)
    assert (late.state, late.fulfilment_state) == ("cancelled", "cancelled")
    assert steps.state_of(in_time) == "awaiting_payment"


def test_an_order_that_was_partly_paid_at_its_deadline_is_cancelled_and_the_money_goes_back(shop):
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "10.00")
    factories.run(noticing.run)
    expire(order)

    factories.run(expiring.run, balancing.run)

    assert steps.state_of(order) == "cancelled"
    assert Refund.objects.get().amount == Decimal("10.00")


def test_a_captured_notice_that_is_not_applied_yet_saves_the_order_from_its_deadline(shop):
    order = shop.place_order()
    steps.ask_for_payment()
    expire(order)
    steps.notify(f"{order.number}-P1", "26.00")

    factories.run(expiring.run, noticing.run, expiring.run)

    assert steps.state_of(order) == "in_review"


def test_a_held_order_waits_at_its_deadline(shop):
    from orders.reviewing.holds import hold_order

    order = shop.place_order()
    hold_order(order.pk, reason="the buyer calls back", actor=steps.STAFF)
    expire(order)

    factories.run(expiring.run)

    assert steps.state_of(order) == "awaiting_payment"


def test_an_order_of_nothing_to_pay_skips_payment(shop):
    order = shop.place_order((shop.sku, 1, "10.00"), freight_amount="0.00", gift_card_amount="10.00")

    factories.run(requesting.intend)

    order = steps.fresh(order)
    assert (order.state, order.payment_state, order.paid_amount) == ("in_review", "nothing_due", 0)
    assert not Payment.objects.exists()


def test_cash_on_delivery_is_collected_once_and_when_it_is_delivered(shop):
    order = shop.place_order(payment_method="cod")
    shipment = steps.shipped(order)
    factories.run(balancing.run)
    assert steps.fresh(order).payment_state == "on_delivery"
    assert not Payment.objects.exists()

    steps.scan(shipment, "collected", "signed")
    factories.run(balancing.run, completing.run, tracking.run, balancing.run)
    Order.objects.update(owed_changed_since=timezone.now())
    factories.run(balancing.run)

    payment = Payment.objects.get()
    assert (payment.number, payment.means, payment.state, payment.captured_amount) == (
        f"{shipment.sub_order.number}-P",
        "cash",
        "captured",
        Decimal("26.00"),
    )
    order = steps.fresh(order)
    assert (order.state, order.payment_state, order.paid_amount) == ("completed", "paid", Decimal("26.00"))
    assert OrderEvent.objects.filter(order=order, kind="paid").count() == 1


def test_cash_of_a_refused_parcel_is_not_collected(shop):
    order = shop.place_order(payment_method="cod")
    shipment = steps.shipped(order)

    steps.scan(shipment, "collected", "rejected", "returning", "returned")
    factories.run(balancing.run)

    order = steps.fresh(order)
    assert (order.state, order.payment_state, order.paid_amount) == ("closed", "nothing_due", 0)
    assert not Payment.objects.exists()


def test_a_provider_that_breaks_is_asked_again_with_the_same_reference(shop, settings):
    settings.MAX_ATTEMPTS = 3
    order = shop.place_order()
    factories.run(requesting.intend)

    with fakes.provider(fakes.FakeProvider(fakes.lose)) as provider:
        steps.once(requesting.request)
        payment = Payment.objects.get()
        assert (payment.state, payment.attempts, payment.lease_until) == ("intended", 1, None)
        assert payment.last_error == "Lost: connection reset"
        assert payment.ready_at > timezone.now() + timedelta(seconds=2)
        assert requesting.request(10) == 0
        factories.run(requesting.request)
    assert [charge.reference for charge in provider.asked] == [f"{order.number}-P1"] * 3
    payment = Payment.objects.get()
    assert (payment.attempts, payment.needs_person_since is not None) == (3, True)

    retrying.retry("payment", payment.pk, actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()) as provider:
        factories.run(requesting.request)
    assert [charge.reference for charge in provider.asked] == [f"{order.number}-P1"]
    payment = Payment.objects.get()
    assert (payment.state, payment.attempts, payment.last_error) == ("pending", 0, "")


def test_one_provider_that_breaks_does_not_stop_the_others(shop):
    broken, fine = shop.place_order(), shop.place_order()
    factories.run(requesting.intend)
    gone = Connection.objects.create(code="gone-pay", name="gone", kind="payment", protocol="gone")
    Payment.objects.filter(order=broken).update(connection=gone)

    with fakes.provider(fakes.FakeProvider()):
        steps.once(requesting.request)

    states = dict(Payment.objects.values_list("order_id", "state"))
    assert states == {broken.pk: "intended", fine.pk: "pending"}
    assert "ModuleNotFoundError" in Payment.objects.get(order=broken).last_error


def test_a_charge_that_the_provider_says_nothing_of_is_put_off(shop):
    first, second = shop.place_order(), shop.place_order()
    factories.run(requesting.intend)

    with fakes.provider(
        fakes.FakeProvider(lambda charge: None if charge.reference == f"{first.number}-P1" else Answer(taken=True))
    ):
        steps.once(requesting.request)

    states = dict(Payment.objects.values_list("order_id", "state"))
    assert states == {first.pk: "intended", second.pk: "pending"}
    assert Payment.objects.get(order=first).last_error == "no answer"


def test_money_that_comes_while_the_answer_is_under_way_is_kept(shop):
    """The notice overtakes the provider's own answer."""
    order = shop.place_order()
    factories.run(requesting.intend)

    def answer(charge):
        steps.notify(charge.reference, "26.00")
        factories.run(noticing.run)
        return Answer(taken=True)

    with fakes.provider(fakes.FakeProvider(answer)):
        steps.once(requesting.request)

    assert Payment.objects.get().state == "captured"
    assert steps.state_of(order) == "in_review"


def test_the_sandbox_knows_a_charge_once(shop):
    shop.place_order()
    factories.run(requesting.intend, requesting.request)
    Payment.objects.update(state=F("state"))
    sandbox.put("payment", [(Payment.objects.get().number, {"kind": "captured", "amount": "1.00"}, timedelta(0))])

    factories.run(SANDBOX_STAGE.run, noticing.run)

    assert Payment.objects.get().captured_amount == Decimal("26.00")
