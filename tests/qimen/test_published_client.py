"""`taobaopy`, as it was published, signs towards our public door: parameters alone, by HMAC. It sends no XML, which no
published client does; so its message is told genuine, and then refused for having none."""

import time
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.test import Client
from taobaopy.taobao import BaseAPIRequest, TaoBaoAPIClient

from oms.common.models import Connection, RefusedMessage
from oms.common.zones import CHINA
from tests.qimen import world
from tests.qimen.test_callbacks import flag

pytestmark = pytest.mark.django_db


class _ToTheDoor(BaseAPIRequest):  # type: ignore[misc]
    """Posts what the client signed, as its own request does, to the site of the test."""

    in_the_address = False

    def open(self, data: dict[str, str], _files: object) -> dict[str, Any]:
        """The answer, as the client's caller gets it."""
        where = f"/callbacks/{world.CODE}/"
        answer = (
            Client().post(where, b"", content_type="text/xml", query_params=data)
            if self.in_the_address
            else Client().post(where, "&".join(_encoded(data)), content_type="application/x-www-form-urlencoded")
        )
        return {"said": flag((answer.status_code, answer.content.decode()))}


class _InTheAddress(_ToTheDoor):
    in_the_address = True


def _encoded(data: dict[str, str]) -> list[str]:
    return [f"{quote_plus(name)}={quote_plus(value)}" for name, value in data.items()]


@pytest.mark.parametrize("way", [_ToTheDoor, _InTheAddress])
def test_the_published_client_is_told_genuine_by_its_signature_alone(
    link: Connection, monkeypatch: pytest.MonkeyPatch, way: type[_ToTheDoor]
) -> None:
    # It writes the time of the machine, which the platform takes for China's.
    monkeypatch.setenv("TZ", CHINA.key)
    time.tzset()
    try:
        said = {
            secret: TaoBaoAPIClient(world.KEYS.app_key, secret, fetcher_class=way, retry_count=1)
            .qimen_orderprocess_report(customerId="C001", remark="加急 a+b")
            .get("said")
            for secret in (world.KEYS.app_secret, "another")
        }
    finally:
        monkeypatch.undo()
        time.tzset()

    assert said == {
        "SECRET": (200, "failure", "malformed"),
        "another": (200, "failure", "sign-check-failure"),
    }
    assert RefusedMessage.objects.count() == 2
