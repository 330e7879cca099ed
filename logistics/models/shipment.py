"""Parcels and their scans."""

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from logistics.models.carrier import Carrier
from logistics.models.warehouse_order import WarehouseOrder
from oms.common.models import Connection, Expectation, Team, TellsChanges, TicketSubject, Versioned, WorkItem
from oms.common.postgresql.tails import Tail
from oms.merchants.models import Merchant
from orders.models import SubOrder, SubOrderLine


class ShipmentState(models.TextChoices):
    """Where a parcel is."""

    CREATED = "created", _("Created")
    WAYBILL_ISSUED = "waybill_issued", _("Waybill issued")
    COLLECTED = "collected", _("Collected")
    IN_TRANSIT = "in_transit", _("In transit")
    OUT_FOR_DELIVERY = "out_for_delivery", _("Out for delivery")
    FAILED_DELIVERY = "failed_delivery", _("Delivery failed")
    INTERCEPTING = "intercepting", _("Being intercepted")
    SIGNED = "signed", _("Signed for")
    REJECTED = "rejected", pgettext_lazy("parcel", "Refused")
    RETURNING = "returning", _("On its way back")
    RETURNED = "returned", _("Returned")
    LOST = "lost", _("Lost")
    CANCELLED = "cancelled", _("Cancelled")


class WaitingPlace(models.TextChoices):
    """Where a parcel waits, finer than its state says."""

    BRANCH = "branch", _("At the branch of delivery")
    LOCKER = "locker", _("In a locker or station")


MOVING = (
    ShipmentState.COLLECTED,
    ShipmentState.IN_TRANSIT,
    ShipmentState.OUT_FOR_DELIVERY,
    ShipmentState.FAILED_DELIVERY,
    ShipmentState.INTERCEPTING,
)
GOING_BACK = (ShipmentState.REJECTED, ShipmentState.RETURNING)
# A parcel that was cancelled may leave all the same.
_BEFORE_MOVING = (ShipmentState.CREATED, ShipmentState.WAYBILL_ISSUED, ShipmentState.CANCELLED)


class Direction(models.TextChoices):
    """Which way a parcel goes."""

    OUT = "out", _("To the buyer")
    RETURN = "return", _("Back from the buyer")
    TRANSFER = "transfer", _("Between warehouses")


def _others(target: str) -> list[str]:
    return [state for state in (*_BEFORE_MOVING, *MOVING) if state != target]


class ShipmentQuerySet(models.QuerySet["Shipment"]):
    """Named queries over parcels."""

    def visible_to(self, merchant: Merchant) -> "ShipmentQuerySet":
        """Parcels with something of orders that the merchant's channels sent, or of sub-orders that it fulfils; the one
        place that decides it."""
        theirs = SubOrder.objects.filter(Q(order__channel__merchant=merchant) | Q(merchant=merchant))
        lines = ShipmentLine.objects.filter(shipment=OuterRef("pk"))
        of_lines = theirs.filter(pk=OuterRef("sub_order_line__sub_order"))
        of_number = theirs.filter(pk=OuterRef("sub_order"))
        # Each for itself, row by row: a page of the newest parcels looks at few.
        return self.filter(Exists(lines.filter(Exists(of_lines))) | (~Exists(lines) & Exists(of_number)))

    def of_sub_orders(self, sub_orders: "models.QuerySet[SubOrder]") -> "ShipmentQuerySet":
        """Parcels with something of a few sub-orders: by what is in them, or by the sub-order whose number they carry
        where nobody told what that is."""
        lines = ShipmentLine.objects.filter(shipment=OuterRef("pk"))
        unknown = Shipment.objects.filter(~Exists(lines), sub_order__in=sub_orders)
        known = ShipmentLine.objects.filter(sub_order_line__sub_order__in=sub_orders)
        return self.filter(pk__in=known.order_by().values("shipment").union(unknown.order_by().values("pk"), all=True))

    def of_order(self, order_id: int) -> "ShipmentQuerySet":
        """Parcels with something of the order."""
        return self.of_sub_orders(SubOrder.objects.filter(order=order_id))


class Shipment(WorkItem, Versioned, Expectation, TellsChanges):
    """A parcel. Its state is a function of the set of its scans (see `logistics.carriers.tracking.state_of`).

    The lines say what is in it. The row is the intent to get a waybill, and its number the key under which the carrier
    knows it; where the warehouse brings the waybill, `ready_at` is empty. `left_at` is set once it left the warehouse,
    whoever proved it. Scans come late and out of order, so the declared moves are wide; the carrier's own code and text
    are kept beside.
    """

    # Of parcels that come back somebody else gave the waybill.
    initial_states = (ShipmentState.WAYBILL_ISSUED,)
    ticket_subject = TicketSubject(
        "shipment", "(SELECT order_id FROM orders_suborder WHERE id = NEW.sub_order_id)", Team.LOGISTICS
    )

    number = models.CharField(_("shipment number"), max_length=32, editable=False)
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="shipments"
    )
    warehouse_order = models.ForeignKey(
        WarehouseOrder,
        verbose_name=_("warehouse order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="shipments",
        db_constraint=False,
    )
    direction = models.CharField(
        _("direction"), max_length=10, choices=Direction.choices, default=Direction.OUT, db_default=Direction.OUT
    )
    carrier = models.ForeignKey(
        Carrier,
        verbose_name=_("carrier"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="shipments",
        db_index=False,
    )
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="shipments",
        db_index=False,
        db_constraint=False,
        help_text=_("The carrier account over which its waybill is bought."),
    )
    mother = models.ForeignKey(
        "self",
        verbose_name=_("mother parcel"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="children",
        db_index=False,
        help_text=_("The first parcel of a consignment (子母件): the carrier's order for it gives all their waybills."),
    )
    waybill_number = models.CharField(_("waybill number"), max_length=40, null=True, blank=True)  # noqa: DJ001
    state = FSMField(_("state"), choices=ShipmentState.choices, default=ShipmentState.CREATED, protected=True)
    carrier_code = models.CharField(_("carrier's code"), max_length=20, db_default="", blank=True)
    carrier_text = models.CharField(_("carrier's text"), max_length=300, db_default="", blank=True)
    weight_g = models.IntegerField(_("weight (g)"), db_default=0)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    waybill_issued_at = models.DateTimeField(_("waybill issued at"), null=True, blank=True, editable=False)
    pick_up_from = models.DateTimeField(
        _("pick-up from"), null=True, blank=True, editable=False, help_text=_("When a courier was booked to come.")
    )
    pick_up_until = models.DateTimeField(_("pick-up until"), null=True, blank=True, editable=False)
    left_at = models.DateTimeField(_("left the warehouse at"), null=True, blank=True, editable=False)
    collected_at = models.DateTimeField(_("collected at"), null=True, blank=True, editable=False)
    last_scan_at = models.DateTimeField(_("last scan at"), null=True, blank=True, editable=False)
    signed_at = models.DateTimeField(_("signed at"), null=True, blank=True, editable=False)

    objects = ShipmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")
        ordering = ["-id"]
        permissions = [
            ("switch_carrier", _("Can give parcels to another carrier")),
            ("void_waybill", _("Can have waybills cancelled")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="shipment_number_is_unique"),
            # The waybill leads: staff search by it without knowing the carrier.
            models.UniqueConstraint(fields=["waybill_number", "carrier"], name="shipment_waybill_is_unique"),
            models.CheckConstraint(condition=Q(state__in=ShipmentState.values), name="shipment_state_is_known"),
            models.CheckConstraint(
                condition=Q(waybill_number__isnull=False) | Q(state__in=["created", "cancelled"]),
                name="shipment_has_a_waybill_once_issued",
            ),
            models.CheckConstraint(
                condition=Q(mother__isnull=True) | Q(mother__lt=F("id")), name="shipment_mother_is_older"
            ),
        ]
        indexes = [
            models.Index(fields=["mother"], condition=Q(mother__isnull=False), name="shipment_by_mother"),
            models.Index(
                Tail("waybill_number"),
                F("id").desc(),
                condition=Q(waybill_number__isnull=False),
                name="shipment_by_waybill_tail",
            ),
            models.Index(
                fields=["next_event_due"], condition=Q(next_event_due__isnull=False), name="shipment_queue_watch"
            ),
            models.Index(fields=["changed_at", "id"], name="shipment_by_change"),
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(state=ShipmentState.CREATED),
                name="shipment_queue_waybill",
            ),
        ]

    def __str__(self) -> str:
        return self.waybill_number or self.number

    @transition(state, source=[ShipmentState.CREATED, ShipmentState.CANCELLED], target=ShipmentState.WAYBILL_ISSUED)
    def issue_waybill(self) -> None:
        """The carrier gave a number; or it was cancelled with one, and left all the same."""

    @transition(state, source=_others(ShipmentState.COLLECTED), target=ShipmentState.COLLECTED)
    def collect(self) -> None:
        """The carrier has the parcel (已揽收)."""

    @transition(state, source=_others(ShipmentState.IN_TRANSIT), target=ShipmentState.IN_TRANSIT)
    def travel(self) -> None:
        """The parcel is on its way (在途)."""

    @transition(state, source=_others(ShipmentState.OUT_FOR_DELIVERY), target=ShipmentState.OUT_FOR_DELIVERY)
    def go_out(self) -> None:
        """A courier brings it (派件中)."""

    @transition(state, source=_others(ShipmentState.FAILED_DELIVERY), target=ShipmentState.FAILED_DELIVERY)
    def miss(self) -> None:
        """Nobody took it."""

    @transition(state, source=_others(ShipmentState.INTERCEPTING), target=ShipmentState.INTERCEPTING)
    def intercept(self) -> None:
        """The carrier is asked to stop it (拦截)."""

    @transition(
        state,
        source=[*_BEFORE_MOVING, *MOVING, *GOING_BACK, ShipmentState.LOST],
        target=ShipmentState.SIGNED,
    )
    def sign(self) -> None:
        """The buyer has it (签收)."""

    @transition(state, source=[*_BEFORE_MOVING, *MOVING, ShipmentState.RETURNING], target=ShipmentState.REJECTED)
    def reject(self) -> None:
        """The buyer refused it (拒收)."""

    @transition(state, source=[*_BEFORE_MOVING, *MOVING, ShipmentState.REJECTED], target=ShipmentState.RETURNING)
    def turn_back(self) -> None:
        """It is on its way back."""

    @transition(
        state,
        source=[*_BEFORE_MOVING, *MOVING, *GOING_BACK, ShipmentState.SIGNED, ShipmentState.LOST],
        target=ShipmentState.RETURNED,
    )
    def return_home(self) -> None:
        """It is back in the warehouse."""

    @transition(state, source=[*_BEFORE_MOVING, *MOVING, *GOING_BACK], target=ShipmentState.LOST)
    def lose(self) -> None:
        """The carrier cannot find it."""

    @transition(state, source=[ShipmentState.CREATED, ShipmentState.WAYBILL_ISSUED], target=ShipmentState.CANCELLED)
    def cancel(self) -> None:
        """It will not leave: its warehouse order was given up, or its goods are in other parcels."""


class ShipmentLine(models.Model):
    """Units of a sub-order line in a parcel; the line may be of any order."""

    # Without foreign keys' cost, as in warehouse orders.
    pk = models.CompositePrimaryKey("shipment_id", "sub_order_line_id")
    shipment = models.ForeignKey(
        Shipment,
        verbose_name=_("shipment"),
        on_delete=models.PROTECT,
        related_name="lines",
        db_index=False,
        db_constraint=False,
    )
    sub_order_line = models.ForeignKey(
        SubOrderLine,
        verbose_name=_("sub-order line"),
        on_delete=models.PROTECT,
        related_name="shipment_lines",
        db_constraint=False,
    )
    quantity = models.IntegerField(_("quantity"))

    class Meta:
        verbose_name = _("line of a shipment")
        verbose_name_plural = _("lines of shipments")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shipment_line_has_units"),
        ]

    def __str__(self) -> str:
        return f"{self.shipment_id}: {self.quantity}"


class TrackingEvent(models.Model):
    """A scan of a parcel, written when the carrier's message is applied; late ones too. Never changed, but for the
    state of one whose word nobody knew: it is empty until staff say what it means, and where the word means nothing.

    `event_key` is the key of the message, unique in its connection.
    """

    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), on_delete=models.PROTECT, related_name="scans", db_index=False
    )
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    event_key = models.CharField(_("event key"), max_length=120)
    state = models.CharField(_("state"), max_length=20, choices=ShipmentState.choices, blank=True)
    carrier_code = models.CharField(_("carrier's code"), max_length=20, db_default="", blank=True)
    stop = models.CharField(
        _("waits"),
        max_length=10,
        choices=WaitingPlace.choices,
        db_default="",
        default="",
        blank=True,
        help_text=_("Where the parcel waits by this scan, as its word says: at the branch, or in a locker or station."),
    )
    text = models.CharField(_("text"), max_length=300, db_default="", blank=True)
    location = models.CharField(_("place"), max_length=60, db_default="", blank=True)
    occurred_at = models.DateTimeField(
        _("occurred at"), help_text=_("As the carrier says, but never later than it was received.")
    )
    said_at = models.DateTimeField(
        _("time as sent"), null=True, blank=True, help_text=_("What the carrier said, where that lay in the future.")
    )
    received_at = models.DateTimeField(_("received at"), db_default=Now())

    class Meta:
        verbose_name = _("tracking event")
        verbose_name_plural = _("tracking events")
        ordering = ["occurred_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "event_key", "connection"], name="tracking_event_comes_once"),
            models.CheckConstraint(
                condition=Q(stop__in=["", *WaitingPlace.values]), name="tracking_event_stop_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["carrier_code"], condition=Q(state=""), name="tracking_event_noted"),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.text}"
