"""What providers tell of money is compared with what we hold, booked as it really is, and shown where it differs."""

from decimal import Decimal

import pytest

from oms.common.desk.ticket_words import reason_of
from oms.common.errors import OmsError
from oms.common.models import Connection, InboundFact, Ticket, Topic
from oms.common.tickets import TicketKind, kinds
from oms.common.work import facts, facts_by_hand
from orders.changing.cancelling import cancel_order
from orders.models import Order
from payments import troubles
from payments.models import Payment, Refund
from payments.owing import balancing, paying_out, retrying
from payments.providers.defaults import default_connection
from payments.taking import noticing, requesting
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def another() -> Connection:
    """A second provider, beside the one that buyers pay through."""
    default_connection()
    return Connection.objects.create(code="other-pay", name="Other", kind="payment", protocol="sandbox")


def asked_for_refund(shop: factories.Shop, paid: str = "26.00") -> tuple[Order, Refund]:
    """A cancelled order of 26.00 that was paid, whose refund the provider has."""
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", paid, transaction="T1")
    factories.run(noticing.run)
    Ticket.objects.all().delete()
    Payment.objects.update(needs_person_since=None)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(balancing.run, requesting.refund)
    return steps.fresh(order), Refund.objects.get()


def verdicts() -> list[tuple[str, str]]:
    """State and outcome of all facts, as they came."""
    return list(InboundFact.objects.order_by("id").values_list("state", "outcome"))


def test_a_refund_of_another_amount_is_booked_as_told_and_a_person_decides_about_the_rest(shop):
    order, refund = asked_for_refund(shop)

    steps.notify(refund.number, "1.00", "refunded")
    factories.run(noticing.run, balancing.run)
    Order.objects.update(owed_changed_since=steps.NOON)
    factories.run(balancing.run)

    refund, order = steps.fresh(refund), steps.fresh(order)
    assert (refund.state, refund.amount, refund.refunded_amount) == ("succeeded", Decimal("26.00"), Decimal("1.00"))
    assert (order.refunded_amount, order.payment_state) == (Decimal("1.00"), "partly_refunded")
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.reason, ticket.subject_id, ticket.about_id, ticket.team) == (
        *("refund_amount_differs", "too_little"),
        *(refund.pk, order.pk, "finance"),
    )
    assert (ticket.values["told"], ticket.values["expected"]) == ("1.00", "26.00")
    assert Refund.objects.count() == 1
    assert steps.broken_invariants() == []


def test_the_rest_of_a_refund_is_sent_as_a_refund_of_its_own(shop):
    _order, refund = asked_for_refund(shop)
    steps.notify(refund.number, "1.00", "refunded")
    factories.run(noticing.run, balancing.run)

    retrying.retry("refund", refund.pk, actor=steps.STAFF)
    factories.run(balancing.run)

    rest = Refund.objects.exclude(pk=refund.pk).get()
    assert (rest.amount, rest.reason, rest.state) == (Decimal("25.00"), "cancelled", "intended")
    assert Ticket.objects.get().state == "closed"
    assert steps.broken_invariants() == []
    with pytest.raises(OmsError):
        retrying.retry("refund", refund.pk, actor=steps.STAFF)


def test_the_rest_of_a_refund_may_be_paid_by_hand(shop):
    order, refund = asked_for_refund(shop)
    steps.notify(refund.number, "1.00", "refunded", transaction="R1")
    factories.run(noticing.run, balancing.run)

    paying_out.confirm_paid_out(refund.pk, note="transfer 7", actor=steps.STAFF)
    factories.run(noticing.run, balancing.run)

    refund = steps.fresh(refund)
    assert (refund.refunded_amount, refund.needs_person_since) == (Decimal("26.00"), None)
    assert steps.fresh(order).payment_state == "refunded"
    assert order.events.get(kind="paid_out").data["amount"] == "25.00"
    assert (Refund.objects.count(), Ticket.objects.get().state) == (1, "closed")
    assert steps.broken_invariants() == []


def test_a_refund_of_more_than_was_asked_for_is_booked_as_told(shop):
    """30.01 were paid for 26.00: 4.01 go back, and the provider says 10.00."""
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "30.01")
    with fakes.provider(fakes.FakeProvider()):
        factories.run(noticing.run, balancing.run, requesting.refund)
    assert Refund.objects.get().amount == Decimal("4.01")

    steps.notify(f"{order.number}-R1", "10.00", "refunded")
    factories.run(noticing.run, balancing.run)

    assert Refund.objects.get().refunded_amount == Decimal("10.00")
    assert steps.fresh(order).refunded_amount == Decimal("10.00")
    assert Ticket.objects.get(kind="refund_amount_differs").reason == "too_much"
    refund = Refund.objects.get()
    retrying.retry("refund", refund.pk, actor=steps.STAFF)
    factories.run(balancing.run)
    assert Refund.objects.count() == 1
    assert steps.broken_invariants() == []


def test_no_more_than_came_in_is_booked_as_gone_back(shop):
    order, refund = asked_for_refund(shop)

    steps.notify(refund.number, "26.01", "refunded")
    factories.run(noticing.run, balancing.run)

    assert (steps.fresh(refund).refunded_amount, steps.fresh(order).payment_state) == (Decimal("26.00"), "refunded")
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.reason, ticket.values["held"]) == (
        *("refund_amount_differs", "more_than_there_was"),
        "26.00",
    )
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("kind", ["captured", "failed"])
def test_another_provider_never_moves_a_payment(shop, another, kind):
    order = shop.place_order()
    steps.ask_for_payment()

    steps.notify(f"{order.number}-P1", "26.00", kind, link=another)
    factories.run(noticing.run)

    assert (Payment.objects.get().state, steps.state_of(order)) == ("pending", "awaiting_payment")
    assert verdicts() == [("contradicted", "other_connection")]
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.reason, ticket.subject_id) == (
        "payment_told_by_another",
        kind,
        Payment.objects.get().pk,
    )
    assert (ticket.values["teller"], ticket.values["provider"]) == ("other-pay", "sandbox-pay")

    steps.notify(f"{order.number}-P1", "26.00")
    factories.run(noticing.run)
    assert steps.state_of(order) == "in_review"
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("kind", ["refunded", "refund_failed"])
def test_another_provider_never_moves_a_refund(shop, another, kind):
    _order, refund = asked_for_refund(shop)

    steps.notify(refund.number, "26.00", kind, link=another)
    factories.run(noticing.run)

    refund = steps.fresh(refund)
    assert (refund.state, refund.refunded_amount, refund.needs_person_since) == ("requested", 0, None)
    assert (Ticket.objects.get().kind, Ticket.objects.get().reason) == ("refund_told_by_another", kind)
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("amount", "reason", "state"), [("30.01", "too_much", "in_review"), ("25.99", "too_little", "awaiting_payment")]
)
def test_a_payment_of_another_amount_is_captured_as_told(shop, amount, reason, state):
    order = shop.place_order()
    steps.ask_for_payment()

    steps.notify(f"{order.number}-P1", amount)
    factories.run(noticing.run, balancing.run)

    payment = Payment.objects.get()
    assert (payment.state, payment.captured_amount) == ("captured", Decimal(amount))
    assert steps.state_of(order) == state
    assert verdicts() == [("contradicted", "amount_differs")]
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.reason, ticket.values["told"], ticket.values["expected"]) == (
        *("payment_amount_differs", reason),
        *(amount, "26.00"),
    )
    retrying.retry("payment", payment.pk, actor=steps.STAFF)
    assert (steps.fresh(payment).needs_person_since, steps.fresh(ticket).result) == (None, "done")
    assert steps.broken_invariants() == []


def test_the_same_transaction_told_under_another_key_is_no_news(shop):
    order = shop.place_order()
    steps.ask_for_payment()

    for key in ("first", "again"):
        steps.notify(f"{order.number}-P1", "26.00", key=key, transaction="T9")
        factories.run(noticing.run)

    assert verdicts() == [("applied", ""), ("no_effect", "")]
    payment = Payment.objects.get()
    assert (payment.transaction_number, payment.needs_person_since) == ("T9", None)
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("together", [True, False])
def test_two_transactions_for_one_payment_are_shown_to_a_person(shop, together):
    order = shop.place_order()
    steps.ask_for_payment()

    for transaction in ("T1", "T2"):
        steps.notify(f"{order.number}-P1", "26.00", transaction=transaction)
        if not together:
            factories.run(noticing.run)
    factories.run(noticing.run)

    payment = Payment.objects.get()
    assert (payment.captured_amount, payment.transaction_number) == (Decimal("26.00"), "T1")
    assert Ticket.objects.get().kind == "payment_captured_again"
    assert steps.broken_invariants() == []


def test_a_provider_that_pays_what_was_paid_by_hand_already_is_shown_to_a_person(shop):
    _order, refund = asked_for_refund(shop)
    steps.notify(refund.number, "26.00", "refund_failed")
    factories.run(noticing.run)
    assert Ticket.objects.get().kind == "refund_failed"
    paying_out.confirm_paid_out(refund.pk, note="transfer 7", actor=steps.STAFF)
    factories.run(noticing.run)
    assert (steps.state_of(refund), Ticket.objects.get().state) == ("succeeded", "closed")

    steps.notify(refund.number, "26.00", "refunded", transaction="R1")
    factories.run(noticing.run)

    assert steps.fresh(refund).refunded_amount == Decimal("26.00")
    ticket = Ticket.objects.get(state="open")
    assert (ticket.kind, ticket.values["teller"], ticket.values["told"]) == (
        *("refund_sent_again", "sandbox-pay"),
        "26.00",
    )
    with pytest.raises(OmsError, match=r"already|已全部"):
        paying_out.confirm_paid_out(refund.pk, note="transfer 8", actor=steps.STAFF)
    assert steps.broken_invariants() == []


def test_a_refund_that_arrives_after_all_closes_the_tickets_about_it(shop):
    _order, refund = asked_for_refund(shop)
    steps.notify(refund.number, "26.00", "refund_failed")
    factories.run(noticing.run)

    steps.notify(refund.number, "26.00", "refunded")
    factories.run(noticing.run)

    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.state, ticket.result) == ("refund_failed", "closed", "resolved")


@pytest.mark.parametrize("body", [{}, {"amount": "0.00"}, {"amount": "-1"}, {"amount": "1.001"}, {"amount": "NaN"}])
def test_a_message_without_an_amount_of_money_fails_alone(shop, settings, body):
    settings.MAX_ATTEMPTS = 2
    bad, good = shop.place_order(), shop.place_order()
    steps.ask_for_payment()
    news = facts.News("bad", "captured", f"{bad.number}-P1", steps.NOON, body)
    facts.receive(default_connection().pk, Topic.PAYMENT, [news])
    steps.notify(f"{good.number}-P1", "26.00")

    factories.run(noticing.run)

    assert [steps.state_of(bad), steps.state_of(good)] == ["awaiting_payment", "in_review"]
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.subject_id) == ("fact_failed", InboundFact.objects.get(fact_key="bad").pk)
    assert "amount" in ticket.values["error"]


@pytest.mark.parametrize(
    ("kind", "part", "ticket"),
    [
        ("captured", "R1", "fact_of_unknown"),
        ("refunded", "P1", "fact_of_unknown"),
        # What nobody understands is put off before anything is looked up.
        ("vanished", "P1", "fact_failed"),
    ],
)
def test_a_kind_that_does_not_fit_the_number_changes_nothing_and_calls_a_person(shop, settings, kind, part, ticket):
    settings.MAX_ATTEMPTS = 1
    order, refund = asked_for_refund(shop)

    steps.notify(f"{order.number}-{part}", "26.00", kind)
    factories.run(noticing.run)

    assert Ticket.objects.get().kind == ticket
    assert (Payment.objects.get().captured_amount, steps.state_of(refund)) == (Decimal("26.00"), "requested")


def test_money_for_an_earlier_request_makes_the_later_one_needless(shop):
    """The first request was told as failed, so the buyer is to be asked anew; then its money comes after all."""
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "26.00", "failed")
    factories.run(noticing.run, requesting.intend)

    steps.notify(f"{order.number}-P1", "26.00")
    factories.run(noticing.run)
    with fakes.provider(fakes.FakeProvider()) as provider:
        factories.run(requesting.request)

    assert provider.asked == []
    states = dict(Payment.objects.values_list("number", "state"))
    assert states == {f"{order.number}-P1": "captured", f"{order.number}-P2": "expired"}
    assert steps.state_of(order) == "in_review"
    assert order.events.get(kind="payment_expired").data["number"] == f"{order.number}-P2"


def test_every_ticket_about_money_says_what_is_wrong_and_what_may_be_done():
    values = dict.fromkeys(
        (
            "number",
            "told",
            "expected",
            "held",
            "provider",
            "teller",
            "key",
            "net",
            "merchant",
            "amount",
            "by",
            "serial",
            "due",
            "text",
        ),
        "x",
    )
    of_money = [kind for kind in vars(troubles).values() if isinstance(kind, TicketKind)]
    assert len(of_money) == 19
    assert {kind.code for kind in of_money} <= set(kinds())
    for kind in of_money:
        assert kind.reasons
        for code in kind.reasons:
            said = reason_of(Ticket(kind=kind.code, reason=str(code), values=values))
            assert "%" not in said
            assert "–" not in said
        assert str(kind.title)
        assert str(kind.remedies)


@pytest.mark.parametrize("kind", ["captured", "refunded"])
def test_a_message_that_is_applied_once_more_is_no_second_payment(shop, kind):
    order, refund = asked_for_refund(shop)
    steps.notify(refund.number, "26.00", "refunded")
    factories.run(noticing.run)
    fact = InboundFact.objects.get(kind=kind)

    facts_by_hand.replay(fact.pk)
    factories.run(noticing.run)

    assert (steps.fresh(fact).state, steps.fresh(order).payment_state) == ("no_effect", "refunded")
    assert not Ticket.objects.exists()
    assert steps.broken_invariants() == []
