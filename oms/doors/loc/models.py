"""What the LOC interface (京东入鼎) remembers of an order that came by it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from oms.merchants.models import Merchant
from orders.models import Order


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
