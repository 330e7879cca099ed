"""What was promised for a sub-order, by which inputs, and what became of it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Region, Warehouse
from oms.common.models import Team, TellsChanges, TicketSubject, Versioned, WorkItem
from orders.models.order import Order
from orders.models.sub_order import SubOrder


class PromiseSource(models.TextChoices):
    """Whose word the date is."""

    OURS = "ours", _("Our promise")
    PLATFORM = "platform", _("The platform's deadline")
    APPOINTMENT = "appointment", _("The time that was wished for")


class PromiseOutcome(models.TextChoices):
    """What became of a promise. Void: nobody waits for it any more, or there was no date to promise."""

    OPEN = "open", _("Open")
    KEPT = "kept", _("Kept")
    BROKEN = "broken", _("Broken")
    VOID = "void", _("Void")


# The promise was put to the test.
MEASURED = (PromiseOutcome.KEPT, PromiseOutcome.BROKEN)


class LateRisk(models.TextChoices):
    """Why a promise may not be kept, before it is broken; and, once it is, why it was."""

    PLAN_LATER = "plan_later", _("Planned later than promised")
    MISSED_WAVE = "missed_wave", _("Did not leave the warehouse in time")
    LEFT_LATE = "left_late", _("Left too late for the lane")
    NOT_OUT = "not_out", _("Not out for delivery yet")
    CARRIER_LATE = "carrier_late", _("Left in time, but the carrier was late")


class PromiseToMake(models.Model):
    """A sub-order whose warehouse was chosen and for which the promise is still to be made; gone once it is.

    It is the queue between allocating, which holds stock, and promising, which takes its time.
    """

    # Written by the statement that read the rows which they name, and gone in a moment.
    sub_order = models.OneToOneField(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="+",
        db_constraint=False,
    )
    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    expected_warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("expected warehouse"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    since = models.DateTimeField(_("since"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("promise to make")
        verbose_name_plural = _("promises to make")
        default_permissions = ()
        indexes = [models.Index(fields=["since"], name="promise_to_make_queue")]

    def __str__(self) -> str:
        return str(self.pk)


class DeliveryPromise(WorkItem, Versioned, TellsChanges):
    """By when a sub-order is promised, made when its warehouse was chosen. Never computed again: a new choice of the
    warehouse makes the next one, and the old one is still measured unless the buyer gets it elsewhere (void).

    `promised_by` is what the buyer was told: by the platform, by the time wished for, or as from the nearest warehouse
    that serves the region (`expected_warehouse`); `planned_by` what the real warehouse makes of it. The queue
    (`ready_at`) is when somebody looks next.
    """

    ticket_subject = TicketSubject("promise", "NEW.order_id", Team.LOGISTICS)

    # Written by the statement that read the rows which they name; `check_invariants` covers them.
    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.PROTECT,
        related_name="delivery_promises",
        db_index=False,
        db_constraint=False,
    )
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        related_name="promises",
        db_index=False,
        db_constraint=False,
    )
    number = models.PositiveSmallIntegerField(_("number"))
    made_at = models.DateTimeField(_("made at"), db_default=Now(), editable=False)
    superseded_at = models.DateTimeField(_("superseded at"), null=True, blank=True, editable=False)
    level = models.CharField(_("service level"), max_length=20, db_default="", blank=True)
    source = models.CharField(_("whose promise"), max_length=12, choices=PromiseSource.choices)
    starts_at = models.DateTimeField(_("counted from"))
    region = models.ForeignKey(
        Region,
        verbose_name=_("region"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    expected_warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("expected warehouse"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    cutoff_at = models.DateTimeField(_("leaves at the cut-off of"), null=True, blank=True)
    promised_by = models.DateTimeField(_("promised by"), null=True, blank=True)
    planned_by = models.DateTimeField(_("planned by"), null=True, blank=True)
    carrier = models.CharField(_("carrier"), max_length=20, db_default="", blank=True)
    service = models.CharField(_("service"), max_length=10, db_default="", blank=True)
    lane_id = models.BigIntegerField(_("lane"), null=True, blank=True)
    lane_days = models.PositiveSmallIntegerField(_("days of the lane"), null=True, blank=True)
    freight = models.DecimalField(_("estimated freight"), max_digits=12, decimal_places=2, null=True, blank=True)
    is_provisional = models.BooleanField(_("provisional calendar"), db_default=False, default=False)
    tables_version = models.BigIntegerField(_("version of the tables"))
    reasons = models.JSONField(_("reasons"), db_default={}, default=dict)

    outcome = models.CharField(
        _("outcome"), max_length=8, choices=PromiseOutcome.choices, db_default=PromiseOutcome.OPEN
    )
    risk = models.CharField(_("late risk"), max_length=12, choices=LateRisk.choices, db_default="", blank=True)
    risk_since = models.DateTimeField(_("at risk since"), null=True, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    carried_by = models.CharField(_("carried by"), max_length=20, db_default="", blank=True)

    class Meta:
        verbose_name = _("delivery promise")
        verbose_name_plural = _("delivery promises")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "sub_order", "number"], name="promise_is_numbered_in_sub_order"),
            models.CheckConstraint(condition=Q(source__in=PromiseSource.values), name="promise_source_is_known"),
            models.CheckConstraint(condition=Q(outcome__in=PromiseOutcome.values), name="promise_outcome_is_known"),
            models.CheckConstraint(condition=Q(risk__in=["", *LateRisk.values]), name="promise_risk_is_known"),
            models.CheckConstraint(
                condition=Q(outcome=PromiseOutcome.VOID) | Q(promised_by__isnull=False), name="promise_has_a_date"
            ),
            models.CheckConstraint(
                condition=Q(outcome=PromiseOutcome.OPEN, decided_at__isnull=True)
                | ~Q(outcome=PromiseOutcome.OPEN) & Q(decided_at__isnull=False),
                name="promise_is_decided_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(outcome=PromiseOutcome.BROKEN) | ~Q(risk=""), name="promise_broken_is_explained"
            ),
            models.CheckConstraint(
                condition=Q(risk="", risk_since__isnull=True) | ~Q(risk="") & Q(risk_since__isnull=False),
                name="promise_risk_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["ready_at"], condition=Q(outcome=PromiseOutcome.OPEN), name="promise_queue"),
            models.Index(fields=["promised_by"], condition=Q(outcome__in=MEASURED), name="promise_measured_by_date"),
            models.Index(
                fields=["risk"], condition=Q(outcome=PromiseOutcome.OPEN) & ~Q(risk=""), name="promise_at_risk"
            ),
            models.Index(fields=["changed_at", "id"], name="promise_by_change"),
        ]

    def __str__(self) -> str:
        return f"{self.sub_order_id}/{self.number}"
