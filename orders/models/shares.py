"""The money that a line, a part of one, or a sub-order carries: its shares of the order's amounts."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from oms.common.models import money

# The columns of `CarriesShares`; in this order they match `orders.intake.apportionment.Shares`, with its `payable`.
SHARES = (
    *("goods_amount", "freight_share", "promotion_share", "coupon_share", "adjustment_share", "points_share"),
    *("gift_card_share", "merchant_borne_share", "payable_amount"),
)


def shares_in_fen(alias: str) -> str:
    """SQL of what a row of this alias carries of each component, as `Shares` takes them: columns in whole fen."""
    return ", ".join(f"({alias}.{column} * 100)::bigint" for column in SHARES[:-1])


class CarriesShares(models.Model):
    """A row with shares of an order's amounts, in yuan; `shares_add_up` is their constraint."""

    goods_amount = money(_("goods amount"))
    freight_share = money(_("share of freight"))
    promotion_share = money(_("share of promotions"), db_default=0)
    coupon_share = money(_("share of coupon"))
    adjustment_share = money(_("share of adjustment"), db_default=0)
    points_share = money(_("share of points"))
    gift_card_share = money(_("share of gift card"))
    merchant_borne_share = money(
        _("borne by the merchant"),
        db_default=0,
        help_text=_("What the merchant of the goods bears of promotions and adjustment; it is not part of the sum."),
    )
    payable_amount = money(_("payable"))

    class Meta:
        abstract = True


def shares_add_up(name: str) -> models.CheckConstraint:
    """The constraint, under the table's own name for it: no share is negative but that of the
    adjustment, and what is payable is their sum."""
    return models.CheckConstraint(
        condition=Q(
            goods_amount__gte=0,
            freight_share__gte=0,
            promotion_share__gte=0,
            coupon_share__gte=0,
            points_share__gte=0,
            gift_card_share__gte=0,
            payable_amount__gte=0,
            payable_amount=F("goods_amount")
            + F("freight_share")
            - F("promotion_share")
            - F("coupon_share")
            + F("adjustment_share")
            - F("points_share")
            - F("gift_card_share"),
        ),
        name=name,
    )
