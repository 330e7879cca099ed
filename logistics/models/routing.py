"""Own couriers (自有配送): stations with couriers and vehicles, their parcels, the day's plans, and what was told from
the door."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from inventory.models import Region
from logistics.models.shipment import Shipment
from oms.common.models import Connection, Versioned, money


class Skill(models.TextChoices):
    """What a parcel may need of a courier or a vehicle."""

    COLD = "cold", _("Cold")
    BULKY = "bulky", _("Bulky")
    COD = "cod", _("Cash on delivery")


class Planner(models.TextChoices):
    """Who made a plan."""

    VROOM = "vroom", "VROOM"
    BUILT_IN = "built_in", _("Built in")


class Unserved(models.TextChoices):
    """Why a parcel is in no tour of a plan."""

    NO_COURIER = "no_courier", _("No courier with a vehicle is free any more that day")
    NO_SKILL = "no_skill", _("No courier who is free can carry it: cold, bulky, or cash on delivery")
    TOO_BIG = "too_big", _("It is too heavy or too large for every vehicle")
    WINDOW = "window", _("Nobody can be there within its hours and be back in time")
    NO_CAPACITY = "no_capacity", _("No vehicle has room left")
    NO_TIME = "no_time", _("No tour has time left within its hours")
    NOT_WANTED = "not_wanted", _("It was asked back or cancelled meanwhile")
    OUTSIDE_AREA = "outside_area", _("Its address is not in the station's area")


class Outcome(models.TextChoices):
    """What became of a parcel at the door."""

    SIGNED = "signed", _("Signed for")
    REFUSED = "refused", pgettext_lazy("parcel", "Refused")
    MISSED = "missed", _("Nobody at home")


def _skills() -> ArrayField:
    field: models.CharField = models.CharField(max_length=8, choices=Skill.choices)
    return ArrayField(field, verbose_name=_("skills"), default=list, blank=True)


class Station(models.Model):
    """A place from which own couriers bring parcels. Of stations of one account that have the same area, the one with
    the longest code of it is asked, then the first by its own code."""

    code = models.CharField(_("code"), max_length=20, unique=True)
    name = models.CharField(_("name"), max_length=60)
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("carrier account"),
        on_delete=models.PROTECT,
        related_name="stations",
        limit_choices_to={"protocol": "courier"},
        help_text=_("A connection of the protocol for own couriers, over which carriers give it parcels."),
    )
    regions: ArrayField = ArrayField(
        models.CharField(max_length=6),
        verbose_name=_("area"),
        help_text=_("Codes of regions, or their beginnings: 11 is a province, 1101 a city, 110105 a county."),
    )
    address = models.CharField(_("address"), max_length=200, blank=True, default="")
    longitude = models.FloatField(_("longitude"), validators=[MinValueValidator(-180), MaxValueValidator(180)])
    latitude = models.FloatField(_("latitude"), validators=[MinValueValidator(-90), MaxValueValidator(90)])
    km_an_hour = models.PositiveSmallIntegerField(
        _("speed (km/h)"), default=25, validators=[MinValueValidator(1), MaxValueValidator(120)]
    )
    detour_percent = models.PositiveSmallIntegerField(
        _("road, in percent of the straight way"),
        default=135,
        validators=[MinValueValidator(100), MaxValueValidator(400)],
    )
    service_seconds = models.PositiveSmallIntegerField(_("at the door (s)"), default=300)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("station")
        verbose_name_plural = _("stations")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                condition=Q(regions__len__gte=1),
                name="station_has_an_area",
                violation_error_message=_("Choose at least one region that the station serves."),
            ),
            models.CheckConstraint(
                condition=Q(km_an_hour__gte=1, detour_percent__gte=100),
                name="station_ways_can_be_driven",
                violation_error_message=_("The detour is at least 100 percent, the speed at least 1 km an hour."),
            ),
            models.CheckConstraint(
                condition=Q(longitude__range=(-180, 180), latitude__range=(-90, 90)),
                name="station_is_on_earth",
                violation_error_message=_("Latitude is from -90 to 90, longitude from -180 to 180 degrees."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Vehicle(models.Model):
    """What a courier drives, and how much fits in."""

    station = models.ForeignKey(Station, verbose_name=_("station"), on_delete=models.PROTECT, related_name="vehicles")
    plate = models.CharField(_("plate or name"), max_length=20)
    capacity_g = models.PositiveIntegerField(_("carries (g)"), validators=[MinValueValidator(1)])
    capacity_cm3 = models.PositiveIntegerField(_("holds (cm³)"), validators=[MinValueValidator(1)])
    skills = _skills()
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("vehicle")
        verbose_name_plural = _("vehicles")
        ordering = ["station", "plate"]
        constraints = [
            models.UniqueConstraint(fields=["station", "plate"], name="vehicle_is_one_of_its_station"),
            models.CheckConstraint(
                condition=Q(capacity_g__gte=1, capacity_cm3__gte=1),
                name="vehicle_carries_something",
                violation_error_message=_("A vehicle carries at least 1 g and 1 cm³."),
            ),
            models.CheckConstraint(condition=Q(skills__contained_by=Skill.values), name="vehicle_skills_are_known"),
        ]

    def __str__(self) -> str:
        return self.plate


class Courier(models.Model):
    """Who brings parcels. Logs in by a link and a PIN; `link_number` counts the links, of which only the last works.

    `tries` of the PIN since `tries_since` are counted before they are looked at.
    """

    station = models.ForeignKey(Station, verbose_name=_("station"), on_delete=models.PROTECT, related_name="couriers")
    name = models.CharField(_("name"), max_length=40)
    phone = models.CharField(_("phone"), max_length=20)
    vehicle = models.OneToOneField(
        Vehicle, verbose_name=_("vehicle"), null=True, blank=True, on_delete=models.PROTECT, related_name="courier"
    )
    starts = models.TimeField(_("works from"), default="08:00")
    ends = models.TimeField(_("works until"), default="20:00")
    skills = _skills()
    is_active = models.BooleanField(_("active"), default=True)
    link_number = models.PositiveIntegerField(_("links given out"), default=0, editable=False)
    pin = models.CharField(_("PIN"), max_length=128, blank=True, default="", editable=False)
    tries = models.PositiveIntegerField(_("tries of the PIN"), db_default=0, editable=False)
    tries_since = models.DateTimeField(_("tries since"), null=True, editable=False)

    class Meta:
        verbose_name = _("courier")
        verbose_name_plural = _("couriers")
        ordering = ["station", "name", "id"]
        permissions = [("give_courier_link", _("Can give couriers their link and PIN"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends__gt=F("starts")),
                name="courier_works_for_a_while",
                violation_error_message=_("Work ends after it starts: give a later end."),
            ),
            models.CheckConstraint(condition=Q(skills__contained_by=Skill.values), name="courier_skills_are_known"),
        ]

    def __str__(self) -> str:
        return self.name


class CourierParcel(models.Model):
    """A parcel that own couriers bring: what a carrier of its own knows of it. Where it is, its scans say.

    `longitude` and `latitude` are those of its county until staff put the door (`is_exact`). Not in mm, but in cm³: it
    is planned by `volume_cm3`, 0 where nobody measured its goods.
    """

    shipment = models.OneToOneField(
        Shipment, verbose_name=_("shipment"), on_delete=models.PROTECT, related_name="courier_parcel"
    )
    station = models.ForeignKey(
        Station, verbose_name=_("station"), on_delete=models.PROTECT, related_name="parcels", db_index=False
    )
    waybill = models.CharField(_("waybill number"), max_length=40, unique=True, editable=False)
    region = models.ForeignKey(
        Region, verbose_name=_("region"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    longitude = models.FloatField(_("longitude"), validators=[MinValueValidator(-180), MaxValueValidator(180)])
    latitude = models.FloatField(_("latitude"), validators=[MinValueValidator(-90), MaxValueValidator(90)])
    is_exact = models.BooleanField(_("door is known"), db_default=False, default=False)
    weight_g = models.PositiveIntegerField(_("weight (g)"))
    volume_cm3 = models.PositiveIntegerField(_("volume (cm³)"))
    cod_amount = money(_("collected on delivery"), db_default=0, default=0)
    skills = _skills()
    taken_at = models.DateTimeField(_("taken at"), db_default=Now(), editable=False)
    cancelled_at = models.DateTimeField(_("waybill cancelled at"), null=True, editable=False)
    recalled_at = models.DateTimeField(_("asked back at"), null=True, editable=False)

    class Meta:
        verbose_name = _("parcel of own couriers")
        verbose_name_plural = _("parcels of own couriers")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("scan_courierparcel", _("Can scan parcels at stations and put their doors on the map"))]
        constraints = [
            models.CheckConstraint(condition=Q(cod_amount__gte=0), name="courier_parcel_cash_is_not_negative"),
            models.CheckConstraint(
                condition=Q(skills__contained_by=Skill.values), name="courier_parcel_skills_are_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["station", "id"], condition=Q(cancelled_at__isnull=True), name="courier_parcel_of_station"
            ),
        ]

    def __str__(self) -> str:
        return self.waybill


class PlanState(models.TextChoices):
    """Where a plan of routes is."""

    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    SUPERSEDED = "superseded", _("Superseded")
    DISCARDED = "discarded", _("Discarded")


class RoutePlan(Versioned):
    """The tours of a station on a day. Couriers see the published one; of the same day a newer one supersedes it.

    `figures` are metres and stops in time, also of driving to the next stop that can begin first: `stops`, `served`,
    `metres`, `on_time`, and with `nearest_` before them. `number` counts the plans of the day.
    """

    station = models.ForeignKey(
        Station, verbose_name=_("station"), on_delete=models.PROTECT, related_name="plans", db_index=False
    )
    day = models.DateField(_("day"))
    number = models.PositiveSmallIntegerField(_("number"))
    state = FSMField(
        _("state"), max_length=20, choices=PlanState.choices, default=PlanState.DRAFT, protected=True, editable=False
    )
    planner = models.CharField(_("planned by"), max_length=10, choices=Planner.choices)
    figures = models.JSONField(_("figures"), default=dict)
    changes = models.PositiveIntegerField(
        _("changes of stops"), db_default=0, editable=False, help_text=_("Each counts as a new version.")
    )
    made_at = models.DateTimeField(_("made at"), db_default=Now(), editable=False)
    made_by = models.CharField(_("made by"), max_length=80)
    published_at = models.DateTimeField(_("published at"), null=True, editable=False)
    published_by = models.CharField(_("published by"), max_length=80, db_default="", blank=True, editable=False)

    class Meta:
        verbose_name = _("plan of routes")
        verbose_name_plural = _("plans of routes")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("plan_routes", _("Can plan routes, lock and move stops, publish and print plans"))]
        constraints = [
            models.UniqueConstraint(fields=["station", "day", "number"], name="route_plan_has_its_number"),
            models.UniqueConstraint(
                fields=["station", "day"], condition=Q(state="published"), name="route_plan_published_is_one_of_the_day"
            ),
            models.UniqueConstraint(
                fields=["station", "day"], condition=Q(state="draft"), name="route_plan_draft_is_one_of_the_day"
            ),
            models.CheckConstraint(condition=Q(state__in=PlanState.values), name="route_plan_state_is_known"),
            models.CheckConstraint(
                condition=Q(state__in=["published", "superseded"], published_at__isnull=False) & ~Q(published_by="")
                | Q(state__in=["draft", "discarded"], published_at__isnull=True, published_by=""),
                name="route_plan_says_who_published_it",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.station} {self.day} #{self.number}"

    @transition(state, source=PlanState.DRAFT, target=PlanState.PUBLISHED)
    def publish(self, *, by: str) -> None:
        """Couriers drive by it from now on."""
        self.published_at = Now()
        self.published_by = by

    @transition(state, source=PlanState.PUBLISHED, target=PlanState.SUPERSEDED)
    def supersede(self) -> None:
        """A newer plan of the day counts."""

    @transition(state, source=PlanState.DRAFT, target=PlanState.DISCARDED)
    def discard(self) -> None:
        """Nobody will drive by it."""


class Tour(models.Model):
    """What a courier does on the day, by a plan. Once `gone_at`, all of it is in the vehicle and stays there."""

    plan = models.ForeignKey(RoutePlan, verbose_name=_("plan"), on_delete=models.CASCADE, related_name="tours")
    courier = models.ForeignKey(
        Courier, verbose_name=_("courier"), on_delete=models.PROTECT, related_name="tours", db_index=False
    )
    vehicle = models.ForeignKey(
        Vehicle, verbose_name=_("vehicle"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    starts_at = models.DateTimeField(_("leaves at"))
    ends_at = models.DateTimeField(_("back at"))
    metres = models.PositiveIntegerField(_("metres"))
    gone_at = models.DateTimeField(_("went out at"), null=True, editable=False)

    class Meta:
        verbose_name = _("tour")
        verbose_name_plural = _("tours")
        ordering = ["plan", "id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["plan", "courier"], name="tour_is_one_of_a_courier"),
            models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="tour_ends_after_it_starts"),
        ]

    def __str__(self) -> str:
        return f"{self.plan} {self.courier}"


class Stop(models.Model):
    """A parcel in a plan: its place in a tour, or why it is in none. `is_in_force` while couriers are to act on it: of
    a parcel that is one stop at most, of a published plan."""

    plan = models.ForeignKey(
        RoutePlan, verbose_name=_("plan"), on_delete=models.CASCADE, related_name="stops", db_index=False
    )
    parcel = models.ForeignKey(CourierParcel, verbose_name=_("parcel"), on_delete=models.PROTECT, related_name="stops")
    tour = models.ForeignKey(
        Tour, verbose_name=_("tour"), null=True, on_delete=models.CASCADE, related_name="stops", db_index=False
    )
    position = models.PositiveSmallIntegerField(_("stop number"), null=True)
    opens_at = models.DateTimeField(_("not before"), null=True)
    closes_at = models.DateTimeField(_("not after"), null=True)
    due_at = models.DateTimeField(_("promised by"), null=True)
    arrives_at = models.DateTimeField(_("arrives at"), null=True)
    begins_at = models.DateTimeField(_("begins at"), null=True)
    leaves_at = models.DateTimeField(_("goes on at"), null=True)
    is_locked = models.BooleanField(_("locked"), db_default=False, default=False)
    is_in_force = models.BooleanField(_("in force"), db_default=False, default=False)
    why = models.CharField(
        _("why in no tour"), max_length=14, choices=Unserved.choices, db_default="", default="", blank=True
    )

    class Meta:
        verbose_name = _("stop")
        verbose_name_plural = _("stops")
        ordering = ["plan", "tour", "position"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["plan", "parcel"], name="stop_is_one_of_a_parcel_in_a_plan"),
            models.UniqueConstraint(
                fields=["parcel"], condition=Q(is_in_force=True), name="stop_in_force_is_one_of_a_parcel"
            ),
            models.UniqueConstraint(
                fields=["tour", "position"],
                condition=Q(tour__isnull=False),
                name="stop_has_its_place_in_a_tour",
            ),
            models.CheckConstraint(
                condition=Q(
                    tour__isnull=False,
                    position__isnull=False,
                    arrives_at__isnull=False,
                    begins_at__isnull=False,
                    leaves_at__isnull=False,
                    why="",
                )
                | Q(
                    tour__isnull=True,
                    position__isnull=True,
                    is_locked=False,
                    is_in_force=False,
                    why__in=Unserved.values,
                ),
                name="stop_is_in_a_tour_or_says_why_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan}: {self.parcel}"


def _photo_path(report: "DoorReport", name: str) -> str:
    return f"couriers/{report.day:%Y-%m-%d}/{uuid.uuid4().hex}{name}"


class DoorReport(models.Model):
    """What a courier told of a parcel at the door, once a day; never changed. Scans say the same (`key` is theirs, and
    that of the form: what is posted again is known by it)."""

    parcel = models.ForeignKey(
        CourierParcel, verbose_name=_("parcel"), on_delete=models.PROTECT, related_name="reports", db_index=False
    )
    courier = models.ForeignKey(
        Courier, verbose_name=_("courier"), on_delete=models.PROTECT, related_name="reports", db_index=False
    )
    day = models.DateField(_("day"))
    key = models.CharField(_("key"), max_length=64, unique=True, editable=False)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome.choices)
    signed_by = models.CharField(_("signed by"), max_length=40, db_default="", default="", blank=True)
    reason = models.CharField(_("reason"), max_length=100, db_default="", default="", blank=True)
    cash = money(_("cash taken"), db_default=0, default=0)
    photo = models.FileField(_("photo"), upload_to=_photo_path, max_length=120, blank=True)
    said_at = models.DateTimeField(_("said to be at"))
    received_at = models.DateTimeField(_("received at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("report from the door")
        verbose_name_plural = _("reports from the door")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["parcel", "courier", "day"], name="door_report_is_one_of_the_day"),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="door_report_outcome_is_known"),
            models.CheckConstraint(
                condition=Q(outcome="signed", reason="") & ~Q(signed_by="")
                | Q(outcome="refused", signed_by="", cash=0) & ~Q(reason="")
                | Q(outcome="missed", signed_by="", cash=0),
                name="door_report_says_who_or_why",
            ),
            models.CheckConstraint(condition=Q(cash__gte=0), name="door_report_cash_is_no_less_than_nothing"),
        ]
        indexes = [models.Index(fields=["courier", "day"], name="door_report_of_courier")]

    def __str__(self) -> str:
        return f"{self.parcel}: {self.get_outcome_display()}"
