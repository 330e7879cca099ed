"""How much of a SKU should lie where, what was wanted there, and what is proposed where it has come down to its line.

Only `inventory.replenishing` writes these rows.
"""

from datetime import timedelta
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from inventory.models.catalogue import Sku, Warehouse
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE, PurchaseOrder
from inventory.models.transfers import Transfer
from oms.common.models import Versioned
from oms.merchants.models import Merchant

MOST_DAYS = 365
LONGEST_SNOOZE = timedelta(days=365)
MOST_PACK = 100_000
LEAST_SERVICE, MOST_SERVICE = Decimal("50"), Decimal("99.9")


class LineMethod(models.TextChoices):
    """Where a policy's line comes from."""

    FIXED = "fixed", _("Fixed by hand")
    COMPUTED = "computed", _("Computed from demand")


class LineBasis(models.TextChoices):
    """What the line that counts now was made of."""

    GIVEN = "given", _("Given by hand")
    DEMAND = "demand", _("Demand of the last weeks")
    FEW_SALES = "few_sales", _("Too few sales: one or two units, or a guess")


class RunsBy(models.TextChoices):
    """Who lets a suggestion be acted on."""

    APPROVAL = "approval", _("A person approves")
    RULE = "rule", _("At once, by rule")


class ReplenishmentPolicyQuerySet(models.QuerySet["ReplenishmentPolicy"]):
    """Named queries over policies."""

    def visible_to(self, merchant: Merchant) -> "ReplenishmentPolicyQuerySet":
        """Those of the merchant's own SKUs, wherever they lie; the one place that decides it."""
        return self.filter(sku__merchant=merchant)


class ReplenishmentPolicy(Versioned):
    """The alert line (预警线) of a SKU at a warehouse, and how much is ordered when its position is not above it.

    `reorder_point` and `order_up_to` are what counts now; a computed policy gets them anew every day. `below_since` is
    since when the position is not above the line: it is told once, until the position is above it again. `changed_at`
    is when anything of it changed last, the dip too.
    """

    # Not when it came down to its line, nor what its figures were made of.
    version_counts = (
        *(
            "method",
            "reorder_point",
            "order_up_to",
            "service_percent",
            "lead_days",
            "lead_deviation_days",
            "cover_days",
            "pack_size",
        ),
        *("minimum_quantity", "runs_by", "snoozed_until", "is_active"),
    )

    warehouse = models.ForeignKey(Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+")
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+", db_index=False)
    method = models.CharField(
        _("alert line"), max_length=10, choices=LineMethod.choices, default=LineMethod.FIXED, db_default="fixed"
    )
    reorder_point = models.PositiveIntegerField(
        _("reorder point"), default=0, help_text=_("Units; ordered when the position is not above it.")
    )
    order_up_to = models.PositiveIntegerField(
        _("order up to"), default=1, help_text=_("Units; an order lifts the position to this.")
    )
    service_percent = models.DecimalField(
        _("service level (%)"), max_digits=4, decimal_places=1, default=Decimal("95"), db_default=Decimal("95")
    )
    lead_days = models.DecimalField(
        _("lead time (days)"), max_digits=5, decimal_places=1, default=Decimal("7"), db_default=Decimal("7")
    )
    lead_deviation_days = models.DecimalField(
        _("deviation of the lead time (days)"), max_digits=5, decimal_places=1, default=Decimal("1"), db_default=1
    )
    cover_days = models.PositiveSmallIntegerField(
        _("an order lasts (days)"), default=7, db_default=7, help_text=_("How long what is ordered should last.")
    )
    pack_size = models.PositiveIntegerField(
        _("pack size"), default=1, db_default=1, help_text=_("Only whole packs are ordered and moved.")
    )
    minimum_quantity = models.PositiveIntegerField(_("minimum quantity"), default=0, db_default=0)
    runs_by = models.CharField(
        _("is acted on"), max_length=10, choices=RunsBy.choices, default=RunsBy.APPROVAL, db_default="approval"
    )
    snoozed_until = models.DateTimeField(
        _("snoozed until"), null=True, blank=True, help_text=_("Until then nothing is told or suggested.")
    )
    is_active = models.BooleanField(_("active"), default=True, db_default=True)
    basis = models.CharField(
        _("basis"),
        max_length=10,
        choices=LineBasis.choices,
        default=LineBasis.GIVEN,
        db_default="given",
        editable=False,
    )
    mean_per_day = models.FloatField(_("demand a day"), default=0, db_default=0, editable=False)
    deviation_per_day = models.FloatField(_("deviation of a day's demand"), default=0, db_default=0, editable=False)
    computed_on = models.DateField(_("computed on"), null=True, blank=True, editable=False)
    below_since = models.DateTimeField(_("below the alert line since"), null=True, blank=True, editable=False)
    changed_by = models.CharField(_("changed by"), max_length=80, blank=True, default="", editable=False)
    changed_at = models.DateTimeField(_("changed at"), db_default=Now(), editable=False)

    objects = ReplenishmentPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("replenishment policy")
        verbose_name_plural = _("replenishment policies")
        ordering = ["-id"]
        permissions = [("snooze_replenishmentpolicy", _("Can snooze alert lines"))]
        constraints = [
            models.UniqueConstraint(fields=["sku", "warehouse"], name="replenishment_policy_is_said_once"),
            models.CheckConstraint(
                condition=Q(method__in=LineMethod.values, basis__in=LineBasis.values, runs_by__in=RunsBy.values),
                name="replenishment_policy_choices_are_known",
            ),
            models.CheckConstraint(
                condition=Q(order_up_to__gt=F("reorder_point"), order_up_to__lte=MOST_UNITS_OF_A_LINE),
                name="replenishment_policy_orders_above_its_line",
                violation_error_message=_("Order up to more than the reorder point."),
            ),
            models.CheckConstraint(
                condition=Q(service_percent__range=(LEAST_SERVICE, MOST_SERVICE)),
                name="replenishment_policy_service_is_sound",
                violation_error_message=_("Give a service level from 50 to 99.9 percent."),
            ),
            models.CheckConstraint(
                condition=Q(
                    lead_days__range=(0, MOST_DAYS),
                    lead_deviation_days__range=(0, MOST_DAYS),
                    cover_days__range=(1, MOST_DAYS),
                ),
                name="replenishment_policy_times_are_sound",
                violation_error_message=_("Give times from 0 to 365 days; an order lasts at least one."),
            ),
            models.CheckConstraint(
                condition=Q(pack_size__range=(1, MOST_PACK), minimum_quantity__lte=MOST_UNITS_OF_A_LINE),
                name="replenishment_policy_packs_are_sound",
                violation_error_message=_("A pack has 1 to 100,000 units."),
            ),
            models.CheckConstraint(
                condition=Q(mean_per_day__gte=0, deviation_per_day__gte=0),
                name="replenishment_policy_demand_is_not_negative",
                violation_error_message=_("Demand a day and its deviation are 0 or more."),
            ),
            models.CheckConstraint(
                condition=~Q(method=LineMethod.FIXED) | Q(basis=LineBasis.GIVEN),
                name="replenishment_policy_fixed_line_is_given",
                violation_error_message=_("A fixed alert line is one that is given: enter it."),
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(below_since__isnull=False), name="replenishment_policy_below")
        ]

    def __str__(self) -> str:
        return f"{self.warehouse.code} {self.sku.code}"

    @property
    def is_snoozed(self) -> bool:
        """Whether nothing is told of it now."""
        return self.snoozed_until is not None and self.snoozed_until > timezone.now()


class DailyDemand(models.Model):
    """Units of a SKU that a day's orders wanted from where they should come from (the nearest warehouse that serves the
    buyer), whoever sent them; and how many of them that warehouse sent without letting anybody wait.

    What lies nowhere is wanted all the same: a day without stock is no day without demand.
    """

    pk = models.CompositePrimaryKey("sku_id", "warehouse_id", "day")
    sku = models.ForeignKey(
        Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    day = models.DateField(_("day"))
    units = models.PositiveIntegerField(_("units"))
    filled = models.PositiveIntegerField(_("sent from there at once"))

    class Meta:
        verbose_name = _("demand of a day")
        verbose_name_plural = _("demand by day")
        constraints = [
            models.CheckConstraint(
                condition=Q(units__gt=0, filled__lte=F("units")), name="daily_demand_is_filled_at_most_once"
            )
        ]
        indexes = [models.Index(fields=["day"], name="daily_demand_by_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.sku_id}: {self.units}"


class SuggestionKind(models.TextChoices):
    """How goods get to where they lack."""

    BUY = "buy", pgettext_lazy("replenishment", "Buy")
    MOVE = "move", pgettext_lazy("replenishment", "Move")


class SuggestionState(models.TextChoices):
    """What became of a suggestion."""

    OPEN = "open", pgettext_lazy("suggestion", "To be decided")
    DONE = "done", pgettext_lazy("suggestion", "Acted on")
    REJECTED = "rejected", pgettext_lazy("suggestion", "Rejected")
    WITHDRAWN = "withdrawn", pgettext_lazy("suggestion", "No longer needed")


class ReplenishmentSuggestionQuerySet(models.QuerySet["ReplenishmentSuggestion"]):
    """Named queries over suggestions."""

    def visible_to(self, merchant: Merchant) -> "ReplenishmentSuggestionQuerySet":
        """Those for the merchant's own SKUs; the one place that decides it."""
        return self.filter(policy__sku__merchant=merchant)

    def open(self) -> "ReplenishmentSuggestionQuerySet":
        """Those that somebody may decide on."""
        return self.filter(state=SuggestionState.OPEN)


class ReplenishmentSuggestion(Versioned):
    """Units that should be bought or moved because a position came down to its line; the figures of that moment stay
    with it."""

    policy = models.ForeignKey(
        ReplenishmentPolicy,
        verbose_name=_("replenishment policy"),
        on_delete=models.PROTECT,
        related_name="suggestions",
    )
    kind = models.CharField(_("kind"), max_length=8, choices=SuggestionKind.choices)
    source = models.ForeignKey(
        Warehouse,
        verbose_name=pgettext_lazy("suggestion", "from"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    quantity = models.PositiveIntegerField(_("units"))
    position = models.IntegerField(pgettext_lazy("stock", "position"))
    reorder_point = models.PositiveIntegerField(_("reorder point"))
    order_up_to = models.PositiveIntegerField(_("order up to"))
    state = FSMField(
        _("state"), choices=SuggestionState.choices, default=SuggestionState.OPEN, db_default=SuggestionState.OPEN
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="")
    purchase_order = models.ForeignKey(
        PurchaseOrder,
        verbose_name=_("purchase order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="suggestions",
    )
    transfer = models.ForeignKey(
        Transfer,
        verbose_name=_("transfer"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="suggestions",
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True, editable=False)
    decided_by = models.CharField(_("decided by"), max_length=80, blank=True, default="", editable=False)

    objects = ReplenishmentSuggestionQuerySet.as_manager()

    class Meta:
        verbose_name = _("replenishment suggestion")
        verbose_name_plural = _("replenishment suggestions")
        ordering = ["-id"]
        permissions = [("decide_replenishmentsuggestion", _("Can approve and reject replenishment suggestions"))]
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "kind", "source"],
                condition=Q(state="open"),
                nulls_distinct=False,
                name="replenishment_suggestion_is_open_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=SuggestionState.values), name="replenishment_suggestion_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(kind=SuggestionKind.BUY, source__isnull=True, transfer__isnull=True)
                | Q(kind=SuggestionKind.MOVE, source__isnull=False, purchase_order__isnull=True),
                name="replenishment_suggestion_has_what_its_kind_needs",
            ),
            models.CheckConstraint(
                condition=Q(quantity__range=(1, MOST_UNITS_OF_A_LINE)), name="replenishment_suggestion_has_units"
            ),
            models.CheckConstraint(
                condition=Q(state=SuggestionState.OPEN, decided_at__isnull=True)
                | ~Q(state=SuggestionState.OPEN) & Q(decided_at__isnull=False),
                name="replenishment_suggestion_decided_at_set_once_decided",
            ),
            models.CheckConstraint(
                condition=~Q(state=SuggestionState.REJECTED) | ~Q(reason=""),
                name="replenishment_suggestion_is_rejected_with_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state=SuggestionState.DONE, kind=SuggestionKind.BUY) | Q(purchase_order__isnull=False),
                name="replenishment_suggestion_bought_by_an_order",
            ),
            models.CheckConstraint(
                condition=~Q(state=SuggestionState.DONE, kind=SuggestionKind.MOVE) | Q(transfer__isnull=False),
                name="replenishment_suggestion_moved_by_a_transfer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy_id} {self.get_kind_display()} × {self.quantity}"

    @transition(state, source=SuggestionState.OPEN, target=SuggestionState.DONE)
    def finish(self) -> None:
        """It was bought, or is being moved."""

    @transition(state, source=SuggestionState.OPEN, target=SuggestionState.REJECTED)
    def reject(self) -> None:
        """A person does not want it."""

    @transition(state, source=SuggestionState.OPEN, target=SuggestionState.WITHDRAWN)
    def withdraw(self) -> None:
        """The position is above its line again, or nothing is watched there any more."""
