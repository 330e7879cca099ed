"""What buyers of virtual goods got."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common import secrecy
from orders.models import ActorKind, SubOrder


class VirtualDelivery(models.Model):
    """A code, link or account delivered to the buyer of a virtual good. It is kept sealed; staff see the hint.

    Codes of the stock stay where they are (`VirtualCode`); of the kind `CODES` there is content only beside them.
    `to_settle_since` is set by the database when units of it are cancelled or come back, until
    `logistics.virtual.settling` has seen to their codes.
    """

    class Kind(models.TextChoices):
        ACTIVATION_CODE = "activation_code", _("Activation code")
        DOWNLOAD_LINK = "download_link", _("Download link")
        ACCOUNT = "account", _("Account")
        CODES = "codes", _("Codes of the stock")

    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        related_name="virtual_deliveries",
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    content = secrecy.SealedField(_("content"), null=True)
    hint = models.CharField(_("hint"), max_length=80, blank=True, default="", editable=False)
    delivered_at = models.DateTimeField(_("delivered at"), db_default=Now(), editable=False)
    revealed_at = models.DateTimeField(_("first looked at"), null=True, blank=True, editable=False)
    confirmed_at = models.DateTimeField(_("receipt confirmed at"), null=True, blank=True)
    taken_back_at = models.DateTimeField(_("taken back at"), null=True, blank=True, editable=False)
    to_settle_since = models.DateTimeField(_("to settle since"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("virtual delivery")
        verbose_name_plural = _("virtual deliveries")
        ordering = ["-id"]
        permissions = [
            ("reveal_virtualdelivery", _("Can look at what buyers of virtual goods got")),
            ("take_back_virtualdelivery", _("Can take back virtual goods that nobody has looked at")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["sub_order"], name="virtual_delivery_once_a_sub_order"),
            models.CheckConstraint(
                condition=Q(kind="codes") | Q(content__isnull=False),
                name="virtual_delivery_has_content_or_codes",
            ),
        ]
        indexes = [
            models.Index(
                fields=["to_settle_since"],
                condition=Q(to_settle_since__isnull=False),
                name="virtual_delivery_to_settle",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sub_order_id}"

    def opened(self) -> str:
        """What the buyer gets, as text, where it is no code of the stock; for the way to the buyer only. Raises
        cryptography.fernet.InvalidToken."""
        assert self.content is not None  # noqa: S101 - for the type checker; codes are opened by `revealing`
        return secrecy.unseal(self.content)


class Reveal(models.Model):
    """That somebody looked at what a buyer of virtual goods got: the buyer, or staff with a reason. Never changed."""

    delivery = models.ForeignKey(
        VirtualDelivery, verbose_name=_("virtual delivery"), on_delete=models.PROTECT, related_name="reveals"
    )
    actor_kind = models.CharField(_("kind of actor"), max_length=10, choices=ActorKind.choices)
    actor = models.CharField(_("actor"), max_length=80)
    reason = models.CharField(_("reason"), max_length=200, db_default="", blank=True)
    revealed_at = models.DateTimeField(_("looked at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("look at virtual goods")
        verbose_name_plural = _("looks at virtual goods")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(actor_kind=ActorKind.BUYER) | ~Q(reason=""), name="reveal_by_others_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.actor}"
