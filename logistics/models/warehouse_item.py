"""Which goods warehouse systems know."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Sku
from oms.common.models import Connection


class WarehouseItem(models.Model):
    """A SKU that a warehouse system was told of, which some want before they are asked to send it.

    `told` stands for what was told, so that it is told again once it changed; empty while it was not taken. `their_id`
    is what the system calls it, where it says so; `refusal` why it did not take it the last time.
    """

    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+")
    told = models.CharField(_("what was told"), max_length=32, db_default="", blank=True, editable=False)
    their_id = models.CharField(_("what the system calls it"), max_length=60, db_default="", blank=True)
    refusal = models.CharField(_("why it was refused"), max_length=300, db_default="", blank=True)
    told_at = models.DateTimeField(_("told at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("SKU of a warehouse system")
        verbose_name_plural = _("SKUs of warehouse systems")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["connection", "sku"], name="warehouse_item_is_told_once"),
            models.CheckConstraint(
                condition=models.Q(told="") | models.Q(refusal=""), name="warehouse_item_is_taken_or_refused"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku_id} @ {self.connection_id}"
