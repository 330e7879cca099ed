"""Units that come back, or for which the buyer wants money; the money itself goes back by grants."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from inventory.models import Quality, Warehouse
from oms.common.models import Team, TellsChanges, TicketSubject, Versioned, WorkItem, money
from oms.merchants.models import Merchant
from orders.models.event import ActorKind
from orders.models.order import Order
from orders.models.return_rule import Fault, PaysOn, ReturnReason
from orders.models.sub_order import SubOrder
from orders.models.sub_order_line import SubOrderLine


class ReturnKind(models.TextChoices):
    """What the buyer gets."""

    RETURN_AND_REFUND = "return_and_refund", _("Return and refund")
    REFUND_ONLY = "refund_only", _("Refund without return")
    EXCHANGE = "exchange", _("Exchange")
    REPAIR = "repair", _("Repair")
    REFUSED_AT_DOOR = "refused_at_door", _("Refused at the door")


class PaysWayBack(models.TextChoices):
    """Who bears what the carrier takes for the way back."""

    BUYER = "buyer", _("Buyer")
    MERCHANT = "merchant", _("Merchant")
    PLATFORM = "platform", _("Platform")
    INSURANCE = "insurance", _("Return insurance")


# What people may ask for; what is refused at the door is found out by itself.
BY_REQUEST = (ReturnKind.RETURN_AND_REFUND, ReturnKind.REFUND_ONLY, ReturnKind.EXCHANGE, ReturnKind.REPAIR)


class ReturnState(models.TextChoices):
    """Where the goods of a return are."""

    REQUESTED = "requested", _("To be decided")
    APPROVED = "approved", _("Approved")
    AWAITING_GOODS = "awaiting_goods", _("Waits for goods")
    IN_TRANSIT = "in_transit", _("On its way back")
    RECEIVED = "received", _("Received")
    INSPECTED = "inspected", _("Inspected")
    CLOSED = "closed", _("Closed")
    DECLINED = "declined", _("Declined")
    CANCELLED = "cancelled", _("Cancelled")
    EXPIRED = "expired", _("Never handed over")


# Somebody has still to do something about it.
OPEN_RETURNS = (
    ReturnState.REQUESTED,
    ReturnState.APPROVED,
    ReturnState.AWAITING_GOODS,
    ReturnState.IN_TRANSIT,
    ReturnState.RECEIVED,
    ReturnState.INSPECTED,
)
# The goods may still come.
EXPECTED = (ReturnState.AWAITING_GOODS, ReturnState.IN_TRANSIT)
# It ended without goods; they may come all the same.
ENDED_WITHOUT = (ReturnState.DECLINED, ReturnState.CANCELLED, ReturnState.EXPIRED)
# A deadline runs.
TIMED = (ReturnState.REQUESTED, ReturnState.AWAITING_GOODS, ReturnState.RECEIVED)


class MoneyState(models.TextChoices):
    """Where the money of a return is, apart from its goods."""

    NOTHING = "nothing", _("Nothing to give back")
    NOT_DUE = "not_due", _("Not due")
    TO_GRANT = "to_grant", _("To be granted")
    PROPOSED = "proposed", _("Waits for a second person")
    GRANTED = "granted", _("Granted")


# In these the money holds the return up no longer.
MONEY_DONE = (MoneyState.NOTHING, MoneyState.GRANTED)


class ReturnQuerySet(models.QuerySet["ReturnRequest"]):
    """Named queries over returns."""

    def visible_to(self, merchant: Merchant) -> "ReturnQuerySet":
        """Returns of sub-orders that the merchant fulfils, and of orders that its channels sent; the one place that
        decides it."""
        return self.filter(Q(sub_order__merchant=merchant) | Q(order__channel__merchant=merchant))


class ReturnRequest(WorkItem, Versioned, TellsChanges):
    """Units of a sub-order that the buyer gives back, has repaired, or wants money for (售后单).

    `state` is where the goods are, `money_state` where the money is. In the states of `TIMED` `ready_at` is the
    deadline, until it passed.
    `outside_terms` are codes of what speaks against it by the rules; nobody but a person approves it then.
    """

    initial_states = (ReturnState.IN_TRANSIT,)
    ticket_subject = TicketSubject("return", "NEW.order_id", Team.SERVICE)

    number = models.CharField(_("return number"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="returns")
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="returns"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=ReturnKind.choices)
    state = FSMField(_("state"), choices=ReturnState.choices, default=ReturnState.REQUESTED, protected=True)
    money_state = models.CharField(
        _("money"), max_length=10, choices=MoneyState.choices, default=MoneyState.NOT_DUE, db_default=MoneyState.NOT_DUE
    )
    reason = models.ForeignKey(
        ReturnReason, verbose_name=_("reason"), on_delete=models.PROTECT, related_name="returns", db_index=False
    )
    remark = models.CharField(_("remark"), max_length=300, blank=True, default="", db_default="")
    fault = models.CharField(_("whose fault"), max_length=10, choices=Fault.choices)
    pays_on = models.CharField(
        _("money is due"), max_length=12, choices=PaysOn.choices, default=PaysOn.INSPECTION, editable=False
    )
    agreed_amount = money(_("agreed amount (yuan)"), null=True, blank=True)
    followed_kept = models.JSONField(
        _("later gifts that are kept"),
        default=list,
        db_default=[],
        blank=True,
        editable=False,
        help_text=_("As whoever asked for it said: units, by the order that sent them and the position there."),
    )
    outside_terms = models.JSONField(_("outside the terms"), default=list, blank=True, editable=False)
    decide_hours = models.PositiveSmallIntegerField(_("hours to decide"), default=48, editable=False)
    ship_days = models.PositiveSmallIntegerField(_("days to send back"), default=7, editable=False)
    inspect_hours = models.PositiveSmallIntegerField(_("hours to inspect"), default=48, editable=False)
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("goes back to"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="returns",
        db_index=False,
    )
    carrier_name = models.CharField(_("carrier of the way back"), max_length=40, blank=True, default="", db_default="")
    waybill_number = models.CharField(
        _("waybill of the way back"), max_length=40, blank=True, default="", db_default=""
    )
    waybill_told_at = models.DateTimeField(
        _("waybill waits since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Since when its parcel is to be followed under this waybill; empty: it is."),
    )
    way_back_by = models.CharField(_("pays the way back"), max_length=10, choices=PaysWayBack.choices)
    way_back_cost = money(
        _("cost of the way back (yuan)"), null=True, blank=True, help_text=_("What our carrier takes for it.")
    )
    arrived_at = models.DateTimeField(
        _("arrived at"), null=True, blank=True, editable=False, help_text=_("When its carrier says that it was there.")
    )
    repaired_waybill = models.CharField(
        _("waybill of the repaired goods"), max_length=40, blank=True, default="", db_default=""
    )
    requested_by_kind = models.CharField(_("kind of actor"), max_length=12, choices=ActorKind.choices)
    requested_by = models.CharField(_("requested by"), max_length=80)
    decided_by = models.CharField(_("decided by"), max_length=80, blank=True, default="", db_default="")
    end_reason = models.CharField(_("why it ended"), max_length=200, blank=True, default="", db_default="")
    is_escalated = models.BooleanField(
        _("escalated"), default=False, db_default=False, help_text=_("The platform decides in the merchant's place.")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated at"), db_default=Now(), editable=False)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True, editable=False)
    handed_over_at = models.DateTimeField(_("handed over at"), null=True, blank=True, editable=False)
    received_at = models.DateTimeField(_("received at"), null=True, blank=True, editable=False)
    inspected_at = models.DateTimeField(_("inspected at"), null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    objects = ReturnQuerySet.as_manager()

    class Meta:
        verbose_name = _("return request")
        verbose_name_plural = _("return requests")
        ordering = ["-id"]
        permissions = [
            ("work_return", _("Can request returns, decide on them and follow them")),
            ("inspect_return", _("Can receive and inspect returned goods")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="return_number_is_unique"),
            models.CheckConstraint(condition=Q(state__in=ReturnState.values), name="return_state_is_known"),
            models.CheckConstraint(condition=Q(kind__in=ReturnKind.values), name="return_kind_is_known"),
            models.CheckConstraint(condition=Q(money_state__in=MoneyState.values), name="return_money_state_is_known"),
            models.CheckConstraint(condition=Q(fault__in=Fault.values), name="return_fault_is_known"),
            models.CheckConstraint(condition=Q(way_back_by__in=PaysWayBack.values), name="return_way_back_is_paid"),
            models.CheckConstraint(
                condition=Q(way_back_cost=None) | Q(way_back_cost__gte=0), name="return_way_back_costs_no_less_than_0"
            ),
            models.UniqueConstraint(
                fields=["waybill_number"],
                condition=~Q(waybill_number="") & ~Q(state__in=ENDED_WITHOUT),
                name="return_waybill_is_of_one",
            ),
            models.CheckConstraint(
                condition=Q(waybill_told_at=None) | ~Q(waybill_number=""), name="return_waits_with_a_waybill"
            ),
            models.CheckConstraint(
                condition=Q(agreed_amount=None) | Q(agreed_amount__gt=0, kind=ReturnKind.REFUND_ONLY),
                name="return_agreed_amount_is_of_a_refund_only",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[*OPEN_RETURNS], ended_at=None)
                | (~Q(state__in=[*OPEN_RETURNS]) & Q(ended_at__isnull=False)),
                name="return_ends_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state=ReturnState.CLOSED) | Q(money_state__in=MONEY_DONE),
                name="return_closes_once_its_money_is_decided",
            ),
            # What ended without goods gave no money, unless it was due before they were there.
            models.CheckConstraint(
                condition=~Q(state__in=ENDED_WITHOUT) | Q(money_state=MoneyState.NOTHING),
                name="return_without_goods_gives_nothing",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=[ReturnKind.REPAIR, ReturnKind.REFUSED_AT_DOOR])
                | Q(money_state=MoneyState.NOTHING),
                name="return_money_is_of_refunds",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[ReturnState.RECEIVED, ReturnState.INSPECTED])
                | Q(received_at__isnull=False, warehouse__isnull=False),
                name="return_is_received_somewhere",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ready_at"], condition=Q(state__in=[*TIMED], ready_at__isnull=False), name="return_queue"
            ),
            models.Index(fields=["state", "-id"], condition=Q(state__in=[*OPEN_RETURNS]), name="return_open"),
            models.Index(fields=["changed_at", "id"], name="return_by_change"),
            models.Index(fields=["waybill_number"], condition=~Q(waybill_number=""), name="return_by_waybill"),
            models.Index(
                fields=["waybill_told_at"], condition=Q(waybill_told_at__isnull=False), name="return_waybill_queue"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def needs_goods(self) -> bool:
        """Whether goods come back with it."""
        return self.kind != ReturnKind.REFUND_ONLY

    # The platform may take back that something was declined.
    @transition(state, source=[ReturnState.REQUESTED, ReturnState.DECLINED], target=ReturnState.APPROVED)
    def approve(self) -> None:
        """The buyer gets money and keeps the goods."""

    @transition(state, source=[ReturnState.REQUESTED, ReturnState.DECLINED], target=ReturnState.AWAITING_GOODS)
    def await_goods(self) -> None:
        """The buyer may send the goods back."""

    @transition(state, source=ReturnState.REQUESTED, target=ReturnState.DECLINED)
    def decline(self) -> None:
        """The request has no ground."""

    @transition(state, source=ReturnState.AWAITING_GOODS, target=ReturnState.IN_TRANSIT)
    def send_back(self) -> None:
        """A carrier has the goods."""

    # Goods come also of returns that ended without them.
    @transition(state, source=[*EXPECTED, *ENDED_WITHOUT], target=ReturnState.RECEIVED)
    def receive(self) -> None:
        """The goods reached a warehouse."""

    @transition(state, source=ReturnState.RECEIVED, target=ReturnState.INSPECTED)
    def inspect(self) -> None:
        """The warehouse said what came, and in what condition."""

    @transition(
        state,
        source=[ReturnState.APPROVED, ReturnState.IN_TRANSIT, ReturnState.INSPECTED],
        target=ReturnState.CLOSED,
    )
    def close(self) -> None:
        """Goods and money are settled; or the goods are lost on their way."""

    @transition(state, source=[ReturnState.REQUESTED, ReturnState.APPROVED, *EXPECTED], target=ReturnState.CANCELLED)
    def cancel(self) -> None:
        """The buyer keeps the goods."""

    @transition(state, source=ReturnState.AWAITING_GOODS, target=ReturnState.EXPIRED)
    def expire(self) -> None:
        """The buyer did not hand the goods over in time."""


class ReturnLine(models.Model):
    """Units of a sub-order line that a return is for. `open_quantity` of them hold a place of what can still be
    returned (`SubOrderLine.returning_quantity`): until their money is granted, or they stay with the buyer."""

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
    announced_quantity = models.IntegerField(_("announced units"))
    quantity = models.IntegerField(_("units"))
    open_quantity = models.IntegerField(_("open units"), default=0, db_default=0)

    class Meta:
        verbose_name = _("return line")
        verbose_name_plural = _("return lines")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["return_request", "sub_order_line"], name="return_line_is_unique"),
            models.CheckConstraint(
                condition=Q(
                    quantity__gt=0,
                    announced_quantity__gte=0,
                    announced_quantity__lte=F("quantity"),
                    open_quantity__gte=0,
                    open_quantity__lte=F("quantity"),
                ),
                name="return_line_quantities_are_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.return_request_id}: {self.quantity}"


class Found(models.TextChoices):
    """What inspection found a unit to be."""

    GOOD = "good", _("Good")
    DEFECTIVE = "defective", _("Defective")
    DAMAGED = "damaged", _("Damaged")
    BOX_DAMAGED = "box_damaged", _("Box damaged")
    MISSING = "missing", _("Missing")
    WRONG = "wrong", _("Other goods")


# The quality in which units that are there go into stock.
RESTOCKED = {
    Found.GOOD: Quality.GOOD,
    Found.DEFECTIVE: Quality.DEFECTIVE,
    Found.DAMAGED: Quality.DAMAGED,
    Found.BOX_DAMAGED: Quality.BOX_DAMAGED,
}


class ReturnFinding(models.Model):
    """Units of a return line that inspection found in one condition; more may be added until it is over."""

    line = models.ForeignKey(
        ReturnLine, verbose_name=_("return line"), on_delete=models.PROTECT, related_name="findings", db_index=False
    )
    found = models.CharField(_("found"), max_length=12, choices=Found.choices)
    quantity = models.IntegerField(_("units"))
    note = models.CharField(_("note"), max_length=200, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("finding of an inspection")
        verbose_name_plural = _("findings of inspections")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["line", "found"], name="return_finding_is_unique"),
            models.CheckConstraint(condition=Q(found__in=Found.values), name="return_finding_is_known"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="return_finding_has_units"),
        ]

    def __str__(self) -> str:
        return f"{self.get_found_display()}: {self.quantity}"


def _photo_path(photo: "ReturnPhoto", name: str) -> str:
    return f"returns/{photo.return_request_id}/{name}"


class ReturnPhoto(models.Model):
    """A photo that the buyer, or who inspected the goods, added to a return."""

    return_request = models.ForeignKey(
        ReturnRequest, verbose_name=_("return request"), on_delete=models.PROTECT, related_name="photos"
    )
    file = models.FileField(_("photo"), upload_to=_photo_path, max_length=200)
    media_type = models.CharField(_("type"), max_length=40)
    added_by_kind = models.CharField(_("kind of actor"), max_length=12, choices=ActorKind.choices)
    added_by = models.CharField(_("added by"), max_length=80)
    added_at = models.DateTimeField(_("added at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("photo of a return")
        verbose_name_plural = _("photos of returns")
        ordering = ["id"]
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.file)
