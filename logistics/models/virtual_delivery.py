"""What buyers of virtual goods got."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common import secrecy
from orders.models import SubOrder


class VirtualDelivery(models.Model):
    """A code, link or account delivered to the buyer of a virtual good. It is kept sealed; staff see the hint."""

    class Kind(models.TextChoices):
        ACTIVATION_CODE = "activation_code", _("Activation code")
        DOWNLOAD_LINK = "download_link", _("Download link")
        ACCOUNT = "account", _("Account")

    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        related_name="virtual_deliveries",
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    content = secrecy.SealedField(_("content"))
    hint = models.CharField(_("hint"), max_length=80, blank=True, default="", editable=False)
    delivered_at = models.DateTimeField(_("delivered at"), db_default=Now(), editable=False)
    confirmed_at = models.DateTimeField(_("receipt confirmed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("virtual delivery")
        verbose_name_plural = _("virtual deliveries")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["sub_order"], name="virtual_delivery_once_a_sub_order"),
        ]

    def __str__(self) -> str:
        return f"{self.sub_order_id}"

    def opened(self) -> str:
        """What the buyer gets, as text; for the way to the buyer only. Raises cryptography.fernet.InvalidToken."""
        return secrecy.unseal(self.content)
