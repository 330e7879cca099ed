"""What warehouse systems say of their stock, beside what the books say."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models.catalogue import Sku, Warehouse
from inventory.models.lots import Quality


class StockComparison(models.Model):
    """A report of a warehouse's system, compared: nothing is overwritten by it."""

    warehouse = models.ForeignKey(Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+")
    reported_at = models.DateTimeField(_("reported at"))
    compared = models.IntegerField(_("figures compared"))
    differing = models.IntegerField(_("figures that differ"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("stock comparison")
        verbose_name_plural = _("stock comparisons")
        ordering = ["-id"]
        indexes = [models.Index(fields=["warehouse", "reported_at"], name="stock_comparison_of_warehouse")]

    def __str__(self) -> str:
        return f"{self.warehouse_id} {self.reported_at:%Y-%m-%d %H:%M}"


class StockDifference(models.Model):
    """A figure that differs: units of a SKU and quality as the books had them at the moment of the report, and as it
    says. A code that means no SKU of ours stands as it was told."""

    comparison = models.ForeignKey(
        StockComparison, verbose_name=_("stock comparison"), on_delete=models.CASCADE, related_name="differences"
    )
    sku = models.ForeignKey(
        Sku, verbose_name=_("SKU"), null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    code = models.CharField(_("SKU code"), max_length=64)
    quality = models.CharField(_("quality"), max_length=12, choices=Quality.choices)
    ours = models.IntegerField(_("in the books"))
    theirs = models.IntegerField(_("at the warehouse"))

    class Meta:
        verbose_name = _("stock difference")
        verbose_name_plural = _("stock differences")
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=~Q(ours=F("theirs")), name="stock_difference_differs")]

    def __str__(self) -> str:
        return f"{self.code}: {self.ours} / {self.theirs}"
