"""What people do to a ticket: each step under a lock, on the version that was looked at, kept in its history."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oms.common import ticketing
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import Ticket
from oms.common.tickets import TicketKind, Trouble, close_tickets, open_tickets
from orders import tickets as of_orders
from orders.models import Order
from tests import factories, steps
from tests.factories import Shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def ticket(broken: TicketKind, shop: Shop) -> Ticket:
    """An open ticket about an order."""
    order = shop.place_order()
    open_tickets(broken, [Trouble(order.pk, about_id=order.pk)])
    return Ticket.objects.get()


def fresh(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def history(ticket: Ticket) -> list[tuple[str, str]]:
    return list(ticket.events.values_list("kind", "by"))


def test_who_takes_a_ticket_has_it_until_it_is_given_back(ticket: Ticket, li: Any, wang: Any) -> None:
    ticketing.take(ticket.pk, user=li, version=ticket.version)
    assert fresh(ticket).owner == li
    ticketing.take(ticket.pk, user=li)  # once more changes nothing

    with pytest.raises(ticketing.TicketIsTaken, match="li"):
        ticketing.take(ticket.pk, user=wang)
    with pytest.raises(ticketing.TicketIsTaken, match="li"):
        ticketing.give_back(ticket.pk, user=wang)
    assert fresh(ticket).owner == li

    ticketing.give_back(ticket.pk, user=li)
    ticketing.give_back(ticket.pk, user=li)
    assert fresh(ticket).owner is None
    assert history(ticket) == [("taken", "li"), ("given_back", "li")]


def test_a_ticket_is_given_to_somebody_whoever_has_it(ticket: Ticket, li: Any, wang: Any) -> None:
    ticketing.take(ticket.pk, user=li)
    ticketing.assign(ticket.pk, to=wang, user=li)
    ticketing.assign(ticket.pk, to=wang, user=li)
    assert fresh(ticket).owner == wang
    ticketing.assign(ticket.pk, to=None, user=li)

    assert fresh(ticket).owner is None
    assert history(ticket) == [("taken", "li"), ("assigned", "li"), ("given_back", "li")]
    assert ticket.events.get(kind="assigned").values == {"to": "wang"}


def test_what_is_put_off_comes_back_by_itself_or_when_somebody_says_so(ticket: Ticket, li: Any) -> None:
    until = timezone.now() + timedelta(hours=1)
    ticketing.snooze(ticket.pk, until=until, user=li)
    assert list(Ticket.objects.snoozed()) == [ticket]
    assert not Ticket.objects.waiting().exists()

    ticketing.snooze(ticket.pk, until=None, user=li)
    assert list(Ticket.objects.waiting()) == [ticket]
    assert fresh(ticket).snoozed_until is None
    assert history(ticket) == [("snoozed", "li"), ("woken", "li")]

    Ticket.objects.update(snoozed_until=timezone.now() - timedelta(seconds=1))
    assert list(Ticket.objects.waiting()) == [ticket]
    assert not Ticket.objects.snoozed().exists()


@pytest.mark.parametrize("hours", [-1, 0, 24 * 90 + 1])
def test_a_ticket_is_not_put_off_into_the_past_or_for_ever(ticket: Ticket, li: Any, hours: int) -> None:
    with pytest.raises(OmsError, match="90"):
        ticketing.snooze(ticket.pk, until=timezone.now() + timedelta(hours=hours), user=li)
    assert (fresh(ticket).snoozed_until, history(ticket)) == (None, [])


def test_a_note_is_kept_on_open_and_closed_tickets(ticket: Ticket, li: Any, wang: Any) -> None:
    ticketing.add_note(ticket.pk, text=" rang the buyer ", user=li)
    ticketing.close(ticket.pk, result="done", user=li)
    ticketing.add_note(ticket.pk, text="sent flowers", user=wang)

    said = list(ticket.events.filter(kind="noted").values_list("by", "text"))
    assert said == [("li", "rang the buyer"), ("wang", "sent flowers")]
    for text in ("", " ", "x" * 2001):
        with pytest.raises(OmsError):
            ticketing.add_note(ticket.pk, text=text, user=li)
    assert ticket.events.count() == 3


def test_a_ticket_is_closed_with_a_result_and_reopened(ticket: Ticket, li: Any, wang: Any) -> None:
    ticketing.snooze(ticket.pk, until=timezone.now() + timedelta(hours=1), user=li)
    ticketing.close(ticket.pk, result="not_needed", text="a mistake", user=li)
    closed = fresh(ticket)
    assert (closed.state, closed.result, closed.closed_by, closed.snoozed_until) == ("closed", "not_needed", "li", None)
    assert steps.broken_invariants() == []

    ticketing.reopen(ticket.pk, user=wang)
    reopened = fresh(ticket)
    assert (reopened.state, reopened.result, reopened.closed_by, reopened.closed_at) == ("open", "", "", None)
    assert history(ticket) == [("snoozed", "li"), ("closed", "li"), ("reopened", "wang")]
    assert ticket.events.get(kind="closed").text == "a mistake"
    with pytest.raises(OmsError, match="open already"):
        ticketing.reopen(ticket.pk, user=wang)


@pytest.mark.parametrize("result", ["", "resolved", "x"])
def test_people_say_how_it_ended_in_one_of_two_ways(ticket: Ticket, li: Any, result: str) -> None:
    with pytest.raises(OmsError):
        ticketing.close(ticket.pk, result=result, user=li)
    assert fresh(ticket).state == "open"


def test_a_ticket_of_which_a_newer_one_is_open_stays_closed(ticket: Ticket, broken: TicketKind, li: Any) -> None:
    ticketing.close(ticket.pk, result="done", user=li)
    open_tickets(broken, [Trouble(ticket.subject_id)])

    with pytest.raises(OmsError, match="newer"):
        ticketing.reopen(ticket.pk, user=li)
    assert (fresh(ticket).state, Ticket.objects.open().count()) == ("closed", 1)


STEPS: dict[str, Callable[..., None]] = {
    "take": ticketing.take,
    "give back": ticketing.give_back,
    "assign": lambda key, **rest: ticketing.assign(key, to=None, **rest),
    "snooze": lambda key, **rest: ticketing.snooze(key, until=None, **rest),
    "close": lambda key, **rest: ticketing.close(key, result="done", **rest),
    "retry": ticketing.retry,
}


@pytest.mark.parametrize("name", [*STEPS, "reopen"])
def test_a_step_on_an_older_version_is_refused(ticket: Ticket, li: Any, wang: Any, name: str) -> None:
    ticketing.take(ticket.pk, user=wang)
    do = {**STEPS, "reopen": ticketing.reopen}[name]

    with pytest.raises(ChangedMeanwhile):
        do(ticket.pk, user=li, version=ticket.version)
    assert (fresh(ticket).owner, history(ticket)) == (wang, [("taken", "wang")])


@pytest.mark.parametrize("name", STEPS)
def test_nothing_is_done_to_a_closed_ticket(ticket: Ticket, broken: TicketKind, li: Any, name: str) -> None:
    close_tickets([broken], [ticket.subject_id])
    with pytest.raises(ticketing.TicketIsClosed):
        STEPS[name](ticket.pk, user=li)
    assert history(ticket) == [("closed", "")]


def test_trouble_that_came_again_must_be_looked_at_before_the_ticket_is_closed(
    ticket: Ticket, broken: TicketKind, li: Any
) -> None:
    open_tickets(broken, [Trouble(ticket.subject_id, "late", {"days": 1, "place": "x"})])
    with pytest.raises(ChangedMeanwhile):
        ticketing.close(ticket.pk, result="done", user=li, version=ticket.version)
    assert fresh(ticket).state == "open"


# --- What a stage gave up


@pytest.fixture
def stuck_order(shop: Shop) -> Order:
    """An order that failed too often."""
    order = shop.place_order(payment_method="cod")
    Order.objects.filter(pk=order.pk).update(needs_person_since=timezone.now(), attempts=6, last_error="503")
    return order


def test_what_does_not_go_on_by_itself_keeps_its_ticket_until_it_is_tried_again(stuck_order: Order, li: Any) -> None:
    ticket = Ticket.objects.get()
    with pytest.raises(ticketing.StillNeedsPerson):
        ticketing.close(ticket.pk, result="done", user=li)
    assert fresh(ticket).state == "open"

    ticketing.retry(ticket.pk, user=li, version=ticket.version)

    order = steps.fresh(stuck_order)
    assert (order.needs_person_since, order.attempts) == (None, 0)
    assert (fresh(ticket).state, fresh(ticket).result, fresh(ticket).closed_by) == ("closed", "done", "li")
    assert history(ticket) == [("closed", "li"), ("retried", "li")]
    assert order.events.get(kind="retried").actor == "li"
    with pytest.raises(OmsError, match="by itself"):
        ticketing.reopen(ticket.pk, user=li)
    assert steps.broken_invariants() == []


def test_of_two_tickets_about_what_is_stuck_one_may_be_closed(stuck_order: Order, broken: TicketKind, li: Any) -> None:
    general = Ticket.objects.get()
    Ticket.objects.create(kind="broken", subject_kind="order", subject_id=stuck_order.pk, about_id=stuck_order.pk)

    ticketing.close(general.pk, result="not_needed", user=li)
    last = Ticket.objects.open().get()
    with pytest.raises(ticketing.StillNeedsPerson):
        ticketing.close(last.pk, result="done", user=li)
    ticketing.retry(last.pk, user=li)

    assert (fresh(last).state, fresh(last).result) == ("closed", "done")
    assert history(last) == [("retried", "li"), ("closed", "li")]
    assert steps.broken_invariants() == []


def test_a_complaint_neither_stands_for_what_is_stuck_nor_is_kept_by_it(stuck_order: Order, li: Any) -> None:
    complaint, _is_new = of_orders.open_by_hand(stuck_order.pk, "complaint", text="too late", user=li)
    general = Ticket.objects.get(kind="stuck_order")

    with pytest.raises(ticketing.StillNeedsPerson):
        ticketing.close(general.pk, result="done", user=li)
    with pytest.raises(OmsError, match="nothing to retry"):
        ticketing.retry(complaint.pk, user=li)
    ticketing.close(complaint.pk, result="done", user=li)
    assert fresh(general).state == "open"


def test_what_goes_on_by_itself_cannot_be_tried_again(ticket: Ticket, li: Any) -> None:
    with pytest.raises(OmsError, match="nothing to retry"):
        ticketing.retry(ticket.pk, user=li)
    assert (fresh(ticket).state, history(ticket)) == ("open", [])


# --- By hand


def test_people_open_tickets_of_three_kinds_about_orders(shop: Shop, li: Any) -> None:
    order = shop.place_order()
    due = timezone.now() + timedelta(hours=2)
    ticket, is_new = of_orders.open_by_hand(order.pk, "call_back", text=" wants a blue one ", user=li, due_at=due)

    assert is_new
    assert (ticket.kind, ticket.subject_id, ticket.about_id, ticket.opened_by) == (
        "call_back",
        order.pk,
        order.pk,
        "li",
    )
    assert (ticket.team, ticket.due_at, ticket.values) == ("service", due, {"text": "wants a blue one"})
    usual, _is_new = of_orders.open_by_hand(order.pk, "complaint", text="x", user=li)
    assert timedelta(hours=23) < usual.due_at - timezone.now() <= timedelta(days=1)
    assert steps.broken_invariants() == []


def test_where_one_is_open_already_the_text_is_added_to_it(shop: Shop, li: Any, wang: Any) -> None:
    order = shop.place_order()
    first, _is_new = of_orders.open_by_hand(order.pk, "call_back", text="first", user=li)
    second, is_new = of_orders.open_by_hand(order.pk, "call_back", text="second", user=wang)

    assert (second.pk, is_new) == (first.pk, False)
    assert list(first.events.values_list("kind", "by", "text")) == [
        ("opened", "li", "first"),
        ("noted", "wang", "second"),
    ]


def test_a_ticket_by_hand_needs_a_kind_a_text_and_time_to_do_it(shop: Shop, li: Any) -> None:
    order = shop.place_order()
    for kind, text, due in (
        ("stuck_order", "x", None),
        ("", "x", None),
        ("other", "  ", None),
        ("other", "x" * 2001, None),
        ("other", "x", timezone.now()),
    ):
        with pytest.raises(OmsError):
            of_orders.open_by_hand(order.pk, kind, text=text, user=li, due_at=due)
    with pytest.raises(Order.DoesNotExist):
        of_orders.open_by_hand(order.pk + 1, "other", text="x", user=li)
    assert not Ticket.objects.exists()


def test_a_long_login_name_fits(ticket: Ticket) -> None:
    person = factories.UserFactory(username="a" * 150)
    ticketing.close(ticket.pk, result="done", user=person)
    assert fresh(ticket).closed_by == "a" * 80
