"""The signatures of kuaidi100, by the vectors of the reference. No database."""

from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest

from logistics.carriers.adapters.kuaidi100 import signing
from oms.simulators.kuaidi100 import Kuaidi100Peer

QUERY = '{"com":"yuantong","num":"YT1234567890"}'
PUSH = '{"status":"polling","lastResult":{"nu":"YT1234567890","com":"yuantong","state":"0","data":[]}}'
SIGNED_PUSH = "E6F93B2CDC2AB0F32E3C9D4B25E03B22"


def test_a_query_is_signed_with_key_and_customer() -> None:
    assert signing.of_query(QUERY, "KEY0001", "CUST0001") == "3280C774CD50C1D89AE0C8C326213809"
    assert signing.of_query(QUERY, "KEY0002", "CUST0001") != "3280C774CD50C1D89AE0C8C326213809"


def test_a_push_is_signed_with_the_salt() -> None:
    assert signing.of_push(PUSH, "SALT0001") == SIGNED_PUSH


@pytest.mark.parametrize("signature", [SIGNED_PUSH, SIGNED_PUSH.lower()])
@pytest.mark.parametrize("param", [PUSH, quote_plus(PUSH)])
def test_a_push_is_genuine_in_both_encodings_and_both_cases(param: str, signature: str) -> None:
    pushed = signing.opened(urlencode({"param": param, "sign": signature}))

    assert pushed.param == PUSH
    assert signing.is_signed(pushed, "SALT0001")
    assert not signing.is_signed(pushed, "SALT0002")


@pytest.mark.parametrize("body", ["", "x", "param=1", "sign=&param=", f"param={quote_plus(PUSH)}"])
def test_what_is_not_signed_is_not_genuine(body: str) -> None:
    assert not signing.is_signed(signing.opened(body), "SALT0001")


def test_the_peer_signs_as_the_vector_says() -> None:
    posted = Kuaidi100Peer.wrapped("https://oms.example/", PUSH, "SALT0001")

    assert dict(parse_qsl(posted.body)) == {"param": PUSH, "sign": SIGNED_PUSH}
