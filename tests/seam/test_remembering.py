"""Messages cost one statement, because connections and words are remembered; nobody is taken or refused by what was so
before, and what comes at the same moment is stored once."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection, connections
from django.test import Client

from logistics.carriers.adapters.kdniao import envelope
from logistics.models import ScanWord
from oms.common.models import Connection, InboundFact, SystemKind, Ticket
from oms.common.work import remembering
from oms.common.work.signed_json import SECRET, new_secret
from tests.kdniao.world import KEYS
from tests.seam.test_callbacks import body, post

KDNIAO = "kdniao-remembered"


@pytest.fixture
def link(db: None) -> Connection:
    link = Connection(code="wms-r", kind=SystemKind.WAREHOUSE, protocol="json")
    link.set_secrets({SECRET: new_secret()}).save()
    assert post(link, body("first")).status_code == 200
    return link


def stored() -> set[str]:
    return set(InboundFact.objects.values_list("fact_key", flat=True))


def test_a_message_takes_one_statement(link: Connection, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert post(link, body("second")).status_code == 200
    assert stored() == {"first", "second"}


def _secret_changed(link: Connection) -> None:
    Connection.objects.filter(pk=link.pk).update(
        credentials=Connection().set_secrets({SECRET: new_secret()}).credentials
    )


CHANGES: dict[str, tuple[Callable[[Connection], object], int]] = {
    "another secret": (_secret_changed, 401),
    "another network": (lambda link: Connection.objects.update(allowed_addresses=["203.0.113.0/24"]), 401),
    "another protocol": (lambda link: Connection.objects.update(protocol="qimen"), 200),
    "another kind": (lambda link: Connection.objects.update(kind=SystemKind.CHANNEL), 404),
    "another code": (lambda link: Connection.objects.update(code="wms-s"), 404),
    "gone": (lambda link: (InboundFact.objects.all().delete(), Connection.objects.all().delete()), 404),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_so_before_takes_no_message(link: Connection, change: str) -> None:
    makes, status = CHANGES[change]
    makes(link)

    answer = post(link, body("late"))

    assert answer.status_code == status
    assert "late" not in stored()


def test_what_was_so_before_refuses_no_message(link: Connection) -> None:
    Connection.objects.update(allowed_addresses=["203.0.113.0/24"])
    assert post(link, body("refused")).status_code == 401
    link.set_secrets({SECRET: new_secret()})
    Connection.objects.update(allowed_addresses=[], credentials=link.credentials)

    assert post(link, body("late")).status_code == 200

    assert "late" in stored()


def test_a_connection_made_after_it_was_asked_for_is_found(db: None) -> None:
    link = Connection(code="wms-new", kind=SystemKind.WAREHOUSE, protocol="json").set_secrets({SECRET: new_secret()})
    assert post(link, body("early")).status_code == 404
    link.save()

    assert post(link, body("late")).status_code == 200


def test_a_word_that_was_changed_counts_for_the_next_push(db: None) -> None:
    link = Connection(code=KDNIAO, kind=SystemKind.CARRIER, protocol="kdniao")
    link.set_secrets({"ebusiness_id": KEYS.business_id, "app_key": KEYS.app_key}).save()
    word = ScanWord.objects.create(protocol="kdniao", code="204", state="in_transit")
    assert _push("W1") == 200
    word.state = "out_for_delivery"
    word.save()

    assert _push("W2") == 200

    assert dict(InboundFact.objects.values_list("subject", "kind")) == {"W1": "in_transit", "W2": "out_for_delivery"}


def _push(waybill: str) -> int:
    trace = {"AcceptTime": "2026-01-02 12:00:00", "AcceptStation": "武汉转运中心", "Action": "204"}
    parcel = {"ShipperCode": "YTO", "LogisticCode": waybill, "StateEx": "204", "Traces": [trace]}
    data = json.dumps({"EBusinessID": KEYS.business_id, "Count": "1", "Data": [parcel]})
    form = envelope.fields(data, business_id=KEYS.business_id, request_type="102", app_key=KEYS.app_key)
    answer = Client().post(f"/callbacks/{KDNIAO}/", urlencode(form), content_type="application/x-www-form-urlencoded")
    return answer.status_code


@pytest.mark.django_db(transaction=True)
def test_what_comes_at_the_same_moment_is_stored_once_each() -> None:
    link = Connection(code="wms-t", kind=SystemKind.WAREHOUSE, protocol="json")
    link.set_secrets({SECRET: new_secret()}).save()
    assert post(link, body("first")).status_code == 200
    texts = [body(f"k{number // 2}", body={"n": number // 2}) for number in range(60)]
    texts[30] = body("k15", body={"n": "other words"})
    gate = threading.Barrier(6)

    def send(mine: Sequence[str]) -> list[int]:
        gate.wait(20)
        try:
            return [post(link, text).status_code for text in mine]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        answers = [status for of_one in pool.map(send, [texts[place::6] for place in range(6)]) for status in of_one]

    assert answers == [200] * 60
    assert stored() == {"first", *(f"k{number}" for number in range(30))}
    assert [(ticket.kind, ticket.values) for ticket in Ticket.objects.all()] == [("fact_differs", {"key": "k15"})]


def test_a_stamp_is_checked_by_the_statement_that_writes(db: None) -> None:
    known = remembering.Memory("SELECT coalesce(max(id)::text, '') FROM logistics_scanword", lambda: object())
    before = known.get()
    with remembering.trusting():
        assert known.get() is before
        noted = remembering.noted()
        assert noted is not None
        condition, values = noted.condition()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {condition}", values)
            assert cursor.fetchone() == (True,)
            ScanWord.objects.create(protocol="kdniao", code="999", state="in_transit")
            cursor.execute(f"SELECT {condition}", values)
            assert cursor.fetchone() == (False,)
        with pytest.raises(remembering.Outdated):
            remembering.ask_first()
    assert known.get() is not before
    assert json.dumps(values)
