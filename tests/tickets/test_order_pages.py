"""Tickets where orders are: on the order's page and in the lists."""

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from oms.common import ticketing
from oms.common.models import Ticket
from orders import tickets as of_orders
from orders.models import Order, SubOrder
from tests import factories
from tests.admin.conftest import client_of
from tests.factories import Shop
from tests.tickets.test_pages import LIST, address, fresh, said


def test_the_order_page_shows_its_tickets_and_lets_people_take_and_close_them(ticket: Ticket, clerk: Client) -> None:
    page = f"/admin/orders/order/{ticket.about_id}/change/"
    html = clerk.get(page).content.decode()
    for text in ("Late by 3 days at WH-1.", "Nobody has it", f'action="{address(ticket, "take")}"'):
        assert text in html

    answer = clerk.post(address(ticket, "take"), {"version": ticket.version, "next": page})
    assert answer["Location"] == page
    assert "Nobody has it" not in clerk.get(page).content.decode()
    clerk.post(
        address(ticket, "close"), {"version": fresh(ticket).version, "next": page, "result": "done", "text": "ok"}
    )

    context = clerk.get(page).context
    assert (context["open_tickets"], [words.row for words in context["closed_tickets"]]) == ([], [ticket])


def test_who_may_only_read_orders_sees_why_but_can_do_nothing(ticket: Ticket) -> None:
    reader = client_of("view_order")
    html = reader.get(f"/admin/orders/order/{ticket.about_id}/change/").content.decode()
    assert "Late by 3 days at WH-1." in html
    assert LIST not in html.replace(f'href="{LIST}"', "")
    assert "Open a ticket" not in html


def test_a_ticket_is_opened_by_hand_on_the_order_page(orders: list[Order], clerk: Client) -> None:
    order = orders[0]
    path = f"/admin/orders/order/{order.pk}/ticket/"
    due = timezone.localtime() + timedelta(days=2)
    form = {"kind": "call_back", "text": "wants a blue one", "due_at": f"{due:%Y-%m-%dT%H:%M}"}

    assert said(clerk, clerk.post(path, form)) == ["The ticket is open."]
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.about_id, ticket.opened_by) == ("call_back", order.pk, "clerk")
    assert f"{timezone.localtime(ticket.due_at):%Y-%m-%dT%H:%M}" == form["due_at"]
    assert "wants a blue one" in clerk.get(f"/admin/orders/order/{order.pk}/change/").content.decode()

    assert "was added to it" in said(clerk, clerk.post(path, {**form, "text": "today"}))[0]
    assert Ticket.objects.get().events.count() == 2


def test_a_refused_form_comes_back_with_its_text(orders: list[Order], clerk: Client) -> None:
    path = f"/admin/orders/order/{orders[0].pk}/ticket/"
    answer = clerk.post(path, {"kind": "call_back", "text": "wants a blue one", "due_at": "2020-01-01T10:00"})

    assert answer.status_code == 400
    html = answer.content.decode()
    assert "wants a blue one</textarea>" in html
    assert "The time by which it should be done is over already." in html
    assert clerk.post(path, {"kind": "stuck_order", "text": "x"}).status_code == 400
    assert not Ticket.objects.exists()
    assert clerk.get(path).status_code == 200
    assert clerk.get("/admin/orders/order/999999/ticket/").status_code == 404
    assert client_of("view_order", "work_ticket").post(path, {"kind": "other", "text": "x"}).status_code == 403


def test_the_list_of_orders_marks_and_filters_those_with_tickets(ticket: Ticket, clerk: Client) -> None:
    order = Order.objects.get(pk=ticket.about_id)
    of_orders.open_by_hand(order.pk, "other", text="x", user=factories.UserFactory())

    rows = {row.pk: row for row in clerk.get("/admin/orders/order/").context["cl"].result_list}
    assert [note.text for note in rows[order.pk].summary] == ["2 tickets"]
    assert sum(row.has_tickets for row in rows.values()) == 1
    found = clerk.get("/admin/orders/order/?tickets=1").context["cl"].result_list
    assert [row.pk for row in found] == [order.pk]

    for row in Ticket.objects.all():
        ticketing.snooze(row.pk, until=timezone.now() + timedelta(hours=1), user=factories.UserFactory())
    assert not clerk.get("/admin/orders/order/?tickets=1").context["cl"].result_list


def test_lists_of_what_stages_work_on_show_and_filter_tickets(shop: Shop, boss: Client) -> None:
    part = SubOrder.objects.get(order=factories.allocated_order((shop.sku, 1, "1.00"), merchant=shop.merchant))
    factories.allocated_order((shop.sku, 1, "1.00"), merchant=shop.merchant)
    SubOrder.objects.filter(pk=part.pk).update(needs_person_since=timezone.now())

    (row,) = boss.get("/admin/orders/suborder/?tickets=1").context["cl"].result_list
    assert row.pk == part.pk
    assert boss.get("/admin/orders/suborder/").content.decode().count("one ticket") == 1
