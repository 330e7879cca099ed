"""All kinds of news, by mail, by each robot and by webhook, as they really leave: over HTTP but for mail."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone, translation
from standardwebhooks import Webhook

from logistics.warehouses import stopping
from oms.common.models import Connection
from oms.merchants.models import DisabledBecause, MerchantTelling, NewsKind, WebhookDelivery
from oms.merchants.webhooks import endpoints
from orders.changing import cancelling
from orders.models import DeliveryPromise
from payments.statements import closing
from tests import factories, steps
from tests.payments.test_settling import ANNA, by_hand
from tests.portal import world
from tests.portal.test_returns import delivered
from tests.portal.test_telling import ALL, factories_stages, gather, listening, refuse, told
from tests.returns import world as returns
from tests.webhooks.conftest import make_due, send
from tests.webhooks.receiver import receiver as serving
from tests.webhooks.receiver import says

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    returns.install()
    return world.make_seller()


def everything_happens(seller: world.Seller) -> list[str]:
    """One thing of each kind of news, and three orders to ship; returns names that are told."""
    order = delivered(seller)
    returned = returns.ask(order, {1: 1})
    works = seller.orders(3)
    cancelling.cancel_order(works[0].sub_order.order_id, reason="x", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    steps.once(stopping.run)
    part = works[1].sub_order
    now = timezone.now()
    where = {"warehouse": seller.warehouse, "expected_warehouse": seller.warehouse, "region_id": "110101"}
    risk = {"risk": "plan_later", "risk_since": now, "promised_by": now, "starts_at": now, "tables_version": 1}
    DeliveryPromise.objects.create(order=part.order, sub_order=part, number=1, source="ours", **where, **risk)
    refuse(seller, "R-1")
    factories.place(
        factories.order_body((seller.sku, 9000, "1.00"), payment_method="cod", source=seller.channel.code),
        seller.merchant,
    )
    factories.run(*factories_stages())
    endpoint = listening(seller, "*")
    endpoints.disable(endpoint.pk, because=DisabledBecause.FAILING)
    by_hand(seller.merchant, "12.50")
    today = timezone.localdate()
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        statement = closing.close(seller.merchant.pk, closing.Span(today, today + timedelta(days=1)), actor=ANNA)
    return [works[0].number, returned.number, "R-1", statement.number, "https://shop.example/hook"]


# What is told of all that, by kind.
COUNTS = {"to_ship": 3} | dict.fromkeys(set(ALL) - {"to_ship"}, 1)


def titles() -> list[str]:
    """How that is said."""
    with translation.override("en"):
        return [f"{NewsKind(kind).label} {count}" for kind, count in COUNTS.items()]


def test_each_kind_is_found_and_told_once_in_one_message(seller):
    told(seller)
    names = everything_happens(seller)

    for _time in range(3):
        gather()

    (message,) = mail.outbox
    assert message.to == ["li@example.com"]
    lines = message.body.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == sorted(titles())
    for name in names:
        assert name in message.body


@pytest.mark.parametrize("means", ["dingtalk", "wecom", "feishu"])
def test_all_kinds_reach_a_robot_over_http(seller, means):
    with serving(says(200, b'{"errcode": 0, "code": 0}')) as robot:
        Connection.objects.filter(pk=told(seller, means=means).connection_id).update(
            base_url=robot.url.removesuffix("/hook")
        )
        names = everything_happens(seller)
        for _time in range(3):
            gather()
        (got,) = robot.received
    said = json.dumps(json.loads(got.body), ensure_ascii=False)
    for text in (*titles(), *names):
        assert text in said
    assert MerchantTelling.objects.get().sent_at is not None


def test_all_kinds_reach_a_webhook_over_http_signed(seller, settings):
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = settings.WEBHOOKS_ALLOW_HTTP = True
    with serving() as shop:
        endpoint, secret = endpoints.create(seller.merchant, url=shop.url, event_types=["merchant.news"])
        told(seller, means="webhook")
        names = everything_happens(seller)
        for _time in range(3):
            gather()
        make_due()
        send()
        (got,) = shop.received
    Webhook(secret).verify(got.body, got.headers)
    news = json.loads(got.body)["data"]["news"]
    assert {one["kind"]: one["count"] for one in news} == COUNTS
    told_names = {name for one in news for name in one["names"]}
    assert set(names) <= told_names
    assert WebhookDelivery.objects.get(endpoint=endpoint).state == "delivered"
