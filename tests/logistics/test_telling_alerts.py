"""Who is told of what is late: one message a group and level, signed as each robot wants it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, time, timedelta
from urllib.parse import parse_qs, urlparse

import httpx
import pytest
from django.core import mail
from django.utils import timezone

from logistics.models import AlertGroup, AlertReceiver, AlertTelling
from logistics.watching import alerts as alerting
from logistics.watching import telling
from logistics.watching.robots import Notice, NotTold, dingtalk, feishu, wecom
from oms.common.models import Connection, SystemKind
from tests import factories, steps
from tests.logistics.test_watching import by, scanned

pytestmark = pytest.mark.django_db
NOTICE = Notice("alerts-1-1", "Stuck", "one\ntwo")


def robot(protocol: str = "sandbox", **secrets: str) -> Connection:
    link = Connection(code=f"robot-{protocol}", kind=SystemKind.ROBOT, protocol=protocol, base_url="https://r.example")
    link.set_secrets(dict(secrets)).save()
    return link


@pytest.fixture
def posted(monkeypatch):
    """What is posted, as (address, parameters, body); the answer is that of the test."""
    sent = []
    answer = {"errcode": 0, "code": 0}

    def post(url, *, json, params=None, timeout):
        request = httpx.Request("POST", url, params=params)
        sent.append((urlparse(url), parse_qs(urlparse(str(request.url)).query), json))
        return httpx.Response(200, json=answer, request=request)

    monkeypatch.setattr(httpx, "post", post)
    return sent, answer


def hmac_of(key: str, message: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()).decode()


def test_dingtalk_is_signed_in_the_address(posted):
    sent, _answer = posted
    dingtalk.send(robot("dingtalk", access_token="tok", secret="SEC"), NOTICE)

    ((address, params, body),) = sent
    assert address.path == "/robot/send"
    assert params["access_token"] == ["tok"]
    (timestamp,) = params["timestamp"]
    assert len(timestamp) == 13
    assert params["sign"] == [hmac_of("SEC", f"{timestamp}\nSEC")]
    assert body["msgtype"] == "markdown"
    assert (body["markdown"]["title"], body["at"]) == ("Stuck", {"atMobiles": [], "isAtAll": False})


def test_wecom_has_its_key_in_the_address(posted):
    sent, _answer = posted
    wecom.send(robot("wecom", key="k-1"), NOTICE)

    ((address, params, body),) = sent
    assert (address.path, params) == ("/cgi-bin/webhook/send", {"key": ["k-1"]})
    assert body == {"msgtype": "markdown", "markdown": {"content": "**Stuck**\none\ntwo"}}


def test_feishu_is_signed_in_the_body(posted):
    sent, _answer = posted
    feishu.send(robot("feishu", hook="h-1", secret="SEC"), NOTICE)

    ((address, _params, body),) = sent
    assert address.path == "/open-apis/bot/v2/hook/h-1"
    assert body["sign"] == hmac_of(f"{body['timestamp']}\nSEC", "")
    assert (body["msg_type"], body["content"]) == ("text", {"text": "Stuck\none\ntwo"})


@pytest.mark.parametrize("module", [dingtalk, wecom, feishu])
def test_a_robot_that_refuses_is_not_taken_for_told(posted, module):
    _sent, answer = posted
    answer |= {"errcode": 310000, "code": 19021}
    with pytest.raises(NotTold):
        module.send(robot("dingtalk"), NOTICE)


def late_parcels(shop, count: int) -> None:
    for _ in range(count):
        scanned(
            by("ZTO", steps.shipped(shop.place_order(payment_method="cod"))), "collected", "in_transit", hours_ago=25
        )


def test_each_group_is_told_once_a_level_to_each_receiver_that_wants_it(shop):
    link = robot("mail")
    link.options = {"to": ["ops@example.com"]}
    link.save()
    AlertReceiver.objects.create(connection=link, language="en")
    AlertReceiver.objects.create(connection=robot(), min_level=2)
    late_parcels(shop, 3)

    for _ in range(2):
        factories.run(alerting.run, telling.run)

    (message,) = mail.outbox
    assert message.subject == "Warning: Stuck on its way"
    assert message.body.startswith("3 parcels of 中通快递 stuck at 北京 since ")
    assert message.body.count("\n") == 3
    assert AlertTelling.objects.exclude(sent_at=None).count() == AlertTelling.objects.count() == 1
    assert AlertGroup.objects.get().open_count == 3
    assert steps.broken_invariants() == []


def test_a_robot_that_fails_stops_nobody_and_ends_with_a_ticket(shop, settings):
    settings.MAX_ATTEMPTS = 2
    AlertReceiver.objects.create(connection=robot("mail"))
    late_parcels(shop, 1)

    factories.run(alerting.run)
    for _ in range(2):
        steps.once(telling.run)
        Connection.objects.update(paused_until=None)

    telling_row = AlertTelling.objects.get()
    assert (telling_row.sent_at, telling_row.attempts) == (None, 2)
    assert "stuck_alert_telling" in [kind for kind, _reason in steps.tickets()]


def test_what_is_over_before_it_was_told_is_not_told(shop):
    AlertReceiver.objects.create(connection=robot())
    parcel = by("ZTO", steps.shipped(shop.place_order(payment_method="cod")))
    scanned(parcel, "collected", "in_transit", hours_ago=25)
    factories.run(alerting.run)
    assert AlertTelling.objects.count() == 1

    scanned(parcel, "in_transit")
    factories.run(alerting.run)

    assert AlertTelling.objects.count() == 0


def test_no_more_than_twenty_messages_a_minute(shop):
    link = robot()
    AlertReceiver.objects.create(connection=link)
    late_parcels(shop, 1)
    factories.run(alerting.run)
    group = AlertGroup.objects.get()
    now = timezone.now()
    others = [
        AlertGroup(kind="stalled", place=str(n), since=now, level=1, closed_at=now if n else None) for n in range(1, 21)
    ]
    AlertGroup.objects.bulk_create(others)
    AlertTelling.objects.bulk_create(
        AlertTelling(connection=link, group=one, level=1, sent_at=now, ready_at=now) for one in others
    )
    assert steps.once(telling.run) == 0

    AlertTelling.objects.filter(group=others[0]).update(sent_at=now - timedelta(minutes=2))
    assert steps.once(telling.run) == 1
    assert AlertTelling.objects.get(group=group).sent_at is not None


@pytest.mark.parametrize(
    ("hour", "told_at"),
    [(13, datetime(2026, 1, 2, 13, tzinfo=UTC)), (15, datetime(2026, 1, 3, 0, tzinfo=UTC))],
)
def test_quiet_hours_wait_for_their_end(hour, told_at):
    receiver = AlertReceiver(quiet_from=time(22), quiet_until=time(8))

    assert telling._speaks_from(receiver, datetime(2026, 1, 2, hour, tzinfo=UTC)) == told_at
