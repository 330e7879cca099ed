"""The pretended providers beside an installation: connected once, paid through in turn, and played by a person."""

from pathlib import Path

import httpx
import pytest

from oms.common.models import Connection
from oms.simulators import books, connecting, keys, notifying
from oms.simulators.alipay import AlipayPeer
from oms.simulators.books import Book
from oms.simulators.notifying import Habits, Posted
from payments.models import Payment
from payments.providers import defaults
from payments.taking import noticing, requesting
from tests import factories, steps
from tests.providers import peers
from tests.providers.peers import Peers

AT_ONCE = Habits(pays_after=0, refunds_after=0, pauses=(0, 0))


def test_a_new_installation_pays_through_both_in_turn(db: None, both: Peers, known: keys.Keys, settings) -> None:
    settings.PUBLIC_URL = peers.SITE
    assert connecting.may_be_connected()
    for _start in range(2):
        connecting.connect(known, both.address)
    assert connecting.are_connected()
    shop = factories.make_shop()
    orders = [shop.place_order() for _ in range(4)]

    factories.run(requesting.intend, requesting.request)
    for peer in (both.alipay, both.wechat):
        notifying.step(peer, AT_ONCE, peers.post)
    factories.run(noticing.run)

    assert Connection.objects.filter(kind="payment").exclude(protocol="by_hand").count() == 2
    through = Payment.objects.values_list("connection__protocol", flat=True)
    assert sorted(through) == ["alipay", "alipay", "wechat", "wechat"]
    assert {steps.state_of(order) for order in orders} == {"in_review"}


def test_a_start_on_another_port_finds_the_peers_again(db: None, known: keys.Keys) -> None:
    connecting.connect(known, "http://127.0.0.1:9000")
    connecting.connect(known, "http://127.0.0.1:9001")

    addresses = Connection.objects.order_by("code").values_list("base_url", flat=True)
    assert list(addresses) == [
        "http://127.0.0.1:9001/alipay/gateway.do",
        "http://127.0.0.1:9001/nuonuo/open/v1/services",
        "http://127.0.0.1:9001/wechat",
    ]


def test_a_place_that_pays_in_another_way_is_left_alone(db: None) -> None:
    defaults.install_default_connections()

    assert not connecting.may_be_connected()
    assert not connecting.are_connected()


def test_the_keys_are_made_once_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    path = tmp_path / "simulators" / "keys.json"

    assert keys.kept(path) == keys.kept(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_book_in_a_file_is_there_after_the_next_start(tmp_path: Path) -> None:
    first = Book(tmp_path / "book.sqlite3")
    first.open("A1", 100, code="a")
    first.pay("A1")
    first.shut()

    again = Book(tmp_path / "book.sqlite3")

    assert (again.trade("A1").status, again.captured()) == (books.PAID, {"A1": 100})
    again.shut()


def test_a_notification_that_is_not_heard_comes_again_until_no_pause_is_left(both: Peers) -> None:
    heard: list[Posted] = []

    def deaf(posted: Posted) -> tuple[int, str]:
        heard.append(posted)
        return 500, "later"

    both.wechat.book.open("A1", 100, code="a", notify_url=f"{peers.SITE}/x")
    both.wechat.book.pay("A1")
    for _step in range(5):
        notifying.step(both.wechat, AT_ONCE, deaf)

    assert len(heard) == 3
    assert both.wechat.book.notices() == []


def test_a_person_plays_the_buyer_on_the_peers_page(both: Peers) -> None:
    book, address = both.alipay.book, both.alipay.address
    trade = book.open("A1", 2600, code="abc", subject="<订单> 1")
    httpx.post(f"{address}/automatic", data={"to": "off"})
    notifying.step(both.alipay, AT_ONCE)
    assert book.trade("A1").status == books.WAITING

    assert "26.00" in httpx.get(f"{address}/").text
    shown = httpx.get(both.alipay.code_of(trade)).text
    assert ("&lt;订单&gt; 1" in shown, "付款 · Pay" in shown, book.trade("A1").is_scanned) == (True, True, True)
    paid = httpx.post(f"{both.alipay.code_of(trade)}/pay", follow_redirects=True).text
    assert ("已付款" in paid, "付款 · Pay" in paid, book.trade("A1").status) == (True, False, books.PAID)
    assert httpx.get(f"{address}/qr/other").text.count("没有这笔交易") == 1
    assert httpx.get(f"{address}/nowhere").status_code == 404
    assert "alipay" in httpx.get(f"{both.address}/").text


def test_what_is_not_signed_by_the_merchant_is_not_done(both: Peers, known: keys.Keys) -> None:
    other = AlipayPeer(known.alipay, f"{both.address}/alipay")
    assert other.book.newest_trades() == []

    refused = httpx.post(f"{both.address}/alipay/gateway.do", data={"method": "alipay.trade.precreate", "sign": "x"})
    unsigned = httpx.get(f"{both.address}/wechat/v3/pay/transactions/out-trade-no/A1")

    assert "isv.invalid-signature" in refused.text
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "SIGN_ERROR")


@pytest.mark.parametrize("again", ["A1", "A2"])
def test_a_refund_never_takes_more_than_there_is(again: str) -> None:
    book = Book()
    book.open("T", 100, code="t")
    book.pay("T")
    book.refund("T", "A1", 60, status=books.REFUNDED)

    with pytest.raises(books.BookError, match=f"{books.OTHER_AMOUNT}|{books.TOO_MUCH}"):
        book.refund("T", again, 41, status=books.REFUNDED)
    assert book.given_back("T") == 60
