"""Parcels and their scans, the warehouse's notices, alerts on what is late, and delivered codes."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common import secrecy
from oms.common.models import Expectation, Team, TicketSubject, Versioned, WorkItem
from oms.merchants.models import Merchant
from orders.models import SubOrder


class Carrier(models.Model):
    """Who carries parcels. `priority` 1 is tried first."""

    code = models.CharField(_("code"), max_length=20)
    name = models.CharField(_("name"), max_length=60)
    adapter = models.CharField(_("adapter"), max_length=20, default="sandbox")
    priority = models.PositiveSmallIntegerField(_("priority"), default=1)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("carrier")
        verbose_name_plural = _("carriers")
        ordering = ["priority", "code"]
        constraints = [models.UniqueConstraint(fields=["code"], name="carrier_code_is_unique")]

    def __str__(self) -> str:
        return self.name


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
    REJECTED = "rejected", _("Refused")
    RETURNING = "returning", _("On its way back")
    RETURNED = "returned", _("Returned")
    LOST = "lost", _("Lost")
    CANCELLED = "cancelled", _("Cancelled")


MOVING = (
    ShipmentState.COLLECTED,
    ShipmentState.IN_TRANSIT,
    ShipmentState.OUT_FOR_DELIVERY,
    ShipmentState.FAILED_DELIVERY,
    ShipmentState.INTERCEPTING,
)
GOING_BACK = (ShipmentState.REJECTED, ShipmentState.RETURNING)
_BEFORE_MOVING = (ShipmentState.CREATED, ShipmentState.WAYBILL_ISSUED)


def _others(target: str) -> list[str]:
    return [state for state in (*_BEFORE_MOVING, *MOVING) if state != target]


class ShipmentQuerySet(models.QuerySet["Shipment"]):
    """Named queries over parcels."""

    def visible_to(self, merchant: Merchant) -> "ShipmentQuerySet":
        """Parcels of orders that the merchant's channels sent, and of sub-orders that it fulfils; the one place that
        decides it."""
        return self.filter(Q(sub_order__order__channel__merchant=merchant) | Q(sub_order__merchant=merchant))


class Shipment(WorkItem, Versioned, Expectation):
    """A parcel. Its state is a function of the set of its scans (see `logistics.carriers.tracking.state_of`).

    Scans come late and out of order, so the declared moves are wide; the carrier's own code and text are kept beside.
    """

    ticket_subject = TicketSubject(
        "shipment", "(SELECT order_id FROM orders_suborder WHERE id = NEW.sub_order_id)", Team.LOGISTICS
    )

    number = models.CharField(_("shipment number"), max_length=32, editable=False)
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="shipments"
    )
    carrier = models.ForeignKey(
        Carrier, verbose_name=_("carrier"), on_delete=models.PROTECT, related_name="shipments", db_index=False
    )
    waybill_number = models.CharField(_("waybill number"), max_length=40, null=True, blank=True)  # noqa: DJ001
    state = FSMField(_("state"), choices=ShipmentState.choices, default=ShipmentState.CREATED, protected=True)
    carrier_code = models.CharField(_("carrier's code"), max_length=20, db_default="", blank=True)
    carrier_text = models.CharField(_("carrier's text"), max_length=300, db_default="", blank=True)
    weight_g = models.IntegerField(_("weight (g)"), db_default=0)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    waybill_issued_at = models.DateTimeField(_("waybill issued at"), null=True, blank=True, editable=False)
    collected_at = models.DateTimeField(_("collected at"), null=True, blank=True, editable=False)
    last_scan_at = models.DateTimeField(_("last scan at"), null=True, blank=True, editable=False)
    signed_at = models.DateTimeField(_("signed at"), null=True, blank=True, editable=False)

    objects = ShipmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="shipment_number_is_unique"),
            # The waybill leads: staff search by it without knowing the carrier.
            models.UniqueConstraint(fields=["waybill_number", "carrier"], name="shipment_waybill_is_unique"),
            models.CheckConstraint(condition=Q(state__in=ShipmentState.values), name="shipment_state_is_known"),
            models.CheckConstraint(
                condition=Q(waybill_number__isnull=False) | Q(state__in=["created", "cancelled"]),
                name="shipment_has_a_waybill_once_issued",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_event_due"], condition=Q(next_event_due__isnull=False), name="shipment_queue_watch"
            ),
            models.Index(fields=["ready_at"], condition=Q(state=ShipmentState.CREATED), name="shipment_queue_waybill"),
        ]

    def __str__(self) -> str:
        return self.waybill_number or self.number

    @transition(state, source=ShipmentState.CREATED, target=ShipmentState.WAYBILL_ISSUED)
    def issue_waybill(self) -> None:
        """The carrier gave a number."""

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

    @transition(state, source=list(_BEFORE_MOVING), target=ShipmentState.CANCELLED)
    def cancel(self) -> None:
        """Its sub-order was cancelled before the carrier came."""


class TrackingEvent(models.Model):
    """A scan as the carrier sent it: unique by its own key, late and repeated ones too. Never changed."""

    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), on_delete=models.PROTECT, related_name="scans", db_index=False
    )
    event_key = models.CharField(_("event key"), max_length=80)
    state = models.CharField(_("state"), max_length=20, choices=ShipmentState.choices)
    carrier_code = models.CharField(_("carrier's code"), max_length=20, db_default="", blank=True)
    text = models.CharField(_("text"), max_length=300, db_default="", blank=True)
    location = models.CharField(_("place"), max_length=60, db_default="", blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"), db_default=Now())
    applied_at = models.DateTimeField(_("applied at"), null=True, blank=True)

    class Meta:
        verbose_name = _("tracking event")
        verbose_name_plural = _("tracking events")
        ordering = ["occurred_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "event_key"], name="tracking_event_comes_once"),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(applied_at__isnull=True), name="tracking_event_queue")]

    def __str__(self) -> str:
        return f"{self.state} {self.text}"


class WarehouseEvent(models.Model):
    """A notice of a warehouse system as it came; unique by its own key, applied once."""

    class Kind(models.TextChoices):
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")
        PICKING = "picking", _("Picking")
        PACKED = "packed", _("Packed")
        SHIPPED = "shipped", _("Shipped")

    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="warehouse_events"
    )
    event_key = models.CharField(_("event key"), max_length=80)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    text = models.CharField(_("text"), max_length=300, db_default="", blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"), db_default=Now())
    applied_at = models.DateTimeField(_("applied at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=40, db_default="", blank=True)

    class Meta:
        verbose_name = _("warehouse event")
        verbose_name_plural = _("warehouse events")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["event_key"], name="warehouse_event_comes_once")]
        indexes = [models.Index(fields=["id"], condition=Q(applied_at__isnull=True), name="warehouse_event_queue")]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_key}"


class LogisticsAlert(models.Model):
    """A sub-order or parcel that did not get its next event in time. Opened once, escalated, closed by news."""

    class Kind(models.TextChoices):
        WAREHOUSE_LATE = "warehouse_late", _("Warehouse late")
        DISPATCH_LATE = "dispatch_late", _("Waybill late")
        NO_PICKUP = "no_pickup", _("Not picked up")
        NO_NEWS = "no_news", _("No news")
        NOT_SIGNED = "not_signed", _("Not signed for")

    class Level(models.IntegerChoices):
        WARNING = 1, _("Warning")
        EXCEPTION = 2, _("Exception")
        CRITICAL = 3, _("Critical")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    level = models.SmallIntegerField(_("level"), choices=Level.choices, default=Level.WARNING)
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="alerts"
    )
    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), null=True, blank=True, on_delete=models.PROTECT, related_name="alerts"
    )
    due_at = models.DateTimeField(_("was due at"))
    opened_at = models.DateTimeField(_("opened at"), db_default=Now(), editable=False)
    escalated_at = models.DateTimeField(_("escalated at"), null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_by = models.CharField(_("closed by"), max_length=80, db_default="", blank=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("assigned to"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        verbose_name = _("logistics alert")
        verbose_name_plural = _("logistics alerts")
        ordering = ["-level", "opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["sub_order", "kind"],
                condition=Q(closed_at__isnull=True, shipment__isnull=True),
                name="alert_opens_once_for_a_sub_order",
            ),
            models.UniqueConstraint(
                fields=["shipment", "kind"],
                condition=Q(closed_at__isnull=True, shipment__isnull=False),
                name="alert_opens_once_for_a_shipment",
            ),
        ]
        indexes = [models.Index(fields=["-level", "opened_at"], condition=Q(closed_at__isnull=True), name="alert_open")]

    def __str__(self) -> str:
        return self.get_kind_display()


class VirtualDelivery(models.Model):
    """A code, link or account delivered to the buyer of a virtual good. It is kept sealed; staff see the hint."""

    class Kind(models.TextChoices):
        ACTIVATION_CODE = "activation_code", _("Activation code")
        DOWNLOAD_LINK = "download_link", _("Download link")
        ACCOUNT = "account", _("Account")

    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        related_name="virtual_deliveries",
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    content = secrecy.SealedField(_("content"))
    hint = models.CharField(_("hint"), max_length=80, blank=True, default="", editable=False)
    delivered_at = models.DateTimeField(_("delivered at"), db_default=Now(), editable=False)
    confirmed_at = models.DateTimeField(_("receipt confirmed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("virtual delivery")
        verbose_name_plural = _("virtual deliveries")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["sub_order"], name="virtual_delivery_once_a_sub_order"),
        ]

    def __str__(self) -> str:
        return f"{self.sub_order_id}"

    def opened(self) -> str:
        """What the buyer gets, as text; for the way to the buyer only. Raises cryptography.fernet.InvalidToken."""
        return secrecy.unseal(self.content)
