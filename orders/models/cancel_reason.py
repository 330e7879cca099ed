"""Why orders, or units of them, are cancelled: reasons as rows, so that staff keep the list themselves."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.amounts import Bearer


class CancelReason(models.Model):
    """A reason for which orders are cancelled: who bears it, and by whom it can be chosen."""

    code = models.SlugField(_("code"), max_length=40)
    name = models.CharField(
        _("name"), max_length=80, blank=True, default="", help_text=_("Empty: as reasons of this code are called.")
    )
    bearer = models.CharField(
        _("who bears it"), max_length=10, choices=Bearer.choices, default=Bearer.PLATFORM, db_default=Bearer.PLATFORM
    )
    for_staff = models.BooleanField(_("staff may choose it"), default=True, db_default=True)
    for_merchants = models.BooleanField(_("merchants may choose it"), default=True, db_default=True)
    for_buyers = models.BooleanField(_("buyers may choose it"), default=False, db_default=False)
    is_active = models.BooleanField(_("active"), default=True, db_default=True)

    class Meta:
        verbose_name = _("reason of cancellations")
        verbose_name_plural = _("reasons of cancellations")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="cancel_reason_code_is_unique"),
            models.CheckConstraint(condition=Q(bearer__in=Bearer.values), name="cancel_reason_bearer_is_known"),
        ]

    def __str__(self) -> str:
        return str(self.name or REASONS.get(self.code, self.code))


# How the reasons of a new installation are called.
REASONS = {
    "changed_mind": _("The buyer changed his mind"),
    "ordered_wrongly": _("Ordered wrongly or twice"),
    "out_of_stock": _("Out of stock"),
    "too_late": _("Takes too long"),
    "price_wrong": _("The price was wrong"),
    "not_reachable": _("The address cannot be delivered to"),
    "suspicious": _("Suspicious order"),
    "other": _("Other"),
}
