"""What a unit of a SKU costs, from a day on."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models.catalogue import Sku
from oms.common.models import money


class SkuCost(models.Model):
    """The cost price of a SKU's unit (yuan) from a day (China's) until the day of the next one. Before the first one
    nobody knows it. Only `inventory.costing` writes it."""

    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="costs", db_index=False)
    valid_from = models.DateField(_("in force from"))
    cost = money(_("cost price"))
    entered_by = models.CharField(_("entered by"), max_length=80, db_default="", blank=True, editable=False)
    entered_at = models.DateTimeField(_("entered at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("cost price")
        verbose_name_plural = _("cost prices")
        ordering = ["-id"]
        default_permissions = ("view", "add")
        constraints = [
            models.UniqueConstraint(fields=["sku", "valid_from"], name="sku_cost_is_one_a_day"),
            models.CheckConstraint(
                condition=Q(cost__gte=0),
                name="sku_cost_is_not_negative",
                violation_error_message=_("The cost is 0 or more."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku_id} {self.valid_from}: {self.cost}"
