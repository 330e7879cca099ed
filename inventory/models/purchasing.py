"""What was bought and is on its way, and what came of it."""

from datetime import date

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from inventory.models.catalogue import Sku, Warehouse
from inventory.models.lots import MOST_OF_A_LOT, Quality
from oms.common.models import Versioned
from oms.merchants.models import Merchant

MOST_UNITS_OF_A_LINE = 10_000_000


class PurchaseState(models.TextChoices):
    """Whether goods of a purchase order are still expected. Of a draft nothing is expected yet: nobody bought it."""

    DRAFT = "draft", pgettext_lazy("purchase order", "Draft")
    OPEN = "open", pgettext_lazy("purchase order", "Expected")
    CLOSED = "closed", pgettext_lazy("purchase order", "Closed")
    CANCELLED = "cancelled", pgettext_lazy("purchase order", "Cancelled")


class PurchaseOrder(Versioned):
    """Goods that a supplier sends to a warehouse (采购单). What is open of it counts as on order until it is closed."""

    merchant = models.ForeignKey(Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="+")
    number = models.CharField(_("purchase order number"), max_length=40)
    warehouse = models.ForeignKey(Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+")
    supplier = models.CharField(_("supplier"), max_length=120, blank=True, default="")
    expected_on = models.DateField(_("expected on"), null=True, blank=True)
    state = FSMField(
        _("state"),
        choices=PurchaseState.choices,
        default=PurchaseState.OPEN,
        db_default=PurchaseState.OPEN,
    )
    created_by = models.CharField(_("created by"), max_length=80, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    approved_by = models.CharField(_("approved by"), max_length=80, blank=True, default="", db_default="")
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True, editable=False)

    initial_states = (PurchaseState.DRAFT, PurchaseState.OPEN)

    class Meta:
        verbose_name = _("purchase order")
        verbose_name_plural = _("purchase orders")
        ordering = ["-id"]
        permissions = [
            ("end_purchaseorder", _("Can close purchase orders and call them off")),
            ("approve_purchaseorder", _("Can approve drafts of purchase orders")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number", "merchant"], name="purchase_order_number_is_unique_in_merchant"),
            models.CheckConstraint(condition=Q(state__in=PurchaseState.values), name="purchase_order_state_is_known"),
            models.CheckConstraint(
                condition=Q(approved_at__isnull=True)
                | ~Q(supplier="") & Q(expected_on__isnull=False) & ~Q(state=PurchaseState.DRAFT),
                name="purchase_order_is_approved_with_supplier_and_day",
                violation_error_message=_("What is bought has a supplier and a day on which it is expected."),
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=PurchaseState.DRAFT, target=PurchaseState.OPEN)
    def approve(self) -> None:
        """It is bought."""

    @transition(state, source=PurchaseState.OPEN, target=PurchaseState.CLOSED)
    def close(self) -> None:
        """Expect nothing more of it."""

    @transition(state, source=[PurchaseState.DRAFT, PurchaseState.OPEN], target=PurchaseState.CANCELLED)
    def cancel(self) -> None:
        """It was called off."""


class PurchaseOrderLine(models.Model):
    """Units of a SKU that were bought. `received` is what came of it in any quality, which may be more."""

    order = models.ForeignKey(
        PurchaseOrder, verbose_name=_("purchase order"), on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="purchase_lines")
    quantity = models.PositiveIntegerField(_("quantity"))
    received = models.PositiveIntegerField(_("received"), db_default=0, default=0, editable=False)
    expected_on = models.DateField(
        _("expected on"), null=True, blank=True, help_text=_("Empty: the day of the purchase order.")
    )

    class Meta:
        verbose_name = _("line of a purchase order")
        verbose_name_plural = _("lines of purchase orders")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "sku"], name="purchase_order_names_a_sku_once"),
            models.CheckConstraint(
                condition=Q(quantity__range=(1, MOST_UNITS_OF_A_LINE)),
                name="purchase_order_line_has_units",
                violation_error_message=_("Give a quantity from 1 to 10,000,000."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku_id} × {self.quantity}"

    @property
    def due_on(self) -> date | None:
        """The day on which it should come: its own, else that of the purchase order, which is loaded already."""
        return self.expected_on or self.order.expected_on


class Receipt(models.Model):
    """Goods that came to a warehouse (入库单), told once: by a reference of who tells it."""

    warehouse = models.ForeignKey(Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+")
    reference = models.CharField(_("reference"), max_length=64)
    purchase_order = models.ForeignKey(
        PurchaseOrder,
        verbose_name=_("purchase order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="receipts",
    )
    transfer = models.ForeignKey(
        "Transfer",
        verbose_name=_("transfer"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="receipts",
    )
    note = models.CharField(_("note"), max_length=200, blank=True, default="")
    actor = models.CharField(_("actor"), max_length=80, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("receipt of goods")
        verbose_name_plural = _("receipts of goods")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["reference", "warehouse"], name="receipt_is_told_once"),
            models.CheckConstraint(
                condition=~Q(reference=""),
                name="receipt_has_a_reference",
                violation_error_message=_("Give the receipt's reference."),
            ),
            models.CheckConstraint(
                condition=Q(purchase_order__isnull=True) | Q(transfer__isnull=True),
                name="receipt_is_of_one_thing",
                violation_error_message=_("A receipt is of a purchase order or of a transfer: name one of them."),
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class ReceiptLine(models.Model):
    """Units of a SKU that came, of one quality and batch."""

    receipt = models.ForeignKey(
        Receipt, verbose_name=_("receipt of goods"), on_delete=models.PROTECT, related_name="lines"
    )
    purchase_line = models.ForeignKey(
        PurchaseOrderLine,
        verbose_name=_("line of a purchase order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="receipt_lines",
        help_text=_("Empty: nobody expected it."),
    )
    transfer_line = models.ForeignKey(
        "TransferLine",
        verbose_name=_("line of a transfer"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="receipt_lines",
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(_("quantity"))
    quality = models.CharField(_("quality"), max_length=12, choices=Quality.choices, default=Quality.GOOD)
    lot = models.CharField(_("batch"), max_length=MOST_OF_A_LOT, blank=True, default="")
    best_before = models.DateField(_("best before"), null=True, blank=True)

    class Meta:
        verbose_name = _("line of a receipt")
        verbose_name_plural = _("lines of receipts")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__range=(1, MOST_UNITS_OF_A_LINE)),
                name="receipt_line_has_units",
                violation_error_message=_("Give a quantity from 1 to 10,000,000."),
            ),
            models.CheckConstraint(condition=Q(quality__in=Quality.values), name="receipt_line_quality_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.sku_id} × {self.quantity}"
