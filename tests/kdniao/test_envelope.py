"""The published vectors of kdniao's signature, and both ways in which its fields are encoded."""

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from logistics.carriers.adapters.kdniao import envelope
from logistics.carriers.adapters.kdniao.envelope import Envelope
from oms.simulators import kdniao as peer

KEY = "TEST-APP-KEY-0001"
PUSH = (
    '{"EBusinessID":"1000001","PushTime":"2026-01-02 09:00:00","Count":"1","Data":[{"EBusinessID":"1000001",'
    '"OrderCode":"SO-20260101-0001","ShipperCode":"YTO","LogisticCode":"YT1234567890","Success":true,"Reason":"",'
    '"State":"3","StateEx":"301","Location":"杭州市","Traces":[{"AcceptTime":"2026-01-02 08:59:00",'
    '"AcceptStation":"已签收","Location":"杭州市","Action":"301"}]}]}'
)
VECTORS = [
    (
        '{"LogisticCode": "YT1234567890", "OrderCode": "SO-20260101-0001", "ShipperCode": "YTO"}',
        "YjFiNWIwYWUxNTY0ZmM2ZmEzYjNmZmY2ODMzMzhkZjc=",
    ),
    ('{"ShipperCode":"YTO","LogisticCode":"YT1234567890"}', "YjM2MmY1ODg4NmZmMmVkZWVjNzc4MDQzOGQ2ZjQyODE="),
    (
        '{"ShipperCode":"SF","LogisticCode":"SF1000000000001","CustomerName":"1234"}',
        "NmNlM2NmZTgwZWIxZjZkYzRlMzJkOGMxOTQzMjY2NmY=",
    ),
    ('{"OrderCode":"订单1","ShipperCode":"YTO"}', "YmEzZjA5ODczZWI1MTU1YjI2NWZhMjQ5YmI5NGU1ODY="),
    (PUSH, "MGE3MjBmZDMyMDJhZmJlYjJhNzQ2YmJlZWM2NGQzYWY="),
]


@pytest.mark.parametrize(("data", "signature"), VECTORS)
def test_the_signature_is_that_of_the_published_vectors(data: str, signature: str) -> None:
    assert envelope.sign(data, KEY) == signature
    assert peer.sign(data, KEY) == signature
    assert envelope.is_signed(Envelope(data, "1000001", "101", signature), KEY)


@pytest.mark.parametrize("wrong", ["s2L1iIb/Lt7sd4BDjW9CgQ==", "", VECTORS[0][1], VECTORS[1][1].lower(), "签名"])
def test_the_raw_digest_and_other_signatures_are_refused(wrong: str) -> None:
    assert not envelope.is_signed(Envelope(VECTORS[1][0], "1000001", "101", wrong), KEY)


@pytest.mark.parametrize(("data", "signature"), VECTORS)
@pytest.mark.parametrize("encode", [None, lambda text: quote(text, safe=""), quote_plus])
def test_fields_that_were_encoded_once_or_twice_are_read_alike(data: str, signature: str, encode) -> None:
    form = {"RequestData": data, "DataSign": signature}
    if encode is not None:
        form = {name: encode(value) for name, value in form.items()}
    body = urlencode({**form, "EBusinessID": "1000001", "RequestType": "101", "DataType": "2"})

    assert envelope.opened(body) == Envelope(data, "1000001", "101", signature)


def test_the_fields_may_come_as_json() -> None:
    body = json.dumps({"RequestData": PUSH, "DataSign": VECTORS[-1][1], "RequestType": "102", "Count": 1})

    assert envelope.is_signed(envelope.opened(body), KEY)
    assert envelope.opened("{") == Envelope("", "", "", "")


def test_what_we_send_is_signed_as_it_stands() -> None:
    form = envelope.fields(VECTORS[3][0], business_id="1000001", request_type="1007", app_key=KEY)

    assert form == {
        "RequestData": '{"OrderCode":"订单1","ShipperCode":"YTO"}',
        "EBusinessID": "1000001",
        "RequestType": "1007",
        "DataSign": "YmEzZjA5ODczZWI1MTU1YjI2NWZhMjQ5YmI5NGU1ODY=",
        "DataType": "2",
    }
