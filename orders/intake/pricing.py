"""What lowers or changes an order's price beside its coupon, and what the channel took already: as checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec
from django.utils.translation import gettext as _

from oms.common.money import fen_text
from oms.merchants.models import Merchant
from orders.intake import promotion_rules
from orders.intake.bodies import MAX_LINES, CollectedBody, OrderBody, PromotionBody
from orders.intake.reference import Reference
from orders.intake.refusals import Refusals
from orders.models.amounts import Bearer
from orders.models.order import PaymentMethod

MOST_PROMOTIONS = 50
MOST_RULE_BYTES = 2000
LONGEST_TRANSACTION = 64


@dataclass(frozen=True, slots=True)
class CheckedPromotion:
    """A promotion; amounts in fen, `lines` the places of those that it covers, from 0."""

    body: PromotionBody
    amount: int
    platform_amount: int
    lines: Sequence[int]

    @property
    def merchant_amount(self) -> int:
        """What the merchant of the goods bears of it."""
        return self.amount - self.platform_amount


@dataclass(frozen=True, slots=True)
class Collected:
    """What the channel took from the buyer: when, how much in fen, under which number, by whom."""

    at: datetime
    amount: int
    transaction: str
    provider: str


@dataclass(frozen=True, slots=True)
class Pricing:
    """Promotions and the change of an order's price; amounts in fen. `adjustment_amount` is signed."""

    promotions: Sequence[CheckedPromotion] = ()
    adjustment_amount: int = 0
    adjustment_reason: str = ""
    adjustment_bearer: str = ""
    collected: Collected | None = None

    @property
    def promotion_amount(self) -> int:
        """What all promotions take off."""
        return sum([promotion.amount for promotion in self.promotions])

    @property
    def merchant_borne_amount(self) -> int:
        """What the merchants of the goods bear of all this; negative where an adjustment gives them more."""
        adjustment = self.adjustment_amount if self.adjustment_bearer == Bearer.MERCHANT else 0
        return sum([promotion.merchant_amount for promotion in self.promotions]) - adjustment

    @property
    def changes_price(self) -> bool:
        """Whether there is anything to share among the lines."""
        return bool(self.promotions or self.adjustment_amount)


PLAIN = Pricing()


def check(body: OrderBody, reference: Reference, wrong: Refusals) -> Pricing:
    """The order's promotions, change of price and collected money; what is wrong with them is noted."""
    if not (body.promotions or body.adjustment_amount or body.collected or body.adjustment_bearer):
        return PLAIN
    owner = Bearer.PLATFORM if reference.merchant.kind == Merchant.Kind.SELF_OPERATED else Bearer.MERCHANT
    if body.adjustment_bearer:
        wrong.choice("adjustment_bearer", body.adjustment_bearer, Bearer.values)
    adjustment = wrong.amount("adjustment_amount", body.adjustment_amount, is_signed=True)
    if adjustment:
        if not body.adjustment_reason.strip():
            wrong.add("adjustment_reason", "required", _("Say why the price was changed."))
        wrong.text("adjustment_reason", body.adjustment_reason, 200, required=False)
    promotions = _promotions(body, owner, wrong)
    bearer = str(body.adjustment_bearer or owner) if adjustment else ""
    if not reference.may_platform_bear(body.source):
        _refuse_the_platforms_money(promotions, bearer, wrong)
    return Pricing(
        promotions=promotions,
        adjustment_amount=adjustment,
        adjustment_reason=body.adjustment_reason if adjustment else "",
        adjustment_bearer=bearer,
        collected=_collected(body.collected, body.payment_method, wrong) if body.collected else None,
    )


def are_deductions_outside(body: OrderBody, reference: Reference) -> bool:
    """Whether the coupon, gift card and points, where there are any, are those of the platform of a marketplace
    merchant's own channel, which settles them with the merchant: those of ours only where its terms say so."""
    is_ours = reference.merchant.kind == Merchant.Kind.SELF_OPERATED
    if is_ours or not (body.coupon_amount or body.gift_card_amount or body.points.amount):
        return False
    return not reference.may_platform_bear(body.source)


def _refuse_the_platforms_money(promotions: Sequence[CheckedPromotion], bearer: str, wrong: Refusals) -> None:
    """Note where the order lays something on the platform, whose terms with the channel do not say so."""
    detail = _("The platform bears nothing of this channel's orders: let the merchant bear it, or ask for other terms.")
    for i, promotion in enumerate(promotions):
        if promotion.platform_amount:
            is_rest = promotion.body.platform_amount is None and promotion.body.merchant_amount is not None
            name = "merchant_amount" if is_rest else "platform_amount"
            wrong.add(f"promotions.{i}.{name}", "bearer_not_allowed", detail)
    if bearer == Bearer.PLATFORM:
        wrong.add("adjustment_bearer", "bearer_not_allowed", detail)


def _promotions(body: OrderBody, owner: Bearer, wrong: Refusals) -> Sequence[CheckedPromotion]:
    if len(body.promotions) > MOST_PROMOTIONS:
        detail = _("An order has at most %(most)d promotions.") % {"most": MOST_PROMOTIONS}
        wrong.add("promotions", "too_many", detail)
        return ()
    ids = {line.id: place for place, line in enumerate(body.lines) if line.id}
    known: set[str] = set()
    checked = []
    for i, promotion in enumerate(body.promotions):
        attr = f"promotions.{i}"
        wrong.text(f"{attr}.id", promotion.id, 64)
        wrong.text(f"{attr}.name", promotion.name, 120, required=False)
        if promotion.id in known:
            detail = _("The order has this promotion already: give each once, with its whole amount.")
            wrong.add(f"{attr}.id", "repeated", detail)
        known.add(promotion.id)
        _check_rule(promotion, attr, wrong)
        amount = wrong.amount(f"{attr}.amount", promotion.amount)
        platform = _platform_amount(promotion, amount, owner, attr, wrong)
        checked.append(CheckedPromotion(promotion, amount, platform, _covered(promotion, body, ids, attr, wrong)))
    return checked


def _check_rule(promotion: PromotionBody, attr: str, wrong: Refusals) -> None:
    try:
        rule = msgspec.json.encode(promotion.rule)
    except UnicodeEncodeError:
        rule = b"\\u0000"
    if len(rule) > MOST_RULE_BYTES:
        detail = _("At most %(most)d bytes of JSON: send what says how the promotion works, not its texts.")
        wrong.add(f"{attr}.rule", "too_large", detail % {"most": MOST_RULE_BYTES})
    elif b"\\u0000" in rule:
        wrong.add(f"{attr}.rule", "control_character", _("Remove the control characters, such as line breaks."))
    understood = promotion_rules.understand(promotion.rule)
    if isinstance(understood, Sequence):
        for error in understood:
            wrong.add(f"{attr}.rule.{error.attr}", error.code, error.detail)


def _platform_amount(promotion: PromotionBody, amount: int, owner: Bearer, attr: str, wrong: Refusals) -> int:
    """What the platform bears of the promotion; the rest is the merchant's."""

    def given(name: str, value: Decimal | None) -> int | None:
        return None if value is None else wrong.amount(f"{attr}.{name}", value)

    platform = given("platform_amount", promotion.platform_amount)
    merchant = given("merchant_amount", promotion.merchant_amount)
    if platform is None and merchant is None:
        return amount if owner == Bearer.PLATFORM else 0
    if platform is None:
        platform = amount - (merchant or 0)
    elif merchant is None:
        merchant = amount - platform
    if platform < 0 or merchant is None or merchant < 0 or platform + merchant != amount:
        name = "merchant_amount" if promotion.platform_amount is None else "platform_amount"
        detail = _(
            "The amounts that the platform and the merchant bear must add up to %(amount)s. Leave one out, and the"
            " other bears the rest."
        )
        wrong.add(f"{attr}.{name}", "does_not_add_up", detail % {"amount": fen_text(amount)})
        return 0
    return platform


def _covered(
    promotion: PromotionBody, body: OrderBody, ids: Mapping[str, int], attr: str, wrong: Refusals
) -> Sequence[int]:
    """The places of the lines that it covers, from 0."""
    if not promotion.lines:
        return range(len(body.lines))
    if len(promotion.lines) > MAX_LINES:
        wrong.add(f"{attr}.lines", "too_many", _("An order has at most %(most)d lines.") % {"most": MAX_LINES})
        return ()
    places = set()
    for i, named in enumerate(promotion.lines):
        place = named - 1 if isinstance(named, int) else ids.get(named, -1)
        if not 0 <= place < len(body.lines):
            detail = _("The order has no line %(line)s: give the line's position, counted from 1, or its id.")
            wrong.add(f"{attr}.lines.{i}", "unknown_line", detail % {"line": named})
        places.add(place)
    return sorted(places)


def _collected(collected: CollectedBody, payment_method: str, wrong: Refusals) -> Collected:
    if payment_method == PaymentMethod.COD:
        detail = _("Nobody has the money of an order that is paid on delivery: leave this out, or send it as prepaid.")
        wrong.add("collected", "contradiction", detail)
    wrong.moment("collected.paid_at", collected.paid_at)
    wrong.text("collected.transaction", collected.transaction, LONGEST_TRANSACTION, required=False)
    wrong.text("collected.provider", collected.provider, 40, required=False)
    amount = wrong.amount("collected.amount", collected.amount)
    return Collected(collected.paid_at, amount, collected.transaction, collected.provider)


def check_collected(collected: Collected, payable: int, wrong: Refusals) -> None:
    """Note it where the channel says that it took nothing, or more than the order costs (fen)."""
    if not 0 < collected.amount <= payable:
        detail = _("Give an amount above 0 and not above what is payable (%(payable)s), or leave `collected` out.")
        wrong.add("collected.amount", "out_of_range", detail % {"payable": fen_text(payable)})
