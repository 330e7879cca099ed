"""What carriage of a parcel comes to: reckoned, by its weight, and billed. Amounts are whole fen."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from logistics.models.shipment import Shipment


class ParcelFreight(models.Model):
    """The freight of a parcel: `estimated_fen` by what its goods should weigh, `weighed_fen` by what the warehouse
    weighed, both by the freight tables when it got its waybill (empty: they know nothing of it); `billed_fen` is what
    the carrier's bills have so far, and `billed_g` the weight that they count."""

    shipment = models.OneToOneField(
        Shipment, verbose_name=_("shipment"), on_delete=models.PROTECT, primary_key=True, related_name="freight"
    )
    service = models.CharField(_("service"), max_length=10, db_default="", blank=True)
    estimated_g = models.IntegerField(_("estimated weight counted (g)"), null=True, blank=True)
    estimated_fen = models.BigIntegerField(_("estimated freight (fen)"), null=True, blank=True)
    weighed_g = models.IntegerField(_("weighed (g)"), null=True, blank=True)
    weighed_fen = models.BigIntegerField(_("freight by weight (fen)"), null=True, blank=True)
    billed_g = models.IntegerField(_("billed weight (g)"), null=True, blank=True)
    billed_fen = models.BigIntegerField(_("billed freight (fen)"), db_default=0)
    billed_rows = models.SmallIntegerField(_("rows of bills"), db_default=0)

    class Meta:
        verbose_name = _("freight of a parcel")
        verbose_name_plural = _("freight of parcels")
        ordering = ["-shipment"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(billed_fen__gte=0, billed_rows__gte=0), name="parcel_freight_billed_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return str(self.shipment_id)

    @property
    def expected_fen(self) -> int | None:
        """What the bill should have: by weight where it was weighed, else as estimated; None where nobody can say."""
        return self.estimated_fen if self.weighed_fen is None else self.weighed_fen
