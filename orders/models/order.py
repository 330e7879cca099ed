"""The contract with the buyer: lines, money, recipient, promise."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from inventory.models import Region, StockHold
from oms.common.models import TicketSubject, Versioned, WorkItem, money
from oms.common.phones import PhoneField
from oms.common.postgresql.tails import Tail
from oms.merchants.models import Channel, Merchant
from orders.models.amounts import CarriesAmounts, amounts_are_sound


class OrderState(models.TextChoices):
    """Where an order is on its way; holds stand beside it."""

    AWAITING_PAYMENT = "awaiting_payment", _("Awaiting payment")
    IN_REVIEW = "in_review", _("In review")
    READY_TO_SPLIT = "ready_to_split", _("Ready to split")
    SPLIT = "split", _("Split")
    COMPLETED = "completed", _("Completed")
    CANCELLED = "cancelled", _("Cancelled")
    CLOSED = "closed", _("Closed")


# The order's way is at its end.
OVER = (OrderState.COMPLETED, OrderState.CANCELLED, OrderState.CLOSED)
# It has no sub-orders yet.
BEFORE_SPLIT = (OrderState.AWAITING_PAYMENT, OrderState.IN_REVIEW, OrderState.READY_TO_SPLIT)
# Every unit is in a sub-order, or was in one.
ONCE_SPLIT = (OrderState.SPLIT, OrderState.COMPLETED, OrderState.CLOSED)


class OrderPaymentState(models.TextChoices):
    """Derived from payments and refunds by `payments.owing.derived.refresh`."""

    UNPAID = "unpaid", _("Unpaid")
    PENDING = "pending", _("Payment pending")
    ON_DELIVERY = "on_delivery", _("Paid on delivery")
    PARTLY_PAID = "partly_paid", _("Partly paid")
    PAID = "paid", _("Paid")
    PARTLY_REFUNDED = "partly_refunded", _("Partly refunded")
    REFUNDED = "refunded", _("Refunded")
    NOTHING_DUE = "nothing_due", _("Nothing due")


class FulfilmentState(models.TextChoices):
    """Derived from the sub-orders by `orders.fulfilling.derived.refresh`."""

    UNFULFILLED = "unfulfilled", _("Unfulfilled")
    PARTLY_SHIPPED = "partly_shipped", _("Partly shipped")
    SHIPPED = "shipped", _("Shipped")
    PARTLY_DELIVERED = "partly_delivered", _("Partly delivered")
    DELIVERED = "delivered", _("Delivered")
    RETURNED = "returned", _("Returned")
    CANCELLED = "cancelled", _("Cancelled")


class PaymentMethod(models.TextChoices):
    """When the buyer pays."""

    PREPAID = "prepaid", _("Prepaid")
    COD = "cod", _("Cash on delivery")


class Promise(models.TextChoices):
    """What delivery the buyer was promised."""

    STANDARD = "standard", _("Standard")
    NEXT_DAY = "next_day", _("Next day")
    SAME_OR_NEXT = "211", _("211 limited time")


class OrderQuerySet(models.QuerySet["Order"]):
    """Named queries over orders."""

    def visible_to(self, merchant: Merchant) -> "OrderQuerySet":
        """Orders that the merchant's channels sent; the one place that decides it."""
        return self.filter(channel__merchant=merchant)


class Order(WorkItem, Versioned, CarriesAmounts):
    """An order of a buyer, from intake to completion.

    Transitions say which moves are legal; the stages and services do the rest. The amounts keep
    `payable = goods + freight - promotions - coupon + adjustment - points - gift card`, in yuan.
    """

    # Orders that need no payment before delivery begin with their review; historical ones are stored as they ended.
    initial_states = (OrderState.IN_REVIEW, *OVER)
    ticket_subject = TicketSubject("order", "NEW.id")

    number = models.CharField(_("order number"), max_length=16, editable=False)
    channel = models.ForeignKey(
        Channel, verbose_name=_("channel"), on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    external_number = models.CharField(_("external number"), max_length=64)
    state = FSMField(_("state"), choices=OrderState.choices, default=OrderState.AWAITING_PAYMENT, protected=True)
    payment_state = models.CharField(
        _("payment state"),
        max_length=20,
        choices=OrderPaymentState.choices,
        db_default=OrderPaymentState.UNPAID,
        editable=False,
    )
    fulfilment_state = models.CharField(
        _("fulfilment state"),
        max_length=20,
        choices=FulfilmentState.choices,
        db_default=FulfilmentState.UNFULFILLED,
        editable=False,
    )
    open_holds = models.SmallIntegerField(_("open holds"), db_default=0, editable=False)
    payment_method = models.CharField(_("payment method"), max_length=10, choices=PaymentMethod.choices)
    promise = models.CharField(_("promise"), max_length=10, choices=Promise.choices, db_default=Promise.STANDARD)

    buyer_reference = models.CharField(_("buyer"), max_length=64)
    buyer_name = models.CharField(_("buyer's name"), max_length=80)
    buyer_phone = PhoneField(_("buyer's phone"), max_length=20)
    recipient_name = models.CharField(_("recipient"), max_length=80)
    recipient_phone = PhoneField(_("recipient's phone"), max_length=20)
    # Empty for virtual goods, and while a person is asked which region a free text means.
    region = models.ForeignKey(
        Region,
        verbose_name=_("region"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    recipient_address = models.CharField(_("address"), max_length=200)
    address_key = models.BigIntegerField(_("address key"), editable=False)
    remark = models.CharField(_("remark"), max_length=500, db_default="", blank=True)

    wanted_at = models.DateTimeField(
        _("wanted at"), null=True, blank=True, help_text=_("When the buyer wants it, where the channel says so.")
    )
    units_to_cancel = models.JSONField(
        _("units to cancel"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Units cancelled before the order was split, by line; they leave when it is split."),
    )
    merchant_delivers = models.BooleanField(
        _("merchant delivers"),
        db_default=False,
        default=False,
        editable=False,
        help_text=_("Virtual goods: the merchant sends code, link or account."),
    )
    is_historical = models.BooleanField(
        _("historical"),
        db_default=False,
        default=False,
        editable=False,
        help_text=_("Imported as it ended elsewhere: nothing is done with it here."),
    )

    paid_amount = money(_("paid"), db_default=0, editable=False)
    refunded_amount = money(_("refunded"), db_default=0, editable=False)
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    line_count = models.SmallIntegerField(_("lines"))
    total_quantity = models.IntegerField(_("units"))

    ordered_at = models.DateTimeField(_("ordered at"))
    created_at = models.DateTimeField(_("received at"), db_default=Now(), editable=False)
    pay_by = models.DateTimeField(_("pay by"), null=True, blank=True, editable=False)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True, editable=False)
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True, blank=True, editable=False)
    split_at = models.DateTimeField(_("split at"), null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True, editable=False)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True, editable=False)
    cancel_requested_at = models.DateTimeField(_("cancellation requested at"), null=True, blank=True, editable=False)
    anonymised_at = models.DateTimeField(
        _("personal data removed at"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Names, phones and addresses were taken away long after the order was over."),
    )
    cancel_reason = models.CharField(_("reason of cancellation"), max_length=200, db_default="", blank=True)
    cancel_reason_code = models.CharField(
        _("code of the reason"),
        max_length=40,
        db_default="",
        default="",
        blank=True,
        editable=False,
        help_text=_("Of the reasons of cancellations, where one was chosen."),
    )
    # What the channel has taken from the buyer already; `payments` books it, and nobody else asks for money.
    deductions_are_outside = models.BooleanField(
        _("deductions are the channel's"),
        db_default=False,
        default=False,
        editable=False,
        help_text=_(
            "Coupon, gift card and points are those of the channel's own platform: ours bears nothing of them."
        ),
    )
    collected_at = models.DateTimeField(_("collected at"), null=True, blank=True, editable=False)
    collected_amount = models.DecimalField(
        _("collected by the channel"), max_digits=12, decimal_places=2, null=True, blank=True, editable=False
    )
    collected_transaction = models.CharField(
        _("transaction of the channel"), max_length=64, db_default="", blank=True, editable=False
    )
    collected_provider = models.CharField(
        _("provider of the channel"), max_length=40, db_default="", blank=True, editable=False
    )
    owed_changed_since = models.DateTimeField(
        _("owed changed since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Something changed what is owed; payments looks at the order next."),
    )

    # How often the watch stage has looked whether it ships in time where the platform gave no deadline.
    ship_looks = models.SmallIntegerField(_("looks at the shipping deadline"), db_default=0, default=0, editable=False)
    # Written once, at intake, by the statement that takes the set-aside over; checked by `check_invariants`.
    stock_hold = models.ForeignKey(
        StockHold,
        verbose_name=_("set-aside"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="orders",
        db_index=False,
        db_constraint=False,
        editable=False,
    )

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-id"]
        permissions = [
            ("hold_order", _("Can hold and release orders")),
            ("review_as_finance", _("Can release orders in finance's review")),
            ("approve_level_1", _("Can approve held orders of level 1")),
            ("approve_level_2", _("Can approve held orders of level 2 and below")),
            ("approve_level_3", _("Can approve held orders of level 3 and below")),
            ("cancel_order", _("Can cancel orders")),
            ("note_order", _("Can add notes to orders")),
            ("message_buyer", _("Can write to the buyers of orders")),
            ("readdress_order", _("Can change the recipients of orders")),
            ("mark_order", _("Can change memos, flags and metadata of orders")),
            ("enter_order", _("Can enter orders")),
            ("import_orders", _("Can import orders from files")),
            ("export_orders", _("Can export orders to files")),
            ("export_personal_data", _("Can export names, phones and addresses")),
            (
                "view_personal_data",
                _("Can see names, phones and addresses that pages hide"),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="order_number_is_unique"),
            models.UniqueConstraint(
                # The external number leads: staff search by it without knowing the channel.
                fields=["external_number", "channel"],
                name="order_external_number_is_unique_in_channel",
            ),
            models.UniqueConstraint(
                fields=["stock_hold"], condition=Q(stock_hold__isnull=False), name="order_set_aside_is_of_one_order"
            ),
            models.CheckConstraint(condition=Q(state__in=OrderState.values), name="order_state_is_known"),
            models.CheckConstraint(
                condition=Q(payment_state__in=OrderPaymentState.values), name="order_payment_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(fulfilment_state__in=FulfilmentState.values), name="order_fulfilment_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(payment_method__in=PaymentMethod.values), name="order_payment_method_is_known"
            ),
            *amounts_are_sound(),
            models.CheckConstraint(
                condition=Q(refunded_amount__gte=0, refunded_amount__lte=F("paid_amount")),
                name="order_refunds_within_payments",
            ),
            models.CheckConstraint(
                condition=Q(region__isnull=False)
                | Q(state__in=[OrderState.AWAITING_PAYMENT, OrderState.IN_REVIEW, OrderState.CANCELLED])
                | Q(number__startswith="3"),
                name="order_with_goods_goes_on_with_a_region",
            ),
            models.CheckConstraint(
                condition=Q(is_historical=False) | Q(state__in=OVER, owed_changed_since__isnull=True, open_holds=0),
                name="order_historical_is_over",
            ),
            models.CheckConstraint(condition=Q(open_holds__gte=0), name="order_open_holds_not_negative"),
            models.CheckConstraint(
                condition=Q(anonymised_at__isnull=True)
                | Q(
                    state__in=OVER,
                    buyer_name="",
                    buyer_phone="",
                    recipient_name="",
                    recipient_phone="",
                    recipient_address="",
                    remark="",
                ),
                name="order_anonymised_is_over_and_names_nobody",
            ),
            models.CheckConstraint(
                condition=Q(
                    collected_at__isnull=True,
                    collected_amount__isnull=True,
                    collected_transaction="",
                    collected_provider="",
                )
                | Q(collected_at__isnull=False, collected_amount__gt=0, payment_method=PaymentMethod.PREPAID),
                name="order_collected_is_an_amount_of_a_prepaid_order",
            ),
            models.CheckConstraint(
                condition=~Q(state=OrderState.CANCELLED) | Q(cancelled_at__isnull=False),
                name="order_cancelled_at_set_once_cancelled",
            ),
            models.CheckConstraint(
                condition=~Q(state=OrderState.COMPLETED) | Q(completed_at__isnull=False),
                name="order_completed_at_set_once_completed",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=ONCE_SPLIT) | Q(split_at__isnull=False) | Q(is_historical=True),
                name="order_split_at_set_once_split",
            ),
        ]
        indexes = [
            # Lists: newest first, by any one of the state axes.
            models.Index(fields=["state", "-id"], name="order_list_by_state"),
            models.Index(fields=["payment_state", "-id"], name="order_list_by_payment_state"),
            models.Index(fields=["fulfilment_state", "-id"], name="order_list_by_fulfilment"),
            models.Index(fields=["channel", "-id"], name="order_list_by_channel"),
            # Search, and the review rules on a buyer's or an address's recent orders.
            models.Index(fields=["recipient_phone"], name="order_by_recipient_phone"),
            models.Index(
                fields=["buyer_phone"],
                condition=~Q(buyer_phone=F("recipient_phone")),
                name="order_by_other_buyer_phone",
            ),
            models.Index(Tail("recipient_phone"), F("id").desc(), name="order_by_phone_tail"),
            models.Index(fields=["recipient_name"], opclasses=["varchar_pattern_ops"], name="order_by_recipient_name"),
            models.Index(
                fields=["buyer_name"],
                opclasses=["varchar_pattern_ops"],
                condition=~Q(buyer_name=F("recipient_name")),
                name="order_by_other_buyer_name",
            ),
            models.Index(fields=["buyer_reference", "ordered_at"], name="order_by_buyer"),
            models.Index(fields=["address_key", "ordered_at"], name="order_by_address"),
            # The queues.
            models.Index(
                fields=["ready_at"],
                condition=Q(state=OrderState.AWAITING_PAYMENT, payment_state=OrderPaymentState.UNPAID),
                name="order_queue_payment",
            ),
            models.Index(fields=["pay_by"], condition=Q(state=OrderState.AWAITING_PAYMENT), name="order_queue_unpaid"),
            models.Index(
                fields=["ready_at"],
                condition=Q(collected_at__isnull=False, payment_state=OrderPaymentState.UNPAID),
                name="order_queue_collected",
            ),
            models.Index(
                fields=["ready_at"], condition=Q(state=OrderState.IN_REVIEW, open_holds=0), name="order_queue_review"
            ),
            models.Index(
                fields=["ready_at"],
                condition=Q(state=OrderState.READY_TO_SPLIT, open_holds=0),
                name="order_queue_split",
            ),
            models.Index(fields=["id"], condition=Q(open_holds__gt=0), name="order_queue_held"),
            models.Index(
                fields=["owed_changed_since"], condition=Q(owed_changed_since__isnull=False), name="order_queue_owed"
            ),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="order_queue_person"),
            models.Index(
                "channel",
                Coalesce("collected_at", "paid_at", "created_at"),
                condition=Q(
                    state__in=[OrderState.IN_REVIEW, OrderState.READY_TO_SPLIT, OrderState.SPLIT],
                    fulfilment_state__in=[FulfilmentState.UNFULFILLED, FulfilmentState.PARTLY_SHIPPED],
                    ship_looks__lt=2,
                ),
                name="order_queue_ship_by",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=OrderState.AWAITING_PAYMENT, target=OrderState.IN_REVIEW)
    def start_review(self) -> None:
        """The money is there, or is not due before delivery."""

    @transition(state, source=OrderState.IN_REVIEW, target=OrderState.READY_TO_SPLIT)
    def approve(self) -> None:
        """No hold is open and the grace period is over."""

    @transition(state, source=OrderState.READY_TO_SPLIT, target=OrderState.SPLIT)
    def split(self) -> None:
        """Every unit is in a sub-order."""

    @transition(state, source=OrderState.SPLIT, target=OrderState.COMPLETED)
    def complete(self) -> None:
        """Every sub-order that was not cancelled is completed."""

    @transition(
        state,
        source=[
            OrderState.AWAITING_PAYMENT,
            OrderState.IN_REVIEW,
            OrderState.READY_TO_SPLIT,
            OrderState.SPLIT,
        ],
        target=OrderState.CANCELLED,
    )
    def cancel(self) -> None:
        """Nothing of the order was packed."""

    @transition(state, source=[OrderState.SPLIT, OrderState.COMPLETED], target=OrderState.CLOSED)
    def close(self) -> None:
        """Everything was refused or came back."""
