"""Serial numbers of units that came back."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Sku
from inventory.models.serials import MOST_OF_A_SERIAL
from orders.models.return_request import ReturnLine


class ReturnedSerial(models.Model):
    """A unit, by its serial number (序列号), that inspection found in what came back: it may be sold again. Units of
    repairs, which go back to their buyer, are not kept here."""

    line = models.ForeignKey(
        ReturnLine, verbose_name=_("return line"), on_delete=models.PROTECT, related_name="serials", db_index=False
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+", db_index=False)
    serial = models.CharField(_("serial number"), max_length=MOST_OF_A_SERIAL)
    told_at = models.DateTimeField(_("told at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("serial number of a returned unit")
        verbose_name_plural = _("serial numbers of returned units")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["line", "serial"], name="returned_serial_is_told_once"),
            models.CheckConstraint(condition=~Q(serial=""), name="returned_serial_is_not_empty"),
        ]
        indexes = [models.Index(fields=["serial", "sku"], name="returned_unit_by_serial")]

    def __str__(self) -> str:
        return self.serial
