"""How long each step of a parcel may take: what staff say, and what past scans taught."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from logistics.models.alert import AlertKind
from oms.common.models import money
from oms.merchants.models import Channel


class DeadlineRule(models.Model):
    """The hours after which a step is late, by carrier. Without a rule of the carrier's, that without a carrier counts.

    Hours count from where the step starts (for `ship_soon`: before the platform's deadline); 0 is at once.
    """

    kind = models.CharField(_("kind"), max_length=16, choices=AlertKind.choices)
    carrier = models.CharField(
        _("carrier's code"),
        max_length=20,
        blank=True,
        default="",
        help_text=_("Empty: all that have none of their own."),
    )
    warning_hours = models.FloatField(_("warning after (h)"))
    exception_hours = models.FloatField(_("exception after (h)"), null=True, blank=True)
    critical_hours = models.FloatField(_("critical after (h)"), null=True, blank=True)
    province_hours = models.FloatField(
        _("warning within a province (h)"), null=True, blank=True, help_text=_("Where it starts and ends in one.")
    )
    note = models.CharField(_("source or note"), max_length=120, blank=True, default="")

    class Meta:
        verbose_name = _("deadline of a step")
        verbose_name_plural = _("deadlines of steps")
        ordering = ["kind", "carrier"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "carrier"], name="deadline_rule_is_said_once"),
            models.CheckConstraint(condition=Q(kind__in=AlertKind.values), name="deadline_rule_kind_is_known"),
            models.CheckConstraint(
                condition=Q(warning_hours__gte=0, warning_hours__lte=2000)
                & (Q(exception_hours__isnull=True) | Q(exception_hours__gte=F("warning_hours")))
                & (Q(critical_hours__isnull=True) | Q(critical_hours__gte=F("warning_hours"))),
                name="deadline_rule_levels_rise",
                violation_error_message=_(
                    "A warning comes after 0 to 2000 hours; exception and critical not before it."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.carrier}".strip()


class DeadlineStretch(models.Model):
    """Longer deadlines: of what goes to an area, or on some days everywhere (promotions). The largest factor counts."""

    area = models.CharField(
        _("area"), max_length=6, blank=True, default="", help_text=_("Beginning of region codes; empty: everywhere.")
    )
    starts_on = models.DateField(_("from"), null=True, blank=True)
    ends_on = models.DateField(_("to"), null=True, blank=True)
    factor = models.FloatField(_("factor"))
    note = models.CharField(_("source or note"), max_length=120, blank=True, default="")

    class Meta:
        verbose_name = _("longer deadlines")
        verbose_name_plural = _("longer deadlines")
        ordering = ["area", "starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["area", "starts_on"], nulls_distinct=False, name="deadline_stretch_is_said_once"
            ),
            models.CheckConstraint(
                condition=Q(factor__gte=1, factor__lte=10),
                name="deadline_stretch_is_longer",
                violation_error_message=_("Give a factor from 1 to 10."),
            ),
            models.CheckConstraint(
                condition=~Q(area="") | Q(starts_on__isnull=False, ends_on__isnull=False),
                name="deadline_stretch_everywhere_has_days",
                violation_error_message=_("Where no area is named it holds everywhere: give its first and last day."),
            ),
            models.CheckConstraint(
                condition=Q(starts_on__isnull=True) | Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="deadline_stretch_ends_after_it_starts",
                violation_error_message=_("The last day is not before the first."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.area} × {self.factor}".strip()


class ShipRule(models.Model):
    """Within how many hours of its payment an order of a channel leaves, where the platform gave it no deadline; of
    cash on delivery from when it was received, of presale from when it may leave. Without a rule of the channel's, that
    without a channel counts. What a late one costs is kept with its source: nothing is reckoned by it.
    """

    channel = models.OneToOneField(
        Channel,
        verbose_name=_("channel"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text=_("Empty: all that have none of their own."),
    )
    hours = models.FloatField(
        _("leaves within (h)"), null=True, blank=True, help_text=_("Empty: it need not leave by any time.")
    )
    late_percent = models.DecimalField(
        _("a late one costs (% of the goods)"), max_digits=5, decimal_places=2, null=True, blank=True
    )
    late_least = money(_("at least (yuan)"), null=True, blank=True)
    late_most = money(_("at most (yuan)"), null=True, blank=True)
    note = models.CharField(_("source or note"), max_length=120, blank=True, default="")

    class Meta:
        verbose_name = _("shipping deadline of a channel")
        verbose_name_plural = _("shipping deadlines of channels")
        ordering = ["channel"]
        constraints = [
            models.UniqueConstraint(fields=["channel"], nulls_distinct=False, name="ship_rule_is_said_once"),
            models.CheckConstraint(
                condition=Q(hours__isnull=True) | Q(hours__gt=0, hours__lte=2000),
                name="ship_rule_hours_are_sound",
                violation_error_message=_("Give more than 0 and at most 2000 hours, or leave it empty."),
            ),
            models.CheckConstraint(
                condition=(Q(late_percent__isnull=True) | Q(late_percent__gte=0, late_percent__lte=100))
                & (Q(late_least__isnull=True) | Q(late_least__gte=0))
                & (Q(late_least__isnull=True) | Q(late_most__isnull=True) | Q(late_most__gte=F("late_least"))),
                name="ship_rule_costs_are_sound",
                violation_error_message=_(
                    "The percentage is from 0 to 100; the smallest cost is 0 or more, the largest not below it."
                ),
            ),
        ]

    def __str__(self) -> str:
        return str(self.channel or "–")


class DeadlineSweep(models.Model):
    """How far the rows of a watched table were planned anew by the deadlines of a version: those that are looked at
    until `due`, and of that moment up to `row_id`."""

    watched = models.CharField(_("table"), max_length=40, primary_key=True)
    version = models.BigIntegerField(_("version"))
    due = models.DateTimeField(_("looked at until"))
    row_id = models.BigIntegerField(_("row"), db_default=0)
    is_over = models.BooleanField(_("over"), db_default=False)

    class Meta:
        verbose_name = _("sweep of deadlines")
        verbose_name_plural = _("sweeps of deadlines")
        default_permissions = ()

    def __str__(self) -> str:
        return self.watched


class LearnedDeadline(models.Model):
    """How long 95 of 100 parcels of a carrier and lane (province to province) took for a step lately."""

    kind = models.CharField(_("kind"), max_length=16, choices=AlertKind.choices)
    carrier = models.CharField(_("carrier's code"), max_length=20)
    origin = models.CharField(_("from province"), max_length=2)
    destination = models.CharField(_("to province"), max_length=2)
    hours = models.FloatField(_("95 of 100 within (h)"))
    parcels = models.IntegerField(_("parcels"))
    learned_at = models.DateTimeField(_("learned at"))

    class Meta:
        verbose_name = _("learned deadline")
        verbose_name_plural = _("learned deadlines")
        ordering = ["carrier", "origin", "destination", "kind"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["carrier", "origin", "destination", "kind"], name="deadline_is_learned_once"
            ),
            models.CheckConstraint(condition=Q(hours__gte=0, parcels__gt=0), name="learned_deadline_is_sound"),
        ]

    def __str__(self) -> str:
        return f"{self.carrier} {self.origin} → {self.destination}"
