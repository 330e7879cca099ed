"""What the LOC interface (京东入鼎) remembers of an order that came by it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oms.merchants.models import Merchant
from orders.models import BuyerNotification, Order


class LocOrderQuerySet(models.QuerySet["LocOrder"]):
    """Named queries over orders that came by the LOC interface."""

    def visible_to(self, merchant: Merchant) -> "LocOrderQuerySet":
        """Those that the merchant's channels sent; the one place that decides it."""
        return self.filter(order__channel__merchant=merchant)


class LocOrder(models.Model):
    """That an order came by the LOC interface, and in which content, to know it again."""

    order = models.OneToOneField(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="loc")
    content_digest = models.BinaryField(_("digest of the content"), max_length=32)

    objects = LocOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("LOC order")
        verbose_name_plural = _("LOC orders")

    def __str__(self) -> str:
        return str(self.order_id)


class LocMessage(models.Model):
    """That a message to a buyer came by the LOC interface, and about which order, to know it again.

    What it says is sealed and cannot be compared by the database; whoever adds one holds the order's lock.
    """

    message = models.OneToOneField(
        BuyerNotification, verbose_name=_("message to a buyer"), on_delete=models.CASCADE, related_name="loc"
    )
    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="loc_messages", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=40)
    names_order = models.BooleanField(
        _("names the order"), help_text=_("Otherwise it was taken to be about the buyer's newest order.")
    )

    class Meta:
        verbose_name = _("LOC message")
        verbose_name_plural = _("LOC messages")
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind"], condition=Q(names_order=True), name="loc_message_is_sent_once_an_order"
            )
        ]
        indexes = [models.Index(fields=["order", "kind"], name="loc_message_of_order")]

    def __str__(self) -> str:
        return str(self.message_id)
