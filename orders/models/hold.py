"""Why an order may not go on: its holds."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order
from orders.models.review import MOST_LEVEL, ReviewRule


class AddressGap(models.TextChoices):
    """What an address lacks before goods can be sent to it."""

    NO_PHONE = "no_phone", _("The address has no phone number, and the carrier needs one.")
    MASKED_PHONE = "masked_phone", _("The phone number is hidden by asterisks: the carrier cannot call it.")
    MASKED_NAME = "masked_name", _("The recipient's name is hidden by asterisks.")
    NO_ADDRESS = "no_address", _("There is no address.")
    MASKED_ADDRESS = "masked_address", _("The address is hidden by asterisks: nobody can deliver to it.")
    NO_REGION = "no_region", _("The region of the address is not known.")
    NOT_SERVED = "not_served", _("The region is not served: no warehouse or carrier sends there.")


class MatchProblem(models.TextChoices):
    """Why a match does not serve an order."""

    NOT_SOLD = "not_sold", _("%(code)s stands for %(sku)s, which this channel does not sell now.")
    NOT_FOR_COD = (
        "not_for_cod",
        _("%(code)s stands for %(sku)s, which its merchant does not sell for cash on delivery."),
    )
    BELOW_FLOOR = (
        "below_floor",
        _("%(code)s: what the order takes off would push %(sku)s below its floor price."),
    )
    NO_PRICE = "no_price", _("%(code)s stands for %(sku)s, which has no list price, and the order says none.")
    NOT_VIRTUAL = (
        "not_virtual",
        _("%(code)s stands for %(sku)s, which must be sent somewhere, and the order of virtual goods says no address."),
    )


class Hold(models.Model):
    """A reason why an order may not go on. An order can have several, each released by itself.

    A rule opens its hold once an order: released is released, the rule does not ask again. `reason` is what a person
    typed, or a rule's figures; `details` what an address lacks, which codes nobody has matched, or
    what the rule found. `level` is that of the approval that releases it, 0 where it needs none.
    `orders.reviewing.words` puts them into words.
    """

    class Kind(models.TextChoices):
        RULE = "rule", _("Review rule")
        STAFF = "staff", _("Held by staff")
        CANCELLATION = "cancellation", _("Cancellation under way")
        ADDRESS = "address", _("Address needs a person")
        UNMATCHED = "unmatched", _("Goods are not matched")
        FINANCE = "finance", _("Review by finance")
        UNDO = "undo", _("Can still be taken back")
        CHANGE = "change", _("Change waits")
        EXCHANGE = "exchange", _("Goods to come back first")

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="holds")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    rule = models.ForeignKey(
        ReviewRule,
        verbose_name=_("rule"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    details = models.JSONField(_("details"), null=True, blank=True, editable=False)
    level = models.PositiveSmallIntegerField(_("approval level"), db_default=0, default=0, editable=False)
    opened_at = models.DateTimeField(_("opened at"), db_default=Now(), editable=False)
    opened_by = models.CharField(_("opened by"), max_length=80)
    released_at = models.DateTimeField(_("released at"), null=True, blank=True, editable=False)
    released_by = models.CharField(_("released by"), max_length=80, db_default="", blank=True)
    release_note = models.CharField(_("note on release"), max_length=300, db_default="", blank=True)

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order", "rule"], condition=Q(rule__isnull=False), name="hold_a_rule_holds_an_order_once"
            ),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(kind="cancellation", released_at__isnull=True),
                name="hold_one_open_cancellation",
            ),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(kind="unmatched", released_at__isnull=True),
                name="hold_one_open_for_unmatched_goods",
            ),
            models.UniqueConstraint(
                fields=["order", "kind"],
                condition=Q(kind__in=["finance", "undo", "change", "exchange"], released_at__isnull=True),
                name="hold_one_open_of_some_kinds",
            ),
            models.CheckConstraint(condition=Q(level__lte=MOST_LEVEL), name="hold_level_is_known"),
            models.CheckConstraint(
                condition=Q(kind="rule", rule__isnull=False) | (~Q(kind="rule") & Q(rule__isnull=True)),
                name="hold_of_a_rule_names_it",
            ),
        ]
        indexes = [models.Index(fields=["opened_at"], condition=Q(released_at__isnull=True), name="hold_open")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.reason}" if self.reason else str(self.get_kind_display())
