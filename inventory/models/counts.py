"""Counting what is there, and putting single figures right."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from inventory.models.catalogue import Warehouse
from inventory.models.stock import Stock
from oms.common.models import Versioned
from oms.merchants.models import Merchant

MOST_OF_A_REFERENCE = 64


class CountState(models.TextChoices):
    """Where a count stands."""

    COUNTING = "counting", pgettext_lazy("stock count", "Being counted")
    SUBMITTED = "submitted", pgettext_lazy("stock count", "To be approved")
    APPROVED = "approved", pgettext_lazy("stock count", "Booked")
    DISMISSED = "dismissed", pgettext_lazy("stock count", "Dismissed")


class StockCount(Versioned):
    """A stock-take of some SKUs of a warehouse (盘点单): counted, looked at with its differences, then booked. One that
    a system told as a whole has its `reference`."""

    warehouse = models.ForeignKey(Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+")
    merchant = models.ForeignKey(
        Merchant,
        verbose_name=_("Whose goods"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Empty: those of all. Where several merchants have a code, name whose goods are counted."),
    )
    state = FSMField(
        _("state"),
        choices=CountState.choices,
        default=CountState.COUNTING,
        db_default=CountState.COUNTING,
    )
    reference = models.CharField(
        _("reference"), max_length=MOST_OF_A_REFERENCE, blank=True, default="", db_default="", editable=False
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="")
    counted_by = models.CharField(_("counted by"), max_length=80, blank=True, default="")
    decided_by = models.CharField(_("decided by"), max_length=80, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("stock count")
        verbose_name_plural = _("stock counts")
        ordering = ["-id"]
        permissions = [("approve_stockcount", _("Can approve and dismiss stock counts"))]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=CountState.values), name="stock_count_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state=CountState.APPROVED) | ~Q(reason=""),
                name="stock_count_is_booked_with_a_reason",
                violation_error_message=_("Say why the count is booked."),
            ),
            models.UniqueConstraint(
                fields=["warehouse", "reference"],
                condition=~Q(reference=""),
                name="stock_count_reference_is_unique_in_warehouse",
                violation_error_message=_("Another count of this warehouse has this reference."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.warehouse.code} #{self.pk}"

    @transition(state, source=CountState.COUNTING, target=CountState.SUBMITTED)
    def submit(self) -> None:
        """All is counted."""

    @transition(state, source=CountState.SUBMITTED, target=CountState.COUNTING)
    def reopen(self) -> None:
        """Something is to be counted again."""

    @transition(state, source=CountState.SUBMITTED, target=CountState.APPROVED)
    def approve(self) -> None:
        """What was found is booked."""

    @transition(state, source=[CountState.COUNTING, CountState.SUBMITTED], target=CountState.DISMISSED)
    def dismiss(self) -> None:
        """It counts for nothing."""


class StockCountLine(models.Model):
    """One SKU of a count: what the books said when it was counted first (`expected`), and what was there.

    The difference is booked, not the figure: what came and went meanwhile stays true. What another count booked after
    `after_movement` is no difference any more: of two counts of a SKU the later one books what the other left.
    `missing` are units that were not there but are promised to sub-orders that the warehouse is working on: they are
    frozen until these are over.
    """

    count = models.ForeignKey(
        StockCount, verbose_name=_("stock count"), on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    stock = models.ForeignKey(Stock, verbose_name=_("stock"), on_delete=models.PROTECT, related_name="count_lines")
    expected = models.IntegerField(_("in the books"))
    counted = models.PositiveIntegerField(_("counted"))
    missing = models.PositiveIntegerField(_("missing for orders"), db_default=0, default=0, editable=False)
    after_movement = models.BigIntegerField(_("counted after movement"), db_default=0, default=0, editable=False)

    class Meta:
        verbose_name = _("line of a stock count")
        verbose_name_plural = _("lines of stock counts")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["count", "stock"], name="stock_count_names_a_stock_once")]

    def __str__(self) -> str:
        return f"{self.stock_id}: {self.expected} → {self.counted}"

    @property
    def difference(self) -> int:
        """Units that are there beyond what the books said; negative where some lack."""
        return self.counted - self.expected


class AdjustmentReason(models.TextChoices):
    """Why a single figure was put right."""

    DAMAGED = "damaged", pgettext_lazy("adjustment", "Damaged")
    LOST = "lost", pgettext_lazy("adjustment", "Lost")
    FOUND = "found", pgettext_lazy("adjustment", "Found")
    SAMPLE = "sample", pgettext_lazy("adjustment", "Taken as a sample")
    SCRAPPED = "scrapped", pgettext_lazy("adjustment", "Scrapped")
    RECALL = "recall", pgettext_lazy("adjustment", "Held back by law or recall")
    INSPECTED = "inspected", pgettext_lazy("adjustment", "Inspected")
    CORRECTION = "correction", pgettext_lazy("adjustment", "Wrong entry put right")


class StockAdjustment(models.Model):
    """A single change of units by a person, with its reason; the ledger has the movements that it made."""

    stock = models.ForeignKey(Stock, verbose_name=_("stock"), on_delete=models.PROTECT, related_name="adjustments")
    action = models.CharField(_("what was done"), max_length=12)
    units = models.IntegerField(_("units"))
    reason = models.CharField(_("reason"), max_length=12, choices=AdjustmentReason.choices)
    remark = models.CharField(_("note"), max_length=200, blank=True, default="")
    actor = models.CharField(_("actor"), max_length=80, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("stock adjustment")
        verbose_name_plural = _("stock adjustments")
        ordering = ["-id"]
        permissions = [("adjust_stock", _("Can adjust units, their quality and what is frozen"))]
        constraints = [
            models.CheckConstraint(condition=Q(reason__in=AdjustmentReason.values), name="stock_adjustment_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.stock_id}: {self.units:+d}"
