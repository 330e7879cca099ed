"""The lines of an order: what was bought, at which price."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from inventory.models import Sku
from oms.common.models import money
from orders.models.order import Order
from orders.models.shares import CarriesShares, shares_add_up


class OrderLine(CarriesShares):
    """One SKU of an order, with its price and its share of every order-level amount (yuan)."""

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    position = models.SmallIntegerField(_("position"))
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="order_lines")
    name = models.CharField(_("name"), max_length=200)
    # The code by which the caller named the goods; empty where it is the SKU's own.
    caller_code = models.CharField(_("caller's code"), max_length=64, db_default="", default="", blank=True)
    # Of how many units the caller's piece consists; of which line, by its position, that of a bundle's further part is.
    units_a_piece = models.IntegerField(_("units a piece"), db_default=1, default=1)
    part_of = models.SmallIntegerField(_("part of line"), null=True, blank=True)
    quantity = models.IntegerField(_("quantity"))
    unit_price = money(_("unit price"))
    line_discount = money(_("line discount"))
    # As the caller calls the line; empty where it does not.
    external_id = models.CharField(_("caller's line id"), max_length=64, db_default="", default="", blank=True)
    is_gift = models.BooleanField(_("gift"), db_default=False, default=False)
    stated_value = money(_("stated value"), db_default=0, default=0)

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ["order", "position"]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="order_line_position_is_unique"),
            models.UniqueConstraint(
                fields=["order", "external_id"], condition=~Q(external_id=""), name="order_line_external_id_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(is_gift=False, stated_value=0) | Q(is_gift=True, unit_price=0, stated_value__gte=0),
                name="order_line_gift_costs_nothing",
            ),
            models.CheckConstraint(
                condition=Q(
                    quantity__gt=0,
                    unit_price__gte=0,
                    line_discount__gte=0,
                    goods_amount=F("quantity") * F("unit_price") - F("line_discount"),
                ),
                name="order_line_goods_amount_adds_up",
            ),
            models.CheckConstraint(condition=Q(units_a_piece__gte=1), name="order_line_piece_has_some_units"),
            shares_add_up("order_line_shares_add_up"),
        ]
        indexes = [
            models.Index(
                fields=["caller_code", "-id"], condition=~Q(caller_code=""), name="order_line_by_callers_code"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} × {self.quantity}"

    @property
    def sku_code(self) -> str:
        """The SKU's code; empty while nobody has said what the caller's code stands for."""
        return "" if self.sku.is_placeholder else self.sku.code
