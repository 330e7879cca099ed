"""What stands on a parcel's label beside the waybill."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from logistics.models.shipment import Shipment
from oms.common import secrecy


class ShipmentLabel(models.Model):
    """What the carrier gave with a waybill for the label: how it sorts the parcel, and its own template with the
    recipient, which is kept sealed."""

    shipment = models.OneToOneField(
        Shipment, verbose_name=_("shipment"), on_delete=models.CASCADE, primary_key=True, related_name="label"
    )
    destination_mark = models.CharField(_("destination mark"), max_length=60, db_default="", blank=True)
    sorting_code = models.CharField(_("sorting code"), max_length=60, db_default="", blank=True)
    package_code = models.CharField(_("package code"), max_length=60, db_default="", blank=True)
    package_name = models.CharField(_("package name"), max_length=60, db_default="", blank=True)
    origin_code = models.CharField(_("origin branch's code"), max_length=60, db_default="", blank=True)
    origin_name = models.CharField(_("origin branch"), max_length=60, db_default="", blank=True)
    destination_code = models.CharField(_("destination branch's code"), max_length=60, db_default="", blank=True)
    destination_name = models.CharField(_("destination branch"), max_length=60, db_default="", blank=True)
    template = secrecy.SealedField(_("template"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("label of a shipment")
        verbose_name_plural = _("labels of shipments")
        default_permissions = ()

    def __str__(self) -> str:
        return self.destination_mark or str(self.shipment_id)
