"""Goods on their way from one warehouse to another."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from inventory.models.catalogue import Sku, Warehouse
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE
from oms.common.models import Versioned
from oms.merchants.models import Merchant


class TransferState(models.TextChoices):
    """Where goods between two warehouses are."""

    DRAFT = "draft", pgettext_lazy("transfer", "Draft")
    APPROVED = "approved", pgettext_lazy("transfer", "Set aside")
    SHIPPED = "shipped", pgettext_lazy("transfer", "On its way")
    PARTLY_RECEIVED = "partly_received", pgettext_lazy("transfer", "Received in part")
    CLOSED = "closed", pgettext_lazy("transfer", "Closed")
    CANCELLED = "cancelled", pgettext_lazy("transfer", "Cancelled")


# The units have not left yet; and they left and the target waits for them.
BEFORE_SHIPPING = (TransferState.DRAFT, TransferState.APPROVED)
IN_TRANSIT = (TransferState.SHIPPED, TransferState.PARTLY_RECEIVED)


class Transfer(Versioned):
    """Goods of one merchant that go from one warehouse to another (调拨单).

    Approving sets the units aside at the source, by reservations of its lines; shipping takes them out of the source's
    stock, and from then on what did not arrive is in transit to the target until the transfer is closed.
    """

    reference = models.CharField(_("reference"), max_length=64)
    merchant = models.ForeignKey(Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="+")
    source = models.ForeignKey(
        Warehouse, verbose_name=pgettext_lazy("transfer", "from"), on_delete=models.PROTECT, related_name="+"
    )
    target = models.ForeignKey(
        Warehouse, verbose_name=pgettext_lazy("transfer", "to"), on_delete=models.PROTECT, related_name="+"
    )
    state = FSMField(
        _("state"), choices=TransferState.choices, default=TransferState.DRAFT, db_default=TransferState.DRAFT
    )
    note = models.CharField(_("note"), max_length=200, blank=True, default="")
    expected_on = models.DateField(
        _("expected on"),
        null=True,
        blank=True,
        help_text=_("When it should arrive; left empty, the day of its lane counts once it is sent."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        ordering = ["-id"]
        permissions = [
            ("approve_transfer", _("Can approve transfers, which sets their units aside")),
            ("ship_transfer", _("Can send transfers on their way")),
            ("receive_transfer", _("Can book what came of transfers")),
            ("end_transfer", _("Can cancel transfers and close them with differences")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["reference", "merchant"], name="transfer_is_told_once_by_its_merchant"),
            models.CheckConstraint(
                condition=~Q(reference=""),
                name="transfer_has_a_reference",
                violation_error_message=_("Give the transfer's reference."),
            ),
            models.CheckConstraint(
                condition=~Q(source=F("target")),
                name="transfer_goes_elsewhere",
                violation_error_message=_(
                    "Goods are transferred from one warehouse to another: choose two that differ."
                ),
            ),
            models.CheckConstraint(condition=Q(state__in=TransferState.values), name="transfer_state_is_known"),
        ]
        indexes = [
            models.Index(fields=["target"], condition=Q(state__in=IN_TRANSIT), name="transfer_in_transit"),
        ]

    def __str__(self) -> str:
        return self.reference

    @transition(state, source=TransferState.DRAFT, target=TransferState.APPROVED)
    def approve(self) -> None:
        """Its units are set aside at the source."""

    @transition(state, source=TransferState.APPROVED, target=TransferState.SHIPPED)
    def ship(self) -> None:
        """Its units left the source."""

    @transition(state, source=TransferState.SHIPPED, target=TransferState.PARTLY_RECEIVED)
    def receive_part(self) -> None:
        """Something of it arrived."""

    @transition(state, source=IN_TRANSIT, target=TransferState.CLOSED)
    def close(self) -> None:
        """Nothing more of it is expected."""

    @transition(state, source=BEFORE_SHIPPING, target=TransferState.CANCELLED)
    def cancel(self) -> None:
        """It was called off before anything left."""


class TransferLine(models.Model):
    """Units of a SKU that are to be moved: how many were wanted, left, and arrived in any quality maybe more."""

    transfer = models.ForeignKey(
        Transfer, verbose_name=_("transfer"), on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(_("quantity"))
    shipped = models.PositiveIntegerField(pgettext_lazy("transfer", "sent"), db_default=0, default=0, editable=False)
    received = models.PositiveIntegerField(_("received"), db_default=0, default=0, editable=False)

    class Meta:
        verbose_name = _("line of a transfer")
        verbose_name_plural = _("lines of transfers")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["transfer", "sku"], name="transfer_names_a_sku_once"),
            models.CheckConstraint(
                condition=Q(quantity__range=(1, MOST_UNITS_OF_A_LINE)),
                name="transfer_line_has_units",
                violation_error_message=_("Give a quantity from 1 to 10,000,000."),
            ),
            models.CheckConstraint(
                condition=Q(shipped__lte=F("quantity")), name="transfer_line_sends_at_most_what_was_wanted"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku_id} × {self.quantity}"

    @property
    def difference(self) -> int:
        """Units that arrived beyond what was sent; negative where some did not."""
        return self.received - self.shipped


class TransferBatch(models.Model):
    """Units of a line that left, by batch, where the SKU keeps batches."""

    line = models.ForeignKey(
        TransferLine,
        verbose_name=_("line of a transfer"),
        on_delete=models.CASCADE,
        related_name="batches",
        db_index=False,
    )
    lot = models.CharField(_("batch"), max_length=40, blank=True, default="")
    best_before = models.DateField(_("best before"), null=True, blank=True)
    quantity = models.PositiveIntegerField(_("quantity"))

    class Meta:
        verbose_name = _("batch of a transfer")
        verbose_name_plural = _("batches of transfers")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["line", "lot", "best_before"], nulls_distinct=False, name="transfer_batch_is_named_once"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="transfer_batch_has_units"),
        ]

    def __str__(self) -> str:
        return f"{self.lot} × {self.quantity}"


class TransferStep(models.Model):
    """What was done to a transfer, by whom and when. Only ever added."""

    class Kind(models.TextChoices):
        DRAFTED = "drafted", pgettext_lazy("transfer step", "Written")
        APPROVED = "approved", pgettext_lazy("transfer step", "Approved, units set aside")
        TAKEN_AWAY = "taken_away", pgettext_lazy("transfer step", "Units set aside were not found by a count")
        SHIPPED = "shipped", pgettext_lazy("transfer step", "Sent on its way")
        EXPECTED = "expected", pgettext_lazy("transfer step", "Comes on another day")
        RECEIVED = "received", pgettext_lazy("transfer step", "Goods received")
        CLOSED = "closed", pgettext_lazy("transfer step", "Closed")
        CANCELLED = "cancelled", pgettext_lazy("transfer step", "Cancelled")

    transfer = models.ForeignKey(Transfer, verbose_name=_("transfer"), on_delete=models.PROTECT, related_name="steps")
    kind = models.CharField(_("what was done"), max_length=12, choices=Kind.choices)
    units = models.IntegerField(_("units"), default=0, db_default=0)
    note = models.CharField(_("note"), max_length=200, blank=True, default="")
    actor = models.CharField(_("actor"), max_length=80, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("step of a transfer")
        verbose_name_plural = _("steps of transfers")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        *("drafted", "approved", "taken_away", "shipped", "expected", "received", "closed", "cancelled")
                    ]
                ),
                name="transfer_step_is_known",
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_kind_display())
