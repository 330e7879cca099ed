"""What returns are decided by: reasons, and the terms on which merchants take goods back."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from inventory.models import Warehouse
from oms.merchants.models import Merchant


class Fault(models.TextChoices):
    """Whose fault a return is: who bears it, and pays the way back."""

    BUYER = "buyer", _("Buyer")
    MERCHANT = "merchant", _("Merchant")
    PLATFORM = "platform", _("Platform")


class PaysOn(models.TextChoices):
    """When the money of returned goods is due."""

    INSPECTION = "inspection", _("Once they are inspected")
    HANDED_OVER = "handed_over", _("Once the carrier has them")


class ReturnReason(models.Model):
    """A reason for which goods come back: whose fault it is, whether the buyer shows it by a photo, and by which reason
    of grants (its code) the money goes back."""

    code = models.SlugField(_("code"), max_length=40)
    name = models.CharField(
        _("name"), max_length=80, blank=True, default="", help_text=_("Empty: as reasons of this code are called.")
    )
    fault = models.CharField(_("whose fault"), max_length=10, choices=Fault.choices)
    needs_photo = models.BooleanField(_("needs a photo"), default=False, db_default=False)
    grant_reason = models.SlugField(_("code of the reason of grants"), max_length=40)
    is_active = models.BooleanField(_("active"), default=True, db_default=True)

    class Meta:
        verbose_name = _("reason of returns")
        verbose_name_plural = _("reasons of returns")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="return_reason_code_is_unique"),
            models.CheckConstraint(condition=Q(fault__in=Fault.values), name="return_reason_fault_is_known"),
        ]

    def __str__(self) -> str:
        return str(self.name or REASONS.get(self.code, self.code))


# Goods that never reached the buyer come back for it; nobody chooses it.
REFUSED_AT_DOOR = "refused_at_door"

# How the reasons of a new installation are called.
REASONS = {
    "no_reason": _("No reason, within seven days"),
    "quality": _("Faulty"),
    "damaged": _("Damaged on the way"),
    "wrong_goods": _("Other goods than ordered"),
    "missing": _("Goods missing"),
    "not_as_described": _("Not as described"),
    REFUSED_AT_DOOR: _("Refused at the door, or not delivered"),
}


class ReturnRule(models.Model):
    """On which terms goods come back: of a merchant (empty: of all) and of the categories that begin so (empty: of
    all). The merchant's own counts before the general one, then the longest category.

    Days count from signature. `accepts_no_reason` is off for what may not come back without a fault.
    """

    merchant = models.ForeignKey(
        Merchant,
        verbose_name=_("merchant"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="return_rules",
        db_index=False,
    )
    category = models.CharField(_("category begins with"), max_length=120, blank=True, default="", db_default="")
    accepts_no_reason = models.BooleanField(_("takes back without reason"), default=True, db_default=True)
    days = models.PositiveSmallIntegerField(_("days without reason"), default=7, db_default=7)
    fault_days = models.PositiveSmallIntegerField(_("days to report a fault"), default=2, db_default=2)
    approves_at_once = models.BooleanField(
        _("approves at once"), default=False, db_default=False, help_text=_("Within the terms, without a person.")
    )
    decide_hours = models.PositiveSmallIntegerField(
        _("hours to decide"), default=48, db_default=48, help_text=_("Then it is approved.")
    )
    ship_days = models.PositiveSmallIntegerField(
        _("days to send back"), default=7, db_default=7, help_text=_("Then it is closed.")
    )
    inspect_hours = models.PositiveSmallIntegerField(_("hours to inspect"), default=48, db_default=48)
    pays_on = models.CharField(
        _("money is due"),
        max_length=12,
        choices=PaysOn.choices,
        default=PaysOn.INSPECTION,
        db_default=PaysOn.INSPECTION,
    )
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("goods go to"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text=_("Empty: to the warehouse that sent them."),
    )
    is_active = models.BooleanField(_("active"), default=True, db_default=True)

    class Meta:
        verbose_name = _("rule of returns")
        verbose_name_plural = _("rules of returns")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "category"],
                condition=Q(is_active=True),
                nulls_distinct=False,
                name="return_rule_is_unique",
                violation_error_message=_(
                    "There is an active rule for this merchant and category already: change that one."
                ),
            ),
            models.CheckConstraint(condition=Q(pays_on__in=PaysOn.values), name="return_rule_pays_on_is_known"),
            models.CheckConstraint(
                condition=Q(decide_hours__gt=0, ship_days__gt=0, inspect_hours__gt=0),
                name="return_rule_gives_time",
                violation_error_message=_("Give at least 1 hour to decide and to inspect, and at least 1 day to send."),
            ),
        ]

    def __str__(self) -> str:
        return " · ".join(filter(None, [str(self.merchant or ""), self.category])) or str(_("All goods"))
