"""Working through a queue: the next ticket, handing over, saved views, causes, target times, what changed meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from oms.common import ticket_invariants, ticketing, tickets
from oms.common.desk.ticket_list import cause_text
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import QueueLook, SavedView, Ticket, TicketEvent, TicketTarget
from oms.common.tickets import TicketKind, Trouble, open_tickets
from orders import tickets as of_orders
from orders.models import Order
from orders.reviewing import holds
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.invariants import check
from tests.pipeline.test_races import in_thread

LIST = "/admin/common/ticket/"


def opened(kind: TicketKind, orders: list[Order]) -> list[Ticket]:
    """A ticket about each order, in their order of being due."""
    now = timezone.now()
    open_tickets(
        kind, [Trouble(order.pk, about_id=order.pk, due_at=now + timedelta(hours=n)) for n, order in enumerate(orders)]
    )
    return list(Ticket.objects.filter(kind=kind.code).order_by("due_at"))


# --- The next one


@pytest.mark.django_db
def test_the_next_is_what_is_due_first_of_what_nobody_has_and_the_filters_leave(
    broken: TicketKind, orders: list[Order], clerk: Client, li: Any
) -> None:
    first, second, third = opened(broken, orders[:3])
    of_orders.open_by_hand(orders[3].pk, "complaint", text="x", user=li)
    ticketing.take(first.pk, user=li)
    ticketing.snooze(second.pk, until=timezone.now() + timedelta(hours=1), user=li)

    answer = clerk.post(f"{LIST}next/?kind=broken", {"pane": "1"})

    assert answer["Location"] == f"{LIST}?kind=broken#ticket-{third.pk}"
    assert str(Ticket.objects.get(pk=third.pk).owner) == "clerk"
    assert [event.kind for event in third.events.all()] == ["taken"]
    # Nothing is left of the kind; the complaint is another one.
    assert clerk.post(f"{LIST}next/?kind=broken")["Location"] == f"{LIST}?kind=broken"
    complaint = Ticket.objects.get(kind="complaint")
    assert clerk.post(f"{LIST}next/")["Location"] == f"{LIST}{complaint.pk}/change/"
    assert clerk.get(f"{LIST}next/").status_code == 405
    assert client_of("view_ticket").post(f"{LIST}next/").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_people_who_take_the_next_at_once_never_get_the_same(broken: TicketKind) -> None:
    count, people = 60, [factories.UserFactory() for _ in range(4)]
    open_tickets(broken, [Trouble(key) for key in range(1, count + 1)])
    start = Barrier(len(people))

    def work(person: Any) -> list[int]:
        start.wait(30)
        got = []
        while (ticket := ticketing.take_next(Ticket.objects.waiting(), user=person)) is not None:
            got.append(ticket.pk)
        return got

    with ThreadPoolExecutor(len(people)) as pool:
        running = [in_thread(pool, lambda person=person: work(person)) for person in people]
        got = [key for one in running for key in one.result(120)]

    # One that another had in hand at that moment is nobody's afterwards only if it was put back: none was.
    left = Ticket.objects.waiting().filter(owner=None).count()
    assert len(got) == len(set(got))
    assert (len(got) + left, left) == (count, 0)
    assert TicketEvent.objects.filter(kind="taken").count() == count
    assert check(ticket_invariants.INVARIANTS) == []


# --- Handing over


@pytest.mark.django_db
def test_a_ticket_is_handed_over_with_a_note_by_who_has_it(ticket: Ticket, li: Any, wang: Any) -> None:
    ticketing.hand_over(ticket.pk, to=wang, text=" call after six ", user=li, version=ticket.version)
    (event,) = ticket.events.all()
    assert (event.kind, event.text, event.by, event.values) == ("assigned", "call after six", "li", {"to": "wang"})
    assert Ticket.objects.get().owner == wang

    with pytest.raises(ticketing.TicketIsTaken):
        ticketing.hand_over(ticket.pk, to=li, text="mine", user=li)
    with pytest.raises(ChangedMeanwhile):
        ticketing.hand_over(ticket.pk, to=li, text="back", user=wang, version=ticket.version)
    with pytest.raises(OmsError, match="needs a text"):
        ticketing.hand_over(ticket.pk, to=li, text=" ", user=wang)
    assert Ticket.objects.get().owner == wang


# --- The list


@pytest.mark.django_db
def test_a_row_tells_money_owner_and_what_was_written_last(
    ticket: Ticket, orders: list[Order], clerk: Client, li: Any
) -> None:
    ticketing.add_note(ticket.pk, text="first note", user=li)
    ticketing.add_note(ticket.pk, text="last note", user=li)
    ticketing.take(ticket.pk, user=li)

    (row,) = clerk.get(LIST).context["cl"].result_list
    assert (row.money, row.last_note.text, str(row.owner)) == (orders[0].payable_amount, "last note", "li")
    page = clerk.get(LIST).content.decode()
    assert "last note" in page
    assert "first note" not in page


@pytest.mark.django_db
def test_more_notes_and_causes_ask_for_no_more_statements(
    broken: TicketKind, orders: list[Order], clerk: Client, li: Any, statements: Callable[[Client, str], int]
) -> None:
    opened(broken, orders[:2])
    before = statements(clerk, LIST)
    for ticket in opened(broken, orders):
        ticketing.add_note(ticket.pk, text="x", user=li)
    open_tickets(broken, [Trouble(orders[0].pk, "late", {"days": 3, "place": "WH-1"}, about_id=orders[0].pk)])
    assert statements(clerk, LIST) == before <= 19


@pytest.mark.django_db
def test_tickets_are_grouped_by_cause_and_filtered_by_it(
    broken: TicketKind, orders: list[Order], clerk: Client
) -> None:
    open_tickets(broken, [Trouble(order.pk, "late", {"days": 1, "place": "A"}) for order in orders[:3]])
    open_tickets(broken, [Trouble(orders[3].pk)])

    first, second = clerk.get(LIST).context["causes"]
    assert (first["text"], first["count"]) == ("Broken: Late by … days at ….", 3)
    assert (second["text"], second["count"]) == ("Broken", 1)
    listed = clerk.get(LIST + first["query"]).context
    assert len(listed["cl"].result_list) == 3
    (chosen,) = listed["causes"]
    assert (chosen["is_active"], chosen["query"]) == (True, "?")
    assert clerk.get(LIST + "?reason=nonsense").status_code == 200


def test_causes_whose_sentences_are_alike_have_names() -> None:
    assert any(kind.causes for kind in tickets.kinds().values())
    for kind in tickets.kinds().values():
        texts = [cause_text(kind.code, reason) for reason in kind.causes]
        assert len(set(texts)) == len(texts), kind.code
        assert set(kind.causes) <= set(kind.reasons), kind.code
    assert cause_text("late_together", "no_trace") == "Late together: No trace of the waybill"


@pytest.mark.django_db
def test_beside_the_list_stands_the_order_with_the_holds_that_may_be_released(
    ticket: Ticket, orders: list[Order], clerk: Client, boss: Client
) -> None:
    hold = holds.hold_order(orders[0].pk, reason="address unclear", actor=steps.STAFF)
    release = f"/holds/{hold.pk}/release/"
    address = f"{LIST}{ticket.pk}/pane/"

    shown = boss.get(address).content.decode()
    assert "Late by 3 days at WH-1." in shown
    assert f'<a class="oms-no" href="/admin/orders/order/{orders[0].pk}/change/">' in shown
    assert release in shown
    assert release not in clerk.get(address).content.decode()
    assert client_of("view_order").get(address).status_code == 403
    stranger = client_of("view_ticket").get(address).content.decode()
    assert orders[0].recipient_phone not in stranger
    assert "Late by 3 days at WH-1." in stranger


# --- Saved views


@pytest.mark.django_db
def test_views_are_kept_for_oneself_or_a_team_and_forgotten(clerk: Client, boss: Client) -> None:
    clerk.post("/admin/lists/common_ticket/views/?kind=complaint&owner=mine", {"title": "My complaints"})
    clerk.post("/admin/lists/common_ticket/views/?kind=complaint&owner=nobody", {"title": "My complaints"})
    assert (
        clerk.post("/admin/lists/common_ticket/views/?which=overdue", {"title": "Late", "team": "service"}).status_code
        == 403
    )
    boss.post("/admin/lists/common_ticket/views/?which=overdue", {"title": "Late", "team": "service"})

    mine, team = SavedView.objects.order_by("pk")
    assert (mine.query, mine.owner.username, team.owner, team.team) == (
        "kind=complaint&owner=nobody",
        "clerk",
        None,
        "service",
    )
    shown = {view["row"].title: view for view in clerk.get(f"{LIST}?which=overdue").context["tools"]["views"]}
    assert {title: (view["is_active"], view["may_delete"]) for title, view in shown.items()} == {
        "My complaints": (False, True),
        "Late": (True, False),
    }
    assert "My complaints" not in boss.get(LIST).content.decode()

    assert clerk.post(f"/admin/lists/views/{team.pk}/delete/").status_code == 404
    assert boss.post(f"/admin/lists/views/{mine.pk}/delete/").status_code == 404
    clerk.post(f"/admin/lists/views/{mine.pk}/delete/")
    boss.post(f"/admin/lists/views/{team.pk}/delete/")
    assert not SavedView.objects.exists()


# --- Target times


@pytest.mark.django_db
def test_target_times_are_data(broken: TicketKind, orders: list[Order], li: Any) -> None:
    for kind, minutes in (("broken", 30), ("complaint", 45), ("stuck_order", 15)):
        TicketTarget.objects.create(kind=kind, minutes=minutes)

    open_tickets(broken, [Trouble(orders[0].pk)])
    of_orders.open_by_hand(orders[1].pk, "complaint", text="x", user=li)
    of_orders.open_by_hand(orders[1].pk, "call_back", text="x", user=li)
    Order.objects.filter(pk=orders[2].pk).update(needs_person_since=timezone.now())

    within = {row.kind: round((row.due_at - row.opened_at).total_seconds() / 60) for row in Ticket.objects.all()}
    assert within == {"broken": 30, "complaint": 45, "call_back": 240, "stuck_order": 15}


# --- What changed


@pytest.mark.django_db
def test_one_is_told_what_others_did_since_one_looked_last(
    broken: TicketKind, orders: list[Order], clerk: Client, li: Any
) -> None:
    (mine,) = opened(broken, orders[:1])
    me = factories.UserFactory._meta.model.objects.get(username="clerk")
    ticketing.add_note(mine.pk, text="my own note", user=me)
    ticketing.hand_over(mine.pk, to=me, text="please go on", user=li)

    page = clerk.get(f"{LIST}changes/")
    assert [(row["title"], row["count"], row["open"]) for row in page.context["opened"]] == [("Broken", 1, 1)]
    (step,) = page.context["steps"]
    assert (step["step"].text, step["step"].by, step["is_mine"]) == ("please go on", "li", True)

    # Systems do so much that people would not be seen among it; of one's own tickets it is told.
    opened(broken, orders[1:])
    tickets.close_tickets([broken], [order.pk for order in orders[1:]], closed_by="follow promises")
    assert [one["step"].by for one in clerk.get(f"{LIST}changes/").context["steps"]] == ["li"]
    tickets.close_tickets([broken], [mine.subject_id], closed_by="follow promises")
    assert [one["is_mine"] for one in clerk.get(f"{LIST}changes/").context["steps"]] == [True, True]

    clerk.post(f"{LIST}changes/")
    assert QueueLook.objects.get().user == me
    page = clerk.get(f"{LIST}changes/")
    assert (page.context["opened"], page.context["steps"]) == ([], [])
    assert client_of("view_order").get(f"{LIST}changes/").status_code == 403
