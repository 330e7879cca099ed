"""Who carries parcels."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from oms.common.models import Connection
from orders.models.terms import CarrierClass


class Carrier(models.Model):
    """Who carries parcels. `priority` 1 is tried first. Without a connection, no waybill of it can be bought."""

    code = models.CharField(_("code"), max_length=20)
    name = models.CharField(_("name"), max_length=60)
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="carriers",
    )
    carrier_class = models.CharField(
        _("kind"), max_length=12, choices=CarrierClass.choices, default=CarrierClass.THIRD_PARTY
    )
    priority = models.PositiveSmallIntegerField(_("priority"), default=1)
    service_phone = models.CharField(
        _("phone of its service"),
        max_length=40,
        blank=True,
        default="",
        help_text=_("Who is rung when parcels are late."),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("carrier")
        verbose_name_plural = _("carriers")
        ordering = ["priority", "code"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="carrier_code_is_unique"),
            models.CheckConstraint(
                condition=models.Q(carrier_class__in=CarrierClass.values), name="carrier_class_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name
