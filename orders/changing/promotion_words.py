"""What a promotion asks for, in words."""

from django.utils.translation import gettext as _

from oms.common.money import fen_text
from orders.intake.promotion_rules import Rule, RuleKind, Tier

_WHOLE_RATE = 10_000


def rule_in_words(rule: Rule | None) -> str:
    """The rule in the active language; "" for one that is not understood."""
    if rule is None:
        return ""
    return _("; ").join(_step(rule, tier) for tier in rule.tiers)


def _step(rule: Rule, tier: Tier) -> str:
    values = {
        "least": fen_text(tier.from_worth),
        "units": tier.from_units,
        "amount": fen_text(tier.amount),
        "freight": fen_text(tier.freight),
        "percent": f"{(_WHOLE_RATE - tier.rate) / 100:g}",
        "nth": rule.nth,
    }
    match rule.kind:
        case RuleKind.AMOUNT_OFF if rule.is_repeated:
            text = _("%(amount)s yuan off for every %(least)s yuan")
        case RuleKind.AMOUNT_OFF:
            text = _("%(amount)s yuan off from %(least)s yuan on")
        case RuleKind.DISCOUNT if tier.from_units:
            text = _("%(percent)s %% off from %(units)s units on")
        case RuleKind.DISCOUNT:
            text = _("%(percent)s %% off from %(least)s yuan on")
        case RuleKind.NTH_UNIT:
            text = _("%(percent)s %% off each unit number %(nth)s")
        case RuleKind.BUNDLE:
            text = _("any %(units)s units for %(amount)s yuan")
        case RuleKind.FREE_SHIPPING:
            text = _("no freight from %(least)s yuan on, else %(freight)s yuan")
    return text % values
