"""What staff see and edit of carriers' codes, and of the connection."""

import pytest
from django.test import Client

from logistics.carriers import codes
from logistics.models import Carrier, CarrierCode
from oms.common.models import Connection
from tests import factories

pytestmark = pytest.mark.django_db


def form(carrier: Carrier, /, **row: str) -> dict[str, str]:
    """The carrier's page as a browser posts it, with one row of codes."""
    head = {"code": carrier.code, "name": carrier.name, "carrier_class": "third_party", "priority": "1"}
    counts = {"codes-TOTAL_FORMS": "1", "codes-INITIAL_FORMS": str(CarrierCode.objects.count())}
    return head | {"is_active": "on"} | counts | {f"codes-0-{name}": value for name, value in row.items()}


@pytest.fixture
def carrier() -> Carrier:
    """韵达, by our code."""
    return Carrier.objects.create(code="YUNDA", name="韵达")


def test_staff_say_what_a_protocol_calls_a_carrier(carrier: Carrier) -> None:
    client = Client()
    client.force_login(factories.UserFactory(is_superuser=True))
    path = f"/admin/logistics/carrier/{carrier.pk}/change/"
    assert "快递鸟" in client.get(path, headers={"accept-language": "zh-hans"}).content.decode()

    answer = client.post(path, form(carrier, protocol="kdniao", code="YD"))

    assert answer.status_code == 302, answer.content.decode()
    assert (dict(codes.theirs("kdniao")), dict(codes.ours("kdniao"))) == (
        {"YUNDA": "YD"},
        {"YD": "YUNDA"},
    )
    row = CarrierCode.objects.get()
    gone = {"id": str(row.pk), "carrier": str(carrier.pk), "protocol": "kdniao", "code": "YD", "DELETE": "on"}
    client.post(path, form(carrier, **gone))
    assert not CarrierCode.objects.exists()


def test_a_protocol_that_no_carrier_speaks_is_not_taken(carrier: Carrier) -> None:
    client = Client()
    client.force_login(factories.UserFactory(is_superuser=True))

    answer = client.post(f"/admin/logistics/carrier/{carrier.pk}/change/", form(carrier, protocol="alipay", code="x"))

    assert answer.status_code == 200
    assert not CarrierCode.objects.exists()


def test_who_may_not_change_carriers_changes_no_code(carrier: Carrier) -> None:
    client = Client()
    client.force_login(factories.UserFactory())

    answer = client.post(f"/admin/logistics/carrier/{carrier.pk}/change/", form(carrier, protocol="kdniao", code="YD"))

    assert answer.status_code == 403
    assert not CarrierCode.objects.exists()


def test_a_connection_is_made_with_the_secrets_that_the_protocol_has(db: None) -> None:
    client = Client()
    client.force_login(factories.UserFactory(is_superuser=True))
    values = {"code": "kdn", "kind": "carrier", "protocol": "kdniao", "options": "{}", "batch_size": "100"}
    values |= {"calls_at_once": "2", "timeout_seconds": "5", "clock_skew_seconds": "300", "breaker_failures": "5"}
    values |= {"breaker_seconds": "60", "new_secrets": 'ebusiness_id=1000001\napp_key=k=1\naccounts={"ZTO": {}}'}

    answer = client.post("/admin/common/connection/add/", values)

    assert answer.status_code == 302, answer.content.decode()
    secrets = Connection.objects.get(code="kdn").secrets()
    assert secrets == {"ebusiness_id": "1000001", "app_key": "k=1", "accounts": '{"ZTO": {}}'}
