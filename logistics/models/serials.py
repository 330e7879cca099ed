"""Serial numbers of units that were sent."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Sku
from inventory.models.serials import MOST_OF_A_SERIAL
from logistics.models.shipment import Shipment
from logistics.models.warehouse_order import WarehouseOrder
from orders.models import SubOrderLine


class UnitSerial(models.Model):
    """A unit, by its serial number (序列号), that a warehouse packed for a line; of SKUs that have such numbers.
    Without a shipment nobody said in which parcel it is.

    What a warehouse says is written down, also where it cannot be: the same number twice opens a ticket.
    """

    warehouse_order = models.ForeignKey(
        WarehouseOrder,
        verbose_name=_("warehouse order"),
        on_delete=models.PROTECT,
        related_name="serials",
        db_index=False,
    )
    sub_order_line = models.ForeignKey(
        SubOrderLine, verbose_name=_("sub-order line"), on_delete=models.PROTECT, related_name="serials"
    )
    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), null=True, blank=True, on_delete=models.PROTECT, related_name="serials"
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+", db_index=False)
    serial = models.CharField(_("serial number"), max_length=MOST_OF_A_SERIAL)
    told_at = models.DateTimeField(_("told at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("serial number of a unit")
        verbose_name_plural = _("serial numbers of units")
        ordering = ["id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["warehouse_order", "sku", "serial"], name="unit_serial_is_told_once"),
            models.CheckConstraint(condition=~Q(serial=""), name="unit_serial_is_not_empty"),
        ]
        indexes = [models.Index(fields=["serial", "sku"], name="unit_by_serial")]

    def __str__(self) -> str:
        return self.serial
