"""Links to the pages that buyers have of an order: signed, so that nobody makes one up, and over after a while."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse

from orders.models import Order


@dataclass(frozen=True, slots=True)
class OrderLinks:
    """The links to one kind of page: its name among the addresses, what keeps its signatures apart from those of other
    pages, and how long a link is valid."""

    page: str
    salt: str
    valid: timedelta

    def path_of(self, order: Order) -> str:
        """The path of the order's page, valid from now on."""
        return reverse(self.page, args=[self._signer.sign(order.number)])

    def address_of(self, order: Order) -> str:
        """The whole address of the page, where this site knows its own; else the path."""
        return f"{settings.PUBLIC_URL}{self.path_of(order)}"

    def order_of(self, token: str) -> Order | None:
        """The order that a link is about; None for one that was made up, or is over."""
        try:
            number = self._signer.unsign(token, max_age=self.valid)
        except signing.BadSignature:
            return None
        return Order.objects.filter(number=number).first()

    @property
    def _signer(self) -> signing.TimestampSigner:
        return signing.TimestampSigner(salt=self.salt)
