"""Bills: what providers, carriers, banks and platforms say happened, and how it fits to what we hold.

Amounts are whole fen. Days are China's. What was read is never changed; what came of it stands in matches.
"""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from oms.common.models import Connection
from oms.common.secrecy import SealedField
from orders.models import SubOrder
from payments.models.balance import BalanceMovement
from payments.models.payment import Payment
from payments.models.refund import Refund


class BillForm(models.TextChoices):
    """What a file of a source is, which decides how it is read and with what it is matched."""

    ALIPAY_TRADE = "alipay_trade", _("Alipay trade bill")
    ALIPAY_FUND = "alipay_fund", _("Alipay fund bill")
    WECHAT_TRADE = "wechat_trade", _("WeChat Pay trade bill")
    WECHAT_FUND = "wechat_fund", _("WeChat Pay fund flow")
    COD = "cod", _("Cash remitted by a carrier")
    BANK = "bank", _("Bank statement")
    SETTLEMENT = "settlement", _("Settlement bill of a platform")
    FREIGHT = "freight", _("Freight bill of a carrier")


# Bills of what was paid and refunded over a provider, and those of what moved on the account there.
TRADE_FORMS = (BillForm.ALIPAY_TRADE, BillForm.WECHAT_TRADE)
FUND_FORMS = (BillForm.ALIPAY_FUND, BillForm.WECHAT_FUND)
# Their columns are the source's own: a stored mapping names them.
MAPPED_FORMS = (BillForm.COD, BillForm.BANK, BillForm.SETTLEMENT, BillForm.FREIGHT)


class BillRowKind(models.TextChoices):
    """What a row of a bill says."""

    PAYMENT = "payment", _("Money in")
    REFUND = "refund", _("Money back")
    FEE = "fee", _("Fee")
    WITHDRAWAL = "withdrawal", _("Withdrawal")
    OTHER = "other", _("Something else")
    MALFORMED = "malformed", _("Unreadable")


class Outcome(models.TextChoices):
    """What came of comparing a row of a bill with our books, or a payment or refund of ours with the bills."""

    MATCHED = "matched", _("Matched")
    AMOUNT_DIFFERS = "amount_differs", _("Another amount")
    FEE_DIFFERS = "fee_differs", _("Another fee")
    STATE_DIFFERS = "state_differs", _("Another state")
    PAID_WITHOUT_ORDER = "paid_without_order", _("Paid without an order")
    ORDER_WITHOUT_MONEY = "order_without_money", _("In our books only")
    PAID_BUT_PENDING = "paid_but_pending", _("Paid, and not captured here")
    DOUBLE_PAYMENT = "double_payment", _("Paid twice")
    REFUND_NOT_OURS = "refund_not_ours", _("A refund that is not ours")
    DUPLICATE_ROW = "duplicate_row", _("The same row twice")
    MALFORMED_ROW = "malformed_row", _("Unreadable row")
    NOT_YET_DUE = "not_yet_due", _("Expected in the next bill")
    UNIDENTIFIED = "unidentified", _("Unidentified")
    CARRIER_PAYMENT = "carrier_payment", _("Payment to a carrier")
    BANK_CHARGE = "bank_charge", _("Charge of the bank")
    NO_SHIPMENT = "no_shipment", _("No parcel of ours")
    CREDIT = "credit", _("Given back by the carrier")


# Nobody has to look at these.
SETTLED_OUTCOMES = (
    Outcome.MATCHED,
    Outcome.NOT_YET_DUE,
    Outcome.CARRIER_PAYMENT,
    Outcome.BANK_CHARGE,
    Outcome.CREDIT,
)


class Resolution(models.TextChoices):
    """How a difference came to its end."""

    OPEN = "", pgettext_lazy("difference of a bill", "Open")
    BY_ITSELF = "by_itself", _("Came right by itself")
    TIED = "tied", _("Tied by a person")
    FEE_ACCEPTED = "fee_accepted", _("Fee accepted")
    WRITTEN_OFF = "written_off", _("Written off")
    NOTED = "noted", _("Looked at")


class BillSource(models.Model):
    """Whose bills of which form we read: one a connection and form.

    `account` is how the files name our account; a file of another one is refused. `mapping` says what the columns of a
    source without a form of its own are called (see docs/reconciliation.md). The fee that we agreed on is `fee_rate` of
    an amount, at least `fee_minimum`; without a rate fees are not compared.
    """

    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="bill_sources", db_index=False
    )
    form = models.CharField(_("form"), max_length=14, choices=BillForm.choices)
    account = models.CharField(
        _("account"), max_length=40, blank=True, default="", help_text=_("As the files name it; empty: not compared.")
    )
    mapping = models.JSONField(
        _("columns"), default=dict, blank=True, help_text=_("What the file calls its columns; empty: the usual names.")
    )
    fee_rate = models.DecimalField(
        _("agreed fee (share)"),
        max_digits=6,
        decimal_places=5,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Such as 0.006; empty: fees are not compared."),
    )
    fee_minimum_fen = models.BigIntegerField(_("least fee (fen)"), default=0)
    days_to_remit = models.PositiveSmallIntegerField(
        _("days to remit"), default=7, help_text=_("After so many days cash that a carrier collected is missed.")
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("source of bills")
        verbose_name_plural = _("sources of bills")
        ordering = ["connection", "form"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "form"], name="bill_source_is_unique"),
            models.CheckConstraint(condition=Q(form__in=BillForm.values), name="bill_source_form_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.connection} · {self.get_form_display()}"


class Bill(models.Model):
    """One file of a source, of one day or a few. `content` is the file itself, sealed (see `reconciling.importing`)."""

    source = models.ForeignKey(
        BillSource, verbose_name=_("source of bills"), on_delete=models.PROTECT, related_name="bills", db_index=False
    )
    day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"))
    file_name = models.CharField(_("file"), max_length=200)
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    content = SealedField(_("content"), editable=False)
    row_count = models.IntegerField(_("rows"), db_default=0)
    new_row_count = models.IntegerField(_("new rows"), db_default=0)
    read_by = models.CharField(_("read by"), max_length=80)
    read_at = models.DateTimeField(_("read at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("bill")
        verbose_name_plural = _("bills")
        ordering = ["-id"]
        permissions = [("upload_bill", _("Can upload bills"))]
        constraints = [
            models.UniqueConstraint(fields=["source", "digest"], name="bill_is_read_once"),
            models.CheckConstraint(condition=Q(last_day__gte=models.F("day")), name="bill_days_are_in_order"),
        ]

    def __str__(self) -> str:
        return self.file_name


class BillRow(models.Model):
    """A row of a bill as it was read; only ever added. `key` is a digest of all its cells and of how often the file had
    the same row before, so that no file adds a row twice.

    `amount_fen` is positive where money came to us, `fee_fen` where it cost us. `own_number` is our number of the
    payment or refund that the row names, or the waybill; `of_number` that of a refund's payment, or of the order.
    """

    bill = models.ForeignKey(Bill, verbose_name=_("bill"), on_delete=models.PROTECT, related_name="rows")
    source = models.ForeignKey(
        BillSource, verbose_name=_("source of bills"), on_delete=models.PROTECT, related_name="rows", db_index=False
    )
    day = models.DateField(_("day"))
    key = models.CharField(_("key"), max_length=40, editable=False)
    line = models.IntegerField(_("line of the file"))
    kind = models.CharField(_("kind"), max_length=10, choices=BillRowKind.choices)
    own_number = models.CharField(_("number"), max_length=64, db_default="")
    of_number = models.CharField(_("of"), max_length=64, db_default="")
    transaction_number = models.CharField(_("transaction number"), max_length=64, db_default="")
    batch = models.CharField(_("batch"), max_length=64, db_default="")
    amount_fen = models.BigIntegerField(_("amount (fen)"), db_default=0)
    fee_fen = models.BigIntegerField(_("fee (fen)"), db_default=0)
    # Of a freight bill: the weight that the carrier counts.
    billed_g = models.IntegerField(_("billed weight (g)"), db_default=0)
    occurred_at = models.DateTimeField(_("occurred at"), null=True)
    state = models.CharField(_("state"), max_length=40, db_default="")
    note = models.CharField(_("note"), max_length=200, db_default="")
    # Of a row that could not be read: the column at which it broke off.
    problem = models.CharField(_("problem"), max_length=80, db_default="")

    class Meta:
        verbose_name = _("row of a bill")
        verbose_name_plural = _("rows of bills")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "day", "key"], name="bill_row_is_read_once"),
            models.CheckConstraint(condition=Q(kind__in=BillRowKind.values), name="bill_row_kind_is_known"),
        ]
        indexes = [
            models.Index(fields=["batch"], condition=~Q(batch=""), name="bill_row_of_batch"),
            models.Index(fields=["source", "own_number"], name="bill_row_of_number"),
        ]

    def __str__(self) -> str:
        return self.shown_key

    @property
    def shown_key(self) -> str:
        """Under which number people know the row."""
        return self.own_number or self.of_number or self.transaction_number or str(self.line)


class BillMatch(models.Model):
    """What came of a row of a bill; or, without a row, of a payment or refund of ours that no bill has.

    `booked_fen` is what our own books had of it when it was compared; `agreed_fee_fen` the fee that we agreed on;
    `unexplained_fen` what of it stands as unexplained in the ledger (positive: money that we have too much of).
    `difference_fen` is the bill's amount, or fee, less ours; none of a row that could not be read.
    """

    source = models.ForeignKey(
        BillSource, verbose_name=_("source of bills"), on_delete=models.PROTECT, related_name="matches", db_index=False
    )
    day = models.DateField(_("day"))
    row = models.OneToOneField(
        BillRow, verbose_name=_("row of a bill"), null=True, on_delete=models.PROTECT, related_name="match"
    )
    key = models.CharField(_("number"), max_length=64)
    payment = models.ForeignKey(
        Payment,
        verbose_name=_("payment"),
        null=True,
        on_delete=models.PROTECT,
        related_name="bill_matches",
    )
    refund = models.ForeignKey(
        Refund,
        verbose_name=_("refund"),
        null=True,
        on_delete=models.PROTECT,
        related_name="bill_matches",
    )
    # Whose parcel no freight bill has.
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        null=True,
        on_delete=models.PROTECT,
        related_name="bill_matches",
    )
    # The bill that should have had it; all that it missed have one ticket.
    missed_by = models.ForeignKey(
        Bill,
        verbose_name=_("missed by the bill"),
        null=True,
        on_delete=models.PROTECT,
        related_name="missed",
        db_index=False,
    )
    counterpart = models.ForeignKey(
        BillRow,
        verbose_name=_("row of another bill"),
        null=True,
        on_delete=models.PROTECT,
        related_name="counterparts",
    )
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    amount_fen = models.BigIntegerField(_("amount (fen)"), db_default=0)
    difference_fen = models.BigIntegerField(_("difference (fen)"), null=True)
    booked_fen = models.BigIntegerField(_("booked by us (fen)"), db_default=0)
    agreed_fee_fen = models.BigIntegerField(_("agreed fee (fen)"), db_default=0)
    unexplained_fen = models.BigIntegerField(_("unexplained (fen)"), db_default=0)
    # How many entries of the ledger tell of it; their keys end in 1 up to this number.
    entry_count = models.SmallIntegerField(db_default=0, editable=False)
    resolution = models.CharField(
        _("how it ended"), max_length=12, choices=Resolution.choices, blank=True, db_default=""
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True, db_default="")
    resolved_by = models.CharField(_("by"), max_length=80, blank=True, db_default="")
    resolved_at = models.DateTimeField(_("ended at"), null=True)
    created_at = models.DateTimeField(_("compared at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("reconciled row")
        verbose_name_plural = _("reconciled rows")
        ordering = ["-id"]
        permissions = [
            ("tie_billmatch", _("Can tie rows of bills to payments, refunds and orders")),
            ("accept_fee_billmatch", _("Can accept fees that differ")),
            ("write_off_billmatch", _("Can write differences off")),
            ("note_billmatch", _("Can note that a difference was looked at")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["payment"],
                condition=Q(row__isnull=True, payment__isnull=False),
                name="bill_match_misses_a_payment_once",
            ),
            models.UniqueConstraint(
                fields=["refund"],
                condition=Q(row__isnull=True, refund__isnull=False),
                name="bill_match_misses_a_refund_once",
            ),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="bill_match_outcome_is_known"),
            models.CheckConstraint(
                condition=Q(resolution__in=Resolution.values), name="bill_match_resolution_is_known"
            ),
            models.CheckConstraint(
                condition=Q(resolution="", resolved_at__isnull=True)
                | (~Q(resolution="") & Q(resolved_at__isnull=False)),
                name="bill_match_ends_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(row__isnull=False)
                | Q(payment__isnull=False)
                | Q(refund__isnull=False)
                | Q(sub_order__isnull=False),
                name="bill_match_is_about_something",
            ),
            models.CheckConstraint(
                condition=~Q(resolution=Resolution.WRITTEN_OFF) | (~Q(reason="") & Q(unexplained_fen=0)),
                name="bill_match_is_written_off_with_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(missed_by__isnull=True) | Q(row__isnull=True, sub_order__isnull=False),
                name="bill_match_missed_by_a_bill_has_no_row",
            ),
        ]
        indexes = [
            models.Index(fields=["source", "day", "outcome"], name="bill_match_of_day"),
            models.Index(fields=["missed_by"], condition=Q(missed_by__isnull=False), name="bill_match_missed_by"),
            models.Index(
                fields=["source"],
                condition=Q(resolution="") & ~Q(outcome__in=[Outcome.MATCHED]),
                name="bill_match_open",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def order_id(self) -> int | None:
        """The order that it is about, where it is known."""
        ours = self.payment or self.refund or self.sub_order
        return ours.order_id if ours else None

    @property
    def is_open(self) -> bool:
        """Whether somebody has to look."""
        return self.resolution == Resolution.OPEN and self.outcome not in SETTLED_OUTCOMES


class BillSale(models.Model):
    """A sale of a gift card (a movement of its) that a row of a bank statement paid: no other row paid it."""

    match = models.ForeignKey(
        BillMatch, verbose_name=_("reconciled row"), on_delete=models.PROTECT, related_name="sales"
    )
    movement = models.OneToOneField(
        BalanceMovement, verbose_name=_("sale"), on_delete=models.PROTECT, related_name="bill_sale"
    )

    class Meta:
        verbose_name = _("gift card that a row paid")
        verbose_name_plural = _("gift cards that rows paid")
        ordering = ["id"]
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.movement)


class BillShare(models.Model):
    """Another payment that a row of a remittance stands for, beside that of its match: the cash of one parcel paid for
    several orders (合单), which comes to the row's amount together. A payment is in one of them only."""

    match = models.ForeignKey(
        BillMatch, verbose_name=_("reconciled row"), on_delete=models.PROTECT, related_name="shares"
    )
    payment = models.OneToOneField(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="bill_share"
    )

    class Meta:
        verbose_name = _("payment that a row stands for, too")
        verbose_name_plural = _("payments that rows stand for, too")
        ordering = ["id"]
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.payment)


class BillDay(models.Model):
    """A connection's day: what its bills come to. It is closed as soon as it has all its bills and trades less refunds
    less fees are what moved on the account."""

    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="bill_days", db_index=False
    )
    day = models.DateField(_("day"))
    trade_fen = models.BigIntegerField(_("trades (fen)"), db_default=0)
    refund_fen = models.BigIntegerField(_("refunds (fen)"), db_default=0)
    fee_fen = models.BigIntegerField(_("fees (fen)"), db_default=0)
    fund_fen = models.BigIntegerField(_("moved on the account (fen)"), db_default=0)
    difference_fen = models.BigIntegerField(_("difference (fen)"), db_default=0)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    downloaded_at = models.DateTimeField(_("downloaded at"), null=True, blank=True)

    class Meta:
        verbose_name = _("reconciliation day")
        verbose_name_plural = _("reconciliation days")
        ordering = ["-day", "connection"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "day"], name="bill_day_is_unique"),
            models.CheckConstraint(
                condition=Q(
                    difference_fen=models.F("trade_fen")
                    - models.F("refund_fen")
                    - models.F("fee_fen")
                    - models.F("fund_fen")
                ),
                name="bill_day_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(difference_fen=0), name="bill_day_closes_without_difference"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connection} {self.day}"
