"""Tax documents."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import Versioned, money
from orders.models import Order


class InvoiceState(models.TextChoices):
    """Where an invoice is."""

    REQUESTED = "requested", _("Requested")
    ISSUED = "issued", _("Issued")
    RED_LETTERED = "red_lettered", _("Offset by a red invoice")
    CANCELLED = "cancelled", _("Cancelled")


class Invoice(Versioned):
    """A tax document for an order."""

    number = models.CharField(_("invoice number"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="invoices")
    state = FSMField(_("state"), choices=InvoiceState.choices, default=InvoiceState.REQUESTED, protected=True)
    title = models.CharField(_("title"), max_length=120)
    taxpayer_number = models.CharField(_("taxpayer number"), max_length=30, blank=True, default="")
    amount = money(_("amount"))
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    issued_at = models.DateTimeField(_("issued at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="invoice_number_is_unique"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="invoice_amount_is_positive"),
            models.CheckConstraint(condition=Q(state__in=InvoiceState.values), name="invoice_state_is_known"),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=InvoiceState.REQUESTED, target=InvoiceState.ISSUED)
    def issue(self) -> None:
        """The tax platform issued it."""

    @transition(state, source=InvoiceState.REQUESTED, target=InvoiceState.CANCELLED)
    def cancel(self) -> None:
        """No longer wanted."""

    @transition(state, source=InvoiceState.ISSUED, target=InvoiceState.RED_LETTERED)
    def offset(self) -> None:
        """A red invoice takes it back."""
