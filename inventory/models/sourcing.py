"""Rules by which warehouses are chosen and orders are split, kept as data in versions.

A rule set is drafted, switched on, and replaced by the next one; what was switched on once is never changed again, so
that what was decided by it can be explained.
"""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from inventory.models.catalogue import StorageClass, Warehouse
from oms.common.models import RuleSetVersion, money
from oms.merchants.models import Channel, Merchant


class Need(models.TextChoices):
    """What a warehouse must be for a rule to ask it. That it did not refuse the goods before is always needed."""

    SERVES_REGION = "serves_region", _("Serves the buyer's province")
    OPEN_TODAY = "open_today", _("Works today")
    ROOM_TODAY = "room_today", _("Has room left today")
    CUTOFF_MET = "cutoff_met", _("Its cut-off for the order is not over yet")


class Sort(models.TextChoices):
    """What is preferred; the first one named counts most."""

    PARCELS = "parcels", _("Fewest parcels")
    PROMISE = "promise", _("The promise is kept")
    DISTANCE = "distance", _("Fewest kilometres")
    FREIGHT = "freight", _("Least freight")
    BALANCE = "balance", _("Least of today's capacity taken")
    PRIORITY = "priority", _("The order in which the rule names warehouses")


class OnPartial(models.TextChoices):
    """What becomes of goods of which the warehouses of a rule have only some."""

    GO_ON = "go_on", _("Send what there is; the rest goes to the next rule")
    ALLOCATE = "allocate", _("Send what there is; the rest waits for stock")
    NEXT = "next", _("Send nothing; all of it goes to the next rule")
    BACKORDER = "backorder", _("Send nothing; all of it waits for stock")
    HOLD = "hold", _("Send nothing; a person decides")
    CANCEL = "cancel", _("Send nothing; cancelled unless all of it comes in time")


class OnNone(models.TextChoices):
    """What becomes of goods of which the warehouses of a rule have nothing."""

    NEXT = "next", _("The next rule")
    BACKORDER = "backorder", _("Waits for stock")
    HOLD = "hold", _("A person decides")
    CANCEL = "cancel", _("Cancelled unless it comes in time")


class SourcingRuleSet(RuleSetVersion):
    """A version of the rules of a merchant and a channel; empty: of all that have none of their own.

    The merchant is the one that fulfils. At most one of a scope is active.
    """

    merchant = models.ForeignKey(
        Merchant,
        verbose_name=_("merchant"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="sourcing_rule_sets",
        help_text=_("Who fulfils; empty: every merchant without rules of its own."),
    )
    channel = models.ForeignKey(
        Channel,
        verbose_name=_("channel"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Where orders come from; empty: every channel without rules of its own."),
    )
    name = models.CharField(_("name"), max_length=80)
    moves_after_cutoff = models.BooleanField(
        _("moves what missed its cut-off"),
        default=False,
        db_default=False,
        help_text=_(
            "What its warehouse did not accept by the cut-off goes to another one, if that one keeps the promise."
        ),
    )

    class Meta(RuleSetVersion.Meta):
        verbose_name = _("sourcing rule set")
        verbose_name_plural = _("sourcing rules")
        permissions = [("activate_sourcingruleset", _("Can switch sourcing rules on and off"))]
        constraints = [
            *RuleSetVersion.Meta.constraints,
            models.UniqueConstraint(
                fields=["merchant", "channel"],
                condition=Q(state="active"),
                nulls_distinct=False,
                name="sourcing_rule_set_one_is_active",
                violation_error_message=_("Another version is active for this merchant and channel."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


def _choices(values: type[models.TextChoices], max_length: int = 24) -> models.CharField:
    return models.CharField(max_length=max_length, choices=values.choices)


class SourcingRule(models.Model):
    """One rule of a set: which orders it is for, which warehouses it asks, what it prefers, and what follows.

    Rules are tried by their position. Of a set that was switched on, none can be changed.
    """

    rule_set = models.ForeignKey(
        SourcingRuleSet,
        verbose_name=_("rule set"),
        on_delete=models.CASCADE,
        related_name="rules",
        db_index=False,
    )
    position = models.PositiveSmallIntegerField(_("position"), validators=[MinValueValidator(1)])
    name = models.CharField(_("name"), max_length=80)
    storage_classes = ArrayField(
        _choices(StorageClass), verbose_name=_("storage classes"), blank=True, default=list, help_text=_("Empty: any.")
    )
    provinces = ArrayField(
        models.CharField(max_length=30),
        verbose_name=_("provinces"),
        blank=True,
        default=list,
        help_text=_("Where the buyer is, by commas. Empty: anywhere."),
    )
    min_value = money(_("goods worth at least (yuan)"), null=True, blank=True)
    max_value = money(_("goods worth at most (yuan)"), null=True, blank=True)
    warehouses = ArrayField(
        models.CharField(max_length=32),
        verbose_name=_("warehouses"),
        blank=True,
        default=list,
        help_text=_("Codes by commas, the preferred first. Empty: all of the merchant."),
    )
    kinds = ArrayField(
        _choices(Warehouse.Kind),
        verbose_name=_("kinds of warehouses"),
        blank=True,
        default=list,
        help_text=_("Empty: any."),
    )
    needs = ArrayField(_choices(Need), verbose_name=_("warehouse must"), blank=True, default=list)
    sorts = ArrayField(
        _choices(Sort),
        verbose_name=_("preferred"),
        blank=True,
        default=list,
        help_text=_("The first one counts most. Empty: fewest parcels, then fewest kilometres."),
    )
    parcel_km = models.PositiveIntegerField(
        _("a parcel is worth (km)"),
        default=0,
        validators=[MaxValueValidator(20_000)],
        help_text=_("So many kilometres may be driven to save a parcel; with fewest kilometres as what is preferred."),
    )
    max_parcels = models.PositiveSmallIntegerField(
        _("parcels at most"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    splits_lines = models.BooleanField(
        _("splits lines"),
        default=True,
        help_text=_("Whether the units of one line may come from several warehouses."),
    )
    min_part_value = money(
        _("least value of a part (yuan)"),
        null=True,
        blank=True,
        help_text=_("Neither what is sent apart nor what stays is worth less than that."),
    )
    on_partial = models.CharField(
        _("where they have some"), max_length=10, choices=OnPartial.choices, default=OnPartial.GO_ON
    )
    on_none = models.CharField(_("where they have nothing"), max_length=10, choices=OnNone.choices, default=OnNone.NEXT)
    cancel_after_hours = models.PositiveSmallIntegerField(
        _("cancelled after (hours)"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(2160)]
    )

    class Meta:
        verbose_name = _("sourcing rule")
        verbose_name_plural = _("sourcing rules")
        ordering = ["rule_set", "position"]
        constraints = [
            # Deferred: rules that change places are saved one after the other.
            models.UniqueConstraint(
                fields=["rule_set", "position"],
                name="sourcing_rule_position_is_unique",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                condition=Q(on_partial__in=OnPartial.values, on_none__in=OnNone.values),
                name="sourcing_rule_outcomes_are_known",
            ),
            models.CheckConstraint(
                condition=Q(cancel_after_hours__isnull=False)
                | (~Q(on_partial=OnPartial.CANCEL) & ~Q(on_none=OnNone.CANCEL)),
                name="sourcing_rule_says_when_it_cancels",
                violation_error_message=_("Say after how many hours orders are cancelled, as this rule cancels."),
            ),
            models.CheckConstraint(
                condition=Q(max_parcels__isnull=True) | Q(max_parcels__gte=1),
                name="sourcing_rule_sends_something",
                violation_error_message=_("At least 1 parcel is sent: give 1 or more, or leave it empty for no cap."),
            ),
            models.CheckConstraint(
                condition=Q(min_value__isnull=True) | Q(max_value__isnull=True) | Q(min_value__lte=F("max_value")),
                name="sourcing_rule_values_are_in_order",
                violation_error_message=_("The largest value is not below the smallest."),
            ),
            models.CheckConstraint(
                condition=Q(min_part_value__isnull=True) | Q(min_part_value__gte=0),
                name="sourcing_rule_part_value_is_not_negative",
                violation_error_message=_("The smallest value of a part is 0 or more."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.name}"


class SplitRule(models.Model):
    """What, besides merchant, storage class and payment, parts an order before warehouses are chosen."""

    class Kind(models.TextChoices):
        WEIGHT = "weight", _("No part heavier than (kg)")
        VOLUME = "volume", _("No part larger than (litres)")
        ALONE = "alone", _("Each line of these goods travels alone")
        APART = "apart", _("These goods never travel with those")

    rule_set = models.ForeignKey(
        SourcingRuleSet,
        verbose_name=_("rule set"),
        on_delete=models.CASCADE,
        related_name="split_rules",
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    most = models.DecimalField(
        _("at most"), max_digits=9, decimal_places=3, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    storage_class = models.CharField(
        _("storage class"), max_length=24, choices=StorageClass.choices, blank=True, default=""
    )
    category = models.CharField(
        _("category"), max_length=120, blank=True, default="", help_text=_("Or the beginning of its name.")
    )
    other_category = models.CharField(
        _("other category"),
        max_length=120,
        blank=True,
        default="",
        help_text=_("For goods that never travel together."),
    )

    class Meta:
        verbose_name = _("split rule")
        verbose_name_plural = _("split rules")
        ordering = ["rule_set", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["weight", "volume"], most__gt=0)
                | (Q(kind="alone") & ~Q(storage_class="", category=""))
                | (Q(kind="apart") & ~Q(category="") & ~Q(other_category="")),
                name="split_rule_has_what_its_kind_needs",
                violation_error_message=_(
                    "Say how much at most, or which category or storage class goes alone, or which two stay apart."
                ),
            )
        ]

    def __str__(self) -> str:
        return str(self.get_kind_display())
