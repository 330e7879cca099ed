"""What merchants left with the platform as a security (保证金), and how it moved."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models import Versioned, money
from oms.merchants.models import Merchant


class Deposit(Versioned):
    """What a merchant is to have left as a security, and what it has (yuan); without a row it is to leave none."""

    merchant = models.OneToOneField(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="deposit", db_index=False
    )
    due_amount = money(_("due"), help_text=_("What the merchant is to have left as a security."))
    held_amount = money(_("deposit held"), db_default=0, default=Decimal(0), editable=False)
    blocks_payout = models.BooleanField(
        _("blocks paying out"),
        db_default=True,
        default=True,
        help_text=_("While something of it is missing, no statement of the merchant is paid."),
    )

    class Meta:
        verbose_name = _("deposit of a merchant")
        verbose_name_plural = _("deposits of merchants")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(due_amount__gte=0),
                name="deposit_due_is_an_amount",
                violation_error_message=_("The deposit that is due is 0 or more."),
            ),
            models.CheckConstraint(condition=Q(held_amount__gte=0), name="deposit_is_never_overdrawn"),
        ]

    def __str__(self) -> str:
        return str(self.merchant)

    @property
    def missing_amount(self) -> Decimal:
        """What the merchant still is to leave (yuan)."""
        return max(self.due_amount - self.held_amount, Decimal(0))


class DepositKind(models.TextChoices):
    """Why a deposit grew or fell."""

    PAID_IN = "paid_in", _("Paid in")
    KEPT_BACK = "kept_back", _("Kept back from the settlement")
    FINE = "fine", _("Fine taken from it")
    PAID_BACK = "paid_back", _("Paid back")


# What makes it grow; all else takes from it.
GROWS = (DepositKind.PAID_IN, DepositKind.KEPT_BACK)
# What the bank moved: its serial is the document.
OVER_THE_BANK = (DepositKind.PAID_IN, DepositKind.PAID_BACK)


class DepositMovement(models.Model):
    """One change of a deposit (yuan, positive: it grew), with its reason and document. Rows are only ever added."""

    key = models.CharField(_("key"), max_length=80, editable=False)
    deposit = models.ForeignKey(
        Deposit, verbose_name=_("deposit of a merchant"), on_delete=models.PROTECT, related_name="movements"
    )
    kind = models.CharField(_("kind"), max_length=12, choices=DepositKind.choices)
    amount = money(_("amount"))
    reason = models.CharField(_("reason"), max_length=200)
    document = models.CharField(_("document"), max_length=80, blank=True, db_default="")
    actor = models.CharField(_("actor"), max_length=80)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("movement of a deposit")
        verbose_name_plural = _("movements of deposits")
        ordering = ["-id"]
        permissions = [
            ("move_deposit", _("Can record deposits paid in, kept back and paid back")),
            ("fine_merchant", _("Can take fines from deposits")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="deposit_movement_is_once_a_fact"),
            models.CheckConstraint(condition=Q(kind__in=DepositKind.values), name="deposit_movement_kind_is_known"),
            models.CheckConstraint(
                condition=Q(kind__in=GROWS, amount__gt=0) | (~Q(kind__in=GROWS) & Q(amount__lt=0)),
                name="deposit_movement_goes_the_way_of_its_kind",
                violation_error_message=_("Money paid in or kept back is above 0, what is taken or paid back below."),
            ),
            models.CheckConstraint(
                condition=~Q(reason=""),
                name="deposit_movement_has_a_reason",
                violation_error_message=_("Say why the money moves."),
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=OVER_THE_BANK) | ~Q(document=""),
                name="deposit_movement_over_the_bank_has_its_serial",
                violation_error_message=_("Give the bank's serial number of the transfer."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"
