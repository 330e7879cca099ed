"""Who sells: merchants, and the channels that their orders come from."""

from decimal import Decimal

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.merchants.models.legal_entity import LegalEntity


class Merchant(models.Model):
    """A seller: the self-operated one (自营) or one of the marketplace (POP), or the sandbox of a seller, in which its
    programs are tested (`oms.merchants.sandboxes`)."""

    class Kind(models.TextChoices):
        SELF_OPERATED = "self_operated", _("Self-operated")
        MARKETPLACE = "marketplace", _("Marketplace")
        SANDBOX = "sandbox", _("Sandbox")

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")

    class SettlementPeriod(models.TextChoices):
        DAILY = "daily", _("Daily (T+1)")
        WEEKLY = "weekly", _("Weekly")
        MONTHLY = "monthly", _("Monthly")

    code = models.CharField(_("code"), max_length=32)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.ACTIVE)
    settlement_days = models.PositiveSmallIntegerField(
        _("settlement days"), default=0, help_text=_("Days after completion until the merchant is paid.")
    )
    commission_rate = models.DecimalField(_("commission rate"), max_digits=5, decimal_places=4, default=Decimal(0))
    settlement_period = models.CharField(
        _("settlement period"),
        max_length=8,
        choices=SettlementPeriod.choices,
        default=SettlementPeriod.MONTHLY,
        help_text=_("How often the merchant gets a statement."),
    )
    opens_channels = models.BooleanField(
        _("opens channels"), default=True, help_text=_("An order from an unknown source opens a channel of that name.")
    )
    accepts_cod = models.BooleanField(
        _("takes cash on delivery"),
        null=True,
        blank=True,
        help_text=_(
            "Not said: goods of the self-operated merchant, and goods of the marketplace that lie in our warehouses."
        ),
    )
    legal_entity = models.ForeignKey(
        LegalEntity,
        verbose_name=_("legal entity"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="merchants",
        db_index=False,
        help_text=_("In whose name its goods are invoiced, and to whom its commission is."),
    )
    sandbox_of = models.OneToOneField(
        "self",
        verbose_name=_("sandbox of"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="sandbox",
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("merchant")
        verbose_name_plural = _("merchants")
        ordering = ["code"]
        permissions = [("suspend_merchant", _("Can suspend and resume merchants"))]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="merchant_code_is_unique"),
            models.CheckConstraint(
                condition=Q(kind__in=["self_operated", "marketplace", "sandbox"]), name="merchant_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(kind="sandbox", sandbox_of__isnull=False) | (~Q(kind="sandbox") & Q(sandbox_of=None)),
                name="merchant_is_a_sandbox_of_one",
                violation_error_message=_("A sandbox is made with its merchant: choose another kind."),
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "active", "suspended"]), name="merchant_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(commission_rate__gte=0, commission_rate__lt=1),
                name="merchant_commission_is_a_share",
                violation_error_message=_(
                    "The commission is a share: give at least 0 and less than 1, as 0.05 for 5 percent."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def is_sandbox(self) -> bool:
        """Whether nothing of it is real."""
        return self.kind == self.Kind.SANDBOX


# The longest waits before and after the review of an order.
MOST_REVIEW_DELAY_SECONDS = 4 * 3600
MOST_GRACE_SECONDS = 7 * 86400


class ExchangeLeaves(models.TextChoices):
    """When the new goods of an exchange leave."""

    AT_ONCE = "at_once", _("At once")
    RECEIVED = "received", _("Once the goods are received")
    INSPECTED = "inspected", _("Once the goods are inspected")


class ExchangePrice(models.TextChoices):
    """At which price goods are exchanged."""

    OLD = "old", _("As before")
    TODAY = "today", _("Today's")


class Channel(models.Model):
    """Where orders come from (`source` in the data). An external number is unique in its channel for ever."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="channels"
    )
    code = models.CharField(_("code"), max_length=40)
    name = models.CharField(_("name"), max_length=120)
    is_active = models.BooleanField(_("active"), default=True)
    platform_may_bear = models.BooleanField(
        _("the platform may bear"),
        null=True,
        blank=True,
        help_text=_(
            "Whether its orders may say that the platform bears promotions or changes of price; coupons, gift cards and"
            " points of a marketplace merchant's channel are the platform's then, too, else those of the channel. Not"
            " said: only in channels of the self-operated merchant."
        ),
    )
    matches_skus = models.BooleanField(
        _("matches SKUs"),
        db_default=False,
        default=False,
        help_text=_(
            "Its codes of goods are looked up in the SKU matches first; an order with a code that nobody knows waits"
            " until it is matched. Off: such an order is refused."
        ),
    )
    may_merge = models.BooleanField(
        _("orders may be merged"),
        db_default=True,
        default=True,
        help_text=_("Off where the platform forbids that several of its orders go in one parcel."),
    )
    merges_with = models.CharField(
        _("merged with shops of"),
        max_length=40,
        db_default="",
        default="",
        blank=True,
        help_text=_(
            "Orders of this merchant's shops with the same word here may go in one parcel; empty: only those of this"
            " shop."
        ),
    )
    merges_automatically = models.BooleanField(
        _("merges by itself"),
        db_default=False,
        default=False,
        help_text=_("Orders that fit together are merged before they are sent to their warehouse."),
    )
    merge_wait_minutes = models.PositiveSmallIntegerField(
        _("wait for others (minutes)"),
        db_default=10,
        default=10,
        help_text=_(
            "Where it merges by itself: for so long after they were paid, orders wait for others of the same buyer."
        ),
    )
    exchange_leaves = models.CharField(
        _("exchanges: the new goods leave"),
        max_length=12,
        choices=ExchangeLeaves.choices,
        default=ExchangeLeaves.RECEIVED,
        db_default=ExchangeLeaves.RECEIVED,
    )
    exchange_same_price = models.CharField(
        _("exchanges: price of the same goods"),
        max_length=5,
        choices=ExchangePrice.choices,
        default=ExchangePrice.OLD,
        db_default=ExchangePrice.OLD,
    )
    exchange_other_price = models.CharField(
        _("exchanges: price of other goods"),
        max_length=5,
        choices=ExchangePrice.choices,
        default=ExchangePrice.TODAY,
        db_default=ExchangePrice.TODAY,
        help_text=_("As before: unit for unit what the goods that come back had cost, such as for another size."),
    )
    review_delay_seconds = models.PositiveIntegerField(
        _("review after (seconds)"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_REVIEW_DELAY_SECONDS)],
        help_text=_(
            "How long after its payment an order is reviewed, so that changes and further orders of the buyer can"
            " arrive. At most 4 hours. Empty: as everywhere."
        ),
    )
    grace_seconds = models.PositiveIntegerField(
        _("grace period (seconds)"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_GRACE_SECONDS)],
        help_text=_("How long after the review an order still waits. Empty: as everywhere."),
    )
    finance_reviews = models.BooleanField(
        _("finance reviews"),
        db_default=False,
        default=False,
        help_text=_("Finance looks at each order after the review, too."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ["merchant", "code"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="channel_code_is_unique_in_merchant"),
            models.CheckConstraint(
                condition=Q(merges_automatically=False) | Q(may_merge=True),
                name="channel_merges_by_itself_only_if_it_may",
                violation_error_message=_(
                    "Orders merge by themselves only where they may be merged: allow both, or neither."
                ),
            ),
            models.CheckConstraint(
                condition=Q(merge_wait_minutes__lte=1440),
                name="channel_waits_a_day_at_most",
                violation_error_message=_("Orders wait for others to merge with for at most a day (1440 minutes)."),
            ),
            models.CheckConstraint(
                condition=Q(review_delay_seconds__isnull=True) | Q(review_delay_seconds__lte=MOST_REVIEW_DELAY_SECONDS),
                name="channel_review_delay_has_an_end",
                violation_error_message=_("The review is put off by at most 4 hours (14400 seconds)."),
            ),
            models.CheckConstraint(
                condition=Q(grace_seconds__isnull=True) | Q(grace_seconds__lte=MOST_GRACE_SECONDS),
                name="channel_grace_period_has_an_end",
                violation_error_message=_("The grace period lasts at most 7 days (604800 seconds)."),
            ),
            models.CheckConstraint(
                condition=Q(
                    exchange_leaves__in=ExchangeLeaves.values,
                    exchange_same_price__in=ExchangePrice.values,
                    exchange_other_price__in=ExchangePrice.values,
                ),
                name="channel_exchange_terms_are_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name


def may_platform_bear(merchant: Merchant, said: bool | None) -> bool:
    """Whether orders of a merchant's channel, of which `said` is set, may lay promotions on the platform."""
    return merchant.kind == Merchant.Kind.SELF_OPERATED if said is None else said
