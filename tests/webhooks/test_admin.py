"""What staff see of webhooks and do about them, each with its own right."""

import pytest

from oms.merchants.models import WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import telling
from tests.admin.conftest import client_of
from tests.webhooks.conftest import secret_of, send, subscribe
from tests.webhooks.receiver import receiver, says

pytestmark = pytest.mark.django_db

ENDPOINTS = "/admin/merchants/webhookendpoint/"
DELIVERIES = "/admin/merchants/webhookdelivery/"


def act(client, path, action, row):
    return client.post(path, {"action": action, "_selected_action": [row.pk]}, follow=True)


def text_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def failed(shop):
    """An endpoint whose one message failed."""
    with receiver(says(500, b"<b>broken</b>")) as server:
        endpoint = subscribe(shop.merchant, server.url)
        telling.tell(shop.merchant.pk, "order.created", {"order": "1046"})
        send()
    return endpoint


def test_lists_and_pages_show_health_and_tries_but_no_secret(failed):
    boss = client_of(is_superuser=True)
    delivery = WebhookDelivery.objects.get()

    pages = [
        text_of(boss.get(path))
        for path in (ENDPOINTS, f"{ENDPOINTS}{failed.pk}/change/", DELIVERIES, f"{DELIVERIES}{delivery.pk}/change/")
    ]

    assert "Failures in a row: 1" in pages[0]
    assert failed.url in pages[1]
    assert "order.created" in pages[2]
    assert "answered 500" in pages[3]
    assert "&lt;b&gt;broken" in pages[3]
    sealed = bytes(WebhookEndpoint.objects.get().secret).decode()
    for page in pages:
        assert secret_of(failed) not in page
        assert sealed not in page


def test_each_action_needs_its_own_right(failed):
    delivery = WebhookDelivery.objects.get()
    WebhookDelivery.objects.update(state="failed")
    reader = client_of("view_webhookendpoint", "view_webhookdelivery")
    for path, action, row in (
        (ENDPOINTS, "ping_selected", failed),
        (ENDPOINTS, "disable_selected", failed),
        (DELIVERIES, "resend_selected", delivery),
    ):
        act(reader, path, action, row)
    assert WebhookEndpoint.objects.get().state == "enabled"
    assert [row.state for row in WebhookDelivery.objects.all()] == ["failed"]

    worker = client_of("view_webhookdelivery", "resend_webhookdelivery")
    assert "is on its way again" in text_of(act(worker, DELIVERIES, "resend_selected", delivery))
    assert WebhookDelivery.objects.get().state == "pending"


def test_staff_disable_enable_and_ping(failed):
    staff = client_of("view_webhookendpoint", "enable_webhookendpoint", "ping_webhookendpoint")

    assert "is disabled" in text_of(act(staff, ENDPOINTS, "disable_selected", failed))
    assert WebhookEndpoint.objects.get().disabled_because == "staff"
    assert "The endpoint is not enabled" in text_of(act(staff, ENDPOINTS, "ping_selected", failed))
    assert "is enabled" in text_of(act(staff, ENDPOINTS, "enable_selected", failed))
    assert "on its way" in text_of(act(staff, ENDPOINTS, "ping_selected", failed))
    assert WebhookDelivery.objects.filter(event__type="webhook.ping").count() == 1
