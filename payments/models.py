"""Money in, money back, documents, and what merchants are owed. Amounts in yuan."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import Versioned, WorkItem, money
from oms.merchants.models import Merchant
from orders.models import Order, SubOrder


class PaymentState(models.TextChoices):
    """Where a payment is."""

    INTENDED = "intended", _("Intended")
    PENDING = "pending", _("Waiting for the buyer")
    CAPTURED = "captured", _("Captured")
    FAILED = "failed", _("Failed")
    EXPIRED = "expired", _("Expired")


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Named queries over payments."""

    def visible_to(self, merchant: Merchant) -> "PaymentQuerySet":
        """Payments for orders that the merchant's channels sent; the one place that decides it."""
        return self.filter(order__channel__merchant=merchant)


class Payment(WorkItem, Versioned):
    """One way in which money for an order comes in. `number` is the key under which the provider knows it."""

    # Money that somebody else asks for, and money that is there already: the merchant's own, and cash at the door.
    initial_states = (PaymentState.PENDING, PaymentState.CAPTURED)

    number = models.CharField(_("payment number"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="payments")
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="payments",
        db_index=False,
        help_text=_("Set where the carrier collects the cash of a parcel."),
    )
    provider = models.CharField(_("provider"), max_length=20)
    state = FSMField(_("state"), choices=PaymentState.choices, default=PaymentState.INTENDED, protected=True)
    amount = money(_("amount"))
    captured_amount = money(_("captured"), db_default=0)
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    captured_at = models.DateTimeField(_("captured at"), null=True, blank=True, editable=False)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="payment_number_is_unique"),
            models.UniqueConstraint(
                fields=["sub_order"], condition=Q(sub_order__isnull=False), name="payment_collects_a_sub_order_once"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_amount_is_positive"),
            models.CheckConstraint(condition=Q(state__in=PaymentState.values), name="payment_state_is_known"),
            models.CheckConstraint(
                condition=Q(state=PaymentState.CAPTURED, captured_amount__gt=0, captured_at__isnull=False)
                | (~Q(state=PaymentState.CAPTURED) & Q(captured_amount=0)),
                name="payment_captured_amount_set_once_captured",
            ),
        ]
        indexes = [
            models.Index(fields=["ready_at"], condition=Q(state=PaymentState.INTENDED), name="payment_queue_request"),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="payment_queue_person"),
        ]
        permissions = [("retry_payment", _("Can let payments and refunds be tried again"))]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=PaymentState.INTENDED, target=PaymentState.PENDING)
    def request(self) -> None:
        """The provider knows it and waits for the buyer."""

    @transition(
        state,
        source=[PaymentState.INTENDED, PaymentState.PENDING, PaymentState.FAILED, PaymentState.EXPIRED],
        target=PaymentState.CAPTURED,
    )
    def capture(self) -> None:
        """The money is ours. Money that comes after a failure or too late is money all the same."""

    @transition(state, source=[PaymentState.INTENDED, PaymentState.PENDING], target=PaymentState.FAILED)
    def fail(self) -> None:
        """The provider or the buyer refused."""

    @transition(state, source=[PaymentState.INTENDED, PaymentState.PENDING], target=PaymentState.EXPIRED)
    def expire(self) -> None:
        """The order was cancelled before the money came."""


class PaymentNotice(models.Model):
    """What a provider told us, as it came; unique by the provider's own key, applied once."""

    class Kind(models.TextChoices):
        CAPTURED = "captured", _("Captured")
        FAILED = "failed", _("Failed")
        REFUNDED = "refunded", _("Refunded")
        REFUND_FAILED = "refund_failed", _("Refund failed")

    provider = models.CharField(_("provider"), max_length=20)
    notice_key = models.CharField(_("notice key"), max_length=80)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    reference = models.CharField(_("reference"), max_length=32, help_text=_("The number of our payment or refund."))
    amount = money(_("amount"))
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"), db_default=Now())
    applied_at = models.DateTimeField(_("applied at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=40, db_default="", blank=True)

    class Meta:
        verbose_name = _("payment notice")
        verbose_name_plural = _("payment notices")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "notice_key"], name="payment_notice_comes_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_notice_amount_is_positive"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(applied_at__isnull=True), name="payment_notice_queue"),
            models.Index(fields=["reference"], name="payment_notice_by_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.notice_key}"


class RefundState(models.TextChoices):
    """Where a refund is."""

    INTENDED = "intended", _("Intended")
    REQUESTED = "requested", _("Requested")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")


class RefundQuerySet(models.QuerySet["Refund"]):
    """Named queries over refunds."""

    def visible_to(self, merchant: Merchant) -> "RefundQuerySet":
        """Refunds of orders that the merchant's channels sent; the one place that decides it."""
        return self.filter(order__channel__merchant=merchant)


class Refund(WorkItem, Versioned):
    """Money of a captured payment going back to the buyer."""

    number = models.CharField(_("refund number"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="refunds")
    payment = models.ForeignKey(Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="refunds")
    state = FSMField(_("state"), choices=RefundState.choices, default=RefundState.INTENDED, protected=True)
    amount = money(_("amount"))
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    reason = models.CharField(_("reason"), max_length=40)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    succeeded_at = models.DateTimeField(_("succeeded at"), null=True, blank=True, editable=False)

    objects = RefundQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="refund_number_is_unique"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount_is_positive"),
            models.CheckConstraint(condition=Q(state__in=RefundState.values), name="refund_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state=RefundState.SUCCEEDED) | Q(succeeded_at__isnull=False),
                name="refund_succeeded_at_set_once_succeeded",
            ),
        ]
        indexes = [
            models.Index(fields=["ready_at"], condition=Q(state=RefundState.INTENDED), name="refund_queue_request"),
            models.Index(fields=["ready_at"], condition=Q(state=RefundState.REQUESTED), name="refund_queue_chase"),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="refund_queue_person"),
        ]
        permissions = [("pay_out_refund", _("Can record that a refund was paid by hand"))]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=RefundState.INTENDED, target=RefundState.REQUESTED)
    def request(self) -> None:
        """The provider has it."""

    @transition(
        state,
        source=[RefundState.INTENDED, RefundState.REQUESTED, RefundState.FAILED],
        target=RefundState.SUCCEEDED,
    )
    def succeed(self) -> None:
        """The buyer has the money. Notices come in any order: money that arrived after a failure arrived."""

    @transition(state, source=[RefundState.INTENDED, RefundState.REQUESTED], target=RefundState.FAILED)
    def fail(self) -> None:
        """The provider refused; a person must look."""

    @transition(state, source=[RefundState.REQUESTED, RefundState.FAILED], target=RefundState.INTENDED)
    def retry(self) -> None:
        """A person sends it again, under the same number."""


class Invoice(Versioned):
    """A tax document for an order."""

    class State(models.TextChoices):
        REQUESTED = "requested", _("Requested")
        ISSUED = "issued", _("Issued")
        RED_LETTERED = "red_lettered", _("Offset by a red invoice")
        CANCELLED = "cancelled", _("Cancelled")

    number = models.CharField(_("invoice number"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="invoices")
    state = FSMField(_("state"), choices=State.choices, default=State.REQUESTED, protected=True)
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
            models.CheckConstraint(
                condition=Q(state__in=["requested", "issued", "red_lettered", "cancelled"]),
                name="invoice_state_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=State.REQUESTED, target=State.ISSUED)
    def issue(self) -> None:
        """The tax platform issued it."""

    @transition(state, source=State.REQUESTED, target=State.CANCELLED)
    def cancel(self) -> None:
        """No longer wanted."""

    @transition(state, source=State.ISSUED, target=State.RED_LETTERED)
    def offset(self) -> None:
        """A red invoice takes it back."""


class Settlement(Versioned):
    """What a marketplace merchant is owed for a completed sub-order: gross less commission, due after its days."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        PAID = "paid", _("Paid")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="settlements", db_index=False
    )
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="settlements", db_index=False
    )
    state = FSMField(_("state"), choices=State.choices, default=State.OPEN, protected=True)
    gross_amount = money(_("gross"))
    commission_amount = money(_("commission"))
    net_amount = money(_("net"))
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    due_on = models.DateField(_("due on"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("settlement")
        verbose_name_plural = _("settlements")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["sub_order"], name="settlement_settles_a_sub_order_once"),
            models.CheckConstraint(
                condition=Q(
                    gross_amount__gte=0,
                    commission_amount__gte=0,
                    net_amount=F("gross_amount") - F("commission_amount"),
                ),
                name="settlement_amounts_add_up",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "paid", "withdrawn"]), name="settlement_state_is_known"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "due_on"], name="settlement_of_merchant")]

    def __str__(self) -> str:
        return f"{self.sub_order_id}: {self.net_amount}"

    @transition(state, source=State.OPEN, target=State.PAID)
    def pay(self) -> None:
        """The merchant has the money."""

    @transition(state, source=State.OPEN, target=State.WITHDRAWN)
    def withdraw(self) -> None:
        """The goods came back before it was due."""
