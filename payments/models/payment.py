"""Money that comes in."""

from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import Connection, Team, TellsChanges, TicketSubject, Versioned, WorkItem, money
from oms.merchants.models import Merchant
from orders.models import ChangeSet, Order, SubOrder
from payments.models.moved import moved_by, number_at_the_provider


class NoticeKind(models.TextChoices):
    """What a provider tells us of a payment or a refund: the kinds of facts of the topic `payment`."""

    CAPTURED = "captured", _("Captured")
    FAILED = "failed", _("Failed")
    # Something happened, and the provider is asked what.
    CHANGED = "changed", _("Changed")
    REFUNDED = "refunded", _("Refunded")
    REFUND_FAILED = "refund_failed", _("Refund failed")
    REFUND_CHANGED = "refund_changed", _("Refund changed")
    # A buyer complained at the provider, or went on: it is asked what there is.
    COMPLAINED = "complained", _("Complaint")


class Means(models.TextChoices):
    """How money comes in."""

    ONLINE = "online", _("Payment provider")
    CASH = "cash", _("Cash, collected by the carrier")
    EXTERNAL = "external", _("Taken by the merchant itself")
    OFFLINE = "offline", _("Bank transfer")
    EXCHANGE = "exchange", _("Goods that come back for it")


# Nobody is asked for it: it is there already.
NOT_ASKED_FOR = (Means.EXTERNAL, Means.OFFLINE, Means.EXCHANGE)


class PaymentState(models.TextChoices):
    """Where a payment is."""

    INTENDED = "intended", _("Intended")
    PENDING = "pending", _("Waiting for the buyer")
    CLOSING = "closing", _("Being closed at the provider")
    CAPTURED = "captured", _("Captured")
    FAILED = "failed", _("Failed")
    EXPIRED = "expired", _("Expired")


# The buyer is, or will be, asked for it. One that is being closed may turn out to be paid.
OPEN_PAYMENTS = (PaymentState.INTENDED, PaymentState.PENDING)


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Named queries over payments."""

    def visible_to(self, merchant: Merchant) -> "PaymentQuerySet":
        """Payments for orders that the merchant's channels sent; the one place that decides it."""
        return self.filter(order__channel__merchant=merchant)


class Payment(WorkItem, Versioned, TellsChanges):
    """One way in which money for an order comes in. `number` is the key under which the provider knows it.

    Online it goes over a connection, which is asked and alone tells what became of it. Nobody is asked for cash, for
    what the merchant took itself, and for transfers to our account.
    """

    # Money that somebody else asks for, and money that is there already: the merchant's own, and cash at the door.
    initial_states = (PaymentState.PENDING, PaymentState.CAPTURED)
    ticket_subject = TicketSubject("payment", "NEW.order_id", Team.FINANCE)

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
    change_set = models.ForeignKey(
        ChangeSet,
        verbose_name=_("change of the order"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="payments",
        db_index=False,
        help_text=_("Set where it is the balance of a change, which is carried out once it is paid."),
    )
    means = models.CharField(_("means of payment"), max_length=10, choices=Means.choices)
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="payments",
        db_index=False,
    )
    doubles = models.ForeignKey(
        "self",
        verbose_name=_("paid once more"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="doubled_by",
        db_index=False,
        help_text=_("Set where another payment was paid a second time: the provider knows this one by its own number."),
    )
    state = FSMField(_("state"), choices=PaymentState.choices, default=PaymentState.INTENDED, protected=True)
    amount = money(_("amount"))
    captured_amount = money(_("captured"), db_default=0)
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    pay_code = models.CharField(
        _("payment code"),
        max_length=1000,
        db_default="",
        blank=True,
        editable=False,
        help_text=_("What the buyer's app reads from the QR code."),
    )
    transaction_number = number_at_the_provider()
    fact = moved_by()
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
            models.UniqueConstraint(
                fields=["doubles", "transaction_number"],
                condition=Q(doubles__isnull=False) & ~Q(transaction_number=""),
                name="payment_double_is_booked_once",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_amount_is_positive"),
            models.CheckConstraint(condition=Q(state__in=PaymentState.values), name="payment_state_is_known"),
            models.CheckConstraint(
                condition=Q(means=Means.ONLINE, connection__isnull=False, sub_order__isnull=True)
                | Q(means=Means.CASH, connection__isnull=True, sub_order__isnull=False)
                | Q(means__in=[*NOT_ASKED_FOR], connection__isnull=True, sub_order__isnull=True),
                name="payment_goes_over_a_connection_just_online",
            ),
            models.CheckConstraint(
                condition=Q(state=PaymentState.CAPTURED, captured_amount__gt=0, captured_at__isnull=False)
                | (~Q(state=PaymentState.CAPTURED) & Q(captured_amount=0)),
                name="payment_captured_amount_set_once_captured",
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(state=PaymentState.INTENDED),
                name="payment_queue_request",
            ),
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(state=PaymentState.PENDING, ready_at__isnull=False),
                name="payment_queue_ask",
            ),
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(state=PaymentState.CLOSING),
                name="payment_queue_close",
            ),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="payment_queue_person"),
            models.Index(fields=["changed_at", "id"], name="payment_by_change"),
            models.Index(
                fields=["captured_at"], condition=Q(state=PaymentState.CAPTURED), name="payment_captured_by_time"
            ),
        ]
        permissions = [
            ("return_payment", _("Can send back what was paid twice")),
            ("retry_payment", _("Can let payments and refunds be tried again")),
            ("export_money", _("Can export payments, refunds, settlements and the ledger")),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def provider(self) -> str:
        """Who has the money: the code of the connection, or "cash", "external" or "offline"."""
        return self.connection.code if self.connection else self.means

    @property
    def at_provider(self) -> tuple[str, str]:
        """Under which number of ours the provider knows it, and, where that number was paid more than once, under which
        of its own."""
        return (self.doubles.number, self.transaction_number) if self.doubles else (self.number, "")

    @transition(state, source=PaymentState.INTENDED, target=PaymentState.PENDING)
    def request(self) -> None:
        """The provider knows it and waits for the buyer."""

    @transition(
        state,
        source=[
            PaymentState.INTENDED,
            PaymentState.PENDING,
            PaymentState.CLOSING,
            PaymentState.FAILED,
            PaymentState.EXPIRED,
        ],
        target=PaymentState.CAPTURED,
    )
    def capture(self, *, amount: Decimal, at: datetime, fact_id: int, transaction_number: str = "") -> None:
        """The money is ours. Money that comes after a failure or too late is money all the same."""
        self.captured_amount, self.captured_at = amount, at
        self.fact_id, self.transaction_number = fact_id, transaction_number
        self.lease_until = self.needs_person_since = None

    @transition(state, source=[PaymentState.INTENDED, PaymentState.PENDING], target=PaymentState.FAILED)
    def fail(self) -> None:
        """The provider or the buyer refused."""
        self.lease_until = self.needs_person_since = None

    @transition(state, source=[PaymentState.INTENDED, PaymentState.PENDING], target=PaymentState.CLOSING)
    def close(self) -> None:
        """Nobody wants the money any more; the provider is asked to let nobody pay, and whether somebody has."""

    @transition(
        state,
        source=[PaymentState.INTENDED, PaymentState.PENDING, PaymentState.CLOSING],
        target=PaymentState.EXPIRED,
    )
    def expire(self) -> None:
        """Nobody can or should pay it any more, and nobody has."""
