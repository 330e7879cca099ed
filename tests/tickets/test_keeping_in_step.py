"""A row that its stage gave up has a ticket, as long as it needs a person and no longer."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.utils import timezone

from logistics.carriers import choosing
from logistics.models import Shipment
from logistics.warehouses import releasing
from oms.common import stuck, ticketing, tickets
from oms.common.models import Connection, FactState, InboundFact, Ticket, TicketResult, Topic
from oms.common.work import claiming, facts, facts_by_hand
from orders import isolating, retrying
from orders.changing.cancelling import cancel_order
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from payments.models import Payment, Refund
from payments.owing import retrying as money
from payments.taking import requesting
from tests import factories, fakes, steps
from tests.factories import Shop

pytestmark = pytest.mark.django_db


def give_up(queue: claiming.Queue, keys: list[int], error: str = "WMS: 503") -> None:
    """The last try fails."""
    for _ in range(6):
        claiming.put_off(queue, dict.fromkeys(keys, error))


def open_ones() -> list[tuple[str, int, int | None]]:
    """Kind, subject and order of the open tickets."""
    rows = Ticket.objects.open().order_by("subject_id")
    return list(rows.values_list("kind", "subject_id", "about_id"))


def test_rows_that_failed_too_often_get_a_ticket_each_and_those_that_will_be_tried_again_none(shop: Shop) -> None:
    bad, other_bad, good = (shop.place_order(payment_method="cod") for _ in range(3))
    claiming.put_off(deciding.QUEUE, {good.pk: "once"})
    give_up(deciding.QUEUE, [bad.pk, other_bad.pk])

    assert open_ones() == [("stuck_order", bad.pk, bad.pk), ("stuck_order", other_bad.pk, other_bad.pk)]
    ticket = Ticket.objects.get(subject_id=bad.pk)
    assert (ticket.reason, ticket.values) == ("failed", {"error": "WMS: 503", "attempts": 6})
    assert (ticket.team, ticket.opened_by, ticket.times) == ("technical", "", 1)
    assert ticket.due_at is not None
    assert ticket.due_at - ticket.opened_at == timedelta(hours=4)
    assert steps.broken_invariants() == []


def test_a_sub_orders_payments_and_refunds_ticket_belongs_to_its_order(shop: Shop) -> None:
    order = shop.place_order()
    steps.ask_for_payment()
    payment = Payment.objects.get()
    values = {"order": order, "payment": payment, "connection": payment.connection}
    refund = Refund.objects.create(number="R1", amount=1, reason="overpaid", **values)
    part = SubOrder.objects.get(order=factories.allocated_order((shop.sku, 1, "1.00")))
    give_up(requesting.PAYMENT_QUEUE, [payment.pk])
    give_up(requesting.REFUND_QUEUE, [refund.pk])
    give_up(releasing.QUEUE, [part.pk])

    assert {(kind, about) for kind, _subject, about in open_ones()} == {
        ("stuck_payment", order.pk),
        ("stuck_refund", order.pk),
        ("stuck_sub_order", part.order_id),
    }
    assert set(Ticket.objects.values_list("team", flat=True)) == {"finance", "technical"}


def test_a_parcels_ticket_belongs_to_its_order(shop: Shop) -> None:
    shipment = steps.dispatched(shop.place_order(payment_method="cod"))
    type(shipment).objects.update(needs_person_since=timezone.now(), last_error="lost")

    assert open_ones() == [("stuck_shipment", shipment.pk, shipment.sub_order.order_id)]
    ticket = Ticket.objects.get()
    assert (ticket.reason, ticket.values["error"], ticket.team) == ("said", "lost", "logistics")


def test_what_nobody_can_take_gets_a_ticket_at_once_whoever_marks_it(shop: Shop) -> None:
    shop.place_order(payment_method="cod")
    sub_order = steps.released(Order.objects.get())
    steps.warehouse_says(sub_order, "packed")
    with fakes.carrier(fakes.FakeCarrier()):
        for _ in range(6):
            steps.once(choosing.run)  # no carrier is active

    assert open_ones() == [("stuck_shipment", Shipment.objects.get().pk, sub_order.order_id)]
    assert Ticket.objects.get().values == {"error": "no carrier is active", "attempts": 6}


def test_an_order_that_fails_is_shown_and_goes_from_the_list_when_it_succeeds(shop: Shop) -> None:
    order = shop.place_order()

    def fail(keys: list[int], orders: list[int]) -> int:
        raise ValueError("poisoned")

    for _ in range(3):  # it is tried again and again, and is one trouble
        isolating.work_on("owing", [(order.pk, order.pk)], fail)
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.reason, ticket.values["error"]) == (
        "stuck_order",
        "said",
        "owing: ValueError: poisoned",
    )
    assert ticket.times == 1

    isolating.work_on("owing", [(order.pk, order.pk)], lambda keys, orders: 1)
    ticket = Ticket.objects.get()
    assert (ticket.state, ticket.result, ticket.closed_by) == ("closed", "resolved", "")
    assert [(event.kind, event.values) for event in ticket.events.all()] == [("closed", {"result": "resolved"})]
    assert steps.broken_invariants() == []


def test_trying_again_closes_the_ticket_in_the_persons_name_and_a_new_failure_opens_another(shop: Shop) -> None:
    order = shop.place_order(payment_method="cod")
    give_up(deciding.QUEUE, [order.pk])

    retrying.retry("order", order.pk, actor=steps.STAFF)

    ticket = Ticket.objects.get()
    assert (ticket.state, ticket.result, ticket.closed_by) == ("closed", "done", "li")
    assert steps.broken_invariants() == []
    give_up(deciding.QUEUE, [order.pk])
    assert Ticket.objects.count() == 2
    assert open_ones() == [("stuck_order", order.pk, order.pk)]


def test_money_that_is_tried_again_closes_its_ticket(shop: Shop) -> None:
    order = shop.place_order()
    steps.pay(order)
    payment = Payment.objects.get()
    values = {"order": order, "payment": payment, "connection": payment.connection}
    refund = Refund.objects.create(number="R1", amount=1, reason="overpaid", **values)
    give_up(requesting.REFUND_QUEUE, [refund.pk])

    money.retry("refund", refund.pk, actor=steps.STAFF)

    assert (Ticket.objects.get().state, Ticket.objects.get().closed_by) == ("closed", "li")
    assert steps.fresh(refund).needs_person_since is None


def test_what_is_cancelled_needs_nobody(shop: Shop) -> None:
    order = shop.place_order(payment_method="cod")
    give_up(deciding.QUEUE, [order.pk])
    cancel_order(order.pk, reason="x", actor=steps.STAFF)

    assert open_ones() == []
    assert steps.broken_invariants() == []


def test_who_knows_better_what_is_wrong_opens_the_only_ticket(broken: tickets.TicketKind, shop: Shop) -> None:
    first, second = (shop.place_order() for _ in range(2))
    trouble = [tickets.Trouble(order.pk, about_id=order.pk) for order in (first, second)]

    Order.objects.filter(pk=first.pk).update(needs_person_since=timezone.now())
    tickets.open_tickets(broken, trouble)
    Order.objects.filter(pk=second.pk).update(needs_person_since=timezone.now())

    assert open_ones() == [("broken", first.pk, first.pk), ("broken", second.pk, second.pk)]
    assert steps.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
def test_a_ticket_that_somebody_may_have_seen_gives_way_to_none(broken: tickets.TicketKind) -> None:
    order = factories.make_shop().place_order()
    give_up(deciding.QUEUE, [order.pk])
    with transaction.atomic():
        tickets.open_tickets(broken, [tickets.Trouble(order.pk, about_id=order.pk)])

    assert {kind for kind, _subject, _about in open_ones()} == {"broken", "stuck_order"}


def test_a_mark_without_a_ticket_and_a_ticket_without_a_mark_are_found(shop: Shop) -> None:
    marked, closed = (shop.place_order() for _ in range(2))
    Order.objects.update(needs_person_since=timezone.now())
    with steps.without_guards():
        Order.objects.filter(pk=closed.pk).update(needs_person_since=None)
    tickets.close_tickets([stuck.kind_of(Order)], [marked.pk])

    found = {text.partition(":")[0] for text in steps.broken_invariants()}
    assert found == {"rows_that_need_a_person_have_a_ticket", "tickets_of_stuck_rows_end_with_their_trouble"}


def test_a_trigger_that_is_gone_is_found(db: None) -> None:
    from oms.common.states import missing_triggers

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER payments_refund_ticket ON payments_refund")
    assert missing_triggers(connection) == ["payments_refund"]


# --- Messages from outside have kinds of their own


def fact(subject: str = "X-1") -> InboundFact:
    link, _is_new = Connection.objects.get_or_create(code="wms", defaults={"name": "WMS", "kind": "warehouse"})
    facts.receive(link.pk, Topic.WAREHOUSE, [facts.News(f"k-{subject}", "packed", subject, timezone.now())])
    return InboundFact.objects.get(subject=subject)


def work(group: dict[int, int], verdict: facts.Verdict | None = None) -> facts.FactWork:
    """Facts of these groups; applying them gives the verdict, or fails."""

    def apply(given, locked):  # type: ignore[no-untyped-def]
        if verdict is None:
            raise ValueError("no")
        return {item.id: verdict for item in given}

    return facts.FactWork(Topic.WAREHOUSE, lambda found: group, list, apply, lambda fact: None)


def test_a_fact_that_cannot_be_applied_has_one_ticket_until_it_is(shop: Shop) -> None:
    row = fact()
    for _ in range(6):
        steps.once(partial(facts.run, work({row.pk: 1})))
    assert open_ones() == [("fact_failed", row.pk, None)]
    assert steps.broken_invariants() == []

    facts_by_hand.replay(row.pk, by="li")
    assert (Ticket.objects.get().result, Ticket.objects.get().closed_by) == ("done", "li")
    steps.once(partial(facts.run, work({row.pk: 1}, facts.APPLIED)))
    assert InboundFact.objects.get().state == FactState.APPLIED
    # It is about no warehouse order, which nothing but a stand-in for the stage could apply.
    assert [finding.split(":")[0] for finding in steps.broken_invariants()] == ["what_warehouses_told_is_known"]


def test_a_fact_of_something_unknown_is_settled_together_with_its_ticket(shop: Shop) -> None:
    row = fact()
    for _ in range(6):
        steps.once(partial(facts.run, work({})))
    assert open_ones() == [("fact_of_unknown", row.pk, None)]

    # Somebody who has the order locked applies it after all.
    known = facts.Fact(row.pk, row.connection_id, row.fact_key, "packed", "X-1", {}, row.occurred_at, row.received_at)
    facts.apply_now(work({}, facts.APPLIED), [known], [1])
    assert open_ones() == []
    assert Ticket.objects.get().result == TicketResult.RESOLVED


def test_a_fact_is_tried_again_from_its_ticket(shop: Shop, li: object) -> None:
    row = fact()
    for _ in range(6):
        steps.once(partial(facts.run, work({row.pk: 1})))
    ticketing.retry(Ticket.objects.get().pk, user=li)  # type: ignore[arg-type]

    assert (InboundFact.objects.get().attempts, InboundFact.objects.get().needs_person_since) == (0, None)
    assert [event.kind for event in Ticket.objects.get().events.all()] == ["closed", "retried"]
