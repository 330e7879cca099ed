"""The clients that others published speak with our peers, unmodified: so what our adapters are tested against is what
Alipay and WeChat Pay speak."""

import gzip
import hashlib
import json
from urllib.parse import parse_qsl

import pytest
from alipay import AliPay, AliPayConfig, DCAliPay
from alipay.exceptions import AliPayException, AliPayValidationError
from wechatpayv3 import WeChatPay, WeChatPayType

from oms.simulators import books, certificates, keys
from oms.simulators.mischief import Trick, Twist
from tests.providers.peers import Peers


@pytest.fixture
def alipay_client(both: Peers, monkeypatch: pytest.MonkeyPatch) -> AliPay:
    """`python-alipay-sdk`, whose times are those of the machine's zone."""
    known = both.alipay.keys
    client = AliPay(
        appid=known.app_id,
        app_notify_url="https://shop.example/notify",
        app_private_key_string=keys.pem("PRIVATE", known.app.private),
        alipay_public_key_string=keys.pem("PUBLIC", known.alipay.public),
        config=AliPayConfig(timeout=5),
    )
    client._gateway = f"{both.alipay.address}/gateway.do"
    return client


@pytest.fixture(params=["public key", "certificates"])
def wechat_client(both: Peers, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> WeChatPay:
    """`wechatpayv3` in both of its modes. Its constructor fetches certificates, so the address is set before."""
    known = both.wechat.keys
    by_key = {
        "public_key": keys.pem("PUBLIC", known.platform.public),
        "public_key_id": known.public_key_id,
    }
    monkeypatch.setattr(
        "wechatpayv3.core.Core.__setattr__",
        lambda core, name, value: object.__setattr__(core, name, both.wechat.address if name == "_gate_way" else value),
        raising=False,
    )
    return WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=known.mchid,
        private_key=keys.pem("PRIVATE", known.merchant.private),
        cert_serial_no=known.merchant_serial,
        apiv3_key=known.api_v3_key,
        appid=known.appid,
        notify_url="https://shop.example/notify",
        timeout=(2, 5),
        **(by_key if request.param == "public key" else {}),
    )


def test_alipays_client_has_a_trade_paid_and_given_back(both: Peers, alipay_client: AliPay) -> None:
    made = alipay_client.api_alipay_trade_precreate("订单 & 100%", "PA1", "128.50")
    assert (made["code"], made["qr_code"][:4]) == ("10000", "http")
    unknown = alipay_client.api_alipay_trade_query(out_trade_no="PA1")
    assert (unknown["code"], unknown["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")

    both.alipay.book.pay("PA1")
    paid = alipay_client.api_alipay_trade_query(out_trade_no="PA1")
    assert (paid["trade_status"], paid["total_amount"]) == ("TRADE_SUCCESS", "128.50")

    back = alipay_client.api_alipay_trade_refund("28.50", out_trade_no="PA1", out_request_no="RA1")
    assert (back["fund_change"], back["refund_fee"]) == ("Y", "28.50")
    again = alipay_client.api_alipay_trade_refund("28.50", out_trade_no="PA1", out_request_no="RA1")
    assert (again["code"], again["fund_change"], again["refund_fee"]) == ("10000", "N", "28.50")
    other = alipay_client.api_alipay_trade_refund("28.51", out_trade_no="PA1", out_request_no="RA1")
    too_much = alipay_client.api_alipay_trade_refund("100.01", out_trade_no="PA1", out_request_no="RA2")
    assert (other["code"], too_much["sub_code"]) == ("40004", "ACQ.REASON_TRADE_REFUND_FEE_ERR")
    found = alipay_client.api_alipay_trade_fastpay_refund_query("RA1", out_trade_no="PA1")
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "28.50")
    assert both.alipay.book.given_back("PA1") == 2850


def test_alipays_client_takes_the_peers_notifications_and_no_forged_ones(both: Peers, alipay_client: AliPay) -> None:
    alipay_client.api_alipay_trade_precreate("订单 & 100%", "PA1", "128.50")
    both.alipay.book.pay("PA1")
    (notice,) = both.alipay.book.notices()

    for twist, is_genuine in ((Twist.NOTHING, True), (Twist.BAD_SIGNATURE, False)):
        posted = both.alipay.write(notice, twist)
        assert posted is not None
        form = dict(parse_qsl(posted.body, keep_blank_values=True))
        assert (posted.url, form["trade_status"]) == ("https://shop.example/notify", "TRADE_SUCCESS")
        assert alipay_client.verify(form, form.pop("sign")) is is_genuine


def test_alipays_client_closes_a_trade_and_sends_a_browser_to_the_peer(both: Peers, alipay_client: AliPay) -> None:
    alipay_client.api_alipay_trade_precreate("x", "PA1", "1.00")
    both.alipay.book.scan("PA1")

    assert alipay_client.api_alipay_trade_close(out_trade_no="PA1")["code"] == "10000"
    assert alipay_client.api_alipay_trade_query(out_trade_no="PA1")["trade_status"] == "TRADE_CLOSED"
    assert "alipay.trade.page.pay" in alipay_client.api_alipay_trade_page_pay("x", "PA2", "2.00")


def test_alipays_client_refuses_what_the_peer_signs_wrongly(both: Peers, alipay_client: AliPay) -> None:
    both.alipay.mischief.plan(Trick.BAD_SIGNATURE, Trick.UNSIGNED)

    with pytest.raises(AliPayValidationError):
        alipay_client.api_alipay_trade_query(out_trade_no="PA1")
    with pytest.raises(AliPayException):
        alipay_client.api_alipay_trade_query(out_trade_no="PA1")


def test_wechats_client_has_an_order_paid_and_given_back(both: Peers, wechat_client: WeChatPay) -> None:
    amount = {"total": 12850, "currency": "CNY"}
    status, text = wechat_client.pay(description="订单 1", out_trade_no="PW2611250001", amount=amount)
    assert (status, json.loads(text)["code_url"][:4]) == (200, "http")
    status, text = wechat_client.query(out_trade_no="PW2611250001")
    assert (status, json.loads(text)["trade_state"]) == (200, "NOTPAY")

    both.wechat.book.pay("PW2611250001")
    status, text = wechat_client.query(out_trade_no="PW2611250001")
    assert (json.loads(text)["trade_state"], json.loads(text)["amount"]["total"]) == ("SUCCESS", 12850)
    assert wechat_client.close("PW2611250001")[0] == 400

    for total, refund, expected in ((12850, 2850, 200), (12850, 2850, 200), (12850, 2851, 400), (12849, 1, 400)):
        money = {"refund": refund, "total": total, "currency": "CNY"}
        assert wechat_client.refund("RW1", money, out_trade_no="PW2611250001")[0] == expected
    money = {"refund": 10001, "total": 12850, "currency": "CNY"}
    assert wechat_client.refund("RW2", money, out_trade_no="PW2611250001")[0] == 403
    assert json.loads(wechat_client.query_refund("RW1")[1])["status"] == "PROCESSING"
    both.wechat.book.finish_refund("RW1")
    assert json.loads(wechat_client.query_refund("RW1")[1])["status"] == "SUCCESS"
    assert both.wechat.book.given_back("PW2611250001") == 2850


def test_wechats_client_opens_the_peers_notifications_and_no_forged_ones(both: Peers, wechat_client: WeChatPay) -> None:
    wechat_client.pay(description="x", out_trade_no="PW2611250001", amount={"total": 100, "currency": "CNY"})
    both.wechat.book.pay("PW2611250001")
    both.wechat.book.refund("PW2611250001", "RW1", 30, status=books.REFUNDED)
    paid, refunded = both.wechat.book.notices()
    if not wechat_client._core._public_key:
        both.wechat.notice_serial = both.wechat.certificate_serial

    told = both.wechat.write(paid)
    assert told is not None
    opened = wechat_client.callback(told.headers, told.body)
    assert (opened["event_type"], opened["resource"]["out_trade_no"]) == ("TRANSACTION.SUCCESS", "PW2611250001")
    told = both.wechat.write(refunded)
    assert told is not None
    assert wechat_client.callback(told.headers, told.body)["resource"]["amount"]["refund"] == 30
    forged = both.wechat.write(paid, Twist.BAD_SIGNATURE)
    assert forged is not None
    assert wechat_client.callback(forged.headers, forged.body) is None


def test_wechats_client_closes_an_order(both: Peers, wechat_client: WeChatPay) -> None:
    wechat_client.pay(description="x", out_trade_no="PW2611250001", amount={"total": 100, "currency": "CNY"})

    assert wechat_client.close("PW2611250001")[0] == 204
    assert json.loads(wechat_client.query(out_trade_no="PW2611250001")[1])["trade_state"] == "CLOSED"
    assert wechat_client.query(out_trade_no="PW0000000000")[0] == 404


def test_wechats_client_fetches_the_bills_of_a_day(both: Peers, wechat_client: WeChatPay) -> None:
    day = books.today().isoformat()
    assert json.loads(wechat_client.trade_bill(day)[1])["code"] == "STATEMENT_CREATING"

    wechat_client.pay(description="x", out_trade_no="PW2611250001", amount={"total": 100, "currency": "CNY"})
    both.wechat.book.pay("PW2611250001")
    both.wechat.bills.is_early = True
    for asked in (wechat_client.trade_bill(day), wechat_client.fundflow_bill(day)):
        told = json.loads(asked[1])
        status, packed = wechat_client.download_bill(told["download_url"])
        file = gzip.decompress(packed)
        assert status == 200
        assert hashlib.sha1(file, usedforsecurity=False).hexdigest() == told["hash_value"]
        assert b"`PW2611250001" in file


def test_alipays_client_pays_by_certificates(both: Peers) -> None:
    known, certified = both.alipay.keys, certificates.certify(both.alipay.keys)
    both.alipay.certified = certified
    client = DCAliPay(
        appid=known.app_id,
        app_private_key_string=keys.pem("PRIVATE", known.app.private),
        app_public_key_cert_string=certificates.text(certified.app),
        alipay_public_key_cert_string=certificates.text(certified.own),
        alipay_root_cert_string=certificates.text(certified.authority.root),
    )
    client._gateway = f"{both.alipay.address}/gateway.do"

    assert client.api_alipay_trade_precreate("x", "PA1", "2.00")["code"] == "10000"
    both.alipay.book.pay("PA1")
    assert client.api_alipay_trade_query(out_trade_no="PA1")["trade_status"] == "TRADE_SUCCESS"
    certified.renew()
    with pytest.raises(AliPayValidationError):
        client.api_alipay_trade_query(out_trade_no="PA1")
