"""Gifts (赠品) by rules, and the log of what the rules gave."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Sku
from oms.common.models import Versioned, money
from oms.merchants.models import Channel
from orders.models.order import Order
from orders.models.order_line import OrderLine

_AT_LEAST_ONE = MinValueValidator(1)


class TimeKind(models.TextChoices):
    """Which moment of an order must lie in the period of a rule."""

    CREATED = "created", _("When it was ordered")
    PAID = "paid", _("When it was paid")
    REVIEWED = "reviewed", _("When its review ended")


class Dropped(models.TextChoices):
    """Why a gift that was to follow does not."""

    CANCELLED = "cancelled", _("The order was cancelled")
    RETURNED = "returned", _("The order came back")
    REFUNDED = "refunded", _("The money of its goods went back")
    TOO_LITTLE = "too_little", _("What the buyer kept is too little for the rule")


class GiftStanding(models.TextChoices):
    """What became of a gift."""

    ALONG = "along", _("Given along")
    PROMISED = "promised", _("Follows")
    SENT = "sent", _("Sent afterwards")
    DROPPED = "dropped", _("Not sent")


class GiftRule(Versioned):
    """What is given along with which orders; looked at once an order, when its review is over, before it is split.
    With `after_days` it is promised then, and sent so many days after the order was completed, as a re-issue.

    The goods that count are those named, or all; gifts never do. Rules are asked by priority, the smallest first; after
    one that is exclusive no other one gives anything. Where the gift is out of stock the rule stops, and a person is
    told. Amounts in yuan.
    """

    name = models.CharField(_("name"), max_length=80)
    is_active = models.BooleanField(_("active"), default=False)
    priority = models.PositiveSmallIntegerField(_("priority"), default=100, help_text=_("The smallest is asked first."))
    is_exclusive = models.BooleanField(
        _("exclusive"), default=False, help_text=_("Where it gives something, no rule after it does.")
    )
    time_kind = models.CharField(_("time that counts"), max_length=10, choices=TimeKind, default=TimeKind.PAID)
    starts_at = models.DateTimeField(_("begins at"), null=True, blank=True)
    ends_at = models.DateTimeField(_("over at"), null=True, blank=True)
    channels = models.ManyToManyField(
        Channel, verbose_name=_("channels"), blank=True, related_name="+", help_text=_("None: all channels.")
    )
    regions = models.CharField(
        _("regions"),
        max_length=400,
        blank=True,
        default="",
        validators=[
            RegexValidator(r"^[0-9]{2,6}(,[0-9]{2,6})*$", _("Give codes with commas, such as 11,3101,440305."))
        ],
        help_text=_("Beginnings of GB/T 2260 codes with commas: 11 is Beijing, 4403 Shenzhen. Empty: everywhere."),
    )
    goods = models.ManyToManyField(
        Sku, verbose_name=_("goods that count"), blank=True, related_name="+", help_text=_("None: all goods.")
    )
    min_units = models.PositiveIntegerField(_("at least so many units"), null=True, blank=True)
    min_amount = money(_("at least for so much"), null=True, blank=True)
    min_order_amount = money(_("order of at least"), null=True, blank=True)
    per_units = models.PositiveIntegerField(
        _("once for every so many units"), null=True, blank=True, validators=[_AT_LEAST_ONE]
    )
    per_amount = money(
        _("once for every so much"), null=True, blank=True, validators=[MinValueValidator(Decimal("0.01"))]
    )
    most_times = models.PositiveSmallIntegerField(_("at most so often an order"), default=1, validators=[_AT_LEAST_ONE])
    most_per_buyer = models.PositiveSmallIntegerField(
        _("at most so many orders of a buyer"), null=True, blank=True, validators=[_AT_LEAST_ONE]
    )
    within_days = models.PositiveSmallIntegerField(
        _("within so many days"), null=True, blank=True, validators=[_AT_LEAST_ONE]
    )
    gift = models.ForeignKey(Sku, verbose_name=_("gift"), on_delete=models.PROTECT, related_name="gift_rules")
    gift_units = models.PositiveSmallIntegerField(_("units each time"), default=1, validators=[_AT_LEAST_ONE])
    after_days = models.PositiveSmallIntegerField(
        _("so many days after completion"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(365)],
        help_text=_("As an order of its own, for what the buyer kept by then. Empty: along with the order."),
    )
    stated_value = money(
        _("stated value of a unit"), default=0, help_text=_("What a unit counts for where it is not sent back.")
    )
    stopped_at = models.DateTimeField(
        _("stopped at"), null=True, blank=True, editable=False, help_text=_("Its gift was out of stock.")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("gift rule")
        verbose_name_plural = _("gift rules")
        ordering = ["priority", "id"]
        permissions = [("switch_giftrule", _("Can rehearse gift rules, and switch them on and off"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(starts_at__lt=F("ends_at")),
                name="gift_rule_ends_after_it_begins",
                violation_error_message=_("It must end after it begins."),
            ),
            models.CheckConstraint(
                condition=Q(most_per_buyer__isnull=True, within_days__isnull=True)
                | Q(most_per_buyer__gte=1, within_days__gte=1),
                name="gift_rule_limits_a_buyer_within_days",
                violation_error_message=_("Give both: how many orders of a buyer, and within how many days."),
            ),
            models.CheckConstraint(
                condition=Q(per_units__isnull=True) | Q(per_amount__isnull=True),
                name="gift_rule_counts_units_or_yuan",
                violation_error_message=_("Count by units or by amount, not by both."),
            ),
            models.CheckConstraint(
                condition=Q(gift_units__gte=1, most_times__gte=1, stated_value__gte=0),
                name="gift_rule_gives_something",
                violation_error_message=_("Give at least 1 unit and at least once; the stated value is 0 or more."),
            ),
            models.CheckConstraint(
                condition=Q(stopped_at__isnull=True) | Q(is_active=False),
                name="gift_rule_stopped_is_not_active",
                violation_error_message=_("A rule that was stopped is not active: make a new one."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


# Without the one thing that it names a rule would be about everything: what a rule names is not deleted before it.
for _many, _name in ((GiftRule.channels, "channel"), (GiftRule.goods, "sku")):
    _many.through._meta.get_field(_name).remote_field.on_delete = models.PROTECT  # type: ignore[union-attr]


class GiftGrant(models.Model):
    """The log: a rule gave units along with an order, or promised them. A rule gives once an order, whatever becomes
    of it.

    `why` holds the figures by which the rule decided: counted units and amount (yuan), and how often it gave. What
    follows `after_days` waits without a line; `ready_at` is set when its order is over. Then `line` is the line of the
    order that sends it, or `dropped` says why nothing does; `stated_value` is what a unit counted for when it was
    promised.
    """

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="gift_grants")
    rule = models.ForeignKey(GiftRule, verbose_name=_("rule"), on_delete=models.PROTECT, related_name="grants")
    line = models.OneToOneField(
        OrderLine,
        verbose_name=_("order line"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="gift_grant",
    )
    buyer_reference = models.CharField(_("buyer"), max_length=64)
    units = models.PositiveIntegerField(_("units"))
    why = models.JSONField(_("reason"))
    granted_at = models.DateTimeField(_("given at"), db_default=Now(), editable=False)
    after_days = models.PositiveSmallIntegerField(_("so many days after completion"), null=True, blank=True)
    ready_at = models.DateTimeField(_("sent at the earliest"), null=True, blank=True, editable=False)
    stated_value = money(_("stated value of a unit"), default=0, db_default=0)
    dropped = models.CharField(
        _("why it is not sent"), max_length=10, choices=Dropped, blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name = _("gift given")
        verbose_name_plural = _("gifts given")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "rule"], name="gift_rule_gives_once_an_order"),
            models.CheckConstraint(condition=Q(units__gt=0), name="gift_grant_has_units"),
            models.CheckConstraint(
                condition=Q(line__isnull=False, dropped="") | Q(line__isnull=True, after_days__isnull=False),
                name="gift_grant_is_sent_or_dropped",
            ),
            models.CheckConstraint(
                condition=Q(dropped__in=["", *Dropped.values]), name="gift_grant_is_dropped_for_a_known_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["buyer_reference", "rule", "granted_at"], name="gift_grant_by_buyer"),
            models.Index(
                fields=["ready_at"],
                condition=Q(line__isnull=True, dropped="", ready_at__isnull=False),
                name="gift_grant_queue",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.units}"

    @property
    def standing(self) -> GiftStanding:
        """What became of it."""
        if self.after_days is None:
            return GiftStanding.ALONG
        if self.line_id is not None:
            return GiftStanding.SENT
        return GiftStanding.DROPPED if self.dropped else GiftStanding.PROMISED

    @property
    def sku_code(self) -> str:
        """The SKU that was given, or would be now."""
        return str(self.line.sku.code if self.line else self.rule.gift.code)
