"""The buyer's page: by a signed link that ends, without anything personal, with a code per provider."""

import html
import re
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from oms.common.models import Connection
from orders.changing.cancelling import cancel_order
from orders.models import Order
from payments.models import Payment
from payments.owing import balancing
from payments.taking import closing, links, noticing, requesting, switching
from tests import factories, steps
from tests.providers import peers
from tests.providers.peers import Peers

ENGLISH = {"accept-language": "en"}


@pytest.fixture
def both_ways(alipay: Connection, wechat: Connection) -> tuple[Connection, Connection]:
    """Two providers; buyers pay through the first unless they choose."""
    return alipay, wechat


@pytest.fixture
def order(shop: factories.Shop, both_ways: tuple[Connection, Connection]) -> Order:
    """An order of 26.00 that waits for its payment."""
    order = shop.place_order()
    factories.run(requesting.intend)
    return order


def page(order: Order, language: str = "en") -> str:
    """What the buyer sees."""
    answer = Client(headers={"accept-language": language}).get(links.path_of(order))
    assert answer.status_code == 200
    return html.unescape(re.sub(r"\s+", " ", answer.content.decode()))


def choose(order: Order, link: Connection) -> str:
    """The buyer chooses another way, and what they see then."""
    answer = Client(headers=ENGLISH).post(links.path_of(order), {"over": link.pk}, follow=True)
    return html.unescape(answer.content.decode())


def test_the_page_follows_the_order_from_its_code_to_the_thanks(order: Order, both: Peers) -> None:
    assert "The code is being prepared" in page(order)

    factories.run(requesting.request)
    shown = page(order)
    assert ("26.00" in shown, order.number in shown, "<svg" in shown) == (True, True, True)
    # Without a size of its own it is as large as its place, and no blank is left below it.
    assert re.search(r"<svg[^>]* viewBox=", shown)
    assert "Alipay" in shown
    assert Payment.objects.get().pay_code in shown  # a phone opens it
    answer = Client().get(links.path_of(order))
    assert (answer["Refresh"], "no-store" in answer["Cache-Control"]) == ("4", True)

    both.alipay.book.pay(f"{order.number}_P1")
    peers.tell(both.alipay)
    factories.run(noticing.run)
    assert "This order is paid" in page(order)
    assert "Refresh" not in Client().get(links.path_of(order))


def test_the_page_speaks_chinese_and_tells_nothing_personal(order: Order) -> None:
    factories.run(requesting.request)

    shown = page(order, "zh-hans")

    assert ("订单付款" in shown, "支付宝" in shown) == (True, True)
    for personal in (order.recipient_name, order.recipient_phone, order.recipient_address, order.buyer_reference):
        assert personal not in shown


@pytest.mark.parametrize("token", ["", "x", "1364935748662587", "1364935748662587:1:x"])
def test_a_link_that_was_made_up_is_no_address(db: None, token: str) -> None:
    assert Client().get(f"/pay/{token}/").status_code == 404


def test_a_link_of_another_order_or_of_last_week_is_no_address(order: Order) -> None:
    path = links.path_of(order)
    assert Client().get(path.replace(order.number, "1364935748662587")).status_code == 404
    assert Client().get(path).status_code == 200

    with time_machine.travel(timezone.now() + links.VALID + timedelta(minutes=1)):
        assert Client().get(path).status_code == 404


def test_another_way_of_paying_is_asked_for_once_the_first_is_closed(
    order: Order, both: Peers, both_ways: tuple[Connection, Connection]
) -> None:
    _alipay, wechat = both_ways
    factories.run(requesting.request)
    both.alipay.book.scan(f"{order.number}_P1")

    assert "The code is being prepared" in choose(order, wechat)
    factories.run(requesting.request)
    assert both.wechat.book.newest_trades() == []
    factories.run(closing.STAGE.run, requesting.request)

    states = Payment.objects.order_by("id").values_list("number", "state", "amount")
    assert list(states) == [
        (f"{order.number}-P1", "expired", Decimal("26.00")),
        (f"{order.number}-P2", "pending", Decimal("26.00")),
    ]
    assert both.alipay.book.trade(f"{order.number}_P1").status == "closed"
    assert "WeChat Pay" in page(order)
    both.wechat.book.pay(f"{order.number}-P2")
    peers.tell(both.wechat)
    factories.run(noticing.run)
    assert steps.state_of(order) == "in_review"
    assert steps.broken_invariants() == []


def test_who_paid_while_choosing_pays_once(order: Order, both: Peers, both_ways: tuple[Connection, Connection]) -> None:
    factories.run(requesting.request)
    choose(order, both_ways[1])
    both.alipay.book.pay(f"{order.number}_P1")

    factories.run(closing.STAGE.run, noticing.run, closing.STAGE.run, requesting.request)

    assert steps.state_of(order) == "in_review"
    assert list(Payment.objects.order_by("id").values_list("state", flat=True)) == ["captured", "expired"]
    assert steps.fresh(order).paid_amount == Decimal("26.00")
    assert both.wechat.book.newest_trades() == []


def test_choosing_the_same_way_again_or_one_that_is_not_offered_changes_nothing(
    order: Order, both_ways: tuple[Connection, Connection]
) -> None:
    alipay, wechat = both_ways
    choose(order, alipay)
    assert Payment.objects.count() == 1

    Connection.objects.filter(pk=wechat.pk).update(is_active=False)
    assert "This way of paying is not offered" in choose(order, wechat)
    for nonsense in ("", "x", "-1", "9" * 30):
        answer = Client(headers=ENGLISH).post(links.path_of(order), {"over": nonsense})
        assert "This way of paying is not offered" in answer.content.decode()
    assert Payment.objects.count() == 1


def test_a_buyer_changes_their_mind_only_so_often(
    order: Order, both_ways: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "MOST_PAYMENTS", 3)

    for turn in range(3):
        shown = choose(order, both_ways[1 - turn % 2])
    assert "The way of paying was changed too often" in shown
    assert Payment.objects.count() == 3


def test_a_cancelled_or_late_order_offers_nothing(order: Order, both_ways: tuple[Connection, Connection]) -> None:
    Order.objects.update(pay_by=timezone.now() - timedelta(hours=1))
    assert "This order is not waiting for a payment" in choose(order, both_ways[1])

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    shown = page(order)
    assert ("This order is cancelled" in shown, "<svg" in shown, "instead" in shown) == (True, False, False)


def test_staff_copy_the_link_from_the_orders_page(order: Order, admin_client: Client) -> None:
    shown = admin_client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()

    (address,) = re.findall(r'value="(https://oms\.example/pay/[^"]+)"', shown)
    assert Client().get(address.removeprefix(peers.SITE)).status_code == 200
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    assert "/pay/" not in admin_client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()


@pytest.mark.parametrize(("agent", "method"), [("Mozilla/5.0 (X11; Linux)", "page"), ("… Mobile Safari …", "wap")])
def test_a_buyer_may_pay_on_the_providers_own_page(order: Order, both: Peers, agent: str, method: str) -> None:
    factories.run(requesting.request)
    path = re.search(r'href="(/pay/[^"]+/open/)"', page(order))
    assert path

    answer = Client(headers={"user-agent": agent}).get(path[1])

    assert answer.status_code == 302
    asked = parse_qs(urlsplit(answer["Location"]).query)
    assert asked["method"] == [f"alipay.trade.{method}.pay"]
    shown = httpx.get(answer["Location"], follow_redirects=True)
    assert (shown.status_code, "26.00" in shown.text) == (200, True)
    paid = httpx.post(f"{shown.url}/pay", follow_redirects=True)
    assert asked["return_url"][0] in html.unescape(paid.text)
    assert urlsplit(asked["return_url"][0]).path == path[1].removesuffix("open/")


def test_where_nothing_is_to_be_paid_on_a_page_the_link_leads_back(
    order: Order, both: Peers, both_ways: tuple[Connection, Connection]
) -> None:
    link = links.path_of(order)
    before = Client().get(f"{link}open/")  # no code was asked for yet
    factories.run(requesting.request)
    choose(order, both_ways[1])
    factories.run(closing.STAGE.run, noticing.run, closing.STAGE.run)
    factories.run(requesting.request)
    over_wechat = Client().get(f"{link}open/")

    assert (before.status_code, before["Location"]) == (302, link)
    assert (over_wechat.status_code, over_wechat["Location"]) == (302, link)
    assert Client().get("/pay/forged/open/").status_code == 404
    assert Client().post(f"{link}open/").status_code == 405
