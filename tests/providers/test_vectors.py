"""The worked examples of both protocols: what is signed, what is sealed, and what must be refused."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.test import Client
from django.utils import timezone

from oms.common import signatures
from oms.common.models import Connection, InboundFact
from payments.providers.alipay import facts as alipay_facts
from payments.providers.alipay import wire as alipay
from payments.providers.wechat import wire as wechat
from payments.providers.wechat.adapter import in_app_parameters

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "payment-vectors.json").read_text())
KEYS: dict[str, str] = VECTORS["keys"]


@pytest.fixture
def alipay_link(db: None) -> Connection:
    """The app of the vectors."""
    link = Connection(code="vectors", kind="payment", protocol="alipay")
    link.set_secrets(
        {
            "app_id": KEYS["alipay_app_id"],
            "seller_id": "2088000000000001",
            "app_private_key": KEYS["alipay_app_private"],
            "alipay_public_key": KEYS["alipay_provider_public"],
        }
    ).save()
    return link


@pytest.fixture
def wechat_link(db: None) -> Connection:
    """The merchant of the vectors. Its clock may be off by years: the vectors are old."""
    skew = int(timezone.now().timestamp())
    link = Connection(code="vectors", kind="payment", protocol="wechat", clock_skew_seconds=skew)
    link.set_secrets(
        {
            "mchid": KEYS["wechat_mchid"],
            "appid": KEYS["wechat_appid"],
            "merchant_private_key": KEYS["wechat_merchant_private"],
            "merchant_serial": KEYS["wechat_merchant_serial"],
            "api_v3_key": KEYS["wechat_api_v3_key"],
            "platform_public_key": KEYS["wechat_platform_public"],
            "platform_public_key_id": KEYS["wechat_public_key_id"],
        }
    ).save()
    return link


def test_a_request_to_alipay_is_signed_as_in_the_vector() -> None:
    vector = VECTORS["alipay_request"]

    text = alipay.signed_text(vector["parameters"])

    assert text == vector["string_to_sign"]
    assert signatures.sign(signatures.private_key(KEYS["alipay_app_private"]), text) == vector["sign"]


@pytest.mark.parametrize("name", ["alipay_response", "alipay_response_with_braces"])
def test_the_signed_part_of_alipays_answer_is_found_even_with_braces_in_a_text(name: str) -> None:
    vector = VECTORS[name]

    found = alipay.members(vector["body"])

    (inner,) = (text for member, text in found.items() if member.endswith("_response"))
    assert inner == vector["signed_part"]
    key = signatures.public_key(KEYS["alipay_provider_public"])
    assert signatures.is_signed(key, inner, json.loads(found["sign"]))


@pytest.mark.parametrize("text", ["", "{", '{"a":1', '{"a":1,}', '{"a":1 "b":2}', "[]", '{"a":}'])
def test_what_is_no_json_object_has_no_members(text: str) -> None:
    with pytest.raises(ValueError, match=r"no . at|Expecting"):
        alipay.members(text)


@pytest.mark.parametrize(
    ("name", "kind", "subject"),
    [
        ("alipay_notify_paid", "captured", "PA2611250001"),
        ("alipay_notify_partial_refund", "refund_changed", "RA2611250001-1"),
        ("alipay_notify_full_refund", "refund_changed", "RA2611250001-2"),
    ],
)
def test_alipays_notifications_are_taken_and_read(alipay_link: Connection, name: str, kind: str, subject: str) -> None:
    vector = VECTORS[name]
    form = dict(parse_qsl(vector["body"], keep_blank_values=True))
    assert form == vector["form"]
    assert alipay.signed_text(form, ("sign", "sign_type"), keep_empty=True) == vector["string_to_verify"]

    answer = _post_form(vector["body"])

    assert (answer.status_code, answer.content) == (200, b"success")
    fact = InboundFact.objects.get()
    assert (fact.kind, fact.subject) == (kind, subject)
    if kind == "captured":
        assert fact.fact_key == "2026112522001400001400000001:paid"
        assert fact.body == {"amount": "128.50", "transaction": "2026112522001400001400000001"}
        assert fact.occurred_at.isoformat() == "2026-11-25T02:00:04+00:00"


def test_a_tampered_notification_of_alipays_is_refused(alipay_link: Connection) -> None:
    vector = VECTORS["alipay_notify_tampered"]

    answer = _post_form(urlencode(vector["form"]))

    assert (answer.status_code, answer.content) == (400, b"failure")
    assert not InboundFact.objects.exists()


def test_a_signature_of_another_kind_is_refused(alipay_link: Connection) -> None:
    body = VECTORS["alipay_notify_paid"]["body"].replace("sign_type=RSA2", "sign_type=RSA")

    assert _post_form(body).status_code == 400


def test_a_notification_that_signs_its_type_too_is_taken(alipay_link: Connection) -> None:
    form = {name: value for name, value in VECTORS["alipay_notify_paid"]["form"].items() if name != "sign"}
    text = alipay.signed_text(form, keep_empty=True)
    assert "sign_type" in text
    form["sign"] = signatures.sign(signatures.private_key(KEYS["alipay_provider_private"]), text)

    assert _post_form(urlencode(form)).content == b"success"


def test_a_key_is_taken_as_pem_and_as_its_bare_text() -> None:
    pem = KEYS["alipay_app_private"]
    bare = "".join(pem.split("\n")[1:-2])
    in_one_line = pem.replace("\n", "\\n")

    numbers = {signatures.private_key(text).private_numbers() for text in (pem, bare, in_one_line)}

    assert numbers == {load_pem_private_key(pem.encode(), None).private_numbers()}  # type: ignore[union-attr]
    public = KEYS["alipay_app_public"]
    assert signatures.public_key(public) == load_pem_public_key(public.encode())
    for nothing in ("", "x", "MIIB", public[:100]):
        with pytest.raises(signatures.NoKey):
            signatures.private_key(nothing)
        with pytest.raises(signatures.NoKey):
            signatures.public_key(nothing)


def test_a_request_to_wechat_is_signed_as_in_the_vectors() -> None:
    key = signatures.private_key(KEYS["wechat_merchant_private"])
    vector = VECTORS["wechat_request"]
    text = wechat.signed_text(*(vector[name] for name in ("method", "path", "timestamp", "nonce", "body")))

    assert text == vector["string_to_sign"]
    assert signatures.sign(key, text) == vector["signature"]
    get = VECTORS["wechat_request_get"]
    assert signatures.sign(key, get["string_to_sign"]) == get["signature"]


def test_a_payment_within_wechat_is_signed_as_in_the_vector(wechat_link: Connection) -> None:
    vector = VECTORS["wechat_jsapi_pay_sign"]
    _appid, at, nonce, package = vector["string_to_sign"].split("\n")[:4]

    parameters = in_app_parameters(wechat.account(wechat_link), package.removeprefix("prepay_id="), at, nonce)

    assert (parameters["paySign"], parameters["package"]) == (vector["paySign"], package)


@pytest.mark.parametrize(
    ("name", "kind", "subject", "key", "amount"),
    [
        ("wechat_notify_paid", "captured", "PW2611250001", "4200002600202611250000000001:paid", "128.50"),
        ("wechat_notify_refund", "refunded", "RW2611250001-1", "50300002602026112500000001:success", "28.50"),
    ],
)
def test_wechats_notifications_are_opened_and_read(
    wechat_link: Connection, name: str, kind: str, subject: str, key: str, amount: str
) -> None:
    vector = VECTORS[name]
    resource = json.loads(vector["body"])["resource"]
    assert json.loads(wechat.unseal(wechat.account(wechat_link), resource)) == vector["resource"]

    answer = _post_json(vector)

    assert answer.status_code == 200
    fact = InboundFact.objects.get()
    assert (fact.kind, fact.subject, fact.fact_key, fact.body["amount"]) == (kind, subject, key, amount)


def test_wechats_probe_is_refused_without_effect(wechat_link: Connection) -> None:
    answer = _post_json(VECTORS["wechat_notify_probe"])

    assert (answer.status_code, answer.json()["code"]) == (401, "FAIL")
    assert not InboundFact.objects.exists()


def test_a_notification_of_long_ago_is_refused_though_it_is_signed_well(wechat_link: Connection) -> None:
    Connection.objects.update(clock_skew_seconds=300)

    assert _post_json(VECTORS["wechat_notify_paid"]).status_code == 401
    assert not InboundFact.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"Wechatpay-Serial": "PUB_KEY_ID_0199999999"},
        {"Wechatpay-Serial": "not hex"},
        {"Wechatpay-Serial": None},
        {"Wechatpay-Signature": None},
        {"Wechatpay-Signature": "AAAA"},
        {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"},
        {"Wechatpay-Timestamp": "now"},
        {"Wechatpay-Nonce": "another"},
    ],
)
def test_a_notification_with_a_wrong_header_is_refused_and_never_a_server_error(
    wechat_link: Connection, change: dict[str, str | None]
) -> None:
    vector = VECTORS["wechat_notify_paid"]
    headers = {name: value for name, value in {**vector["headers"], **change}.items() if value is not None}

    answer = _post_json({**vector, "headers": headers})

    assert (answer.status_code, answer.json()["code"]) == (401, "FAIL")


def test_a_connection_without_keys_takes_nothing(wechat_link: Connection) -> None:
    wechat_link.set_secrets({}).save()

    assert _post_json(VECTORS["wechat_notify_paid"]).status_code == 401


def test_the_times_of_alipay_are_chinas() -> None:
    moment = alipay.read_time("2026-11-25 12:00:04.123")

    assert moment.isoformat() == "2026-11-25T12:00:04+08:00"
    assert alipay.as_time(moment) == "2026-11-25 12:00:04"
    assert {"TRADE_SUCCESS", "TRADE_FINISHED"} == alipay_facts.PAID


def _post_form(body: str) -> Any:
    return Client().post("/callbacks/vectors/", body, content_type="application/x-www-form-urlencoded")


def _post_json(vector: dict[str, Any]) -> Any:
    client = Client(headers=vector["headers"])
    return client.post("/callbacks/vectors/", vector["body"], content_type="application/json")
