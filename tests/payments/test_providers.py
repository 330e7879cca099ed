"""Over which connection money is asked for and goes back."""

from decimal import Decimal

import pytest

from oms import tasks
from oms.common.models import Connection, InboundFact, Ticket
from oms.common.work import clock
from oms.doors.loc import creating
from oms.management.commands.load_data import install_default_connections
from oms.pipeline import SANDBOX_STAGE
from orders.actors import Actor
from orders.changing.cancelling import cancel_order
from orders.models import ActorKind
from payments.models import Payment, Refund
from payments.owing import balancing, paying_out
from payments.providers.defaults import by_hand, default_connection
from payments.taking import noticing, requesting
from tests import factories, fakes, steps
from tests.api import samples

pytestmark = pytest.mark.django_db


def provider(code: str, **options: object) -> Connection:
    """One more payment provider."""
    return Connection.objects.create(code=code, name=code, kind="payment", protocol="sandbox", **options)


def test_a_new_installation_has_a_provider_that_speaks_what_the_settings_say(settings):
    settings.PAYMENT_ADAPTER = "sandbox"

    for _ in range(2):
        install_default_connections()

    known = Connection.objects.filter(kind="payment").order_by("code")
    assert [(link.code, link.protocol) for link in known] == [("by-hand", "by_hand"), ("sandbox-pay", "sandbox")]


def test_buyers_pay_through_the_oldest_provider_that_is_switched_on(shop):
    install_default_connections()
    newer = provider("newer-pay")
    assert default_connection().code == "sandbox-pay"

    Connection.objects.filter(code="sandbox-pay").update(is_active=False)
    shop.place_order()
    factories.run(requesting.intend)

    assert Payment.objects.get().connection == newer
    Connection.objects.update(is_active=False)
    assert default_connection().code == "sandbox-pay"


def test_a_refund_goes_back_over_the_connection_of_its_payment(shop):
    order = shop.place_order()
    steps.pay(order)
    first = default_connection()
    provider("newer-pay")
    Connection.objects.filter(pk=first.pk).update(is_active=False)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    with fakes.provider(fakes.FakeProvider()) as fake:
        factories.run(balancing.run, requesting.refund)
        assert fake.refunds == []
        Connection.objects.filter(pk=first.pk).update(is_active=True)
        factories.run(requesting.refund)

    assert Refund.objects.get().connection == first
    assert [charge.reference for charge in fake.refunds] == [f"{order.number}-R1"]


def test_each_provider_is_asked_for_its_own_payments_only(shop):
    first, second = shop.place_order(), shop.place_order()
    factories.run(requesting.intend)
    other = provider("other-pay")
    Payment.objects.filter(order=second).update(connection=other)
    asked: dict[str, list[str]] = {}

    class Noting(fakes.FakeProvider):
        def request(self, charges, link):
            asked.setdefault(link.code, []).extend(charge.reference for charge in charges)
            return super().request(charges, link)

    with fakes.provider(Noting()):
        factories.run(requesting.request)

    assert asked == {"sandbox-pay": [f"{first.number}-P1"], "other-pay": [f"{second.number}-P1"]}


def test_the_sandbox_tells_over_the_connection_that_it_was_asked_over(shop):
    order = shop.place_order()
    factories.run(requesting.intend)
    other = provider("other-pay")
    Payment.objects.update(connection=other)

    factories.run(requesting.request, SANDBOX_STAGE.run, noticing.run)

    assert InboundFact.objects.get().connection == other
    assert steps.state_of(order) == "in_review"
    assert Payment.objects.get().transaction_number == f"sandbox-{order.number}-P1"


def test_a_provider_that_fails_again_and_again_is_left_alone_for_a_while(shop):
    shop.place_order()
    factories.run(requesting.intend)
    link = default_connection()
    Connection.objects.filter(pk=link.pk).update(breaker_failures=2)

    with clock.skipping_waits(), fakes.provider(fakes.FakeProvider(fakes.lose)) as fake:
        tasks.run_outside("send_payment", link.pk)

    assert len(fake.asked) == 2
    assert Ticket.objects.get().kind == "connection_down"


def test_money_that_the_merchant_took_goes_back_by_hand(shop):
    sku = samples.virtual_sku(shop)
    order = creating.create(shop.merchant, samples.virtual(sku), actor=Actor(ActorKind.MERCHANT, shop.merchant.code))
    payment = Payment.objects.get()
    assert (payment.means, payment.connection, payment.provider, payment.state) == (
        *("external", None),
        *("external", "captured"),
    )
    assert InboundFact.objects.get().connection == by_hand()
    assert steps.state_of(order) == "in_review"

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()) as fake:
        factories.run(balancing.run, requesting.refund)

    refund, ticket = Refund.objects.get(), Ticket.objects.get()
    assert (refund.connection, refund.needs_person_since is not None, fake.refunds) == (None, True, [])
    assert (ticket.kind, ticket.reason, ticket.values["expected"]) == (
        "refund_by_hand",
        "external",
        str(payment.amount),
    )
    assert steps.broken_invariants() == []
    paying_out.confirm_paid_out(refund.pk, note="transfer 7", actor=steps.STAFF)
    factories.run(noticing.run)
    assert (steps.state_of(refund), steps.fresh(order).payment_state) == ("succeeded", "refunded")
    assert steps.fresh(refund).refunded_amount == Decimal(payment.amount)
    assert steps.broken_invariants() == []


def test_nobody_else_may_say_that_the_merchant_took_the_money(shop):
    sku = samples.virtual_sku(shop)
    actor = Actor(ActorKind.MERCHANT, shop.merchant.code)
    creating.create(shop.merchant, samples.virtual(sku), actor=actor)

    steps.notify(Payment.objects.get().number, "99.00")
    factories.run(noticing.run)

    assert Ticket.objects.get().kind == "payment_told_by_another"
    assert Payment.objects.get().captured_amount < 99
