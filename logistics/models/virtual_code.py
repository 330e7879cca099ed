"""Codes that are sold: card numbers, licence keys. Those that nobody bought are the units on hand of their SKU."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from inventory.models import Sku, Stock
from logistics.models.virtual_delivery import VirtualDelivery
from oms.common.models import Versioned
from oms.common.secrecy import SealedField
from orders.models import SubOrderLine

# The longest code, its password included, in characters.
MOST_OF_A_CODE = 500


class VirtualSupply(Versioned):
    """What goes with the codes that a SKU sells: when few are left, and what their buyers are told."""

    sku = models.OneToOneField(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="virtual_supply")
    alert_below = models.PositiveIntegerField(
        _("alert below"),
        null=True,
        blank=True,
        help_text=_("A ticket tells that fewer codes than that are left for sale in a warehouse. Empty: none does."),
    )
    instructions = models.TextField(
        _("how to use it"), max_length=2000, blank=True, db_default="", help_text=_("Shown to the buyer.")
    )

    class Meta:
        verbose_name = _("supply of codes")
        verbose_name_plural = _("supplies of codes")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("set_virtualsupply", _("Can set alert lines and instructions of codes"))]

    def __str__(self) -> str:
        return self.sku.code


class FingerprintKey(models.Model):
    """The key of the fingerprints by which a code is known that came before: without it nobody can try codes on a copy
    of the database. It is sealed itself, so a change of the sealing keys leaves the fingerprints as they are."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    key = SealedField(_("key"), editable=False)

    class Meta:
        verbose_name = _("key of fingerprints")
        verbose_name_plural = _("keys of fingerprints")
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="fingerprint_key_is_one")]

    def __str__(self) -> str:
        return str(self.pk)


class CodeImport(models.Model):
    """Codes that came in together: how many, by whom, by which door. What they are is with the codes."""

    class Door(models.TextChoices):
        PAGE = "page", _("Staff's page")
        API = "api", _("API")

    stock = models.ForeignKey(Stock, verbose_name=_("stock"), on_delete=models.PROTECT, related_name="+")
    door = models.CharField(_("door"), max_length=4, choices=Door.choices)
    actor = models.CharField(_("actor"), max_length=80)
    added = models.PositiveIntegerField(_("added"))
    refused = models.PositiveIntegerField(_("refused"))
    imported_at = models.DateTimeField(_("imported at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("import of codes")
        verbose_name_plural = _("imports of codes")
        ordering = ["-id"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"#{self.pk}"


class CodeState(models.TextChoices):
    """Where a code is."""

    ON_SHELF = "on_shelf", _("For sale")
    SOLD = "sold", _("Sold")
    REVEALED = "revealed", _("Looked at")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    EXPIRED = "expired", _("Expired")


class VirtualCode(models.Model):
    """One code of the stock of a SKU in a virtual warehouse, kept sealed."""

    initial_states = (CodeState.ON_SHELF,)

    stock = models.ForeignKey(
        Stock, verbose_name=_("stock"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    batch = models.ForeignKey(
        CodeImport, verbose_name=_("import of codes"), on_delete=models.PROTECT, related_name="codes", db_index=False
    )
    state = FSMField(_("state"), choices=CodeState.choices, default=CodeState.ON_SHELF, editable=False)
    content = SealedField(_("content"), editable=False)
    fingerprint = models.BinaryField(_("fingerprint"), max_length=32, editable=False)
    hint = models.CharField(_("hint"), max_length=80, blank=True, default="", editable=False)
    valid_until = models.DateField(_("valid until"), null=True, blank=True)

    class Meta:
        verbose_name = _("code for sale")
        verbose_name_plural = _("codes for sale")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("import_codes", _("Can import codes for sale")),
            ("withdraw_codes", _("Can withdraw codes from sale")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["fingerprint"], name="virtual_code_comes_in_once"),
            models.CheckConstraint(condition=Q(state__in=CodeState.values), name="virtual_code_state_is_known"),
        ]
        indexes = [
            models.Index(
                fields=["stock", "valid_until", "id"],
                condition=Q(state=CodeState.ON_SHELF),
                name="virtual_code_for_sale",
            ),
            models.Index(
                fields=["valid_until"],
                condition=Q(state=CodeState.ON_SHELF, valid_until__isnull=False),
                name="virtual_code_to_expire",
            ),
            models.Index(fields=["stock", "-id"], name="virtual_code_of_stock"),
        ]

    def __str__(self) -> str:
        return self.hint or str(self.pk)

    @transition(state, source=CodeState.ON_SHELF, target=CodeState.SOLD)
    def sell(self) -> None:
        """It is a buyer's."""

    @transition(state, source=CodeState.SOLD, target=CodeState.REVEALED)
    def reveal(self) -> None:
        """Somebody looked at it: it is never for sale again."""

    @transition(state, source=CodeState.SOLD, target=CodeState.ON_SHELF)
    def take_back(self) -> None:
        """Its order was cancelled or came back before anybody looked at it."""

    @transition(state, source=CodeState.ON_SHELF, target=CodeState.WITHDRAWN)
    def withdraw(self) -> None:
        """Staff took it from sale."""

    @transition(state, source=CodeState.ON_SHELF, target=CodeState.EXPIRED)
    def expire(self) -> None:
        """Its day is over."""


class CodeSale(models.Model):
    """That a code was sold for a unit of a sub-order line. One that was taken back may be sold again by another row."""

    code = models.ForeignKey(
        VirtualCode, verbose_name=_("code for sale"), on_delete=models.PROTECT, related_name="sales", db_index=False
    )
    delivery = models.ForeignKey(
        VirtualDelivery, verbose_name=_("virtual delivery"), on_delete=models.PROTECT, related_name="sales"
    )
    line = models.ForeignKey(
        SubOrderLine,
        verbose_name=_("sub-order line"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    sold_at = models.DateTimeField(_("sold at"), db_default=Now(), editable=False)
    taken_back_at = models.DateTimeField(_("taken back at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("sale of a code")
        verbose_name_plural = _("sales of codes")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(taken_back_at__isnull=True), name="code_sale_one_a_code"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code_id}: {self.line_id}"
