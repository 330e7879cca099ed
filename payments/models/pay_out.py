"""Refunds that finance paid another way than the money had come."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models import money
from oms.common.secrecy import SealedField
from payments.models.refund import Refund


class PayOut(models.Model):
    """Proof that money of a refund was paid by hand: `serial` is the bank's own number, by which its statement shows
    it, `scan` the slip, sealed. Rows are only ever added."""

    refund = models.ForeignKey(Refund, verbose_name=_("refund"), on_delete=models.PROTECT, related_name="pay_outs")
    amount = money(_("amount"))
    serial = models.CharField(_("bank serial number"), max_length=64, db_default="", blank=True)
    note = models.CharField(_("note"), max_length=200)
    scan = SealedField(_("scan"), null=True, blank=True, editable=False)
    scan_type = models.CharField(_("kind of scan"), max_length=40, blank=True, db_default="", editable=False)
    paid_by = models.CharField(_("paid by"), max_length=80, editable=False)
    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("payment by hand")
        verbose_name_plural = _("payments by hand")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["serial"], condition=~Q(serial=""), name="pay_out_serial_counts_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="pay_out_amount_is_positive"),
        ]

    def __str__(self) -> str:
        return self.serial or str(self.refund)
