"""Callbacks that are plain are answered many at a time, as the door itself would; all others are left to it."""

import io
import json
import logging
import uuid
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import RequestFactory
from django.utils import timezone
from prometheus_client import REGISTRY
from standardwebhooks import Webhook

from oms.common.models import Connection, InboundFact, RefusedMessage, SystemKind, Ticket
from oms.common.work import connected, keeping
from oms.common.work.signed_json import SECRET, new_secret
from oms.doors import counter
from tests.seam.test_callbacks import body, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> Connection:
    link = Connection(code="wms-c", kind=SystemKind.WAREHOUSE, protocol="json")
    link.set_secrets({SECRET: new_secret()}).save()
    # What is remembered of it is remembered from now on.
    assert post(link, body("first")).status_code == 200
    return link


@pytest.fixture(autouse=True)
def _kept_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Django's own test client does: the connection of the test's transaction is not closed."""
    monkeypatch.setattr(counter, "close_old_connections", lambda: None)


def call(link: Connection, text: str | bytes, *, secret: str = "", path: str = "", **more: Any) -> dict[str, Any]:
    """What gunicorn makes of a signed message."""
    at, identity = timezone.now(), f"msg_{uuid.uuid4().hex}"
    signed = text if isinstance(text, str) else text.decode("latin-1")
    signature = Webhook(secret or link.secrets()[SECRET]).sign(identity, at.astimezone(UTC), signed)
    request = RequestFactory().post(
        path or f"/callbacks/{link.code}/",
        text,
        content_type="application/json",
        headers={
            "webhook-id": identity,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        },
        **more,
    )
    return {**request.environ, "wsgi.input": io.BytesIO(request.body), "HTTP_HOST": more.get("HTTP_HOST", "testserver")}


def stored() -> set[str]:
    return set(InboundFact.objects.exclude(fact_key="first").values_list("fact_key", flat=True))


def test_many_are_stored_by_one_statement(link: Connection, django_assert_num_queries: Any) -> None:
    calls = [call(link, body(f"k{place}", body={"n": place})) for place in range(20)]

    with django_assert_num_queries(1):
        answers = counter.take(calls)

    assert {(answer.status, answer.body) for answer in answers if answer} == {("200 OK", b'{"stored": true}')}
    assert None not in answers
    assert stored() == {f"k{place}" for place in range(20)}
    fact = InboundFact.objects.get(fact_key="k7")
    assert (fact.connection, fact.kind, fact.subject, fact.body) == (link, "packed", "1-1-W1", {"n": 7})
    assert fact.raw is not None


@pytest.mark.parametrize("behind", ["nothing", "a proxy with HTTPS"])
def test_the_answer_is_the_doors_own(link: Connection, settings: Any, behind: str) -> None:
    more: dict[str, str] = {}
    if behind == "a proxy with HTTPS":
        settings.BEHIND_PROXY = settings.SECURE_SSL_REDIRECT = True
        settings.SECURE_HSTS_SECONDS = 3600
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        more = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.7"}
        Connection.objects.update(allowed_addresses=["198.51.100.7"])
    counter._for_everybody.cache_clear()
    of_door = post(link, body("by-the-door"), headers={"X-Request-ID": "mine"}, **more)

    [answer] = counter.take([call(link, body("by-the-counter"), HTTP_X_REQUEST_ID="mine", **more)])

    counter._for_everybody.cache_clear()
    assert answer is not None
    assert (answer.status, answer.body) == ("200 OK", of_door.content)
    assert dict(answer.headers) == {**of_door.headers, "X-Request-ID": "mine"}
    assert stored() == {"by-the-door", "by-the-counter"}


def test_a_call_is_counted_and_leaves_its_line(link: Connection, caplog: Any) -> None:
    labels = {"view": "callback", "method": "POST", "status": "2xx"}
    name = "oms_http_request_seconds_count"
    before = REGISTRY.get_sample_value(name, labels) or 0

    with caplog.at_level(logging.INFO, logger="oms.requests"):
        counter.take([call(link, body("a")), call(link, body("b"))])

    assert REGISTRY.get_sample_value(name, labels) == before + 2
    lines = [record for record in caplog.records if record.name == "oms.requests"]
    assert [(line.view, line.status) for line in lines] == [("callback", 200)] * 2


def _pay_link(link: Connection) -> dict[str, Any]:
    pay = Connection(code="pay-c", kind=SystemKind.PAYMENT, protocol="json").set_secrets({SECRET: new_secret()})
    pay.save()
    post(pay, body("of-pay"))
    InboundFact.objects.filter(fact_key="of-pay").delete()
    return call(pay, body("x"))


LEFT: dict[str, Any] = {
    "forged": lambda link: call(link, body("x"), secret=new_secret()),
    "of nobody": lambda link: call(link, body("x"), path="/callbacks/nobody/"),
    "another address of the site": lambda link: call(link, body("x"), path="/api/v1/orders"),
    "not understood": lambda link: call(link, "[]"),
    "nothing said": lambda link: call(link, '{"facts": []}'),
    "of another millennium": lambda link: call(link, body("x", occurred_at="0001-01-01T00:00:00Z")),
    "not text": lambda link: call(link, b'{"facts": "\xff"}'),
    "told before": lambda link: call(link, body("first")),
    "told before, in part": lambda link: call(link, json.dumps({"facts": [_fact("first"), _fact("x")]})),
    "for another host": lambda link: call(link, body("x"), HTTP_HOST="elsewhere.example"),
    "for no host": lambda link: call(link, body("x"), HTTP_HOST=""),
    "NUL in the address": lambda link: call(link, body("x"), QUERY_STRING="a=%00"),
    "of a payment provider": _pay_link,
}


def _fact(key: str) -> dict[str, str]:
    return json.loads(body(key))["facts"][0]


@pytest.mark.parametrize("what", LEFT)
def test_everything_else_is_left_to_the_door_and_costs_the_others_nothing(link: Connection, what: str) -> None:
    odd = LEFT[what](link)

    one, left, other = counter.take([call(link, body("one")), odd, call(link, body("other"))])

    assert one is not None
    assert left is None
    assert other is not None
    assert stored() - {"x"} == {"one", "other"}
    assert not Ticket.objects.exists()
    assert not RefusedMessage.objects.exists()


def test_http_is_left_to_be_sent_to_https(link: Connection, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert counter.take([call(link, body("x"))]) == [None]
    assert stored() == set()


def test_a_key_that_two_of_them_have_is_left_for_the_second(link: Connection) -> None:
    first, second = counter.take([call(link, body("k", body={"n": 1})), call(link, body("k", body={"n": 2}))])

    assert first is not None
    assert second is None
    assert InboundFact.objects.get(fact_key="k").body == {"n": 1}
    # The door tells a person, as ever.
    assert post(link, body("k", body={"n": 2})).status_code == 200
    assert [ticket.kind for ticket in Ticket.objects.all()] == ["fact_differs"]


def test_what_was_so_before_takes_no_message(link: Connection) -> None:
    signed = call(link, body("late"))
    link.set_secrets({SECRET: new_secret()}).save()

    assert counter.take([signed, call(link, body("later"))]) == [None, None]
    assert stored() == set()
    # The door asks how it is now; from then on it is known.
    assert post(link, body("later")).status_code == 200
    [answer] = counter.take([call(link, body("latest"))])
    assert answer is not None
    assert stored() == {"later", "latest"}


def test_while_the_database_is_away_all_are_left(link: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_told: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(keeping, "_store", away)
    assert counter.take([call(link, body("a")), call(link, body("b"))]) == [None, None]


def test_two_systems_are_stored_apart_and_heard(link: Connection) -> None:
    other = Connection(code="wms-d", kind=SystemKind.WAREHOUSE, protocol="json").set_secrets({SECRET: new_secret()})
    other.save()
    post(other, body("first"))
    Connection.objects.update(last_heard_at=None)
    for known in (link, other):  # a process remembers when it heard it last
        remembered = connected.by_code(known.code)
        assert remembered is not None
        remembered.last_heard_at = None

    answers = counter.take([call(link, body("1")), call(other, body("1"))])

    assert None not in answers
    assert {fact.connection.code for fact in InboundFact.objects.filter(fact_key="1")} == {"wms-c", "wms-d"}
    heard = Connection.objects.filter(code__in=["wms-c", "wms-d"]).values_list("last_heard_at", flat=True)
    assert [timezone.now() - at < timedelta(minutes=1) for at in heard] == [True, True]
