"""What the search box finds orders by whose addresses have some words in them."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order


class AddressWords(models.Model):
    """The pairs of neighbouring characters in an order's address, each as a number (see `intake.address_words`)."""

    # Without a foreign key's cost: rows are only ever read through the orders that the search names.
    order = models.OneToOneField(
        Order,
        verbose_name=_("order"),
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="address_words",
        db_constraint=False,
    )
    pairs = ArrayField(models.IntegerField(), verbose_name=_("pairs of characters"))

    class Meta:
        verbose_name = _("words of an address")
        verbose_name_plural = _("words of addresses")
        default_permissions = ()
        indexes = [GinIndex(fields=["pairs"], name="address_words_by_pair")]

    def __str__(self) -> str:
        return str(self.order_id)
