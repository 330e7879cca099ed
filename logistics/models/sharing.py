"""Accounts at carriers that several shops and merchants use: who may, how much, and what each used."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from logistics.models.carrier import Carrier
from logistics.models.shipment import Shipment
from oms.common.models import Connection, Versioned
from oms.merchants.models import Channel, Merchant


class CarrierAccount(Versioned):
    """An account of ours with a carrier. A carrier without any uses the connection that it names itself, for everybody.

    One with users is open to those alone. Where an account has nothing left for a user, the next one is used.
    """

    carrier = models.ForeignKey(
        Carrier, verbose_name=_("carrier"), on_delete=models.PROTECT, related_name="accounts", db_index=False
    )
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="carrier_accounts"
    )
    name = models.CharField(_("name"), max_length=80)
    position = models.PositiveSmallIntegerField(_("position"), default=1, help_text=_("1 is used first."))
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("account with a carrier")
        verbose_name_plural = _("accounts with carriers")
        ordering = ["carrier", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["carrier", "connection"], name="carrier_account_is_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class WaybillShareQuerySet(models.QuerySet["WaybillShare"]):
    """Named queries over users of accounts."""

    def visible_to(self, merchant: Merchant) -> "WaybillShareQuerySet":
        """What the merchant itself, or a shop of it, may use; the one place that decides it."""
        return self.filter(merchant=merchant)


class WaybillShare(Versioned):
    """Who may buy waybills over an account, and how many: a shop, or a merchant for all that it fulfils. An empty limit
    is none. What was used counts up with each waybill that is asked for, under a lock of the row."""

    account = models.ForeignKey(
        CarrierAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="shares", db_index=False
    )
    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="waybill_shares"
    )
    channel = models.ForeignKey(
        Channel,
        verbose_name=_("channel"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="waybill_shares",
        help_text=_("A shop of the merchant; empty: all that the merchant fulfils."),
    )
    most_a_day = models.PositiveIntegerField(_("waybills a day"), null=True, blank=True)
    most_in_total = models.PositiveIntegerField(_("waybills in total"), null=True, blank=True)
    most_fen = models.PositiveBigIntegerField(_("freight in total (fen)"), null=True, blank=True)
    warn_at_percent = models.PositiveSmallIntegerField(
        _("warned at (%)"), default=90, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    is_active = models.BooleanField(_("active"), default=True)
    used_on = models.DateField(_("day of what was used"), null=True, editable=False)
    used_that_day = models.IntegerField(_("used that day"), db_default=0, editable=False)
    used_in_total = models.IntegerField(_("used in total"), db_default=0, editable=False)
    used_fen = models.BigIntegerField(_("freight so far (fen)"), db_default=0, editable=False)

    objects = WaybillShareQuerySet.as_manager()

    version_counts = (
        *("account_id", "merchant_id", "channel_id", "most_a_day", "most_in_total", "most_fen", "warn_at_percent"),
        "is_active",
    )

    class Meta:
        verbose_name = _("user of a carrier's account")
        verbose_name_plural = _("users of carriers' accounts")
        ordering = ["account", "merchant", "channel"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "merchant", "channel"], nulls_distinct=False, name="waybill_share_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(
                    used_that_day__gte=0,
                    used_in_total__gte=F("used_that_day"),
                    used_fen__gte=0,
                ),
                name="waybill_share_uses_are_counted",
            ),
            # Freight may come to more than was reckoned with: its limit is looked at when a waybill is asked for.
            models.CheckConstraint(
                condition=(Q(most_a_day__isnull=True) | Q(used_that_day__lte=F("most_a_day")))
                & (Q(most_in_total__isnull=True) | Q(used_in_total__lte=F("most_in_total"))),
                name="waybill_share_is_not_overused",
                violation_error_message=_(
                    "More waybills are used already than this: give at least as many, or leave it empty."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} · {self.channel or self.merchant}"


class WaybillUse(models.Model):
    """A waybill that a user's share was, or is to be, spent on. Given back where the carrier refused it, or cancelled
    the waybill; where nobody knows whether it issued one, it counts as bought."""

    class State(models.TextChoices):
        ASKED = "asked", _("Asked for")
        BOUGHT = "bought", _("Bought")
        GIVEN_BACK = "given_back", _("Given back")

    share = models.ForeignKey(
        WaybillShare, verbose_name=_("user"), on_delete=models.PROTECT, related_name="uses", db_index=False
    )
    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), on_delete=models.PROTECT, related_name="waybill_uses"
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.ASKED)
    day = models.DateField(_("day"))
    freight_fen = models.BigIntegerField(_("freight (fen)"), db_default=0)
    asked_at = models.DateTimeField(_("asked for at"), db_default=Now(), editable=False)
    given_back_at = models.DateTimeField(_("given back at"), null=True, editable=False)

    class Meta:
        verbose_name = _("use of a carrier's account")
        verbose_name_plural = _("uses of carriers' accounts")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            # A parcel asks one carrier at a time.
            models.UniqueConstraint(
                fields=["shipment"], condition=Q(state="asked"), name="waybill_use_is_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "bought"], given_back_at__isnull=True)
                | Q(state="given_back", given_back_at__isnull=False),
                name="waybill_use_state_is_known",
            ),
            models.CheckConstraint(condition=Q(freight_fen__gte=0), name="waybill_use_freight_is_not_negative"),
        ]
        indexes = [
            models.Index(fields=["share", "-id"], name="waybill_use_of_share"),
            models.Index(fields=["id"], condition=Q(state="asked"), name="waybill_use_asked"),
        ]

    def __str__(self) -> str:
        return f"{self.share_id}: {self.shipment_id}"
