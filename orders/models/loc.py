"""What merchants who speak the LOC interface (京东入鼎) left beside their orders."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.merchants.models import Merchant
from orders.models.order import Order


class LocOrderQuerySet(models.QuerySet["LocOrder"]):
    """Named queries over orders that came by the LOC interface."""

    def visible_to(self, merchant: Merchant) -> "LocOrderQuerySet":
        """Those that the merchant's channels sent; the one place that decides it."""
        return self.filter(order__channel__merchant=merchant)


class LocOrder(models.Model):
    """That an order came by the LOC interface, and in which content, to know it again."""

    order = models.OneToOneField(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="loc")
    content_digest = models.BinaryField(_("digest of the content"), max_length=32)
    merchant_delivers = models.BooleanField(
        _("merchant delivers"), default=False, help_text=_("Virtual goods: the merchant sends code, link or account.")
    )

    objects = LocOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("LOC order")
        verbose_name_plural = _("LOC orders")

    def __str__(self) -> str:
        return str(self.order_id)


class BuyerNotification(models.Model):
    """A message to a buyer that a merchant asked for. It waits for a sender: no channel to buyers is connected yet."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="notifications", db_index=False
    )
    buyer_reference = models.CharField(_("buyer"), max_length=64)
    kind = models.CharField(_("kind"), max_length=40)
    message = models.CharField(_("message"), max_length=2000)
    delivery_info = models.JSONField(_("delivery"), null=True, blank=True)
    confirm_url = models.CharField(_("address to confirm"), max_length=500, blank=True, default="")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, db_default=State.QUEUED)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("message to a buyer")
        verbose_name_plural = _("messages to buyers")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "sent", "failed"]), name="buyer_notification_state_is_known"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-id"], name="notification_of_merchant")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
