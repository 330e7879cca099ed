"""Why an order may not go on: holds, and the rules and lists that open them."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Sku
from oms.common.models import money
from oms.common.phones import PhoneField, normal_form
from orders.models.order import Order


class InterceptionRule(models.Model):
    """A rule, kept as data, that holds an order for a person's decision."""

    class Kind(models.TextChoices):
        DENY_LIST = "deny_list", _("Phone or address on the deny list")
        AMOUNT_OVER = "amount_over", _("Amount over a limit")
        BUYER_VELOCITY = "buyer_velocity", _("Too many orders of a buyer")
        ADDRESS_VELOCITY = "address_velocity", _("Too many orders to an address")
        SKU_UNITS_OVER = "sku_units_over", _("Too many units of a SKU")

    name = models.CharField(
        _("name"), max_length=80, blank=True, default="", help_text=_("Empty: it is called by its kind.")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    is_active = models.BooleanField(_("active"), default=True)
    amount = money(
        _("amount over (yuan)"), null=True, blank=True, help_text=_("For: amount over a limit. The amount payable.")
    )
    max_orders = models.PositiveIntegerField(
        _("orders at most"), null=True, blank=True, help_text=_("For: too many orders.")
    )
    window_minutes = models.PositiveIntegerField(
        _("within minutes"), null=True, blank=True, help_text=_("For: too many orders.")
    )
    sku = models.ForeignKey(
        Sku,
        verbose_name=_("SKU"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        help_text=_("For: too many units. Empty: any SKU."),
    )
    max_units = models.PositiveIntegerField(
        _("units at most"), null=True, blank=True, help_text=_("For: too many units.")
    )

    class Meta:
        verbose_name = _("interception rule")
        verbose_name_plural = _("interception rules")
        ordering = ["kind", "name"]
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=~Q(name=""), name="interception_rule_name_is_unique"),
            models.CheckConstraint(
                condition=Q(kind="deny_list")
                | Q(kind="amount_over", amount__isnull=False)
                | Q(
                    kind__in=["buyer_velocity", "address_velocity"],
                    max_orders__isnull=False,
                    window_minutes__isnull=False,
                )
                | Q(kind="sku_units_over", max_units__isnull=False),
                name="interception_rule_has_its_limits",
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(self.get_kind_display())

    def clean(self) -> None:
        """Name the limits that the kind needs and that are missing."""
        needed = {
            self.Kind.AMOUNT_OVER: ["amount"],
            self.Kind.BUYER_VELOCITY: ["max_orders", "window_minutes"],
            self.Kind.ADDRESS_VELOCITY: ["max_orders", "window_minutes"],
            self.Kind.SKU_UNITS_OVER: ["max_units"],
        }.get(self.Kind(self.kind) if self.kind in self.Kind.values else self.Kind.DENY_LIST, [])
        missing = {name: _("A rule of this kind needs this limit.") for name in needed if getattr(self, name) is None}
        if missing:
            raise ValidationError(missing)


class DenyListEntry(models.Model):
    """A phone or an address whose orders a person must look at."""

    class Kind(models.TextChoices):
        PHONE = "phone", _("Phone")
        ADDRESS = "address", _("Address")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    phone = PhoneField(_("phone"), max_length=20, blank=True, default="")
    region_code = models.CharField(_("region code"), max_length=6, blank=True, default="")
    address = models.CharField(_("address"), max_length=200, blank=True, default="")
    address_key = models.BigIntegerField(_("address key"), null=True, blank=True, editable=False)
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="")
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("deny list entry")
        verbose_name_plural = _("deny list")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["phone"], condition=~Q(phone=""), name="deny_list_phone_is_unique"),
            models.UniqueConstraint(
                fields=["address_key"], condition=Q(address_key__isnull=False), name="deny_list_address_is_unique"
            ),
            models.CheckConstraint(
                condition=(Q(kind="phone") & ~Q(phone="")) | Q(kind="address", address_key__isnull=False),
                name="deny_list_entry_names_its_value",
            ),
        ]

    def __str__(self) -> str:
        return self.phone or self.address

    def clean(self) -> None:
        """Ask for the value of the kind, and bring it into the form in which phones and addresses are compared."""
        from orders.intake.addresses import address_key

        number = normal_form(self.phone)
        if self.kind == self.Kind.PHONE and not number:
            raise ValidationError({"phone": _("Give the phone number to deny.")})
        self.phone = number or ""
        if self.kind == self.Kind.ADDRESS:
            if not (self.region_code and self.address):
                raise ValidationError({"address": _("Give the region code and the address to deny.")})
            self.address_key = address_key(self.region_code, self.address)


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
    typed, or a rule's figures; `details` what an address lacks, or which codes nobody has matched.
    `orders.reviewing.words` puts them into words.
    """

    class Kind(models.TextChoices):
        RULE = "rule", _("Interception rule")
        STAFF = "staff", _("Held by staff")
        CANCELLATION = "cancellation", _("Cancellation under way")
        ADDRESS = "address", _("Address needs a person")
        UNMATCHED = "unmatched", _("Goods are not matched")

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="holds")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    rule = models.ForeignKey(
        InterceptionRule,
        verbose_name=_("rule"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    details = models.JSONField(_("details"), null=True, blank=True, editable=False)
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
            models.CheckConstraint(
                condition=Q(kind="rule", rule__isnull=False) | (~Q(kind="rule") & Q(rule__isnull=True)),
                name="hold_of_a_rule_names_it",
            ),
        ]
        indexes = [models.Index(fields=["opened_at"], condition=Q(released_at__isnull=True), name="hold_open")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.reason}" if self.reason else str(self.get_kind_display())
