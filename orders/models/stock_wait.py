"""Who waits for stock, where, and since when."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from inventory.models import Sku, Warehouse
from orders.models.sub_order import SubOrder


class StockWait(models.Model):
    """A backordered sub-order that waits for units of a SKU at a warehouse that may send them to it.

    It has one for each of its short SKUs and each warehouse that sourcing named, so that units which come in anywhere
    find who waits for them longest. It loses them when it gets its goods, is cancelled or held. `tried_at` is when it
    last found too little: units that came after that are its next chance.
    """

    # Rows come and go with every shortage, and the statement that writes them read all that they name.
    pk = models.CompositePrimaryKey("sub_order_id", "sku_id", "warehouse_id")
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        related_name="stock_waits",
        db_index=False,
        db_constraint=False,
    )
    sku = models.ForeignKey(
        Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    units = models.IntegerField(_("units"))
    since = models.DateTimeField(_("waiting since"))
    tried_at = models.DateTimeField(_("tried at"))

    class Meta:
        verbose_name = _("wait for stock")
        verbose_name_plural = _("waits for stock")
        constraints = [models.CheckConstraint(condition=Q(units__gt=0), name="stock_wait_units_are_positive")]
        indexes = [models.Index(fields=["warehouse", "sku", "since", "sub_order"], name="stock_wait_longest_first")]

    def __str__(self) -> str:
        return f"{self.sub_order_id}: {self.units}"
