"""What delivery dates are worked out from: service levels, cut-offs, calendars, lanes and remote areas.

Areas are named by the beginning of the county's code (GB/T 2260): two digits are a province, four a prefecture, six a
county; where several rows fit, the longest counts. Carriers are named by code: the app that connects them is above.
"""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from inventory.models.catalogue import StorageClass, Warehouse
from oms.common.models import money

AREA = r"^(\d{2}|\d{4}|\d{6})$"
_is_area = RegexValidator(AREA, _("Give the first two, four or all six digits of the county's code."))


def area(verbose_name: object, **options: object) -> models.CharField:
    """A column for an area: two, four or six digits of a county's code."""
    return models.CharField(verbose_name, max_length=6, validators=[_is_area], **options)  # type: ignore[arg-type]


class ServiceLevel(models.Model):
    """What delivery can be sold: within minutes, by an hour some days after the cut-off, or as long as the lane takes.

    Orders ask for a level by the beginning of its code (small letters): 211 is 211_SAME or 211_NEXT, whichever is
    earlier.
    """

    code = models.CharField(_("code"), max_length=20)
    name = models.CharField(_("name"), max_length=60)
    cutoff = models.TimeField(_("cut-off"), help_text=_("Where warehouse and table of cut-offs say no other."))
    is_cutoff_inclusive = models.BooleanField(
        _("the cut-off itself counts"), default=False, help_text=_("Otherwise an order at that second is too late.")
    )
    within_minutes = models.PositiveIntegerField(_("within minutes"), null=True, blank=True)
    day_offset = models.PositiveSmallIntegerField(
        _("days after the cut-off"), null=True, blank=True, help_text=_("Empty: as long as the lane takes.")
    )
    deliver_by = models.TimeField(_("delivered by"), null=True, blank=True)
    max_road_km = models.PositiveIntegerField(_("at most road km"), null=True, blank=True)
    same_city_only = models.BooleanField(_("same city only"), default=False)
    works_on_holiday = models.BooleanField(
        _("works on holidays"),
        default=True,
        help_text=_("Of levels by the hour; on a lane the carrier's counts."),
    )
    fee = money(_("fee"), default=0)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("service level")
        verbose_name_plural = _("service levels")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="service_level_code_is_unique"),
            models.CheckConstraint(
                condition=Q(fee__gte=0),
                name="service_level_fee_is_not_negative",
                violation_error_message=_("The fee is 0 or more."),
            ),
            models.CheckConstraint(
                condition=Q(within_minutes__isnull=False, deliver_by__isnull=True)
                | Q(within_minutes__isnull=True, deliver_by__isnull=False),
                name="service_level_is_of_minutes_or_by_an_hour",
                violation_error_message=_(
                    "Give either the minutes within which it is delivered, or the hour by which, not both."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def takes_lane_days(self) -> bool:
        """Whether it takes as long as the lane."""
        return self.within_minutes is None and self.day_offset is None


class Cutoff(models.Model):
    """Another cut-off of a warehouse for a level, or only for one carrier of it."""

    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.CASCADE, related_name="cutoffs", db_index=False
    )
    level = models.ForeignKey(
        ServiceLevel, verbose_name=_("service level"), on_delete=models.CASCADE, related_name="cutoffs", db_index=False
    )
    carrier = models.CharField(_("carrier"), max_length=20, default="", blank=True, help_text=_("Empty: of all."))
    cutoff = models.TimeField(_("cut-off"))
    is_cutoff_inclusive = models.BooleanField(_("the cut-off itself counts"), default=False)

    class Meta:
        verbose_name = _("cut-off")
        verbose_name_plural = _("cut-offs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["warehouse", "level", "carrier"], name="cutoff_is_said_once"),
        ]

    def __str__(self) -> str:
        return f"{self.warehouse.code} {self.level.code} {self.cutoff}"


class CalendarDay(models.Model):
    """A day that is not what its weekday says."""

    class Kind(models.TextChoices):
        HOLIDAY = "holiday", _("Holiday")
        WORKDAY = "workday", _("Make-up workday")

    class Basis(models.TextChoices):
        NOTICE = "notice", _("Government's notice")
        STAFF = "staff", _("Entered by staff")
        ESTIMATE = "estimate", _("Estimate")

    day = models.DateField(_("day"))
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=40, default="", blank=True)
    basis = models.CharField(_("basis"), max_length=8, choices=Basis.choices, default=Basis.STAFF)

    class Meta:
        verbose_name = _("day of the calendar")
        verbose_name_plural = _("calendar")
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(fields=["day"], name="calendar_day_is_unique"),
            models.CheckConstraint(condition=Q(kind__in=["holiday", "workday"]), name="calendar_day_kind_is_known"),
            models.CheckConstraint(
                condition=Q(basis__in=["notice", "staff", "estimate"]), name="calendar_day_basis_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


class WorkSchedule(models.Model):
    """When a warehouse works and how long picking takes; of a class of goods, or of all that name no other.

    A warehouse without one works day and night and needs no time.
    """

    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.CASCADE, related_name="schedules", db_index=False
    )
    storage_class = models.CharField(
        _("storage class"), max_length=24, choices=StorageClass.choices, default="", blank=True
    )
    opens_at = models.TimeField(_("opens at"), null=True, blank=True, help_text=_("Empty: at midnight."))
    closes_at = models.TimeField(_("closes at"), null=True, blank=True, help_text=_("Empty: at midnight."))
    works_on_weekends = models.BooleanField(_("works on weekends"), default=True)
    works_on_holidays = models.BooleanField(_("works on holidays"), default=True)
    picking_minutes = models.PositiveIntegerField(_("minutes of picking"), default=0)

    class Meta:
        verbose_name = _("working hours")
        verbose_name_plural = _("working hours")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["warehouse", "storage_class"], name="work_schedule_is_said_once"),
            models.CheckConstraint(
                condition=Q(opens_at__isnull=True) | Q(closes_at__isnull=True) | Q(opens_at__lt=F("closes_at")),
                name="work_schedule_closes_after_it_opens",
                violation_error_message=_("The warehouse closes after it opens: give a later closing hour."),
            ),
            models.CheckConstraint(
                condition=Q(picking_minutes__lte=20_160),
                name="work_schedule_picking_takes_two_weeks_at_most",
                violation_error_message=_("Picking takes at most two weeks (20160 minutes)."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.warehouse.code} {self.get_storage_class_display()}"


class Suspension(models.Model):
    """Days on which a warehouse is closed, a carrier does not run, or an area gets its parcels later or not at all."""

    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="suspensions",
    )
    carrier = models.CharField(_("carrier"), max_length=20, default="", blank=True)
    area = area(_("area"), default="", blank=True)
    starts_on = models.DateField(_("first day"))
    ends_on = models.DateField(_("last day"))
    extra_days = models.PositiveSmallIntegerField(
        _("extra days"), null=True, blank=True, help_text=_("Of an area; empty: nothing arrives.")
    )
    reason = models.CharField(_("reason"), max_length=200, default="", blank=True)

    class Meta:
        verbose_name = _("suspension")
        verbose_name_plural = _("suspensions")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_on__lte=F("ends_on")),
                name="suspension_ends_after_it_starts",
                violation_error_message=_("The last day is not before the first."),
            ),
            models.CheckConstraint(
                condition=Q(warehouse__isnull=False, carrier="", area="")
                | Q(warehouse__isnull=True, area="") & ~Q(carrier="")
                | Q(warehouse__isnull=True, carrier="") & ~Q(area=""),
                name="suspension_is_of_one_thing",
                violation_error_message=_("Name one thing that rests: a warehouse, an area or a carrier."),
            ),
            models.CheckConstraint(
                condition=Q(extra_days__isnull=True) | ~Q(area=""),
                name="suspension_extra_days_are_of_an_area",
                violation_error_message=_("Extra days are of an area: name the area, or leave the extra days empty."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.starts_on} – {self.ends_on}"


class Speed(models.TextChoices):
    """By which days of a lane a service of a carrier travels."""

    PREMIUM = "premium", _("Premium")
    ECONOMY = "economy", _("Economy")


class Lane(models.Model):
    """The way from an area to another: kilometres, freight zone, and days of half and of 95 % of the parcels."""

    origin = area(_("from"))
    destination = area(_("to"))
    straight_km = models.PositiveIntegerField(_("straight km"), default=0)
    road_km = models.PositiveIntegerField(_("road km (estimated)"))
    zone = models.PositiveSmallIntegerField(_("freight zone"))
    premium_days_p50 = models.PositiveSmallIntegerField(_("premium: half within days"))
    premium_days_p95 = models.PositiveSmallIntegerField(_("premium: 95 % within days"))
    economy_days_p50 = models.PositiveSmallIntegerField(_("economy: half within days"))
    economy_days_p95 = models.PositiveSmallIntegerField(_("economy: 95 % within days"))

    class Meta:
        verbose_name = _("lane")
        verbose_name_plural = _("lanes")
        ordering = ["origin", "destination"]
        constraints = [
            models.UniqueConstraint(fields=["origin", "destination"], name="lane_is_unique"),
            models.CheckConstraint(
                condition=Q(premium_days_p50__lte=F("premium_days_p95"), economy_days_p50__lte=F("economy_days_p95")),
                name="lane_half_arrive_before_nearly_all",
                violation_error_message=_(
                    "Half of the parcels arrive no later than 95 percent of them: give these at least as many days."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.origin} → {self.destination}"


class RemoteArea(models.Model):
    """An area that takes more days and a surcharge, or that nobody serves."""

    class Kind(models.TextChoices):
        REMOTE = "remote", _("Remote")
        NO_SERVICE = "no_service", _("Not served")

    area = area(_("area"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.REMOTE)
    extra_days = models.PositiveSmallIntegerField(_("extra days"), default=0)
    surcharge = money(_("surcharge"), default=0)

    class Meta:
        verbose_name = _("remote area")
        verbose_name_plural = _("remote areas")
        ordering = ["area"]
        constraints = [
            models.UniqueConstraint(fields=["area"], name="remote_area_is_unique"),
            models.CheckConstraint(condition=Q(kind__in=["remote", "no_service"]), name="remote_area_kind_is_known"),
            models.CheckConstraint(
                condition=Q(surcharge__gte=0),
                name="remote_area_surcharge_is_not_negative",
                violation_error_message=_("The surcharge is 0 or more."),
            ),
        ]

    def __str__(self) -> str:
        return self.area


class PromiseTables(models.Model):
    """The version of all tables that dates and freight are worked out from: one row, raised by triggers on them."""

    version = models.BigIntegerField(_("version"))

    class Meta:
        verbose_name = _("version of the promise's tables")
        verbose_name_plural = _("versions of the promise's tables")
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="promise_tables_is_one_row")]

    def __str__(self) -> str:
        return str(self.version)
