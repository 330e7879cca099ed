"""Orders that follow from another order."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order


class LinkKind(models.TextChoices):
    """Why an order follows from another one."""

    REISSUE = "reissue", _("Re-issue")
    EXCHANGE = "exchange", _("Exchange")


class CostBearer(models.TextChoices):
    """Who bears what such an order costs."""

    PLATFORM = "platform", _("Platform")
    MERCHANT = "merchant", _("Merchant")
    CARRIER = "carrier", _("Carrier")
    WAREHOUSE = "warehouse", _("Warehouse")
    BUYER = "buyer", _("Buyer")


class ReissueReason(models.TextChoices):
    """Why something is sent again."""

    MISSING = "missing", _("Missing in the parcel")
    DAMAGED = "damaged", _("Arrived damaged")
    WRONG = "wrong", _("Wrong goods")
    LOST = "lost", _("Lost on the way")
    QUALITY = "quality", _("Quality")
    GOODWILL = "goodwill", _("Goodwill")
    OTHER = "other", _("Other")
    GIFT = "gift", _("Gift by a rule")


# What people may give as a reason; the other one is of gift rules.
BY_PEOPLE = tuple(reason for reason in ReissueReason if reason != ReissueReason.GIFT)


class OrderLink(models.Model):
    """What an order follows from: the original order, why, and who bears the cost. Never changed."""

    order = models.OneToOneField(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, primary_key=True, related_name="link"
    )
    original = models.ForeignKey(
        Order, verbose_name=_("original order"), on_delete=models.PROTECT, related_name="followers"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=LinkKind)
    reason = models.CharField(
        _("reason"),
        max_length=10,
        choices=ReissueReason,
        blank=True,
        default="",
        db_default="",
        help_text=_("Of an exchange the return says it."),
    )
    note = models.CharField(_("note"), max_length=200, blank=True, db_default="", default="")
    bearer = models.CharField(_("who bears the cost"), max_length=10, choices=CostBearer)
    units = models.JSONField(_("units"), help_text=_("Units of the original order's lines, by position."))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.CharField(_("created by"), max_length=80)

    class Meta:
        verbose_name = _("order that follows")
        verbose_name_plural = _("orders that follow")
        ordering = ["-order"]
        permissions = [("reissue_order", _("Can send goods again"))]
        constraints = [
            models.CheckConstraint(condition=~Q(order=F("original")), name="order_link_is_between_two_orders"),
            models.CheckConstraint(condition=Q(kind__in=LinkKind.values), name="order_link_kind_is_known"),
            models.CheckConstraint(condition=Q(bearer__in=CostBearer.values), name="order_link_bearer_is_known"),
            models.CheckConstraint(
                condition=Q(reason__in=ReissueReason.values) | Q(kind=LinkKind.EXCHANGE, reason=""),
                name="order_link_reason_is_known",
            ),
        ]

    def __str__(self) -> str:
        return str(self.order_id)
