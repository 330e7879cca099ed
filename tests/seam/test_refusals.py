"""Messages that were not told genuine are kept apart: sealed, within bounds, for who looks into them."""

import json

import pytest
from django.test import Client

from oms.common.models import Connection, InboundFact, RefusedMessage, SystemKind
from oms.common.secrecy import unseal
from oms.common.work import refusals
from oms.common.work.signed_json import SECRET, new_secret
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> Connection:
    link = Connection(code="wms-9", name="WMS 9", kind=SystemKind.WAREHOUSE, protocol="json")
    link.set_secrets({SECRET: new_secret()}).save()
    return link


def post(body: str = '{"facts": []}', code: str = "wms-9") -> int:
    headers = {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
    return Client(headers=headers).post(f"/callbacks/{code}/", body, content_type="application/json").status_code


def test_a_forged_message_is_kept_sealed_and_is_no_fact(link: Connection) -> None:
    assert post('{"facts": ["张华"]}') == 401

    refused = RefusedMessage.objects.get()
    assert (refused.connection, refused.address, InboundFact.objects.count()) == (link, "127.0.0.1", 0)
    assert "张华".encode() not in bytes(refused.message)
    kept = json.loads(unseal(refused.message))
    assert (kept["body"], kept["headers"]["webhook-id"]) == ('{"facts": ["张华"]}', "m")


def test_who_looks_into_it_reads_why_in_their_language(link: Connection, admin_client: Client) -> None:
    post()
    refused = RefusedMessage.objects.get()

    address = f"/admin/common/refusedmessage/{refused.pk}/change/"
    english = admin_client.get(address, headers={"accept-language": "en"}).content.decode()
    chinese = admin_client.get(address, headers={"accept-language": "zh-hans"}).content.decode()

    assert "The time of the message differs too much from ours." in english
    assert "消息时间与本系统相差太多。" in chinese
    assert "WMS 9" in admin_client.get("/admin/common/refusedmessage/").content.decode()
    clerk = Client()
    clerk.force_login(factories.UserFactory())
    assert clerk.get(address).status_code == 403


def test_a_flood_fills_no_table(link: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    Connection.objects.create(code="other", name="other", kind=SystemKind.WAREHOUSE, protocol="json")
    monkeypatch.setattr(refusals, "MOST_A_MINUTE", 5)
    for _ in range(8):
        assert post() == 401
    assert RefusedMessage.objects.count() == 5

    post(code="other")
    assert RefusedMessage.objects.filter(connection__code="other").count() == 1
    monkeypatch.setattr(refusals, "MOST_A_MINUTE", 100)
    monkeypatch.setattr(refusals, "MOST_KEPT", 3)
    newest = RefusedMessage.objects.latest("id").pk
    post("x" * (refusals.MOST_CHARACTERS + 1))

    left = RefusedMessage.objects.filter(connection=link).order_by("id")
    assert left.count() == 3
    assert left[2].pk > newest
    assert len(json.loads(unseal(left[2].message))["body"]) == refusals.MOST_CHARACTERS
    assert RefusedMessage.objects.filter(connection__code="other").count() == 1
