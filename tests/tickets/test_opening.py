"""Many tickets are opened and closed in one statement; one a kind and subject is open."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from oms.common import ticket_invariants, tickets
from oms.common.models import Ticket, TicketResult
from oms.common.tickets import TicketKind, Trouble, close_tickets, open_tickets
from tests.invariants import check

pytestmark = pytest.mark.django_db
MANY = range(1, 301)


def test_trouble_that_comes_again_counts_on_the_open_ticket_and_takes_the_newest_reason(broken: TicketKind) -> None:
    open_tickets(broken, [Trouble(1), Trouble(2)], opened_by="sweep")
    first = Ticket.objects.get(subject_id=1)
    open_tickets(broken, [Trouble(1, "late", {"days": 2, "place": "x"}, about_id=9), Trouble(3)])

    again = Ticket.objects.get(subject_id=1)
    assert (again.pk, again.times, again.reason, again.values) == (first.pk, 2, "late", {"days": 2, "place": "x"})
    assert (again.about_id, again.opened_by, again.opened_at) == (9, "sweep", first.opened_at)
    assert again.version == first.version + 1
    assert Ticket.objects.count() == 3


def test_of_two_troubles_of_a_subject_in_one_call_the_last_one_counts(broken: TicketKind) -> None:
    open_tickets(broken, [Trouble(1, "a"), Trouble(1, "b")])
    assert (Ticket.objects.get().reason, Ticket.objects.get().times) == ("b", 1)


def test_trouble_that_comes_after_the_ticket_was_closed_opens_another(broken: TicketKind) -> None:
    open_tickets(broken, [Trouble(1)])
    assert close_tickets([broken], [1]) == 1
    open_tickets(broken, [Trouble(1)])

    assert list(Ticket.objects.order_by("id").values_list("state", "times")) == [("closed", 1), ("open", 1)]


def test_only_the_kinds_and_subjects_that_are_named_are_closed(broken: TicketKind) -> None:
    other = TicketKind("other", "x", "order", by_hand=True)
    open_tickets(broken, [Trouble(1), Trouble(2)])
    open_tickets(tickets.kinds()["other"], [Trouble(1)])

    assert close_tickets([broken], [1, 7], result=TicketResult.DONE, closed_by="wang") == 1
    assert close_tickets([broken], [1]) == 0
    assert close_tickets([], [1, 2]) == close_tickets([other], []) == 0

    closed = Ticket.objects.get(state="closed")
    assert (closed.kind, closed.subject_id, closed.result, closed.closed_by) == ("broken", 1, "done", "wang")
    (event,) = closed.events.all()
    assert (event.kind, event.by, event.values) == ("closed", "wang", {"result": "done"})


def test_hundreds_are_opened_and_closed_in_one_statement_each(broken: TicketKind) -> None:
    with CaptureQueriesContext(connection) as opening:
        open_tickets(broken, [Trouble(key) for key in MANY])
        open_tickets(broken, [])
    with CaptureQueriesContext(connection) as closing:
        assert close_tickets([broken], MANY) == 300

    assert (len(opening), len(closing)) == (1, 1)
    assert check(ticket_invariants.INVARIANTS) == []


def test_the_database_holds_one_open_ticket_a_kind_and_subject(broken: TicketKind) -> None:
    Ticket.objects.create(kind="broken", subject_kind="order", subject_id=1)
    with pytest.raises(IntegrityError, match="ticket_opens_once_for_a_subject"), transaction.atomic():
        Ticket.objects.create(kind="broken", subject_kind="order", subject_id=1)


def test_a_closed_ticket_has_a_result_and_an_open_one_has_none() -> None:
    ticket = Ticket.objects.create(kind="broken", subject_kind="order", subject_id=1)
    for change in ({"state": "closed"}, {"result": "done"}):
        with pytest.raises(IntegrityError, match="ticket_closed_with_a_result"), transaction.atomic():
            Ticket.objects.filter(pk=ticket.pk).update(**change)
