"""Couriers who are to fetch returned goods at the buyer's door (上门取件)."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from logistics.models.carrier import Carrier
from oms.common.models import Connection, Team, TicketSubject, Versioned, WorkItem
from orders.models import ReturnRequest


class PickUpState(models.TextChoices):
    """What becomes of a pick-up."""

    INTENDED = "intended", pgettext_lazy("pick-up", "To be booked")
    BOOKED = "booked", pgettext_lazy("pick-up", "Booked")
    COLLECTED = "collected", pgettext_lazy("pick-up", "Collected")
    CALLING_OFF = "calling_off", pgettext_lazy("pick-up", "To be called off")
    CANCELLED = "cancelled", pgettext_lazy("pick-up", "Called off")
    MISSED = "missed", pgettext_lazy("pick-up", "Nobody met")
    REFUSED = "refused", pgettext_lazy("pick-up", "Refused")


S = PickUpState
OPEN_PICK_UPS = (S.INTENDED, S.BOOKED, S.CALLING_OFF)


class DoorPickUp(WorkItem, Versioned):
    """A courier who is to fetch the goods of a return at its buyer's door, in a window.

    The row is the intent; its number is the key under which the carrier knows it. One that is missed, or not wanted any
    more, is called off with the carrier first: `missed_at` says why.
    """

    ticket_subject = TicketSubject(
        "door_pick_up", "(SELECT order_id FROM orders_returnrequest WHERE id = NEW.return_request_id)", Team.SERVICE
    )

    number = models.CharField(_("number"), max_length=40, editable=False)
    return_request = models.ForeignKey(
        ReturnRequest, verbose_name=_("return request"), on_delete=models.PROTECT, related_name="pick_ups"
    )
    carrier = models.ForeignKey(
        Carrier, verbose_name=_("carrier"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    since = models.DateTimeField(_("pick-up from"))
    until = models.DateTimeField(_("pick-up until"))
    state = FSMField(_("state"), choices=S.choices, default=S.INTENDED, protected=True)
    waybill_number = models.CharField(_("waybill number"), max_length=40, blank=True, default="", db_default="")
    answer = models.CharField(_("carrier's text"), max_length=300, blank=True, default="", db_default="")
    missed_at = models.DateTimeField(_("missed at"), null=True, blank=True, editable=False)
    booked_by = models.CharField(_("booked by"), max_length=80)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("pick-up at the door")
        verbose_name_plural = _("pick-ups at the door")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["number"], name="door_pick_up_number_is_unique"),
            models.UniqueConstraint(
                fields=["return_request"],
                condition=Q(state__in=[*OPEN_PICK_UPS]),
                name="door_pick_up_is_open_once_a_return",
            ),
            models.CheckConstraint(condition=Q(state__in=S.values), name="door_pick_up_state_is_known"),
            models.CheckConstraint(condition=Q(since__lt=F("until")), name="door_pick_up_has_a_window"),
            models.CheckConstraint(
                condition=Q(state__in=[S.INTENDED, S.REFUSED, S.CANCELLED]) | ~Q(waybill_number=""),
                name="door_pick_up_has_a_waybill_once_booked",
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(state__in=[S.INTENDED, S.CALLING_OFF]),
                name="door_pick_up_queue",
            ),
            models.Index(fields=["until"], condition=Q(state=S.BOOKED), name="door_pick_up_booked"),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=S.INTENDED, target=S.BOOKED)
    def book(self) -> None:
        """The carrier sends a courier."""

    @transition(state, source=S.INTENDED, target=S.REFUSED)
    def refuse(self) -> None:
        """The carrier sends none."""

    @transition(state, source=S.BOOKED, target=S.CALLING_OFF)
    def call_off(self) -> None:
        """It is not wanted any more, or was missed; the carrier is asked."""

    @transition(state, source=[S.INTENDED, S.CALLING_OFF], target=S.CANCELLED)
    def cancel(self) -> None:
        """No courier comes."""

    @transition(state, source=S.CALLING_OFF, target=S.MISSED)
    def miss(self) -> None:
        """Nobody met in the window, and no courier comes for it any more."""

    @transition(state, source=S.CALLING_OFF, target=S.BOOKED)
    def go_on(self) -> None:
        """The carrier does not call it off."""

    @transition(state, source=[S.BOOKED, S.CALLING_OFF, S.CANCELLED, S.MISSED], target=S.COLLECTED)
    def collect(self) -> None:
        """A scan proves that a courier has the goods."""
