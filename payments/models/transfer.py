"""Bank transfers that people saw on the account."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import Versioned, money
from oms.common.secrecy import SealedField
from orders.models import Order
from payments.models.payment import Payment


class TransferState(models.TextChoices):
    """Where a bank transfer is."""

    ENTERED = "entered", _("To be approved")
    APPROVED = "approved", _("Approved")
    REFUSED = "refused", _("Refused")


class BankTransfer(Versioned):
    """A transfer of a buyer's to our account: entered by one person, and money only once another one approved it.

    `scan` is the bank's slip, sealed; `serial` the bank's own number.
    """

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="transfers")
    state = FSMField(_("state"), choices=TransferState.choices, default=TransferState.ENTERED, protected=True)
    amount = money(_("amount"))
    serial = models.CharField(_("bank serial number"), max_length=64)
    paid_on = models.DateField(_("paid on"))
    note = models.CharField(_("note"), max_length=200, blank=True, default="")
    scan = SealedField(_("scan"), null=True, blank=True, editable=False)
    scan_type = models.CharField(_("kind of scan"), max_length=40, blank=True, db_default="", editable=False)
    entered_by = models.CharField(_("entered by"), max_length=80, editable=False)
    entered_at = models.DateTimeField(_("entered at"), db_default=Now(), editable=False)
    decided_by = models.CharField(_("decided by"), max_length=80, db_default="", blank=True, editable=False)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True, editable=False)
    payment = models.OneToOneField(
        Payment,
        verbose_name=_("payment"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="transfer",
    )

    class Meta:
        verbose_name = _("bank transfer")
        verbose_name_plural = _("bank transfers")
        ordering = ["-id"]
        permissions = [
            ("enter_banktransfer", _("Can enter bank transfers")),
            ("approve_banktransfer", _("Can approve or refuse bank transfers that others entered")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["serial"], condition=~Q(state=TransferState.REFUSED), name="bank_transfer_counts_once"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="bank_transfer_amount_is_positive"),
            models.CheckConstraint(condition=Q(state__in=TransferState.values), name="bank_transfer_state_is_known"),
            models.CheckConstraint(
                condition=~Q(decided_by=F("entered_by")), name="bank_transfer_is_decided_by_somebody_else"
            ),
            models.CheckConstraint(
                condition=Q(state=TransferState.ENTERED, decided_at__isnull=True, decided_by="", payment__isnull=True)
                | (Q(state=TransferState.APPROVED, decided_at__isnull=False, payment__isnull=False) & ~Q(decided_by=""))
                | (Q(state=TransferState.REFUSED, decided_at__isnull=False, payment__isnull=True) & ~Q(decided_by="")),
                name="bank_transfer_is_money_once_approved",
            ),
        ]

    def __str__(self) -> str:
        return self.serial

    @transition(state, source=TransferState.ENTERED, target=TransferState.APPROVED)
    def approve(self, *, by: str, at: datetime, payment: Payment) -> None:
        """Another person saw the money as well."""
        self.decided_by, self.decided_at, self.payment = by, at, payment

    @transition(state, source=TransferState.ENTERED, target=TransferState.REFUSED)
    def refuse(self, *, by: str, at: datetime) -> None:
        """There is no such money, or it is not for this order."""
        self.decided_by, self.decided_at = by, at
