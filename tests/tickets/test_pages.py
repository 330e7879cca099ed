"""The list of tickets, a ticket's page, and tickets on the order's page and list."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from oms.common import ticketing
from oms.common.desk import ticket_list
from oms.common.models import Connection, Job, Ticket
from oms.common.tickets import TicketKind, Trouble, open_tickets
from oms.common.work.connections import CONNECTION_DOWN
from orders import tickets as of_orders
from orders.models import Order, SubOrder
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.factories import Shop

LIST = "/admin/common/ticket/"


def address(ticket: Ticket, action: str = "change") -> str:
    """A page of the ticket, or where an action on it is posted to."""
    return f"{LIST}{ticket.pk}/{action}/"


def listed(client: Client, query: str = "") -> list[int]:
    """Subjects of the tickets that the list shows."""
    return [row.subject_id for row in client.get(LIST + query).context["cl"].result_list]


def said(client: Client, response: Any) -> list[str]:
    """What the page that follows an action says."""
    page = client.get(response["Location"]) if response.status_code == 302 else response
    return [str(message) for message in page.context["messages"]]


def fresh(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


# --- The list


def test_it_shows_what_waits_the_earliest_due_first(broken: TicketKind, orders: list[Order], clerk: Client) -> None:
    open_tickets(broken, [Trouble(order.pk, about_id=order.pk) for order in orders])
    now = timezone.now()
    for order, hours in zip(orders, (5, None, -1, 2, None, 5), strict=True):
        due = None if hours is None else now + timedelta(hours=hours)
        Ticket.objects.filter(subject_id=order.pk).update(due_at=due)

    by_due = [orders[n].pk for n in (2, 3, 0, 5, 1, 4)]
    assert listed(clerk) == by_due
    page = clerk.get(LIST).content.decode()
    assert "It is broken." in page
    assert orders[0].number in page


def test_its_pages_go_on_where_the_one_before_ended_also_where_there_is_no_deadline(
    broken: TicketKind, shop: Shop, clerk: Client
) -> None:
    keys = list(range(1, 121))
    open_tickets(broken, [Trouble(key) for key in keys])
    now = timezone.now()
    for n, key in enumerate(keys[:60]):
        Ticket.objects.filter(subject_id=key).update(due_at=now + timedelta(hours=n // 7))

    seen, query = [], "?"
    for _ in range(3):
        page = clerk.get(LIST + query).context["cl"]
        seen += [row.subject_id for row in page.result_list]
        query = page.older_query
    assert (seen, query) == (keys, None)

    back = clerk.get(LIST + page.newer_query).context["cl"]
    assert [row.subject_id for row in back.result_list] == keys[50:100]
    first = clerk.get(LIST + back.newer_query).context["cl"]
    assert [row.subject_id for row in first.result_list] == keys[:50]


def test_filters_and_tabs(broken: TicketKind, orders: list[Order], clerk: Client) -> None:
    me = factories.UserFactory._meta.model.objects.get(username="clerk")
    open_tickets(broken, [Trouble(order.pk, about_id=order.pk) for order in orders[:5]])
    of_orders.open_by_hand(orders[5].pk, "complaint", text="x", user=me)
    mine, others, late, asleep, closed, complaint = (Ticket.objects.get(subject_id=order.pk) for order in orders)
    ticketing.take(mine.pk, user=me)
    ticketing.take(others.pk, user=factories.UserFactory())
    Ticket.objects.filter(pk=late.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    ticketing.snooze(asleep.pk, until=timezone.now() + timedelta(hours=1), user=me)
    ticketing.close(closed.pk, result="done", user=me)

    def of(*tickets: Ticket) -> set[int]:
        return {row.subject_id for row in tickets}

    assert set(listed(clerk)) == of(mine, others, late, complaint)
    assert set(listed(clerk, "?owner=mine")) == of(mine)
    assert set(listed(clerk, "?owner=nobody")) == of(late, complaint)
    assert set(listed(clerk, "?which=overdue")) == of(late)
    assert set(listed(clerk, "?which=snoozed")) == of(asleep)
    assert set(listed(clerk, "?which=closed")) == of(closed)
    assert set(listed(clerk, "?kind=complaint")) == of(complaint)
    assert set(listed(clerk, "?team=finance&owner=nobody")) == of(late)
    tabs = clerk.get(LIST + "?which=overdue").context["queue_tabs"]
    assert [(str(tab["title"]), tab["count"]) for tab in tabs] == [
        ("Waiting", "4"),
        ("Mine", "1"),
        ("Nobody's", "2"),
        ("Overdue", "1"),
        ("Snoozed", "1"),
        ("Closed", ""),
    ]
    assert [str(tab["title"]) for tab in tabs if tab["is_active"]] == ["Overdue"]


def test_ones_own_tickets_are_counted_though_those_of_others_are_more_urgent(
    broken: TicketKind, orders: list[Order], clerk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_list, "MOST_COUNTED", 2)
    me = factories.UserFactory._meta.model.objects.get(username="clerk")
    open_tickets(broken, [Trouble(order.pk, about_id=order.pk) for order in orders[:4]])
    mine = Ticket.objects.order_by("due_at", "pk").last()
    ticketing.take(mine.pk, user=me)

    tabs = {str(tab["title"]): tab["count"] for tab in clerk.get(LIST).context["queue_tabs"]}

    assert (tabs["Waiting"], tabs["Nobody's"], tabs["Mine"]) == ("2+", "2+", "1")


def test_tickets_are_found_by_any_number_of_their_order(
    ticket: Ticket, shop: Shop, orders: list[Order], clerk: Client
) -> None:
    part = SubOrder.objects.get(order=factories.allocated_order((shop.sku, 1, "1.00"), merchant=shop.merchant))
    SubOrder.objects.update(needs_person_since=timezone.now(), last_error="503")

    assert listed(clerk, f"?q={orders[0].number}") == [orders[0].pk]
    assert listed(clerk, f"?q={orders[0].external_number}") == [orders[0].pk]
    assert listed(clerk, f"?q={part.number}") == [part.pk]
    assert listed(clerk, f"?q={orders[1].number}") == []


def test_subjects_are_named_and_linked_to_their_pages(ticket: Ticket, shop: Shop, boss: Client) -> None:
    part = SubOrder.objects.get(order=factories.allocated_order((shop.sku, 1, "1.00"), merchant=shop.merchant))
    SubOrder.objects.update(needs_person_since=timezone.now(), attempts=6, last_error="WMS: 503")
    link = Connection.objects.create(code="wms", name="WMS Beijing", kind="warehouse")
    open_tickets(CONNECTION_DOWN, [Trouble(link.pk, "", {"connection": "wms", "failures": 5})])

    page = boss.get(LIST).content.decode()

    for text in (
        f'href="/admin/orders/suborder/{part.pk}/change/">{part.number}</a>',
        f'href="/admin/orders/order/{part.order_id}/change/">{part.order.number}</a>',
        "WMS Beijing",
        "Failed 6 times, last with “WMS: 503”.",
        "wms failed 5 times in a row.",
        "Late by 3 days at WH-1.",
        "Stuck: sub-order",
    ):
        assert text in page


@pytest.mark.parametrize("path", [LIST, "/admin/orders/order/"])
def test_more_tickets_ask_for_no_more_statements(
    broken: TicketKind,
    orders: list[Order],
    boss: Client,
    statements: Callable[[Client, str], int],
    path: str,
) -> None:
    def add(some: list[Order]) -> None:
        open_tickets(broken, [Trouble(order.pk, about_id=order.pk) for order in some])
        Order.objects.filter(pk__in=[order.pk for order in some]).update(needs_person_since=timezone.now())

    add(orders[:1])
    before = statements(boss, path)
    add(orders)
    assert statements(boss, path) == before


def test_the_order_page_asks_for_no_more_statements_with_more_tickets(
    broken: TicketKind,
    shop: Shop,
    boss: Client,
    statements: Callable[[Client, str], int],
) -> None:
    order = factories.allocated_order((shop.sku, 1, "1.00"), merchant=shop.merchant)
    path = f"/admin/orders/order/{order.pk}/change/"
    person = factories.UserFactory()
    of_orders.open_by_hand(order.pk, "complaint", text="x", user=person)
    before = statements(boss, path)
    for kind in ("call_back", "other"):
        of_orders.open_by_hand(order.pk, kind, text="x", user=person)
    open_tickets(broken, [Trouble(order.pk, about_id=order.pk)])
    for ticket in Ticket.objects.all()[:2]:
        ticketing.take(ticket.pk, user=person)

    assert statements(boss, path) == before


def test_several_are_taken_at_once_but_not_those_of_others(
    broken: TicketKind, orders: list[Order], clerk: Client
) -> None:
    open_tickets(broken, [Trouble(order.pk, about_id=order.pk) for order in orders[:3]])
    first, second, others = Ticket.objects.order_by("id")
    li = factories.UserFactory(username="li")
    ticketing.take(others.pk, user=li)

    answer = clerk.post(LIST, {"action": "take_selected", "_selected_action": [first.pk, second.pk, others.pk]})

    assert said(clerk, answer) == [
        f"Broken {orders[2].number}: li has this ticket already.",
        "Done with 2 tickets.",
    ]
    owners = [str(fresh(row).owner) for row in (first, second, others)]
    assert owners == ["clerk", "clerk", "li"]


def test_several_are_closed_at_once_with_one_result_unless_they_changed(
    broken: TicketKind, orders: list[Order], clerk: Client
) -> None:
    open_tickets(broken, [Trouble(order.pk, about_id=order.pk) for order in orders[:2]])
    Order.objects.filter(pk=orders[2].pk).update(needs_person_since=timezone.now(), last_error="503")
    same, changed, stuck = Ticket.objects.order_by("id")
    chosen = {"action": "close_selected", "_selected_action": [same.pk, changed.pk, stuck.pk]}
    page = clerk.post(LIST, chosen).content.decode()
    assert f'name="version-{same.pk}" value="{same.version}"' in page
    assert Ticket.objects.open().count() == 3
    ticketing.take(changed.pk, user=factories.UserFactory())

    versions = {f"version-{row.pk}": row.version for row in (same, changed, stuck)}
    confirmed = {**chosen, **versions, "confirmed": "1", "result": "not_needed", "text": "spam"}
    told = said(clerk, clerk.post(LIST, confirmed))

    assert len(told) == 3
    assert told[-1] == "Done with one ticket."
    assert [fresh(row).state for row in (same, changed, stuck)] == ["closed", "open", "open"]
    assert (fresh(same).result, same.events.get().text) == ("not_needed", "spam")


# --- A ticket's page


def test_a_ticket_is_worked_on_from_taking_to_closing(ticket: Ticket, clerk: Client) -> None:
    def post(action: str, **data: object) -> list[str]:
        return said(clerk, clerk.post(address(ticket, action), {"version": fresh(ticket).version, **data}))

    assert post("take") == ["The ticket is yours now."]
    assert post("note", text="rang the buyer") == ["The note was added."]
    assert post("give-back") == ["The ticket is nobody's now."]
    assert post("snooze", how="hour")[0].startswith("The ticket is put off until 2")
    assert post("snooze", how="wake") == ["The ticket is in the queue again."]
    assert post("close", result="done", text="new parcel sent") == ["The ticket is closed."]
    assert post("reopen") == ["The ticket is open again."]

    page = clerk.get(address(ticket)).content.decode()
    for text in (
        "Late by 3 days at WH-1.",
        "Mend it.",
        "rang the buyer",
        "Closed: Done",
        "new parcel sent",
        "Reopened",
    ):
        assert text in page
    kinds = ["taken", "noted", "given_back", "snoozed", "woken", "closed", "reopened"]
    assert list(ticket.events.values_list("kind", "by")) == [(kind, "clerk") for kind in kinds]


def test_tomorrow_morning_and_a_date_are_in_local_time(ticket: Ticket, clerk: Client) -> None:
    clerk.post(address(ticket, "snooze"), {"version": ticket.version, "how": "tomorrow"})
    until = timezone.localtime(fresh(ticket).snoozed_until)
    assert (until.date(), until.hour, until.minute) == (timezone.localdate() + timedelta(days=1), 9, 0)

    day = timezone.localdate() + timedelta(days=3)
    form = {"version": fresh(ticket).version, "how": "date", "until": f"{day}T14:30"}
    clerk.post(address(ticket, "snooze"), form)
    assert f"{timezone.localtime(fresh(ticket).snoozed_until):%Y-%m-%d %H:%M}" == f"{day} 14:30"


def test_what_failed_too_often_is_tried_again_with_the_right_of_its_app(shop: Shop) -> None:
    order = shop.place_order()
    Order.objects.update(needs_person_since=timezone.now(), attempts=6, last_error="503")
    ticket = Ticket.objects.get()
    clerk = client_of("view_ticket", "work_ticket", "retry_stuck")
    assert "Try again" not in clerk.get(address(ticket)).content.decode()
    assert clerk.post(address(ticket, "retry"), {"version": 1}).status_code == 403

    holder = client_of("view_ticket", "hold_order")
    assert "Try again" in holder.get(address(ticket)).content.decode()
    assert said(holder, holder.post(address(ticket, "retry"), {"version": 1})) == ["It will be tried again at once."]
    assert steps.fresh(order).needs_person_since is None
    assert fresh(ticket).state == "closed"


def test_a_row_without_a_way_of_its_own_is_tried_again_with_the_general_right(db: None) -> None:
    job = Job.objects.create(kind="export", owner=factories.UserFactory())
    Job.objects.update(needs_person_since=timezone.now(), last_error="503")
    ticket = Ticket.objects.get()

    client_of("view_ticket", "retry_stuck").post(address(ticket, "retry"), {"version": 1})

    assert steps.fresh(job).needs_person_since is None
    assert fresh(ticket).result == "done"


RIGHTS = {
    "take": "work_ticket",
    "give-back": "work_ticket",
    "assign": "assign_ticket",
    "snooze": "work_ticket",
    "note": "work_ticket",
    "close": "work_ticket",
    "reopen": "work_ticket",
    "retry": "retry_stuck",
}


@pytest.mark.parametrize("action", RIGHTS)
def test_each_action_needs_its_right_and_a_post(ticket: Ticket, action: str) -> None:
    rights = set(RIGHTS.values()) - {RIGHTS[action]}
    without = client_of("view_ticket", *rights)
    data = {"version": ticket.version, "text": "x", "how": "hour", "result": "done"}
    assert without.post(address(ticket, action), data).status_code == 403
    assert client_of(RIGHTS[action]).post(address(ticket, action), data).status_code == 403
    # Such as after a log-in in between: back to the page, and nothing is done.
    assert client_of("view_ticket", RIGHTS[action]).get(address(ticket, action))["Location"] == address(ticket)
    assert (fresh(ticket).version, ticket.events.count()) == (ticket.version, 0)


def test_who_may_not_see_tickets_sees_neither_list_nor_page(ticket: Ticket) -> None:
    stranger = client_of("view_order", "work_ticket")
    assert stranger.get(LIST).status_code == 403
    assert stranger.get(address(ticket)).status_code == 403
    assert stranger.post(address(ticket)).status_code == 405


def test_tickets_are_assigned_to_people_who_work_on_them(ticket: Ticket) -> None:
    lead = client_of("view_ticket", "work_ticket", "assign_ticket", username="lead")
    worker, buyer = factories.UserFactory(username="worker"), factories.UserFactory(username="buyer")
    client_of("view_ticket", "work_ticket", username="li")
    li = type(worker).objects.get(username="li")

    people = [str(person) for person in lead.get(address(ticket)).context["people"]]
    assert people == ["lead", "li"]
    assert said(lead, lead.post(address(ticket, "assign"), {"version": 1, "owner": li.pk})) == [
        "li has the ticket now."
    ]
    assert lead.post(address(ticket, "assign"), {"version": 2, "owner": buyer.pk}).status_code == 400
    assert fresh(ticket).owner == li
    lead.post(address(ticket, "assign"), {"version": 2, "owner": ""})
    assert fresh(ticket).owner is None


def test_a_refusal_keeps_what_was_typed(ticket: Ticket, clerk: Client) -> None:
    ticketing.take(ticket.pk, user=factories.UserFactory())
    stale = {"version": ticket.version, "result": "not_needed", "text": "they rang and said"}

    answer = clerk.post(address(ticket, "close"), stale)

    assert answer.status_code == 409
    assert "changed meanwhile" in said(clerk, answer)[0]
    assert "they rang and said</textarea>" in answer.content.decode()
    assert fresh(ticket).state == "open"
    missing = clerk.post(address(ticket, "snooze"), {"version": fresh(ticket).version, "how": "date"})
    assert (missing.status_code, said(clerk, missing)) == (400, ["Until: Choose a day and a time."])


def test_a_ticket_that_is_not_there_is_not_found(clerk: Client) -> None:
    for path in (f"{LIST}999/change/", f"{LIST}x/change/", f"{LIST}{10**19}/change/"):
        assert clerk.get(path).status_code == 404
    assert clerk.post(f"{LIST}999/take/", {"version": 1}).status_code == 404


def test_the_way_back_stays_on_this_site(ticket: Ticket, clerk: Client) -> None:
    form = {"version": ticket.version, "next": "https://elsewhere.example/"}
    assert clerk.post(address(ticket, "take"), form)["Location"] == address(ticket)


def test_what_people_and_systems_wrote_is_shown_as_text(ticket: Ticket, clerk: Client) -> None:
    evil = "<script>alert(1)</script>"
    Ticket.objects.update(values={"days": 1, "place": evil})
    ticketing.add_note(ticket.pk, text=evil, user=factories.UserFactory())
    order = Order.objects.get(pk=ticket.about_id)
    for path in (LIST, address(ticket), f"/admin/orders/order/{order.pk}/change/"):
        assert evil not in clerk.get(path).content.decode()
