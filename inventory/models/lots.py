"""Units of a stock row that are told apart: by quality, and by batch where the SKU wants it."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inventory.models.stock import DemandKind, Stock, StockMovement

MOST_OF_A_LOT = 40


class Quality(models.TextChoices):
    """In what state units are; only good ones are sold."""

    GOOD = "good", _("Good")
    INSPECTING = "inspecting", _("To be inspected")
    DEFECTIVE = "defective", _("Defective")
    DAMAGED = "damaged", _("Damaged")
    BOX_DAMAGED = "box_damaged", _("Box damaged")
    EXPIRED = "expired", pgettext_lazy("quality", "Expired")


class StockLot(models.Model):
    """Units of one quality and batch (批次) of a stock row.

    Units of good quality are told apart here only where the SKU wants batches: then the rows add up to the stock row,
    which goes on saying what can be promised. Units of any other quality stand here alone. A batch that nobody named
    has no text, and one without `best_before` does not expire. Written by its ledger alone.
    """

    stock = models.ForeignKey(
        Stock, verbose_name=_("stock"), on_delete=models.PROTECT, related_name="lots", db_index=False
    )
    quality = models.CharField(_("quality"), max_length=12, choices=Quality.choices, default=Quality.GOOD)
    lot = models.CharField(_("batch"), max_length=MOST_OF_A_LOT, blank=True, default="")
    best_before = models.DateField(_("best before"), null=True, blank=True)
    on_hand = models.IntegerField(_("on hand"), db_default=0, default=0, editable=False)
    reserved = models.IntegerField(_("reserved"), db_default=0, default=0, editable=False)
    frozen = models.IntegerField(_("frozen"), db_default=0, default=0, editable=False)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["stock", "quality", "lot", "best_before"],
                nulls_distinct=False,
                name="stock_lot_is_unique",
            ),
            models.CheckConstraint(condition=Q(quality__in=Quality.values), name="stock_lot_quality_is_known"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0, reserved__lte=F("on_hand")), name="stock_lot_reserved_within_on_hand"
            ),
            models.CheckConstraint(condition=Q(frozen__gte=0), name="stock_lot_frozen_is_not_negative"),
            models.CheckConstraint(
                condition=Q(quality=Quality.GOOD) | Q(reserved=0, frozen=0), name="stock_lot_only_good_is_promised"
            ),
        ]
        indexes = [
            models.Index(
                fields=["best_before"],
                condition=Q(best_before__isnull=False, quality=Quality.GOOD, on_hand__gt=0),
                name="stock_lot_by_best_before",
            ),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.lot, str(self.best_before or ""), str(self.get_quality_display())]))


class LotMovement(models.Model):
    """One line of the ledger of batches and qualities. Adding it changes its row; it is never changed."""

    lot = models.ForeignKey(
        StockLot, verbose_name=_("batch"), on_delete=models.PROTECT, related_name="movements", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=12, choices=StockMovement.Kind.choices)
    on_hand_change = models.IntegerField(_("change of on hand"), db_default=0, default=0)
    reserved_change = models.IntegerField(_("change of reserved"), db_default=0, default=0)
    frozen_change = models.IntegerField(_("change of frozen"), db_default=0, default=0)
    demand_kind = models.CharField(
        _("kind of demand"), max_length=16, choices=DemandKind.choices, db_default="", default="", blank=True
    )
    demand_id = models.BigIntegerField(_("demand"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=200, db_default="", default="", blank=True)
    actor = models.CharField(_("actor"), max_length=80, db_default="", default="", blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("movement of a batch")
        verbose_name_plural = _("movements of batches")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(on_hand_change=0, reserved_change=0, frozen_change=0),
                name="lot_movement_changes_something",
            ),
        ]
        indexes = [models.Index(fields=["lot", "id"], name="lot_movement_of_lot")]

    def __str__(self) -> str:
        return f"{self.lot_id} {self.get_kind_display()} {self.on_hand_change:+d}/{self.reserved_change:+d}"


class LotPromise(models.Model):
    """Units of a batch that are promised to a demand now, beside its `Reservation`; gone when that ends."""

    lot = models.ForeignKey(
        StockLot, verbose_name=_("batch"), on_delete=models.PROTECT, related_name="promises", db_index=False
    )
    demand_kind = models.CharField(_("kind of demand"), max_length=16, choices=DemandKind.choices)
    demand_id = models.BigIntegerField(_("demand"))
    quantity = models.IntegerField(_("quantity"))

    class Meta:
        verbose_name = _("promise of a batch")
        verbose_name_plural = _("promises of batches")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["demand_id", "demand_kind", "lot"], name="lot_promise_is_unique_for_a_demand"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="lot_promise_quantity_is_positive"),
        ]
        indexes = [models.Index(fields=["lot"], name="lot_promise_of_lot")]

    def __str__(self) -> str:
        return f"{self.lot_id}: {self.quantity}"
