"""What a warehouse is asked to send."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from inventory.models import Warehouse
from oms.common.models import Connection, Expectation, Team, TicketSubject, Versioned, WorkItem
from orders.models import SubOrder, SubOrderLine


class WarehouseOrderState(models.TextChoices):
    """How far a warehouse is with what it was asked for."""

    INTENDED = "intended", _("To be sent")
    SENT = "sent", _("Sent")
    ACCEPTED = "accepted", _("Accepted")
    PICKING = "picking", _("Picking")
    PACKED = "packed", _("Packed")
    PARTLY_SHIPPED = "partly_shipped", _("Partly shipped")
    SHIPPED = "shipped", _("Shipped")
    REFUSED = "refused", _("Refused")
    CANCELLED = "cancelled", _("Cancelled")


S = WarehouseOrderState
BEFORE_PACKING = (S.INTENDED, S.SENT, S.ACCEPTED, S.PICKING)
NOT_GONE = (*BEFORE_PACKING, S.PACKED)
FROM_PACKING = (S.PACKED, S.PARTLY_SHIPPED, S.SHIPPED)
# It will not be done, said the warehouse; what it does all the same is kept, too.
GIVEN_UP = (S.REFUSED, S.CANCELLED)
OVER = (S.SHIPPED, *GIVEN_UP)


class StopAnswer(models.TextChoices):
    """What a warehouse said when it was asked to stop."""

    GRANTED = "granted", _("Stopped")
    REFUSED = "refused", _("Too late")


class WarehouseOrder(WorkItem, Versioned, Expectation):
    """One request to one warehouse to send goods (出库单). Its number is the key under which the warehouse knows it.

    A second attempt is a second row with a number of its own. While it `is_current` its sub-orders go where it goes;
    once the warehouse gave it up, late news of it move only itself. A request to stop stands beside the state: it is
    open from `stop_requested_at` on until `stop_answered_at` is set.
    """

    ticket_subject = TicketSubject(
        "warehouse_order", "(SELECT order_id FROM orders_suborder WHERE id = NEW.sub_order_id)", Team.LOGISTICS
    )

    number = models.CharField(_("warehouse order number"), max_length=40, editable=False)
    # Without foreign keys' cost, here and in the lines: written only by the statement that reads the other rows;
    # `check_invariants` proves it. The sub-order is the one whose number it carries; the lines say what is asked for.
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse"),
        on_delete=models.PROTECT,
        related_name="orders",
        db_index=False,
        db_constraint=False,
    )
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        on_delete=models.PROTECT,
        related_name="warehouse_orders",
        db_index=False,
        db_constraint=False,
    )
    state = FSMField(_("state"), choices=S.choices, default=S.INTENDED, protected=True)
    is_current = models.BooleanField(
        _("current"), db_default=True, help_text=_("Its sub-orders go where it goes; not so once it was given up.")
    )
    reason = models.CharField(_("reason"), max_length=300, db_default="", blank=True)
    asked_at = models.DateTimeField(
        _("last asked for at"), null=True, blank=True, editable=False, help_text=_("When its news were late.")
    )
    # Its warehouse says that nothing more leaves, but not what became of all units: it is asked before the rest is
    # taken as staying. So often it was asked since.
    rest_doubted_at = models.DateTimeField(
        _("missing units asked for since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Its last message left units open; an earlier one may have been lost, so its warehouse is asked."),
    )
    rest_asked = models.SmallIntegerField(_("asked for missing units"), db_default=0, editable=False)
    their_number = models.CharField(
        _("the warehouse's own number"),
        max_length=300,
        db_default="",
        blank=True,
        editable=False,
        help_text=_("Several, with commas between them, where it made several orders of it."),
    )
    stop_requested_at = models.DateTimeField(_("asked to stop at"), null=True, blank=True, editable=False)
    stop_answered_at = models.DateTimeField(_("answered at"), null=True, blank=True, editable=False)
    stop_answer = models.CharField(
        _("answer"), max_length=10, choices=StopAnswer.choices, db_default="", blank=True, editable=False
    )
    # The warehouse said that it will answer later: until then it is not asked again.
    stop_patient_until = models.DateTimeField(_("asked again from"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    state_since = models.DateTimeField(_("in this state since"), db_default=Now(), editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True, editable=False)
    packed_at = models.DateTimeField(_("packed at"), null=True, blank=True, editable=False)
    shipped_at = models.DateTimeField(_("shipped at"), null=True, blank=True, editable=False)
    given_up_at = models.DateTimeField(_("given up at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("warehouse order")
        verbose_name_plural = _("warehouse orders")
        ordering = ["-id"]
        permissions = [("retry_warehouseorder", _("Can let warehouse orders and waybills be tried again"))]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="warehouse_order_number_is_unique"),
            models.CheckConstraint(condition=Q(state__in=S.values), name="warehouse_order_state_is_known"),
            models.CheckConstraint(
                condition=Q(is_current=False, given_up_at__isnull=False) | Q(is_current=True, given_up_at__isnull=True),
                name="warehouse_order_is_current_until_given_up",
            ),
            models.CheckConstraint(
                condition=Q(is_current=False) | ~Q(state__in=GIVEN_UP), name="warehouse_order_given_up_is_not_current"
            ),
            models.CheckConstraint(
                condition=Q(stop_answered_at__isnull=True, stop_answer="")
                | Q(
                    stop_requested_at__isnull=False,
                    stop_answered_at__isnull=False,
                    stop_answer__in=StopAnswer.values,
                ),
                name="warehouse_order_stop_is_answered_once_asked",
            ),
        ]
        indexes = [
            # The queues: what is to be sent, and what is to be stopped.
            models.Index(
                fields=["connection", "ready_at"], condition=Q(state=S.INTENDED), name="warehouse_order_queue_send"
            ),
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(stop_requested_at__isnull=False, stop_answered_at__isnull=True),
                name="warehouse_order_queue_stop",
            ),
            models.Index(
                fields=["next_event_due"], condition=Q(next_event_due__isnull=False), name="warehouse_order_watch"
            ),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="warehouse_order_person"),
            models.Index(fields=["id"], condition=Q(rest_doubted_at__isnull=False), name="warehouse_order_doubted"),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=S.INTENDED, target=S.SENT)
    def send(self) -> None:
        """The warehouse system has it."""

    # A warehouse's notices may come late or not at all: a later one implies the earlier ones, even that it was sent.
    @transition(state, source=[S.INTENDED, S.SENT], target=S.ACCEPTED)
    def accept(self) -> None:
        """The warehouse will do it."""

    @transition(state, source=[S.INTENDED, S.SENT, S.ACCEPTED], target=S.PICKING)
    def pick(self) -> None:
        """Goods are being collected."""

    # What was given up may be packed, or leave, all the same.
    @transition(state, source=[*BEFORE_PACKING, *GIVEN_UP], target=S.PACKED)
    def pack(self) -> None:
        """The parcel is closed."""

    @transition(state, source=[*NOT_GONE, *GIVEN_UP], target=S.PARTLY_SHIPPED)
    def ship_part(self) -> None:
        """Some of it left, more will follow."""

    @transition(state, source=[*NOT_GONE, S.PARTLY_SHIPPED, *GIVEN_UP], target=S.SHIPPED)
    def ship(self) -> None:
        """All of it left that ever will."""

    @transition(state, source=list(BEFORE_PACKING), target=S.REFUSED)
    def refuse(self) -> None:
        """The warehouse will not do it."""

    @transition(state, source=list(NOT_GONE), target=S.CANCELLED)
    def cancel(self) -> None:
        """It was stopped, packed or not."""


class WarehouseOrderLine(models.Model):
    """Units of a sub-order line in a warehouse order, and how many of them left. The line may be of any order.

    `unbooked_quantity` of what left could not be taken out of the stock, because it was promised to others by then.
    Of `lacking_quantity` the warehouse said that it does not find them, so that as many are frozen in the stock.
    """

    pk = models.CompositePrimaryKey("warehouse_order_id", "sub_order_line_id")
    warehouse_order = models.ForeignKey(
        WarehouseOrder,
        verbose_name=_("warehouse order"),
        on_delete=models.PROTECT,
        related_name="lines",
        db_index=False,
        db_constraint=False,
    )
    sub_order_line = models.ForeignKey(
        SubOrderLine,
        verbose_name=_("sub-order line"),
        on_delete=models.PROTECT,
        related_name="warehouse_order_lines",
        db_constraint=False,
    )
    quantity = models.IntegerField(_("quantity"))
    left_quantity = models.IntegerField(_("units that left"), db_default=0)
    unbooked_quantity = models.IntegerField(_("units not taken out of the stock"), db_default=0)
    lacking_quantity = models.IntegerField(_("units that the warehouse does not find"), db_default=0)

    class Meta:
        verbose_name = _("line of a warehouse order")
        verbose_name_plural = _("lines of warehouse orders")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, left_quantity__gte=0, unbooked_quantity__gte=0, lacking_quantity__gte=0),
                name="warehouse_order_line_quantities_are_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.warehouse_order_id}: {self.quantity}"
