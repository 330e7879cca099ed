"""What a connection's options and the site's own address make of a request to a provider."""

from django.conf import settings
from django.urls import reverse

from oms.common.models import Connection
from payments.providers import Charge

# What the buyer reads beside the amount; `options.subject` of the connection replaces it.
SUBJECT = "订单 {order}"


def notify_url(link: Connection) -> str:
    """Where the provider tells us what happened; empty where this site has no public address: then we only ask."""
    return f"{settings.PUBLIC_URL}{reverse('callback', args=[link.code])}" if settings.PUBLIC_URL else ""


def subject(link: Connection, charge: Charge) -> str:
    """What the buyer reads of a charge."""
    return str(link.options.get("subject") or SUBJECT).replace("{order}", charge.order or charge.reference)
