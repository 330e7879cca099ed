"""The promotions that lowered an order's price: where each fen of its lines' shares comes from."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from oms.common.models import money
from orders.models.order import Order
from orders.models.order_line import OrderLine


class OrderPromotion(models.Model):
    """A promotion as the channel told of it, with the order's own copy of its rule; amounts in yuan.

    The platform bears `platform_amount`, the merchants of the goods bear the rest.
    """

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="promotions", db_index=False
    )
    position = models.SmallIntegerField(_("position"))
    code = models.CharField(_("code"), max_length=64)
    name = models.CharField(_("name"), max_length=120, blank=True, default="")
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    amount = money(_("amount"))
    platform_amount = money(_("borne by the platform"))
    covered = ArrayField(
        models.SmallIntegerField(), verbose_name=_("covers lines"), default=list, help_text=_("Positions; none: all.")
    )

    class Meta:
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ["order", "position"]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="promotion_position_is_unique"),
            models.UniqueConstraint(fields=["order", "code"], name="promotion_is_once_in_its_order"),
            models.CheckConstraint(
                condition=Q(platform_amount__gte=0, platform_amount__lte=F("amount")),
                name="promotion_platform_bears_a_part",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.code

    @property
    def merchant_amount(self) -> Decimal:
        """What the merchants of the goods bear of it (yuan)."""
        return self.amount - self.platform_amount


class PromotionShare(models.Model):
    """What a line carries of a promotion (yuan), and how much of that the platform bears."""

    promotion = models.ForeignKey(
        OrderPromotion, verbose_name=_("promotion"), on_delete=models.PROTECT, related_name="shares", db_index=False
    )
    line = models.ForeignKey(
        OrderLine, verbose_name=_("order line"), on_delete=models.PROTECT, related_name="promotion_shares"
    )
    amount = money(_("amount"))
    platform_amount = money(_("borne by the platform"))

    class Meta:
        verbose_name = _("share of a promotion")
        verbose_name_plural = _("shares of promotions")
        constraints = [
            models.UniqueConstraint(fields=["promotion", "line"], name="promotion_share_is_unique"),
            models.CheckConstraint(
                condition=Q(amount__gt=0, platform_amount__gte=0, platform_amount__lte=F("amount")),
                name="promotion_share_platform_bears_a_part",
            ),
        ]

    def __str__(self) -> str:
        return str(self.amount)

    @property
    def merchant_amount(self) -> Decimal:
        """What the merchant of the line's goods bears of it (yuan)."""
        return self.amount - self.platform_amount
