"""What marketplace merchants are owed, row by row, and the statements that pay it."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import TellsChanges, Versioned, money
from oms.merchants.models import Merchant
from orders.models import Order, OrderLine, SubOrder


class CommissionTerm(models.Model):
    """The share of its sales that a merchant pays from a moment on, for a category of goods, or for all others where
    none is named. An order goes by the term that was in force when it came in; terms are only ever added."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="commission_terms", db_index=False
    )
    category = models.CharField(_("category"), max_length=120, blank=True, default="")
    rate = models.DecimalField(_("commission rate"), max_digits=5, decimal_places=4)
    on_freight = models.BooleanField(_("on freight too"), default=False)
    in_force_from = models.DateTimeField(_("in force from"), db_default=Now())

    class Meta:
        verbose_name = _("commission term")
        verbose_name_plural = _("commission terms")
        ordering = ["merchant", "category", "-in_force_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "category", "in_force_from"], name="commission_term_is_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(rate__gte=0, rate__lt=1),
                name="commission_term_is_a_share",
                violation_error_message=_(
                    "The rate is a share: give at least 0 and less than 1, as 0.05 for 5 percent."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merchant_id} {self.category or '*'} {self.rate}"


class ServiceTerm(models.Model):
    """What a merchant pays from a moment on where a warehouse of ours sends its goods: for each sub-order, for each
    unit, and as a share of what the goods bring. An order goes by the term that was in force when it came in; terms are
    only ever added."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="service_terms", db_index=False
    )
    sub_order_fee = money(_("for each sub-order"), default=Decimal(0))
    unit_fee = money(_("for each unit"), default=Decimal(0))
    rate = models.DecimalField(_("share of the goods"), max_digits=5, decimal_places=4, default=Decimal(0))
    in_force_from = models.DateTimeField(_("in force from"), db_default=Now())

    class Meta:
        verbose_name = _("service term")
        verbose_name_plural = _("service terms")
        ordering = ["merchant", "-in_force_from"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "in_force_from"], name="service_term_is_one_at_a_time"),
            models.CheckConstraint(
                condition=Q(sub_order_fee__gte=0, unit_fee__gte=0, rate__gte=0, rate__lt=1),
                name="service_term_is_a_fee",
                violation_error_message=_("Fees are 0 or more; the rate is a share, at least 0 and less than 1."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merchant_id} {self.sub_order_fee} + {self.unit_fee} + {self.rate}"


class StatementState(models.TextChoices):
    """Where a statement is."""

    CLOSED = "closed", _("Closed")
    APPROVED = "approved", _("Approved")
    PAID = "paid", _("Paid")


class StatementQuerySet(models.QuerySet["Statement"]):
    """Named queries over statements."""

    def visible_to(self, merchant: Merchant) -> "StatementQuerySet":
        """The merchant's own; the one place that decides it."""
        return self.filter(merchant=merchant)


class Statement(Versioned, TellsChanges):
    """What a merchant is owed for a period, [`starts_on`, `ends_on`), by the China dates on which rows became due.

    It is made closed: its rows are frozen, its total and hash fixed. A second person approves it, and the bank's serial
    says that it was paid. A total below 0 is carried over into the next statement.
    """

    number = models.CharField(_("statement number"), max_length=40, editable=False)
    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="statements", db_index=False
    )
    state = FSMField(_("state"), choices=StatementState.choices, default=StatementState.CLOSED, protected=True)
    starts_on = models.DateField(_("first day"))
    ends_on = models.DateField(_("until (not including)"))
    opening_amount = money(_("carried over"), help_text=_("From the statement before; never above 0."))
    rows_amount = money(_("sum of rows"))
    total_amount = money(_("total"))
    row_count = models.IntegerField(_("rows"))
    row_hash = models.CharField(_("hash of the rows"), max_length=64, editable=False)
    closed_by = models.CharField(_("closed by"), max_length=80)
    closed_at = models.DateTimeField(_("closed at"), db_default=Now(), editable=False)
    approved_by = models.CharField(_("approved by"), max_length=80, blank=True, db_default="")
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True)
    bank_serial = models.CharField(_("bank serial"), max_length=64, blank=True, db_default="")
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)

    objects = StatementQuerySet.as_manager()

    class Meta:
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        ordering = ["-id"]
        permissions = [
            ("close_statement", _("Can close periods of merchants")),
            ("approve_statement", _("Can approve statements")),
            ("pay_statement", _("Can record that a statement was paid")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="statement_number_is_unique"),
            models.UniqueConstraint(fields=["merchant", "starts_on"], name="statement_period_is_closed_once"),
            models.CheckConstraint(condition=Q(starts_on__lt=F("ends_on")), name="statement_period_has_days"),
            models.CheckConstraint(condition=Q(state__in=StatementState.values), name="statement_state_is_known"),
            models.CheckConstraint(
                condition=Q(opening_amount__lte=0, total_amount=F("opening_amount") + F("rows_amount")),
                name="statement_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(state=StatementState.CLOSED, approved_by="")
                | Q(~Q(approved_by=""), ~Q(approved_by=F("closed_by")), ~Q(state=StatementState.CLOSED)),
                name="statement_is_approved_by_a_second_person",
            ),
            models.CheckConstraint(
                condition=~Q(state=StatementState.PAID)
                | Q(total_amount__lte=0, bank_serial="")
                | Q(total_amount__gt=0) & ~Q(bank_serial=""),
                name="statement_paid_names_the_banks_serial",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def payable_amount(self) -> Decimal:
        """What the merchant is paid (yuan)."""
        return max(self.total_amount, Decimal(0))

    @property
    def carried_amount(self) -> Decimal:
        """What goes over into the next statement (yuan), never above 0."""
        return min(self.total_amount, Decimal(0))

    @transition(state, source=StatementState.CLOSED, target=StatementState.APPROVED)
    def approve(self) -> None:
        """A second person looked at it."""

    @transition(state, source=StatementState.APPROVED, target=StatementState.PAID)
    def pay(self) -> None:
        """The merchant has the money, or is owed none."""


class RowKind(models.TextChoices):
    """What a row of a settlement is for."""

    SALE = "sale", _("Sale")
    REFUND = "refund", _("Refund")
    COLLECTED = "collected", _("Taken by the merchant itself")
    COMPENSATION = "compensation", _("Compensation borne by the merchant")
    KEPT = "kept", _("Not given back to the buyer")
    SERVICE = "service", _("Service of our warehouse")
    WAY_BACK = "way_back", _("Way back of returned goods")
    FORFEITED = "forfeited", _("Deposit forfeited by the buyer")
    DEPOSIT = "deposit", _("Kept back for the deposit")
    FEE = "fee", _("Service fee")
    FINE = "fine", _("Fine")
    CORRECTION = "correction", _("Correction")


# Rows that staff add by hand, each with a reason.
BY_HAND = (RowKind.FEE, RowKind.FINE, RowKind.CORRECTION)


class SettlementRowQuerySet(models.QuerySet["SettlementRow"]):
    """Named queries over settlement rows."""

    def visible_to(self, merchant: Merchant) -> "SettlementRowQuerySet":
        """The merchant's own; the one place that decides it."""
        return self.filter(merchant=merchant)


class SettlementRow(TellsChanges):
    """One signed row (yuan) of what a marketplace merchant is owed: positive, the merchant gets it.

    Of a sale, `goods_amount` is what the buyer gave for the goods (gift card and points are money), `platform_amount`
    what the platform bears of the price, and `commission_amount` what the merchant pays, below 0. A row is due on a
    day, belongs to the statement of that day's period once it is closed, and never changes; what comes later about it
    is a row of its own that `corrects` it. `changed_at` is when it came, or got its statement.
    """

    key = models.CharField(_("key"), max_length=80, editable=False)
    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="settlement_rows", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=12, choices=RowKind.choices)
    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="settlement_rows",
        db_constraint=False,
    )
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="settlement_rows",
        db_constraint=False,
    )
    line = models.ForeignKey(
        OrderLine,
        verbose_name=_("order line"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    quantity = models.IntegerField(_("units"), db_default=0)
    goods_amount = money(_("goods"), db_default=0)
    platform_amount = money(_("borne by the platform"), db_default=0)
    freight_amount = money(_("freight"), db_default=0)
    rate = models.DecimalField(_("commission rate"), max_digits=5, decimal_places=4, db_default=0)
    commission_amount = money(_("commission"), db_default=0)
    other_amount = money(_("other"), db_default=0)
    net_amount = money(_("net"))
    due_on = models.DateField(_("due on"))
    statement = models.ForeignKey(
        Statement,
        verbose_name=_("statement"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rows",
    )
    corrects = models.ForeignKey(
        "self",
        verbose_name=_("corrects"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="corrections",
        db_index=False,
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True, db_default="")
    document = models.CharField(_("document"), max_length=80, blank=True, db_default="")
    actor = models.CharField(_("actor"), max_length=80, blank=True, db_default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = SettlementRowQuerySet.as_manager()

    class Meta:
        verbose_name = _("settlement row")
        verbose_name_plural = _("settlement rows")
        ordering = ["-id"]
        permissions = [("correct_settlement", _("Can add fees, fines and corrections to settlements"))]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="settlement_row_is_once_a_fact"),
            models.CheckConstraint(condition=Q(kind__in=RowKind.values), name="settlement_row_kind_is_known"),
            models.CheckConstraint(
                condition=Q(
                    net_amount=F("goods_amount")
                    + F("platform_amount")
                    + F("freight_amount")
                    + F("commission_amount")
                    + F("other_amount")
                ),
                name="settlement_row_adds_up",
                violation_error_message=_("The parts of the row do not come to its net amount."),
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=BY_HAND) | ~Q(reason=""),
                name="settlement_row_by_hand_has_a_reason",
                violation_error_message=_("Say why the row is entered by hand."),
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "due_on"], name="settlement_row_of_merchant"),
            models.Index(fields=["changed_at", "id"], name="settlement_row_by_change"),
            models.Index(
                fields=["merchant", "due_on"], condition=Q(statement__isnull=True), name="settlement_row_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.net_amount}"

    @property
    def gross_amount(self) -> Decimal:
        """What it is worth before the commission (yuan)."""
        return self.net_amount - self.commission_amount


class StatementRemark(models.Model):
    """What a merchant says about a statement of its, or staff answer. Rows are only ever added."""

    statement = models.ForeignKey(
        Statement, verbose_name=_("statement"), on_delete=models.PROTECT, related_name="remarks"
    )
    text = models.CharField(_("text"), max_length=1000)
    is_answer = models.BooleanField(_("answer"), db_default=False, default=False)
    actor = models.CharField(_("by"), max_length=80)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("remark on a statement")
        verbose_name_plural = _("remarks on statements")
        ordering = ["id"]
        permissions = [("answer_statement", _("Can answer what merchants say about statements"))]
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="statement_remark_says_something")]

    def __str__(self) -> str:
        return self.text[:60]
