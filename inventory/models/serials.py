"""Serial numbers of units that came in."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from inventory.models.catalogue import Sku
from inventory.models.purchasing import ReceiptLine

MOST_OF_A_SERIAL = 64


class ReceivedSerial(models.Model):
    """A unit, by its serial number (序列号), that came with a line of a receipt; of SKUs that have such numbers.

    From outside each comes once; from another warehouse of ours (`by_transfer`) it may come once more.
    """

    line = models.ForeignKey(
        ReceiptLine, verbose_name=_("line of a receipt"), on_delete=models.PROTECT, related_name="serials"
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+", db_index=False)
    serial = models.CharField(_("serial number"), max_length=MOST_OF_A_SERIAL)
    by_transfer = models.BooleanField(_("by a transfer"), db_default=False, default=False)

    class Meta:
        verbose_name = _("serial number of a received unit")
        verbose_name_plural = _("serial numbers of received units")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["serial", "sku"], condition=Q(by_transfer=False), name="received_serial_came_once_from_outside"
            ),
            models.CheckConstraint(condition=~Q(serial=""), name="received_serial_is_not_empty"),
        ]
        indexes = [models.Index(fields=["serial", "sku"], name="received_unit_by_serial")]

    def __str__(self) -> str:
        return self.serial
