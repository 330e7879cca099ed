"""What is late, and what is late together."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inventory.models import Warehouse
from logistics.models.carrier import Carrier
from logistics.models.shipment import Shipment
from logistics.models.warehouse_order import WarehouseOrder
from orders.models import SubOrder


class AlertKind(models.TextChoices):
    """What did not happen in time, or what happened that somebody must look at."""

    SHIP_SOON = "ship_soon", _("Shipping deadline near")
    SHIP_LATE = "ship_late", _("Shipping deadline missed")
    NOT_ACCEPTED = "not_accepted", _("Not accepted by the warehouse")
    NOT_PICKED = "not_picked", _("Not picked")
    NOT_PACKED = "not_packed", _("Not packed")
    NO_WAYBILL = "no_waybill", _("No waybill")
    NOT_SHIPPED = "not_shipped", _("Packed, but not gone")
    PICKUP_SOON = "pickup_soon", _("To be picked up soon")
    PICKUP_TIMEOUT = "pickup_timeout", _("Not picked up")
    NO_TRACE = "no_trace", _("No trace of the waybill")
    DEPART_TIMEOUT = "depart_timeout", _("Picked up, but not on its way")
    STALLED = "stalled", _("Stuck on its way")
    ARRIVED_NOT_OUT = "arrived_not_out", _("At the branch, but not out for delivery")
    DELIVERY_TIMEOUT = "delivery_timeout", _("Out for delivery, but not signed for")
    LOCKER_OVERDUE = "locker_overdue", _("Too long in a locker or station")
    SIGN_TIMEOUT = "sign_timeout", _("Too long on its way")
    PROBLEM = "problem", _("Trouble with the delivery")
    REJECTED = "rejected", _("Refused by the buyer")
    RETURNING = "returning", _("On its way back")


class AlertGroup(models.Model):
    """What is late for one cause: of one kind, at one warehouse, or at one place in the hands of one carrier.

    Staff work on it by one ticket; it ends when none of its alerts is open, or when somebody closes the ticket. `since`
    is when the first of them began to wait; `told_count` and `told_level` are what the robots were told last.
    """

    kind = models.CharField(_("kind"), max_length=16, choices=AlertKind.choices)
    carrier = models.ForeignKey(
        Carrier, verbose_name=_("carrier"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    place = models.CharField(_("place"), max_length=60, db_default="", blank=True)
    level = models.SmallIntegerField(_("level"), default=1)
    open_count = models.IntegerField(_("open ones"), db_default=0)
    since = models.DateTimeField(_("since"))
    opened_at = models.DateTimeField(_("opened at"), db_default=Now(), editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_by = models.CharField(_("closed by"), max_length=80, db_default="", blank=True)

    class Meta:
        verbose_name = _("group of alerts")
        verbose_name_plural = _("groups of alerts")
        ordering = ["-level", "since"]
        default_permissions = ("view",)
        permissions = [("urge_alertgroup", _("Can urge carriers and warehouses, and raise alerts"))]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "carrier", "warehouse", "place"],
                condition=Q(closed_at__isnull=True),
                nulls_distinct=False,
                name="alert_group_is_open_once_a_cause",
            ),
            models.CheckConstraint(condition=Q(kind__in=AlertKind.values), name="alert_group_kind_is_known"),
        ]

    def __str__(self) -> str:
        where = [str(one) for one in (self.carrier, self.warehouse, self.place) if one]
        return " · ".join([str(self.get_kind_display()), *where])


class Urging(models.Model):
    """A carrier or warehouse was asked by a person to move what is late: when, by whom, how, and what it said."""

    class Means(models.TextChoices):
        PHONE = "phone", pgettext_lazy("how somebody is urged", "By phone")
        MESSAGE = "message", _("Message")
        CONNECTION = "connection", _("Over its connection")
        ESCALATION = "escalation", _("Raised to a superior")

    group = models.ForeignKey(AlertGroup, verbose_name=_("group"), on_delete=models.PROTECT, related_name="urgings")
    means = models.CharField(_("how"), max_length=12, choices=Means.choices, default=Means.PHONE)
    phone = models.CharField(_("phone"), max_length=40, db_default="", blank=True)
    text = models.CharField(_("text"), max_length=500, db_default="", blank=True)
    count = models.IntegerField(_("how many were late"), db_default=0)
    by = models.CharField(_("by"), max_length=80)
    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("urging")
        verbose_name_plural = _("urgings")
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(means__in=["phone", "message", "connection", "escalation"]), name="urging_means_are_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.means} {self.at}"


class LogisticsAlert(models.Model):
    """A warehouse order, parcel or sub-order that did not get its next event in time. Opened once for what it waits
    for `since` some moment, escalated, closed by news or with its group's ticket."""

    Kind = AlertKind

    class Level(models.IntegerChoices):
        WARNING = 1, _("Warning")
        EXCEPTION = 2, _("Exception")
        CRITICAL = 3, _("Critical")

    kind = models.CharField(_("kind"), max_length=16, choices=AlertKind.choices)
    level = models.SmallIntegerField(_("level"), choices=Level.choices, default=Level.WARNING)
    group = models.ForeignKey(
        AlertGroup, verbose_name=_("group"), null=True, blank=True, on_delete=models.PROTECT, related_name="alerts"
    )
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="alerts"
    )
    warehouse_order = models.ForeignKey(
        WarehouseOrder,
        verbose_name=_("warehouse order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="alerts",
        db_index=False,
    )
    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), null=True, blank=True, on_delete=models.PROTECT, related_name="alerts"
    )
    since = models.DateTimeField(_("waits since"), db_default=Now())
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
                fields=["warehouse_order", "kind", "since"],
                condition=Q(warehouse_order__isnull=False),
                name="alert_opens_once_for_a_warehouse_order",
            ),
            models.UniqueConstraint(
                fields=["shipment", "kind", "since"],
                condition=Q(shipment__isnull=False),
                name="alert_opens_once_for_a_shipment",
            ),
            models.UniqueConstraint(
                fields=["sub_order", "kind"],
                condition=Q(shipment__isnull=True, warehouse_order__isnull=True),
                name="alert_opens_once_for_a_sub_order",
            ),
        ]
        indexes = [
            models.Index(fields=["-level", "opened_at"], condition=Q(closed_at__isnull=True), name="alert_open"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
