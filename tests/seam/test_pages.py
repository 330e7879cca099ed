"""The staff's pages on connections and on what they told us."""

import httpx
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from oms.common import tickets
from oms.common.models import Connection, FactState, InboundFact, SystemKind, Ticket, TicketState, Topic
from oms.common.work import connections, facts
from oms.common.work.signed_json import SECRET, SignedJson
from tests import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def link() -> Connection:
    return Connection.objects.create(code="wms-1", name="WMS 1", kind=SystemKind.WAREHOUSE, protocol="json")


def told(link: Connection, key: str = "k1") -> InboundFact:
    facts.receive(link.pk, Topic.WAREHOUSE, [facts.News(key, "packed", "1-1-W1", steps.NOON, {"n": 1})])
    return InboundFact.objects.get(fact_key=key)


def with_rights(*codes: str) -> Client:
    user = User.objects.create_user("li", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client = Client()
    client.force_login(user)
    return client


def test_a_connection_is_made_with_secrets_that_are_never_shown(boss: Client) -> None:
    form = {
        "code": "wms-2",
        "name": "WMS 2",
        "kind": "warehouse",
        "protocol": "json",
        "options": "{}",
        "base_url": "https://wms.example/api",
        "new_secrets": f"{SECRET}=whsec_c2VjcmV0",
        "batch_size": 10,
        "calls_at_once": 2,
        "timeout_seconds": 10,
        "breaker_failures": 5,
        "breaker_seconds": 60,
        "clock_skew_seconds": 300,
        "allowed_addresses": "203.0.113.0/24",
    }

    answer = boss.post("/admin/common/connection/add/", form)

    assert answer.status_code == 302, answer.content.decode()
    link = Connection.objects.get()
    assert link.secrets() == {SECRET: "whsec_c2VjcmV0"}
    assert link.allowed_addresses == ["203.0.113.0/24"]
    page = boss.get(f"/admin/common/connection/{link.pk}/change/").content.decode()
    assert "c2VjcmV0" not in page
    assert f"/callbacks/{link.code}/" in page
    boss.post(f"/admin/common/connection/{link.pk}/change/", {**form, "new_secrets": ""})
    assert Connection.objects.get().secrets() == {SECRET: "whsec_c2VjcmV0"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("new_secrets", "whsec_c2VjcmV0"),
        ("new_secrets", "password=x"),
        ("protocol", "smoke-signals"),
        ("allowed_addresses", "everywhere"),
        ("timeout_seconds", 60),
        ("batch_size", 0),
    ],
)
def test_a_form_with_a_slip_names_the_field(boss: Client, field: str, value: object) -> None:
    form = {
        "code": "wms-2",
        "name": "WMS 2",
        "kind": "warehouse",
        "protocol": "json",
        "options": "{}",
        "batch_size": 10,
        "calls_at_once": 2,
        "timeout_seconds": 10,
        "breaker_failures": 5,
        "breaker_seconds": 60,
        "clock_skew_seconds": 300,
    }

    answer = boss.post("/admin/common/connection/add/", {**form, field: value})

    assert answer.status_code == 200
    assert not Connection.objects.exists()


def test_switching_off_keeps_rows_waiting_and_on_lets_them_go(boss: Client, link: Connection) -> None:
    boss.post(f"/admin/common/connection/{link.pk}/switch/", {"to": "off"})
    assert not Connection.objects.get().is_active

    boss.post(f"/admin/common/connection/{link.pk}/switch/", {"to": "on"})
    assert Connection.objects.get().is_active


def test_a_test_says_what_the_other_side_answered(
    boss: Client, link: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise httpx.ConnectError("connection refused")

    monkeypatch.setattr(SignedJson, "test", refuse)
    page = boss.post(f"/admin/common/connection/{link.pk}/test/", follow=True).content.decode()
    assert "connection refused" in page

    monkeypatch.setattr(SignedJson, "test", lambda *_: None)
    page = boss.post(f"/admin/common/connection/{link.pk}/test/", follow=True).content.decode()
    assert "应答正常" in page


def test_after_some_failures_a_connection_rests_and_a_person_finds_a_ticket_until_it_answers(
    boss: Client, link: Connection
) -> None:
    for _ in range(link.breaker_failures):
        connections.note_failure(link, "TimeoutError: 13800001111", 10)

    link = Connection.objects.get()
    assert link.paused_until is not None
    assert "13800001111" not in link.last_error
    assert Ticket.objects.get().kind == "connection_down"
    boss.post(f"/admin/common/connection/{link.pk}/resume/")
    assert Connection.objects.get().paused_until is None
    assert Ticket.objects.get().state == TicketState.CLOSED

    for _ in range(link.breaker_failures):
        connections.note_failure(link, "TimeoutError", 10)
    connections.note_answer(Connection.objects.get(), 1, 0.1)
    assert not Ticket.objects.filter(state=TicketState.OPEN).exists()


def test_a_message_is_applied_again_or_discarded_by_staff_with_the_right(link: Connection) -> None:
    fact = told(link)
    InboundFact.objects.update(needs_person_since=steps.NOON, attempts=6)
    tickets.open_tickets(facts.UNKNOWN_SUBJECT, [tickets.Trouble(fact.pk)])
    onlooker = with_rights("view_inboundfact", "view_connection")
    assert onlooker.post(f"/admin/common/inboundfact/{fact.pk}/replay/").status_code == 403
    User.objects.get().user_permissions.add(Permission.objects.get(codename="replay_inboundfact"))

    page = onlooker.get(f"/admin/common/inboundfact/{fact.pk}/change/").content.decode()
    assert "重放" in page
    onlooker.post(f"/admin/common/inboundfact/{fact.pk}/replay/")
    fact = InboundFact.objects.get()
    assert (fact.needs_person_since, fact.attempts) == (None, 0)
    assert Ticket.objects.get().state == TicketState.CLOSED

    onlooker.post(f"/admin/common/inboundfact/{fact.pk}/discard/")
    assert InboundFact.objects.get().state == FactState.DISCARDED
    onlooker.post(f"/admin/common/inboundfact/{fact.pk}/replay/")
    assert InboundFact.objects.get().state == FactState.PENDING


def test_the_lists_take_as_many_statements_for_many_rows_as_for_few(
    boss: Client, link: Connection, django_assert_max_num_queries
) -> None:
    for i in range(30):
        told(link, f"k{i}")
        Connection.objects.create(code=f"c-{i}", name="x", kind=SystemKind.CARRIER)
    for address in ("/admin/common/inboundfact/", "/admin/common/connection/"):
        with django_assert_max_num_queries(14):
            assert boss.get(address).status_code == 200
