"""What buyers contest at a provider: complaints there, and payments that are charged back."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from oms.common.models import Connection, Team, TicketSubject, Versioned, WorkItem, money
from oms.common.secrecy import SealedField
from orders.models import Order
from payments.models.payment import Payment


class DisputeKind(models.TextChoices):
    """What a buyer does at the provider."""

    COMPLAINT = "complaint", _("Complaint")
    CHARGEBACK = "chargeback", _("Chargeback")


class DisputeState(models.TextChoices):
    """Where a dispute is."""

    REPORTED = "reported", _("Reported")
    OPEN = "open", _("To be answered")
    ANSWERED = "answered", _("Answered")
    WON = "won", pgettext_lazy("dispute", "Won")
    LOST = "lost", pgettext_lazy("dispute", "Lost")
    ENDED = "ended", _("Ended")


# Somebody has still to decide.
OPEN_DISPUTES = (DisputeState.REPORTED, DisputeState.OPEN, DisputeState.ANSWERED)


class Dispute(WorkItem, Versioned):
    """A complaint at a provider, or a payment that is charged back; `number` is the provider's.

    `held_amount` is what the provider keeps back until it is decided: it is ours in the books, but neither to be spent
    nor to be sent back a second time. A chargeback that is lost becomes a refund of the payment. What the buyer wrote
    is `content`, sealed.
    """

    # What people enter is known whole; of what a provider tells it is asked first.
    initial_states = (DisputeState.OPEN,)
    ticket_subject = TicketSubject("dispute", "NEW.order_id", Team.FINANCE)

    number = models.CharField(_("number at the provider"), max_length=64)
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="disputes", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=10, choices=DisputeKind.choices)
    state = FSMField(_("state"), choices=DisputeState.choices, default=DisputeState.REPORTED, protected=True)
    payment = models.ForeignKey(
        Payment, verbose_name=_("payment"), null=True, blank=True, on_delete=models.PROTECT, related_name="disputes"
    )
    order = models.ForeignKey(
        Order, verbose_name=_("order"), null=True, blank=True, on_delete=models.PROTECT, related_name="disputes"
    )
    amount = money(_("amount"), db_default=0)
    held_amount = money(_("held by the provider"), db_default=0)
    content = SealedField(_("what the buyer wrote"), null=True, blank=True, editable=False)
    note = models.CharField(_("note"), max_length=200, db_default="", blank=True)
    opened_by = models.CharField(_("entered by"), max_length=80, db_default="", blank=True, editable=False)
    decided_by = models.CharField(_("decided by"), max_length=80, db_default="", blank=True, editable=False)
    opened_at = models.DateTimeField(_("opened at"), db_default=Now(), editable=False)
    due_at = models.DateTimeField(_("to be answered by"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        ordering = ["-id"]
        permissions = [
            ("enter_dispute", _("Can enter chargebacks and complaints")),
            ("decide_dispute", _("Can say how disputes were answered and decided")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["connection", "number"], name="dispute_number_is_unique"),
            models.CheckConstraint(condition=Q(kind__in=DisputeKind.values), name="dispute_kind_is_known"),
            models.CheckConstraint(condition=Q(state__in=DisputeState.values), name="dispute_state_is_known"),
            models.CheckConstraint(
                condition=Q(amount__gte=0, held_amount__gte=0), name="dispute_amounts_are_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(held_amount=0)
                | Q(
                    kind=DisputeKind.CHARGEBACK,
                    payment__isnull=False,
                    state__in=[DisputeState.OPEN, DisputeState.ANSWERED],
                ),
                name="dispute_holds_money_while_it_is_open",
            ),
            models.CheckConstraint(
                condition=Q(payment__isnull=True) | Q(order__isnull=False), name="dispute_of_a_payment_has_an_order"
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN_DISPUTES, ended_at__isnull=True)
                | (~Q(state__in=OPEN_DISPUTES) & Q(ended_at__isnull=False)),
                name="dispute_ends_at_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "ready_at"], condition=Q(ready_at__isnull=False), name="dispute_queue_ask"
            ),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="dispute_queue_person"),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(
        state,
        source=[DisputeState.REPORTED, DisputeState.ANSWERED, DisputeState.ENDED],
        target=DisputeState.OPEN,
    )
    def open(self) -> None:
        """The provider waits for our answer; a buyer may come back after the end."""
        self.ended_at = None

    @transition(
        state, source=[DisputeState.REPORTED, DisputeState.OPEN, DisputeState.ENDED], target=DisputeState.ANSWERED
    )
    def answer(self) -> None:
        """The provider has our answer and decides."""
        self.ended_at = None

    @transition(state, source=[DisputeState.OPEN, DisputeState.ANSWERED], target=DisputeState.WON)
    def win(self) -> None:
        """The money stays ours."""
        self._end()

    @transition(state, source=[DisputeState.OPEN, DisputeState.ANSWERED], target=DisputeState.LOST)
    def lose(self) -> None:
        """The buyer has the money."""
        self._end()

    @transition(
        state, source=[DisputeState.REPORTED, DisputeState.OPEN, DisputeState.ANSWERED], target=DisputeState.ENDED
    )
    def end(self) -> None:
        """A complaint is over; it decides about no money."""
        self._end()

    def _end(self) -> None:
        self.held_amount = Decimal(0)
        self.ended_at = timezone.now()
