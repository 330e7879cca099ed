"""The amounts of an order: what its price is made of."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from oms.common.models import money


class Bearer(models.TextChoices):
    """Who bears what an order's price was lowered by; the merchant is that of the goods."""

    PLATFORM = "platform", _("Platform")
    MERCHANT = "merchant", _("Merchant")


class ApportionmentPolicy(models.TextChoices):
    """How an order's amounts were shared among its lines; see `orders.intake.apportionment`."""

    WHOLE_YUAN = "whole_yuan", _("Whole yuan first")
    FEN = "fen", _("By the fen")


class CarriesAmounts(models.Model):
    """An order's amounts, in yuan; `amounts_are_sound` are their constraints."""

    goods_amount = money(_("goods amount"))
    freight_amount = money(_("freight"))
    order_amount = money(_("order amount"))
    promotion_amount = money(_("promotions"), db_default=0)
    coupon_amount = money(_("coupon"))
    points_used = models.IntegerField(_("points used"), db_default=0)
    points_amount = money(_("points amount"))
    gift_card_amount = money(_("gift card"))
    adjustment_amount = money(
        _("adjustment"), db_default=0, help_text=_("A change of the price; negative where it makes the order cheaper.")
    )
    adjustment_reason = models.CharField(_("reason of the adjustment"), max_length=200, db_default="", blank=True)
    adjustment_bearer = models.CharField(
        _("who bears the adjustment"), max_length=10, choices=Bearer.choices, db_default="", blank=True
    )
    merchant_borne_amount = money(
        _("borne by merchants"),
        db_default=0,
        help_text=_("What the merchants of the goods bear of promotions and adjustment."),
    )
    payable_amount = money(_("payable"))
    apportionment_policy = models.CharField(
        _("apportionment"),
        max_length=10,
        choices=ApportionmentPolicy.choices,
        db_default=ApportionmentPolicy.WHOLE_YUAN,
        editable=False,
    )

    class Meta:
        abstract = True


def amounts_are_sound() -> list[models.CheckConstraint]:
    """The constraints: what is payable is the sum, and a change of price says why and who bears it."""
    return [
        models.CheckConstraint(
            condition=Q(
                goods_amount__gte=0,
                freight_amount__gte=0,
                promotion_amount__gte=0,
                coupon_amount__gte=0,
                points_amount__gte=0,
                gift_card_amount__gte=0,
                payable_amount__gte=0,
                order_amount=F("goods_amount") + F("freight_amount"),
                payable_amount=F("order_amount")
                - F("promotion_amount")
                - F("coupon_amount")
                + F("adjustment_amount")
                - F("gift_card_amount")
                - F("points_amount"),
            ),
            name="order_amounts_add_up",
        ),
        models.CheckConstraint(
            condition=Q(adjustment_amount=0, adjustment_bearer="", adjustment_reason="")
            | Q(~Q(adjustment_amount=0), ~Q(adjustment_reason=""), adjustment_bearer__in=Bearer.values),
            name="order_adjustment_has_reason_and_bearer",
        ),
        models.CheckConstraint(
            condition=Q(apportionment_policy__in=ApportionmentPolicy.values),
            name="order_apportionment_policy_is_known",
        ),
    ]
