"""The companies in whose name invoices are issued."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from stdnum.cn import uscc

from oms.common.models import Connection, Versioned, money
from oms.common.tax import TaxClass, TaxMark


def check_tax_number(number: str) -> None:
    """Raises ValidationError unless it is a unified social credit code in its one form."""
    if not uscc.is_valid(number) or uscc.compact(number) != number:
        raise ValidationError(_("This is no unified social credit code: 18 characters with a check digit."))


def tax_code_field(verbose_name: object) -> models.CharField:
    """A column for a class of goods or services of the tax bureau; empty: not said."""
    return models.CharField(
        verbose_name,  # type: ignore[arg-type]
        max_length=19,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"^[0-9]{19}\Z", _("A tax class has 19 digits."))],
    )


def tax_rate_field(verbose_name: object) -> models.DecimalField:
    """A column for a rate of VAT as a share; null: not said."""
    return models.DecimalField(
        verbose_name,  # type: ignore[arg-type]
        max_digits=4,
        decimal_places=3,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(Decimal("0.5"))],
        help_text=_("As a share: 0.13 is 13 %."),
    )


def tax_mark_field() -> models.CharField:
    """A column for why no tax is charged."""
    return models.CharField(
        _("why no tax"), max_length=8, choices=TaxMark.choices, blank=True, default="", db_default=""
    )


def tax_data_is_whole(prefix: str, name: str) -> models.CheckConstraint:
    """The constraint that class and rate are said together, and a reason for no tax with rate 0 only."""
    code, rate, mark = f"{prefix}tax_code", f"{prefix}tax_rate", f"{prefix}tax_mark"
    return models.CheckConstraint(
        condition=Q(**{code: "", f"{rate}__isnull": True, mark: ""})
        | (
            Q(**{f"{code}__regex": "^[0-9]{19}$", f"{rate}__isnull": False, f"{rate}__gte": 0, f"{rate}__lt": 1})
            & (Q(**{mark: ""}) | Q(**{f"{mark}__in": TaxMark.values, rate: 0}))
        ),
        name=name,
        violation_error_message=_("Give tax class and rate together; with a reason for no tax the rate is 0."),
    )


class IssueWhen(models.TextChoices):
    """When what a buyer asked for is invoiced."""

    DELIVERED = "delivered", _("When the goods are there")
    COMPLETED = "completed", _("When the order is completed")
    BY_HAND = "by_hand", _("When staff say so")


class GiftCardPolicy(models.TextChoices):
    """When what was paid with a gift card is invoiced."""

    AT_SALE = "at_sale", _("When the card is sold: not again when it is used")
    AT_USE = "at_use", _("When it is used")


class LegalEntity(Versioned):
    """A company that issues invoices: merchants and warehouses name theirs. Rates and classes are data that finance
    maintains; those here are for freight, for services to merchants, for gift cards that are sold, and for goods that
    say nothing themselves.
    """

    code = models.SlugField(_("code"), max_length=40)
    name = models.CharField(_("registered name"), max_length=100)
    tax_number = models.CharField(_("tax number"), max_length=18, validators=[check_tax_number])
    address = models.CharField(_("address"), max_length=200, blank=True, default="")
    phone = models.CharField(_("phone"), max_length=40, blank=True, default="")
    bank_name = models.CharField(_("bank"), max_length=80, blank=True, default="")
    bank_account = models.CharField(_("account"), max_length=40, blank=True, default="")
    clerk = models.CharField(_("clerk"), max_length=20, blank=True, default="", help_text=_("Who issues (开票人)."))
    email = models.EmailField(
        _("e-mail"), max_length=120, blank=True, default="", help_text=_("Where invoices to it are sent.")
    )
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="legal_entities",
        help_text=_("The invoice service; without one it issues nothing here."),
    )
    issue_when = models.CharField(
        _("issues"), max_length=10, choices=IssueWhen.choices, default=IssueWhen.DELIVERED, db_default="delivered"
    )
    gift_cards = models.CharField(
        _("gift cards"), max_length=8, choices=GiftCardPolicy.choices, default=GiftCardPolicy.AT_SALE
    )
    shows_gifts = models.BooleanField(
        _("shows gifts"), default=False, help_text=_("As goods with a discount of all of their value.")
    )
    most_lines = models.PositiveIntegerField(
        _("lines an invoice"), default=2000, help_text=_("Longer ones are split; discounts are lines too.")
    )
    most_amount = money(
        _("amount of an invoice"), null=True, blank=True, help_text=_("Without tax, in yuan; larger ones are split.")
    )
    goods_tax_code = tax_code_field(_("goods: tax class"))
    goods_tax_name = models.CharField(_("goods: short name"), max_length=40, blank=True, default="")
    goods_tax_rate = tax_rate_field(_("goods: rate"))
    goods_tax_mark = tax_mark_field()
    freight_tax_code = tax_code_field(_("freight: tax class"))
    freight_tax_name = models.CharField(_("freight: short name"), max_length=40, blank=True, default="")
    freight_tax_rate = tax_rate_field(_("freight: rate"))
    freight_tax_mark = tax_mark_field()
    service_tax_code = tax_code_field(_("services to merchants: tax class"))
    service_tax_name = models.CharField(_("services to merchants: short name"), max_length=40, blank=True, default="")
    service_tax_rate = tax_rate_field(_("services to merchants: rate"))
    service_tax_mark = tax_mark_field()
    card_tax_code = tax_code_field(_("gift cards sold: tax class"))
    card_tax_name = models.CharField(_("gift cards sold: short name"), max_length=40, blank=True, default="")
    card_tax_rate = tax_rate_field(_("gift cards sold: rate"))
    card_tax_mark = tax_mark_field()
    deducts_input_tax = models.BooleanField(
        _("deducts input tax"), default=True, help_text=_("Invoices to it are special ones.")
    )

    class Meta:
        verbose_name = _("legal entity")
        verbose_name_plural = _("legal entities")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="legal_entity_code_is_unique"),
            models.UniqueConstraint(fields=["tax_number"], name="legal_entity_tax_number_is_unique"),
            models.CheckConstraint(
                condition=Q(issue_when__in=IssueWhen.values), name="legal_entity_issue_when_is_known"
            ),
            models.CheckConstraint(
                condition=Q(gift_cards__in=GiftCardPolicy.values), name="legal_entity_gift_card_policy_is_known"
            ),
            # A goods line and its discount stand on one invoice.
            models.CheckConstraint(
                condition=Q(most_lines__gte=2) & (Q(most_amount=None) | Q(most_amount__gt=0)),
                name="legal_entity_limits_are_sensible",
                violation_error_message=_(
                    "An invoice has room for at least 2 lines; its largest amount is above 0, or empty for no limit."
                ),
            ),
            tax_data_is_whole("goods_", "legal_entity_goods_tax_is_whole"),
            tax_data_is_whole("freight_", "legal_entity_freight_tax_is_whole"),
            tax_data_is_whole("service_", "legal_entity_service_tax_is_whole"),
            tax_data_is_whole("card_", "legal_entity_card_tax_is_whole"),
            models.CheckConstraint(
                condition=~Q(tax_number=""),
                name="legal_entity_has_a_tax_number",
                violation_error_message=_("Give the tax number."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def tax_of(self, what: str) -> TaxClass | None:
        """How it says that `what` (goods, freight, service, card) is taxed; None where it does not."""
        code, name, rate, mark = (getattr(self, f"{what}_tax_{part}") for part in ("code", "name", "rate", "mark"))
        return TaxClass(code, name, rate, mark) if code else None
