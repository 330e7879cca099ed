"""Goods coming back; the money goes back separately as a refund."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import Team, TicketSubject, Versioned, WorkItem
from orders.models.order import Order
from orders.models.sub_order import SubOrder, SubOrderLine


class ReturnState(models.TextChoices):
    """Where a return is."""

    REQUESTED = "requested", _("Requested")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Declined")
    IN_TRANSIT = "in_transit", _("On its way back")
    RECEIVED = "received", _("Received")
    INSPECTED = "inspected", _("Inspected")
    COMPLETED = "completed", _("Completed")
    CANCELLED = "cancelled", _("Cancelled")


# Somebody has still to do something about it.
OPEN_RETURNS = (
    ReturnState.REQUESTED,
    ReturnState.APPROVED,
    ReturnState.IN_TRANSIT,
    ReturnState.RECEIVED,
    ReturnState.INSPECTED,
)


class ReturnRequest(WorkItem, Versioned):
    """A buyer's request to send units of a sub-order back (售后单)."""

    ticket_subject = TicketSubject("return", "NEW.order_id", Team.SERVICE)

    number = models.CharField(_("return number"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="returns")
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="returns"
    )
    state = FSMField(_("state"), choices=ReturnState.choices, default=ReturnState.REQUESTED, protected=True)
    reason = models.CharField(_("reason"), max_length=300)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("return request")
        verbose_name_plural = _("return requests")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="return_number_is_unique"),
            models.CheckConstraint(condition=Q(state__in=ReturnState.values), name="return_state_is_known"),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=ReturnState.REQUESTED, target=ReturnState.APPROVED)
    def approve(self) -> None:
        """The buyer may send the goods back."""

    @transition(state, source=ReturnState.REQUESTED, target=ReturnState.DECLINED)
    def decline(self) -> None:
        """The request has no ground."""

    @transition(state, source=ReturnState.APPROVED, target=ReturnState.IN_TRANSIT)
    def send_back(self) -> None:
        """A carrier has the goods."""

    @transition(state, source=[ReturnState.APPROVED, ReturnState.IN_TRANSIT], target=ReturnState.RECEIVED)
    def receive(self) -> None:
        """The goods reached the warehouse."""

    @transition(state, source=ReturnState.RECEIVED, target=ReturnState.INSPECTED)
    def inspect(self) -> None:
        """The warehouse said in what condition they are."""

    @transition(state, source=ReturnState.INSPECTED, target=ReturnState.COMPLETED)
    def complete(self) -> None:
        """Stock and money are settled."""

    @transition(state, source=[ReturnState.REQUESTED, ReturnState.APPROVED], target=ReturnState.CANCELLED)
    def cancel(self) -> None:
        """The buyer keeps the goods."""


class ReturnLine(models.Model):
    """Units of a sub-order line that come back, and how many of them can be sold again."""

    return_request = models.ForeignKey(
        ReturnRequest,
        verbose_name=_("return request"),
        on_delete=models.PROTECT,
        related_name="lines",
        db_index=False,
    )
    sub_order_line = models.ForeignKey(
        SubOrderLine, verbose_name=_("sub-order line"), on_delete=models.PROTECT, related_name="returns"
    )
    quantity = models.IntegerField(_("quantity"))
    sellable_quantity = models.IntegerField(_("sellable units"), db_default=0)

    class Meta:
        verbose_name = _("return line")
        verbose_name_plural = _("return lines")
        constraints = [
            models.UniqueConstraint(fields=["return_request", "sub_order_line"], name="return_line_is_unique"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, sellable_quantity__gte=0, sellable_quantity__lte=F("quantity")),
                name="return_line_quantities_are_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.return_request_id}: {self.quantity}"
