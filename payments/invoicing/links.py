"""Links by which buyers ask for invoices and fetch them: signed, so that nobody makes one up, and over in the end."""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse

from orders.models import Order

VALID = timedelta(days=180)
_SIGNER = signing.TimestampSigner(salt="payments.invoicing")


def path_of(order: Order) -> str:
    """The path of the page of the order's invoices, valid from now on for `VALID`."""
    return reverse("invoice", args=[_SIGNER.sign(order.number)])


def address_of(order: Order) -> str:
    """The whole address of the page, where this site knows its own; else the path."""
    return f"{settings.PUBLIC_URL}{path_of(order)}"


def order_of(token: str) -> Order | None:
    """The order that a link is about; None for one that was made up, or is over."""
    try:
        number = _SIGNER.unsign(token, max_age=VALID)
    except signing.BadSignature:
        return None
    return Order.objects.filter(number=number).first()
