"""Webhooks may reach this machine here."""

from typing import Any

import pytest
from django.db import connection

from oms.common.secrecy import unseal
from oms.merchants.models import Merchant, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import endpoints, serving


@pytest.fixture(autouse=True)
def _this_machine_is_allowed(settings: Any) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = True
    settings.WEBHOOKS_ALLOW_HTTP = True
    settings.WEBHOOKS_TIMEOUT_SECONDS = 10.0
    settings.WEBHOOKS_CONNECT_TIMEOUT_SECONDS = 5.0


def subscribe(
    merchant: Merchant, url: str = "http://127.0.0.1:40009/hook", *types: str, contact_email: str = ""
) -> WebhookEndpoint:
    """An endpoint of the merchant; for everything unless types are given."""
    return endpoints.create(merchant, url=url, event_types=types or ("*",), contact_email=contact_email)[0]


def secret_of(endpoint: WebhookEndpoint) -> str:
    """What the merchant was shown."""
    return unseal(WebhookEndpoint.objects.get(pk=endpoint.pk).secret)


def make_due(*deliveries: WebhookDelivery) -> None:
    """Time passes: what waits for its next try, and endpoints that rest, are due."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE merchants_webhookdelivery SET ready_at = statement_timestamp() - interval '1 s', lease_until = NULL"
            " WHERE state = 'pending' AND (%s OR id = ANY(%s))",
            [not deliveries, [delivery.pk for delivery in deliveries]],
        )
        cursor.execute("UPDATE merchants_webhookendpoint SET paused_until = NULL")


def send() -> int:
    """Try what is due, once."""
    return serving.run(500)
