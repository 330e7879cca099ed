"""Names, phones and addresses are masked until somebody says why they look; then it is logged, counted and limited."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from oms.common.models import SecurityEvent, Ticket
from orders.models import Order, OrderEvent
from tests import factories
from tests.admin.conftest import boss, client_of, statements  # noqa: F401 - fixtures
from tests.admin.test_pages import world  # noqa: F401 - a row of every kind
from tests.operations.test_exporting import ORDERS, content_of, export

pytestmark = pytest.mark.django_db

NAME, PHONE, STREET = "欧阳雪晴", "13912349876", "梧桐路77弄3号601室"


def hidden(order: Order) -> Order:
    """The order, of somebody whom nothing else is called like."""
    Order.objects.filter(pk=order.pk).update(
        recipient_name=NAME,
        recipient_phone=PHONE,
        recipient_address=STREET,
        buyer_name=NAME,
        buyer_phone=PHONE,
        remark=f"电话 {PHONE}",
    )
    return order


def told(page: str) -> list[str]:
    """What of the person a page tells."""
    return [text for text in (NAME, PHONE, STREET) if text in page]


def look(client: Client, order: Order, reason: str = "on_the_phone", note: str = "") -> str:
    """Look at the order's people; returns the page that comes."""
    answer = client.post(reverse("admin:orders_order_reveal", args=[order.pk]), {"reason": reason, "note": note})
    assert answer.status_code == 302
    return client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()


def test_no_page_tells_who_it_is_before_somebody_said_why(world, boss, shop):  # noqa: F811 - fixtures
    for order in Order.objects.all():
        hidden(order)
    order = Order.objects.latest("pk")
    pages = [
        reverse("admin:index"),
        reverse("admin:orders_order_review"),
        reverse("admin:orders_order_recipient", args=[order.pk]),
        reverse("admin:orders_order_cancel", args=[order.pk]),
        f"/admin/search/?s={order.number}",
        f"/admin/search/?s={order.number}&extended=1",
    ]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"{name}_changelist"))
        pages += [
            reverse(f"{name}_change", args=[key]) for key in model._default_manager.values_list("pk", flat=True)[:3]
        ]
    leaks = [f"{page}: {found}" for page in pages if (found := told(boss.get(page).content.decode()))]
    assert leaks == []


def test_who_says_why_sees_it_for_some_minutes_and_it_is_told(shop):
    order = hidden(shop.place_order())
    with time_machine.travel(timezone.now(), tick=False) as clock:
        clerk = client_of("view_order", "view_personal_data", "view_securityevent", username="li")
        before = clerk.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
        assert told(before) == []
        assert "139****9876" in before
        assert told(look(clerk, order, note="came by chat")) == [NAME, PHONE, STREET]

        event = SecurityEvent.objects.get(kind="revealed")
        assert (event.person, event.subject, event.subject_id) == ("li", order.number, order.pk)
        assert (event.reason, event.note, event.address) == ("on_the_phone", "came by chat", "127.0.0.1")
        (line,) = OrderEvent.objects.filter(order=order, kind="revealed")
        assert (line.actor, line.data) == ("li", {"reason": "on_the_phone", "note": "came by chat"})
        log = clerk.get(reverse("admin:common_securityevent_changelist")).content.decode()
        assert "The buyer is on the phone · came by chat" in log
        assert order.number in log

        other = client_of("view_order", "view_personal_data")
        assert told(other.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()) == []
        clock.shift(timedelta(seconds=601))
        assert told(clerk.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()) == []


def test_a_stolen_session_without_the_right_reveals_nothing(shop):
    order = hidden(shop.place_order())
    thief = client_of("view_order", "readdress_order", "export_orders")
    reveal = reverse("admin:orders_order_reveal", args=[order.pk])
    page = thief.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert reveal not in page
    assert thief.post(reveal, {"reason": "fraud"}).status_code == 403
    assert thief.get(reveal).status_code == 405
    recipient = reverse("admin:orders_order_recipient", args=[order.pk])
    assert told(thief.get(recipient).content.decode()) == []
    preview = thief.post(recipient, {"name": "李四", "preview": "1"}).content.decode()
    assert "欧*" in preview
    assert told(preview) == []
    assert not SecurityEvent.objects.filter(kind="revealed").exists()


@pytest.mark.parametrize(("reason", "note"), [("", ""), ("nothing", ""), ("other", " ")])
def test_without_a_reason_nothing_is_shown(shop, reason, note):
    order = hidden(shop.place_order())
    clerk = client_of("view_order", "view_personal_data")
    assert told(look(clerk, order, reason, note)) == []
    assert not SecurityEvent.objects.filter(kind="revealed").exists()
    assert not OrderEvent.objects.filter(kind="revealed").exists()


def test_many_looks_call_a_supervisor_and_too_many_are_refused(shop, settings):
    settings.PERSONAL_DATA_LOOKS_ALERT_AN_HOUR, settings.PERSONAL_DATA_LOOKS_A_DAY = 3, 5
    orders = [hidden(shop.place_order()) for _ in range(6)]
    noon = timezone.localtime().replace(hour=12, minute=0, second=0)
    with time_machine.travel(noon, tick=False) as clock:
        clerk = client_of("view_order", "view_personal_data", username="li")
        for order in orders[:2]:
            look(clerk, order)
        clock.shift(timedelta(hours=1, seconds=1))
        for order in orders[2:4]:
            look(clerk, order)
        assert not Ticket.objects.exists()
        assert told(look(clerk, orders[4])) != []
        ticket = Ticket.objects.get()
        assert (ticket.kind, ticket.values) == ("many_looks", {"person": "li", "count": 3})

        assert told(look(clerk, orders[5])) == []
        assert SecurityEvent.objects.filter(kind="revealed").count() == 5
        assert SecurityEvent.objects.filter(kind="reveal_refused", subject=orders[5].number).count() == 1
        clock.shift(timedelta(days=1))
        clerk.force_login(User.objects.get(username="li"))
        assert told(look(clerk, orders[5])) != []


@pytest.mark.django_db(transaction=True)
def test_the_limit_of_the_day_holds_for_looks_at_once(shop, settings):
    settings.PERSONAL_DATA_LOOKS_A_DAY = 2
    orders = [hidden(shop.place_order()) for _ in range(6)]
    person = factories.UserFactory(username="li")
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_order", "view_personal_data"]))
    gate = Barrier(len(orders))

    def one(order: Order) -> None:
        client = Client()
        client.force_login(person)
        gate.wait()
        client.post(reverse("admin:orders_order_reveal", args=[order.pk]), {"reason": "fraud"})
        connection.close()

    threads = [Thread(target=one, args=[order]) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kinds = list(SecurityEvent.objects.filter(kind__startswith="reveal").values_list("kind", flat=True))
    assert sorted(kinds) == ["reveal_refused"] * 4 + ["revealed"] * 2
    assert OrderEvent.objects.filter(kind="revealed").count() == 2


def test_what_is_left_empty_stays_and_masked_fields_change_nothing(shop):
    order = hidden(shop.place_order())
    clerk = client_of("view_order", "readdress_order")
    page = reverse("admin:orders_order_recipient", args=[order.pk])
    shown = clerk.post(page, {"name": "", "phone": "13812345678", "address": "", "region_code": "", "preview": "1"})
    form = {"name": "", "phone": "13812345678", "address": "", "region_code": "", "confirm": "1"}
    stamp = shown.context["preview"].stamp
    assert clerk.post(page, {**form, "stamp": stamp}).status_code == 302
    order = Order.objects.get(pk=order.pk)
    assert (order.recipient_name, order.recipient_phone, order.recipient_address) == (NAME, "13812345678", STREET)


def test_a_file_with_personal_data_is_noted_and_counts_against_the_day(shop, settings):
    settings.PERSONAL_ROWS_EXPORTED_A_DAY = 5
    for _ in range(3):
        hidden(shop.place_order())
    rights = ("view_order", "export_orders", "export_personal_data")
    clerk = client_of(*rights, username="li")

    first = export(clerk, personal="1")
    assert told(content_of(clerk, first).decode()) == [NAME, PHONE, STREET]
    assert "-personal-" in first.result.name
    assert "Today you may export 2 more rows with personal data." in clerk.get(ORDERS).content.decode()
    without = export(clerk)
    assert (without.state, "-personal-" in without.result.name) == ("succeeded", False)
    second = export(clerk, personal="1")
    assert second.state == "failed"
    assert "you may export 2 more today" in second.error
    assert export(client_of(*rights), personal="1").state == "succeeded"

    log = SecurityEvent.objects.filter(person="li").order_by("pk").values_list("kind", "values")
    assert list(log) == [
        ("exported", {"rows": 3, "personal": True}),
        ("downloaded", {"personal": True}),
        ("exported", {"rows": 3, "personal": False}),
        ("export_refused", {"rows": 3, "personal": True}),
    ]
