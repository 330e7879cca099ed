"""Money that goes back."""

from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import Connection, Team, TellsChanges, TicketSubject, Versioned, WorkItem, money
from oms.merchants.models import Merchant
from orders.models import Order
from payments.models.grant import RefundGrant
from payments.models.moved import moved_by, number_at_the_provider
from payments.models.payment import Payment


class RefundState(models.TextChoices):
    """Where a refund is."""

    GRANTED = "granted", _("To be sent")
    INTENDED = "intended", _("Intended")
    REQUESTED = "requested", _("Requested")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")


# The money is on its way, or will be.
OPEN_REFUNDS = (RefundState.GRANTED, RefundState.INTENDED, RefundState.REQUESTED)


class RefundReason(models.TextChoices):
    """Why money goes back."""

    CANCELLED = "cancelled", _("the order was cancelled")
    SUB_ORDER_CANCELLED = "sub_order_cancelled", _("a sub-order was cancelled")
    REJECTED = "rejected", _("the buyer refused the parcel")
    RETURNED = "returned", _("the parcel came back")
    GOODWILL = "goodwill", _("goodwill")
    PRICE_PROTECTION = "price_protection", _("price protection")
    COMPENSATION = "compensation", _("compensation")
    EDITED = "edited", _("the order was changed")
    OVERPAID = "overpaid", _("more was paid than is due")
    CHARGED_BACK = "charged_back", _("the buyer had it charged back")


class RefundQuerySet(models.QuerySet["Refund"]):
    """Named queries over refunds."""

    def visible_to(self, merchant: Merchant) -> "RefundQuerySet":
        """Refunds of orders that the merchant's channels sent; the one place that decides it."""
        return self.filter(order__channel__merchant=merchant)


class Refund(WorkItem, Versioned, TellsChanges):
    """Money of a captured payment going back to the buyer, over the payment's connection.

    Where nobody can be asked (cash, money that the merchant took), a person pays it by hand. `refunded_amount` is what
    really went back.
    """

    # What was granted above a limit waits for finance.
    initial_states = (RefundState.GRANTED,)
    ticket_subject = TicketSubject("refund", "NEW.order_id", Team.FINANCE)

    number = models.CharField(_("refund number"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="refunds")
    payment = models.ForeignKey(Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="refunds")
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="refunds",
        db_index=False,
    )
    grant = models.ForeignKey(
        RefundGrant,
        verbose_name=_("grant of a refund"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="refunds",
        help_text=_("Empty where it goes back by rule."),
    )
    state = FSMField(_("state"), choices=RefundState.choices, default=RefundState.INTENDED, protected=True)
    amount = money(_("amount"))
    refunded_amount = money(_("refunded"), db_default=0)
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    reason = models.CharField(_("reason"), max_length=40, choices=RefundReason.choices)
    transaction_number = number_at_the_provider()
    fact = moved_by()
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    requested_at = models.DateTimeField(
        _("requested at"), null=True, blank=True, editable=False, help_text=_("Since when the provider has it.")
    )
    due_at = models.DateTimeField(_("due at"), null=True, blank=True, editable=False)
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
            models.CheckConstraint(condition=Q(reason__in=RefundReason.values), name="refund_reason_is_known"),
            models.CheckConstraint(
                condition=Q(state=RefundState.SUCCEEDED, refunded_amount__gt=0, succeeded_at__isnull=False)
                | (~Q(state=RefundState.SUCCEEDED) & Q(refunded_amount=0)),
                name="refund_refunded_amount_set_once_succeeded",
            ),
            models.CheckConstraint(
                condition=~Q(state=RefundState.REQUESTED) | Q(requested_at__isnull=False),
                name="refund_requested_at_set_once_requested",
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "ready_at"], condition=Q(state=RefundState.INTENDED), name="refund_queue_request"
            ),
            models.Index(fields=["requested_at"], condition=Q(state=RefundState.REQUESTED), name="refund_queue_chase"),
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(state=RefundState.REQUESTED, ready_at__isnull=False),
                name="refund_queue_ask",
            ),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="refund_queue_person"),
            models.Index(fields=["id"], condition=Q(state=RefundState.GRANTED), name="refund_queue_send"),
            models.Index(fields=["due_at"], condition=~Q(state=RefundState.SUCCEEDED), name="refund_queue_overdue"),
            models.Index(fields=["changed_at", "id"], name="refund_by_change"),
            models.Index(
                fields=["succeeded_at"], condition=Q(state=RefundState.SUCCEEDED), name="refund_succeeded_by_time"
            ),
        ]
        permissions = [
            ("pay_out_refund", _("Can record that a refund was paid by hand")),
            ("send_refund", _("Can send refunds that were granted")),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def provider(self) -> str:
        """Who gives the money back: the code of the connection, or "cash" or "external" where a person must."""
        return self.connection.code if self.connection else self.payment.means

    @property
    def rest(self) -> Decimal:
        """What of it did not go back yet, in yuan."""
        return max(self.amount - self.refunded_amount, Decimal(0))

    @transition(state, source=RefundState.GRANTED, target=RefundState.INTENDED)
    def send(self) -> None:
        """Finance lets it go."""

    @transition(state, source=RefundState.INTENDED, target=RefundState.REQUESTED)
    def request(self) -> None:
        """The provider has it."""

    @transition(
        state,
        source=[RefundState.GRANTED, RefundState.INTENDED, RefundState.REQUESTED, RefundState.FAILED],
        target=RefundState.SUCCEEDED,
    )
    def succeed(self, *, amount: Decimal, at: datetime, fact_id: int, transaction_number: str = "") -> None:
        """The buyer has the money. Facts come in any order: money that arrived after a failure arrived."""
        self.refunded_amount, self.succeeded_at = amount, at
        self.fact_id, self.transaction_number = fact_id, transaction_number
        self.lease_until = self.needs_person_since = None

    @transition(
        state, source=[RefundState.GRANTED, RefundState.INTENDED, RefundState.REQUESTED], target=RefundState.FAILED
    )
    def fail(self) -> None:
        """The provider refused; a person must look."""
        self.lease_until = None

    @transition(state, source=[RefundState.REQUESTED, RefundState.FAILED], target=RefundState.INTENDED)
    def retry(self) -> None:
        """A person sends it again, under the same number."""
