"""Messages of connected systems over HTTP: told genuine, stored raw, answered; what is not understood is kept."""

import json
import uuid
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from logistics.warehouses import events
from oms.common import ticketing
from oms.common.models import Connection, FactState, InboundFact, SystemKind, Ticket, TicketState
from oms.common.secrecy import unseal
from oms.common.work import callbacks, facts_by_hand
from oms.common.work.signed_json import SECRET, SignedJson, new_secret
from oms.doors.callbacks import MOST_BYTES
from tests import factories, steps

pytestmark = pytest.mark.django_db
NOON = "2026-01-02T12:00:00+08:00"


@pytest.fixture
def link() -> Connection:
    link = Connection(code="wms-9", name="WMS 9", kind=SystemKind.WAREHOUSE, protocol="json")
    link.set_secrets({SECRET: new_secret()})
    link.save()
    return link


def body(key: str = "k1", **more: Any) -> str:
    return json.dumps({"facts": [{"key": key, "kind": "packed", "subject": "1-1-W1", "occurred_at": NOON, **more}]})


def post(link: Connection, text: str, *, late_by: timedelta = timedelta(), secret: str = "", **extra: Any) -> Any:
    at = timezone.now() - late_by
    identity = f"msg_{uuid.uuid4().hex}"
    signature = Webhook(secret or link.secrets()[SECRET]).sign(identity, at.astimezone(UTC), text)
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }
    address = f"/callbacks/{link.code}/"
    return Client(headers=headers).post(address, text, content_type="application/json", **extra)


def test_a_genuine_message_is_stored_raw_and_sealed_and_answered(link: Connection) -> None:
    answer = post(link, body(body={"waybill": "SF1"}))

    assert (answer.status_code, answer.json()) == (200, {"stored": True})
    fact = InboundFact.objects.get()
    assert (fact.connection, fact.fact_key, fact.kind, fact.subject) == (link, "k1", "packed", "1-1-W1")
    assert (fact.topic, fact.state, fact.body) == ("warehouse", FactState.PENDING, {"waybill": "SF1"})
    assert fact.occurred_at.isoformat() == "2026-01-02T04:00:00+00:00"
    assert b"waybill" not in bytes(fact.raw)
    assert json.loads(unseal(fact.raw))["facts"][0]["body"] == {"waybill": "SF1"}
    assert Connection.objects.get().last_heard_at is not None


def test_a_message_that_comes_twice_is_one_fact_and_other_words_under_its_key_are_shown_to_a_person(
    link: Connection,
) -> None:
    post(link, body(body={"n": 1}))
    assert post(link, body(body={"n": 1})).status_code == 200
    assert not Ticket.objects.exists()

    assert post(link, body(body={"n": 2})).status_code == 200

    fact = InboundFact.objects.get()
    assert fact.body == {"n": 1}
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.subject_id, ticket.values) == ("fact_differs", fact.pk, {"key": "k1"})


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "1999-12-31T00:00:00Z"])
def test_a_message_of_another_millennium_is_not_understood_and_stops_no_other(link: Connection, moment: str) -> None:
    assert post(link, body("odd", occurred_at=moment)).status_code == 200
    assert post(link, body("good")).status_code == 200

    assert Ticket.objects.get().kind == "message_unreadable"
    factories.run(events.run)
    assert InboundFact.objects.get(fact_key="good").last_error == "unknown subject"


def test_two_systems_that_count_from_one_lose_nothing(link: Connection) -> None:
    other = Connection(code="wms-10", name="WMS 10", kind=SystemKind.WAREHOUSE, protocol="json")
    other.set_secrets({SECRET: new_secret()}).save()

    post(link, body("1"))
    post(other, body("1"))

    assert InboundFact.objects.filter(fact_key="1").count() == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": new_secret()}, 401),
        ({"late_by": timedelta(minutes=6)}, 401),
        ({"late_by": -timedelta(minutes=6)}, 401),
        ({"REMOTE_ADDR": "198.51.100.7"}, 401),
    ],
)
def test_what_is_not_genuine_is_refused_and_not_stored(link: Connection, change: dict[str, Any], code: int) -> None:
    Connection.objects.update(allowed_addresses=["127.0.0.1"])

    answer = post(link, body(), **change)

    assert answer.status_code == code
    assert answer.json()["error"]["code"] == "not_genuine"
    assert not InboundFact.objects.exists()


@pytest.mark.parametrize(
    ("protocol", "refusal"),
    [
        ("kdniao", {"Success": False}),
        ("kuaidi100", {"result": False}),
        ("sf", {"return_code": "1000"}),
        ("jdl", {"success": False}),
        ("cainiao", {"success": "false"}),
    ],
)
def test_carriers_are_refused_in_their_own_words_what_nobody_can_read(protocol: str, refusal: dict[str, Any]) -> None:
    link = Connection.objects.create(code=f"by-{protocol}", kind=SystemKind.CARRIER, protocol=protocol)

    for nonsense in (b"a" * (MOST_BYTES + 1), b"\xff\xfe"):
        answer = Client().post(f"/callbacks/{link.code}/", nonsense, content_type="application/octet-stream")

        assert refusal.items() <= answer.json().items()
    assert not InboundFact.objects.exists()


def test_a_message_without_signature_is_refused(link: Connection) -> None:
    answer = Client().post("/callbacks/wms-9/", body(), content_type="application/json")

    assert answer.status_code == 401
    assert not InboundFact.objects.exists()


@pytest.mark.parametrize("code", ["nobody", "quiet"])
def test_an_unknown_connection_is_no_address(link: Connection, code: str) -> None:
    Connection.objects.create(code="quiet", name="shop", kind=SystemKind.CHANNEL, protocol="json")

    assert Client().post(f"/callbacks/{code}/", "{}", content_type="application/json").status_code == 404
    assert Client().get("/callbacks/wms-9/").status_code == 405


def test_a_genuine_message_that_is_not_understood_is_kept_shown_to_a_person_and_read_again_later(
    link: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def understands_nothing(*_: object) -> None:
        raise KeyError("facts")

    with monkeypatch.context() as patch:
        patch.setattr(SignedJson, "read", understands_nothing)
        assert post(link, body()).status_code == 200
    kept = InboundFact.objects.get()
    assert (kept.kind, kept.state) == (callbacks.UNREADABLE, FactState.PENDING)
    assert kept.needs_person_since is not None
    assert Ticket.objects.get().kind == "message_unreadable"

    callbacks.replay(kept.pk)

    assert InboundFact.objects.get(fact_key="k1").state == FactState.PENDING
    assert InboundFact.objects.get(pk=kept.pk).state == FactState.APPLIED
    assert Ticket.objects.get().state == TicketState.CLOSED


def test_a_message_that_is_not_understood_is_seen_to_from_its_ticket_or_discarded(
    link: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SignedJson, "read", lambda *_: [][0])
        for key in ("k1", "k2"):
            post(link, body(key))
    read, discarded = Ticket.objects.order_by("id")

    ticketing.retry(read.pk, user=factories.UserFactory(username="li"))
    facts_by_hand.discard(discarded.subject_id, by="wang")

    states = InboundFact.objects.filter(kind=callbacks.UNREADABLE).order_by("id").values_list("state", flat=True)
    assert list(states) == [FactState.APPLIED, FactState.DISCARDED]
    closed = Ticket.objects.order_by("id").values_list("state", "result", "closed_by")
    assert list(closed) == [("closed", "done", "li"), ("closed", "done", "wang")]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    "text", ["", "[", "[" * 100_000, '{"facts": [{}]}', '{"facts": null}', "\x00", body(body={"text": "a\x00b"})]
)
def test_nonsense_that_is_signed_is_kept_and_answered(link: Connection, text: str) -> None:
    assert post(link, text).status_code == 200
    assert InboundFact.objects.get().kind == callbacks.UNREADABLE


def test_a_connection_that_is_switched_off_still_hears(link: Connection) -> None:
    Connection.objects.update(is_active=False)

    assert post(link, body()).status_code == 200
    assert InboundFact.objects.count() == 1


def test_what_no_protocol_reads_is_refused_with_the_reason_and_leaves_nothing(link: Connection) -> None:
    address = f"/callbacks/{link.code}/"

    too_large = post(link, body(padding="a" * MOST_BYTES))
    no_text = Client().post(address, b"\xff\xfe", content_type="application/json")

    assert (too_large.status_code, too_large.content.decode()) == (
        413,
        "A message has at most 1048576 bytes; send fewer facts at a time.",
    )
    assert (no_text.status_code, no_text.content.decode()) == (400, "A message is text in UTF-8.")
    assert {answer["Content-Type"] for answer in (too_large, no_text)} == {"text/plain; charset=utf-8"}
    assert [Client().generic(method, address).status_code for method in ("GET", "PUT", "DELETE")] == [405] * 3
    assert not InboundFact.objects.exists()
