"""Double entry: what moved, between which accounts, for which fact."""

from django.contrib.admin import display
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from orders.models import Order


class Side(models.TextChoices):
    """On which side an account grows."""

    DEBIT = "debit", _("Debit")
    CREDIT = "credit", _("Credit")


class Account(models.Model):
    """An account of the chart; `payments.ledger.chart` has those that postings name."""

    code = models.CharField(_("code"), max_length=8, primary_key=True)
    name = models.CharField(_("name"), max_length=40)
    english_name = models.CharField(_("English name"), max_length=60)
    side = models.CharField(_("normal side"), max_length=6, choices=Side.choices)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["code"]
        constraints = [models.CheckConstraint(condition=Q(side__in=Side.values), name="account_side_is_known")]

    def __str__(self) -> str:
        return f"{self.code} {self.shown_name}"

    @property
    @display(description=_("name"))
    def shown_name(self) -> str:
        """The name in the active language."""
        return self.name if (get_language() or "").startswith("zh") else self.english_name


class EntryKind(models.TextChoices):
    """Which fact an entry books."""

    CAPTURED = "captured", _("Money came in")
    REFUND_GRANTED = "refund_granted", _("Refund granted")
    REFUND_SENT = "refund_sent", _("Refund sent")
    REFUNDED = "refunded", _("Refund arrived")
    COMPLETED = "completed", _("Completed")
    CAME_BACK = "came_back", _("Came back after completion")
    GIVEN = "given", _("Given beside the price")
    FORFEITED = "forfeited", _("Deposit forfeited")
    RECEIVABLE = "receivable", _("Still to be paid by the buyer")
    KEPT_BY_MERCHANT = "kept_by_merchant", _("Kept by the merchant that took it")
    REMITTED = "remitted", _("Cash remitted by the carrier")
    PROVIDER_FEE = "provider_fee", _("Fee of the provider")
    CARRIAGE_PAID = "carriage_paid", _("Carriage paid")
    CARRIAGE_BILLED = "carriage_billed", _("Carriage billed")
    WITHDRAWN = "withdrawn", _("Moved to the bank")
    DISPUTED = "disputed", _("Held in a dispute")
    STATEMENT_PAID = "statement_paid", _("Statement paid")
    DEPOSIT_MOVED = "deposit_moved", _("Deposit moved")
    UNEXPLAINED = "unexplained", _("Unexplained money")
    EXPLAINED = "explained", _("Unexplained money explained")
    WRITTEN_OFF = "written_off", _("Written off")
    EXCHANGED = "exchanged", _("Used for an exchange")
    CORRECTED = "corrected", _("Corrected")
    BALANCE_ISSUED = "balance_issued", _("Gift card or points issued")
    BALANCE_SPENT = "balance_spent", _("Gift card or points spent")
    POINTS_EARNED = "points_earned", _("Points earned")
    BALANCE_EXPIRED = "balance_expired", _("Gift card or points expired")
    BALANCE_ADJUSTED = "balance_adjusted", _("Gift card or points adjusted")


class LedgerEntry(models.Model):
    """A fact that moved money, booked once: `key` names the fact, and no other entry has it.

    What is booked of `subject` (such as "refund:12") is the sum of its entries; where the fact goes on, the next entry
    books the difference. Rows are only ever added.
    """

    key = models.CharField(_("key"), max_length=80)
    kind = models.CharField(_("fact"), max_length=20, choices=EntryKind.choices)
    # Without a foreign key's cost: entries are only added, by statements that read the order.
    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="ledger_entries",
        db_constraint=False,
    )
    subject = models.CharField(_("subject"), max_length=60)
    reason = models.CharField(_("reason"), max_length=200, db_default="", blank=True)
    actor = models.CharField(_("actor"), max_length=80, db_default="", blank=True)
    occurred_at = models.DateTimeField(_("occurred at"), db_default=Now())
    created_at = models.DateTimeField(_("booked at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="ledger_entry_books_a_fact_once"),
            models.CheckConstraint(condition=Q(kind__in=EntryKind.values), name="ledger_entry_kind_is_known"),
        ]
        indexes = [models.Index(fields=["occurred_at"], name="ledger_entry_by_time")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.subject}"


class LedgerLine(models.Model):
    """One side of an entry, in fen. `party` says whose part of the account it is, such as "merchant:3"."""

    entry = models.ForeignKey(
        LedgerEntry,
        verbose_name=_("entry"),
        on_delete=models.PROTECT,
        related_name="lines",
        db_constraint=False,
    )
    # No foreign key to the few accounts: each check would lock the same rows in every worker.
    account = models.ForeignKey(
        Account,
        verbose_name=_("account"),
        on_delete=models.PROTECT,
        related_name="lines",
        db_index=False,
        db_constraint=False,
    )
    party = models.CharField(_("party"), max_length=40, db_default="", blank=True)
    debit_fen = models.BigIntegerField(_("debit (fen)"), db_default=0)
    credit_fen = models.BigIntegerField(_("credit (fen)"), db_default=0)

    class Meta:
        verbose_name = _("ledger line")
        verbose_name_plural = _("ledger lines")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(debit_fen__gt=0, credit_fen=0) | Q(debit_fen=0, credit_fen__gt=0),
                name="ledger_line_has_one_side",
            )
        ]
        indexes = [models.Index(fields=["account", "party"], name="ledger_line_of_account")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.debit_fen - self.credit_fen}"

    @property
    def fen(self) -> int:
        """Debit less credit."""
        return self.debit_fen - self.credit_fen
