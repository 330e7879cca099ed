"""What the buyer of an order owes, row by row."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models import money
from orders.models.amounts import Bearer
from orders.models.event import ActorKind
from orders.models.order import Order
from orders.models.order_line import OrderLine
from orders.models.sub_order import SubOrder


class ChargeCause(models.TextChoices):
    """Why a buyer owes more or less."""

    PLACED = "placed", _("Ordered")
    CANCELLED = "cancelled", _("Cancelled")
    REFUSED = "refused", _("Refused at the door")
    RETURNED = "returned", _("Came back")
    PROMOTION_LOST = "promotion_lost", _("Promotion lost by a return")
    GIFT_KEPT = "gift_kept", _("Gift not returned")
    FREIGHT_KEPT = "freight_kept", _("Freight not given back")
    GOODWILL = "goodwill", _("Goodwill")
    PRICE_PROTECTION = "price_protection", _("Price protection")
    COMPENSATION = "compensation", _("Compensation")
    EDIT = "edit", _("Order changed")
    FEE = "fee", _("Fee")
    SET_OFF = "set_off", _("Set off against what went")
    EXCHANGED = "exchanged", _("Used for an exchange")
    NETTED = "netted", _("Given back before")
    DEPOSIT_HELD = "deposit_held", _("Deposit held until it is decided")
    FORFEITED = "forfeited", _("Deposit forfeited")


# Units that are not, or will not be, the buyer's: what was ordered of them is owed no longer.
OF_GONE_UNITS = (ChargeCause.CANCELLED, ChargeCause.REFUSED, ChargeCause.RETURNED)
# What of the money of units that are gone does not go back.
KEPT = (ChargeCause.PROMOTION_LOST, ChargeCause.GIFT_KEPT, ChargeCause.FREIGHT_KEPT)
# Money beside the price.
GIVEN = (ChargeCause.GOODWILL, ChargeCause.PRICE_PROTECTION, ChargeCause.COMPENSATION)
# What is kept of orders that were cancelled because their balance was not paid.
DEPOSITS = (ChargeCause.DEPOSIT_HELD, ChargeCause.FORFEITED)
# What a change of a placed order makes of its price.
OF_CHANGES = (ChargeCause.EDIT, ChargeCause.FEE)
# What the buyer was, or is, asked to pay; all others say what of it goes back.
BILLED = (ChargeCause.PLACED, *OF_CHANGES)


class ChargeComponent(models.TextChoices):
    """Of which part of the price a charge is; `extra` is money beside the price."""

    GOODS = "goods", _("Goods")
    FREIGHT = "freight", _("Freight")
    PROMOTION = "promotion", _("Promotions")
    COUPON = "coupon", _("Coupon")
    ADJUSTMENT = "adjustment", _("Adjustment")
    POINTS = "points", _("Points")
    GIFT_CARD = "gift_card", _("Gift card")
    EXTRA = "extra", _("Extra")


# Whether the buyer pays for a component (1) or it is taken off the price (-1), in the order of `SHARES`; what merchants
# bear is charged to nobody.
SIGNS = {
    ChargeComponent.GOODS: 1,
    ChargeComponent.FREIGHT: 1,
    ChargeComponent.PROMOTION: -1,
    ChargeComponent.COUPON: -1,
    ChargeComponent.ADJUSTMENT: 1,
    ChargeComponent.POINTS: -1,
    ChargeComponent.GIFT_CARD: -1,
}


class OrderCharge(models.Model):
    """One signed row of what the buyer owes (yuan; positive: owes more); what is owed is the sum of an order's rows.

    Rows are only ever added: the database refuses to change or delete one. The database itself writes those of placing,
    one a component; see `orders.changing.charging`.
    """

    # Without foreign keys' cost: rows are only added, by statements that read what they name; none of it is deleted.
    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="charges", db_constraint=False
    )
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="charges",
        db_index=False,
        db_constraint=False,
    )
    line = models.ForeignKey(
        OrderLine,
        verbose_name=_("order line"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="charges",
        db_index=False,
        db_constraint=False,
    )
    component = models.CharField(_("component"), max_length=10, choices=ChargeComponent.choices)
    cause = models.CharField(_("cause"), max_length=20, choices=ChargeCause.choices)
    amount = money(_("amount"))
    reference = models.CharField(
        _("reference"), max_length=64, db_default="", blank=True, help_text=_("The number of what caused it.")
    )
    reason = models.CharField(_("reason"), max_length=200, db_default="", blank=True)
    bearer = models.CharField(_("who bears it"), max_length=10, choices=Bearer.choices, db_default="", blank=True)
    actor_kind = models.CharField(_("kind of actor"), max_length=12, choices=ActorKind.choices, db_default="")
    actor = models.CharField(_("actor"), max_length=80, db_default="")
    created_at = models.DateTimeField(_("time"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("charge")
        verbose_name_plural = _("charges")
        ordering = ["id"]
        constraints = [
            # The same units can never be taken back twice.
            models.UniqueConstraint(
                fields=["order", "sub_order", "line", "component", "cause", "reference"],
                condition=Q(cause__in=OF_GONE_UNITS),
                nulls_distinct=False,
                name="charge_takes_units_back_once",
            ),
            models.CheckConstraint(condition=~Q(amount=0), name="charge_is_not_nothing"),
            models.CheckConstraint(condition=Q(cause__in=ChargeCause.values), name="charge_cause_is_known"),
            models.CheckConstraint(condition=Q(component__in=ChargeComponent.values), name="charge_component_is_known"),
            models.CheckConstraint(condition=Q(bearer__in=["", *Bearer.values]), name="charge_bearer_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_cause_display()}: {self.amount}"
