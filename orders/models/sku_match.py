"""What a channel's own codes of goods stand for, and the orders that wait for somebody to say it."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory import sharing
from inventory.models import Sku
from oms.common.models import money
from oms.merchants.models import Channel, Merchant
from orders.models.order import Order

MOST_UNITS = 1_000
MOST_COMPONENTS = 20


class SkuMatchQuerySet(models.QuerySet["SkuMatch"]):
    """Named queries over the codes of channels."""

    def visible_to(self, merchant: Merchant) -> "SkuMatchQuerySet":
        """Those of the merchant's channels; the one place that decides it."""
        return self.filter(channel__merchant=merchant)

    def matched(self) -> "SkuMatchQuerySet":
        """Those of which somebody said what they stand for."""
        return self.filter(matched_at__isnull=False)

    def with_sellable(self) -> "SkuMatchQuerySet":
        """With `sellable`: how many pieces the channel may sell now, by the component of which there is least. None
        where nobody has said what it stands for."""
        units = sharing.sellable_units_sql("orders_skumatch.channel_id", "p.sku_id")
        least = f"(SELECT min({units} / p.units) FROM orders_matchcomponent p WHERE p.match_id = orders_skumatch.id)"
        return self.annotate(sellable=RawSQL(least, [], output_field=models.BigIntegerField()))  # noqa: S611

    def waited_for(self) -> "SkuMatchQuerySet":
        """Those that an order waits for."""
        return self.filter(Exists(MatchWait.objects.filter(match=OuterRef("pk"))))


class SkuMatch(models.Model):
    """A code by which a channel calls goods, and what one piece of it stands for: its components, a SKU in so many
    units, or several (a bundle, 组合装). Without `matched_at` nobody has said it yet.

    `revision` counts what was said; `wakes_since` is when something was said that orders wait for, until all of them
    had a chance (`orders.matching.releasing`).
    """

    channel = models.ForeignKey(
        Channel, verbose_name=_("channel"), on_delete=models.PROTECT, related_name="sku_matches", db_index=False
    )
    code = models.CharField(_("caller's code"), max_length=64)
    matched_at = models.DateTimeField(_("matched at"), null=True, blank=True, editable=False)
    matched_by = models.CharField(_("matched by"), max_length=80, db_default="", blank=True, editable=False)
    revision = models.IntegerField(_("revision"), db_default=0, editable=False)
    wakes_since = models.DateTimeField(_("wakes orders since"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("first seen at"), db_default=Now(), editable=False)

    objects = SkuMatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("SKU match")
        verbose_name_plural = _("SKU matches")
        ordering = ["-id"]
        permissions = [("match_skus", _("Can match the codes of channels to SKUs"))]
        constraints = [
            models.UniqueConstraint(fields=["channel", "code"], name="sku_match_code_is_unique_in_channel"),
            models.CheckConstraint(
                condition=~Q(code=""),
                name="sku_match_has_a_code",
                violation_error_message=_("Give the code that the channel uses."),
            ),
            models.CheckConstraint(
                condition=Q(matched_at__isnull=False) | Q(wakes_since__isnull=True), name="sku_match_wakes_once_matched"
            ),
        ]
        indexes = [models.Index(fields=["wakes_since"], condition=Q(wakes_since__isnull=False), name="sku_match_wakes")]

    def __str__(self) -> str:
        return self.code


class UnmatchedCode(SkuMatch):
    """A code that orders wait for: another look at the same rows."""

    class Meta:
        proxy = True
        verbose_name = _("code to match")
        verbose_name_plural = _("codes to match")


class MatchComponent(models.Model):
    """Units of a SKU in one piece of what a code stands for. `weight` is its part of the piece's price, in yuan, next
    to the others': empty, its list price counts."""

    match = models.ForeignKey(
        SkuMatch, verbose_name=_("SKU match"), on_delete=models.CASCADE, related_name="components", db_index=False
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="+")
    units = models.IntegerField(
        _("units a piece"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_UNITS)]
    )
    weight = money(
        _("weight in the price"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Yuan a piece, by which the price is shared among a bundle's parts. Empty: list price × units."),
    )

    class Meta:
        verbose_name = _("matched SKU")
        verbose_name_plural = _("matched SKUs")
        ordering = ["match", "id"]
        constraints = [
            models.UniqueConstraint(fields=["match", "sku"], name="match_component_is_once_in_its_match"),
            models.CheckConstraint(
                condition=Q(units__gte=1, units__lte=MOST_UNITS),
                name="match_component_has_some_units",
                violation_error_message=_("Give from 1 to 1000 units."),
            ),
            models.CheckConstraint(
                condition=Q(weight__isnull=True) | Q(weight__gte=0),
                name="match_component_weight_is_not_negative",
                violation_error_message=_("The share is 0 or more."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku_id} × {self.units}"


class MatchWait(models.Model):
    """An order that waits for somebody to say what a code stands for, once for each of its codes.

    `tried_revision` is what was said last when the order had a chance and could not go on. An order that came without
    prices is `is_unpriced`: what its code stands for has the list price, and until then nobody is asked for money;
    `paid_at` is when the merchant was paid for it all the same.
    """

    match = models.ForeignKey(
        SkuMatch, verbose_name=_("SKU match"), on_delete=models.PROTECT, related_name="waits", db_index=False
    )
    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="match_waits", db_index=False
    )
    tried_revision = models.IntegerField(_("revision tried"), null=True, blank=True)
    is_unpriced = models.BooleanField(_("has no price yet"), db_default=False, default=False)
    paid_at = models.DateTimeField(_("merchant was paid at"), null=True, blank=True)

    class Meta:
        verbose_name = _("wait for a match")
        verbose_name_plural = _("waits for matches")
        constraints = [
            models.UniqueConstraint(fields=["match", "order"], name="match_wait_is_once_for_its_order"),
            models.CheckConstraint(
                condition=Q(is_unpriced=True) | Q(paid_at__isnull=True), name="match_wait_is_paid_if_unpriced"
            ),
        ]
        indexes = [models.Index(fields=["order"], name="match_wait_of_order")]

    def __str__(self) -> str:
        return f"{self.match_id}: {self.order_id}"
