"""On which terms units come back: what the rules of their merchant and categories say, the strictest of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from inventory.models import Sku
from oms.common.work import clock
from orders.models import Fault, PaysOn, ReturnKind, ReturnReason, ReturnRule


class Against(models.TextChoices):
    """What speaks against a return by its terms."""

    TOO_LATE = "too_late", _("The time for it is over.")
    NOT_TAKEN = "not_taken", _("Such goods do not come back without a fault.")
    NO_PHOTO = "no_photo", _("A photo is missing.")
    NO_FAULT = "no_fault", _("Money without a return needs a fault.")


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a return; days count from signature."""

    accepts_no_reason: bool = True
    days: int = 7
    fault_days: int = 2
    approves_at_once: bool = False
    decide_hours: int = 48
    ship_days: int = 7
    inspect_hours: int = 48
    pays_on: str = PaysOn.INSPECTION
    warehouse_id: int | None = None


def terms_of(skus: Iterable[Sku]) -> Terms:
    """The terms on which units of these SKUs come back together. One statement."""
    goods = list(skus)
    merchants = {sku.merchant_id for sku in goods}
    rules = list(ReturnRule.objects.filter(Q(merchant=None) | Q(merchant__in=merchants), is_active=True))
    found = [rule for sku in goods if (rule := _rule_of(sku, rules)) is not None]
    if not found:
        return Terms()
    houses = {rule.warehouse_id for rule in found}
    return Terms(
        all(rule.accepts_no_reason for rule in found),
        min(rule.days for rule in found),
        min(rule.fault_days for rule in found),
        all(rule.approves_at_once for rule in found),
        min(rule.decide_hours for rule in found),
        min(rule.ship_days for rule in found),
        min(rule.inspect_hours for rule in found),
        PaysOn.HANDED_OVER if all(rule.pays_on == PaysOn.HANDED_OVER for rule in found) else PaysOn.INSPECTION,
        houses.pop() if len(houses) == 1 else None,
    )


def _rule_of(sku: Sku, rules: Sequence[ReturnRule]) -> ReturnRule | None:
    fitting = [
        rule for rule in rules if rule.merchant_id in (None, sku.merchant_id) and sku.category.startswith(rule.category)
    ]
    return max(fitting, key=lambda rule: (rule.merchant_id is not None, len(rule.category)), default=None)


def against(
    terms: Terms, kind: str, reason: ReturnReason, *, signed_at: datetime, now: datetime, has_photo: bool
) -> list[Against]:
    """What speaks against a return for this reason."""
    is_buyers = reason.fault == Fault.BUYER
    found = []
    if is_buyers and not terms.accepts_no_reason:
        found.append(Against.NOT_TAKEN)
    if now > signed_at + clock.scaled(timedelta(days=terms.days if is_buyers else max(terms.fault_days, 0))):
        found.append(Against.TOO_LATE)
    if reason.needs_photo and not has_photo:
        found.append(Against.NO_PHOTO)
    if is_buyers and kind == ReturnKind.REFUND_ONLY:
        found.append(Against.NO_FAULT)
    return found
