"""What comes with some orders beyond goods and money: wishes, deadlines of the platform, marks of the seller, and the
invoice that the buyer asks for. Most orders have none of it, and no row here.
"""

import json
from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Warehouse
from oms.common import secrecy
from oms.common.secrecy import SealedTextField
from orders.models.order import FulfilmentState, Order

MOST_FLAGS = 5


class CarrierClass(models.TextChoices):
    """Whose couriers a carrier's are."""

    OWN = "own", _("Own couriers")
    THIRD_PARTY = "third_party", _("Third party")


class DepositTerms(models.TextChoices):
    """What becomes of a paid instalment where a later one is not paid in time."""

    ASK = "ask", _("A person decides")
    FORFEIT = "forfeit", _("It is forfeited")
    RETURN = "return", _("It goes back")


class UnmetWish(models.TextChoices):
    """Why the carrier that was wished for does not carry a parcel of the order."""

    UNAVAILABLE = "unavailable", _("No such carrier could be asked when the parcel was written")
    REFUSED = "refused", _("It gave no waybill")
    WAREHOUSE = "warehouse", _("The warehouse gave the parcel to another one")


class Flag(models.IntegerChoices):
    """The seller's mark on an order, in the colours of 淘宝."""

    NONE = 0, _("No flag")
    RED = 1, _("Red flag")
    YELLOW = 2, _("Yellow flag")
    GREEN = 3, _("Green flag")
    BLUE = 4, _("Blue flag")
    PURPLE = MOST_FLAGS, _("Purple flag")


class OrderTerms(models.Model):
    """Wishes and terms of one order. `ship_by`, `collect_by` and `sign_by` are the platform's own deadlines.

    `receiver_token` is sealed: by it the platform tells the receiver whose name, phone and address it hides.
    """

    order = models.OneToOneField(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, primary_key=True, related_name="terms"
    )
    ship_not_before = models.DateTimeField(
        _("not shipped before"), null=True, blank=True, help_text=_("Presale: it is sent to a warehouse then.")
    )
    carrier = models.CharField(_("carrier wished for"), max_length=20, db_default="", default="", blank=True)
    carrier_class = models.CharField(
        _("kind of carrier wished for"),
        max_length=12,
        choices=CarrierClass.choices,
        db_default="",
        default="",
        blank=True,
    )
    carrier_unmet = models.CharField(
        _("why it is another carrier"),
        max_length=12,
        choices=UnmetWish.choices,
        db_default="",
        default="",
        blank=True,
        editable=False,
    )
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse wished for"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    delivery_from = models.DateTimeField(_("delivery from"), null=True, blank=True)
    delivery_until = models.DateTimeField(_("delivery until"), null=True, blank=True)
    ship_by = models.DateTimeField(_("platform: ship by"), null=True, blank=True)
    # How often the watch stage has looked whether it ships in time: before the deadline, and at it.
    ship_looks = models.SmallIntegerField(_("looks at the shipping deadline"), db_default=0, default=0, editable=False)
    collect_by = models.DateTimeField(_("platform: collected by"), null=True, blank=True)
    sign_by = models.DateTimeField(_("platform: signed by"), null=True, blank=True)
    receiver_token = SealedTextField(
        _("receiver token"), only_if="receiver_token <> ''", db_default="", default="", blank=True, editable=False
    )
    merge_key = models.CharField(
        _("platform's merge key"),
        max_length=100,
        db_default="",
        default="",
        blank=True,
        editable=False,
        help_text=_("Orders with the same one go to the same recipient, says the platform."),
    )
    seller_memo = models.CharField(_("seller's memo"), max_length=500, db_default="", default="", blank=True)
    flag = models.SmallIntegerField(_("flag"), choices=Flag.choices, db_default=Flag.NONE, default=Flag.NONE)
    metadata = models.JSONField(_("metadata"), db_default={}, default=dict, blank=True)

    class Meta:
        verbose_name = _("wishes and terms")
        verbose_name_plural = _("wishes and terms")
        constraints = [
            models.CheckConstraint(condition=Q(flag__in=Flag.values), name="order_flag_is_known"),
            models.CheckConstraint(
                condition=Q(carrier_class__in=["", *CarrierClass.values]), name="order_carrier_class_is_known"
            ),
            models.CheckConstraint(
                condition=Q(carrier="") | Q(carrier_class=""), name="order_wishes_for_a_carrier_or_a_class"
            ),
            models.CheckConstraint(
                condition=Q(carrier_unmet="")
                | Q(carrier_unmet__in=UnmetWish.values) & (~Q(carrier="") | ~Q(carrier_class="")),
                name="order_wish_is_unmet_only_if_there_is_one",
            ),
            models.CheckConstraint(
                condition=Q(delivery_from__isnull=True)
                | Q(delivery_until__isnull=True)
                | Q(delivery_from__lt=F("delivery_until")),
                name="order_delivery_ends_after_it_begins",
            ),
        ]
        indexes = [
            GinIndex(fields=["metadata"], opclasses=["jsonb_path_ops"], name="order_terms_by_metadata"),
            models.Index(fields=["merge_key"], condition=~Q(merge_key=""), name="order_terms_by_merge_key"),
            models.Index(
                fields=["ship_by"], condition=Q(ship_by__isnull=False, ship_looks__lt=2), name="order_terms_ship_watch"
            ),
        ]

    def __str__(self) -> str:
        return str(self.order_id)

    @property
    def has_receiver_token(self) -> bool:
        """Whether the platform can be asked who receives it."""
        return bool(self.receiver_token)

    def late(self, fulfilment_state: str, now: datetime) -> list[str]:
        """Which of the platform's deadlines passed for the order, which is as far as `fulfilment_state` says."""
        return late_deadlines(fulfilment_state, (self.ship_by, self.collect_by, self.sign_by), now)


class InvoiceKind(models.TextChoices):
    """The kinds of invoices that a buyer may ask for."""

    ORDINARY = "ordinary", _("Ordinary invoice")
    SPECIAL = "special", _("Special VAT invoice")


class TitleType(models.TextChoices):
    """Whose name an invoice is made out in."""

    PERSONAL = "personal", _("Personal")
    COMPANY = "company", _("Company")


class InvoiceRequest(models.Model):
    """The invoice that the buyer of one order asks for; what is personal of it is sealed."""

    # In this order the page shows them.
    DETAILS = ("title", "tax_number", "bank_name", "bank_account", "address", "phone", "email")

    order = models.OneToOneField(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, primary_key=True, related_name="invoice_request"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=InvoiceKind.choices)
    title_type = models.CharField(_("title is"), max_length=10, choices=TitleType.choices)
    sealed = SealedTextField(_("details"), editable=False)
    title_version = models.IntegerField(
        _("version of the title"),
        db_default=1,
        default=1,
        editable=False,
        help_text=_("Counts up when it is corrected."),
    )
    is_withdrawn = models.BooleanField(_("withdrawn"), db_default=False, default=False)
    issues_now = models.BooleanField(
        _("issued at once"), db_default=False, default=False, help_text=_("Without waiting for the goods to arrive.")
    )
    # Set by whoever changes what is owed or where the goods are; `payments.invoicing` takes it off.
    due_since = models.DateTimeField(_("due since"), null=True, blank=True, db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("invoice request")
        verbose_name_plural = _("invoice requests")
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=InvoiceKind.values), name="invoice_request_kind_is_known"),
            models.CheckConstraint(
                condition=Q(title_type__in=TitleType.values), name="invoice_request_title_type_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(kind=InvoiceKind.SPECIAL) | Q(title_type=TitleType.COMPANY),
                name="invoice_request_special_for_companies",
            ),
        ]
        indexes = [
            models.Index(fields=["due_since"], condition=Q(due_since__isnull=False), name="invoice_request_due"),
        ]

    def __str__(self) -> str:
        return str(self.order_id)

    @property
    def details(self) -> dict[str, str]:
        """Title, tax number and the rest, by name. Raises cryptography.fernet.InvalidToken where no key opens them."""
        opened = json.loads(secrecy.unseal(self.sealed))
        return {name: opened.get(name, "") for name in self.DETAILS}


_UNSHIPPED = (FulfilmentState.UNFULFILLED, FulfilmentState.PARTLY_SHIPPED)
_UNDELIVERED = (*_UNSHIPPED, FulfilmentState.SHIPPED, FulfilmentState.PARTLY_DELIVERED)


def late_deadlines(
    fulfilment_state: str, deadlines: tuple[datetime | None, datetime | None, datetime | None], now: datetime
) -> list[str]:
    """Which of the platform's deadlines (`ship_by`, `collect_by`, `sign_by`, in this order) passed for an order that is
    not as far. Whether a carrier has a parcel counts as far as it was shipped."""
    open_in = (("ship_by", _UNSHIPPED), ("collect_by", _UNSHIPPED), ("sign_by", _UNDELIVERED))
    return [
        name
        for (name, states), moment in zip(open_in, deadlines, strict=True)
        if moment is not None and moment < now and fulfilment_state in states
    ]
