"""The order's page for the person on the phone: goods to tick, the buyer's card, notes, contacts, who else looks."""

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from logistics.warehouses import releasing
from oms.common.desk import presence
from oms.common.desk.acting import IN_DIALOG
from oms.common.errors import OmsError
from oms.common.messages import writing
from oms.common.models import BuyerMessage, SystemKind, Ticket, TicketState
from oms.common.valkey import connect
from orders import kinds
from orders.actors import Actor
from orders.admin import buyer_card, goods
from orders.admin.order_page import load, page_context
from orders.changing import cancelling, contacting, noting
from orders.models import ActorKind, Mention, Order, OrderEvent, ReviewList, ReviewListEntry
from orders.reviewing import holds
from tests import factories
from tests.admin.conftest import client_of

STAFF = Actor(ActorKind.STAFF, "wang")
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def shown(client: Client, order: Order) -> Any:
    """The page of the order."""
    answer = client.get(f"/admin/orders/order/{order.pk}/change/")
    assert answer.status_code == 200
    return answer


# --- Goods


def test_what_is_ticked_is_what_the_page_of_the_cancellation_begins_with(shop: factories.Shop, boss: Client) -> None:
    order = factories.split_order((shop.sku, 3, "10.00"), (shop.other_sku, 1, "25.50"))
    address = f"/admin/orders/order/{order.pk}/cancel/"
    assert f'<form method="get" action="{address}" data-goods>' in shown(boss, order).content.decode()

    asked = boss.get(address, {"scope": "chosen", "line": ["1", "77", "x"], "units_1": "2"})

    form = asked.context["form"]
    assert (form["scope"].value(), form["lines"].value(), form["units_1"].value()) == ("chosen", ["1"], 2)
    # No more than there are.
    many = boss.get(address, {"scope": "chosen", "line": ["1"], "units_1": "99"})
    assert many.context["form"]["units_1"].value() == 3


def test_goods_are_told_where_they_are_and_fold_beyond_the_first_lines(
    shop: factories.Shop, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = factories.allocated_order((shop.sku, 3, "10.00"), (shop.other_sku, 1, "25.50"))
    monkeypatch.setattr(goods, "MOST_LINES", 1)

    rows = shown(boss, order).context["goods"]

    assert [row.line.position for row in rows["first"]] == [1]
    assert [row.line.position for row in rows["rest"]] == [2]
    (place,) = rows["first"][0].places
    assert (place.units, place.state) == (3, "Allocated")
    page = shown(boss, order).content.decode()
    assert "One more line" in page
    # The lines of a sub-order and of the money fill no more than a part of the screen, however many they are.
    assert page.count('class="oms-scroll oms-goods-box"') == 3

    cancelling.cancel_order(order.pk, reason="x", actor=STAFF)
    assert [row.left for row in shown(boss, order).context["goods"]["first"]] == [0]


# --- What can be done


def test_actions_stand_by_whether_they_are_possible_asked_for_or_not(shop: factories.Shop, boss: Client) -> None:
    order = factories.allocated_order((shop.sku, 1, "10.00"))
    names = {action.name for action in shown(boss, order).context["actions"]["now"]}
    assert {"hold", "cancel", "recipient", "note", "contact", "message", "marks"} <= names

    factories.run(releasing.run)
    order = Order.objects.get(pk=order.pk)
    groups = page_context(load(order.pk), client_user(boss))["actions"]
    assert {action.name for action in groups["asked"]} == {"cancel", "recipient"}
    assert all(str(shop.warehouse) in action.asked for action in groups["asked"])

    reader = shown(client_of("view_order"), order).context["actions"]
    assert {action.obstacle for action in reader["impossible"]} == {"You do not have the right to do this."}
    assert reader["now"] == []


def client_user(client: Client) -> Any:
    """Who is logged in."""
    return client.get("/admin/").wsgi_request.user


def test_the_first_screen_says_the_most_urgent_sentence(shop: factories.Shop, boss: Client) -> None:
    order = factories.allocated_order((shop.sku, 1, "10.00"))
    assert "stock is reserved" in shown(boss, order).context["headline"].text
    holds.hold_order(order.pk, reason="address unclear", actor=STAFF)
    answer = shown(boss, order)
    assert "address unclear" in answer.context["headline"].text
    assert answer.context["headline"] == answer.context["remarks"][0]


# --- The buyer


def test_the_card_counts_what_the_buyer_ordered_refused_and_spent(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    other = factories.allocated_order((shop.sku, 1, "10.00"))
    Order.objects.filter(pk=other.pk).update(
        buyer_reference=order.buyer_reference, channel=order.channel, recipient_phone="13900000000"
    )
    same_phone = shop.place_order()
    stranger = shop.place_order()
    Order.objects.filter(pk=same_phone.pk).update(buyer_reference="somebody", recipient_phone=order.recipient_phone)
    Order.objects.filter(pk=stranger.pk).update(buyer_reference="stranger", recipient_phone="13911112222")
    Order.objects.filter(pk=order.pk).update(paid_amount=Decimal("20.00"))
    Order.objects.filter(pk=same_phone.pk).update(paid_amount=Decimal("5.00"), refunded_amount=Decimal("1.50"))
    order = Order.objects.get(pk=order.pk)

    card = buyer_card.of_order(order)
    assert {one.pk for one in card.open_orders} == {other.pk, same_phone.pk}
    assert (card.count, card.refused, card.returned, card.spent) == (2, 0, 0, Decimal("23.50"))

    # Numbers that a platform masked are those of many people.
    Order.objects.filter(pk__in=[order.pk, same_phone.pk]).update(
        recipient_phone="138****1111", buyer_phone="138****1111"
    )
    assert buyer_card.of_order(Order.objects.get(pk=order.pk)).count == 1


def test_the_card_tells_on_which_lists_the_buyer_stands(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    assert buyer_card.of_order(order).entries == []
    deny, _is_new = ReviewList.objects.get_or_create(code="deny", defaults={"kind": "people"})
    ReviewListEntry.objects.create(review_list=deny, kind="phone", phone=order.recipient_phone, reason="refused twice")
    ReviewListEntry.objects.create(review_list=deny, kind="phone", phone="13912345678", reason="somebody else")
    assert [entry.reason for entry in buyer_card.of_order(order).entries] == ["refused twice"]
    assert "refused twice" in shown(boss, order).content.decode()
    ReviewListEntry.objects.update(is_active=False)
    assert buyer_card.of_order(order).entries == []


# --- Notes


def test_a_note_has_its_colour_and_tag_and_stands_above_the_newest_step(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    boss.post(
        f"/admin/orders/order/{order.pk}/note/",
        {"text": " give him a voucher ", "colour": "red", "tag": "promised", "is_shared": "on"},
    )
    holds.hold_order(order.pk, reason="wait", actor=STAFF)

    context = shown(boss, order).context
    (note,) = context["notes"]
    assert (note.text, note.colour, note.tag, note.is_shared) == (
        "give him a voucher",
        "red",
        "Promised to the buyer",
        True,
    )
    newest = context["timeline"]["groups"][0]
    assert (newest["who"], "wait" in newest["lines"][-1].text) == ("people", True)
    assert {group["who"] for group in context["timeline"]["groups"]} >= {"people"}
    # The merchant reads what is shared, and no colour or tag of it.
    event = OrderEvent.objects.get(kind=kinds.SHARED_NOTE.code)
    assert kinds.SHARED_NOTE.public == {"text"}
    assert event.data == {"text": "give him a voucher", "colour": "red", "tag": "promised"}


@pytest.mark.parametrize(
    "wrong", [{"text": " "}, {"text": "x" * 2001}, {"text": "x", "colour": "pink"}, {"text": "x", "tag": "?"}]
)
def test_a_note_that_is_refused_is_not_kept(shop: factories.Shop, wrong: dict[str, str]) -> None:
    order = shop.place_order()
    with pytest.raises(OmsError):
        noting.add_note(order.pk, actor=STAFF, **wrong)
    assert not OrderEvent.objects.filter(kind=kinds.NOTE.code).exists()


def test_who_is_called_in_a_note_has_a_ticket_and_is_called_again(shop: factories.Shop) -> None:
    li = factories.UserFactory(username="li")
    zhao = factories.UserFactory(username="zhao")
    factories.UserFactory(username="wang")
    order = shop.place_order()

    called = noting.add_note(order.pk, text="@li看看, and @zhao. Not @wang or a@li.com", actor=STAFF)

    assert called == ["li", "zhao"]
    first = Ticket.objects.get(kind="mentioned", owner=li)
    assert (first.about_id, first.values["by"], first.state) == (order.pk, "wang", TicketState.OPEN)
    assert Ticket.objects.get(owner=zhao).subject_id != first.subject_id

    Ticket.objects.filter(pk=first.pk).update(owner=zhao)
    noting.add_note(order.pk, text="@li look again", actor=STAFF)
    again = Ticket.objects.get(pk=first.pk)
    assert (again.owner, again.times, again.values["text"]) == (li, 2, "@li look again")
    assert Mention.objects.count() == 2


@pytest.mark.parametrize("name", ["merchant", "gone", "lilin", "王丽"])
def test_who_calls_nobody_is_told_at_once_and_keeps_the_text(shop: factories.Shop, boss: Client, name: str) -> None:
    factories.UserFactory(username="liling")
    factories.UserFactory(username="merchant", is_staff=False)
    factories.UserFactory(username="gone", is_active=False)
    order = shop.place_order()
    form = {"text": f"@liling and @{name} ring him"}

    said = boss.post(f"/admin/orders/order/{order.pk}/note/", form, headers={IN_DIALOG: "1"})

    assert said.status_code == 400
    [error] = said.json()["errors"]
    assert f"Nobody here is called {name}." in error
    assert ("Is one of these meant: liling?" in error) == (name == "lilin")
    assert not OrderEvent.objects.filter(kind=kinds.NOTE.code).exists()
    assert not Ticket.objects.filter(kind="mentioned").exists()
    # A space calls nobody.
    boss.post(f"/admin/orders/order/{order.pk}/note/", {"text": f"@ {name}"})
    assert OrderEvent.objects.get(kind=kinds.NOTE.code).data["text"] == f"@ {name}"


# --- Talking with the buyer


@pytest.fixture
def _templates(db: None) -> None:
    writing.install_defaults()


def test_a_contact_is_kept_with_whether_the_buyer_was_reached(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    boss.post(f"/admin/orders/order/{order.pk}/contact/", {"way": "called", "text": "asked for the flat"})
    (note,) = shown(boss, order).context["notes"]
    assert note.text == "We called, not reached: asked for the flat"


def send(order: Order, key: str = "", **changes: str) -> BuyerMessage:
    asked = {"kind": "service_delay", "way": "sms", "words": "Two days.", "language": "en", **changes}
    return contacting.send(order.pk, key=key or str(uuid.uuid4()), actor=STAFF, **asked)


@pytest.mark.usefixtures("_templates")
def test_a_message_goes_out_once_and_is_told_on_the_page(shop: factories.Shop, boss: Client) -> None:
    factories.ConnectionFactory(kind=SystemKind.SMS)
    order = shop.place_order()
    key = str(uuid.uuid4())

    message = send(order, key)

    assert writing.opened(message).text == (
        f"We are sorry: your order {order.external_number} takes longer than we said. Two days."
    )
    with pytest.raises(OmsError, match="already"):
        send(order, key)
    assert BuyerMessage.objects.count() == 1
    page = shown(boss, order)
    assert [note.text for note in page.context["notes"]] == [f"SMS to {message.hint}: It takes longer Two days."]
    assert [one.pk for one in page.context["buyer"].messages] == [message.pk]


@pytest.mark.usefixtures("_templates")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Nothing sends it"),
        ({"way": "mail"}, "No e-mail address"),
        ({"way": "site"}, "Choose SMS"),
        ({"kind": "order_cancelled"}, "Choose what"),
        ({"kind": "service_message", "words": " "}, "Write what"),
        ({"words": "x" * 201}, "at most 200"),
        ({"key": "no key"}, "Open the order again"),
    ],
)
def test_a_message_that_cannot_go_out_is_refused(shop: factories.Shop, changes: dict[str, str], said: str) -> None:
    order = shop.place_order()
    with pytest.raises(OmsError, match=said):
        send(order, **changes)
    assert not BuyerMessage.objects.exists()
    assert not OrderEvent.objects.filter(kind=kinds.MESSAGED.code).exists()


def test_writing_to_buyers_needs_its_right(shop: factories.Shop) -> None:
    order = shop.place_order()
    clerk = client_of("view_order", "note_order")
    answer = clerk.post(f"/admin/orders/order/{order.pk}/message/", {"kind": "service_delay"})
    assert answer.status_code == 403


# --- Who else is there


@pytest.fixture
def _valkey(valkey_url: str, settings: Any) -> Iterator[None]:
    settings.REDIS_URL = valkey_url
    server = connect(5)
    server.flushdb()
    yield
    server.close()


@pytest.mark.usefixtures("_valkey")
def test_who_has_the_page_open_sees_the_others_until_they_are_gone(
    shop: factories.Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.place_order()
    address = f"/admin/orders/order/{order.pk}/present/"
    li, zhao = client_of("view_order", username="li"), client_of("view_order", username="zhao")

    assert li.get(address).json() == {"others": []}
    assert zhao.get(address + "?changing=1").json() == {"others": [{"name": "li", "is_changing": False}]}
    assert li.get(address).json() == {"others": [{"name": "zhao", "is_changing": True}]}
    assert client_of("view_ticket").get(address).status_code == 403

    now = presence.time.time()
    monkeypatch.setattr(presence.time, "time", lambda: now + presence.GONE_AFTER_SECONDS)
    assert li.get(address).json() == {"others": []}


def test_without_valkey_nobody_is_seen_and_nothing_fails(shop: factories.Shop, boss: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    order = shop.place_order()
    assert boss.get(f"/admin/orders/order/{order.pk}/present/").json() == {"others": []}
