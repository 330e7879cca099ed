"""Units set aside for a while, for a buyer who has not ordered yet: a cart, or a quote.

Only `inventory.holding` writes them; how many units a line still has is said by its `Reservation`.
"""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from inventory.models.catalogue import Region, Sku
from inventory.models.stock import Stock
from oms.common import numbering
from oms.common.models import TellsChanges
from oms.merchants.models import Channel, Merchant


class StockHoldState(models.TextChoices):
    """What became of units that were set aside."""

    HELD = "held", pgettext_lazy("set-aside", "Held")
    ORDERED = "ordered", _("Waits for its order's allocation")
    USED = "used", _("Used by its order")
    RELEASED = "released", _("Given back")
    EXPIRED = "expired", _("Expired")


# In which it has units, or may have.
OPEN_HOLDS = (StockHoldState.HELD, StockHoldState.ORDERED)


class HoldPurpose(models.TextChoices):
    """What units are set aside for; decides how long they may be."""

    CART = "cart", _("Cart")
    QUOTE = "quote", _("Quote")


class StockHoldQuerySet(models.QuerySet["StockHold"]):
    """Named queries over what is set aside."""

    def visible_to(self, merchant: Merchant) -> "StockHoldQuerySet":
        """What the merchant's own channels set aside; the one place that decides it."""
        return self.filter(merchant=merchant)


class StockHold(TellsChanges):
    """Units that a channel set aside for a buyer until `expires_at`, or, once an order names it, until that order's
    parts have their warehouses (`Order.stock_hold`)."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    channel = models.ForeignKey(
        Channel, verbose_name=_("channel"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    purpose = models.CharField(_("purpose"), max_length=8, choices=HoldPurpose.choices)
    reference = models.CharField(
        _("caller's reference"), max_length=64, blank=True, default="", help_text=_("Such as the cart's number.")
    )
    region = models.ForeignKey(
        Region,
        verbose_name=_("region"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    state = FSMField(
        _("state"), choices=StockHoldState.choices, default=StockHoldState.HELD, db_default=StockHoldState.HELD
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.CharField(_("created by"), max_length=80)
    expires_at = models.DateTimeField(_("expires at"))
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_by = models.CharField(_("closed by"), max_length=80, blank=True, default="", db_default="", editable=False)

    objects = StockHoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("set-aside")
        verbose_name_plural = _("set-asides of carts and quotes")
        ordering = ["-id"]
        permissions = [("release_stockhold", _("Can give back units that carts and quotes hold"))]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=StockHoldState.values), name="stock_hold_state_is_known"),
            models.CheckConstraint(condition=Q(purpose__in=HoldPurpose.values), name="stock_hold_purpose_is_known"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="stock_hold_lasts_a_while"),
            models.CheckConstraint(
                condition=Q(state__in=OPEN_HOLDS, closed_at__isnull=True)
                | ~Q(state__in=OPEN_HOLDS) & Q(closed_at__isnull=False),
                name="stock_hold_closed_at_set_once_over",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], name="stock_hold_list"),
            models.Index(fields=["changed_at", "id"], name="stock_hold_by_change"),
            models.Index(fields=["expires_at"], condition=Q(state=StockHoldState.HELD), name="stock_hold_expiring"),
            models.Index(fields=["id"], condition=Q(state=StockHoldState.ORDERED), name="stock_hold_ordered"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """How others name it; tells nothing about volume."""
        return f"{numbering.permute(self.pk):012d}"

    @staticmethod
    def id_of(number: str) -> int:
        """The id of the one with that number; 0, which none has, for a text that is no number."""
        is_number = len(number) == 12 and number.isascii() and number.isdigit()
        return numbering.recover(int(number)) if is_number else 0

    def state_at(self, moment: datetime) -> StockHoldState:
        """Its state, where what is past its time counts as expired though nobody came by yet."""
        is_past = self.state == StockHoldState.HELD and self.expires_at <= moment
        return StockHoldState.EXPIRED if is_past else StockHoldState(self.state)

    @property
    def state_now(self) -> StockHoldState:
        """Its state at this moment."""
        return self.state_at(timezone.now())

    @transition(state, source=StockHoldState.HELD, target=StockHoldState.ORDERED)
    def order(self) -> None:
        """An order took it over."""

    @transition(state, source=StockHoldState.ORDERED, target=StockHoldState.USED)
    def use(self) -> None:
        """The order's parts have their warehouses."""

    @transition(state, source=[StockHoldState.HELD, StockHoldState.ORDERED], target=StockHoldState.RELEASED)
    def release(self) -> None:
        """Nobody wants the units."""

    @transition(state, source=StockHoldState.HELD, target=StockHoldState.EXPIRED)
    def expire(self) -> None:
        """Its time is over."""


class StockHoldLine(models.Model):
    """Units of one stock row set aside for line `position` of what was asked; several where no warehouse has them all,
    or where the line's code stands for several SKUs.

    Without a stock row they are units on order that are sold ahead (`inventory.preselling`): of those `ahead` are its
    still."""

    hold = models.ForeignKey(StockHold, verbose_name=_("set-aside"), on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField(_("position"))
    code = models.CharField(_("caller's code"), max_length=64)
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+", db_index=False)
    stock = models.ForeignKey(
        Stock,
        verbose_name=_("stock"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    quantity = models.IntegerField(_("units set aside"))
    ahead = models.IntegerField(_("units on order"), null=True, blank=True)

    class Meta:
        verbose_name = _("set-aside units")
        verbose_name_plural = _("set-aside units")
        ordering = ["hold", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="stock_hold_line_quantity_is_positive"),
            models.UniqueConstraint(
                fields=["hold", "position", "sku", "stock"], nulls_distinct=False, name="stock_hold_line_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(stock__isnull=False, ahead__isnull=True)
                | Q(stock__isnull=True, ahead__isnull=False, ahead__gte=0, ahead__lte=F("quantity")),
                name="stock_hold_line_is_of_stock_or_ahead",
            ),
        ]
        indexes = [
            models.Index(fields=["sku"], condition=Q(ahead__gt=0), name="stock_hold_line_ahead"),
        ]

    def __str__(self) -> str:
        return f"{self.code} × {self.quantity}"
