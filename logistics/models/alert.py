"""What is late."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from logistics.models.shipment import Shipment
from logistics.models.warehouse_order import WarehouseOrder
from orders.models import SubOrder


class LogisticsAlert(models.Model):
    """A warehouse order or parcel that did not get its next event in time. Opened once, escalated, closed by news."""

    class Kind(models.TextChoices):
        WAREHOUSE_LATE = "warehouse_late", _("Warehouse late")
        DISPATCH_LATE = "dispatch_late", _("Waybill late")
        NO_PICKUP = "no_pickup", _("Not picked up")
        NO_NEWS = "no_news", _("No news")
        NOT_SIGNED = "not_signed", _("Not signed for")

    class Level(models.IntegerChoices):
        WARNING = 1, _("Warning")
        EXCEPTION = 2, _("Exception")
        CRITICAL = 3, _("Critical")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    level = models.SmallIntegerField(_("level"), choices=Level.choices, default=Level.WARNING)
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="alerts"
    )
    warehouse_order = models.ForeignKey(
        WarehouseOrder,
        verbose_name=_("warehouse order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="alerts",
        db_index=False,
    )
    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), null=True, blank=True, on_delete=models.PROTECT, related_name="alerts"
    )
    due_at = models.DateTimeField(_("was due at"))
    opened_at = models.DateTimeField(_("opened at"), db_default=Now(), editable=False)
    escalated_at = models.DateTimeField(_("escalated at"), null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_by = models.CharField(_("closed by"), max_length=80, db_default="", blank=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("assigned to"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        verbose_name = _("logistics alert")
        verbose_name_plural = _("logistics alerts")
        ordering = ["-level", "opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["warehouse_order", "kind"],
                condition=Q(closed_at__isnull=True, warehouse_order__isnull=False),
                name="alert_opens_once_for_a_warehouse_order",
            ),
            models.UniqueConstraint(
                fields=["shipment", "kind"],
                condition=Q(closed_at__isnull=True, shipment__isnull=False),
                name="alert_opens_once_for_a_shipment",
            ),
        ]
        indexes = [models.Index(fields=["-level", "opened_at"], condition=Q(closed_at__isnull=True), name="alert_open")]

    def __str__(self) -> str:
        return self.get_kind_display()
