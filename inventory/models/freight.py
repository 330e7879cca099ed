"""What carriers ask for a parcel: services with limits, rates by zone, surcharges. Amounts are in yuan."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from inventory.models.promising import Speed
from oms.common.models import money


class ServiceKind(models.TextChoices):
    """Kinds of services; which one carries a parcel follows from the goods in it."""

    PREMIUM = "premium", _("Premium")
    ECONOMY = "economy", _("Economy")
    COLD = "cold", _("Cold chain")
    BULKY = "bulky", _("Bulky goods")

    @property
    def speed(self) -> Speed:
        """Which days of a lane it takes."""
        return Speed.PREMIUM if self in (ServiceKind.PREMIUM, ServiceKind.COLD) else Speed.ECONOMY


def _kilograms(verbose_name: object, **options: object) -> models.DecimalField:
    return models.DecimalField(verbose_name, max_digits=8, decimal_places=3, **options)  # type: ignore[arg-type]


class CarrierService(models.Model):
    """One service of a carrier (named by its code): what it takes, what it counts, when it works."""

    carrier = models.CharField(_("carrier"), max_length=20)
    service = models.CharField(_("service"), max_length=10, choices=ServiceKind.choices)
    volumetric_divisor = models.PositiveIntegerField(
        _("volumetric divisor"), help_text=_("cm³ that count as a kilogram.")
    )
    round_up_kg = _kilograms(_("rounded up to kg"))
    max_kg = _kilograms(_("at most kg"))
    max_side_cm = models.PositiveIntegerField(_("longest side (cm)"))
    takes_cod = models.BooleanField(_("cash on delivery"), default=False)
    works_on_holiday = models.BooleanField(
        _("works on holidays"), default=True, help_text=_("Otherwise days of lanes are workdays.")
    )
    factor = models.DecimalField(_("factor"), max_digits=6, decimal_places=4, default=Decimal(1))
    minimum_fee = money(_("lowest fee"), default=0)
    discount = models.DecimalField(
        _("discount"), max_digits=5, decimal_places=4, default=Decimal(0), help_text=_("0.05: five per cent less.")
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("service of a carrier")
        verbose_name_plural = _("services of carriers")
        ordering = ["carrier", "service"]
        constraints = [
            models.UniqueConstraint(fields=["carrier", "service"], name="carrier_service_is_unique"),
            models.CheckConstraint(condition=Q(service__in=ServiceKind.values), name="carrier_service_is_known"),
            models.CheckConstraint(
                condition=Q(
                    volumetric_divisor__gt=0, round_up_kg__gt=0, max_kg__gt=0, factor__gt=0, minimum_fee__gte=0
                ),
                name="carrier_service_figures_are_positive",
                violation_error_message=_(
                    "Divisor, factor, rounding and largest weight are above 0; the smallest fee is 0 or more."
                ),
            ),
            models.CheckConstraint(
                condition=Q(discount__gte=0, discount__lt=1),
                name="carrier_service_discount_is_part",
                violation_error_message=_(
                    "The discount is a share: give at least 0 and less than 1, as 0.1 for 10 percent off."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.carrier} {self.get_service_display()}"


class FreightRate(models.Model):
    """First weight and steps of a service to a zone; without a row there is no service. A carrier's own row counts
    before that of all carriers."""

    service = models.CharField(_("service"), max_length=10, choices=ServiceKind.choices)
    carrier = models.CharField(_("carrier"), max_length=20, default="", blank=True, help_text=_("Empty: of all."))
    zone = models.PositiveSmallIntegerField(_("freight zone"))
    first_kg = _kilograms(_("first kg"))
    first_fee = money(_("first fee"))
    step_kg = _kilograms(_("step kg"))
    step_fee = money(_("fee of a step"))

    class Meta:
        verbose_name = _("freight rate")
        verbose_name_plural = _("freight rates")
        ordering = ["service", "carrier", "zone"]
        constraints = [
            models.UniqueConstraint(fields=["service", "carrier", "zone"], name="freight_rate_is_unique"),
            models.CheckConstraint(condition=Q(service__in=ServiceKind.values), name="freight_rate_service_is_known"),
            models.CheckConstraint(
                condition=Q(first_kg__gt=0, step_kg__gt=0, first_fee__gte=0, step_fee__gte=0),
                name="freight_rate_figures_are_sound",
                violation_error_message=_(
                    "Weights of the first and each further step are above 0, their fees 0 or more."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_service_display()} {self.carrier} {self.zone}"


class FreightSurcharge(models.Model):
    """What comes on top of the fee: an amount, and a share of what is collected or insured."""

    class Kind(models.TextChoices):
        OVERSIZE = "oversize", _("Oversize")
        COD = "cod", _("Cash on delivery")
        INSURANCE = "insurance", _("Insurance")
        HOLIDAY = "holiday", _("Holiday")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    carrier = models.CharField(_("carrier"), max_length=20, default="", blank=True, help_text=_("Empty: of all."))
    amount = money(_("amount"), default=0, help_text=_("At least this."))
    rate = models.DecimalField(
        _("rate"), max_digits=6, decimal_places=4, default=Decimal(0), help_text=_("Of the money collected or insured.")
    )
    above_side_cm = models.PositiveIntegerField(_("above a side of cm"), null=True, blank=True)
    starts_on = models.DateField(_("first day"), null=True, blank=True)
    ends_on = models.DateField(_("last day"), null=True, blank=True)

    class Meta:
        verbose_name = _("freight surcharge")
        verbose_name_plural = _("freight surcharges")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["oversize", "cod", "insurance", "holiday"]),
                name="freight_surcharge_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0, rate__gte=0),
                name="freight_surcharge_is_not_negative",
                violation_error_message=_("Amount and rate of a surcharge are 0 or more."),
            ),
            models.CheckConstraint(
                condition=~Q(kind="oversize") | Q(above_side_cm__isnull=False),
                name="freight_oversize_names_a_side",
                violation_error_message=_("Say above which side in centimetres it is oversize."),
            ),
            models.CheckConstraint(
                condition=~Q(kind="holiday") | Q(starts_on__isnull=False, ends_on__gte=F("starts_on")),
                name="freight_holiday_surcharge_has_days",
                violation_error_message=_(
                    "A surcharge for holidays has a first day, and a last day that is not before it."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.carrier}"
