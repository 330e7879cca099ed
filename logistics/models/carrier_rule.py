"""Rules by which parcels get their carrier, kept as data, and what was decided by them."""

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import StorageClass
from logistics.models.carrier import Carrier
from logistics.models.shipment import Shipment
from oms.common.models import Connection, Versioned, money
from orders.models import PaymentMethod

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class CarrierNeed(models.TextChoices):
    """What a carrier must do for a rule to ask it. Where the freight tables know nothing of it, it is taken to."""

    REACHES = "reaches", _("Delivers such a parcel there")
    TAKES_COD = "takes_cod", _("Collects cash, where it is due at the door")
    KEEPS_PROMISE = "keeps_promise", _("Keeps the promise")


class CarrierSort(models.TextChoices):
    """Which carriers a rule prefers; the first one named counts most."""

    NAMED = "named", _("The order in which the rule names them")
    COST = "cost", _("Least freight")
    ARRIVAL = "arrival", _("Earliest arrival")
    PRIORITY = "priority", _("The carriers' own priority")


class WishMode(models.TextChoices):
    """What the order's wish for a carrier counts."""

    FIRST = "first", _("The carrier wished for comes first")
    ONLY = "only", _("No other carrier than the one wished for")
    IGNORED = "ignored", _("It counts nothing")


class OnNobody(models.TextChoices):
    """What follows where a rule leaves nobody to ask."""

    NEXT = "next", _("The next rule")
    PERSON = "person", _("A person decides")


def _codes(verbose_name: "_StrPromise", help_text: "_StrPromise", max_length: int = 40) -> ArrayField:
    return ArrayField(
        models.CharField(max_length=max_length),
        verbose_name=verbose_name,
        blank=True,
        default=list,
        help_text=help_text,
    )


def _choices(values: type[models.TextChoices]) -> models.CharField:
    return models.CharField(max_length=24, choices=values.choices)


class CarrierRule(Versioned):
    """Which parcels it is for, whom it asks for them, and whom it prefers. The first rule that fits a parcel and leaves
    somebody to ask decides; without any the wish counts, then the carriers' priority."""

    priority = models.PositiveSmallIntegerField(
        _("priority"), default=10, validators=[MinValueValidator(1)], help_text=_("1 is tried first.")
    )
    name = models.CharField(_("name"), max_length=80)
    is_active = models.BooleanField(_("active"), default=True)
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    provinces = _codes(_("provinces"), _("Where the buyer is, by commas. Empty: anywhere."), 30)
    regions = _codes(
        _("regions"), _("Codes of counties, or their first two or four digits, by commas. Empty: anywhere."), 6
    )
    min_weight_g = models.PositiveIntegerField(_("at least (g)"), null=True, blank=True)
    max_weight_g = models.PositiveIntegerField(_("less than (g)"), null=True, blank=True)
    storage_classes = ArrayField(
        _choices(StorageClass), verbose_name=_("storage classes"), blank=True, default=list, help_text=_("Empty: any.")
    )
    merchants = _codes(_("merchants"), _("Who fulfils, codes by commas. Empty: any."))
    channels = _codes(_("channels"), _("MERCHANT/CHANNEL, codes by commas. Empty: any."), 81)
    warehouses = _codes(_("warehouses"), _("From where, codes by commas. Empty: any."))
    payment_method = models.CharField(
        _("payment method"),
        max_length=10,
        choices=PaymentMethod.choices,
        blank=True,
        default="",
        help_text=_("Empty: any."),
    )
    carriers = _codes(_("carriers"), _("Whom it asks, codes by commas, the preferred first. Empty: all."), 20)
    excluded = _codes(_("never"), _("Carriers that it does not ask, codes by commas."), 20)
    needs = ArrayField(_choices(CarrierNeed), verbose_name=_("carrier must"), blank=True, default=list)
    max_freight = money(_("freight at most (yuan)"), null=True, blank=True)
    sorts = ArrayField(
        _choices(CarrierSort),
        verbose_name=_("preferred"),
        blank=True,
        default=list,
        help_text=_("The first one counts most. Empty: as named, then the carriers' priority."),
    )
    wish = models.CharField(_("order's wish"), max_length=10, choices=WishMode.choices, default=WishMode.FIRST)
    on_nobody = models.CharField(
        _("where nobody is left"), max_length=10, choices=OnNobody.choices, default=OnNobody.NEXT
    )

    class Meta:
        verbose_name = _("carrier rule")
        verbose_name_plural = _("carrier rules")
        ordering = ["priority", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True) | Q(valid_until__isnull=True) | Q(valid_from__lt=F("valid_until")),
                name="carrier_rule_ends_after_it_begins",
                violation_error_message=_("It must end after it begins."),
            ),
            models.CheckConstraint(
                condition=Q(min_weight_g__isnull=True)
                | Q(max_weight_g__isnull=True)
                | Q(min_weight_g__lt=F("max_weight_g")),
                name="carrier_rule_weights_are_in_order",
                violation_error_message=_("The largest weight is above the smallest."),
            ),
            models.CheckConstraint(
                condition=Q(max_freight__isnull=True) | Q(max_freight__gte=0),
                name="carrier_rule_freight_is_positive",
                violation_error_message=_("The largest freight is 0 or more, or empty."),
            ),
            models.CheckConstraint(
                condition=Q(
                    wish__in=WishMode.values,
                    on_nobody__in=OnNobody.values,
                    payment_method__in=["", *PaymentMethod.values],
                ),
                name="carrier_rule_words_are_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.priority}. {self.name}"


class CarrierDecision(models.Model):
    """Which carrier a parcel was given to, and why; the last one of a parcel counts. Only ever added.

    `details` are codes and figures: `rule` (id and name), `of`: for each carrier looked at its code, what became of it,
    the freight in fen and the day of arrival, where known. `text` is what a carrier said that refused.
    """

    class Cause(models.TextChoices):
        RULE = "rule", _("By rule")
        REFUSED = "refused", _("After a refusal")
        STAFF = "staff", _("By staff")

    # Written by the statement that read the rows which they name; `check_invariants` covers them.
    shipment = models.ForeignKey(
        Shipment,
        verbose_name=_("shipment"),
        on_delete=models.PROTECT,
        related_name="carrier_decisions",
        db_constraint=False,
    )
    cause = models.CharField(_("why"), max_length=8, choices=Cause.choices)
    carrier = models.ForeignKey(
        Carrier,
        verbose_name=_("carrier"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    # The carrier that was asked before this one.
    former = models.ForeignKey(
        Carrier,
        verbose_name=_("instead of"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    text = models.CharField(_("carrier's text"), max_length=300, db_default="", blank=True)
    details = models.JSONField(_("details"), db_default={}, default=dict)
    decided_by = models.CharField(_("by"), max_length=80, db_default="", blank=True)
    decided_at = models.DateTimeField(_("decided at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("choice of a carrier")
        verbose_name_plural = _("choices of carriers")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(cause__in=["rule", "refused", "staff"]), name="carrier_decision_cause_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(cause="staff") | ~Q(decided_by=""), name="carrier_decision_names_who_decided"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shipment_id}: {self.get_cause_display()}"
