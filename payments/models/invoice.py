"""Tax documents: blue invoices, the red ones that take them back, and their lines, which never change."""

import json
from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common import secrecy
from oms.common.models import Connection, Team, TellsChanges, TicketSubject, Versioned, WorkItem, money
from oms.common.secrecy import SealedField, SealedTextField
from oms.common.tax import TaxMark
from oms.merchants.models import LegalEntity, Merchant
from orders.models import InvoiceRequest, Order, OrderLine
from orders.models.terms import InvoiceKind, TitleType
from payments.models.balance import BalanceAccount
from payments.models.settlement import Statement


class InvoiceState(models.TextChoices):
    """Where an invoice is."""

    REQUESTED = "requested", _("Requested")
    CONFIRMING = "confirming", _("Red letter being confirmed")
    ISSUING = "issuing", _("Being issued")
    ISSUED = "issued", _("Issued")
    PARTLY_RED = "partly_red", _("Partly offset")
    RED = "red", _("Offset by red invoices")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


# Groups of states: what takes part in no sum; what the service works on; what the bureau knows as issued.
DEAD_INVOICES = (InvoiceState.FAILED, InvoiceState.CANCELLED)
OPEN_INVOICES = (InvoiceState.REQUESTED, InvoiceState.CONFIRMING, InvoiceState.ISSUING)
ISSUED_INVOICES = (InvoiceState.ISSUED, InvoiceState.PARTLY_RED, InvoiceState.RED)
# Of which something is left that a red invoice could take back.
OFFSETTABLE = (InvoiceState.ISSUED, InvoiceState.PARTLY_RED)


class RedReason(models.TextChoices):
    """Why an invoice is taken back, by the tax bureau's codes."""

    MISTAKE = "01", _("Made out wrongly")
    RETURNED = "02", _("Goods came back")
    STOPPED = "03", _("Service ended")
    ALLOWANCE = "04", _("Allowance on the price")


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    """Named queries over invoices."""

    def visible_to(self, merchant: Merchant) -> "InvoiceQuerySet":
        """Invoices of orders that the merchant's channels sent, those of its commission, and of its gift cards; the
        one place that decides it."""
        return self.filter(
            Q(order__channel__merchant=merchant) | Q(statement__merchant=merchant) | Q(card__merchant=merchant)
        )


class Invoice(WorkItem, Versioned, TellsChanges):
    """A tax document to a buyer for goods of an order or a gift card, or to a merchant for the commission of a
    statement.

    `number` is ours, by which the invoice service knows the request; `official_number` is the bureau's. A red one
    (`is_red`) names the blue one and has amounts below 0; amounts in yuan are those of its lines. Who it is made out to
    is a sealed copy of what was asked for.
    """

    ticket_subject = TicketSubject("invoice", "NEW.order_id", Team.FINANCE)

    number = models.CharField(_("number of the request"), max_length=32, editable=False)
    order = models.ForeignKey(
        Order, verbose_name=_("order"), null=True, blank=True, on_delete=models.PROTECT, related_name="invoices"
    )
    statement = models.ForeignKey(
        Statement, verbose_name=_("statement"), null=True, blank=True, on_delete=models.PROTECT, related_name="invoices"
    )
    card = models.ForeignKey(
        BalanceAccount,
        verbose_name=_("gift card"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="invoices",
    )
    issuer = models.ForeignKey(
        LegalEntity, verbose_name=_("issuer"), on_delete=models.PROTECT, related_name="invoices", db_index=False
    )
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="invoices", db_index=False
    )
    state = FSMField(_("state"), choices=InvoiceState.choices, default=InvoiceState.REQUESTED, protected=True)
    kind = models.CharField(_("kind"), max_length=10, choices=InvoiceKind.choices)
    title_type = models.CharField(_("title is"), max_length=10, choices=TitleType.choices)
    sealed = SealedTextField(_("details"), editable=False)
    title_version = models.IntegerField(_("version of the title"), db_default=1, editable=False)
    is_red = models.BooleanField(_("red"), default=False, db_default=False)
    of_invoice = models.ForeignKey(
        "self", verbose_name=_("takes back"), null=True, blank=True, on_delete=models.PROTECT, related_name="reds"
    )
    red_reason = models.CharField(
        _("why it is taken back"), max_length=2, choices=RedReason.choices, blank=True, default="", db_default=""
    )
    net_amount = money(_("amount without tax"))
    tax_amount = money(_("tax"))
    amount = money(_("amount"))
    line_count = models.IntegerField(_("lines"))
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    official_number = models.CharField(_("invoice number"), max_length=20, blank=True, default="", db_default="")
    confirmation_state = models.CharField(
        _("state of the confirmation"), max_length=2, blank=True, default="", db_default="", editable=False
    )
    document_url = models.CharField(
        _("address of the document"), max_length=500, blank=True, default="", db_default="", editable=False
    )
    fail_reason = models.CharField(_("why it failed"), max_length=300, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    issued_at = models.DateTimeField(_("issued at"), null=True, blank=True, editable=False)
    mail_due_since = models.DateTimeField(_("to be mailed since"), null=True, blank=True, editable=False)
    mailed_at = models.DateTimeField(_("mailed at"), null=True, blank=True, editable=False)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="invoice_number_is_unique"),
            models.UniqueConstraint(
                fields=["official_number"], condition=~Q(official_number=""), name="invoice_official_number_is_unique"
            ),
            models.CheckConstraint(condition=Q(state__in=InvoiceState.values), name="invoice_state_is_known"),
            models.CheckConstraint(condition=Q(kind__in=InvoiceKind.values), name="invoice_kind_is_known"),
            models.CheckConstraint(condition=Q(title_type__in=TitleType.values), name="invoice_title_type_is_known"),
            models.CheckConstraint(
                condition=~Q(kind=InvoiceKind.SPECIAL) | Q(title_type=TitleType.COMPANY),
                name="invoice_special_for_companies",
            ),
            models.CheckConstraint(
                condition=Q(order__isnull=False, statement__isnull=True, card__isnull=True)
                | Q(order__isnull=True, statement__isnull=False, card__isnull=True)
                | Q(order__isnull=True, statement__isnull=True, card__isnull=False),
                name="invoice_is_of_an_order_a_statement_or_a_card",
            ),
            models.CheckConstraint(
                condition=Q(is_red=False, of_invoice=None, red_reason="", amount__gt=0, net_amount__gte=0)
                & Q(tax_amount__gte=0)
                | Q(is_red=True, of_invoice__isnull=False, red_reason__in=RedReason.values, amount__lt=0)
                & Q(net_amount__lte=0, tax_amount__lte=0),
                name="invoice_is_blue_or_takes_one_back",
            ),
            models.CheckConstraint(
                condition=Q(amount=F("net_amount") + F("tax_amount")), name="invoice_amounts_add_up"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ISSUED_INVOICES, issued_at__isnull=False) & ~Q(official_number="")
                | ~Q(state__in=ISSUED_INVOICES) & Q(issued_at__isnull=True, official_number=""),
                name="invoice_is_numbered_once_issued",
            ),
            models.CheckConstraint(
                condition=Q(is_red=True) & ~Q(state__in=[InvoiceState.PARTLY_RED, InvoiceState.RED])
                | Q(is_red=False) & ~Q(state=InvoiceState.CONFIRMING),
                name="invoice_only_blue_is_taken_back",
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(ready_at__isnull=False, state__in=[*OPEN_INVOICES, *ISSUED_INVOICES]),
                name="invoice_queue",
            ),
            models.Index(
                fields=["mail_due_since"], condition=Q(mail_due_since__isnull=False), name="invoice_queue_mail"
            ),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="invoice_queue_person"),
            models.Index(fields=["changed_at", "id"], name="invoice_by_change"),
            models.Index(fields=["id"], condition=Q(state=InvoiceState.FAILED), name="invoice_queue_failed"),
            models.Index(fields=["issuer", "-id"], name="invoice_of_issuer"),
        ]
        permissions = [
            ("issue_invoice", _("Can ask for invoices and have them issued at once")),
            ("red_invoice", _("Can take invoices back")),
            ("resend_invoice", _("Can send failed invoices again")),
            ("retitle_invoice", _("Can correct who invoices are made out to")),
            ("mail_invoice", _("Can mail invoices")),
            ("download_invoice", _("Can download invoices")),
        ]

    def __str__(self) -> str:
        return self.official_number or self.number

    @property
    def about(self) -> str:
        """The number of the order, statement or gift card that it is of."""
        subject = self.order or self.statement or self.card
        return subject.number if subject else ""

    @property
    def details(self) -> dict[str, str]:
        """Title, tax number and the rest, by name. Raises cryptography.fernet.InvalidToken where no key opens them."""
        opened = json.loads(secrecy.unseal(self.sealed))
        return {name: opened.get(name, "") for name in InvoiceRequest.DETAILS}

    @transition(state, source=InvoiceState.REQUESTED, target=InvoiceState.CONFIRMING)
    def ask_to_confirm(self) -> None:
        """The service has the request of a red letter."""

    @transition(state, source=[InvoiceState.REQUESTED, InvoiceState.CONFIRMING], target=InvoiceState.ISSUING)
    def accept(self) -> None:
        """The service issues it."""

    @transition(state, source=InvoiceState.ISSUING, target=InvoiceState.REQUESTED)
    def forget(self) -> None:
        """The service does not know it: it is sent again under the same number."""

    @transition(
        state,
        source=[InvoiceState.REQUESTED, InvoiceState.CONFIRMING, InvoiceState.ISSUING],
        target=InvoiceState.ISSUED,
    )
    def issue(self, *, official_number: str, at: datetime, document_url: str) -> None:
        """The bureau issued it."""
        self.official_number, self.issued_at, self.document_url = official_number, at, document_url

    @transition(
        state,
        source=[InvoiceState.REQUESTED, InvoiceState.CONFIRMING, InvoiceState.ISSUING],
        target=InvoiceState.FAILED,
    )
    def fail(self, reason: str) -> None:
        """It was refused, for good."""
        self.fail_reason = reason[:300]

    @transition(state, source=[InvoiceState.REQUESTED, InvoiceState.FAILED], target=InvoiceState.CANCELLED)
    def cancel(self) -> None:
        """Nobody wants it any more, before it was sent or after it failed; another one takes its place."""

    @transition(state, source=InvoiceState.ISSUED, target=InvoiceState.PARTLY_RED)
    def offset_partly(self) -> None:
        """A red invoice takes back a part of it."""

    @transition(state, source=[InvoiceState.ISSUED, InvoiceState.PARTLY_RED], target=InvoiceState.RED)
    def offset(self) -> None:
        """Red invoices take back all of it."""


class LineProperty(models.IntegerChoices):
    """What a line is, by the bureau's codes."""

    NORMAL = 0, _("Line")
    DISCOUNT = 1, _("Discount")
    DISCOUNTED = 2, _("Discounted line")


class InvoiceLine(models.Model):
    """A line of an invoice (yuan); added with it and never changed.

    A discount follows directly on the line that it belongs to (`of_line`) and has no quantity; a line of a red invoice
    names the blue line that it takes back. `order_line` is empty for freight and services.
    """

    invoice = models.ForeignKey(
        Invoice, verbose_name=_("invoice"), on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    position = models.SmallIntegerField(_("position"))
    property = models.SmallIntegerField(_("property"), choices=LineProperty.choices, default=LineProperty.NORMAL)
    of_line = models.ForeignKey(
        "self", verbose_name=_("belongs to"), null=True, blank=True, on_delete=models.PROTECT, related_name="taken_back"
    )
    order_line = models.ForeignKey(
        OrderLine, verbose_name=_("order line"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    name = models.CharField(_("name"), max_length=90)
    tax_code = models.CharField(_("tax class"), max_length=19)
    tax_rate = models.DecimalField(_("rate of VAT"), max_digits=4, decimal_places=3)
    tax_mark = models.CharField(
        _("why no tax"), max_length=8, choices=TaxMark.choices, blank=True, default="", db_default=""
    )
    quantity = models.IntegerField(_("quantity"), null=True, blank=True)
    net_amount = money(_("amount without tax"))
    tax_amount = money(_("tax"))
    amount = money(_("amount"))

    class Meta:
        verbose_name = _("line of an invoice")
        verbose_name_plural = _("lines of invoices")
        ordering = ["invoice", "position"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position_is_unique"),
            models.CheckConstraint(condition=Q(amount=F("net_amount") + F("tax_amount")), name="invoice_line_adds_up"),
            models.CheckConstraint(
                condition=Q(property=LineProperty.DISCOUNT, amount__lte=0, quantity=None, of_line__isnull=False)
                | Q(property=LineProperty.DISCOUNTED, amount__gt=0, of_line=None)
                | Q(property=LineProperty.NORMAL, amount__gt=0, of_line=None)
                | Q(property=LineProperty.NORMAL, amount__lt=0, of_line__isnull=False),
                name="invoice_line_is_a_line_a_discount_or_takes_one_back",
            ),
            # The bureau's own check of a line, within 0.06.
            models.CheckConstraint(
                condition=Q(tax_amount__gte=F("net_amount") * F("tax_rate") - Decimal("0.06"))
                & Q(tax_amount__lte=F("net_amount") * F("tax_rate") + Decimal("0.06")),
                name="invoice_line_tax_is_that_of_its_rate",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.amount}"


class InvoiceDocument(models.Model):
    """The document of an issued invoice as the service gave it, sealed."""

    invoice = models.OneToOneField(
        Invoice, verbose_name=_("invoice"), on_delete=models.PROTECT, primary_key=True, related_name="document"
    )
    content = SealedField(_("content"), editable=False)
    media_type = models.CharField(_("media type"), max_length=40, editable=False)
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    fetched_at = models.DateTimeField(_("fetched at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("document of an invoice")
        verbose_name_plural = _("documents of invoices")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.invoice_id)


class StepKind(models.TextChoices):
    """What happened to an invoice."""

    REQUESTED = "requested", _("Asked for")
    SENT = "sent", _("Taken by the invoice service")
    CONFIRMING = "confirming", _("The red letter waits for its confirmation")
    ISSUED = "issued", _("Issued by the tax bureau")
    FETCHED = "fetched", _("The document was fetched")
    MAILED = "mailed", _("Mailed")
    FAILED = "failed", _("Refused")
    CANCELLED = "cancelled", _("Given up; another one takes its place")
    OFFSET = "offset", _("A red invoice takes it back")
    DOWNLOADED = "downloaded", _("Downloaded")


class InvoiceStep(models.Model):
    """One step in an invoice's history; only ever added. `note` is what the service said, or a number."""

    invoice = models.ForeignKey(
        Invoice, verbose_name=_("invoice"), on_delete=models.PROTECT, related_name="steps", db_index=True
    )
    kind = models.CharField(_("step"), max_length=12, choices=StepKind.choices)
    by = models.CharField(_("by"), max_length=80, db_default="", blank=True)
    note = models.CharField(_("note"), max_length=300, db_default="", blank=True)
    created_at = models.DateTimeField(_("at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("step of an invoice")
        verbose_name_plural = _("steps of invoices")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=StepKind.values), name="invoice_step_kind_is_known"),
        ]

    def __str__(self) -> str:
        return self.kind
