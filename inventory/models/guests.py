"""Whose goods, besides its owner's, a warehouse keeps and sends."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models.catalogue import Warehouse
from oms.common.models import Versioned
from oms.merchants.models import Merchant


class WarehouseGuest(Versioned):
    """A merchant's stay in a warehouse of another one (商家入仓): meanwhile its goods are kept, counted and sent there
    as its own. See `inventory.hosting`."""

    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="guests", db_index=False
    )
    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="stays", db_index=False
    )
    began_at = models.DateTimeField(_("since"), db_default=Now(), editable=False)
    began_by = models.CharField(_("begun by"), max_length=80, blank=True, default="", editable=False)
    ended_at = models.DateTimeField(_("until"), null=True, blank=True, editable=False)
    ended_by = models.CharField(_("ended by"), max_length=80, blank=True, default="", db_default="", editable=False)

    class Meta:
        verbose_name = _("goods of a merchant in a warehouse")
        verbose_name_plural = _("goods of merchants in warehouses")
        ordering = ["-id"]
        permissions = [("end_warehouseguest", _("Can end that a warehouse keeps goods of a merchant"))]
        constraints = [
            models.UniqueConstraint(
                fields=["warehouse", "merchant"],
                condition=Q(ended_at__isnull=True),
                name="warehouse_guest_stays_once_at_a_time",
                violation_error_message=_("The merchant's goods lie in this warehouse already."),
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("began_at")),
                name="warehouse_guest_ends_after_it_began",
                violation_error_message=_("The stay ends after it began: give a later end."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.warehouse.code} · {self.merchant}"
