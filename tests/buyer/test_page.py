"""The buyer's page: it tells nothing to who only has the link, and the buyer what there is to tell."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.core import mail
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from logistics.buyer import links
from logistics.carriers import tracking
from oms.common.messages import sending, writing
from oms.common.models import BuyerMessage, Ticket
from orders.changing import cancelling
from orders.models import Hold, Order, OrderEvent
from tests import factories, steps
from tests.admin.conftest import boss  # noqa: F401 - a member of staff

pytestmark = pytest.mark.django_db
ENGLISH = {"accept-language": "en"}


def buyer() -> Client:
    """A browser."""
    return Client(headers=ENGLISH)


def opened(order: Order) -> Client:
    """The browser of who knows the phone's last digits."""
    client = buyer()
    assert client.post(links.path_of(order), {"digits": "1111"}).status_code == 302
    return client


def page(client: Client, order: Order) -> str:
    """The page as text."""
    response = client.get(links.path_of(order))
    assert response.status_code == 200
    return response.content.decode()


def test_the_link_alone_tells_nothing_and_the_end_of_the_phone_opens_it(shop: factories.Shop) -> None:
    order = shop.place_order()
    path, client = links.path_of(order), buyer()
    asked = client.get(path).content.decode()
    assert "last four digits" in asked
    for secret in (shop.sku.name, "13800001111", "张华", "东城"):
        assert secret not in asked
    wrong = client.post(path, {"digits": "1112"})
    assert (wrong.status_code, "not the last four digits" in wrong.content.decode()) == (403, True)
    assert shop.sku.name not in wrong.content.decode()

    right = client.post(path, {"digits": " 1111 "})
    assert (right.status_code, right.cookies["oms_track"]["path"]) == (302, path)
    shown = page(client, order)
    assert order.number in shown
    for secret in ("13800001111", "张华", order.recipient_address):
        assert secret not in shown


def test_a_link_that_was_made_up_or_is_over_is_none(shop: factories.Shop) -> None:
    order = shop.place_order()
    path = links.path_of(order)
    assert buyer().get(path.replace(order.number, "1000000000000001")).status_code == 404
    with time_machine.travel("2036-01-01", tick=False):
        assert buyer().get(path).status_code == 404


def test_the_browser_of_one_order_is_not_believed_for_another(shop: factories.Shop) -> None:
    mine, other = shop.place_order(payment_method="cod"), shop.place_order(payment_method="cod")
    client = opened(mine)
    client.cookies["oms_track"]["path"] = "/"
    assert "last four digits" in client.get(links.path_of(other)).content.decode()


def test_only_so_many_ends_are_tried_an_hour_and_the_right_one_counts_as_one(shop: factories.Shop) -> None:
    order, client = shop.place_order(), buyer()
    path = links.path_of(order)
    with time_machine.travel("2026-11-26T10:00:00+08:00", tick=False) as clock:
        answers = [client.post(path, {"digits": f"{i:04}"}).status_code for i in range(7)]
        assert answers == [403] * 5 + [429] * 2
        refused = client.post(path, {"digits": "1111"})
        assert (refused.status_code, refused["Retry-After"]) == (429, "3600")
        clock.shift(3601)
        assert client.post(path, {"digits": "1111"}).status_code == 302
        assert client.post(links.path_of(order)).status_code == 302, "what was opened asks for no digits"


@pytest.mark.django_db(transaction=True)
def test_of_forty_tries_at_once_no_more_are_looked_at(shop: factories.Shop) -> None:
    path = links.path_of(shop.place_order())

    def attempt(number: int) -> int:
        try:
            return buyer().post(path, {"digits": f"{number:04}"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(40)))
    assert (answers.count(403), answers.count(429)) == (5, 35)


def test_an_order_without_a_phone_opens_for_nobody(shop: factories.Shop) -> None:
    order = shop.place_order()
    Order.objects.filter(pk=order.pk).update(recipient_phone="", buyer_phone="138****")
    assert "no phone by which" in buyer().get(links.path_of(order)).content.decode()
    assert buyer().post(links.path_of(order), {"digits": ""}).status_code == 403


def test_parts_tell_why_they_come_apart_and_where_they_are(shop: factories.Shop) -> None:
    other = factories.SkuFactory(merchant=factories.MerchantFactory(name="王记水果"))
    factories.StockFactory(sku=other)
    order = factories.allocated_order((shop.sku, 2, "3.00"), (other, 1, "5.00"), merchant=shop.merchant)
    shown = page(opened(order), order)
    assert "Your order comes in 2 parts." in shown
    assert "It comes by itself: 王记水果 sells it." in shown
    assert f"{shop.sku.name} × 2" in shown
    assert shown.count("Being prepared") == 2


def test_a_parcel_is_followed_to_the_door_and_its_receipt_confirmed_or_denied(shop: factories.Shop) -> None:
    order = shop.place_order(payment_method="cod")
    parcel = steps.shipped(order)
    steps.scan(parcel, "collected", "in_transit")
    client, path = opened(order), links.path_of(order)
    shown = page(client, order)
    assert parcel.waybill_number is not None
    assert parcel.waybill_number in shown
    assert "In transit" in shown
    assert "I have it" not in shown
    assert client.post(path, {"action": "confirm", "part": parcel.sub_order_id}).status_code == 200
    assert steps.state_of(parcel.sub_order) == "shipped", "it is not there yet"

    steps.scan(parcel, "signed")
    assert "I have it" in page(client, order)
    assert client.post(path, {"action": "deny"}).status_code == 302
    assert Ticket.objects.filter(kind="receipt_denied", state="open").count() == 1
    assert client.post(path, {"action": "confirm", "part": parcel.sub_order_id}).status_code == 302
    assert steps.state_of(parcel.sub_order) == "completed"
    told = OrderEvent.objects.filter(order=order, kind="receipt_confirmed").values_list("actor_kind", flat=True)
    assert list(told) == ["buyer"]


def test_once_all_parcels_of_a_part_are_signed_for_its_buyer_is_asked_for_a_review_once(shop: factories.Shop) -> None:
    writing.install_defaults()
    order = shop.place_order(
        payment_method="cod", invoice={"title_type": "personal", "email": "li@example.com"}, external_number="S-1"
    )
    parcel = steps.shipped(order)
    steps.carrier_says(parcel, [steps.scan_of(parcel, "collected")])
    factories.run(tracking.run)
    assert not BuyerMessage.objects.exists()

    for _again in range(2):
        steps.carrier_says(parcel, [steps.scan_of(parcel, "signed")])
        factories.run(tracking.run)
    factories.run(sending.run_mail)

    assert sorted(BuyerMessage.objects.values_list("kind", "way", "state")) == [
        ("goods_signed", "mail", "sent"),
        ("goods_signed", "site", "shown"),
    ]
    (sent,) = mail.outbox
    assert (sent.to, "S-1" in sent.body, "/track/" in sent.body) == (["li@example.com"], True, True)
    with override("zh-hans"):
        assert writing.shown(order.pk) == [f"{order.lines.get().name} 已签收，欢迎评价。"]


def test_what_was_refused_asks_for_no_review(shop: factories.Shop) -> None:
    writing.install_defaults()
    parcel = steps.shipped(shop.place_order(payment_method="cod"))
    steps.carrier_says(parcel, [steps.scan_of(parcel, "rejected"), steps.scan_of(parcel, "returned")])
    factories.run(tracking.run)

    assert not BuyerMessage.objects.filter(kind="goods_signed").exists()


def test_a_wish_to_cancel_holds_the_order_and_calls_a_person_once(shop: factories.Shop) -> None:
    order = factories.allocated_order((shop.sku, 1, "3.00"), merchant=shop.merchant)
    client, path = opened(order), links.path_of(order)
    empty = client.post(path, {"action": "cancel", "reason": "  "})
    assert "Say why." in empty.content.decode()
    for reason in ("买错了", "买错了,<b>快点</b>"):
        assert client.post(path, {"action": "cancel", "reason": reason}).status_code == 302
    assert Hold.objects.filter(order=order, released_at=None).count() == 1
    ticket = Ticket.objects.get(kind="buyer_wants_cancellation")
    assert (ticket.times, ticket.values["reason"], ticket.about_id) == (2, "买错了,<b>快点</b>", order.pk)
    assert order.pk == Order.objects.get(open_holds=1).pk
    cancelling.cancel_order(order.pk, reason="as the buyer wants", actor=steps.STAFF)
    late = client.post(path, {"action": "cancel", "reason": "again"})
    assert "The order is over" in late.content.decode()
    assert steps.broken_invariants() == []


def test_what_left_cannot_be_held_but_a_person_is_called_all_the_same(shop: factories.Shop) -> None:
    order = shop.place_order(payment_method="cod")
    steps.shipped(order)
    assert opened(order).post(links.path_of(order), {"action": "cancel", "reason": "late"}).status_code == 302
    assert (Hold.objects.count(), Ticket.objects.filter(kind="buyer_wants_cancellation").count()) == (0, 1)


def test_what_has_all_arrived_is_sent_back_not_cancelled(shop: factories.Shop) -> None:
    order = shop.place_order(payment_method="cod")
    steps.scan(steps.shipped(order), "collected", "in_transit", "out_for_delivery", "signed")
    client, path = opened(order), links.path_of(order)
    text = client.get(path).content.decode()

    assert ("<dd>Delivered</dd>" in text, 'value="cancel"' in text, 'value="return"' in text) == (True, False, True)
    late = client.post(path, {"action": "cancel", "reason": "late"})
    assert "The order is over: Delivered." in late.content.decode()
    assert not Ticket.objects.exists()


def test_staff_find_the_link_on_the_orders_page(shop: factories.Shop, boss: Client) -> None:  # noqa: F811
    order = shop.place_order()
    shown = boss.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert f"/track/{order.number}:" in shown


def test_the_page_takes_as_many_statements_however_many_parts_there_are(shop: factories.Shop) -> None:
    def statements(order: Order) -> int:
        client = opened(order)
        with CaptureQueriesContext(connection) as seen:
            page(client, order)
        return len(seen)

    others = [factories.SkuFactory(merchant=factories.MerchantFactory()) for _ in range(4)]
    for sku in others:
        factories.StockFactory(sku=sku)
    small = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    large = factories.allocated_order(*[(sku, 1, "3.00") for sku in (*others, shop.sku)], merchant=shop.merchant)
    assert large.sub_orders.count() == 5
    assert statements(large) == statements(small)


def test_of_many_messages_the_newest_are_shown_and_the_others_on_demand(
    shop: factories.Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.place_order(payment_method="cod")
    monkeypatch.setattr(writing, "shown", lambda _order: [f"message {number}" for number in range(5)])

    first, _fold, later = page(opened(order), order).partition("Earlier messages")

    assert [f"message {number}" in first for number in range(5)] == [True] * 3 + [False] * 2
    assert "message 3" in later
    assert "message 4" in later
