"""Links by which buyers get their virtual goods, one a sub-order: signed, and over after a while."""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse

from orders.models import SubOrder

VALID = timedelta(days=180)
_SIGNER = signing.TimestampSigner(salt="logistics.virtual")


def path_of(part: SubOrder) -> str:
    """The path of the sub-order's page, valid from now on."""
    return reverse("good", args=[_SIGNER.sign(part.number)])


def address_of(part: SubOrder) -> str:
    """The whole address of the page, where this site knows its own; else the path."""
    return f"{settings.PUBLIC_URL}{path_of(part)}"


def part_of(token: str) -> SubOrder | None:
    """The sub-order that a link is about; None for one that was made up, or is over."""
    try:
        number = _SIGNER.unsign(token, max_age=VALID)
    except signing.BadSignature:
        return None
    return SubOrder.objects.select_related("order").filter(number=number).first()
