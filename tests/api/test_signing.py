"""Signed calls: the published vectors, and everything that must be refused."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
import time_machine
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from oms.client import signing
from oms.common import secrecy
from oms.merchants.calls import credentials, nonces
from oms.merchants.models import ApiCredential, CredentialSecret, SpentNonce
from orders.models import Order
from tests import factories
from tests.api.calls import ORDERS, errors_of, send

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "signature-vectors.json").read_text())
VECTORS = {vector["name"]: vector for vector in DOCUMENT["vectors"]}
VALID = [name for name, vector in VECTORS.items() if vector["valid"]]
INVALID = [name for name, vector in VECTORS.items() if not vector["valid"]]

db = pytest.mark.django_db


@pytest.fixture
def published(shop):
    """A credential with the app key and secret of the vectors."""
    issued = credentials.issue(shop.merchant, "vectors")
    ApiCredential.objects.filter(pk=issued.credential.pk).update(app_key=DOCUMENT["app_key"])
    encrypted = secrecy.seal(DOCUMENT["secret"]).decode()
    CredentialSecret.objects.filter(credential=issued.credential).update(encrypted=encrypted)
    with time_machine.travel(datetime.fromtimestamp(DOCUMENT["now"], UTC), tick=False):
        yield factories.MerchantClient(raise_request_exception=False)


def call(client, request):
    """Send the request of a vector as it is."""
    headers = {"HTTP_AUTHORIZATION": request["authorization"]}
    headers["HTTP_IDEMPOTENCY_KEY"] = request["idempotency_key"]
    headers["HTTP_IF_MATCH"] = request["if_match"]
    query = request["query"].encode().decode("latin-1")
    return client.generic(
        request["method"],
        request["path"],
        request["body"].encode(),
        content_type="application/json",
        QUERY_STRING=query,
        **headers,
    )


@pytest.mark.parametrize("name", VALID)
def test_the_client_signs_as_published(name):
    vector = VECTORS[name]
    request = vector["request"]
    proof = signing.parse(request["authorization"])
    text = signing.canonical_text(
        key=proof.key,
        timestamp=proof.timestamp,
        nonce=proof.nonce,
        method=request["method"],
        path=request["path"],
        query=request["query"],
        body=request["body"].encode(),
        idempotency_key=request["idempotency_key"],
        if_match=request["if_match"],
    )
    assert text.decode() == vector["canonical_text"]
    assert signing.signature(DOCUMENT["secret"], text) == vector["signature"] == proof.signature
    assert proof.header() == request["authorization"]


@db
@pytest.mark.parametrize("name", VALID)
def test_the_server_takes_what_is_published(published, name):
    response = call(published, VECTORS[name]["request"])
    assert response.status_code not in (401, 403), response.content


@db
@pytest.mark.parametrize("name", INVALID)
def test_the_server_refuses_what_is_published_as_invalid(published, name):
    response = call(published, VECTORS[name]["request"])
    assert (response.status_code, errors_of(response)) == (401, {(None, VECTORS[name]["code"])})
    assert not SpentNonce.objects.exists()


@db
def test_a_signed_order_is_stored(shop):
    client = factories.signed_client_of(shop.merchant)
    assert send(client, shop.body()).status_code == 201
    assert client.get(ORDERS, {"buyer": "B1", "limit": "2"}).json()["results"]
    assert Order.objects.count() == 1


@db
def test_two_hundred_mutations_of_a_signed_call_are_all_refused(shop):
    """Each changes one thing: a character of any part of the header, a byte of the body, method, path, query, key."""
    chance = random.Random(1)  # noqa: S311 - no secret
    client = factories.signed_client_of(shop.merchant)
    body = json.dumps(shop.body()).encode()
    query = "a=1&b=2&b=3"
    key = "order-1"

    def authorization(**changes):
        parts = {"method": "POST", "url": f"{ORDERS}?{query}", "body": body, "idempotency_key": key, **changes}
        return signing.authorization(client.app_key, client.secret, **parts)

    def attempt(method="POST", path=ORDERS, query=query, body=body, key=key, if_match="", header=None):
        return client.generic(
            method,
            path,
            body,
            content_type="application/json",
            QUERY_STRING=query,
            HTTP_IDEMPOTENCY_KEY=key,
            HTTP_IF_MATCH=if_match,
            HTTP_AUTHORIZATION=header or authorization(),
        )

    def altered(text):
        place = chance.randrange(len(text))
        other = chance.choice([c for c in "abcdefXYZ0189-_=, " if c != text[place]])
        return text[:place] + other + text[place + 1 :]

    answers = []
    for _ in range(60):
        place = chance.randrange(len(body))
        answers.append(
            attempt(body=body[:place] + bytes([body[place] ^ (1 << chance.randrange(8))]) + body[place + 1 :])
        )
    for _ in range(60):
        answers.append(attempt(header=altered(authorization())))
    for _ in range(20):
        answers.append(attempt(key=altered(key).strip() or "x"))
    for _ in range(20):
        place = chance.randrange(len(query))
        answers.append(attempt(query=query[:place] + chance.choice("9xyz") + query[place + 1 :]))
    for method in ("PUT", "PATCH", "DELETE", "GET", "OPTIONS"):
        answers.append(attempt(method=method))
    for path in (f"{ORDERS}/bulk", f"{ORDERS}/1234567890123456", "/api/v1/sub-orders"):
        answers.append(attempt(path=path))
    for other in ("b=3&a=1&b=2", "a=1&b=2", "", "a=1&b=2&b=3&c", "a=1&b=2%263", "a=1%26b=2&b=3", "a=1&b=23&b="):
        answers.append(attempt(query=other))
    for if_match in ("1", "*", '"1"', "W/1"):
        answers.append(attempt(if_match=if_match))
    for taken in (b"", body[:-1], body + b"\0", body * 2):
        answers.append(attempt(body=taken))
    for shift in (-100000, -301, 301, 400, 100000):
        moment = int(timezone.now().timestamp()) + shift
        answers.append(attempt(header=authorization(timestamp=moment)))
    other = factories.signed_client_of(factories.MerchantFactory())
    for app_key, secret in ((other.app_key, client.secret), (client.app_key, other.secret), ("ak_none", client.secret)):
        for _ in range(4):
            header = signing.authorization(app_key, secret, "POST", f"{ORDERS}?{query}", body, idempotency_key=key)
            answers.append(attempt(header=header))

    assert len(answers) >= 200
    assert {answer.status_code for answer in answers} == {401}
    assert not Order.objects.exists()
    assert not SpentNonce.objects.exists()
    # What was altered is otherwise in order: unaltered, the call gets through to the view, which knows no `a`.
    assert errors_of(attempt()) == {("a", "unknown_parameter"), ("b", "unknown_parameter")}


@db
def test_a_mismatch_tells_the_digest_of_the_text_and_no_secret(shop):
    issued = credentials.issue(shop.merchant, "test")
    client = factories.SignedClient(issued.credential.app_key, "sk_wrong")
    response = client.get(ORDERS, HTTP_ACCEPT_LANGUAGE="en")
    detail = response.json()["errors"][0]["detail"]
    assert "SHA-256" in detail
    assert issued.secret not in detail
    assert response["WWW-Authenticate"].startswith("OMS1-HMAC-SHA256")


@db
def test_the_window_is_three_hundred_seconds_either_way(shop):
    client = factories.signed_client_of(shop.merchant)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    for shift, expected in ((-301, 401), (-300, 200), (0, 200), (300, 200), (301, 401)):
        with time_machine.travel(now, tick=False):
            header = signing.authorization(
                client.app_key, client.secret, "GET", ORDERS, timestamp=int(now.timestamp()) + shift
            )
            assert client.get(ORDERS, HTTP_AUTHORIZATION=header).status_code == expected, shift


@db
def test_a_nonce_is_refused_as_long_as_its_signature_is_good(shop):
    client = factories.signed_client_of(shop.merchant)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    early = int(start.timestamp()) + 300  # signed by a clock that is fast
    header = signing.authorization(client.app_key, client.secret, "GET", ORDERS, timestamp=early)
    with time_machine.travel(start, tick=False):
        assert client.get(ORDERS, HTTP_AUTHORIZATION=header).status_code == 200
    expires = SpentNonce.objects.get().expires_at
    assert expires > start + timedelta(seconds=600)
    with time_machine.travel(start + timedelta(seconds=600), tick=False):
        assert errors_of(client.get(ORDERS, HTTP_AUTHORIZATION=header)) == {(None, "nonce_reused")}


@db
def test_the_same_nonce_belongs_to_each_credential(shop):
    for _ in range(2):
        client = factories.signed_client_of(shop.merchant)
        header = signing.authorization(client.app_key, client.secret, "GET", ORDERS, nonce="n" * 16)
        assert client.get(ORDERS, HTTP_AUTHORIZATION=header).status_code == 200


@db
def test_expired_nonces_are_purged_in_batches(shop):
    credential = credentials.issue(shop.merchant, "test").credential
    now = timezone.now()
    for i in range(5):
        nonces.spend(credential.pk, f"{i:016}", now - timedelta(seconds=1))
    nonces.spend(credential.pk, "9" * 16, now + timedelta(seconds=60))
    assert [nonces.purge(3), nonces.purge(3), nonces.purge(3)] == [3, 2, 0]
    assert SpentNonce.objects.get().nonce == "9" * 16


@db
def test_a_secret_is_kept_unreadable_and_at_most_two_work(shop):
    issued = credentials.issue(shop.merchant, "test")
    kept = issued.credential.secrets.get()
    assert issued.secret not in str(vars(kept))
    second = credentials.add_secret(issued.credential.pk)
    assert second != issued.secret
    with pytest.raises(credentials.TooManySecrets):
        credentials.add_secret(issued.credential.pk)
    credentials.retire_secret(issued.credential.pk, kept.pk)
    credentials.add_secret(issued.credential.pk)
    assert issued.credential.secrets.filter(retired_at=None).count() == 2
    assert issued.credential.secrets.count() == 3


@db
def test_a_secret_whose_key_is_lost_opens_nothing(shop):
    issued = credentials.issue(shop.merchant, "test")
    CredentialSecret.objects.update(encrypted="nonsense")
    client = factories.SignedClient(issued.credential.app_key, issued.secret)
    assert errors_of(client.get(ORDERS)) == {(None, "signature_mismatch")}


@db
@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ([], "198.51.100.9", True),
        (["203.0.113.0/24"], "203.0.113.7", True),
        (["203.0.113.0/24"], "::ffff:203.0.113.7", True),
        (["203.0.113.0/24", "2001:db8::/32"], "2001:db8::1", True),
        (["203.0.113.7"], "203.0.113.8", False),
        (["203.0.113.0/24"], "198.51.100.9", False),
        (["203.0.113.0/24"], "", False),
        (["0.0.0.0/0"], "nonsense", False),
    ],
)
def test_a_credential_works_from_its_addresses_only(shop, networks, address, allowed):
    for client in (
        factories.signed_client_of(shop.merchant, allowed_networks=networks),
        factories.client_of(shop.merchant, allowed_networks=networks),
    ):
        response = client.get(ORDERS, REMOTE_ADDR=address)
        assert response.status_code == (200 if allowed else 403)
        assert allowed or errors_of(response) == {(None, "address_not_allowed")}


@db
def test_a_forwarded_address_counts_behind_a_proxy_only_and_only_the_proxys_word(shop, settings):
    client = factories.client_of(shop.merchant, allowed_networks=["203.0.113.7"])

    def status(forwarded):
        return client.get(ORDERS, REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded).status_code

    assert status("203.0.113.7") == 403
    settings.BEHIND_PROXY = True
    assert status("203.0.113.7") == 200
    assert status("198.51.100.1, 203.0.113.7") == 200
    assert status("203.0.113.7, 198.51.100.1") == 403
    assert status("") == 403


@db
@pytest.mark.parametrize("make", [factories.client_of, factories.signed_client_of])
def test_a_credential_does_what_its_scopes_say(shop, make):
    reader = make(shop.merchant, scopes=["orders.read"])
    response = send(reader, shop.body())
    assert (response.status_code, errors_of(response)) == (403, {(None, "scope_missing")})
    assert "orders.write" in response.json()["errors"][0]["detail"]
    assert reader.get(ORDERS).status_code == 200
    assert reader.head(ORDERS).status_code == 200
    writer = make(shop.merchant, scopes=["orders.write"])
    created = send(writer, shop.body())
    assert created.status_code == 201
    assert writer.get(created["Location"]).status_code == 403
    assert make(shop.merchant, scopes=["webhooks.manage"]).get(ORDERS).status_code == 403


@db
def test_a_credential_signs_for_its_own_merchant_only(shop):
    order = shop.place_order()
    stranger = factories.signed_client_of(factories.MerchantFactory())
    assert stranger.get(f"{ORDERS}/{order.number}").status_code == 404
    assert factories.signed_client_of(shop.merchant).get(f"{ORDERS}/{order.number}").status_code == 200


@db
def test_a_signed_read_takes_one_statement_to_admit(shop, django_assert_num_queries):
    """Two at the first call that a process sees of a credential; the list itself takes two."""
    client = factories.signed_client_of(shop.merchant)
    with django_assert_num_queries(5):  # and one that notes its use
        client.get(ORDERS)
    with django_assert_num_queries(3):
        client.get(ORDERS)


@db
def test_what_a_process_remembers_of_secrets_admits_nobody(shop):
    """The process that knows both secrets refuses the retired one, and still spends nonces of the other once."""
    issued = credentials.issue(shop.merchant, "test")
    old = factories.SignedClient(issued.credential.app_key, issued.secret)
    assert old.get(ORDERS).status_code == 200
    new = factories.SignedClient(issued.credential.app_key, credentials.add_secret(issued.credential.pk))
    assert [old.get(ORDERS).status_code, new.get(ORDERS).status_code] == [200, 200]
    credentials.retire_secret(issued.credential.pk, issued.credential.secrets.earliest("pk").pk)
    spent = SpentNonce.objects.count()
    assert errors_of(old.get(ORDERS)) == {(None, "signature_mismatch")}
    assert SpentNonce.objects.count() == spent
    assert [new.get(ORDERS).status_code for _ in range(2)] == [200, 200]
    assert SpentNonce.objects.count() == spent + 2
    credentials.revoke(issued.credential.pk)
    assert errors_of(new.get(ORDERS)) == {(None, "credential_revoked")}


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(_text, _text), max_size=6), st.randoms())
@settings(max_examples=200, deadline=None)
def test_queries_that_mean_the_same_sign_the_same_and_others_do_not(pairs, chance):
    """Whatever the encoding and the order of different names: the canonical query is that of the parsed parameters."""
    written = urlencode(pairs)
    shuffled = list({name: None for name, _value in pairs})
    chance.shuffle(shuffled)
    moved = urlencode([(name, value) for wanted in shuffled for name, value in pairs if name == wanted])
    plus = written.replace("+", "%20")
    canonical = signing.canonical_query(written)
    assert canonical == signing.canonical_query(moved) == signing.canonical_query(plus)
    assert canonical == signing.canonical_query(canonical)
    read = parse_qsl(canonical, keep_blank_values=True)
    assert sorted(read, key=lambda pair: pair[0]) == sorted(pairs, key=lambda pair: pair[0])
    for name, _value in pairs:
        assert [value for key, value in read if key == name] == [value for key, value in pairs if key == name]


@given(st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_path_is_written_in_one_way(raw):
    encoded = "".join(f"%{byte:02x}" for byte in raw)
    canonical = signing.canonical_path(encoded)
    assert canonical == signing.canonical_path(canonical)
    assert canonical.isascii()
    assert " " not in canonical
    assert "\n" not in canonical


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_a_header_is_read_in_one_form_only(text):
    proof = signing.Proof("ak_1", 1767315600, "n" * 16, "0" * 64)
    assert signing.parse(proof.header()) == proof
    for header in (text, f"{signing.SCHEME} {text}", proof.header() + text):
        if header != proof.header():
            with pytest.raises(signing.MalformedHeader):
                signing.parse(header)
