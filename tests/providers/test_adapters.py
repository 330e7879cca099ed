"""What the adapters can do beside the pipeline's way: pages to pay on, payments within an app, bills, certificates."""

from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.utils import timezone

from oms.common import signatures
from oms.common.models import Connection
from oms.common.work.singly import Unclear
from oms.simulators import books
from oms.simulators.mischief import Trick
from payments.providers import Charge, Question, Standing
from payments.providers.alipay.adapter import Alipay
from payments.providers.errors import NotSetUp
from payments.providers.wechat import keys as wechats_keys
from payments.providers.wechat.adapter import WechatPay
from tests.providers import peers
from tests.providers.peers import Peers

CHARGE = Charge("1364935748662587-P1", Decimal("26.00"), order="1364935748662587")
QUESTION = Question(CHARGE.reference)


@pytest.mark.parametrize(("kind", "product"), [("page", "FAST_INSTANT_TRADE_PAY"), ("wap", "QUICK_WAP_WAY")])
def test_a_browser_is_sent_to_alipays_page_and_pays_there(
    alipay: Connection, both: Peers, kind: str, product: str
) -> None:
    address = Alipay().page(CHARGE, alipay, kind, return_url="https://shop.example/back")  # type: ignore[arg-type]

    assert product in parse_qs(urlsplit(address).query)["biz_content"][0]
    shown = httpx.get(address, follow_redirects=True)
    assert (shown.status_code, "26.00" in shown.text, "付款 · Pay" in shown.text) == (200, True, True)
    paid = httpx.post(f"{shown.url}/pay", follow_redirects=True)
    assert "https://shop.example/back" in paid.text
    assert Alipay().find_payment(QUESTION, alipay).standing == Standing.DONE


def test_a_tampered_link_to_alipays_page_opens_nothing(alipay: Connection, both: Peers) -> None:
    address = Alipay().page(CHARGE, alipay, "page").replace("26.00", "0.01")

    assert "isv.invalid-signature" in httpx.get(address).text
    assert both.alipay.book.newest_trades() == []


def test_a_phone_and_a_page_within_wechat_get_what_they_need_to_pay(wechat: Connection, both: Peers) -> None:
    assert WechatPay().mobile_page(CHARGE, wechat, buyer_address="198.51.100.7").startswith(both.address)

    parameters = WechatPay().in_app(CHARGE, wechat, openid="oBuyer1")

    text = "".join(f"{parameters[name]}\n" for name in ("appId", "timeStamp", "nonceStr", "package"))
    key = signatures.public_key(both.wechat.keys.merchant.public)
    assert signatures.is_signed(key, text, parameters["paySign"])
    assert parameters["package"].startswith("prepay_id=wx")


def test_what_nobody_scanned_is_unknown_to_alipay_and_closing_it_changes_nothing(
    alipay: Connection, both: Peers
) -> None:
    Alipay().request([CHARGE], alipay)

    assert Alipay().find_payment(QUESTION, alipay).standing == Standing.MISSING
    Alipay().close(QUESTION, alipay)
    assert both.alipay.book.newest_trades()[0].status == books.WAITING


def test_a_trade_that_went_back_whole_was_paid_and_not_merely_closed(alipay: Connection, both: Peers) -> None:
    Alipay().request([CHARGE], alipay)
    trade = both.alipay.book.newest_trades()[0]
    both.alipay.book.pay(trade.number)
    both.alipay.book.refund(trade.number, "R1", 2600, status=books.REFUNDED)

    found = Alipay().find_payment(QUESTION, alipay)

    assert found.standing == Standing.DONE
    assert found.news is not None
    assert found.news.body["amount"] == "26.00"


def test_a_code_is_valid_until_the_order_must_be_paid(alipay: Connection, wechat: Connection, both: Peers) -> None:
    ends = Charge(CHARGE.reference, CHARGE.amount, expires_at=timezone.now())
    Alipay().request([ends], alipay)
    WechatPay().request([ends], wechat)

    for peer in (both.alipay, both.wechat):
        (trade,) = peer.book.newest_trades()
        with pytest.raises(books.BookError, match=books.ALREADY_CLOSED):
            peer.book.pay(trade.number)


def test_a_batch_of_which_the_line_breaks_in_the_middle_is_known_in_part(alipay: Connection, both: Peers) -> None:
    charges = [Charge(f"1364935748662587-P{place}", Decimal("1.00")) for place in range(1, 5)]
    both.alipay.mischief.plan(Trick.SLOW, Trick.SYSTEM_ERROR_AFTER, Trick.DROP_AFTER)
    both.alipay.mischief.slow_seconds = 0

    answers = Alipay().request(charges, alipay)

    assert list(answers) == [charges[0].reference]


def test_a_silent_provider_is_given_up_after_its_connections_time(alipay: Connection, wechat: Connection) -> None:
    from tests.webhooks.receiver import silence

    for link, provider in ((alipay, Alipay()), (wechat, WechatPay())):
        with silence() as address:
            link.base_url, link.timeout_seconds = address, 1
            with pytest.raises(httpx.TimeoutException):
                provider.find_payment(QUESTION, link)


def test_wechats_certificates_are_fetched_once_and_a_made_up_serial_makes_us_fetch_no_more(
    db: None, both: Peers, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUBLIC_URL = peers.SITE
    link = peers.connect_wechat(both, "by-certificate", by_certificate=True)
    both.wechat.notice_serial = both.wechat.certificate_serial
    for _time in range(2):
        assert WechatPay().find_payment(QUESTION, link).standing == Standing.MISSING
    assert both.wechat.certificates_asked == 1

    WechatPay().request([CHARGE], link)
    both.wechat.book.pay(CHARGE.reference)
    assert peers.tell(both.wechat)[0] == 200

    for place, serial in enumerate(("ABCDEF", "no hex", "0" * 40)):
        both.wechat.book.refund(CHARGE.reference, f"R{place}", 1, status=books.REFUNDED)
        both.wechat.notice_serial = serial
        assert peers.tell(both.wechat)[0] == 401
    assert both.wechat.certificates_asked == 1
    monkeypatch.setattr(wechats_keys, "FETCH_SECONDS", 0.0)
    assert wechats_keys.find(link, "ABCDEF") is None
    assert both.wechat.certificates_asked == 2


def test_certificates_that_are_not_signed_by_one_of_them_are_not_taken(db: None, both: Peers) -> None:
    link = peers.connect_wechat(both, "by-certificate", by_certificate=True)
    both.wechat.mischief.plan(Trick.BAD_SIGNATURE)

    assert wechats_keys.find(link, both.wechat.certificate_serial) is None


def test_with_a_public_key_no_certificates_are_asked_for(wechat: Connection, both: Peers) -> None:
    assert wechats_keys.find(wechat, both.wechat.certificate_serial) is None
    assert both.wechat.certificates_asked == 0

    wechat.options = {"certificates": True}
    assert wechats_keys.find(wechat, both.wechat.certificate_serial) is not None


def test_a_connection_that_is_not_set_up_says_what_it_lacks(db: None, both: Peers, settings) -> None:
    settings.PUBLIC_URL = ""
    link = peers.connect_wechat(both)
    with pytest.raises(NotSetUp, match="OMS_PUBLIC_URL"):
        WechatPay().request([CHARGE], link)
    link.set_secrets({**link.secrets(), "api_v3_key": "short"})
    with pytest.raises(NotSetUp, match="32 bytes"):
        WechatPay().find_payment(QUESTION, link)
    with pytest.raises(NotSetUp, match="app_id"):
        Alipay().find_payment(QUESTION, Connection(code="x"))


def test_an_answer_about_another_payment_proves_nothing(
    alipay: Connection, wechat: Connection, both: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for peer, number in ((both.alipay, "X1"), (both.wechat, "XXXXXX1")):
        trade = peer.book.open(number, 2600, code=number, is_scanned=True)
        monkeypatch.setattr(peer.book, "trade", lambda _number, trade=trade: trade)

    with pytest.raises(Unclear, match="another"):
        Alipay().find_payment(QUESTION, alipay)
    with pytest.raises(Unclear, match="another"):
        WechatPay().find_payment(QUESTION, wechat)
