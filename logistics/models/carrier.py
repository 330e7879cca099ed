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
    tracking_connection = models.ForeignKey(
        Connection,
        verbose_name=_("followed over"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="followed_carriers",
        help_text=_("The account that tells where its parcels are; empty: the one over which waybills are bought."),
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


class CarrierCode(models.Model):
    """What a protocol calls a carrier, where that is not our own code for it."""

    carrier = models.ForeignKey(
        Carrier, verbose_name=_("carrier"), on_delete=models.CASCADE, related_name="codes", db_index=False
    )
    protocol = models.CharField(_("protocol"), max_length=20)
    code = models.CharField(_("code"), max_length=20)

    class Meta:
        verbose_name = _("carrier's code in a protocol")
        verbose_name_plural = _("carriers' codes in protocols")
        ordering = ["carrier", "protocol"]
        constraints = [
            models.UniqueConstraint(fields=["carrier", "protocol"], name="carrier_has_one_code_in_a_protocol"),
            models.UniqueConstraint(fields=["protocol", "code"], name="carrier_code_in_a_protocol_is_one_carrier"),
        ]

    def __str__(self) -> str:
        return f"{self.protocol}: {self.code}"
