"""Parcels in which goods come back from buyers."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from logistics.models.shipment import Shipment
from orders.models import ReturnRequest


class ReturnParcel(models.Model):
    """That a parcel (of the direction `return`) is that of a return; one of a return is current, its waybill is that of
    the return. What a wrong waybill was, stays as one that is not."""

    shipment = models.OneToOneField(
        Shipment, verbose_name=_("shipment"), on_delete=models.PROTECT, related_name="return_parcel", primary_key=True
    )
    return_request = models.ForeignKey(
        ReturnRequest, verbose_name=_("return request"), on_delete=models.PROTECT, related_name="parcels"
    )
    is_current = models.BooleanField(_("current"), default=True, db_default=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("parcel of a return")
        verbose_name_plural = _("parcels of returns")
        ordering = ["-shipment"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["return_request"], condition=Q(is_current=True), name="return_parcel_is_current_once"
            ),
        ]

    def __str__(self) -> str:
        return str(self.shipment)
