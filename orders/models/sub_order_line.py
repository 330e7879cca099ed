"""The lines of a sub-order: which units of which order line it has."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from orders.models.order_line import OrderLine
from orders.models.shares import CarriesShares, shares_add_up
from orders.models.sub_order import SubOrder


class SubOrderLine(CarriesShares):
    """Units of an order line in a sub-order, with the part of the line's money that they carry (yuan)."""

    # Nothing of an order is ever deleted, and the statements that write lines read or write both rows themselves:
    # checking every line once more cost a tenth of the pipeline. `check_invariants` proves it.
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        related_name="lines",
        db_index=False,
        db_constraint=False,
    )
    order_line = models.ForeignKey(
        OrderLine, verbose_name=_("order line"), on_delete=models.PROTECT, related_name="parts", db_constraint=False
    )
    quantity = models.IntegerField(_("quantity"))
    returned_quantity = models.IntegerField(
        _("given back"), db_default=0, default=0, help_text=_("Units that came back while others stayed.")
    )
    returning_quantity = models.IntegerField(
        _("in open returns"), db_default=0, default=0, help_text=_("Units of returns that are not paid back yet.")
    )

    class Meta:
        verbose_name = _("sub-order line")
        verbose_name_plural = _("sub-order lines")
        ordering = ["sub_order", "order_line"]
        constraints = [
            models.UniqueConstraint(fields=["sub_order", "order_line"], name="sub_order_line_is_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="sub_order_line_is_not_empty"),
            models.CheckConstraint(
                condition=Q(
                    returned_quantity__gte=0,
                    returning_quantity__gte=0,
                    returned_quantity__lte=F("quantity") - F("returning_quantity"),
                ),
                name="sub_order_line_gives_back_what_it_has",
            ),
            shares_add_up("sub_order_line_shares_add_up"),
        ]

    def __str__(self) -> str:
        return f"{self.sub_order_id}: {self.quantity}"
