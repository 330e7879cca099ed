"""What of the stock each channel may sell. Only `inventory.sharing` writes it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from inventory.models.catalogue import Sku
from oms.common.models import ClockTime
from oms.merchants.models import Channel, Merchant

MOST_KEPT_BACK = 1_000_000_000


class ChannelShareQuerySet(models.QuerySet["ChannelShare"]):
    """Named queries over shares."""

    def visible_to(self, merchant: Merchant) -> "ChannelShareQuerySet":
        """Those of the merchant's channels; the one place that decides it."""
        return self.filter(channel__merchant=merchant)


class ChannelShare(models.Model):
    """How much of what can be promised a channel may sell of a SKU; without a SKU: of all that have none of their own.

    `inventory.sharing.sellable` says what comes of it; `presale_percent` of what is on order counts as if it were there
    already (`inventory.preselling`). What no longer holds is set to all of the stock rather than
    deleted: `changed_at` tells readers that something changed.
    """

    channel = models.ForeignKey(
        Channel, verbose_name=_("channel"), on_delete=models.PROTECT, related_name="shares", db_index=False
    )
    sku = models.ForeignKey(
        Sku, verbose_name=_("SKU"), null=True, blank=True, on_delete=models.PROTECT, related_name="shares"
    )
    percent = models.PositiveSmallIntegerField(
        _("share (%)"), default=100, help_text=_("Of the units that can be promised, rounded down to whole units.")
    )
    kept_back = models.IntegerField(
        _("kept back"), default=0, help_text=_("Units of the share that the channel does not see.")
    )
    presale_percent = models.PositiveSmallIntegerField(
        _("presale (%)"),
        default=0,
        db_default=0,
        help_text=_("Of the units on order that nobody waits for: so much is sold before it comes. 0: no presale."),
    )
    cap = models.IntegerField(_("at most"), null=True, blank=True, help_text=_("Units; empty: no cap."))
    changed_at = models.DateTimeField(_("changed at"), editable=False)
    changed_by = models.CharField(_("changed by"), max_length=80, editable=False)

    objects = ChannelShareQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel's share of the stock")
        verbose_name_plural = _("channels' shares of the stock")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["channel", "sku"], nulls_distinct=False, name="channel_share_is_said_once"),
            models.CheckConstraint(
                condition=Q(percent__lte=100, presale_percent__lte=100),
                name="channel_share_is_at_most_all",
                violation_error_message=_("Shares are at most 100 percent."),
            ),
            models.CheckConstraint(
                condition=Q(kept_back__gte=0, kept_back__lte=MOST_KEPT_BACK),
                name="channel_share_kept_back_is_sound",
                violation_error_message=_("Units kept back are from 0 to 1,000,000,000."),
            ),
            models.CheckConstraint(
                condition=Q(cap__isnull=True) | Q(cap__gte=0, cap__lte=MOST_KEPT_BACK),
                name="channel_share_cap_is_not_negative",
                violation_error_message=_("The cap is from 0 to 1,000,000,000, or empty for none."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id} {self.sku_id or '*'}: {self.percent} %"


class ComingGoods(models.Model):
    """What orders wait for of a SKU, and how many units of it could be sold ahead when that was looked at last.

    Written by `inventory.preselling` alone. `changed_at` is when `units` last became another number.
    """

    sku = models.OneToOneField(
        Sku, verbose_name=_("SKU"), on_delete=models.CASCADE, primary_key=True, related_name="coming"
    )
    awaited = models.IntegerField(_("units that orders wait for"))
    units = models.IntegerField(_("units to be sold ahead"))
    changed_at = models.DateTimeField(_("changed at"), db_default=ClockTime(), editable=False)

    class Meta:
        verbose_name = _("goods on order")
        verbose_name_plural = _("goods on order")
        constraints = [
            models.CheckConstraint(condition=Q(awaited__gte=0, units__gte=0), name="coming_goods_are_not_negative")
        ]

    def __str__(self) -> str:
        return f"{self.sku_id}: {self.units}"
