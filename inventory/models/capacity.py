"""Room of a day: how many parcels a warehouse sends, and how many a slot of the appointment calendar takes.

Only `inventory.promising.capacity` writes buckets and takes.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inventory.models.catalogue import Warehouse
from oms.common.models import money

MINUTES_OF_A_DAY = 24 * 60


class AppointmentSlot(models.Model):
    """Hours of a day in which buyers of a city can have their parcels brought. Cities without their own have those of
    `EVERYWHERE`."""

    EVERYWHERE = "*"

    city = models.CharField(_("city"), max_length=60, default=EVERYWHERE, help_text=_("* : every other city."))
    name = models.CharField(_("name"), max_length=40)
    starts_at = models.PositiveSmallIntegerField(_("begins (minutes after midnight)"))
    ends_at = models.PositiveSmallIntegerField(_("ends (minutes after midnight)"))
    capacity = models.PositiveIntegerField(_("parcels of a warehouse"))
    fee = money(_("fee"), default=0)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("appointment slot")
        verbose_name_plural = _("appointment slots")
        ordering = ["city", "starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["city", "starts_at", "ends_at"], name="appointment_slot_is_unique"),
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at"), ends_at__lte=MINUTES_OF_A_DAY),
                name="appointment_slot_ends_after_it_begins",
                violation_error_message=_(
                    "The slot ends after it begins, by the end of the day (minute 1440) at the latest."
                ),
            ),
            models.CheckConstraint(
                condition=Q(fee__gte=0),
                name="appointment_slot_fee_is_not_negative",
                violation_error_message=_("The fee is 0 or more."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.city} {self.hours}"

    @property
    def hours(self) -> str:
        """From when until when, such as 09:00–15:00."""
        return "–".join(f"{minutes // 60:02d}:{minutes % 60:02d}" for minutes in (self.starts_at, self.ends_at))


class CapacityBucket(models.Model):
    """Room of a warehouse on a day: for all that it sends, or (`slot`) for appointments of these hours.

    Written when something is first taken of it; what staff set of a day is kept.
    """

    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="capacity", db_index=False
    )
    day = models.DateField(_("day"))
    slot = models.ForeignKey(
        AppointmentSlot,
        verbose_name=pgettext_lazy("appointment", "slot"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="buckets",
    )
    capacity = models.PositiveIntegerField(_("capacity"))
    taken = models.PositiveIntegerField(_("taken"), db_default=0, default=0, editable=False)

    class Meta:
        verbose_name = _("capacity of a day")
        verbose_name_plural = _("capacity")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["warehouse", "day", "slot"], nulls_distinct=False, name="capacity_bucket_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(taken__lte=F("capacity")),
                name="capacity_taken_within_capacity",
                violation_error_message=_("More is taken already than this capacity: give at least what is taken."),
            ),
        ]
        indexes = [models.Index(fields=["day"], name="capacity_by_day")]

    def __str__(self) -> str:
        return f"{self.warehouse_id} {self.day}"

    @property
    def left(self) -> int:
        """How much is left."""
        return self.capacity - self.taken


class CapacityDemand(models.TextChoices):
    """What room is taken for; `demand_id` is the id of such a row, of an app above this one."""

    SUB_ORDER = "sub_order", _("Sub-order")
    ORDER = "order", _("Order")


class CapacityTake(models.Model):
    """One place of a bucket that a demand has, or had until it was given back. A demand has one of a kind at a time."""

    bucket = models.ForeignKey(
        CapacityBucket, verbose_name=_("capacity"), on_delete=models.PROTECT, related_name="takes", db_constraint=False
    )
    is_appointment = models.BooleanField(_("appointment"))
    demand_kind = models.CharField(_("kind of demand"), max_length=10, choices=CapacityDemand.choices)
    demand_id = models.BigIntegerField(_("demand"))
    taken_at = models.DateTimeField(_("taken at"), db_default=Now(), editable=False)
    given_back_at = models.DateTimeField(_("given back at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("place taken")
        verbose_name_plural = _("places taken")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["demand_id", "demand_kind", "is_appointment"],
                condition=Q(given_back_at__isnull=True),
                name="capacity_is_taken_once_for_a_demand",
            ),
            models.CheckConstraint(
                condition=Q(demand_kind__in=CapacityDemand.values), name="capacity_demand_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bucket_id} {self.demand_kind} {self.demand_id}"
